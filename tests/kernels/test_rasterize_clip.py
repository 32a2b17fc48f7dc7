"""Triangles that reach behind the camera or far aside, against rays and scenes whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from troupe.kernels import rasterize_clip
from troupe.kernels.rasterize import NEAR, REACH, out_of_reach, rasterize
from troupe.kernels.rasterize_clip import cut

WIDTH, HEIGHT = 32, 24
APART = (
    0.01  # pixels around a centre over which a verdict must not change to be compared: corners lie on a grid
)


def project(points: torch.Tensor, focal: float = 20.0) -> torch.Tensor:
    """Camera axes (x right, y down, z away) to pixels and depth."""
    x, y, z = points.unbind(-1)
    return torch.stack([focal * x / z + WIDTH / 2, focal * y / z + HEIGHT / 2, z], -1)


def rays(focal: float = 20.0, aside: tuple[float, float] = (0, 0)) -> np.ndarray:
    """Where pixel centres look, ``[H * W, 3]`` at depth 1."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    x, y = (x + aside[0] - WIDTH / 2) / focal, (y + aside[1] - HEIGHT / 2) / focal
    return np.stack([x, y, np.ones_like(x)], -1).reshape(-1, 3)


def cast(triangle: np.ndarray, look: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Depth at which rays meet a triangle of corners ``[3, 3]`` (infinite if not or nearer than NEAR), and weights."""
    with np.errstate(divide="ignore", invalid="ignore"):
        share = look @ np.linalg.inv(triangle)
        depth = 1 / share.sum(1)
        weights = share * depth[:, None]
        hit = (weights >= 0).all(1) & (depth >= NEAR) & np.isfinite(depth)
    return np.where(hit, depth, np.inf), weights


def picture(seen, values: torch.Tensor, pictures: int = 1) -> np.ndarray:
    """Values at the pixels seen as whole pictures, infinite where nothing is."""
    whole = torch.full((pictures * HEIGHT * WIDTH,), torch.inf, dtype=torch.float64)
    whole[seen.pixel] = values.double()
    return whole.view(pictures, -1).numpy().squeeze(0) if pictures == 1 else whole.view(pictures, -1).numpy()


coordinate = st.floats(-3, 3, width=32)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(coordinate, coordinate, coordinate), min_size=3, max_size=3))
def test_a_triangle_is_what_rays_meet(corners):
    triangle = np.array(corners)
    assume(np.abs(triangle[:, 2]).min() > 1e-3 and abs(np.linalg.det(triangle)) > 1e-2)
    seen = rasterize(project(torch.tensor(triangle))[None], torch.tensor([[0, 1, 2]]), HEIGHT, WIDTH)
    around = [
        cast(triangle, rays(aside=a))
        for a in ((0, 0), *((s, t) for s in (-APART, APART) for t in (-APART, APART)))
    ]
    depths = np.stack([d for d, _ in around])
    sure = np.isfinite(depths).all(0) | np.isinf(depths).all(0)
    found = picture(seen, seen.depth)
    assert (np.isfinite(found) == np.isfinite(depths[0]))[sure].all()
    both = sure & np.isfinite(depths[0])
    slack = np.abs(depths[1:, both] - depths[0, both]).max(0, initial=0) + 1e-5 * depths[0, both]
    assert (np.abs(found[both] - depths[0, both]) <= slack).all()
    for k in range(3):
        share = np.stack([w[:, k] for _, w in around])[:, both]
        slack = np.abs(share[1:] - share[0]).max(0, initial=0) + 1e-5
        assert (np.abs(picture(seen, seen.weights[k])[both] - share[0]) <= slack).all()
    assert not len(seen.face) or int(seen.face.max()) == 0


def test_a_floor_from_behind_the_camera_to_the_horizon():
    """Two triangles one metre under the camera: depth is f / (row under the middle)."""
    floor = torch.tensor(
        [[-900.0, 1, -50], [900, 1, -50], [-900, 1, 800], [900, 1, 800]], dtype=torch.float64
    )
    seen = rasterize(project(floor)[None], torch.tensor([[0, 2, 1], [1, 2, 3]]), HEIGHT, WIDTH)
    depth = picture(seen, seen.depth).reshape(HEIGHT, WIDTH)
    assert np.isinf(depth[: HEIGHT // 2]).all()
    rows = np.arange(HEIGHT // 2) + 0.5
    assert depth[HEIGHT // 2 :] == pytest.approx(np.repeat(20 / rows[:, None], WIDTH, 1), rel=2e-3)
    # What is linear on the floor is linear there still.
    x = picture(seen, seen.blend(floor.T.float().contiguous(), torch.tensor([[0, 2, 1], [1, 2, 3]]))[0])
    wanted = rays()[:, 0].reshape(HEIGHT, WIDTH)[HEIGHT // 2 :] * 20 / rows[:, None]
    assert x.reshape(HEIGHT, WIDTH)[HEIGHT // 2 :] == pytest.approx(wanted, abs=0.05)
    assert (
        rasterize(project(floor)[None], torch.tensor([[0, 1, 2], [1, 3, 2]]), HEIGHT, WIDTH).front
        != seen.front
    ).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.5, 8), st.floats(-0.4, 0.4))
def test_neighbours_that_are_cut_leave_no_gap(seed, focal, tilt):
    """A plane through the near plane, cut into random triangles, has no hole and its depth everywhere."""
    from scipy.spatial import Delaunay

    rng = np.random.default_rng(seed)
    flat = np.concatenate([[[-1, -1], [1, -1], [-1, 1], [1, 1]], rng.random((30, 2)) * 2 - 1]) * 60
    plane = np.column_stack([flat[:, 0], 1 + tilt * flat[:, 0] / 60, flat[:, 1]]).astype(np.float32)
    points = project(torch.tensor(plane), focal)
    seen = rasterize(points[None], torch.tensor(Delaunay(flat).simplices), HEIGHT, WIDTH)
    look = rays(focal)
    depth = 1 / (look[:, 1] - tilt * look[:, 0] / 60)
    inside = (depth > NEAR * 1.05) & (depth < 55) & (np.abs(look[:, 0]) * depth < 55)
    assert inside.sum() > 20
    found = picture(seen, seen.depth)
    assert np.isfinite(found[inside]).all()
    assert (np.abs(found / depth - 1)[inside] < 0.01).all()
    assert np.isinf(found[(depth < 0) | (depth > 1000)]).all()


def test_from_inside_a_ball_all_is_its_other_side():
    """Wide as the view is, triangles beside the camera are cut; the ball has no hole."""
    fine, focal = 24, 0.8
    polar, about = np.meshgrid(
        np.linspace(0, np.pi, fine + 1), np.arange(2 * fine) * np.pi / fine, indexing="ij"
    )
    unit = np.stack([np.sin(polar) * np.sin(about), np.cos(polar), np.sin(polar) * np.cos(about)], -1)
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    i, j = np.meshgrid(np.arange(fine), np.arange(2 * fine), indexing="ij")
    a, b = i * 2 * fine + j, i * 2 * fine + (j + 1) % (2 * fine)
    faces = np.concatenate(
        [np.stack([a, a + 2 * fine, b], -1), np.stack([b, a + 2 * fine, b + 2 * fine], -1)]
    )
    points = project(torch.tensor(0.5 * unit.reshape(-1, 3) @ turn * np.sign(np.linalg.det(turn))), focal)
    seen = rasterize(points[None], torch.tensor(faces.reshape(-1, 3)), HEIGHT, WIDTH)
    found, wanted = picture(seen, seen.depth), 0.5 / np.linalg.norm(rays(focal), axis=1)
    near = wanted < NEAR * 0.99  # the ball reaches nearer there, and is not seen
    inside = wanted > NEAR * 1.03
    assert near.any() and inside.sum() > 150 and np.isinf(found[near]).all()
    assert (np.abs(found / wanted - 1)[inside] < 0.02).all() and not seen.front.any()


def test_corners_far_aside_are_cut_off_too():
    """A wall whose corners lie a thousand times farther aside than pixels are counted."""
    wide = 1000.0 * REACH
    wall = torch.tensor([[-wide, -wide, 2], [wide, -wide, 2], [0, wide, 2]], dtype=torch.float64)
    seen = rasterize(wall[None], torch.tensor([[0, 1, 2]]), HEIGHT, WIDTH)
    assert len(seen.pixel) == HEIGHT * WIDTH and (seen.depth == 2).all()
    assert not len(
        rasterize((wall + torch.tensor([4 * wide, 0, 0]))[None], torch.tensor([[0, 1, 2]]), 8, 8).pixel
    )


def test_pictures_are_cut_each_for_itself():
    rng = np.random.default_rng(5)
    space = torch.tensor(rng.normal(size=(4, 30, 3)) * [2, 2, 1])
    space[..., 2] += torch.tensor([0.4, 9, 0.8, -9])[:, None]  # crossing, in front, crossing, behind
    points, faces = project(space), torch.arange(30).view(10, 3)
    together = rasterize(points, faces, HEIGHT, WIDTH)
    size = HEIGHT * WIDTH
    for n in range(4):
        alone = rasterize(points[n : n + 1], faces, HEIGHT, WIDTH)
        mine = together.pixel // size == n
        assert bool(len(alone.pixel)) == (n < 3)
        assert torch.equal(together.pixel[mine] - n * size, alone.pixel)
        for name in ("face", "weights", "depth", "front"):
            assert torch.equal(getattr(together, name)[..., mine], getattr(alone, name)), name


def test_of_two_at_one_depth_the_earlier_is_seen_when_both_are_cut():
    wall = project(torch.tensor([[-3.0, -2, -1], [3, -2, -1], [0, 1, 4]], dtype=torch.float64))
    for faces in ([[0, 1, 2], [0, 1, 2]], [[0, 2, 1], [0, 1, 2]]):
        seen = rasterize(wall[None], torch.tensor(faces), HEIGHT, WIDTH)
        assert len(seen.face) and (seen.face == 0).all()


def test_pieces_are_the_part_in_reach():
    """One corner behind leaves two pieces, two leave one; all lie in reach and are their shares of the corners."""
    space = torch.tensor([[-1.0, 0, 2], [1, 0, 2], [0, 1, -2], [0, -1, -3]], dtype=torch.float64)
    points, faces = project(space)[None], torch.tensor([[0, 1, 2], [0, 2, 3], [2, 3, 2]])
    outside = out_of_reach(points)
    pieces = cut(points, faces, outside)
    assert pieces.owner.tolist() == [0, 0, 0, 1, 1, 2]
    assert sorted(pieces.piece.tolist()) == [-1, -1, -1, 0, 1, 2]
    for face, owner, piece in zip(pieces.faces, pieces.owner, pieces.piece.tolist(), strict=True):
        if piece < 0:
            assert torch.equal(face, faces[owner])
            continue
        corners, shares = pieces.points[0, face], pieces.shares[piece]
        assert not out_of_reach(corners[None]).any()
        assert torch.allclose(corners, project(shares @ space[faces[owner]]), atol=1e-9)
        assert torch.allclose(shares.sum(1), torch.ones(3, dtype=torch.float64))
    assert cut(points, faces[2:], outside) is None  # all behind
    bad = torch.tensor([[[1.0, 1, 3], [7, 1, 3], [torch.nan, torch.inf, 0]]], dtype=torch.float64)
    assert cut(bad, faces[:1], out_of_reach(bad)) is None


def test_nothing_is_cut_where_all_is_in_reach(monkeypatch):
    points = project(torch.tensor([[-1.0, 0, 2], [1, 0, 2], [0, 1, 3]], dtype=torch.float64))[None]
    faces = torch.tensor([[0, 1, 2]])
    plain = rasterize(points, faces, HEIGHT, WIDTH)

    def never(*_):
        raise AssertionError("cut")

    monkeypatch.setattr(rasterize_clip, "cut", never)
    again = rasterize(points, faces, HEIGHT, WIDTH)
    assert len(plain.pixel) and torch.equal(plain.depth, again.depth)
    # A triangle beside it that is cut changes nothing of it.
    monkeypatch.undo()
    more = torch.cat([points, points + torch.tensor([0.0, 900, -2.5])], 1)
    both = rasterize(more, torch.tensor([[0, 1, 2], [3, 4, 5]]), HEIGHT, WIDTH)
    assert torch.equal(both.depth[both.face == 0], plain.depth) and torch.equal(
        both.pixel[both.face == 0], plain.pixel
    )
