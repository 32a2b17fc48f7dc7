"""What all tests share: where the goldens and the real clips are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def golden() -> Path:
    """Folder of reference tensors: ``TROUPE_GOLDEN``, or the copy in the repo."""
    folder = Path(os.environ.get("TROUPE_GOLDEN") or ROOT / "tests" / "golden")
    assert folder.is_dir(), f"TROUPE_GOLDEN names {folder}, which is not a folder"
    return folder


@pytest.fixture(scope="session")
def media() -> Path:
    """Folder of real clips named by ``TROUPE_MEDIA``; tests that want it are skipped without."""
    folder = os.environ.get("TROUPE_MEDIA")
    if not folder:
        pytest.skip("TROUPE_MEDIA is not set: no folder of real clips")
    assert Path(folder).is_dir(), f"TROUPE_MEDIA names {folder}, which is not a folder"
    return Path(folder)
