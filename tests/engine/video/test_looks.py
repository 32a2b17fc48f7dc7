"""Looks do what they are called, in steps of strength, at any size, and steadily."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.engine.errors import TroupeError
from troupe.engine.video.composite import LOOKS, apply_look
from troupe.engine.video.match import to_lab


@pytest.fixture(scope="module")
def portrait():
    import skimage.data

    return (skimage.data.astronaut()[:300, 80:380] / 255).astype(np.float32)


def saturation(image):
    return float(np.hypot(*np.moveaxis(to_lab(image)[..., 1:], -1, 0)).mean())


def busyness(image):
    """Mean step between neighbours, in lightness."""
    return float(np.abs(np.diff(to_lab(image)[..., 0], axis=1)).mean())


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(LOOKS), st.integers(8, 90), st.integers(8, 90), st.floats(0, 2), st.booleans())
def test_any_picture_keeps_its_size_type_and_range(look, height, width, strength, bytes_):
    rng = np.random.default_rng(height * width)
    image = rng.random((height, width, 3), dtype=np.float32)
    image = (image * 255).astype(np.uint8) if bytes_ else image
    out = apply_look(image, look, strength)
    assert out.shape == image.shape and out.dtype == image.dtype
    assert np.isfinite(out).all() and out.min() >= 0 and out.max() <= (255 if bytes_ else 1)


@pytest.mark.parametrize("look", LOOKS)
def test_strength_zero_is_the_picture_and_more_is_more(portrait, look):
    assert (apply_look(portrait, look, 0.0) == portrait).all()
    changes = [np.abs(apply_look(portrait, look, s) - portrait).mean() for s in (0.3, 0.7, 1.0, 1.6)]
    assert changes == sorted(changes) and changes[0] > 0.0003 and changes[2] < 0.15


def test_they_do_what_they_are_called(portrait):
    looks = {look: apply_look(portrait, look) for look in LOOKS}
    assert busyness(looks["sharpen"]) > 1.15 * busyness(portrait)
    assert to_lab(looks["contrast"])[..., 0].std() > 1.15 * to_lab(portrait)[..., 0].std()
    assert saturation(looks["realistic"]) < saturation(portrait) < saturation(looks["anime"])
    assert saturation(looks["anime"]) < saturation(looks["cartoon"])
    flat = {k: np.mean(np.abs(np.diff(to_lab(v)[..., 0], axis=1)) < 0.4) for k, v in looks.items()}
    plain = np.mean(np.abs(np.diff(to_lab(portrait)[..., 0], axis=1)) < 0.4)
    assert flat["cartoon"] > 1.5 * plain and flat["anime"] > 1.2 * plain


@pytest.mark.parametrize("look", LOOKS)
def test_the_look_is_the_same_at_twice_the_size(portrait, look):
    import cv2

    small = apply_look(cv2.resize(portrait, (256, 256), interpolation=cv2.INTER_AREA), look)
    large = apply_look(cv2.resize(portrait, (512, 512), interpolation=cv2.INTER_CUBIC), look)
    again = cv2.resize(large, (256, 256), interpolation=cv2.INTER_AREA)
    assert np.abs(small - again).mean() < 0.025


@pytest.mark.parametrize("look", LOOKS)
def test_noise_does_not_flicker_more_than_it_did(portrait, look):
    rng = np.random.default_rng(0)
    frames = [
        np.clip(portrait + rng.normal(0, 0.008, portrait.shape), 0, 1).astype(np.float32) for _ in range(2)
    ]
    before = np.abs(frames[0] - frames[1]).mean()
    after = np.abs(apply_look(frames[0], look) - apply_look(frames[1], look)).mean()
    assert after < 2.2 * before


def test_unknown_looks_and_strengths_are_named(portrait):
    with pytest.raises(TroupeError, match="Unknown look 'oil'"):
        apply_look(portrait, "oil")
    for strength in (-0.1, 3.0, float("nan")):
        with pytest.raises(TroupeError, match="strength .* is out of range"):
            apply_look(portrait, "anime", strength)
