"""Speech by frames: clips cut from the whole hear the same, and what is odd about a recording is said."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.engine.refnet.hallo_audio import SAMPLES, encode_frames, frame_windows

RATE = 16000


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 20), st.integers(0, 40))
def test_a_clip_hears_what_the_whole_does(frames, clip, start):
    hidden = np.random.default_rng(frames).normal(size=(2, frames, 3)).astype(np.float32)
    whole = frame_windows(hidden, start + clip)
    assert torch.equal(frame_windows(hidden, clip, start), whole[start:])
    for frame in range(start, start + clip):
        around = np.clip(np.arange(frame - 2, frame + 3), 0, frames - 1)
        assert np.array_equal(whole[frame].numpy(), hidden[:, around].transpose(1, 0, 2))


def heard(samples: np.ndarray, multiple: int = 16):
    """Through a network that hears loudness alone."""
    length = []

    def convolve(waves):
        length.append(waves.shape[1])
        return waves.unfold(1, 400, 320).abs().mean(-1, keepdim=True)

    speech = encode_frames(samples, RATE, convolve, lambda x: [x, x, 2 * x], multiple=multiple)
    return speech, length[0]


@pytest.mark.parametrize("seconds", [0.012, 0.3, 0.64, 1.0])
def test_silence_fills_up_to_whole_clips(seconds):
    samples = 0.1 * np.random.default_rng(0).normal(size=round(seconds * RATE)).astype(np.float32)
    speech, length = heard(samples)
    frames = -(-len(samples) // SAMPLES)
    assert speech.hidden.shape == (2, -(-frames // 16) * 16, 1)
    assert speech.seconds == pytest.approx(seconds, abs=1e-4) and speech.fps == 25
    assert length == len(samples) + (speech.hidden.shape[1] - frames) * SAMPLES
    assert ("lasts only" in " ".join(speech.notes)) == (seconds < 0.16)


def test_what_is_odd_about_a_recording_is_said():
    noise = np.random.default_rng(0).normal(size=RATE).astype(np.float32)
    assert heard(0.2 * noise)[0].notes == ()
    assert heard(np.clip(noise, -0.9, 0.9))[0].notes == ("The sound is clipped: lips may be less exact.",)
    assert heard(np.zeros(RATE, np.float32))[0].notes == ("The sound is silent: nobody speaks.",)
