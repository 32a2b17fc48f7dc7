"""What all tests share: where the goldens and the real clips are."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from troupe.engine.video import Audio

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def golden() -> Path:
    """Folder of reference tensors: ``TROUPE_GOLDEN``, else its former name ``VISAGE_GOLDEN``, else the repo's copy."""
    name = next((n for n in ("TROUPE_GOLDEN", "VISAGE_GOLDEN") if os.environ.get(n)), None)
    folder = Path(os.environ[name]) if name else ROOT / "tests" / "golden"
    assert folder.is_dir(), f"{name} names {folder}, which is not a folder"
    return folder


@pytest.fixture(scope="session")
def golden_part(golden) -> Callable[..., Path]:
    """``golden_part("champ", "tiny")``: a folder or file of the goldens; without it the test is skipped."""

    def part(*names: str) -> Path:
        path = golden.joinpath(*names)
        if not path.exists():
            pytest.skip(f"the goldens hold no {'/'.join(names)}")
        return path

    return part


@pytest.fixture(scope="session")
def media() -> Path:
    """Folder of real clips named by ``TROUPE_MEDIA``; tests that want it are skipped without."""
    folder = os.environ.get("TROUPE_MEDIA")
    if not folder:
        pytest.skip("TROUPE_MEDIA is not set: no folder of real clips")
    assert Path(folder).is_dir(), f"TROUPE_MEDIA names {folder}, which is not a folder"
    return Path(folder)


@pytest.fixture(scope="session")
def speech() -> Audio:
    """The bundled sentence, an ``Audio``: Good evening. Tonight every face in the picture has a part to play."""
    from troupe.engine.video import read_audio

    return read_audio(ROOT / "assets" / "speech.wav")


@pytest.fixture(scope="session")
def synthetic() -> ModuleType:
    """``tests/synthetic.py``: ``synthetic_checkpoint(keys)`` and ``synthetic_tensor(name, shape)``."""
    spec = importlib.util.spec_from_file_location("troupe_synthetic", ROOT / "tests" / "synthetic.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def tiny_onnx() -> ModuleType:
    """``tests/tiny_onnx.py``: ``tiny_arcface(path, width)`` and ``tiny_detector(path)``."""
    spec = importlib.util.spec_from_file_location("troupe_tiny_onnx", ROOT / "tests" / "tiny_onnx.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
