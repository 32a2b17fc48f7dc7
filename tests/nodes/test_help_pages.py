"""Every node has a help page that names each of its inputs and outputs; every input has a tooltip."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "web" / "docs"
NODES = json.loads((ROOT / "tests" / "nodes" / "object_info.json").read_text())
SECTIONS = ("## Inputs", "## Outputs", "## Tips", "## If something goes wrong")


def table(page: str, heading: str) -> list[str]:
    """First column of the table below a heading, without code marks."""
    section = page.split(heading, 1)[1].split("\n## ", 1)[0]
    rows = [line.split("|")[1].strip().strip("`") for line in section.splitlines() if line.startswith("|")]
    return rows[2:]


def test_there_is_one_page_for_each_node():
    assert {p.stem for p in DOCS.glob("*.md")} == set(NODES)


@pytest.mark.parametrize("node", NODES)
def test_page_names_every_input_and_output(node):
    page = (DOCS / f"{node}.md").read_text()
    assert page.startswith(f"# {NODES[node]['display_name']}\n")
    assert table(page, "## Inputs") == list(NODES[node]["inputs"])
    outputs = [name for name, _ in NODES[node]["outputs"]]
    assert not outputs or table(page, "## Outputs") == outputs
    wanted = SECTIONS if outputs else [s for s in SECTIONS if s != "## Outputs"]
    assert [s for s in wanted if s in page] == list(wanted)


@pytest.mark.parametrize("node", NODES)
def test_page_names_every_option(node):
    page = (DOCS / f"{node}.md").read_text()
    for name, spec in NODES[node]["inputs"].items():
        if isinstance(spec.get("options"), list) and len(spec["options"]) <= 6:
            missing = [o for o in spec["options"] if o not in page]
            assert not missing, f"{name}: {missing}"


@pytest.mark.parametrize("node", NODES)
def test_every_input_has_a_tooltip(node):
    for name, spec in NODES[node]["inputs"].items():
        assert len(spec.get("tooltip", "")) >= 12, name


def test_pages_speak_to_users():
    """No machine paths and no Python."""
    for page in DOCS.glob("*.md"):
        text = page.read_text()
        assert "Traceback" not in text and "/root" not in text and "/home" not in text
