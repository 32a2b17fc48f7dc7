"""The field that Poisson blending takes off a result solves Laplace's equation, whatever the mask."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.engine.video.blend import EDGES, edge_mask, membrane


def harmonic(height: int, width: int) -> np.ndarray:
    """Three solutions of Laplace's equation, in -1..1 on the longer side: float32 ``[height, width, 3]``."""
    side = max(height, width)
    x, y = np.meshgrid((2 * np.arange(width) + 1 - width) / side, (2 * np.arange(height) + 1 - height) / side)
    return np.stack([x, x * x - y * y, 3 * x * x * y - y**3], 2).astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(60, 700),
    width=st.integers(60, 700),
    edge=st.sampled_from(("oval", "box")),
    feather=st.floats(0.02, 0.5),
    seed=st.integers(0, 99),
)
def test_a_solution_is_found_from_its_boundary(height, width, edge, feather, seed):
    """Whatever the result shows inside the mask; to 4 % of the range where cells are coarse, mostly far nearer."""
    side = 0.9 * min(height, width)  # its circle is closed
    window = (width - side) / 2, (height - side) / 2, side
    mask = edge_mask(edge, feather, window, (0, 0, width, height))
    true = harmonic(height, width)
    inside = np.random.default_rng(seed).normal(0, 1, true.shape).astype(np.float32)
    found = membrane(np.where((mask < 0.02)[..., None], true, inside), mask)
    off = np.abs(found - true)[mask >= 0.02]
    assert found.dtype == np.float32
    assert off.max() < 0.04 * 2 and np.sqrt(np.square(off).mean()) < 0.01 * 2


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 250),
    width=st.integers(1, 250),
    level=st.floats(-1, 1),
    seed=st.integers(0, 99),
    share=st.floats(0, 1),
)
def test_a_constant_gap_is_taken_off_everywhere(height, width, level, seed, share):
    rng = np.random.default_rng(seed)
    mask = (rng.random((height, width)) < share).astype(np.float32)
    gap = np.where(mask[..., None] > 0, rng.normal(0, 1, (height, width, 3)), level).astype(np.float32)
    field = membrane(gap, mask)
    if (mask > 0).all():
        assert not field.any()
    else:
        np.testing.assert_allclose(field, np.float32(level), atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 250), width=st.integers(1, 250), seed=st.integers(0, 99), share=st.floats(0, 0.999)
)
def test_no_value_lies_beyond_those_around_the_mask(height, width, seed, share):
    rng = np.random.default_rng(seed)
    mask = (rng.random((height, width)) < share).astype(np.float32)
    mask[0, 0] = 0
    gap = rng.uniform(-1, 1, (height, width, 3)).astype(np.float32)
    assert np.abs(membrane(gap, mask)).max() < 1.05


@pytest.mark.parametrize("edge", EDGES[:2])
@pytest.mark.parametrize("feather", [0.0, 0.01])
def test_a_boundary_thinner_than_a_cell_holds(edge, feather):
    """Of a window of 900 pixels, the ring around a box's mask is one or two of them wide."""
    mask = edge_mask(edge, feather, (0.6, 0.6, 900.0), (0, 0, 902, 902))
    ring = mask < 0.02
    assert ring.any()
    gap = np.where(ring[..., None], harmonic(902, 902), np.float32(9))
    off = np.abs(membrane(gap, mask) - harmonic(902, 902))[~ring]
    assert off.max() < 0.2 and np.sqrt(np.square(off).mean()) < 0.05
