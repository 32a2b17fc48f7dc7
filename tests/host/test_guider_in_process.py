"""Layered guidance inside each ComfyUI found: the scripts ``inside/guided_*.py``."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.host, pytest.mark.slow]

SCRIPTS = {"guided_formulas": 12, "guided_runs": 8}  # with how many checks each has


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_check_holds(inside, script):
    told = inside(f"{script}.py")
    assert not told["failed"], "\n".join(told["failed"].values())
    assert len(told["ran"]) == SCRIPTS[script]
