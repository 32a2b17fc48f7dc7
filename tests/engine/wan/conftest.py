"""A plain DiT for tests of the adapters' branch."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def plain_wan():
    """The class ``PlainWan`` of plain_wan.py."""
    path = Path(__file__).with_name("plain_wan.py")
    spec = importlib.util.spec_from_file_location("troupe_plain_wan", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.PlainWan
