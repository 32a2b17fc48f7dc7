"""Guidance maps of a moving figure: what is where, in which colour."""

from __future__ import annotations

import colorsys
from dataclasses import replace

import numpy as np
import pytest
import torch

from troupe.engine.body import maps as module
from troupe.engine.body.camera import Camera
from troupe.engine.body.figure import stand_in
from troupe.engine.body.maps import MAPS, body_maps
from troupe.engine.body.motion import BodyMotion
from troupe.engine.body.place import place
from troupe.engine.body.rotations import matrices_from_vectors
from troupe.engine.body.shade import palette, part_light, semantic_map, vertex_normals
from troupe.engine.body.skeleton import COLOURS, LIMBS, draw_skeleton, openpose_points
from troupe.engine.body.smpl_files import load_body
from troupe.engine.errors import TroupeError
from troupe.kernels.rasterize import NEAR, rasterize

BODY = stand_in()
WIDTH, HEIGHT = 160, 240


def standing(turn: float = 0.0, frames: int = 1, **joints: tuple[float, float, float]) -> BodyMotion:
    """The figure whole in the picture, turned about its height by ``turn`` radians (0 faces us)."""
    from troupe.engine.body.smpl import JOINTS

    vectors = np.zeros((frames, 24, 3))
    for name, vector in joints.items():
        vectors[:, JOINTS.index(name)] = vector
    rotations = matrices_from_vectors(vectors)
    rotations[:, 0] = np.diag([1.0, -1, -1]) @ matrices_from_vectors(np.array([0, turn, 0]))
    motion = BodyMotion(rotations, np.zeros((frames, 3)), np.zeros((frames, 10)), 25)
    return place(motion, BODY, WIDTH, HEIGHT)


def one(motion: BodyMotion):
    return next(body_maps(motion, BODY))


def test_shapes_and_agreement():
    maps = one(standing())
    assert maps.mask.shape == maps.depth.shape == (HEIGHT, WIDTH)
    body = maps.mask == 255
    assert set(np.unique(maps.mask)) == {0, 255} and 0.05 < body.mean() < 0.5
    for name in MAPS:
        values = getattr(maps, name)
        assert values.dtype == np.uint8 and values.shape[:2] == (HEIGHT, WIDTH)
        if name != "dwpose":
            assert not values[~body].any()
    assert maps.depth[body].min() == 0 and maps.depth.max() == 255
    assert (maps.semantic_map[body].max(-1) > 0).all()


def test_normals_point_at_us_in_the_middle_and_aside_at_the_rim():
    maps = one(standing())
    normals = maps.normal[maps.mask > 0] / 127.5 - 1
    assert np.abs(np.linalg.norm(normals, axis=1) - 1).max() < 0.03
    assert (normals[:, 2] > -0.3).all()  # only blending at edges carries them past the rim
    y, x = np.nonzero(maps.mask[60:90])
    row = maps.normal[70, maps.mask[70] > 0] / 127.5 - 1
    assert row[0, 0] < -0.3 and row[-1, 0] > 0.3  # x right
    assert maps.normal[maps.mask > 0][0, 1] > 160  # the crown looks up


def test_depth_is_nearer_where_an_arm_is_stretched_to_us():
    maps = one(standing(left_shoulder=(0, -np.pi / 2, 0)))
    y, x = np.nonzero(maps.depth > 250)
    assert x.mean() > WIDTH / 2  # facing us its left is on our right
    assert maps.depth[maps.mask > 0].mean() < 128


def test_parts_have_their_colours():
    maps = one(standing())
    colours = palette()
    place_of = {}
    for part in (15, 16, 17, 4, 5):
        hit = (np.abs(maps.semantic_map.astype(int) - colours[part]) <= 1).all(-1) & (maps.mask > 0)
        assert hit.sum() > 20, part
        place_of[part] = np.argwhere(hit).mean(0)
    assert place_of[15][0] < place_of[16][0] < place_of[4][0]
    assert place_of[17][1] < WIDTH / 2 < place_of[16][1] and place_of[5][1] < place_of[4][1]


def test_light_is_blended_and_not_bytes():
    """Half black and half white is 188, not 128."""
    half = semantic_map(torch.tensor([[0.0, 0.5, 1.0]] * 3))
    assert half[:, 0].tolist() == [0, 188, 255]
    labels = torch.arange(24)
    assert np.array_equal(semantic_map(part_light(labels)).numpy(), palette())


def test_vertex_normals_of_a_cube_lie_between_its_sides():
    points = torch.tensor([[x, y, z] for x in (-1.0, 1) for y in (-1.0, 1) for z in (-1.0, 1)])
    sides = [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]
    # However a side is cut into triangles, the angle counts once.
    faces = torch.tensor([t for a, b, c, d in sides for t in ([a, b, c], [a, c, d])])
    normals = vertex_normals(points, faces).T
    assert torch.allclose(normals, torch.nn.functional.normalize(points, dim=-1), atol=1e-6)
    lonely = vertex_normals(torch.cat([points, torch.zeros(1, 3)]), faces)
    assert not lonely[:, -1].any() and lonely.isfinite().all()


def drawn(maps, point: int) -> np.ndarray | None:
    """Middle of a joint's dot, if it was drawn."""
    hit = np.argwhere((maps.dwpose == COLOURS[point]).all(-1))
    return hit.mean(0)[::-1] if len(hit) else None


def test_skeleton_lies_in_the_body():
    maps = one(standing())
    for point in range(18):
        x, y = drawn(maps, point)
        assert maps.mask[int(y) - 2 : int(y) + 3, int(x) - 2 : int(x) + 3].any(), point
    nose, neck, right, left = (drawn(maps, k) for k in (0, 1, 2, 5))
    assert right[0] < neck[0] < left[0] and nose[1] < neck[1]
    assert drawn(maps, 14)[0] < drawn(maps, 15)[0]


@pytest.mark.parametrize(
    "turn, hidden", [(np.pi, {0, 14, 15}), (np.pi / 2, {15, 17}), (-np.pi / 2, {14, 16}), (0, set())]
)
def test_faces_turned_away_are_not_drawn(turn, hidden):
    maps = one(standing(turn))
    assert {k for k in (0, 14, 15, 16, 17) if drawn(maps, k) is None} == hidden


def test_openpose_points_are_smpls():
    joints = np.arange(48.0).reshape(24, 2)
    points = openpose_points(joints, None)
    assert np.isnan(points[[0, 14, 15, 16, 17]]).all()
    for k, joint in {
        2: 17,
        3: 19,
        4: 21,
        5: 16,
        6: 18,
        7: 20,
        8: 2,
        9: 5,
        10: 8,
        11: 1,
        12: 4,
        13: 7,
    }.items():
        assert np.array_equal(points[k], joints[joint])
    assert np.array_equal(points[1], (joints[16] + joints[17]) / 2)


def test_drawing():
    points = np.full((18, 2), np.nan)
    points[1], points[2] = [40, 30], [10, 30]
    canvas = draw_skeleton(points, 60, 80)
    assert tuple(canvas[30, 25]) == tuple(int(c * 0.6) for c in COLOURS[0])  # the limb, dimmed
    assert tuple(canvas[30, 40]) == COLOURS[1] and tuple(canvas[30, 10]) == COLOURS[2]  # the dots, not
    assert not canvas[30 + 6 :].any() and not canvas[: 30 - 5].any()
    assert len(LIMBS) == 17 and len(COLOURS) == 18
    points[2] = [1e9, -1e9]  # far outside: no limb, no crash
    assert draw_skeleton(points, 60, 80).any(-1).sum() < 100
    assert not draw_skeleton(np.full((18, 2), np.nan), 60, 80).any()


# The drawing of DWPose: which points a limb joins, in the order of the colours.
NAMES = (
    "nose neck r_shoulder r_elbow r_wrist l_shoulder l_elbow l_wrist r_hip r_knee r_ankle l_hip l_knee l_ankle r_eye l_eye"
    " r_ear l_ear"
).split()
JOINED = (
    "neck-r_shoulder neck-l_shoulder r_shoulder-r_elbow r_elbow-r_wrist l_shoulder-l_elbow l_elbow-l_wrist neck-r_hip"
    " r_hip-r_knee r_knee-r_ankle neck-l_hip l_hip-l_knee l_knee-l_ankle neck-nose nose-r_eye r_eye-r_ear nose-l_eye"
    " l_eye-l_ear"
).split()


def test_limbs_and_colours_are_dwposes():
    assert [f"{NAMES[a]}-{NAMES[b]}" for a, b in LIMBS] == JOINED
    # Once around the wheel of colours.
    wheel = [tuple(round(c * 255) for c in colorsys.hsv_to_rgb(k / 18, 1, 1)) for k in range(18)]
    assert list(COLOURS) == wheel


@pytest.mark.parametrize("limb", range(17))
def test_limbs_are_nine_pixels_thick_and_dots_too(limb):
    a, b = LIMBS[limb]
    points = np.full((18, 2), np.nan)
    points[a], points[b] = [20.7, 30.2], [90.4, 30.9]  # pixels are cut, not rounded
    canvas = draw_skeleton(points, 60, 120)
    middle = canvas[:, 55]
    assert np.flatnonzero(middle.any(1)).tolist() == list(range(26, 35))
    assert (middle[26:35] == [int(c * 0.6) for c in COLOURS[limb]]).all()
    for point, x in ((a, 20), (b, 90)):
        dot = (canvas == COLOURS[point]).all(-1)
        rows, columns = (np.flatnonzero(dot.any(axis)) for axis in (1, 0))
        assert rows.tolist() == list(range(26, 35)) and columns.tolist() == list(range(x - 4, x + 5))


def test_the_face_of_smpl_is_at_its_vertices(files, tmp_path):
    """Nose, eyes and ears of the published mesh, by the numbers that smplx gives."""
    arrays = files.smpl_arrays(6890)
    arrays["f"][:] = 0  # nothing to hide them
    np.savez(tmp_path / "SMPL_NEUTRAL.npz", **arrays)
    body = load_body(tmp_path / "SMPL_NEUTRAL.npz")
    motion = standing()
    motion = replace(motion, position=[[0, 0, 4.0 * motion.camera.focal / HEIGHT]])
    maps = next(body_maps(motion, body))
    posed = body.pose(*(torch.tensor(x) for x in (motion.rotations, motion.betas, motion.position)))
    pixels = motion.camera.project(posed.vertices)[0, :, :2].numpy()
    wanted = np.full((18, 2), np.nan)
    for point, vertex in {"nose": 332, "r_eye": 6260, "l_eye": 2800, "r_ear": 4071, "l_ear": 583}.items():
        wanted[NAMES.index(point)] = pixels[vertex]
    assert ((wanted > 0) & (wanted < [WIDTH, HEIGHT])).all(1).sum() >= 4
    joints = motion.camera.project(posed.joints)[0, :, :2].numpy()
    face = wanted[[0, 14, 15, 16, 17]]
    assert np.array_equal(maps.dwpose, draw_skeleton(openpose_points(joints, face), HEIGHT, WIDTH))


def test_of_several_bodies_the_nearer_hides_the_others():
    """One stands behind and aside; the maps of both are those of each where it is seen."""
    front, back = standing(0.2), standing(-0.3)
    depth = float(front.position[0, 2])
    back = replace(back, position=back.position + [0.25, 0, 0.05 * depth])
    both, near, far = (next(body_maps(m, BODY)) for m in ([front, back], front, back))
    swapped = next(body_maps([back, front], BODY))
    inside, behind = near.mask > 0, (far.mask > 0) & (near.mask == 0)
    hidden = (far.mask > 0) & inside
    assert hidden.sum() > 200 and behind.sum() > 200
    assert np.array_equal(both.mask, near.mask | far.mask)
    for name in ("normal", "semantic_map"):
        mine, whole = getattr(both, name).astype(int), getattr(swapped, name)
        assert np.abs(mine - getattr(near, name))[inside].max() <= 1, name
        assert np.abs(mine - getattr(far, name))[behind].max() <= 1, name
        assert np.abs(mine - whole).max() <= 1
    # Depth is of both together: all of the nearer is nearer.
    assert both.depth[inside].min() > both.depth[behind].max() + 50
    # Both skeletons are drawn, but for the part of the face that the nearer hides.
    dots = {
        k: (both.dwpose == COLOURS[k]).all(-1).sum() / (near.dwpose == COLOURS[k]).all(-1).sum()
        for k in (4, 10)
    }
    assert all(d > 1.5 for d in dots.values()), dots
    covered = replace(back, position=front.position + [0, 0, 0.05 * depth])
    alone, together = next(body_maps(covered, BODY)), next(body_maps([front, covered], BODY))
    assert drawn(alone, 0) is not None
    one_nose = (near.dwpose == COLOURS[0]).all(-1).sum()
    assert (together.dwpose == COLOURS[0]).all(-1).sum() <= one_nose


def test_bodies_that_do_not_belong_together():
    motion = standing(frames=2)
    for other in (motion[:1], replace(motion, camera=Camera(1000, WIDTH, HEIGHT))):
        with pytest.raises(TroupeError, match="do not belong together.*2 frames"):
            next(body_maps([motion, other], BODY))


def test_many_frames_are_the_frames_alone(monkeypatch):
    motion = standing(0.3, frames=5, left_elbow=(0, -1, 0))
    motion = replace(motion, position=motion.position + np.arange(5)[:, None] * [0.05, 0, 0])
    steps = []
    whole = list(body_maps(motion, BODY, progress=lambda done, total: steps.append((done, total))))
    assert len(whole) == 5 and steps == [(n, 5) for n in range(1, 6)]
    monkeypatch.setattr(module, "TOGETHER", 2)
    for together, alone in zip(body_maps(motion, BODY), whole, strict=True):
        assert np.array_equal(together.mask, alone.mask)
        assert np.abs(together.normal.astype(int) - alone.normal).max() <= 1
    columns = [np.argwhere(m.mask)[:, 1].mean() for m in whole]
    assert columns == sorted(columns) and columns[-1] > columns[0] + 5


def test_a_body_outside_the_picture_gives_black_maps():
    motion = standing()
    for position in ([500.0, 0, 40], [0, 0, -40.0]):
        maps = one(replace(motion, position=[position]))
        for name in (*MAPS, "mask"):
            assert not getattr(maps, name).any(), name


def test_a_body_that_reaches_past_the_camera_is_cut_there(monkeypatch):
    """An arm from behind the camera, 12 cm under it, is seen up to where the camera sees at all, straight across."""
    seen = []
    monkeypatch.setattr(module, "rasterize", lambda *a: seen.append(rasterize(*a)) or seen[-1])
    lens = Camera(0.12 * HEIGHT, WIDTH, HEIGHT)
    aside = standing(np.pi / 2)
    posed = BODY.pose(torch.tensor(aside.rotations), torch.tensor(aside.betas))
    middle = posed.joints[0, [16, 18]].mean(0).numpy()
    maps = one(replace(aside, position=[[-middle[0], 0.12 - middle[1], -middle[2]]], camera=lens))
    assert np.array_equal(np.flatnonzero(maps.mask), seen[0].pixel.numpy())
    columns = seen[0].pixel % WIDTH
    nearest = torch.stack([seen[0].depth[columns == c].min() for c in columns.unique()])
    assert len(nearest) > 10 and (nearest[2:-2] < NEAR * 1.01).all() and (nearest >= NEAR * 0.999).all()


@pytest.mark.parametrize("depth", [0.0, -0.0, 1e-9])
def test_what_lies_beside_the_camera_has_pixels_that_lead_back_to_it(depth):
    camera = Camera(100.0, WIDTH, HEIGHT)
    x, y, z = camera.project(torch.tensor([0.25, -0.5, depth]))
    assert torch.isfinite(x) and torch.isfinite(y) and 0 < z < 1e-5
    assert float((x - WIDTH / 2) * z / 100) == pytest.approx(0.25, rel=1e-3)
    assert float((y - HEIGHT / 2) * z / 100) == pytest.approx(-0.5, rel=1e-3)


def test_what_does_not_fit():
    motion = standing()
    with pytest.raises(TroupeError, match="no camera"):
        next(body_maps(replace(motion, camera=None), BODY))
    with pytest.raises(TroupeError, match="does not fit"):
        next(body_maps(replace(motion, rotations=motion.rotations[:, :22]), BODY))
    with pytest.raises(TroupeError, match="out of range"):
        replace(motion, camera=Camera(1e5, 5000, 5000))
