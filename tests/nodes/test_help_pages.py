"""Every node has a help page with a picture that names each of its inputs and outputs; every input has a tooltip."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "web" / "docs"
PICTURES = DOCS / "pictures"
IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)\s]*)\)")
NODES = json.loads((ROOT / "tests" / "nodes" / "object_info.json").read_text())
TRANSLATED = sorted((p.parent.name, p.stem) for p in DOCS.glob("Troupe*/*.md"))
QUOTES = {"ko": "‘([^’]+)’", "zh": "“([^”]+)”"}
WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}
PLACES = (
    "https://storage.googleapis.com/mediapipe-models/face_landmarker/",
    "https://huggingface.co/acvlab/FantasyPortrait",
    "https://huggingface.co/acvlab/FantasyTalking",
    "https://huggingface.co/Kijai/WanVideo_comfy",
    "https://huggingface.co/Comfy-Org/Wan_2.1_ComfyUI_repackaged",
    "https://huggingface.co/facebook/wav2vec2-base-960h",
    "https://huggingface.co/fudan-generative-ai/champ",
    "https://huggingface.co/fudan-generative-ai/hallo",
    "https://huggingface.co/stabilityai/sd-vae-ft-mse-original",
    "https://huggingface.co/fal/AuraFace-v1",
)
SECTIONS = ("## Inputs", "## Outputs", "## Tips", "## If something goes wrong")


def rows(page: str, heading: str) -> list[list[str]]:
    """The table below a heading, without code marks."""
    section = page.split(heading, 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip().strip("`") for cell in line.strip().strip("|").split("|")] for line in lines[2:]]


def table(page: str, heading: str) -> list[str]:
    """First column of the table below a heading."""
    return [row[0] for row in rows(page, heading)]


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
    for page in DOCS.rglob("*.md"):
        text = page.read_text("utf-8")
        assert "Traceback" not in text and "/root" not in text and "/home" not in text


def usual(spec: dict) -> str | None:
    """What the third column says; None if that is free."""
    if spec["kind"] == "optional":
        return "optional"
    if spec["type"] not in WIDGETS:
        return "must be connected"
    default = spec.get("default")
    if isinstance(default, bool):
        return "on" if default else "off"
    if isinstance(default, int | float):
        return f"{default:g}"
    return default if isinstance(default, str) and len(default) < 20 else None


@pytest.mark.parametrize("node", NODES)
def test_types_and_usual_values_are_the_nodes_own(node):
    page = (DOCS / f"{node}.md").read_text()
    for name, types, value, *_ in rows(page, "## Inputs"):
        spec = NODES[node]["inputs"][name]
        assert re.split(", | or ", types) == spec["type"].split(","), name
        assert value == (usual(spec) or value), name
    if NODES[node]["outputs"]:
        assert [row[1] for row in rows(page, "## Outputs")] == [t for _, t in NODES[node]["outputs"]]


@pytest.mark.parametrize("node", ["TroupeLayeredGuider", "TroupeLayeredCFG"])
def test_the_passes_that_a_page_names_are_those_that_run(node):
    from troupe.engine.guidance import Setting, plan

    costs = rows((DOCS / f"{node}.md").read_text(), "What scales cost")
    assert len(costs) >= 5
    for *scales, passes, what in costs:
        settings = [Setting(float(scale)) for scale in scales if scale != "no role"]
        assert len(plan(settings).passes) == int(passes), what


def test_links_lead_to_known_places():
    links = {
        link
        for page in DOCS.rglob("*.md")
        for link in re.findall(r"https?://[^\s)`]+", page.read_text("utf-8"))
    }
    assert links and all(link.startswith(PLACES) for link in links), links


@pytest.mark.parametrize("node", NODES)
def test_pages_name_only_nodes_and_inputs_that_exist(node):
    """``*Node, input*`` and ``*Node*`` of this pack are spelled as they are in the editor."""
    page = (DOCS / f"{node}.md").read_text()
    titles = {spec["display_name"]: spec["inputs"] for spec in NODES.values()}
    for title, name in re.findall(r"(?<!\*)\*([A-Z][\w ]+), (\w+)\*(?!\*)", page):
        assert title not in titles or name in titles[title], f"{title} has no {name}"


def pages_of(node: str) -> list[Path]:
    """The page that all languages fall back to, and those in other languages."""
    return [DOCS / f"{node}.md", *sorted((DOCS / node).glob("*.md"))]


@pytest.mark.parametrize("node", NODES)
def test_a_page_begins_with_its_picture(node):
    """In every language: after the first words, by a path that the editor and others resolve below ``web/docs``."""
    for path in pages_of(node):
        page = path.read_text("utf-8")
        found = IMAGE.findall(page)
        assert [place for _, place in found] == [f"pictures/{node}.webp"], path.name
        alt = found[0][0]
        assert len(alt) >= 15 and '"' not in alt and "<" not in alt, f"{path}: {alt!r}"
        before = page.split("![", 1)[0]
        assert len(before.strip().split("\n\n")) == 2 and "\n## " not in before, (
            f"{path}: not below the first words"
        )


def test_one_picture_for_each_page_and_none_besides():
    assert {p.name for p in PICTURES.iterdir()} == {f"{node}.webp" for node in NODES} | {"README.md"}
    assert sum(p.stat().st_size for p in PICTURES.iterdir()) < 1_900_000


@pytest.mark.parametrize("node", NODES)
def test_a_picture_is_small_and_fits_the_side_bar(node):
    path = PICTURES / f"{node}.webp"
    assert path.stat().st_size < 60_000
    with Image.open(path) as picture:
        picture.load()
        assert picture.format == "WEBP" and picture.mode == "RGB", (
            "a ground of its own: readable on any theme"
        )
        assert picture.width == 900 and 300 <= picture.height <= 1150
        assert max(high - low for low, high in picture.getextrema()) > 100, "there is nothing in it"
        assert not picture.getexif(), "nothing of the machine it was made on"


def test_the_tool_makes_a_picture_for_each_node():
    """The scenes are read, not run: that takes the engine a minute."""
    text = "".join(p.read_text("utf-8") for p in sorted((ROOT / "tools").glob("help_*.py")))
    scenes = [
        n
        for part in re.findall(r"^SCENES = \{(.*?)^\}", text, re.M | re.S)
        for n in re.findall(r'"(\w+)":', part)
    ]
    assert sorted(scenes) == sorted(NODES)


def cells(page: str) -> list[list[list[str]]]:
    """All tables of a page, rows without the heading."""
    found = re.findall(r"(?:^\|.*\n)+", page, re.M)
    return [
        [[c.strip() for c in line.strip("|").split("|")] for line in part.splitlines()[2:]] for part in found
    ]


def test_what_is_translated_is_there_in_both_languages():
    nodes = {node for node, _ in TRANSLATED}
    assert nodes <= set(NODES) and TRANSLATED == sorted((n, tongue) for n in nodes for tongue in QUOTES)


@pytest.mark.parametrize(("node", "tongue"), TRANSLATED)
def test_a_translated_page_names_what_the_editor_shows(node, tongue):
    """Title, inputs and outputs as in the pack's own translation, in the node's order, with its types and links."""
    names = json.loads((ROOT / "locales" / tongue / "nodeDefs.json").read_text("utf-8"))
    page, english = (p.read_text("utf-8") for p in (DOCS / node / f"{tongue}.md", DOCS / f"{node}.md"))
    assert page.startswith(f"# {names[node]['display_name']}\n")
    *_, inputs, outputs = cells(page)
    spec = NODES[node]
    assert [row[0] for row in inputs] == [
        f"{names[node]['inputs'][i]['name']} (`{i}`)" for i in spec["inputs"]
    ]
    assert [row[1].replace(", ", ",") for row in inputs] == [i["type"] for i in spec["inputs"].values()]
    assert [row[:2] for row in outputs] == [
        [f"{names[node]['outputs'][str(i)]['name']} (`{name}`)", kind]
        for i, (name, kind) in enumerate(spec["outputs"])
    ]
    for name, _, value, what in inputs:
        plain = usual(spec["inputs"][re.search(r"`(\w+)`", name)[1]])
        assert value == plain or plain is None or not re.search(r"\d", plain), name
        assert re.search(r"[가-힣]" if tongue == "ko" else r"[一-鿿]", what), f"{name} is not translated"
    for pattern in (r"https?://[^\s)`]+", r"^## ", r"^- ", r"`[\w.-]+\.(?:safetensors|ckpt|pth|task)`"):
        assert len(re.findall(pattern, page, re.M)) == len(re.findall(pattern, english, re.M)), pattern


@pytest.mark.parametrize(("node", "tongue"), TRANSLATED)
def test_a_translated_page_quotes_only_names_of_the_editor(node, tongue):
    """What stands in quotation marks is a node, input, output or button as the translation calls it."""
    defs = json.loads((ROOT / "locales" / tongue / "nodeDefs.json").read_text("utf-8"))
    known = {spec["display_name"] for spec in defs.values()}
    known |= {
        each["name"]
        for spec in defs.values()
        for part in ("inputs", "outputs")
        for each in spec.get(part, {}).values()
    }
    words = (ROOT / "web" / "lib" / f"words_{tongue}.js").read_text("utf-8")
    known |= {word.removeprefix("+ ") for word in re.findall(r':\s+"([^"]+)"', words)}
    quoted = set(re.findall(QUOTES[tongue], (DOCS / node / f"{tongue}.md").read_text("utf-8")))
    assert quoted and not quoted - known
