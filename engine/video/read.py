"""Read clips: upright RGB frames at a constant rate, one at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from ..errors import TroupeError
from ..progress import Progress, report
from .audio import Audio, first_audio, read_audio
from .colour import RgbConverter
from .files import check_input, decode_stream, is_cover, open_media
from .rates import exact_rate, fraction, nominal_rate

MAX_PIXELS = 36_000_000  # 8K is 33 million
MAX_MEMORY = 4 << 30  # bytes that read_clip may return
MAX_HOLD = 60.0  # seconds; a longer gap between two frames is an error in the timestamps


class VideoReader:
    """A clip as an iterable of uint8 RGB frames ``[H, W, 3]``, in constant memory.

    Frames come at the constant rate ``rate``: output frame k is what is on screen k / rate seconds after the
    first frame. A frame whose time is early or late by less than a quarter of a frame counts as on time, so
    that jitter neither doubles nor drops frames. Rotation and mirroring stored in the file are applied,
    pixels are made square, alpha is composited over black, and more than 8 bits are reduced to 8 (HDR is not
    tone-mapped). What cannot be decoded is skipped and said in ``notes``. Each pass over the reader starts
    anew.

    Attributes:
        width, height: Frame size in pixels, upright and square.
        rate, fps: Frames per second as a ``Fraction`` and as a float.
        frame_count: Number of frames: an estimate from the file's header (0 if it does not say), until a pass
            has reached the end, then exact (``frame_count_is_exact``).
        has_audio: Whether there is a sound track.
        notes: Remarks for the user.

    Args:
        path: File to read.
        fps: Read at this rate instead of the clip's own.
        max_frames: Stop after so many frames, with a note.
        max_pixels: Refuse larger frames before decoding.

    Raises:
        TroupeError: if there is no such file, it is empty, damaged beyond use, has no moving picture, or its
            frames are too large.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        fps: float | Fraction | None = None,
        max_frames: int | None = None,
        max_pixels: int = MAX_PIXELS,
    ):
        self.path = check_input(path, "clip")
        self.notes: list[str] = []
        self.frame_count_is_exact = False
        self._max_frames, self._max_pixels = max_frames, max_pixels
        self._container = None
        try:
            first = self._open()
            self._describe(first, fps)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; a further pass opens it again."""
        if self._container is not None:
            self._container.close()
            self._container = None

    @property
    def fps(self) -> float:
        return float(self.rate)

    @property
    def duration(self) -> float:
        """Seconds: ``frame_count / rate``."""
        return float(self.frame_count / self.rate)

    def _open(self):
        """Open the file and decode its first frame."""
        self.close()
        self._container = open_media(self.path, "clip")
        self._stream = _moving_picture(self._container, self.path)
        width, height = self._stream.codec_context.width, self._stream.codec_context.height
        if width * height > self._max_pixels:
            raise TroupeError(
                f"The clip '{self.path.name}' is too large",
                f"its frames have {width}x{height} pixels, at most {self._max_pixels:,} pixels are read",
                "Make it smaller first",
            )
        self._stream.thread_type = "AUTO"
        self._skipped = 0
        self._decoded = decode_stream(self._container, self._stream, self._count_damage)
        first = next(self._decoded, None)
        if first is None:
            raise TroupeError(
                f"Nothing of the clip '{self.path.name}' can be decoded",
                "it is damaged or cut short, no frame is whole",
                "Copy or export it again",
            )
        self._first = first
        return first

    def _describe(self, first, fps: float | Fraction | None) -> None:
        """Set the attributes from the header and the first frame."""
        stream = self._stream
        average = fraction(stream.average_rate)
        self._own_rate = nominal_rate(average, fraction(stream.guessed_rate) or fraction(stream.base_rate))
        self.rate = self._own_rate if fps is None else exact_rate(fps)
        self.has_audio = first_audio(self._container) is not None
        self._convert = RgbConverter(first, stream)
        self.width, self.height = self._convert.width, self._convert.height
        self.notes.extend(self._convert.notes)
        seconds = Fraction(stream.duration or 0) * (fraction(stream.time_base) or 0)
        whole = Fraction(self._container.duration or 0, 1_000_000)
        # the whole file's length is the picture's only where there is no sound
        self._expected = stream.frames or round(
            (seconds or (0 if self.has_audio else whole)) * (average or 0)
        )
        count = stream.frames if self.rate == average else 0
        self.frame_count = count or round((seconds or whole) * self.rate)
        if self._max_frames is not None:
            self.frame_count = min(self.frame_count, self._max_frames)

    def _count_damage(self) -> None:
        self._skipped += 1

    def __iter__(self) -> Iterator[np.ndarray]:
        if self._container is None or self._first is None:
            self._open()
        first, self._first = self._first, None
        count = 0
        for frame in self._at_rate(first):
            if count == self._max_frames:
                self._note(f"only the first {count} frames of '{self.path.name}' were read")
                break
            yield self._convert(frame)
            count += 1
        else:
            self._note_damage()
        self.frame_count, self.frame_count_is_exact = count, True

    def _at_rate(self, first) -> Iterator:
        """The decoded frame on screen at each tick of the constant rate."""
        tick = 1 / self.fps
        slack = 0.25 * min(tick, 1 / float(self._own_rate))
        ticks, current = 0, first
        end = 0.0
        for shown in self._timed(first):
            begin, end, frame = shown
            while ticks * tick < begin - slack:
                yield current
                ticks += 1
            current = frame
        # At the clip's own rate the last frame is shown, however short it is.
        least = ticks + 1 if ticks == 0 or self.rate == self._own_rate else ticks
        while ticks < least or ticks * tick < end - slack:
            yield current
            ticks += 1

    def _timed(self, first) -> Iterator[tuple[float, float, object]]:
        """Begin and end of each frame in seconds from the first frame; times never run backwards nor leap."""
        usual = 1 / float(self._own_rate)
        base = float(self._stream.time_base or 0)
        self._decoded_count = 0
        origin, last, frame = None, 0.0, first
        while frame is not None:
            self._decoded_count += 1
            stamp = frame.pts * base if frame.pts is not None else None
            if origin is None:
                origin, time = stamp or 0.0, 0.0
            else:
                time = last + usual if stamp is None else stamp - origin
                if not last < time < last + MAX_HOLD:
                    self._note(
                        f"'{self.path.name}' has a leap in its timestamps at {last:.2f} s, which was closed"
                    )
                    time = last + usual
                    origin = origin if stamp is None else stamp - time
            length = (getattr(frame, "duration", None) or 0) * base
            yield time, time + (length if 0 < length < MAX_HOLD else usual), frame
            last, frame = time, next(self._decoded, None)

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def _note_damage(self) -> None:
        """Say how much of the clip is missing, if more than container rounding explains."""
        got, expected = self._decoded_count, self._expected
        if self._skipped or got < math.floor(expected * 0.98) - 2:
            of = f" of {expected}" if expected >= got else ""
            self._note(f"'{self.path.name}' is damaged or cut short: {got}{of} frames could be read")


def _moving_picture(container, path: Path):
    """The first video stream that is not a cover picture and has a decoder."""
    streams = [s for s in container.streams.video if not is_cover(s)]
    if not streams:
        has = "it holds sound only" if container.streams.audio else "it holds no video"
        raise TroupeError(f"'{path.name}' has no moving picture", has, "Use a video clip")
    if streams[0].codec_context is None:
        raise TroupeError(
            f"Cannot decode '{path.name}'", "its video format is unknown here", "Convert it to MP4 (H.264)"
        )
    return streams[0]


def read_clip(
    path: str | Path,
    *,
    fps: float | Fraction | None = None,
    max_frames: int | None = None,
    progress: Progress | None = None,
) -> tuple[np.ndarray, float, Audio | None]:
    """A whole clip in memory.

    Returns:
        Frames uint8 ``[T, H, W, 3]``, their rate (frames per second), and the sound from the first to the last
        frame, or ``None``.

    Raises:
        TroupeError: as ``VideoReader``, or if the frames would take more than 4 GiB.
    """
    with VideoReader(path, fps=fps, max_frames=max_frames) as clip:
        most = MAX_MEMORY // (clip.width * clip.height * 3)
        frames: list[np.ndarray] = []
        for frame in clip:
            if max(len(frames) + 1, clip.frame_count) > most:
                raise TroupeError(
                    f"The clip '{clip.path.name}' is too long to hold in memory",
                    f"{clip.frame_count or 'its'} frames of {clip.width}x{clip.height} take more than {MAX_MEMORY >> 30} GiB",
                    f"Cut it to {most} frames or make it smaller",
                )
            frames.append(frame)
            report(progress, len(frames), max(clip.frame_count, len(frames)))
        sound = read_audio(clip.path) if clip.has_audio else None
        if sound is not None:
            sound = sound.fit(round(len(frames) / clip.rate * sound.rate))
        return np.stack(frames), clip.fps, sound
