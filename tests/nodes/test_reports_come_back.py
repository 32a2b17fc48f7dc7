"""Whoever shows something in the editor is an output node, or asks for it to be sent again when its result is cached."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

NODES = Path(__file__).resolve().parents[2] / "nodes"


def tellers() -> dict[str, str]:
    """The source of each node that shows something, by itself or through a function of its file."""
    found = {}
    for path in NODES.glob("*.py"):
        text = path.read_text("utf-8")
        parts = {p.name: ast.get_source_segment(text, p) for p in ast.parse(text).body if hasattr(p, "name")}
        helpers = [name for name, source in parts.items() if source.startswith("def ") and "ui=" in source]
        for name, source in parts.items():
            if "io.Schema(" in source and any(
                sign in source for sign in ("ui=", *(f"{h}(" for h in helpers))
            ):
                found[name] = source
    return found


def test_enough_of_them_are_found():
    assert {"AlignText", "PlaceFaces", "ReplaceFaces", "MotionFromTimeline", "WarpRender"} <= tellers().keys()


@pytest.mark.parametrize("name", tellers())
def test_it_is_told_again(name):
    source = tellers()[name]
    assert ("is_output_node=True" in source) != ("**reports()" in source), f"{name} has neither, or both"
