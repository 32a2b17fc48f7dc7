"""Write clips: H.264 and AAC in MP4, the sound exactly as long as the picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import numpy as np

from ..errors import TroupeError
from ..progress import Progress, report
from .audio import BLOCK, Audio, AudioReader
from .colour import BT709, FULL, LIMITED, SCALING
from .files import check_output, replacing
from .rates import exact_rate

VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv")
MAX_SIDE = 8192
_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_AAC_FRAME = 1024


class VideoWriter:
    """Writes uint8 RGB frames to a file, in constant memory.

    Used with ``with``: the file appears under its name when the block ends well; when it fails or is
    interrupted nothing is left, and a file of that name that was there before stays as it was.

    Frame k is shown from exactly k / fps on, sample n of the sound is heard at n / rate: the sound is the
    master clock and is never stretched, only cut or padded with silence to the length of the picture. Colours
    are BT.709, limited range, and tagged so.

    Attributes:
        frames: Frames written so far.
        rate: Frames per second as a ``Fraction``.
        notes: Remarks for the user.

    Args:
        path: ``.mp4``, ``.m4v``, ``.mov`` or ``.mkv``.
        width, height: Frame size. An odd side is padded by one pixel (the edge repeated), with a note: the
            format wants even sides.
        fps: Frames per second; 29.97 and the like are taken as 30000/1001.
        audio: Sound in memory, or a file that is streamed.
        crf: x264's quality, 0 (lossless) to 51; 17 is visually lossless.
        preset: x264's preset, from ``ultrafast`` to ``veryslow``.
        metadata: Text entries for the file's header.

    Raises:
        TroupeError: on a name, size or rate that cannot be written, or sound that cannot be read.
    """

    def __init__(
        self,
        path: str | Path,
        width: int,
        height: int,
        fps: float | Fraction,
        *,
        audio: Audio | str | Path | None = None,
        crf: int = 17,
        preset: str = "veryfast",
        metadata: dict[str, str] | None = None,
    ):
        self.path = check_output(path, VIDEO_SUFFIXES)
        if not (2 <= width <= MAX_SIDE and 2 <= height <= MAX_SIDE):
            raise TroupeError(
                f"Cannot write a video of {width}x{height} pixels",
                f"each side must lie in 2 to {MAX_SIDE}",
                "Choose another size",
            )
        self.width, self.height, self.rate = width, height, exact_rate(fps)
        self.frames = 0
        self.notes: list[str] = []
        if width % 2 or height % 2:
            self.notes.append(
                f"the video has {width + width % 2}x{height + height % 2} pixels instead of {width}x{height}: "
                "its format wants even sides, so the edge was repeated once"
            )
        self._audio, self._metadata = audio, dict(metadata or {})
        self._options = {"crf": str(crf), "preset": preset}
        self._sound: _Sound | None = None

    def __enter__(self) -> VideoWriter:
        import av
        from av.video.reformatter import VideoReformatter

        with ExitStack() as stack:
            temporary = stack.enter_context(replacing(self.path))
            # use_metadata_tags: MP4 drops entries with names of its own otherwise
            flags = {} if self.path.suffix.lower() == ".mkv" else {"movflags": "+faststart+use_metadata_tags"}
            with _guarded(self.path):
                self._container = av.open(str(temporary), "w", options=flags)
            stack.callback(_close_quietly, self._container)
            self._container.metadata.update(self._metadata)
            self._stream = self._add_picture()
            if self._audio is not None:
                self._sound = stack.enter_context(_Sound(self._audio, self._container))
            self._reformatter = VideoReformatter()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind, error, trace) -> None:
        with self._stack:
            if error is not None:
                raise error
            if not self.frames:
                raise TroupeError(
                    f"Nothing to write to '{self.path.name}'", "there are no frames", "Use a longer drive"
                )
            with _guarded(self.path):
                self._container.mux(self._stream.encode(None))
                if self._sound is not None:
                    self._sound.encode_until(self.frames / self.rate, last=True)
                self._container.close()

    def _add_picture(self):
        import av

        name = next((n for n in ("libx264", "libopenh264") if n in av.codecs_available), None)
        if name is None:
            raise TroupeError(
                "Cannot write H.264",
                "this build of PyAV has no encoder for it",
                "Install the usual one: pip install av",
            )
        stream = self._container.add_stream(
            name, rate=self.rate, options=self._options if name == "libx264" else {}
        )
        stream.width, stream.height = self.width + self.width % 2, self.height + self.height % 2
        stream.pix_fmt = "yuv420p"
        stream.time_base = 1 / self.rate
        context = stream.codec_context
        context.time_base = 1 / self.rate
        context.color_range = LIMITED
        context.colorspace = context.color_primaries = context.color_trc = BT709
        return stream

    def write(self, frame: np.ndarray) -> None:
        """Append one frame, uint8 ``[height, width, 3]``.

        Raises:
            TroupeError: if the disk is full.
            ValueError: on another shape or type.
        """
        import av

        if frame.shape != (self.height, self.width, 3) or frame.dtype != np.uint8:
            raise ValueError(
                f"frame is {frame.dtype} {list(frame.shape)}, expected uint8 [{self.height}, {self.width}, 3]"
            )
        if self.width % 2 or self.height % 2:
            frame = np.pad(frame, ((0, self.height % 2), (0, self.width % 2), (0, 0)), "edge")
        picture = self._reformatter.reformat(
            av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24"),
            format="yuv420p",
            dst_colorspace=BT709,
            src_color_range=FULL,
            dst_color_range=LIMITED,
            interpolation=SCALING,
        )
        picture.pts, picture.time_base = self.frames, 1 / self.rate
        with _guarded(self.path):
            self._container.mux(self._stream.encode(picture))
            self.frames += 1
            if self._sound is not None:
                self._sound.encode_until(self.frames / self.rate)


class _Sound:
    """The sound track of a container that is being written, fed in step with the picture."""

    def __init__(self, audio: Audio | str | Path, container):
        self._reader = None if isinstance(audio, Audio) else AudioReader(audio)
        source = audio if self._reader is None else self._reader
        self._rate = source.rate if source.rate in _AAC_RATES else 48000
        if self._reader is not None:
            self._reader.rate = self._rate
            self._blocks, channels = iter(self._reader), self._reader.channels
        else:
            self._blocks, channels = _blocks_of(audio, self._rate), min(2, len(audio.samples))
        self._layout = "mono" if channels == 1 else "stereo"
        self._container = container
        self._stream = container.add_stream("aac", rate=self._rate, layout=self._layout)
        self._stream.bit_rate = 96_000 * channels
        self._held = np.zeros((channels, 0), np.float32)
        self._written = 0

    def __enter__(self) -> _Sound:
        return self

    def __exit__(self, *_) -> None:
        if self._reader is not None:
            self._reader.close()

    def _take(self, count: int) -> np.ndarray:
        """The next ``count`` samples, silence after the end."""
        while self._held.shape[1] < count:
            block = next(self._blocks, None)
            if block is None:
                block = np.zeros((len(self._held), count - self._held.shape[1]), np.float32)
            self._held = np.concatenate([self._held, block], 1)
        taken, self._held = self._held[:, :count], self._held[:, count:]
        return np.ascontiguousarray(np.clip(taken, -1, 1))

    def encode_until(self, seconds: Fraction, last: bool = False) -> None:
        """Encode up to this time; before the end only whole frames of the codec."""
        import av

        due = round(seconds * self._rate)
        if not last:
            due -= due % _AAC_FRAME
        while self._written < due:
            count = min(BLOCK, due - self._written)
            frame = av.AudioFrame.from_ndarray(self._take(count), format="fltp", layout=self._layout)
            frame.sample_rate, frame.pts, frame.time_base = self._rate, self._written, Fraction(1, self._rate)
            self._container.mux(self._stream.encode(frame))
            self._written += count
        if last:
            self._container.mux(self._stream.encode(None))


def _blocks_of(audio: Audio, rate: int) -> Iterator[np.ndarray]:
    """Sound in memory as blocks of one or two channels at a rate; more channels than two are averaged to both."""
    import av

    samples = (
        audio.samples if len(audio.samples) <= 2 else np.repeat(audio.samples.mean(0, keepdims=True), 2, 0)
    )
    layout = "mono" if len(samples) == 1 else "stereo"
    resampler = av.AudioResampler(format="fltp", layout=layout, rate=rate)
    for begin in range(0, samples.shape[1], BLOCK):
        block = np.ascontiguousarray(samples[:, begin : begin + BLOCK])
        if rate == audio.rate:
            yield block
            continue
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
        frame.sample_rate = audio.rate
        yield from (part.to_ndarray() for part in resampler.resample(frame))
    if rate != audio.rate:
        yield from (part.to_ndarray() for part in resampler.resample(None))


@contextmanager
def _guarded(path: Path) -> Iterator[None]:
    """Errors of the encoder and the disk as ``TroupeError``."""
    import av

    try:
        yield
    except av.error.FFmpegError as error:
        raise TroupeError(
            f"Cannot write '{path.name}'",
            getattr(error, "strerror", None) or type(error).__name__,
            "Check the free space and the folder",
        ) from error


def _close_quietly(container) -> None:
    """Close a container; after a failure its own complaint about being unfinished says nothing new."""
    import av

    with suppress(av.error.FFmpegError):
        container.close()


def write_video(
    path: str | Path,
    frames: Iterable[np.ndarray],
    fps: float | Fraction,
    *,
    audio: Audio | str | Path | None = None,
    total: int = 0,
    progress: Progress | None = None,
    **options,
) -> VideoWriter:
    """Write all frames of an iterable, whose first frame sets the size.

    Args:
        path, fps, audio: See ``VideoWriter``, as further ``options``.
        frames: uint8 ``[H, W, 3]`` each.
        total: Number of frames if known, for ``progress``.

    Returns:
        The closed writer: its ``path``, ``frames`` and ``notes``.

    Raises:
        TroupeError: as ``VideoWriter``, or if there are no frames.
    """
    rest = iter(frames)
    first = next(rest, None)
    if first is None:
        raise TroupeError(
            f"Nothing to write to '{Path(path).name}'", "there are no frames", "Use a longer drive"
        )
    with VideoWriter(path, first.shape[1], first.shape[0], fps, audio=audio, **options) as writer:
        writer.write(first)
        report(progress, 1, total)
        for frame in rest:
            writer.write(frame)
            report(progress, writer.frames, max(total, writer.frames))
    return writer
