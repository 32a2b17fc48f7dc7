"""The rasteriser against analytic scenes, a brute-force definition in whole numbers, and its Triton twin.

Run as a program this file compares the Triton z-buffer, interpreted on the processor, with the torch form.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from troupe.kernels import rasterize as kernel
from troupe.kernels.rasterize import GRID, NEAR, corners_of, out_of_reach, rasterize, zbuffer_torch
from troupe.kernels.rasterize_clip import cut

SIZE, FOCAL = (96, 128), 300.0  # width, height


def project(points: torch.Tensor, focal: float = FOCAL, size: tuple[int, int] = SIZE) -> torch.Tensor:
    """Camera axes (x right, y down, z away) to pixels and depth."""
    x, y, z = points.unbind(-1)
    return torch.stack([focal * x / z + size[0] / 2, focal * y / z + size[1] / 2, z], -1)


def ball(fine: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    """A unit sphere; its faces run anticlockwise seen from outside."""
    polar, round_ = np.linspace(0, np.pi, fine + 1), np.arange(2 * fine) * np.pi / fine
    points = np.stack(
        [
            np.sin(polar)[:, None] * np.sin(round_),
            np.cos(polar)[:, None] + 0 * round_,
            np.sin(polar)[:, None] * np.cos(round_),
        ],
        -1,
    )
    i, j = np.meshgrid(np.arange(fine), np.arange(2 * fine), indexing="ij")
    a, b = i * 2 * fine + j, i * 2 * fine + (j + 1) % (2 * fine)
    c, d = a + 2 * fine, b + 2 * fine
    faces = np.concatenate([np.stack([a, c, b], -1), np.stack([b, c, d], -1)]).reshape(-1, 3)
    return torch.from_numpy(points.reshape(-1, 3)), torch.from_numpy(faces)


def brute(points: torch.Tensor, faces: torch.Tensor, height: int, width: int) -> list[set[int]]:
    """Which triangles cover each pixel's centre, in Python's whole numbers."""
    step = int(GRID)
    grid = [[round(float(v) * step) for v in p[:2]] for p in points]
    cover = [set() for _ in range(height * width)]
    for f, face in enumerate(faces.tolist()):
        (ax, ay), (bx, by), (cx, cy) = (grid[v] for v in face)
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0:
            continue
        for row in range(height):
            for column in range(width):
                x, y = column * step + step // 2, row * step + step // 2
                edges = (
                    (cx - bx) * (y - by) - (cy - by) * (x - bx),
                    (ax - cx) * (y - cy) - (ay - cy) * (x - cx),
                    (bx - ax) * (y - ay) - (by - ay) * (x - ax),
                )
                if all(e * area >= 0 for e in edges):
                    cover[row * width + column].add(f)
    return cover


@st.composite
def scenes(draw):
    """A few triangles in and around a small picture: on pixel centres, slivers, far outside, at equal depths."""
    count = draw(st.integers(3, 8))
    coordinate = st.one_of(
        st.integers(-2, 14).map(lambda v: v / 2),
        st.floats(-6, 14, width=32),
        st.sampled_from([-300.0, 400.0, 0.5, 4.5, 4.5 + 1 / 1024]),
    )
    depth = st.one_of(st.sampled_from([1.0, 2.0, NEAR]), st.floats(0.5, 4, width=32))
    points = [[draw(coordinate), draw(coordinate), draw(depth)] for _ in range(count)]
    corner = st.integers(0, count - 1)
    faces = draw(st.lists(st.tuples(corner, corner, corner), min_size=1, max_size=6))
    return torch.tensor(points), torch.tensor(faces), draw(st.integers(1, 9)), draw(st.integers(1, 9))


@settings(max_examples=80, deadline=None)
@given(scenes())
@example((torch.tensor([[0.5, 0.5, 1], [4.5, 0.5, 1], [0.5, 4.5, 1.0]]), torch.tensor([[0, 1, 2]]), 6, 6))
def test_covers_what_whole_numbers_say(scene):
    points, faces, height, width = scene
    seen = rasterize(points[None], faces, height, width)
    cover = brute(points, faces, height, width)
    assert seen.pixel.tolist() == [p for p, hit in enumerate(cover) if hit]
    for pixel, face, depth, weights in zip(
        seen.pixel.tolist(), seen.face.tolist(), seen.depth.tolist(), seen.weights.T, strict=True
    ):
        assert face in cover[pixel]
        corners = points[faces[face], 2]
        assert float(weights.sum()) == pytest.approx(1, abs=1e-5) and weights.min() >= 0
        # Corrected for perspective, depth is the blend of the corners' depths.
        assert depth == pytest.approx(float((weights * corners).sum()), rel=1e-4)
        for other in cover[pixel]:
            alone = rasterize(points[None], faces[other : other + 1], height, width)
            behind = float(alone.depth[alone.pixel == pixel])
            assert depth <= behind * (1 + 1e-6)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40))
def test_neighbours_leave_no_gap(seed, inner):
    """A square cut into random triangles covers every pixel, and each with depth 2."""
    from scipy.spatial import Delaunay

    rng = np.random.default_rng(seed)
    points = np.concatenate([[[0, 0], [24, 0], [0, 24], [24, 24]], rng.random((inner, 2)) * 24])
    faces = Delaunay(points).simplices
    deep = torch.from_numpy(np.column_stack([points, np.full(len(points), 2.0)]))
    seen = rasterize(deep[None], torch.from_numpy(faces), 24, 24)
    assert seen.pixel.tolist() == list(range(24 * 24))
    assert (seen.depth == 2).all()


def test_sphere_has_the_depth_and_normals_of_a_sphere():
    unit, faces = ball(60)
    centre = torch.tensor([0.1, -0.05, 6.0], dtype=torch.float64)
    seen = rasterize(project(unit + centre)[None], faces, SIZE[1], SIZE[0])
    x = (seen.pixel % SIZE[0] + 0.5 - SIZE[0] / 2) / FOCAL
    y = (seen.pixel // SIZE[0] + 0.5 - SIZE[1] / 2) / FOCAL
    ray = torch.stack([x, y, torch.ones_like(x)], -1).double()
    # |t ray - centre| = 1
    along, square = ray @ centre, (ray * ray).sum(-1)
    inside = along**2 - square * (centre @ centre - 1)
    off = (inside.clamp(min=0).sqrt() / square.sqrt()) < 0.2  # grazing: the last pixels of the rim
    t = (along - inside.clamp(min=0).sqrt()) / square
    assert ((seen.depth - t).abs() / t)[~off].max() < 0.01
    normals = torch.nn.functional.normalize(seen.blend(unit.float().T.contiguous(), faces), dim=0).T.double()
    wanted = t.unsqueeze(-1) * ray - centre
    assert (normals - wanted)[~off].norm(dim=1).max() < 0.02
    assert (normals * wanted).sum(-1)[~off].min() > 0.99
    assert seen.front.all()


def test_silhouette_lies_within_half_a_pixel():
    unit, faces = ball(60)
    centre = torch.tensor([0.0, 0.0, 7.0], dtype=torch.float64)
    seen = rasterize(project(unit + centre)[None], faces, SIZE[1], SIZE[0])
    mask = torch.zeros(SIZE[0] * SIZE[1], dtype=torch.bool)
    mask[seen.pixel] = True
    # Seen from afar the rim is a circle of radius f / sqrt(d^2 - 1) about the middle.
    radius = FOCAL / (7**2 - 1) ** 0.5
    y, x = torch.meshgrid(torch.arange(SIZE[1]) + 0.5, torch.arange(SIZE[0]) + 0.5, indexing="ij")
    distance = torch.hypot(x - SIZE[0] / 2, y - SIZE[1] / 2).flatten()
    assert mask[distance < radius - 0.5].all() and not mask[distance > radius + 0.5].any()
    assert abs(float(mask.sum()) / (np.pi * radius**2) - 1) < 0.01


@settings(max_examples=20, deadline=None)
@given(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5), st.floats(1, 20))
def test_plane_has_the_depth_of_a_plane(a, b, distance):
    """z = distance + a x + b y, seen through two triangles far larger than the picture."""
    x = torch.tensor([-1.0, 1, -1, 1], dtype=torch.float64) * distance * 0.6
    y = torch.tensor([-1.0, -1, 1, 1], dtype=torch.float64) * distance * 0.6
    points = torch.stack([x, y, distance + a * x + b * y], -1)
    seen = rasterize(project(points)[None], torch.tensor([[0, 1, 2], [1, 3, 2]]), SIZE[1], SIZE[0])
    u = (seen.pixel % SIZE[0] + 0.5 - SIZE[0] / 2) / FOCAL
    v = (seen.pixel // SIZE[0] + 0.5 - SIZE[1] / 2) / FOCAL
    assert len(seen.pixel) > 1000
    wanted = distance / (1 - a * u - b * v)
    assert ((seen.depth - wanted).abs() / wanted).max() < 1e-3
    # What is linear on the plane stays linear in the picture's perspective.
    place = seen.blend(points[:, :2].T.contiguous(), torch.tensor([[0, 1, 2], [1, 3, 2]]))
    assert (place[0] - u * wanted).abs().max() < 2e-3 * distance


def test_both_sides_and_the_nearer_of_two():
    points = torch.tensor([[1.0, 1, 3], [7, 1, 3], [1, 7, 3], [1, 1, 2], [7, 1, 2], [1, 7, 2]])
    faces = torch.tensor([[0, 1, 2], [3, 5, 4]])
    seen = rasterize(points[None], faces, 8, 8)
    assert (seen.face == 1).all() and (seen.depth == 2).all() and seen.front.all()
    assert rasterize(points[None], faces[:1], 8, 8).pixel.tolist() == seen.pixel.tolist()
    # At the same depth the earlier is seen.
    same = torch.tensor([[3, 5, 4], [3, 4, 5]])
    assert (rasterize(points[None], same, 8, 8).face == 0).all()


def test_pictures_do_not_know_of_each_other():
    unit, faces = ball(8)
    centres = torch.tensor([[0.0, 0, 6], [1, 0, 9], [50, 0, 6]], dtype=torch.float64)
    points = project(unit + centres[:, None])
    all_ = rasterize(points, faces, SIZE[1], SIZE[0])
    size = SIZE[0] * SIZE[1]
    for n in range(3):
        one = rasterize(points[n : n + 1], faces, SIZE[1], SIZE[0])
        mine = all_.pixel // size == n
        assert torch.equal(all_.pixel[mine] - n * size, one.pixel)
        assert torch.equal(all_.weights[:, mine], one.weights) and torch.equal(all_.depth[mine], one.depth)
    assert not (all_.pixel // size == 2).any()


def test_what_is_no_number_is_left_out():
    points = torch.tensor([[1.0, 1, 3], [7, 1, 3], [1, 7, 3]])
    faces = torch.tensor([[0, 1, 2]])
    assert len(rasterize(points[None], faces, 8, 8).pixel)
    for vertex, axis, value in (
        (2, 1, float("nan")),
        (0, 0, float("inf")),
        (0, 2, float("nan")),
        (1, 0, -float("inf")),
    ):
        moved = points.clone()
        moved[vertex, axis] = value
        assert not len(rasterize(moved[None], faces, 8, 8).pixel)
    points[2, 2] = float("inf")  # as far as one likes
    seen = rasterize(points[None], faces, 8, 8)
    assert seen.depth.isfinite().all() and seen.weights.isfinite().all()


def test_many_large_triangles_are_taken_in_parts(monkeypatch):
    unit, faces = ball(12)
    points = project(unit + torch.tensor([0, 0, 4.0]))[None]
    whole = rasterize(points, faces, SIZE[1], SIZE[0])
    monkeypatch.setattr(kernel, "CHUNK", 50)
    parts = rasterize(points, faces, SIZE[1], SIZE[0])
    for name in ("pixel", "face", "weights", "depth", "front"):
        assert torch.equal(getattr(whole, name), getattr(parts, name))


def test_what_does_not_fit_is_refused():
    points, faces = torch.zeros(1, 3, 3), torch.tensor([[0, 1, 2]])
    for bad in (
        lambda: rasterize(points[0], faces, 8, 8),
        lambda: rasterize(points.long(), faces, 8, 8),
        lambda: rasterize(points, faces.float(), 8, 8),
        lambda: rasterize(points, faces[:0], 8, 8),
        lambda: rasterize(points, faces + 1, 8, 8),
        lambda: rasterize(points, faces - 1, 8, 8),
        lambda: rasterize(points, faces, 0, 8),
        lambda: rasterize(points, faces, 8, 20_000),
        lambda: rasterize(points.expand(200, 3, 3), faces, 4096, 4096),
        lambda: rasterize(points, faces, 8, 8, impl="cuda"),
    ):
        with pytest.raises(ValueError):
            bad()


def triton_errors(device: str) -> dict[str, float]:
    """Largest relative difference of 1 / depth between the two z-buffers, 1 where they see different pixels."""
    from troupe.kernels.rasterize_triton import zbuffer_triton

    rng = np.random.default_rng(0)
    soup = torch.from_numpy(rng.random((2, 90, 3)) * [40, 30, 3] + [-4, -4, 0.5])
    unit, faces = ball(7)
    cases = {
        "ball": (project(unit + torch.tensor([[[0, 0, 4.0]], [[0.5, 0.4, 7.0]]])), faces, 48, 40),
        "soup": (soup, torch.arange(90).view(30, 3), 22, 33),
        "one pixel": (soup[:1], torch.arange(90).view(30, 3), 1, 1),
        "outside": (soup + 1000, torch.arange(90).view(30, 3), 9, 9),
    }
    behind = project((unit + torch.tensor([[[0.2, 0.1, 0.8]], [[0.6, 0.4, 0.9]]])).double(), 20.0, (40, 48))
    pieces = cut(behind, faces, out_of_reach(behind))
    cases["through the camera"] = (pieces.points, pieces.faces, 48, 40)
    errors = {}
    for name, (points, triangles, height, width) in cases.items():
        corners = corners_of(points.to(device), triangles.to(device), height, width)
        one, two = (z(corners, height, width).cpu() for z in (zbuffer_torch, zbuffer_triton))
        near = [(b >> 32).int().view(torch.float32).double() for b in (one, two)]
        same = torch.equal(one > 0, two > 0)
        errors[name] = float(((near[0] - near[1]).abs() / near[0].clamp(min=1e-9)).max()) if same else 1.0
        # Where the triangles differ they lie at the same depth.
        errors[name + ", triangles"] = float((one != two).double().mean())
    return errors


def check(errors: dict[str, float]) -> None:
    assert len(errors) == 10
    for name, error in errors.items():
        assert error < (0.2 if "triangles" in name else 1e-6), (name, error)


@pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed")
def test_triton_twin_agrees_where_it_is_interpreted():
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, __file__], capture_output=True, text=True, timeout=600, env=environment
    )
    assert done.returncode == 0, done.stderr
    check(json.loads(done.stdout))


@pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed")
@pytest.mark.parametrize("capability", [80, 86, 90])
def test_kernel_compiles_for_cards_that_are_not_here(capability):
    from triton import compile as compile_kernel
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from troupe.kernels.rasterize_triton import COLUMNS, ROWS, _kernel

    tables = dict.fromkeys(("A", "B", "C", "INVERSE", "AREA"), "*fp64")
    signature = {**tables, "BOX": "*i64", "OUT": "*i64", **dict.fromkeys(("count", "width", "size"), "i32")}
    constants = {"STEP": GRID, "ROWS": ROWS, "COLUMNS": COLUMNS}
    compiled = compile_kernel(
        ASTSource(
            fn=_kernel, signature={**signature, **dict.fromkeys(constants, "constexpr")}, constexprs=constants
        ),
        target=GPUTarget("cuda", capability, 32),
        options={"num_warps": 4},
    )
    # An atomic maximum of 64 bits: the nearest wins whatever the order.
    assert "atom" in compiled.asm["ptx"] and ".max.s64" in compiled.asm["ptx"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: compiled Triton cannot run")
def test_triton_twin_agrees_on_cuda():
    check(triton_errors("cuda"))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(triton_errors("cpu")))
