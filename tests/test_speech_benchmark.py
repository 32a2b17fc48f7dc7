"""The speech benchmark runs from a fresh folder, and says what it could not measure."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], dict]:
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "speech.py"), "--quick"],
        cwd=tmp_path_factory.mktemp("elsewhere"), capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    return lines[:-1], json.loads(lines[-1])


def test_its_last_line_holds_the_figures(found):
    text, figures = found
    assert len(text) > 20 and figures["benchmark"] == "speech"
    for part in ("voices", "de", "slt"):
        if part in figures["not_measured"]:
            assert "not installed" in figures["not_measured"][part] and part not in figures
            continue
        for way in ("quality", "default", "text", "noise", "noise_text", "constant", "shut", "loudness"):
            assert figures[part][way]["nmse"] > 0
    assert figures["mute"]["zeros"] < 0.1 and figures["long"]["minutes"] > 0.5
    assert figures["difference_to_torch"] < 1e-4  # the alternative does the same work


def test_times_are_numbers_of_both_settings(found):
    speed = found[1]["speed"]
    for name in (
        "animator, default, 40 ms",
        "stream, quality, 20 ms",
        "torch over its window, default, 40 ms",
    ):
        row = speed[name]
        assert 0 < row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"] <= row["max_ms"] < math.inf
        assert row["best"] <= row["ms_per_second"] <= row["worst"]
    for row in found[1]["latency_ms"].values():
        assert row["lookahead"] < row["rows"] < row["30 fps"] and row["chunk"] in (20, 40)


def test_what_is_aimed_for_stands_beside_what_is_reached(found):
    text, figures = found
    assert any("aims reached" in line for line in text)
    for name, row in figures["aims"].items():
        limit = row.get("at_most", row.get("at_least"))
        within = row["value"] <= limit if "at_most" in row else row["value"] >= limit
        assert row["met"] == within, name
