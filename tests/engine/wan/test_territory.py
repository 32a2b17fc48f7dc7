"""Whose tokens are whose: territories follow heads, keep apart, and say why when a region has no token."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.engine.cast import REGIONS, Role
from troupe.engine.errors import TroupeError
from troupe.engine.faces import Face, Faces, FaceTrack, region_mask
from troupe.engine.motion.mesh import mean_mesh
from troupe.engine.wan.territory import fitted, fixed_boxes, labels_to_seen, territories

GRID, FRAMES = (5, 30, 52), 17
WIDE, HIGH = 832, 480


def head(x: float, y: float, size: float) -> Face:
    """The mean face with its box's middle at (x, y), ``size`` pixels high."""
    points = mean_mesh().vertices
    low, high = points[:468].min(0), points[:468].max(0)
    moved = (points - (low + high) / 2) * size / (high - low)[1] + [x, y, 0]
    return Face(moved.astype(np.float32))


def crowd(*places: tuple[float, float, float], width: int = WIDE, height: int = HIGH) -> Faces:
    heads = sorted((head(*p) for p in places), key=lambda f: f.centre[0])
    return Faces(tuple(FaceTrack(i + 1, (f,)) for i, f in enumerate(heads)), height, width)


def roles_for(*regions: str) -> list[Role]:
    return [Role(i + 1, None, region=region) for i, region in enumerate(regions)]


def path_of(moves, box=(100, 50, 300, 250)) -> np.ndarray:
    """Boxes that move by ``moves`` [F, 2] pixels."""
    return (np.array(box) + np.tile(np.asarray(moves, float), 2)).astype(np.float32)


def seen_of(faces: Faces, roles, paths=None, grid=GRID, frames=FRAMES, **settings) -> np.ndarray:
    """``territories`` as [L, gh, gw]."""
    paths = [None] * len(roles) if paths is None else paths
    return territories(faces, roles, paths, grid, frames, **settings).reshape(grid)


places = st.tuples(st.floats(60, 770), st.floats(60, 420), st.floats(30, 200))
modes = st.sampled_from(["tracked", "fixed"])
grounds = st.sampled_from(["all", "none"])


@st.composite
def scenes(draw):
    """A picture and drives for some of its faces, none of which hides another wholly."""
    found = draw(st.lists(places, min_size=1, max_size=6))
    faces = crowd(*found)
    numbers = draw(st.permutations(range(1, len(found) + 1)))[: draw(st.integers(1, len(found)))]
    roles = [Role(n, None, region=draw(st.sampled_from(REGIONS))) for n in numbers]
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    paths = [path_of(rng.normal(0, 20, (FRAMES, 2)).cumsum(0)) if rng.random() < 0.7 else None for _ in roles]
    return faces, roles, paths


def tried(faces, roles, paths, **settings) -> np.ndarray | None:
    """``seen_of``, None where somebody is hidden or too small."""
    try:
        return seen_of(faces, roles, paths, **settings)
    except TroupeError as error:
        assert "no token of the video" in error.what
        return None


@settings(max_examples=60, deadline=None)
@given(scenes(), modes, grounds, st.randoms(use_true_random=False))
def test_permuting_the_roles_permutes_the_bits(scene, mode, background, random):
    faces, roles, paths = scene
    seen = tried(faces, roles, paths, mode=mode, background=background)
    order = random.sample(range(len(roles)), len(roles))
    other = tried(
        faces, [roles[i] for i in order], [paths[i] for i in order], mode=mode, background=background
    )
    assert (seen is None) == (other is None)
    if seen is not None:
        for place, i in enumerate(order):
            assert np.array_equal(other >> place & 1, seen >> i & 1)


@settings(max_examples=60, deadline=None)
@given(scenes(), modes)
def test_territories_keep_apart_and_regions_stay_inside(scene, mode):
    faces, roles, paths = scene
    seen = tried(faces, roles, paths, mode=mode, background="none")
    whole = tried(faces, [Role(r.face, None) for r in roles], paths, mode=mode, background="none")
    if seen is None or whole is None:
        return
    assert np.isin(whole, [0, *(1 << np.arange(len(roles)))]).all(), "a token has one owner"
    for r, role in enumerate(roles):
        mine, own = seen >> r & 1, whole >> r & 1
        nobodys = whole == 0
        if role.region in ("full", "body"):
            assert (mine >= own).all()
        else:
            assert (mine <= own).all()
        assert not mine[(own == 0) & ~nobodys].any(), "nobody sees the role of another face"
        if role.region != "body":
            assert not mine[nobodys].any()
    heard = tried(faces, roles, paths, mode=mode)
    for r, role in enumerate(roles):
        wanted = (seen >> r & 1) | (whole == 0) if role.region == "full" else seen >> r & 1
        assert np.array_equal(heard >> r & 1, wanted), "background sees every full role, and only these"


@pytest.mark.parametrize("mode", ["tracked", "fixed"])
def test_one_face_alone_is_seen_by_every_token(mode):
    seen = seen_of(crowd((400, 200, 120)), roles_for("full"), [path_of(np.zeros((FRAMES, 2)))], mode=mode)
    assert (seen == 1).all() and seen.dtype == np.int32


def test_faces_that_another_adapter_drives_keep_their_territory():
    faces = crowd((200, 200, 120), (600, 200, 120))
    alone = seen_of(faces, roles_for("full"))
    beside = seen_of(faces, roles_for("full"), others={2: None, 1: None})
    both = seen_of(faces, roles_for("full", "full"))
    assert (alone == 1).all()
    assert np.array_equal(beside, both & 1)


@pytest.mark.parametrize("step", [(1, 0), (-1, 1), (0, -1)])
@pytest.mark.parametrize("region", ["full", "lips"])
def test_a_tracked_region_goes_where_the_driving_head_goes(step, region):
    # The driving face is three times as large as the picture's, which moves by whole tokens.
    moves = np.zeros((FRAMES, 2))
    moves[1:] = np.array(step) * 16 * 3
    face = head(400, 240, 100)
    x0, y0, x1, y1 = face.box
    box = (50, 80, 50 + 3 * (x1 - x0), 80 + 3 * (y1 - y0))
    faces = Faces((FaceTrack(1, (face,)),), HIGH, WIDE)
    seen = seen_of(faces, roles_for(region), [path_of(moves, box)], background="none")
    assert seen[0].any()
    for later in seen[1:]:
        assert np.array_equal(later, np.roll(seen[0], step[::-1], (0, 1)))


def test_latent_frames_stand_for_their_frames():
    for frame in range(FRAMES):
        moves = np.zeros((FRAMES, 2))
        moves[frame:] = 60
        moves[frame + 1 :] = 0
        seen = seen_of(crowd((400, 240, 100)), roles_for("full"), [path_of(moves)], background="none")
        still = seen_of(crowd((400, 240, 100)), roles_for("full"), background="none")
        changed = (seen != still).any((1, 2))
        if frame:  # the first box is where the others are measured from
            assert np.flatnonzero(changed).tolist() == [-(-frame // 4)]
            assert (seen >= still).all(), (
                "a region that leaves a place within a latent frame is in both places"
            )


def test_a_driver_who_walks_off_takes_a_territory_along_a_quarter_of_the_face():
    faces = crowd((400, 240, 100))
    far, limit = np.zeros((FRAMES, 2)), np.zeros((FRAMES, 2))
    x0, y0, x1, y1 = BOX = (100, 100, 200, 200)
    far[1:], limit[1:] = (500, -300), ((x1 - x0) / 4, -(y1 - y0) / 4)
    gone, moved = (
        seen_of(faces, roles_for("full"), [path_of(way, BOX)], background="none") for way in (far, limit)
    )
    assert np.array_equal(gone, moved) and not np.array_equal(gone[0], gone[1])


def test_a_head_that_comes_nearer_takes_more_up_to_a_quarter():
    box = np.array([100.0, 50, 300, 250])
    middle = np.array([200.0, 150, 200, 150])
    counts = []
    for zoom in (0.25, 0.8, 1.0, 1.12, 1.25, 4.0):
        path = np.tile(middle + (box - middle) * zoom, (FRAMES, 1))
        path[0] = box
        seen = seen_of(crowd((400, 240, 200)), roles_for("full"), [path], background="none")
        counts.append(int(seen[-1].sum()))
    assert counts[0] == counts[1] < counts[2] < counts[3] < counts[4] == counts[5]
    assert counts[4] == pytest.approx(1.25**2 * counts[2], rel=0.2)


@pytest.mark.parametrize("region", ["head", "face", "lips", "eyes", "body"])
@pytest.mark.parametrize("size", [40, 130])
def test_tokens_are_those_the_region_covers(region, size):
    face = head(411.3, 205.7, size)
    faces = Faces((FaceTrack(1, (face,)),), HIGH, WIDE)
    seen = seen_of(faces, roles_for(region), background="none")
    pixels = region_mask(face.landmarks, region, HIGH, WIDE, 0)
    share = pixels.reshape(30, 16, 52, 16).mean((1, 3))
    assert (seen[:, share > 0.1] == 1).all() and (seen[:, share == 0] == 0).all()
    assert (share > 0.1).any()


def test_overlapping_heads_part_where_both_are_equally_near():
    left, right = (400, 240, 120), (464, 240, 120)
    seen = seen_of(crowd(left, right), roles_for("full", "full"), background="none")[0]
    columns = [set(np.unique(seen[:, c])) - {0} for c in range(52)]
    # Middle at x = 432, the border between columns 26 and 27.
    assert all(c <= {1} for c in columns[:27]) and all(c <= {2} for c in columns[27:])


def test_nearness_counts_in_the_faces_own_sizes():
    large, small = (400, 240, 160), (470, 240, 50)
    alone = seen_of(crowd(small), roles_for("full"), background="none")[0]
    seen = seen_of(crowd(large, small), roles_for("full", "full"), background="none")[0]
    # The token at x = 440 is of both heads and nearer to the small one's middle, but not in sizes.
    assert alone[15, 27] == 1 and seen[15, 27] == 1
    assert seen[15, 29] == 2 and seen[15, 25] == 1


def test_equally_near_tokens_go_to_the_left_face():
    # The middle, x = 424, is a token's own middle.
    seen = seen_of(crowd((392, 240, 120), (456, 240, 120)), roles_for("full", "full"), background="none")
    assert set(np.unique(seen[:, :, 26])) == {0, 1}


def test_fixed_territories_are_constant_and_bounded():
    moves = np.linspace(0, 500, FRAMES)[:, None] * [1, 0]
    faces = crowd((300, 240, 100), (600, 240, 100))
    for regions in (("full", "full"), ("lips", "body")):
        seen = seen_of(faces, roles_for(*regions), [path_of(moves), None], mode="fixed", background="none")
        assert (seen == seen[0]).all() and seen.any()
    x0, y0, x1, y1 = np.trunc(faces.person(1).first.box)
    (grown,) = fixed_boxes([faces.person(1).first.box], [path_of(moves)], HIGH, WIDE)
    assert abs(grown - [x0, y0, x1 + 0.25 * (x1 - x0), y1]).max() <= 1


@settings(max_examples=40, deadline=None)
@given(st.lists(places, min_size=1, max_size=5), st.integers(0, 10**6))
def test_fixed_territories_are_painted_boxes_pooled(found, seed):
    faces, rng = crowd(*found), np.random.default_rng(seed)
    paths = [path_of(rng.normal(0, 15, (FRAMES, 2)).cumsum(0)) for _ in found]
    pixels = np.zeros((HIGH, WIDE), int)
    boxes = [track.first.box for track in faces]
    for i, (x0, y0, x1, y1) in enumerate(fixed_boxes(boxes, paths, HIGH, WIDE).tolist()):
        pixels[y0:y1, x0:x1] = i + 1
    pooled = pixels.reshape(30, 16, 52, 16).max((1, 3))
    seen = tried(faces, roles_for(*["full"] * len(found)), paths, mode="fixed")
    if seen is None:
        assert len(np.unique(pooled)) - (0 in pooled) < len(found)
    else:
        assert (seen == labels_to_seen(pooled, len(found))).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(40, 900), st.integers(40, 900), st.integers(2, 40), st.integers(2, 40))
def test_points_are_fitted_as_the_host_fits_the_picture(height, width, rows, columns):
    # What ComfyUI does: cut the longer side in the middle, then scale without aligning corners.
    wide, high = columns * 16, rows * 16
    y, x = np.mgrid[:height, :width] + 0.5
    ramp = torch.from_numpy(np.stack([x, y]))[None]
    old, new, left, top = width / height, wide / high, 0, 0
    if old > new:
        left = round((width - width * (new / old)) / 2)
    elif old < new:
        top = round((height - height * (old / new)) / 2)
    cut = ramp[..., top : height - top, left : width - left]
    if min(cut.shape[2:]) < 3:
        return
    scaled = torch.nn.functional.interpolate(cut, size=(high, wide), mode="bilinear")[0].numpy()
    reach_x, reach_y = wide / cut.shape[3], high / cut.shape[2]
    inner = scaled[:, int(reach_y) + 1 : -int(reach_y) - 1, int(reach_x) + 1 : -int(reach_x) - 1]
    found = fitted(inner.reshape(2, -1).T, height, width, rows, columns).T.reshape(inner.shape)
    y, x = np.mgrid[:high, :wide] + 0.5
    wanted = np.stack([x, y])[:, int(reach_y) + 1 : -int(reach_y) - 1, int(reach_x) + 1 : -int(reach_x) - 1]
    assert np.allclose(found, wanted, rtol=0, atol=1e-6 * max(wide, high))


def test_a_picture_of_another_shape_is_cut_and_scaled():
    # Twice the video's size and too wide by 400 pixels: 200 are cut off on each side.
    large = crowd((200 + 2 * 300, 2 * 200, 2 * 90), (200 + 2 * 600, 2 * 200, 2 * 90), width=2064, height=960)
    plain = crowd((300, 200, 90), (600, 200, 90))
    for mode in ("tracked", "fixed"):
        assert np.array_equal(
            seen_of(large, roles_for("full", "full"), mode=mode),
            seen_of(plain, roles_for("full", "full"), mode=mode),
        )


def test_labels_become_bits():
    labels = np.array([[0, 1, 2, 3, 4]])
    assert labels_to_seen(labels, 3).tolist() == [[7, 1, 2, 4, 0]]
    assert labels_to_seen(labels, 3, "none").tolist() == [[0, 1, 2, 4, 0]]


@pytest.mark.parametrize("mode", ["tracked", "fixed"])
@pytest.mark.parametrize(
    "faces, roles, words",
    [
        (crowd((400, 200, 7)), roles_for("lips"), ("lips of face 1", "too little", "larger video")),
        (crowd((60, 240, 90), (1000, 240, 90), width=1400), roles_for("full", "full"), ("territory of face 1", "outside", "crop")),
        (crowd((400, 240, 90), (400, 240, 90)), roles_for("full", "full"), ("of face ", "territory of a face beside", "Leave one")),
        (crowd((400, 240, 90)), [Role(2, None)], ("Face 2 does not exist", "one face", "Choose")),
        (crowd(*[(40 + 45 * i, 240, 40) for i in range(17)]), roles_for(*["full"] * 17), ("17 faces", "16", "Leave")),
    ],
)  # fmt: skip
def test_what_cannot_be_shown_is_told(mode, faces, roles, words):
    with pytest.raises(TroupeError) as caught:
        seen_of(faces, roles, mode=mode)
    error = caught.value
    for word, part in zip(words, (error.what, error.why, error.remedy), strict=True):
        assert word in part, part
    if "no token of the video" in error.what:
        assert " x " in error.why and "pixels" in error.why


def test_sixteen_faces_fit():
    faces = crowd(*[(60 + 100 * (i % 8), 120 + 220 * (i // 8), 60) for i in range(16)])
    seen = seen_of(faces, roles_for(*["full"] * 16), background="none")
    assert set(np.unique(seen)) == {0, *(1 << np.arange(16)).tolist()}


@pytest.mark.parametrize(
    "change",
    [
        dict(grid=(4, 30, 52)),
        dict(mode="moving"),
        dict(background="some"),
        dict(paths=[]),
        dict(paths=[np.zeros((FRAMES, 4))]),
        dict(paths=[np.full((FRAMES, 4), np.nan)]),
        dict(paths=[path_of(np.zeros((3, 2)))]),
    ],
)
def test_callers_mistakes_are_refused(change):
    with pytest.raises(ValueError):
        seen_of(crowd((400, 200, 90)), roles_for("full"), **change)
