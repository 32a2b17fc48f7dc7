"""Smoothing against Blender's own."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import load_file

from troupe.engine.body.smooth import smooth_curves

pytestmark = pytest.mark.golden


def test_curves_are_smoothed_as_blender_does(golden_part):
    reference = load_file(golden_part("champ", "smpl", "smoothing.safetensors"))
    assert set(reference) == {"curves", "smoothed"}
    # Blender keeps curves in float32.
    ours = smooth_curves(reference["curves"].astype(np.float64))
    assert np.abs(ours - reference["smoothed"]).max() <= 2e-7
