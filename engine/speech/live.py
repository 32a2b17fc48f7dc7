"""Speech to face while it is spoken: sound goes in as it comes, frames with their times come out.

``LiveAnimator`` takes pieces of sound of any length, short, late, twice or with holes between them, and keeps one clock:
the sound's. What is missing is made up, so that a face whose speaker has gone silent shuts its mouth instead of
freezing in the middle of a word; what comes when its place has been filled is left out, so that the face does not fall
behind. Memory is the same after an hour as after a second.

How late a frame can be is arithmetic, see ``LiveAnimator.worst_case_latency``.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Protocol

import numpy as np

from ..errors import TroupeError
from ..motion.face_motion import BLENDSHAPES, HEAD, MAX_FPS
from .channels import CHANNEL_FPS
from .features import HIGHEST_RATE, LOWEST_RATE, RATE, ZEROS, Resampler

ROW = 1 / Fraction(CHANNEL_FPS)  # seconds
FORMATS = {"s16le": np.dtype("<i2"), "f32le": np.dtype("<f4")}
MAX_CHANNELS = 64
TOLERANCE = 0.01  # seconds that a piece may be off its place
LONGEST_GAP, SETTLE = 10.0, 2.0  # longer holes are jumped over once the face has come to rest
# Holes are filled as G.711's Appendix I (ITU-T, 1999) does it in the phone: the last sound goes on, fading, for 60 ms.
REPEAT, FADE = 0.02, 0.06


class Animator(Protocol):
    """What turns 16 kHz sound into a face, 50 rows a second, forward in time.

    Attributes:
        delay: Seconds of sound after its own moment that a row waits for.
    """

    delay: float

    def push(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Float32 ``[S]`` to the rows it completes: blendshapes ``[n, 52]`` and head ``[n, 6]``."""

    def flush(self) -> tuple[np.ndarray, np.ndarray]:
        """The rows that still wait when the sound has ended."""


@dataclass(frozen=True, eq=False)
class Frames:
    """Frames that are ready.

    Attributes:
        times: float64 ``[n]`` seconds since the sound began.
        blendshapes: float32 ``[n, 52]`` in 0..1, as ``BLENDSHAPES``.
        head: float32 ``[n, 6]``, as ``HEAD``.
    """

    times: np.ndarray
    blendshapes: np.ndarray
    head: np.ndarray

    def __len__(self) -> int:
        return len(self.times)


@dataclass(frozen=True)
class Tally:
    """What a stream has been through.

    Attributes:
        frames: Frames made.
        heard: Seconds of sound that came and were used.
        gaps: Holes that were filled.
        missing: Seconds that were made up or jumped over.
        late: Seconds that came after their place had been filled.
        broken: Samples that were no numbers.
        slowest: Seconds that the longest piece took to compute.
    """

    frames: int = 0
    heard: float = 0.0
    gaps: int = 0
    missing: float = 0.0
    late: float = 0.0
    broken: int = 0
    slowest: float = 0.0


class LiveAnimator:
    """A stream of sound to a stream of frames.

    Args:
        animator: Who makes the face; used up by this stream.
        rate: Samples a second of the sound, 4000 to 192000.
        fps: Frames a second wanted.
        channels: Of the sound; they are averaged.
        format: Of pieces that are bytes, one of ``FORMATS``.
        tolerance: Seconds that a piece's time may differ from its place before something is done about it.

    Raises:
        TroupeError: if a value is out of range.
    """

    def __init__(
        self,
        animator: Animator,
        rate: int,
        fps: float | Fraction = 30,
        *,
        channels: int = 1,
        format: str = "s16le",
        tolerance: float = TOLERANCE,
    ):
        _check(rate, fps, channels, format)
        self.rate, self.fps = int(rate), Fraction(fps).limit_denominator(1001)
        self._animator, self._channels, self._format = animator, channels, FORMATS[format]
        self._tolerance = tolerance
        self._resampler = Resampler(self.rate)
        # What the resampler waits for is put before the sound instead, so that rows are complete at whole pieces.
        self._early = 0 if self.rate == RATE else math.ceil(ZEROS * max(1.0, self.rate / RATE))
        self._resampler.push(np.zeros(self._early, np.float32))
        self._bytes = b""  # of a sample that is not complete
        self._last = np.zeros(0, np.float32)  # what a hole is filled with
        self._made_up = 0  # samples since the last real one
        self._place = 0  # samples behind us, made up ones too
        self._origin: float | None = None  # of the clock that pieces are timed by
        self._jumped = 0.0  # seconds
        self._rows = _Rows(self.fps)
        self._ready: list[Frames] = []
        self._counts: dict[str, float] = {}

    @property
    def tally(self) -> Tally:
        """What has happened so far."""
        return Tally(**self._counts)

    @property
    def position(self) -> float:
        """Seconds of sound behind us, made up ones too: the stream's clock."""
        return self._place / self.rate + self._jumped

    def duration(self, sound: bytes) -> float:
        """Seconds that bytes of this format last."""
        return len(sound) / (self._format.itemsize * self._channels * self.rate)

    def worst_case_latency(self, chunk: float, compute: float = 0.0) -> float:
        """Seconds from a moment of the sound until its frame is out, at the worst.

        The sum of the resampler's wait, the animator's (its lookahead and the row of 20 ms itself), the wait for the
        row after the frame's moment (frames lie between rows), for the piece of sound to be complete, and computing.

        Args:
            chunk: Seconds of sound in a piece, where all are alike.
            compute: Seconds that a piece takes, see ``Tally.slowest``.
        """
        piece = Fraction(chunk).limit_denominator(1_000_000)
        between = ROW * (1 - Fraction(1, (1 / (ROW * self.fps)).denominator))
        common = Fraction(
            math.gcd(piece.numerator * ROW.denominator, piece.denominator),
            piece.denominator * ROW.denominator,
        )
        waits = self._early / self.rate + self._animator.delay + between + (piece - common)
        return float(waits) + compute

    def push(self, sound: bytes | np.ndarray, at: float | None = None) -> Frames:
        """Hear a piece.

        Args:
            sound: Bytes of the format (samples cut in two go on in the next piece), or float ``[S]`` or
                ``[S, channels]`` with full scale 1. Values beyond are cut off, those that are no numbers are 0.
            at: When its first sample was recorded, in seconds of any steady clock. Without, it follows what came
                before. A hole before it is filled; what overlaps is left out; a clock that starts anew is followed.

        Returns:
            The frames that are complete with it.

        Raises:
            TroupeError: if an array has another shape.
        """
        samples = self._mono(sound)
        if at is not None:
            samples = self._placed(samples, at)
        if len(samples):
            self._count(heard=len(samples) / self.rate)
            self._last = np.concatenate([self._last, samples])[-int(REPEAT * self.rate) :].copy()
            self._made_up = 0
            self._hear(samples)
        return self._taken()

    def silence(self, seconds: float, now: float | None = None) -> Frames:
        """No sound has come for so long: what would have come is made up.

        Args:
            seconds: How long.
            now: The clock's time after it, by which later pieces with a time are placed.
        """
        self._fill(seconds)
        if now is not None:
            self._origin = now - self.position
        return self._taken()

    def finish(self) -> Frames:
        """The last frames, up to the end of the sound. The stream is over then."""
        if self._place:
            for rows in (self._animator.push(self._resampler.flush()), self._animator.flush()):
                self._rows.add(*rows)
            self._make_frames(max(1, round(Fraction(self._place, self.rate) * self.fps)))
        return self._taken()

    def _mono(self, sound: bytes | np.ndarray) -> np.ndarray:
        if isinstance(sound, bytes | bytearray | memoryview):
            data = self._bytes + bytes(sound)
            whole = len(data) - len(data) % (self._format.itemsize * self._channels)
            self._bytes = data[whole:]
            values = np.frombuffer(data[:whole], self._format).reshape(-1, self._channels)
            if self._format.kind == "i":  # always within full scale
                return values.astype(np.float32).sum(1) * np.float32(1 / 32768 / self._channels)
        else:
            values = np.asarray(sound, np.float32)
            values = values[:, None] if values.ndim == 1 and self._channels == 1 else values
        if values.ndim != 2 or values.shape[1] != self._channels:
            raise TroupeError(
                "The piece of sound does not fit the stream",
                f"it has shape {list(values.shape)}, expected [samples, {self._channels}]",
                "Open the stream with the right number of channels",
            )
        broken = ~np.isfinite(values)
        if broken.any():
            self._count(broken=int(broken.sum()))
            values = np.where(broken, np.float32(0), values)
        return np.clip(values, -1, 1).sum(1) * np.float32(1 / self._channels)

    def _placed(self, samples: np.ndarray, at: float) -> np.ndarray:
        """What of a piece that was recorded at ``at`` is to be heard now, any hole before it filled."""
        if self._origin is None or at - self._origin < self.position - LONGEST_GAP:
            self._origin = at - self.position
        off = at - self._origin - self.position
        if off > self._tolerance:
            self._fill(off)
        elif off < -self._tolerance:
            late = min(len(samples), round(-off * self.rate))
            self._count(late=late / self.rate)
            return samples[late:]
        return samples

    def _fill(self, seconds: float) -> None:
        """Make up sound: the last one goes on and fades, then there is silence."""
        jump = seconds - SETTLE if seconds > LONGEST_GAP else 0.0
        count = round((seconds - jump) * self.rate)
        self._count(gaps=not self._made_up, missing=seconds)
        self._bytes = b""
        filled = np.zeros(count, np.float32)
        fade = FADE * self.rate
        at = np.arange(self._made_up, min(self._made_up + count, math.ceil(fade)))
        if len(self._last) and len(at):
            there_and_back = np.concatenate([self._last[::-1], self._last])  # no clicks where it repeats
            filled[: len(at)] = there_and_back[at % len(there_and_back)] * (1 - at / fade)
        self._made_up += count
        self._hear(filled)
        self._jumped += jump

    def _hear(self, samples: np.ndarray) -> None:
        for begin in range(0, len(samples), self.rate):  # at most a second at a time
            started = time.perf_counter()
            part = samples[begin : begin + self.rate]
            self._rows.add(*self._animator.push(self._resampler.push(part)))
            self._place += len(part)
            self._make_frames()
            took = time.perf_counter() - started
            self._counts["slowest"] = max(took, self._counts.get("slowest", 0.0))

    def _make_frames(self, end: int | None = None) -> None:
        first, values = self._rows.frames(end)
        times = (first + np.arange(len(values))) / float(self.fps) + self._jumped
        self._ready.append(Frames(times, values[:, : len(BLENDSHAPES)], values[:, len(BLENDSHAPES) :]))
        self._count(frames=len(values))

    def _taken(self) -> Frames:
        """All frames that are ready, once."""
        parts, self._ready = self._ready, []
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return Frames(np.zeros(0), *(np.zeros((0, n), np.float32) for n in (len(BLENDSHAPES), len(HEAD))))
        return Frames(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Frames)))

    def _count(self, **more: float) -> None:
        for name, value in more.items():
            self._counts[name] = self._counts.get(name, 0) + value


class _Rows:
    """Rows at 50 Hz to frames at another rate, linear in time; keeps what the next frame needs."""

    def __init__(self, fps: Fraction):
        self._step = 1 / (ROW * fps)  # rows from frame to frame
        self._rows = np.zeros((0, len(BLENDSHAPES) + len(HEAD)), np.float32)
        self._first = 0  # index of the first row that is kept
        self._frame = 0  # index of the next frame

    def add(self, blendshapes: np.ndarray, head: np.ndarray) -> None:
        """Rows that follow: ``[n, 52]`` and ``[n, 6]``."""
        self._rows = np.concatenate([self._rows, np.concatenate([blendshapes, head], 1)])

    def frames(self, end: int | None = None) -> tuple[int, np.ndarray]:
        """The index of the first new frame, and new frames ``[n, 58]``.

        Args:
            end: Make all frames up to this one, excluded, the last row being held; else as far as rows go.
        """
        begin, last = self._frame, self._first + len(self._rows) - 1
        if end is None:
            end = math.floor(last / self._step) + 1 if last >= 0 else 0
        if end <= begin or last < 0:
            return begin, self._rows[:0]
        index = np.arange(begin, end)
        up, down = self._step.numerator, self._step.denominator
        low = index * up // down
        mix = (index * up % down / down).astype(np.float32)[:, None]
        before, after = (self._rows[np.clip(i - self._first, 0, len(self._rows) - 1)] for i in (low, low + 1))
        self._frame = end
        kept = min(end * up // down, last)
        self._rows, self._first = self._rows[kept - self._first :].copy(), kept
        return begin, before + mix * (after - before)


def _check(rate: int, fps: float | Fraction, channels: int, format: str) -> None:
    for name, value, low, high, usual in (
        ("rate", rate, LOWEST_RATE, HIGHEST_RATE, "16000 to 48000"),
        ("number of channels", channels, 1, MAX_CHANNELS, "1 or 2"),
    ):
        if not (low <= value <= high and value == int(value)):
            raise TroupeError(
                f"The sound's {name} {value} is out of range",
                f"it must be a whole number of {low} to {high}",
                f"Use {usual}",
            )
    if not 1 <= fps <= MAX_FPS:
        raise TroupeError(
            f"The frame rate {fps} is out of range", f"it must lie in 1 to {MAX_FPS:g}", "Use 30 or 60"
        )
    if format not in FORMATS:
        raise TroupeError(f"The format '{format}' is unknown", f"known are {', '.join(FORMATS)}", "Use s16le")
