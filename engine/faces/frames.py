"""Pictures as users hand them over, checked, as uint8 RGB frames one at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from ..errors import TroupeError

MIN_SIDE = 16  # pixels: less cannot show a face
MAX_SIDE = 16384  # pixels: checked before anything of that size is allocated
_TOLERANCE = 1e-3  # how far resampling may leave 0..1


def count_of(frames: object) -> int:
    """Number of frames, 0 if it cannot be known beforehand (a generator)."""
    shape = getattr(frames, "shape", None)
    if shape is not None:
        return 1 if len(shape) == 3 else int(shape[0]) if len(shape) == 4 else 0
    return len(frames) if hasattr(frames, "__len__") else 0


def is_picture(frames: object) -> bool:
    """Whether this is one picture ``[H, W, C]`` rather than a clip."""
    return len(getattr(frames, "shape", ())) == 3


def iterate(frames: object) -> Iterator[np.ndarray]:
    """Yield uint8 ``[H, W, 3]`` frames, each checked; nothing but the current frame is held.

    Args:
        frames: ``[H, W, C]`` or ``[T, H, W, C]`` (numpy or torch, uint8 or float 0..1, C = 3 or 4; alpha is
            ignored), or an iterable of ``[H, W, C]`` frames.

    Raises:
        TroupeError: on what is not a picture, on sizes out of range, values out of range or not finite, on
            frames of different sizes, and on no frames at all.
    """
    first: tuple[int, int] | None = None
    for index, frame in enumerate(_each(frames)):
        image = to_uint8(frame, "The picture" if is_picture(frames) else f"Frame {index}")
        if first is None:
            first = image.shape[:2]
        elif image.shape[:2] != first:
            raise TroupeError(
                f"Frame {index} has another size",
                f"it is {image.shape[1]}x{image.shape[0]}, the first frame is {first[1]}x{first[0]}",
                "Bring all frames to one size first",
            )
        yield image
    if first is None:
        raise TroupeError("The clip is empty", "it has no frames", "Use a clip with at least one frame")


def _each(frames: object) -> Iterable[object]:
    shape = getattr(frames, "shape", None)
    if shape is not None:
        if len(shape) == 3:
            return [frames]
        if len(shape) == 4:
            return frames  # type: ignore[return-value]
        raise _not_a_picture("The picture", f"its shape is {list(shape)}")
    if isinstance(frames, (str, bytes, dict)) or not isinstance(frames, Iterable):
        raise _not_a_picture("The picture", f"it is a {type(frames).__name__}")
    return frames


def to_uint8(frame: object, name: str = "The picture") -> np.ndarray:
    """One frame as contiguous uint8 ``[H, W, 3]``; ``name`` is what an error calls it."""
    shape = tuple(getattr(frame, "shape", ()))
    if len(shape) != 3 or shape[2] not in (3, 4):
        raise _not_a_picture(
            name, f"its shape is {list(shape)}" if shape else f"it is a {type(frame).__name__}"
        )
    height, width = int(shape[0]), int(shape[1])
    if min(height, width) < MIN_SIDE:
        raise TroupeError(
            f"{name} is too small",
            f"it is {width}x{height} pixels, the minimum side is {MIN_SIDE}",
            "Use a larger picture",
        )
    if max(height, width) > MAX_SIDE:
        raise TroupeError(
            f"{name} is too large",
            f"it is {width}x{height} pixels, the maximum side is {MAX_SIDE}",
            "Scale it down first",
        )
    if hasattr(frame, "detach"):  # a torch tensor; torch itself is not needed to read one
        frame = frame.detach().cpu().float().numpy() if frame.is_floating_point() else frame.cpu().numpy()
    image = np.asarray(frame)[..., :3]
    if image.dtype == np.uint8:
        return np.ascontiguousarray(image)
    if not np.issubdtype(image.dtype, np.floating):
        raise TroupeError(
            f"{name} has values of type {image.dtype}",
            "expected uint8 in 0..255 or float in 0..1",
            "Convert it first",
        )
    low, high = float(image.min()), float(image.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise TroupeError(
            f"{name} has values that are not numbers", "NaN or infinity found", "Check what made it"
        )
    if low < -_TOLERANCE or high > 1 + _TOLERANCE:
        raise TroupeError(
            f"{name} has values out of range",
            f"they lie in {low:.4g} to {high:.4g}, expected 0 to 1 for floats",
            "Divide by 255, or clip it first",
        )
    return np.ascontiguousarray((np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8))


def _not_a_picture(name: str, why: str) -> TroupeError:
    return TroupeError(
        f"{name} is not a picture", why, "Give [H, W, 3] or [T, H, W, 3] RGB, uint8 or float in 0..1"
    )
