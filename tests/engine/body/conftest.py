"""What the tests of bodies share."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from troupe.engine.body.motion import BodyMotion
from troupe.engine.body.rotations import matrices_from_vectors


@pytest.fixture(scope="session")
def files() -> ModuleType:
    """``official_files.py``: small bodies and results in the layouts of published files."""
    path = Path(__file__).with_name("official_files.py")
    spec = importlib.util.spec_from_file_location("troupe_official_files", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def make_motion():
    """``make_motion(frames, ...)``: a body facing us that swings its arms, in a room without a camera."""

    def make(frames: int = 5, fps: float = 25.0, seed: int = 0, bend: float = 0.3, camera=None) -> BodyMotion:
        rng = np.random.default_rng(seed)
        vectors = rng.normal(size=(1, 24, 3)) * bend * np.sin(np.arange(frames) / 6)[:, None, None]
        vectors[:, 0] = [np.pi, 0, 0]
        position = np.stack([0.02 * np.arange(frames), np.zeros(frames), np.zeros(frames)], 1)
        if camera is not None:
            position[:, 2] = 40
        return BodyMotion(matrices_from_vectors(vectors), position, np.zeros((frames, 10)), fps, camera)

    return make
