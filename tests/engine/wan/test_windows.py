"""What must hold of any clip's windows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.engine.errors import TroupeError
from troupe.engine.wan.windows import check_clip, cut_windows, latent_frames, window_ranges


def numbered(count: int, width: int = 1) -> torch.Tensor:
    """Tokens 1, 2, 3, ...: none is the zero of padding."""
    return torch.arange(1.0, count + 1)[:, None].expand(-1, width).contiguous()


@given(frames=st.integers(1, 400), per_frame=st.integers(1, 30))
@settings(max_examples=80, deadline=None)
def test_every_frame_is_seen_by_its_latent_frame(frames, per_frame):
    """With whole tokens a frame, each latent frame sees all tokens of its own four frames, and nothing later."""
    count = frames * per_frame
    windows = cut_windows(numbered(count), window_ranges(count, frames))
    for latent, (window, valid) in enumerate(zip(windows.tokens[..., 0], windows.lens)):
        first = 0 if latent == 0 else (4 * latent - 3) * per_frame
        last = (4 * latent + 1) * per_frame - 1
        seen = set((window[:valid].int() - 1).tolist())
        assert set(range(first, last + 1)) <= seen
        assert max(seen) == last
    assert len(windows.tokens) == latent_frames(frames)


@given(latents=st.integers(1, 100), fps=st.floats(5, 120), rate=st.floats(40, 60))
@settings(max_examples=80, deadline=None)
def test_every_moment_of_a_sound_is_heard(latents, fps, rate):
    """With FantasyTalking's expansion no token is lost, at any frame rate."""
    frames = 4 * latents - 3
    count = max(1, int(frames / fps * rate))
    windows = cut_windows(numbered(count), window_ranges(count, frames), 4)
    assert set(windows.tokens.int().unique().tolist()) >= set(range(1, count + 1))


@given(
    count=st.integers(1, 500),
    frames=st.integers(1, 300),
    expand=st.integers(0, 6),
    beyond=st.integers(0, 600),
)
@settings(max_examples=120, deadline=None)
def test_valid_tokens_come_first_and_zeros_behind(count, frames, expand, beyond):
    """For any number of tokens, also where the tokens end before the clip does."""
    ranges = window_ranges(count + beyond, frames)
    assert len({end - begin for begin, end in ranges}) == 1
    assert ranges == sorted(ranges)
    windows = cut_windows(numbered(count), ranges, expand)
    assert windows.tokens.shape[1] == ranges[0][1] - ranges[0][0] + 1 + 2 * expand
    for (begin, end), window, valid in zip(ranges, windows.tokens[..., 0].numpy(), windows.lens.tolist()):
        wanted = [i + 1 for i in range(begin - expand, end + expand + 1) if 0 <= i < count]
        assert valid == len(wanted)
        assert np.array_equal(window, np.pad(wanted, (0, len(window) - valid)))


@given(frames=st.integers(1, 200), more=st.integers(0, 100))
@settings(max_examples=40, deadline=None)
def test_a_longer_clip_begins_as_the_shorter_one(frames, more):
    short, long = (window_ranges(24 * f, f) for f in (frames, frames + more))
    assert long[: len(short)] == short


def test_windows_beyond_memory_are_refused_before_they_are_made():
    tokens = torch.zeros(10, 2048)
    with pytest.raises(TroupeError, match="too long"):
        cut_windows(tokens, window_ranges(24 * 20_000, 20_000))


@pytest.mark.parametrize(
    ("frames", "fps", "word"),
    [
        (0, 25, "0 frames"),
        (10**12, 25, "at most"),
        (-3, 25, "-3 frames"),
        (5, 0, "rate"),
        (5, float("nan"), "rate"),
        (5, 1e9, "rate"),
    ],
)
def test_clips_that_cannot_be(frames, fps, word):
    with pytest.raises(TroupeError, match=word):
        check_clip(frames, fps)
