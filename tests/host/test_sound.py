"""ComfyUI's AUDIO and the engine's sound, without a server."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from troupe.engine.errors import TroupeError
from troupe.engine.video import Audio

torch = pytest.importorskip("torch", reason="PyTorch is not installed: the node side cannot be tested")

from troupe.host.sound import audio_of, to_audio  # noqa: E402

SOUNDS = st.tuples(st.integers(1, 6), st.integers(1, 50)).flatmap(
    lambda shape: arrays.arrays(np.float32, shape, elements=st.floats(-2, 2, width=32))
)


@settings(max_examples=50)
@given(SOUNDS, st.sampled_from([4000, 16000, 44100, 192000]))
def test_there_and_back(samples, rate):
    given_out = audio_of(Audio(samples, rate))
    assert given_out["waveform"].shape == (1, *samples.shape) and given_out["sample_rate"] == rate
    back = to_audio(given_out)
    assert back.rate == rate
    np.testing.assert_array_equal(back.samples, samples)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_any_precision_and_gradients(dtype):
    wave = torch.tensor([[[0.5, -0.25, 1.0]]], dtype=dtype, requires_grad=True)
    np.testing.assert_array_equal(
        to_audio({"waveform": wave, "sample_rate": 8000}).samples, [[0.5, -0.25, 1.0]]
    )


def test_views_are_given_out_whole():
    """Parts of arrays that are not in one piece, which PyTorch would refuse."""
    wide = np.arange(20, dtype=np.float32).reshape(10, 2)
    assert torch.equal(audio_of(Audio(wide.T[:, ::-1], 8000))["waveform"][0, 0], torch.arange(18.0, -1, -2))


def broken(value: float) -> torch.Tensor:
    wave = torch.zeros(1, 2, 100)
    wave[0, 1, 7] = value
    return wave


@pytest.mark.parametrize(
    ("waveform", "says"),
    [
        (None, "no sound: the video before it has none.*with sound"),
        (torch.zeros(2, 1, 100), "holds 2 recordings.*one recording at a time"),
        (torch.zeros(0, 1, 100), "holds 0 recordings"),
        (torch.zeros(1, 2, 0), "the recording is empty"),
        (torch.zeros(1, 0, 100), r"shape is \[1, 0, 100\], expected \[1, channels, samples\]"),
        (torch.zeros(1, 100), r"shape is \[1, 100\]"),
        (broken(float("nan")), "1 of its 200 values are NaN or infinite"),
        (broken(float("inf")), "1 of its 200 values are NaN or infinite"),
    ],
)
def test_what_is_no_sound_is_refused_by_its_input(waveform, says):
    audio = None if waveform is None else {"waveform": waveform, "sample_rate": 16000}
    with pytest.raises(TroupeError, match=f"The input 'music' cannot be used: .*{says}"):
        to_audio(audio, "music")


def test_rates_that_cannot_be():
    with pytest.raises(TroupeError, match="rate 10 is out of range.*1000 to 384000"):
        to_audio({"waveform": torch.zeros(1, 1, 100), "sample_rate": 10})
