"""Sound in blocks, in step with the picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import TroupeError
from .files import check_input, decode_stream, is_cover, open_media

MAX_SECONDS = 3600.0  # that read_audio holds in memory
BLOCK = 8192  # samples
_GAP = 0.05  # seconds without samples that are silence and not rounding


@dataclass(frozen=True, eq=False)
class Audio:
    """Sound in memory.

    Attributes:
        samples: float32 ``[C, N]`` in -1..1.
        rate: Samples per second.

    Raises:
        TroupeError: on a wrong shape, values that are not finite, or a rate out of 1,000..384,000.
    """

    samples: np.ndarray
    rate: int

    def __post_init__(self):
        samples = np.asarray(self.samples, np.float32)
        if samples.ndim != 2 or not 1 <= len(samples) <= 64:
            raise TroupeError(
                "This is not sound",
                f"the samples have shape {list(samples.shape)}, expected [channels, samples]",
                "Check what made it",
            )
        if not np.isfinite(samples).all():
            raise TroupeError(
                "The sound has values that are not numbers", "NaN or infinity found", "Check what made it"
            )
        if not 1000 <= self.rate <= 384_000:
            raise TroupeError(
                f"The sound's rate {self.rate} is out of range",
                "it must lie in 1000 to 384000",
                "Use 16000 to 48000",
            )
        object.__setattr__(self, "samples", samples)
        object.__setattr__(self, "rate", int(self.rate))

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.samples.shape[1] / self.rate

    def fit(self, count: int) -> Audio:
        """Cut, or padded with silence, to ``count`` samples."""
        have = self.samples[:, :count]
        return Audio(np.pad(have, ((0, 0), (0, count - have.shape[1]))), self.rate)


def first_audio(container):
    """The first audio stream that can be decoded, or ``None``."""
    return next((s for s in container.streams.audio if s.codec_context is not None and s.rate), None)


class AudioReader:
    """The first sound track of a file as blocks float32 ``[C, n]``, in constant memory.

    Time zero is the first frame of the file's moving picture, if it has one: sound before it is dropped, and a
    later start or a gap is filled with silence. More than two channels are mixed to two.

    Attributes:
        rate: Samples per second.
        channels: 1 or 2.

    Args:
        path: A sound file or a clip.
        rate: Resample to this rate; default the track's own.

    Raises:
        TroupeError: if there is no such file, it is damaged, or has no sound.
    """

    def __init__(self, path: str | Path, *, rate: int | None = None):
        self.path = check_input(path, "audio file")
        self._container = open_media(self.path, "audio file")
        self._stream = first_audio(self._container)
        if self._stream is None:
            self.close()
            raise TroupeError(
                f"'{self.path.name}' has no sound", "no audio track found", "Use another file or no sound"
            )
        self.rate = rate or self._stream.rate
        self.channels = min(2, self._stream.channels)

    def __enter__(self) -> AudioReader:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        self._container.close()

    def __iter__(self) -> Iterator[np.ndarray]:
        """One pass over the track."""
        import av

        layout = "mono" if self.channels == 1 else "stereo"
        resampler = av.AudioResampler(format="fltp", layout=layout, rate=self.rate)
        clock = self._origin()  # when the next sample is due, seconds on the file's clock
        drop = 0  # samples before time zero, still to be dropped
        first = True
        for frame in decode_stream(
            self._container, self._stream, lambda: None
        ):  # a gap shows in the timestamps
            begin = clock if frame.pts is None else float(frame.pts * frame.time_base)
            clock = begin if clock is None else clock
            late = (begin or 0.0) - (clock or 0.0)
            if first and late < 0:
                drop, clock = round(-late * self.rate), begin
            elif (0 if first else _GAP) < late < MAX_SECONDS:
                yield from self._silence(round(late * self.rate))
                clock = begin
            first = False
            clock = (clock or 0.0) + frame.samples / frame.sample_rate
            frame.pts = None
            for block in resampler.resample(frame):
                samples, drop = _dropped(block, drop)
                yield samples
        if not first:
            for block in resampler.resample(None):
                yield _dropped(block, drop)[0]

    def _silence(self, count: int) -> Iterator[np.ndarray]:
        for begin in range(0, count, BLOCK):
            yield np.zeros((self.channels, min(BLOCK, count - begin)), np.float32)

    def _origin(self) -> float | None:
        """Seconds of the first picture on the file's clock, if there are pictures."""
        for stream in self._container.streams.video:
            if not is_cover(stream) and stream.start_time is not None:
                return float(stream.start_time * stream.time_base)
        return None


def _dropped(block, drop: int) -> tuple[np.ndarray, int]:
    """A block without its first ``drop`` samples, and how many are still to drop."""
    samples = block.to_ndarray()
    return samples[:, drop:], max(0, drop - samples.shape[1])


def read_audio(path: str | Path, *, rate: int | None = None) -> Audio | None:
    """The first sound track of a file, aligned with its picture as ``AudioReader`` does; ``None`` without one.

    Raises:
        TroupeError: if there is no such file, it is no media file, its sound cannot be decoded or holds NaN, or it
            is longer than an hour.
    """
    path = check_input(path, "audio file")
    with open_media(path, "audio file") as container:
        if first_audio(container) is None:
            return None
    with AudioReader(path, rate=rate) as reader:
        blocks, count = [], 0
        for block in reader:
            blocks.append(block)
            count += block.shape[1]
            if count > MAX_SECONDS * reader.rate:
                raise TroupeError(
                    f"The sound of '{path.name}' is too long",
                    f"it lasts more than {MAX_SECONDS:g} seconds",
                    "Cut it first",
                )
        if not count:
            raise TroupeError(
                f"The sound of '{path.name}' cannot be decoded",
                "it is damaged or cut short",
                "Use another file",
            )
        samples = np.concatenate(blocks, 1)
        if not np.isfinite(samples).all():
            raise TroupeError(
                f"The sound of '{path.name}' is damaged",
                "it has values that are NaN or infinite",
                "Export it again",
            )
        return Audio(samples, reader.rate)
