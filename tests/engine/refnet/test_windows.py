"""Windows of long videos: all frames, in order, and where they overlap one prediction."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from troupe.engine.errors import TroupeError
from troupe.engine.refnet.windows import FADES, fade_weights, in_windows, loop_windows, open_windows

SIZES = {"frames": st.integers(1, 200), "size": st.integers(1, 40), "overlap": st.integers(0, 30)}


@settings(max_examples=100, deadline=None)
@given(**SIZES)
def test_open_windows_cover_the_video_from_end_to_end(frames, size, overlap):
    assume(overlap < size)
    windows = open_windows(frames, size, overlap)
    assert {f for w in windows for f in w} == set(range(frames))
    assert all(len(w) == min(size, frames) and list(w) == list(range(w[0], w[-1] + 1)) for w in windows)
    assert windows[0][0] == 0 and windows[-1][-1] == frames - 1
    for a, b in zip(windows, windows[1:]):
        assert a[-1] - b[0] + 1 >= overlap and b[0] > a[0], "neighbours share enough, and get on"


@settings(max_examples=60, deadline=None)
@given(**SIZES, step=st.integers(0, 20))
def test_loops_cover_the_video(frames, size, overlap, step):
    assume(overlap < size)
    windows = loop_windows(frames, size, overlap, step=step)
    assert {f for w in windows for f in w} == set(range(frames))
    assert all(len(w) == min(size, frames) for w in windows)


@settings(max_examples=40, deadline=None)
@given(**SIZES, fade=st.sampled_from(FADES))
def test_predictions_that_agree_stay_as_they_are(frames, size, overlap, fade):
    assume(overlap < size)
    video = torch.arange(frames, dtype=torch.float32).view(1, 1, -1, 1, 1)
    windows = open_windows(frames, size, overlap)
    weights = fade_weights(len(windows[0]), fade, overlap)
    mixed = in_windows(lambda w: video[:, :, list(w)], windows, frames, weights)
    assert torch.allclose(mixed, video, atol=1e-3)


def test_a_soft_fade_hands_over_step_by_step():
    """Two windows that disagree by 1: no frame jumps by more than its share of the overlap."""
    windows = open_windows(20, 12, 4)
    values = {w: torch.full((1, 1, 12, 1, 1), float(i)) for i, w in enumerate(windows)}
    steps = {}
    for fade in FADES:
        mixed = in_windows(values.get, windows, 20, fade_weights(12, fade, 4)).flatten()
        steps[fade] = mixed.diff().abs().max().item()
    assert steps["soft"] < 0.25 < steps["even"]


@pytest.mark.parametrize("frames, size, overlap", [(0, 24, 4), (10, 0, 0), (10, 8, 8), (10, 8, -1)])
def test_windows_that_do_not_get_on_are_refused(frames, size, overlap):
    with pytest.raises(TroupeError):
        open_windows(frames, size, overlap)
    with pytest.raises(TroupeError):
        loop_windows(frames, size, overlap)


def test_unknown_fades_are_named():
    with pytest.raises(TroupeError, match="even, soft"):
        fade_weights(4, "hard", 1)
