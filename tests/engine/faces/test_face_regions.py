"""Region masks: nested, soft, following the face, empty in gaps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.engine.errors import TroupeError
from troupe.engine.faces import find_faces, region_mask, region_masks
from troupe.engine.faces.regions import REGIONS
from troupe.engine.faces.types import FaceTrack


@pytest.fixture(scope="module")
def face(scenes):
    return find_faces(scenes.portraits["astronaut"].image).tracks[0].first


@pytest.fixture(scope="module")
def masks(face):
    return {region: region_mask(face.landmarks, region, 512, 512) for region in REGIONS}


def test_masks_are_soft_and_in_range(masks):
    for region, mask in masks.items():
        assert mask.shape == (512, 512) and mask.dtype == np.float32
        assert 0 <= mask.min() and mask.max() == pytest.approx(1.0, abs=0.01), region
        if region != "full":
            assert ((mask > 0.05) & (mask < 0.95)).sum() > 40, region


def test_regions_are_nested(masks):
    def inside(small, large):
        return (masks[small] > 0.5) <= (masks[large] > 0.5)

    for small, large in (
        ("lips", "face"),
        ("eyes", "face"),
        ("face", "head"),
        ("head", "body"),
        ("body", "full"),
    ):
        assert inside(small, large).mean() > 0.999 and masks[small].sum() < masks[large].sum()
    assert not ((masks["lips"] > 0.5) & (masks["eyes"] > 0.5)).any()


def test_regions_hold_what_they_name(masks, face):
    def at(region, index):
        x, y = face.landmarks[index, :2].astype(int)
        return masks[region][y, x]

    assert at("lips", 13) > 0.9 and at("lips", 4) < 0.1
    assert at("eyes", 468) > 0.9 and at("eyes", 473) > 0.9 and at("eyes", 6) < 0.6
    assert at("face", 4) > 0.99
    # The crown: as far above the forehead as the forehead is above the brows.
    x, y = face.landmarks[10, :2]
    assert masks["head"][int(y - 0.2 * face.size), int(x)] > 0.9
    assert masks["face"][int(y - 0.2 * face.size), int(x)] < 0.1
    assert masks["body"][-1].max() > 0.9 and masks["head"][-1].max() == 0


def test_feather_widens_the_edge_and_zero_is_hard(face):
    def soft(feather):
        mask = region_mask(face.landmarks, "face", 512, 512, feather)
        return int(((mask > 0.02) & (mask < 0.98)).sum()), float(mask.sum())

    (hard, area), (some, area_some), (wide, area_wide) = soft(0), soft(0.15), soft(0.5)
    assert hard < some < wide
    assert area_some == pytest.approx(area, rel=0.02) and area_wide == pytest.approx(area, rel=0.05)


@settings(max_examples=15, deadline=None)
@given(st.integers(-300, 300), st.integers(-300, 300), st.sampled_from(["face", "lips", "eyes", "head"]))
def test_masks_move_with_the_face(face, dx, dy, region):
    here = region_mask(face.landmarks, region, 512, 512)
    there = region_mask(face.landmarks + np.array([dx, dy, 0], np.float32), region, 512, 512)
    moved = np.zeros_like(here)
    ys, xs = slice(max(dy, 0), 512 + min(dy, 0)), slice(max(dx, 0), 512 + min(dx, 0))
    ys_from, xs_from = slice(max(-dy, 0), 512 + min(-dy, 0)), slice(max(-dx, 0), 512 + min(-dx, 0))
    moved[ys, xs] = here[ys_from, xs_from]
    # What comes in from outside the first picture has no counterpart: compare where both can see.
    assert np.abs(there[ys, xs] - moved[ys, xs]).max() < 0.05


def test_a_clip_follows_and_is_empty_or_held_in_gaps(face):
    moved = type(face)(face.landmarks + np.array([40, 0, 0], np.float32))
    track = FaceTrack(1, (face, None, moved))
    masks = region_masks(track, "face", 300, 400)
    assert masks.shape == (3, 300, 400) and not masks[1].any()
    assert np.array_equal(masks, region_masks(track.landmarks, "face", 300, 400))
    held = region_masks(track, "face", 300, 400, hold=True)
    columns = np.arange(400)
    middle = [(m.sum(0) * columns).sum() / m.sum() for m in held]
    assert middle[1] - middle[0] == pytest.approx(20, abs=0.5)
    full = region_masks(track, "full", 30, 40)
    assert full[0].all() and not full[1].any()


def test_bad_requests_are_refused_in_words(face):
    with pytest.raises(TroupeError, match="nose"):
        region_mask(face.landmarks, "nose", 10, 10)
    with pytest.raises(TroupeError, match="100000"):
        region_mask(face.landmarks, "face", 100000, 10)
    with pytest.raises(TroupeError, match="-1"):
        region_mask(face.landmarks, "face", 10, 10, feather=-1)
