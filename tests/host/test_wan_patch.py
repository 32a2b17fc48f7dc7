"""The adapters' patch inside each ComfyUI found, without its server: goldens, and everything else a MODEL can meet."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.host

ROOT = Path(__file__).resolve().parents[2]
INSIDE = Path(__file__).parent / "inside"
CHECKS = (
    "rest_is_the_base_model", "faces", "both_adapters", "again_replaces", "batches_and_calls",
    "keys_and_values_kept_or_not", "context_windows", "lora", "other_packs", "types", "offload", "compile",
    "refusals", "interrupt_leaves_nothing", "out_of_memory", "ten_runs",
)  # fmt: skip

spec = importlib.util.spec_from_file_location("troupe_host_conftest", Path(__file__).with_name("conftest.py"))
hosts = importlib.util.module_from_spec(spec)
spec.loader.exec_module(hosts)
HOSTS = hosts.find_hosts()


@pytest.fixture(scope="session", params=HOSTS or [None], ids=[h.name for h in HOSTS] or ["none"])
def inside(request, tmp_path_factory):
    """Runs a script in a host's Python with the pack importable; returns what it prints last, as JSON."""
    host = request.param
    if host is None:
        pytest.skip("no ComfyUI found: set COMFYUI_PATH to its folder")
    python = hosts.python_of(host)
    if python is None:
        pytest.skip(f"no Python with ComfyUI's requirements for {host}: set COMFYUI_PYTHON")
    path = tmp_path_factory.mktemp("path")
    (path / "troupe").symlink_to(ROOT, target_is_directory=True)

    def run(script: str, *arguments: str, seconds: float = 600) -> dict:
        command = [python, str(INSIDE / script), str(host), *map(str, arguments)]
        done = subprocess.run(
            command,
            cwd=host,
            env={**os.environ, "PYTHONPATH": str(path)},
            capture_output=True,
            text=True,
            timeout=seconds,
        )
        assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return json.loads(done.stdout.strip().splitlines()[-1])

    return run


@pytest.mark.slow
def test_every_check_holds(inside):
    assert set(inside("patched_wan.py")["ran"]) == set(CHECKS)


@pytest.mark.golden
def test_goldens_hold_inside_the_real_model(inside, golden):
    told = inside("golden_wan.py", golden, ROOT / "tests" / "synthetic.py")
    parts = [p for p in ("dit", "multi_face") if (golden / "fantasy_portrait" / p).is_dir()]
    parts += ["talking"] if (golden / "fantasy_talking" / "tiny.safetensors").is_file() else []
    assert told["ran"] == parts and told["differences"]
