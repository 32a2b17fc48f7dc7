"""A card for the help pages: photographs, curves, words and nodes on one dark ground, in one style.

Places and sizes are pixels of the finished picture, which is ``WIDTH`` wide. The editor shows it in a side bar of
less than half of that, so words are at least ``SMALL`` high. Drawn twice as large and made smaller, for smooth edges.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from troupe.engine.faces.draw import COLOURS

WIDTH, EDGE, GAP = 900, 28, 16
LARGE, NORMAL, SMALL = 34, 28, 24
MOST_BYTES = 60_000
GROUND, PLATE, LINE = (32, 34, 38), (45, 48, 54), (84, 89, 98)
INK, FAINT = (238, 238, 236), (168, 174, 184)
BLUE, ORANGE, GREEN, PINK, YELLOW, VIOLET = COLOURS[:6]
_FINER = 2

Box = tuple[float, float, float, float]  # left, top, width, height
Colour = tuple[int, int, int]


@cache
def font(size: float) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size * _FINER)


@dataclass(frozen=True)
class Curve:
    """A line of a chart: its name, seconds, values, and how it is drawn."""

    name: str
    times: np.ndarray
    values: np.ndarray
    colour: Colour
    wide: float = 4


class Card:
    """A picture in the making."""

    def __init__(self, height: int):
        self.height = height
        self.image = Image.new("RGB", (WIDTH * _FINER, height * _FINER), GROUND)
        self.draw = ImageDraw.Draw(self.image)

    def text(
        self,
        x: float,
        y: float,
        words: str,
        size: float = NORMAL,
        colour: Colour = INK,
        anchor: str = "la",
    ) -> float:
        """Words, one line; how wide they are."""
        self.draw.text((x * _FINER, y * _FINER), words, fill=colour, font=font(size), anchor=anchor)
        return font(size).getlength(words) / _FINER

    def paragraph(
        self, x: float, y: float, words: str, wide: float, size: float = SMALL, colour: Colour = INK
    ) -> float:
        """Words in lines that are no wider than ``wide``; where the next line would begin."""
        line = ""
        for word in [*words.split(), ""]:
            longer = f"{line} {word}".strip()
            if word and font(size).getlength(longer) <= wide * _FINER:
                line = longer
                continue
            self.text(x, y, line, size, colour)
            line, y = word, y + size * 1.35
        return y

    def plate(
        self, box: Box, fill: Colour = PLATE, outline: Colour | None = None, radius: float = 10
    ) -> None:
        x, y, w, h = (round(v * _FINER) for v in box)
        self.draw.rounded_rectangle((x, y, x + w, y + h), round(radius * _FINER), fill, outline, 2 * _FINER)

    def line(self, points: Sequence[tuple[float, float]], colour: Colour, wide: float = 4) -> None:
        flat = [(x * _FINER, y * _FINER) for x, y in points]
        self.draw.line(flat, colour, round(wide * _FINER), joint="curve")

    def dot(self, x: float, y: float, radius: float, colour: Colour) -> None:
        r = radius * _FINER
        self.draw.ellipse((x * _FINER - r, y * _FINER - r, x * _FINER + r, y * _FINER + r), colour)

    def arrow(self, x: float, y: float, length: float, down: bool = False, colour: Colour = FAINT) -> None:
        """From (x, y) to the right, or down; the other way if the length is negative."""
        head, half = float(np.copysign(18, length)), 13.0
        shaft = [(0, 0), (length - head, 0)]
        point = [(length - head, -half), (length, 0), (length - head, half)]
        if down:
            shaft, point = ([(b, a) for a, b in part] for part in (shaft, point))
        self.line([(x + a, y + b) for a, b in shaft], colour, 6)
        self.draw.polygon([((x + a) * _FINER, (y + b) * _FINER) for a, b in point], colour)

    def photo(self, pixels: np.ndarray, box: Box, words: str = "", colour: Colour = INK) -> None:
        """Pixels that fill the box, cut evenly where their shape differs; with words in its lower left corner."""
        x, y, w, h = (round(v * _FINER) for v in box)
        high, wide = pixels.shape[:2]
        zoom = max(w / wide, h / high)
        cut_x, cut_y = max(0.0, (wide - w / zoom) / 2), max(0.0, (high - h / zoom) / 2)
        picture = Image.fromarray(np.ascontiguousarray(pixels)).resize(
            (w, h), Image.Resampling.LANCZOS, (cut_x, cut_y, wide - cut_x, high - cut_y)
        )
        mask = Image.new("L", (w, h), 0)
        ImageDraw.Draw(mask).rounded_rectangle((0, 0, w - 1, h - 1), 8 * _FINER, 255)
        self.image.paste(picture, (x, y), mask)
        if words:
            self.tag(box[0], box[1] + box[3] - SMALL - 14, words, colour)

    def tag(self, x: float, y: float, words: str, colour: Colour = INK, size: float = SMALL) -> None:
        """Words on a dark plate, its upper left corner at (x, y)."""
        wide = font(size).getlength(words) / _FINER
        self.plate((x, y, wide + 20, size + 14), (18, 19, 22), radius=8)
        self.text(x + 10, y + (size + 14) / 2, words, size, colour, "lm")

    def number(self, x: float, y: float, number: int, size: float = 38) -> None:
        """A person's number in their colour, its upper left corner at (x, y)."""
        self.plate((x, y, size, size), COLOURS[(number - 1) % len(COLOURS)], radius=6)
        self.text(x + size / 2, y + size / 2, str(number), size * 0.7, (0, 0, 0), "mm")

    def wave(self, samples: np.ndarray, box: Box, colour: Colour = PINK) -> None:
        """Mono sound as a wave on a plate."""
        x, y, w, h = box
        self.plate(box)
        parts = np.array_split(np.abs(samples), int(w - 16) // 3)
        for i, part in enumerate(parts):
            half = max(1.0, float(part.max() / np.abs(samples).max()) * (h / 2 - 8))
            self.line([(x + 8 + 3 * i, y + h / 2 - half), (x + 8 + 3 * i, y + h / 2 + half)], colour, 2)

    def chart(
        self,
        curves: Sequence[Curve],
        box: Box,
        seconds: tuple[float, float],
        values: tuple[float, float] = (0, 1),
        names: bool = True,
        unit: str = " s",
        step: float = 1,
    ) -> None:
        """Curves on a plate with a line for each ``step`` of time, their names above them."""
        x, y, w, h = box
        first, last = seconds
        if names:
            at = x
            for name, colour in dict.fromkeys((c.name, c.colour) for c in curves if c.name):
                self.dot(at + 10, y + 17, 8, colour)
                at += 28 + self.text(at + 26, y + 17, name, SMALL, INK, "lm") + 22
            y, h = y + 40, h - 40
        if step:
            h -= 34
        self.plate(box=(x, y, w, h))
        ticks = np.arange(np.ceil(first / step) * step, last + 1e-6, step) if step else ()
        for tick in ticks:
            place = x + (tick - first) / (last - first) * w
            if x + 4 < place < x + w - 4:
                self.line([(place, y), (place, y + h)], LINE, 1)
            anchor = "la" if place < x + 20 else "ra" if place > x + w - 40 else "ma"
            words = f"{tick:g}{unit}" if tick in (ticks[0], ticks[-1]) else f"{tick:g}"
            self.text(place, y + h + 6, words, SMALL, FAINT, anchor)
        low, high = values
        for curve in curves:
            across = x + (np.asarray(curve.times) - first) / (last - first) * w
            up = y + h - 8 - (np.asarray(curve.values) - low) / (high - low) * (h - 16)
            inside = (across >= x - 0.01) & (across <= x + w + 0.01)
            points = list(zip(across[inside].tolist(), up[inside].clip(y + 4, y + h - 4).tolist()))
            self.line(points, curve.colour, curve.wide)

    def bytes(self) -> bytes:
        """WEBP, as good as ``MOST_BYTES`` allow."""
        small = self.image.resize((WIDTH, self.height), Image.Resampling.LANCZOS)
        for quality in (86, 80, 74, 68, 60, 50):
            file = io.BytesIO()
            small.save(file, "WEBP", quality=quality, method=6)
            if file.tell() < MOST_BYTES:
                return file.getvalue()
        raise ValueError(f"{file.tell()} bytes at the lowest quality: show less")

    def save(self, path: Path) -> None:
        path.write_bytes(self.bytes())


def cut_off(words: str, wide: float, size: float = SMALL) -> str:
    """As much of a line as there is room for."""
    while words and font(size).getlength(words) > wide * _FINER:
        words = words[:-1]
    return words


def columns(count: int, gap: float = GAP, left: float = EDGE, right: float = WIDTH - EDGE) -> list[float]:
    """Left edges of equal columns, and how wide one is at the end."""
    wide = (right - left - gap * (count - 1)) / count
    return [left + i * (wide + gap) for i in range(count)] + [wide]
