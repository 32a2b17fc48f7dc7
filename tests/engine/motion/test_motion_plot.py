"""Plots: size, what is shown, bounds, and no heavy import before one is drawn."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from troupe.engine.errors import TroupeError
from troupe.engine.motion.face_motion import BLENDSHAPES, FaceMotion
from troupe.engine.motion.idle import idle_motion
from troupe.engine.motion.plot import plot_motion, strongest
from troupe.engine.motion.presets import preset_motion


@pytest.mark.parametrize("size", [(960, 540), (320, 240), (1601, 901), (333, 777)])
def test_size_and_contrast(size):
    width, height = size
    picture = plot_motion(preset_motion("happy", seconds=3, fps=25), width=width, height=height)
    assert picture.shape == (height, width, 3) and picture.dtype == np.uint8
    assert picture.min() < 80 and np.median(picture) > 240
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 50


def test_odd_motions_can_be_drawn():
    for motion in (FaceMotion.neutral(1, 25), FaceMotion.neutral(50, 25), idle_motion(1200, 60)):
        assert plot_motion(motion, title="$odd_title^ " * 40).shape == (540, 960, 3)


def test_strongest_merges_sides_and_sorts():
    shapes = np.zeros((50, 52))
    for name, value in (
        ("mouthSmileLeft", 0.8),
        ("mouthSmileRight", 0.75),
        ("eyeBlinkLeft", 0.9),
        ("jawOpen", 0.3),
    ):
        shapes[20:30, BLENDSHAPES.index(name)] = value
    motion = FaceMotion(shapes, np.zeros((50, 6)), 25)
    assert [n for n, _ in strongest(motion, 8)] == ["eyeBlinkLeft", "mouthSmile", "jawOpen"]
    assert [n for n, _ in strongest(motion, 1)] == ["eyeBlinkLeft"]


@pytest.mark.parametrize("more", [{"width": 100}, {"height": 9999}, {"top": 0}, {"top": 99}])
def test_bad_sizes(more):
    with pytest.raises(TroupeError):
        plot_motion(FaceMotion.neutral(2, 25), **more)


def test_the_package_imports_lightly():
    code = (
        "import sys, troupe.engine.motion, troupe.engine.motion.plot, troupe.engine.motion.edit;"
        "print([m for m in ('matplotlib', 'scipy', 'cv2', 'torch', 'av', 'mediapipe') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
