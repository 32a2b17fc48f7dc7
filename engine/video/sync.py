"""Do drive, model and output run at the same speed and last equally long? Figures, and warnings where they do not."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import TroupeError

_SAME_RATE = 0.002  # relative: 29.97 is not 30, but 23.976 is 24000/1001
_AHEAD = 0.08  # seconds that lips may be off before anybody notices


@dataclass(frozen=True)
class Part:
    """Something that lasts.

    Attributes:
        role: ``drive`` or ``output``.
        name: What it is called in the report.
        seconds: Its length.
        fps: Frames per second; ``None`` for sound.
        frames: Number of frames; ``None`` for sound.
        by_time: Whether whatever reads it goes by its clock (a motion does), so that another rate does no harm.
    """

    role: str
    name: str
    seconds: float
    fps: float | None = None
    frames: int | None = None
    by_time: bool = False

    def line(self) -> str:
        if self.fps is None:
            return f"{self.role}: {self.name}, {self.seconds:.2f} s"
        return f"{self.role}: {self.name}, {self.fps:.5g} fps, {self.frames} frames, {self.seconds:.2f} s"


def sync_report(parts: list[Part], model_fps: float = 0.0) -> tuple[list[str], list[str]]:
    """Compare rates and lengths.

    Args:
        parts: What there is, drives first.
        model_fps: Frames per second that the model was trained at, 0 if unknown.

    Returns:
        The figures, one line for each part and the model; and the warnings, a sentence each.

    Raises:
        TroupeError: if there is nothing to compare.
    """
    if len(parts) + (model_fps > 0) < 2:
        raise TroupeError(
            "Nothing to compare",
            f"{len(parts)} input(s) are connected",
            "Connect what drives and what came out",
        )
    lines = [part.line() for part in parts]
    if model_fps > 0:
        lines.append(f"model: {model_fps:.5g} fps")
    outputs = [p for p in parts if p.role == "output"]
    drives = [p for p in parts if p.role != "output"]
    warnings = [w for p in outputs for w in _against_model(p, model_fps)]
    for drive in drives:
        if model_fps > 0 and drive.fps and not drive.by_time and _differ(drive.fps, model_fps):
            warnings.append(
                f"The {drive.name} has {drive.fps:.5g} fps, the model {model_fps:.5g}: taken frame by frame it "
                f"would be played {_factor(model_fps, drive.fps)}. Resample it by time."
            )
        for output in outputs:
            warnings += _against_output(drive, output)
    warnings += _among_drives(drives)
    return lines, warnings


def _against_model(output: Part, model_fps: float) -> list[str]:
    if not output.fps or model_fps <= 0 or not _differ(output.fps, model_fps):
        return []
    return [
        f"Shown at {output.fps:.5g} fps ({output.name}), the model makes {model_fps:.5g}: everything moves "
        f"{_factor(output.fps, model_fps)}. Set the fps to {model_fps:.5g}, or interpolate frames."
    ]


def _against_output(drive: Part, output: Part) -> list[str]:
    warnings = []
    if drive.fps and output.fps and not drive.by_time and _differ(drive.fps, output.fps):
        same = drive.frames == output.frames
        warnings.append(
            f"The {drive.name} has {drive.fps:.5g} fps, the {output.name} {output.fps:.5g}"
            + (f", with {drive.frames} frames each: one of both has the wrong fps." if same else ".")
        )
    tick = 1 / output.fps if output.fps else _AHEAD
    left = drive.seconds - output.seconds
    if abs(left) > max(tick, _AHEAD):
        ends = "is cut off" if left > 0 else "has nothing to follow"
        whose = "its end" if left > 0 else "the rest"
        warnings.append(
            f"The {drive.name} lasts {drive.seconds:.2f} s, the {output.name} {output.seconds:.2f} s: {whose} "
            f"({abs(left):.2f} s) {ends}."
        )
    return warnings


def _among_drives(drives: list[Part]) -> list[str]:
    """Drives of unlike length, each against the longest."""
    if len(drives) < 2:
        return []
    longest = max(drives, key=lambda p: p.seconds)
    return [
        f"The {p.name} ends {longest.seconds - p.seconds:.2f} s before the {longest.name}."
        for p in drives
        if longest.seconds - p.seconds > max(_AHEAD, 1 / p.fps if p.fps else 0)
    ]


def _differ(one: float, other: float) -> bool:
    return abs(one - other) > _SAME_RATE * max(one, other)


def _factor(shown: float, made: float) -> str:
    """How fast frames made for one rate look at another."""
    return f"{shown / made:.2f} times too fast" if shown > made else f"{made / shown:.2f} times too slowly"
