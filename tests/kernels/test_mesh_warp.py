"""The warp kernels against their plain twins and against what they claim."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.kernels.mesh_warp import invert_displacement, invert_displacement_plain, sample, sample_plain


def smooth_field(seed: int, height: int, width: int, size: float) -> tuple[np.ndarray, np.ndarray]:
    """A random field that does not fold and is zero at the rim."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / [[[height - 1]], [[width - 1]]]
    rim = 16 * x * (1 - x) * y * (1 - y)
    waves = [
        rim * sum(rng.normal() * np.sin(np.pi * (a * x + b * y)) for a in (1, 2) for b in (1, 2))
        for _ in range(2)
    ]
    out = []
    for w in waves:
        w = w / max(np.abs(w).max(), 1e-6)
        steepest = max(np.abs(g).max() for g in np.gradient(w))
        out.append((w * min(size, 0.35 / steepest)).astype(np.float32))  # steeper fields would fold
    return tuple(out)


def test_zero_field_is_exactly_zero():
    zero = np.zeros((20, 30), np.float32)
    ex, ey = invert_displacement(zero, zero, np.arange(600))
    assert not ex.any() and not ey.any()


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    height=st.integers(24, 60),
    width=st.integers(24, 60),
    size=st.floats(0.1, 3.0),
)
def test_inverse_undoes_the_field(seed, height, width, size):
    dx, dy = smooth_field(seed, height, width, size)
    ex, ey = invert_displacement(dx, dy, np.arange(height * width), steps=4)
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    back_x = ex + sample(dx, x + ex, y + ey)
    back_y = ey + sample(dy, x + ex, y + ey)
    assert np.abs(back_x).max() < 0.12 and np.abs(back_y).max() < 0.12
    assert np.hypot(back_x, back_y).mean() < 0.02


@pytest.mark.parametrize("seed", range(4))
def test_inverse_equals_its_plain_twin(seed):
    dx, dy = smooth_field(seed, 40, 32, 2.0)
    order = np.arange(40 * 32)
    fast = invert_displacement(dx, dy, order, steps=4)
    plain = invert_displacement_plain(torch.from_numpy(dx), torch.from_numpy(dy), torch.from_numpy(order))
    for a, b in zip(fast, plain, strict=True):
        assert np.abs(a - b.numpy()).max() < 0.1


def test_near_wins_where_the_field_folds():
    """Two nodes land on one target: the one later in ``order`` is the nearer and is seen."""
    dx, dy = np.zeros((9, 21), np.float32), np.zeros((9, 21), np.float32)
    dx[:, 4:7], dx[:, 14:17] = 5.0, -5.0  # both bands land on columns 9 to 11
    nodes = np.arange(9 * 21).reshape(9, 21)
    left, right = nodes[:, 4:7].ravel(), nodes[:, 14:17].ravel()
    rest = np.setdiff1d(nodes, np.concatenate([left, right, nodes[:, 9:12].ravel()]))
    for near, expected in ((left, -5.0), (right, 5.0)):
        far = right if near is left else left
        ex, _ = invert_displacement(dx, dy, np.concatenate([rest, far, near]), steps=0)
        assert (ex[:, 10] == expected).all()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_sampling_equals_its_plain_twin(seed):
    rng = np.random.default_rng(seed)
    image = rng.random((17, 23, 3)).astype(np.float32)
    x, y = (rng.random((9, 11)).astype(np.float32) * (n - 1) for n in (23, 17))
    fast = sample(image, x, y)
    plain = sample_plain(torch.from_numpy(image), torch.from_numpy(x), torch.from_numpy(y)).numpy()
    assert np.abs(fast - plain).max() < 2 / 32  # OpenCV rounds positions to 1/32 pixel


def test_sampling_at_pixels_returns_them():
    image = np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)
    x, y = np.meshgrid(np.arange(10, dtype=np.float32), np.arange(12, dtype=np.float32))
    for cubic in (False, True):
        assert (sample(image, x, y, cubic) == image).all()
        assert (sample(image, np.dstack([x, y]), None, cubic) == image).all()
