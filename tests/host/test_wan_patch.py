"""The adapters' patch inside each ComfyUI found, without its server: goldens, and everything else a MODEL can meet."""

from __future__ import annotations

from pathlib import Path

import pytest

pytestmark = pytest.mark.host

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = {
    "patched_wan": (
        "rest_is_the_base_model", "faces", "both_adapters", "again_replaces", "batches_and_calls",
        "keys_and_values_kept_or_not", "context_windows",
    ),
    "patched_beside": (
        "lora", "other_packs", "types", "offload", "compile", "refusals", "interrupt_leaves_nothing", "out_of_memory",
        "ten_runs",
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
def test_every_check_holds(inside, script):
    assert set(inside(f"{script}.py")["ran"]) == set(SCRIPTS[script])


@pytest.mark.golden
def test_goldens_hold_inside_the_real_model(inside, golden):
    told = inside("golden_wan.py", golden, ROOT / "tests" / "synthetic.py")
    parts = [p for p in ("dit", "multi_face") if (golden / "fantasy_portrait" / p).is_dir()]
    parts += ["talking"] if (golden / "fantasy_talking" / "tiny.safetensors").is_file() else []
    assert told["ran"] == parts and told["differences"]
