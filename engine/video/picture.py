"""Still pictures: load any usual file as upright uint8 RGB, check arrays from anywhere, save."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np

from ..errors import TroupeError
from .colour import over
from .files import check_input, check_output, replacing

MAX_SIDE = 4096
MIN_SIDE = 16
MAX_PIXELS = 178_000_000  # just under the limit that Pillow itself refuses at
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
_CLIP_SUFFIXES = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi")
_TOLERANCE = 0.1  # resamplers overshoot 0..1 a little
_WHITE = 255


def load_picture(path: str | Path, *, max_side: int = MAX_SIDE, notes: list[str] | None = None) -> np.ndarray:
    """Read a picture.

    The camera's orientation (EXIF) and an embedded colour profile are applied; transparency is composited over
    white; 16 bits, CMYK, palette and grey become 8-bit RGB; of an animation the first frame is taken.

    Args:
        path: PNG, JPEG, WebP, TIFF, BMP, GIF or whatever else Pillow reads.
        max_side: A picture with a longer side is reduced to it.
        notes: Receives remarks for the user.

    Returns:
        uint8 ``[H, W, 3]``.

    Raises:
        TroupeError: if there is no such file, it is damaged or no picture, a side is under 16 pixels, or it
            has more than 178 million pixels.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    path = check_input(path, "picture")
    if path.suffix.lower() in _CLIP_SUFFIXES:
        raise TroupeError(
            f"'{path.name}' is not a picture",
            "it is a video",
            "Save one of its frames as PNG or JPEG and use that",
        )
    notes = [] if notes is None else notes
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                _check_size(path.name, *image.size)
                was = image.size
                image.draft(
                    None, (max_side, max_side)
                )  # JPEG: decode at a fraction of the size where that will do
                image.load()
                image = ImageOps.exif_transpose(_to_rgb(image, Image))
    except Image.DecompressionBombError as error:
        raise TroupeError(
            f"The picture '{path.name}' is too large",
            f"it has more than {MAX_PIXELS:,} pixels",
            f"Reduce it to {MAX_SIDE} pixels a side or less",
        ) from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError) as error:
        why = (
            "it is no picture that can be read here"
            if isinstance(error, UnidentifiedImageError)
            else str(error)
        )
        raise TroupeError(
            f"Cannot read the picture '{path.name}'", why or "it is damaged", "Save it again as PNG or JPEG"
        ) from error
    if max(was) > max_side:
        image.thumbnail((max_side, max_side), Image.Resampling.LANCZOS, reducing_gap=3.0)
        notes.append(f"'{path.name}' was reduced from {was[0]}x{was[1]} to fit {max_side} pixels a side")
    return np.array(image)


def _check_size(name: str, width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise TroupeError(
            f"The picture '{name}' is too large",
            f"it has {width}x{height} pixels, at most {MAX_PIXELS:,} are read",
            f"Reduce it to {MAX_SIDE} pixels a side or less",
        )
    if min(width, height) < MIN_SIDE:
        raise TroupeError(
            f"The picture '{name}' is too small",
            f"it has {width}x{height} pixels, at least {MIN_SIDE} a side are needed",
            "Use a larger picture",
        )


def _to_rgb(image, Image):
    """8-bit RGB of a loaded Pillow image, keeping its EXIF data."""
    exif = image.getexif()
    if image.mode.startswith(("I", "F")):  # 16 bits in whatever container, or float
        values = np.asarray(image).astype(np.float32)
        values = np.nan_to_num(values, nan=0.0)
        top = 65535 if image.mode.startswith("I") and values.max() > 255 else (255 if values.max() > 1 else 1)
        image = Image.fromarray(np.clip(values * (255 / top) + 0.5, 0, 255).astype(np.uint8))
    elif image.has_transparency_data:
        image = Image.fromarray(over(np.asarray(_in_srgb(image.convert("RGBA"), image.info)), _WHITE))
    image = _in_srgb(image, image.info).convert("RGB")
    image.getexif().update(exif)
    return image


def _in_srgb(image, info: dict):
    """The image in sRGB if it carries a usable profile of its own colour model."""
    from PIL import ImageCms

    profile = info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "RGBA", "CMYK", "L"):
        return image
    target = "RGBA" if image.mode == "RGBA" else "RGB"
    try:
        return ImageCms.profileToProfile(
            image,
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            outputMode=target,
        )
    except (ImageCms.PyCMSError, OSError, ValueError):  # damaged, or of another colour model
        return image


def check_picture(array: np.ndarray, name: str = "the picture") -> np.ndarray:
    """One picture from anywhere as uint8 RGB.

    Args:
        array: uint8, or float in 0..1 (overshoot up to a tenth is clipped), ``[H, W, 3]`` or ``[H, W, 4]``;
            alpha is composited over white.
        name: For messages.

    Returns:
        uint8 ``[H, W, 3]``; the array itself if it is that already.

    Raises:
        TroupeError: on another shape or type, a size that ``load_picture`` refuses, or values that are not
            finite or out of range.
    """
    array = np.asarray(array)
    if array.ndim != 3 or array.shape[2] not in (3, 4):
        raise TroupeError(
            f"Cannot use {name}",
            f"its shape is {list(array.shape)}, expected [height, width, 3 or 4]",
            "Give one RGB or RGBA picture",
        )
    _check_size(name, array.shape[1], array.shape[0])
    if array.dtype.kind == "f":
        low, high = float(array.min()), float(array.max())  # NaN spreads to both
        if not (np.isfinite(low) and np.isfinite(high)):
            raise TroupeError(
                f"Cannot use {name}",
                "it has values that are not numbers (NaN or infinity)",
                "Check what made it",
            )
        if low < -_TOLERANCE or high > 1 + _TOLERANCE:
            raise TroupeError(
                f"Cannot use {name}",
                f"its values run from {low:.3g} to {high:.3g}, expected 0 to 1",
                "Scale it to 0..1",
            )
        array = (np.clip(array, 0, 1) * 255 + 0.5).astype(np.uint8)
    elif array.dtype != np.uint8:
        raise TroupeError(
            f"Cannot use {name}",
            f"its values are {array.dtype}, expected uint8 or float in 0..1",
            "Convert it first",
        )
    return over(array, _WHITE) if array.shape[2] == 4 else array


def save_picture(path: str | Path, array: np.ndarray) -> Path:
    """Write uint8 ``[H, W, 3]`` as PNG, JPEG or WebP, whole or not at all.

    Returns:
        The absolute path written.

    Raises:
        TroupeError: if it cannot be written there, see ``check_output``.
    """
    from PIL import Image

    path = check_output(path, PICTURE_SUFFIXES)
    options = {} if path.suffix.lower() == ".png" else {"quality": 95}
    with replacing(path) as temporary:
        try:
            Image.fromarray(array).save(temporary, **options)
        except OSError as error:
            raise TroupeError(
                f"Cannot write '{path}'", str(error), "Check the free space and the folder"
            ) from error
    return path
