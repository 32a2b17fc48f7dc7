"""Pictures of a motion: its strongest shapes and the head pose over time."""

from __future__ import annotations

import numpy as np

from ..errors import TroupeError
from .face_motion import BLENDSHAPES, HEAD, FaceMotion

# Okabe and Ito's colours, which the colour-blind can tell apart, without those that vanish on white.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#5c5c5c")
_PAPER, _INK, _GRID, _FAINT = "#fbfaf7", "#22252a", "#e4e2dc", "#6a6f78"
_MOST_POINTS = 4000


def plot_motion(
    motion: FaceMotion, *, top: int = 8, width: int = 960, height: int = 540, title: str | None = None
) -> np.ndarray:
    """Draw the shapes that move most over seconds, with the head pose below.

    The two sides of a shape share a line where they move alike.

    Args:
        motion: What to draw.
        top: Most lines in the upper half, 1 to 16.
        width, height: Pixels, 320 to 4096 and 240 to 4096.
        title: Text above; default is the length and frame rate.

    Returns:
        uint8 RGB ``[height, width, 3]``.

    Raises:
        TroupeError: on a size out of range, or without matplotlib.
    """
    for value, low, high, what in (
        (width, 320, 4096, "width"),
        (height, 240, 4096, "height"),
        (top, 1, 16, "top"),
    ):
        if not low <= value <= high:
            raise TroupeError(
                f"The plot's {what} {value} is out of range",
                f"it must lie in {low} to {high}",
                "Use the default",
            )
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as e:
        raise TroupeError(
            "Cannot plot the motion", str(e), "Install it with 'pip install matplotlib'"
        ) from None

    scale = min(width / 960, height / 540)
    dpi = 100 * max(scale, 0.6)
    figure = Figure((width / dpi, height / dpi), dpi, facecolor=_PAPER)
    canvas = FigureCanvasAgg(figure)
    title = f"{motion.duration:.2f} s at {motion.fps:.5g} frames/s" if title is None else title
    # Fixed margins in font heights: room for the legends at the right, whatever the size.
    unit = 14 * dpi / 100
    left, right, bottom, head = (
        4.2 * unit / width,
        1 - 14 * unit / width,
        3.2 * unit / height,
        1 - 2.8 * unit / height,
    )
    grid = figure.add_gridspec(
        2, 1, height_ratios=(5, 3), hspace=0.16, left=left, right=right, bottom=bottom, top=head
    )
    upper, lower = figure.add_subplot(grid[0]), figure.add_subplot(grid[1])
    figure.text(
        left, 1 - 1.7 * unit / height, _fit(title, width, unit), color=_INK, fontsize=11, weight="bold"
    )
    times = np.arange(len(motion)) / motion.fps
    _shapes(upper, times, motion, top)
    _head(lower, times, motion)
    for axes in (upper, lower):
        _style(axes, motion.duration)
    upper.tick_params(labelbottom=False)
    lower.set_xlabel("seconds", color=_FAINT, fontsize=9)
    canvas.draw()
    picture = np.asarray(canvas.buffer_rgba())[:height, :width, :3]
    return np.ascontiguousarray(picture)


def _fit(text: str, width: int, unit: float) -> str:
    most = max(8, int(width / (0.85 * unit)) - 6)
    return text if len(text) <= most else text[: most - 1] + "…"


def strongest(motion: FaceMotion, top: int) -> list[tuple[str, np.ndarray]]:
    """Names and values ``[T]`` of the shapes with the largest excursion, sides merged where they are alike."""
    lines: list[tuple[float, str, np.ndarray]] = []
    for name in BLENDSHAPES:
        values = motion.column(name)
        other = (
            name[:-5] + "Left"
            if name.endswith("Right")
            else name[:-4] + "Right"
            if name.endswith("Left")
            else ""
        )
        alike = other in BLENDSHAPES and np.abs(values - motion.column(other)).max() < 0.12
        if alike and name.endswith("Right"):
            continue
        size = float(values.max() - values.min()) + 0.5 * float(values.mean())
        lines.append((size, name[:-4] if alike else name, values))
    lines.sort(key=lambda line: -line[0])
    return [(name, values) for size, name, values in lines[:top] if size > 0.005]


def _thin(times: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Few enough points to draw quickly that still show every peak: minimum and maximum of each stretch.

    A single frame becomes a level line.
    """
    if len(times) == 1:
        return np.array([0.0, 1e9]), np.repeat(values, 2)
    if len(times) <= _MOST_POINTS:
        return times, values
    edges = np.linspace(0, len(times), _MOST_POINTS // 2 + 1).astype(int)[:-1]
    pair = np.stack([np.minimum.reduceat(values, edges), np.maximum.reduceat(values, edges)], 1)
    return np.repeat(times[edges], 2), pair.ravel()


def _shapes(axes, times: np.ndarray, motion: FaceMotion, top: int) -> None:
    lines = strongest(motion, top)
    for i, (name, values) in enumerate(lines):
        style = "-" if i < len(_COLOURS) else "--"
        axes.plot(
            *_thin(times, values), style, color=_COLOURS[i % len(_COLOURS)], lw=1.5, label=name, alpha=0.92
        )
    axes.set_ylim(-0.03, 1.03)
    axes.set_yticks((0, 0.5, 1))
    if lines:
        _legend(axes)
    else:
        axes.text(
            0.5, 0.5, "no shape moves", transform=axes.transAxes, ha="center", color=_FAINT, fontsize=10
        )


def _head(axes, times: np.ndarray, motion: FaceMotion) -> None:
    for i, name in enumerate(HEAD[:3]):
        axes.plot(*_thin(times, motion.head[:, i]), color=_COLOURS[i], lw=1.5, label=f"{name} (°)")
    if np.abs(motion.head[:, 3:]).max() > 1e-4:
        # Hundredths of an eye distance are of the size of degrees.
        for i, name in enumerate(HEAD[3:], 3):
            axes.plot(
                *_thin(times, 100 * motion.head[:, i]),
                ":",
                color=_COLOURS[i],
                lw=1.3,
                label=f"{name} (% eye dist.)",
            )
    low, high = axes.get_ylim()
    if high - low < 2:  # do not blow up noise
        axes.set_ylim((low + high) / 2 - 1, (low + high) / 2 + 1)
    axes.axhline(0, color=_FAINT, lw=0.6, zorder=0)
    _legend(axes)


def _legend(axes) -> None:
    axes.legend(
        loc="upper left", bbox_to_anchor=(1.012, 1.03), frameon=False, fontsize=8.5, labelcolor=_INK,
        handlelength=1.4, handletextpad=0.6, borderaxespad=0, labelspacing=0.32,
    )  # fmt: skip


def _style(axes, seconds: float) -> None:
    axes.set_facecolor("white")
    axes.set_xlim(0, seconds)
    axes.grid(True, color=_GRID, lw=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_FAINT, labelsize=8.5, length=0)
    for side in axes.spines.values():
        side.set_color(_GRID)
