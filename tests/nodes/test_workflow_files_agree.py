"""Each example workflow in its two spellings: what the editor opens and what the API runs are the same graph."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "example_workflows"
NAMES = sorted(p.stem for p in FOLDER.glob("*.json"))
OURS = json.loads((ROOT / "tests" / "nodes" / "object_info.json").read_text())
CORE_WIDGETS = {
    "SaveVideo": ["filename_prefix", "format", "codec"],
    "LoadImage": ["image", "upload"],
    "LoadMediaPipeFaceLandmarker": ["model_name"],
    "MediaPipeFaceLandmarker": ["detector_variant", "num_faces", "min_confidence", "missing_frame_fallback"],
}
CORE = {*CORE_WIDGETS, "MarkdownNote"}
FOLDERS = {"face_landmarker.task": "mediapipe", "mediapipe_face_fp32.safetensors": "detection"}
SOURCES = (
    "https://storage.googleapis.com/mediapipe-models/face_landmarker/",
    "https://huggingface.co/Comfy-Org/mediapipe/",
)
WIDGET_TYPES = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}


def load(name: str) -> tuple[dict, dict]:
    return json.loads((FOLDER / f"{name}.json").read_text()), json.loads(
        (FOLDER / "api" / f"{name}.json").read_text()
    )


def widget_names(kind: str) -> list[str]:
    """Names of a node's widgets in the order of ``widgets_values``."""
    if kind in CORE_WIDGETS:
        return CORE_WIDGETS[kind]
    names = []
    for name, spec in OURS[kind]["inputs"].items():
        if spec["type"] in WIDGET_TYPES:
            names.append(name)
            if spec.get("control_after_generate"):
                names.append(f"{name} control")
    return names


def to_api(ui: dict) -> dict:
    """What the editor sends for this workflow: the nodes that an output node needs."""
    nodes = {n["id"]: n for n in ui["nodes"] if n["type"] != "MarkdownNote"}
    links = {link[0]: link for link in ui["links"]}
    api = {}
    for id_, node in nodes.items():
        names = widget_names(node["type"])
        assert len(names) == len(node["widgets_values"]), f"{node['type']} has {names}"
        inputs = dict(zip(names, node["widgets_values"], strict=True))
        for slot in node["inputs"]:
            if slot.get("link") is not None:
                _, source, output, *_ = links[slot["link"]]
                inputs[slot["name"]] = [str(source), output]
        api[str(id_)] = {"class_type": node["type"], "inputs": inputs}
    ends = [i for i, n in api.items() if n["class_type"].startswith("Save")]
    needed, todo = set(), ends
    while todo:
        id_ = todo.pop()
        needed.add(id_)
        todo += [v[0] for v in api[id_]["inputs"].values() if isinstance(v, list) and v[0] not in needed]
    return {i: n for i, n in api.items() if i in needed}


def test_each_main_job_has_a_workflow():
    assert NAMES == ["one_person_from_a_clip", "two_people_faces_by_core", "two_people_two_drives"]


@pytest.mark.parametrize("name", NAMES)
def test_api_twin_is_the_same_graph(name):
    ui, api = load(name)
    assert to_api(ui) == {i: {k: n[k] for k in ("class_type", "inputs")} for i, n in api.items()}


@pytest.mark.parametrize("name", NAMES)
def test_links_join_slots_of_one_type(name):
    ui, _ = load(name)
    nodes = {n["id"]: n for n in ui["nodes"]}
    for id_, source, output, target, slot, type_ in ui["links"]:
        out, into = nodes[source]["outputs"][output], nodes[target]["inputs"][slot]
        assert id_ in out["links"] and into["link"] == id_
        assert out["type"] == into["type"] == type_


@pytest.mark.parametrize("name", NAMES)
def test_values_are_ones_the_nodes_accept(name):
    _, api = load(name)
    for node in api.values():
        if node["class_type"] in CORE:
            continue
        spec = OURS[node["class_type"]]["inputs"]
        assert set(node["inputs"]) <= set(spec)
        assert {n for n, s in spec.items() if s["kind"] == "required"} <= set(node["inputs"])
        for key, value in node["inputs"].items():
            if isinstance(value, list):
                continue
            options = spec[key].get("options")
            assert options is None or value in options
            assert spec[key].get("min", value) <= value <= spec[key].get("max", value)


@pytest.mark.parametrize("name", NAMES)
def test_only_core_and_our_nodes_are_used(name):
    ui, _ = load(name)
    assert {n["type"] for n in ui["nodes"]} <= CORE | set(OURS)


@pytest.mark.parametrize("name", NAMES)
def test_what_may_have_to_be_downloaded_is_said(name):
    ui, _ = load(name)
    models = [m for n in ui["nodes"] for m in n["properties"].get("models", [])]
    assert models
    for model in models:
        assert model["directory"] == FOLDERS[model["name"]]
        assert model["url"].startswith(SOURCES) and model["url"].endswith(model["name"])


@pytest.mark.parametrize("name", NAMES)
def test_nodes_do_not_cover_each_other(name):
    """A newcomer sees every node whole; titles take 30 pixels above a node."""
    ui, _ = load(name)
    boxes = [(n["type"], n["pos"][0], n["pos"][1] - 30, n["size"][0], n["size"][1] + 30) for n in ui["nodes"]]
    for i, (a, ax, ay, aw, ah) in enumerate(boxes):
        for b, bx, by, bw, bh in boxes[i + 1 :]:
            apart = ax + aw <= bx or bx + bw <= ax or ay + ah <= by or by + bh <= ay
            assert apart, f"{a} and {b} overlap"


@pytest.mark.parametrize("name", NAMES)
def test_thumbnail(name):
    from PIL import Image

    with Image.open(FOLDER / f"{name}.jpg") as image:
        assert image.format == "JPEG" and 256 <= min(image.size) and max(image.size) <= 1024
