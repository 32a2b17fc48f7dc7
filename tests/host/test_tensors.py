"""Between ComfyUI's tensors and the engine's arrays, without a server."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from troupe.engine.errors import TroupeError

torch = pytest.importorskip("torch", reason="PyTorch is not installed: the node side cannot be tested")
pytest.importorskip("psutil", reason="psutil, which ComfyUI brings, is not installed")

from troupe.host import clips, tensors  # noqa: E402

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)[..., None].repeat(3, 2)


def test_eight_bits_survive_both_ways():
    image = tensors.to_image(RAMP)
    assert image.shape == (1, 16, 16, 3) and image.dtype == torch.float32
    np.testing.assert_array_equal(tensors.to_uint8(image)[0], RAMP)


def test_eight_bits_survive_encoders_that_cut_instead_of_rounding():
    """ComfyUI's video and preview writers take ``(image * 255).byte()``."""
    np.testing.assert_array_equal((tensors.to_image(RAMP) * 255).byte().numpy()[0], RAMP)


def test_alpha_is_left_out():
    assert tensors.to_uint8(torch.rand(2, 4, 5, 4)).shape == (2, 4, 5, 3)
    assert tensors.single(torch.rand(1, 4, 5, 4), "image").shape == (4, 5, 3)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.full((1, 8, 8, 3), float("nan")), "NaN"),
        (torch.full((1, 8, 8, 3), float("inf")), "infinite"),
        (torch.full((1, 8, 8, 3), 255.0), "run from 255 to 255"),
        (torch.full((1, 8, 8, 3), -3.0), "run from -3 to -3"),
        (torch.zeros(0, 8, 8, 3), r"\[0, 8, 8, 3\]"),
        (torch.zeros(1, 8, 0, 3), r"\[1, 8, 0, 3\]"),
        (torch.zeros(1, 8, 8, 1), "1 channels"),
        (torch.zeros(1, 2, 10000, 3), "10000 x 2"),
        (torch.zeros(3, 8, 8, 3), "3 pictures"),
    ],
)
def test_bad_pictures_are_named(image, message):
    with pytest.raises(TroupeError, match=message) as caught:
        tensors.single(image, "portrait")
    assert "'portrait'" in str(caught.value)


def test_a_little_overshoot_is_clipped():
    picture = tensors.single(torch.tensor([-0.01, 0.5, 1.02]).expand(1, 4, 4, 3), "image")
    assert picture.min() == 0 and picture.max() == 1


def test_odd_sides_are_padded_for_the_encoder_only():
    frames, room = tensors.empty_frames(2, 5, 7)
    picture = np.random.default_rng(0).random((5, 7, 3), np.float32)
    tensors.put_frame(room, 0, picture)
    tensors.put_frame(room, 1, (picture * 255).astype(np.uint8))
    assert frames.shape == (2, 5, 7, 3) and room.shape == (2, 6, 8, 3)
    assert frames.data_ptr() == room.data_ptr(), "the frames are held twice"
    np.testing.assert_array_equal(frames[0].numpy(), picture)
    np.testing.assert_array_equal(room[0, 5, :7].numpy(), picture[4])
    np.testing.assert_array_equal(room[0, :5, 7].numpy(), picture[:, 6])
    assert torch.isfinite(room).all()


def test_more_than_the_memory_is_refused_before_it_is_taken():
    with pytest.raises(TroupeError, match="GB are free"):
        tensors.empty_frames(10**6, 4000, 4000)


@pytest.mark.parametrize(
    ("fps", "fraction"), [(25.0, Fraction(25)), (29.97, Fraction(30000, 1001)), (12.5, Fraction(25, 2))]
)
def test_rates_are_those_of_video(fps, fraction):
    assert abs(tensors.rate(fps) - fraction) < Fraction(1, 10000)


def test_a_batch_is_a_clip_and_a_picture_has_no_rate():
    clip = clips.clip_of_image(torch.rand(3, 8, 8, 3), 25.0)
    assert len(clip.frames) == 3 and clip.fps == 25.0
    assert [f.dtype for f in clip.frames] == [np.uint8] * 3
    assert [f.shape for f in clip.frames] == [(8, 8, 3)] * 3, "a second pass must start anew"
    assert clips.clip_of_image(torch.rand(1, 8, 8, 3), 25.0).fps is None


@pytest.mark.parametrize(("image", "video", "message"), [(1, 2, "both"), (None, None, "neither")])
def test_one_clip_must_be_connected(image, video, message):
    with pytest.raises(TroupeError, match=message):
        clips.choose_clip(image, video, 25.0, needed=True)
    assert clips.choose_clip(None, None, 25.0, needed=False) is None


def test_previews_are_small():
    frame = np.random.default_rng(0).random((1500, 2000, 3), np.float32)
    small = clips.preview_of(frame)
    assert small.dtype == np.uint8 and max(small.shape) <= 2 * clips.PREVIEW_SIDE
