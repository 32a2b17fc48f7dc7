"""Layered guidance inside each ComfyUI found: the scripts ``inside/guided_*.py``, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.host, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
INSIDE = Path(__file__).parent / "inside"
SCRIPTS = {"guided_formulas": 12, "guided_runs": 8}  # with how many checks each has
SECONDS = 500


def helpers(config):
    """The functions of conftest.py."""
    return config.pluginmanager.get_plugin(str(Path(__file__).with_name("conftest.py")))


def pytest_generate_tests(metafunc):
    if "host" in metafunc.fixturenames:
        hosts = helpers(metafunc.config).find_hosts()
        metafunc.parametrize("host", hosts or [None], ids=[h.name for h in hosts] or ["none"])


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_check_holds(host, script, tmp_path, request):
    if host is None:
        pytest.skip("no ComfyUI found: set COMFYUI_PATH to its folder")
    python = helpers(request.config).python_of(host)
    if python is None:
        pytest.skip(f"no Python with ComfyUI's requirements for {host}: set COMFYUI_PYTHON")
    (tmp_path / "troupe").symlink_to(ROOT, target_is_directory=True)
    done = subprocess.run(
        [python, str(INSIDE / f"{script}.py"), str(host)],
        cwd=host,
        env={"OMP_NUM_THREADS": "1", **os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert not told["failed"], "\n".join(told["failed"].values())
    assert len(told["ran"]) == SCRIPTS[script]
