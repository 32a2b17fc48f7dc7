"""Between decoded frames and RGB, without shifting colours.

Colour matrix and range are always given by name: PyAV releases differ in what they assume when they are not.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from .rates import fraction

# libswscale flags. Without the last two it rounds down: every pass would darken a picture by one level.
SCALING = 2 | 0x40000 | 0x2000  # bilinear, accurate rounding, full chroma interpolation

LIMITED, FULL = 1, 2  # AVColorRange
BT709 = 1  # AVColorSpace, AVColorPrimaries and AVColorTransferCharacteristic alike
_BT601, _BT2020 = 5, 9
_SMPTE240, _FCC = 7, 4
_PQ, _HLG = 16, 18  # AVColorTransferCharacteristic
HD_HEIGHT = 720  # untagged video from this height on is BT.709, below it BT.601, as players have it


class RgbConverter:
    """Turns the frames of one stream into upright uint8 RGB ``[height, width, 3]``.

    Args:
        first: The first decoded frame, which says format, size and rotation.
        stream: Its stream, for pixel shape and the old rotation tag.
    """

    def __init__(self, first, stream):
        from av.video.reformatter import VideoReformatter

        self._reformatter = VideoReformatter()
        self.notes: list[str] = []
        aspect = fraction(stream.sample_aspect_ratio) or Fraction(1)
        if not Fraction(1, 8) <= aspect <= 8:
            aspect = Fraction(1)
        self._size = max(1, round(first.width * aspect)), first.height
        self._transpose, self._mirror, self._flip = orientation(first, stream.metadata)
        self.width, self.height = self._size[::-1] if self._transpose else self._size
        if getattr(first, "color_trc", 0) in (_PQ, _HLG):
            self.notes.append("the clip is HDR; its colours are not tone-mapped and look flat")

    def __call__(self, frame) -> np.ndarray:
        alpha = frame.format.has_palette or any(c.is_alpha for c in frame.format.components)
        matrix, span = _colour_of(frame)
        rgb = self._reformatter.reformat(
            frame,
            width=self._size[0],
            height=self._size[1],
            format="rgba" if alpha else "rgb24",
            src_colorspace=matrix,
            src_color_range=span,
            dst_color_range=FULL,
            interpolation=SCALING,
        ).to_ndarray()
        if alpha:
            rgb = over(rgb, 0)
        if self._transpose:
            rgb = rgb.transpose(1, 0, 2)
        return np.ascontiguousarray(rgb[:: -1 if self._flip else 1, :: -1 if self._mirror else 1])


def over(rgba: np.ndarray, ground: int) -> np.ndarray:
    """uint8 ``[H, W, 4]`` with straight alpha composited over a grey of this level: uint8 ``[H, W, 3]``."""
    colour, alpha = rgba[..., :3].astype(np.uint16), rgba[..., 3:].astype(np.uint16)
    return ((colour * alpha + ground * (255 - alpha) + 127) // 255).astype(np.uint8)


def _colour_of(frame) -> tuple[int, int]:
    """Colour matrix and range of a frame, guessed as players do where the file does not say."""
    name = frame.format.name
    full = name.startswith(("rgb", "bgr", "gbr", "argb", "abgr", "gray", "ya", "pal", "mono", "yuvj", "0"))
    span = frame.color_range if frame.color_range in (LIMITED, FULL) else (FULL if full else LIMITED)
    if frame.colorspace in (BT709, _FCC, _SMPTE240, _BT2020):
        return frame.colorspace, span
    if frame.colorspace in (_BT601, 6):
        return _BT601, span
    return (BT709 if frame.height >= HD_HEIGHT else _BT601), span


def orientation(frame, metadata: dict[str, str]) -> tuple[bool, bool, bool]:
    """How to make a stored frame upright: transpose, then mirror (left-right), then flip (top-bottom).

    From the display matrix (nine 32-bit integers, row vectors: x' = a·x + c·y, y' = b·x + d·y), or from the
    older ``rotate`` tag (degrees clockwise).
    """
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is not None:
        a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].astype(int)
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return False, a < 0, d < 0
        return True, c < 0, b < 0
    try:
        turns = round(float(metadata.get("rotate", 0)) / 90) % 4
    except ValueError:
        turns = 0
    return ((False, False, False), (True, True, False), (False, True, True), (True, False, True))[turns]
