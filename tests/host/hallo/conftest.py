"""Hallo's small files in each server."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def hallo_tools():
    """``hallo_models.py``."""
    from . import hallo_models

    return hallo_models


@pytest.fixture(scope="session")
def hallo_files(hallo_tools, champ_tools, tiny_models_module, synthetic, tiny_onnx, tmp_path_factory):
    """Hallo's small random files, written once for all servers, and sounds."""
    folder = tmp_path_factory.mktemp("hallo")
    hallo_tools.write_all(folder / "models", synthetic, tiny_onnx, champ_tools.taesd(tiny_models_module))
    (folder / "input").mkdir()
    hallo_tools.write_sounds(folder / "input")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def listener(comfy, hallo_files, tiny_models) -> str:
    """The audio encoder's file; Hallo's files lie in the server's folders."""
    for path in (p for p in (hallo_files / "models").rglob("*") if p.is_file()):
        place = comfy.base / path.relative_to(hallo_files)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(path)
    pictures = [ROOT / "assets" / name for name in ("two_people.png", "portrait.png")]
    for path in (*(hallo_files / "input").iterdir(), *pictures):
        shutil.copy(path, comfy.base / "input" / path.name)
    return tiny_models["audio_encoder"].name


@pytest.fixture
def film(comfy, hallo_tools):
    """Runs a graph and gives its frames."""

    def run(graph: dict) -> np.ndarray:
        job = comfy.run(graph)
        assert job.status == "success", job.events[-1]
        return hallo_tools.read_frames(comfy, job)

    return run
