"""The warp renderer: rest and surroundings bit for bit, every shape moves what it names, errors say what is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from troupe.engine.cast import Cast, Role
from troupe.engine.errors import TroupeError
from troupe.engine.faces import Face, Faces, FaceTrack
from troupe.engine.motion import BLENDSHAPES, FaceMotion
from troupe.engine.motion.face_motion import INDEX
from troupe.engine.motion.mesh import INNER_LOWER_LIP, INNER_UPPER_LIP, LOWER_LID, UPPER_LID
from troupe.engine.render.face_warp import FaceWarp
from troupe.engine.render.warp import render_cast

# Where each shape must be seen: landmarks whose surroundings change.
SEEN_AT = {
    "brow": (105, 334, 9), "cheekPuff": (205, 425), "cheekSquint": (118, 347), "eyeLook": (468, 473), "eye": (159, 386),
    "jaw": (152, 17), "mouth": (13, 14, 61, 291), "nose": (129, 358), "tongue": (17,),
}  # fmt: skip


WARPS: dict[int, FaceWarp] = {}


def warp_of(scene) -> tuple[np.ndarray, FaceWarp]:
    picture, faces = scene
    if id(faces) not in WARPS:
        WARPS[id(faces)] = FaceWarp(faces.person(1).first, picture)
    return picture, WARPS[id(faces)]


def weights(**named: float) -> np.ndarray:
    out = np.zeros(52, np.float32)
    for name, value in named.items():
        for full in [name] if name in INDEX else [name + "Left", name + "Right"]:
            out[INDEX[full]] = value
    return out


def acted(scene, w: np.ndarray, head=(0, 0, 0, 0, 0, 0), closing: float = 0.0) -> np.ndarray:
    picture, warp = warp_of(scene)
    canvas = picture.copy()
    warp.draw(canvas, w, np.array(head, float), closing)
    return canvas


def motion(w: np.ndarray, head=(0, 0, 0, 0, 0, 0), frames: int = 12, fps: float = 25) -> FaceMotion:
    """Rest in the first frame, then the pose."""
    shapes = np.repeat(w[None], frames, 0)
    shapes[0] = 0
    heads = np.repeat(np.array(head, np.float32)[None], frames, 0)
    heads[0] = 0
    return FaceMotion(shapes, heads, fps)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_rest_is_the_picture_bit_for_bit(collins, dtype):
    picture, faces = collins
    picture = (
        picture if dtype == np.uint8 else (picture / np.float32(255) + np.float32(1e-4)).astype(np.float32)
    )
    for rest in ("auto", "relative", "keep"):
        frames = list(
            render_cast(picture, faces, Cast.of([Role(1, FaceMotion.neutral(3, 25), rest=rest)]), 25)
        )
        assert len(frames) == 3
        for frame in frames:
            assert frame.dtype == dtype and (frame == picture).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_pixels_outside_the_region_stay_bit_for_bit(collins, dtype):
    picture, faces = collins
    picture = picture if dtype == np.uint8 else (picture / np.float32(255)).astype(np.float32)
    warp = FaceWarp(faces.person(1).first, picture)
    strong = weights(jawOpen=1, mouthSmile=1, browInnerUp=1, eyeBlink=1, cheekPuff=1)
    for head, grid in (((10, 12, 8, 0.1, 0.1, 0.3), warp.coarse), ((0,) * 6, warp.fine)):
        canvas = picture.copy()
        warp.draw(canvas, strong, np.array(head, float))
        assert not (canvas == picture).all()
        outside = np.ones(picture.shape[:2], bool)
        # The rim counts as outside, except where it is the picture's own border.
        low = [edge + (edge > 0) for edge in (grid.y0, grid.x0)]
        outside[low[0] : grid.y1 - 1, low[1] : grid.x1 - 1] = False
        assert outside.any() and (canvas[outside] == picture[outside]).all()


@pytest.mark.parametrize("name", BLENDSHAPES)
def test_every_shape_moves_what_it_names(collins, name):
    picture, _ = collins
    changed = np.abs(acted(collins, weights(**{name: 1.0})).astype(int) - picture).sum(-1)
    _, warp = warp_of(collins)
    ed = warp.layout.ed
    key = max((k for k in SEEN_AT if name.startswith(k)), key=len)
    sides = [
        p
        for p in SEEN_AT[key]
        if not name.endswith(("Left", "Right"))
        or key in ("jaw", "mouth")
        or (p in (159, 468, 118, 129, 105)) == name.endswith("Right")
    ]
    assert changed.max() > 20, "nothing moved"
    r = int(0.22 * ed)
    near = [warp.layout.points[p, :2].round().astype(int) for p in sides]
    assert any(changed[max(y - r, 0) : y + r, max(x - r, 0) : x + r].max() > 20 for x, y in near)
    y, x = np.nonzero(changed > 20)
    centre = np.mean(near, 0)
    assert np.hypot(x - centre[0], y - centre[1]).min() < 0.5 * ed


def test_a_blink_shuts_the_lids_and_an_open_jaw_parts_the_lips(hopper):
    _, warp = warp_of(hopper)
    frame = warp.pose_frame(warp.coefficients(weights(eyeBlink=1)), np.zeros(6))
    lids = warp.moved(frame, LOWER_LID) - warp.moved(frame, UPPER_LID)
    assert np.abs(lids[1:-1] @ warp.layout.down).max() < 0.03 * warp.layout.ed
    frame = warp.pose_frame(warp.coefficients(weights(jawOpen=1)), np.zeros(6))
    lips = (warp.moved(frame, INNER_LOWER_LIP) - warp.moved(frame, INNER_UPPER_LIP)) @ warp.layout.down
    assert lips.max() > 0.2 * warp.layout.ed


def test_lips_and_lids_never_cross(collins):
    _, warp = warp_of(collins)
    rng = np.random.default_rng(0)
    for _ in range(50):
        c = warp.coefficients(rng.random(52).astype(np.float32) * rng.integers(0, 2, 52))
        for opening in warp.openings:
            gap = opening.gap + c @ opening.gap_modes
            assert (gap > np.minimum(opening.gap, 0) - 0.01).all()


def test_a_grin_closes_for_speech(collins):
    """Closing the grin: dark and bright of the teeth give way to lips."""
    picture, warp = warp_of(collins)
    frame = warp.pose_frame(warp.coefficients(weights(), closing=1.0), np.zeros(6))
    gap = (warp.moved(frame, INNER_LOWER_LIP) - warp.moved(frame, INNER_UPPER_LIP)) @ warp.layout.down
    assert warp.openings[0].gap.max() > 0.1, "the sample should grin"
    assert gap.max() < 0.03 * warp.layout.ed
    x, y = warp.layout.points[[13, 14], :2].mean(0).round().astype(int)
    shut = acted(collins, weights(mouthPress=0.1), closing=1.0)
    r = int(0.1 * warp.layout.ed)
    teeth = picture[y - r // 3 : y + r // 3, x - r : x + r].astype(float).mean()
    assert shut[y - r // 3 : y + r // 3, x - r : x + r].astype(float).mean() < teeth - 10


def test_head_turns_follow_the_motion_language(hopper):
    """+pitch: the nose goes down; +yaw: to picture right; +roll: the forehead goes to picture right."""
    _, warp = warp_of(hopper)
    still = warp.layout.points

    def shift(point: int, head) -> np.ndarray:
        frame = warp.pose_frame(np.zeros(len(warp.modes), np.float32), np.array(head, float))
        return warp.moved(frame, (point,))[0] - still[point, :2]

    assert shift(4, (8, 0, 0, 0, 0, 0))[1] > 2
    assert shift(4, (0, 8, 0, 0, 0, 0))[0] > 2
    assert shift(10, (0, 0, 8, 0, 0, 0))[0] > 2
    assert shift(4, (0, 0, 0, 0.1, 0, 0))[0] > 2 and shift(4, (0, 0, 0, 0, 0.1, 0))[1] > 2


def test_regions_keep_the_rest_still(hopper):
    picture, faces = hopper
    everything = motion(weights(jawOpen=0.8, browInnerUp=1, eyeBlink=1), head=(8, 8, 0, 0, 0, 0))
    _, warp = warp_of(hopper)
    brow_y, mouth_y = (int(warp.layout.points[p, 1]) for p in (105, 13))
    changed = {}
    for region in ("lips", "eyes", "face", "full"):
        frame = list(
            render_cast(picture, faces, Cast.of([Role(1, everything, region=region, rest="keep")]), 25)
        )[5]
        changed[region] = (frame != picture).any(-1)
    assert changed["lips"][mouth_y - 5 : mouth_y + 40].any() and not changed["lips"][: brow_y + 10].any()
    assert changed["eyes"][brow_y - 10 : brow_y + 30].any() and not changed["eyes"][mouth_y:].any()
    assert changed["full"].sum() > 1.3 * changed["face"].sum()


def two(collins) -> tuple[np.ndarray, Faces]:
    picture, faces = collins
    face = faces.person(1).first
    wide = np.concatenate([picture, picture], 1)
    other = Face(face.landmarks + [picture.shape[1], 0, 0], face.confidence)
    tracks = (FaceTrack(1, (face,)), FaceTrack(2, (other,)))
    return wide, Faces(tracks, *wide.shape[:2])


def test_two_people_act_each_on_their_own(collins):
    picture, faces = two(collins)
    half = picture.shape[1] // 2
    happy, angry = motion(weights(mouthSmile=1)), motion(weights(browDown=1))
    only = list(render_cast(picture, faces, Cast.of([Role(2, angry)]), 25))[6]
    assert (only[:, : half - 40] == picture[:, : half - 40]).all()
    both = list(render_cast(picture, faces, Cast.of([Role(1, happy), Role(2, angry)]), 25))[6]
    swapped = list(render_cast(picture, faces, Cast.of([Role(2, angry), Role(1, happy)]), 25))[6]
    assert (both == swapped).all()
    assert (both[:, half + 60 :] == only[:, half + 60 :]).all()


def test_frames_follow_real_time(collins):
    picture, faces = collins
    drive = motion(weights(jawOpen=1), frames=30, fps=30)
    assert len(list(render_cast(picture, faces, Cast.of([Role(1, drive)]), 10))) == 10
    seen = []
    frames = list(
        render_cast(
            picture, faces, Cast.of([Role(1, drive)]), 25, frames=4, progress=lambda i, n: seen.append((i, n))
        )
    )
    assert len(frames) == 4 and seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_the_same_twice_is_the_same(collins):
    picture, faces = collins
    cast = Cast.of([Role(1, motion(weights(jawOpen=0.7, mouthSmile=0.4), head=(3, 5, 2, 0, 0, 0)))])
    first, second = (np.stack(list(render_cast(picture, faces, cast, 25))) for _ in range(2))
    assert (first == second).all()


def test_strength_zero_is_the_picture(collins):
    picture, faces = collins
    role = Role(1, motion(weights(jawOpen=1), head=(9, 9, 9, 0, 0, 0)), strength=0.0)
    assert all((f == picture).all() for f in render_cast(picture, faces, Cast.of([role]), 25))


def test_nothing_pops(collins):
    """No frame of a slow expression jumps: the largest step stays near the usual one."""
    picture, faces = collins
    ramp = np.linspace(0, 1, 50, dtype=np.float32)[:, None] * weights(
        jawOpen=0.6, mouthSmile=0.3, eyeBlink=0.9
    )
    frames = list(
        render_cast(
            picture, faces, Cast.of([Role(1, FaceMotion(ramp, np.zeros((50, 6)), 25), rest="keep")]), 25
        )
    )
    steps = np.array([np.abs(a.astype(float) - b).mean() for a, b in zip(frames, frames[1:], strict=False)])
    assert steps.max() < 3.5 * np.median(steps)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (dict(cast=Cast.of([])), "cast is empty"),
        (dict(cast=Cast.of([Role(2, FaceMotion.neutral(2, 25))])), "Face 2 does not exist"),
        (dict(cast=Cast.of([Role(1, "happy")])), "no motion but str"),
        (dict(frames=0), "0 frames"),
        (dict(picture=np.zeros((40, 40, 3), np.uint8)), "not from this picture"),
        (dict(picture=np.zeros((40, 40, 4), np.uint8)), "[H, W, 3]"),
    ],
)
def test_errors_name_the_trouble(collins, change, word):
    picture, faces = collins
    given = {
        "picture": picture,
        "faces": faces,
        "cast": Cast.of([Role(1, FaceMotion.neutral(2, 25))]),
        "fps": 25,
    } | change
    with pytest.raises(TroupeError, match=word.replace("[", r"\[")):
        list(render_cast(**given))


def test_pixels_that_are_not_numbers_are_refused(collins):
    picture, faces = collins
    broken = (picture / 255).astype(np.float32)
    broken[5, 5] = np.nan
    with pytest.raises(TroupeError, match="not numbers"):
        render_cast(broken, faces, Cast.of([Role(1, FaceMotion.neutral(2, 25))]), 25)


def test_a_tiny_face_is_refused_with_its_size(collins):
    _, faces = collins
    face = faces.person(1).first
    small = Face((face.landmarks / 20).astype(np.float32))
    picture = np.zeros((30, 30, 3), np.uint8)
    with pytest.raises(TroupeError, match="px apart"):
        render_cast(
            picture,
            Faces((FaceTrack(1, (small,)),), 30, 30),
            Cast.of([Role(1, FaceMotion.neutral(2, 25))]),
            25,
        )


@pytest.mark.parametrize("seed", range(16))
def test_any_face_anywhere_can_act(collins, seed):
    """Tiny, huge, tilted, cut by the border or half outside the picture: it renders, and rest stays rest."""
    import cv2

    picture, faces = collins
    face = faces.person(1).first
    rng = np.random.default_rng(seed)
    scale = float(np.exp(rng.uniform(np.log(9 / face.eye_distance), np.log(3))))
    height, width = rng.integers(40, 500, 2)
    turn = cv2.getRotationMatrix2D(face.centre, rng.uniform(-180, 180), scale)
    turn[:, 2] += rng.uniform(0.0, 1.0, 2) * [width, height] - np.array(face.centre)
    scene = cv2.warpAffine(picture, turn, (int(width), int(height)), borderMode=cv2.BORDER_REFLECT)
    if seed % 2:
        scene = (scene / np.float32(255)).astype(np.float32)
    landmarks = face.landmarks * scale
    landmarks[:, :2] = face.landmarks[:, :2] @ turn[:, :2].T + turn[:, 2]
    warp = FaceWarp(Face(landmarks.astype(np.float32)), scene)
    canvas = scene.copy()
    warp.draw(canvas, weights(), np.zeros(6))
    assert (canvas == scene).all()
    warp.draw(
        canvas,
        rng.random(52).astype(np.float32),
        rng.normal(size=6) * [8, 10, 8, 0.1, 0.1, 0.3],
        rng.random(),
    )
    assert canvas.shape == scene.shape and canvas.dtype == scene.dtype
    top = 255 if canvas.dtype == np.uint8 else 1
    assert canvas.min() >= 0 and canvas.max() <= top and np.isfinite(canvas).all()
