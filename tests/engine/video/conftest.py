"""Clips made on the spot: every kind that people bring."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

MakeClip = Callable[..., Path]


def levels(count: int, height: int = 32, width: int = 48) -> np.ndarray:
    """Frames uint8 [T, H, W, 3] whose grey level tells their number: level 5 · i."""
    return np.broadcast_to(
        (np.arange(count, dtype=np.uint8) * 5)[:, None, None, None], (count, height, width, 3)
    ).copy()


def numbers(frames) -> list[int]:
    """Which of ``levels`` each frame is."""
    return [round(float(f.mean()) / 5) for f in frames]


@pytest.fixture
def make_clip(tmp_path: Path) -> MakeClip:
    """``make_clip(name, frames, ...)`` writes a clip with PyAV, lossless unless told otherwise.

    ``times``: milliseconds of each frame instead of a constant rate. ``tone``: (rate, seconds, begin) of a sine
    as sound. ``aspect``: shape of a pixel.
    """
    import av

    def make(
        name: str,
        frames: np.ndarray,
        *,
        rate: Fraction | int = 25,
        times: Sequence[int] | None = None,
        codec: str = "ffv1",
        pix_fmt: str = "bgr0",
        tone: tuple[int, float, float] | None = None,
        aspect: Fraction | None = None,
        source: str = "rgb24",
    ) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=Fraction(rate))
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt = pix_fmt
            base = Fraction(1, 1000) if times is not None else 1 / Fraction(rate)
            stream.time_base = stream.codec_context.time_base = base
            if aspect is not None:
                stream.codec_context.sample_aspect_ratio = aspect
            sound = container.add_stream("pcm_s16le", rate=tone[0], layout="mono") if tone else None
            for i, pixels in enumerate(frames):
                frame = av.VideoFrame.from_ndarray(pixels, format=source).reformat(
                    format=pix_fmt, dst_color_range=2
                )
                frame.pts, frame.time_base = (i if times is None else times[i]), base
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
            if sound is not None:
                samples = (8000 * np.sin(np.arange(round(tone[0] * tone[1])) * 0.1)).astype(np.int16)
                frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
                frame.sample_rate, frame.pts = tone[0], round(tone[0] * tone[2])
                frame.time_base = Fraction(1, tone[0])
                container.mux(sound.encode(frame))
                container.mux(sound.encode(None))
        return path

    return make


@pytest.fixture(scope="session")
def scenes():
    """``composite_scenes.py``: ``picture``, ``face``, ``clip_faces``."""
    import importlib.util

    spec = importlib.util.spec_from_file_location(
        "troupe_composite_scenes", Path(__file__).with_name("composite_scenes.py")
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
