"""Each example workflow in its two spellings: what the editor opens and what the API runs are the same graph."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "example_workflows"
NAMES = sorted(p.stem for p in FOLDER.glob("*.json"))
OURS = json.loads((ROOT / "tests" / "nodes" / "object_info.json").read_text())
# Widgets of core's nodes in the order of ``widgets_values``. EDITOR: those that the API is not told.
EDITOR = "editor only"
CORE_WIDGETS = {
    "SaveVideo": ["filename_prefix", "format", "codec"],
    "LoadImage": ["image", EDITOR],
    "LoadVideo": ["file", EDITOR],
    "LoadAudio": ["audio", EDITOR, EDITOR],
    "LoadMediaPipeFaceLandmarker": ["model_name"],
    "MediaPipeFaceLandmarker": ["detector_variant", "num_faces", "min_confidence", "missing_frame_fallback"],
    "ModelSamplingSD3": ["shift"],
    "CLIPLoader": ["clip_name", "type", "device"],
    "CLIPTextEncode": ["text"],
    "CLIPVisionLoader": ["clip_name"],
    "CLIPVisionEncode": ["crop"],
    "VAELoader": ["vae_name"],
    "VAEDecode": [],
    "AudioEncoderLoader": ["audio_encoder_name"],
    "WanImageToVideo": ["width", "height", "length", "batch_size"],
    "RandomNoise": ["noise_seed", EDITOR],
    "KSamplerSelect": ["sampler_name"],
    "CFGGuider": ["cfg"],
    "SamplerCustomAdvanced": [],
    "KSampler": ["seed", EDITOR, "steps", "cfg", "sampler_name", "scheduler", "denoise"],
    "CreateVideo": ["fps"],
    "AudioMerge": ["merge_method"],
    "GetVideoComponents": [],
    "ImageFromBatch": ["batch_index", "length"],
    "ImageScale": ["upscale_method", "width", "height", "crop"],
    "ImageStitch": ["direction", "match_image_size", "spacing_width", "spacing_color"],
}
CORE = {*CORE_WIDGETS, "MarkdownNote"}
# Widgets of core's loaders that name a file of a model; ours say "files" in object_info.json.
CORE_FILES = {
    "LoadMediaPipeFaceLandmarker": "model_name",
    "CLIPLoader": "clip_name",
    "CLIPVisionLoader": "clip_name",
    "VAELoader": "vae_name",
    "AudioEncoderLoader": "audio_encoder_name",
}
FOLDERS = {
    "face_landmarker.task": "mediapipe",
    "mediapipe_face_fp32.safetensors": "detection",
    "wan2.1_i2v_480p_14B_fp8_scaled.safetensors": "diffusion_models",
    "Wan2_1_FantasyPortrait_fp16.safetensors": "model_patches",
    "fantasytalking_fp16.safetensors": "model_patches",
    "umt5_xxl_fp8_e4m3fn_scaled.safetensors": "text_encoders",
    "clip_vision_h.safetensors": "clip_vision",
    "wan_2.1_vae.safetensors": "vae",
    "vae-ft-mse-840000-ema-pruned.safetensors": "vae",
}
SOURCES = (
    "https://storage.googleapis.com/mediapipe-models/face_landmarker/",
    "https://huggingface.co/Comfy-Org/mediapipe/",
    "https://huggingface.co/Comfy-Org/Wan_2.1_ComfyUI_repackaged/resolve/main/split_files/",
    "https://huggingface.co/Kijai/WanVideo_comfy/resolve/main/",
    "https://huggingface.co/stabilityai/sd-vae-ft-mse-original/resolve/main/",
)
MUTED = 2
FINDS_FACES = {"TroupeDetectFaces", "TroupeMotionFromVideo", "TroupeWarpRender"}
WIDGET_TYPES = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}
WAN = [name for name in NAMES if name.startswith("wan_")]
# Which face each role is for, and what drives it.
ROLES = {
    "wan_one_face_from_a_clip": [(1, "TroupeExtractExpression")],
    "wan_three_faces_three_clips": [(i, "TroupeExtractExpression") for i in (1, 2, 3)],
    "wan_two_people_from_one_clip": [(i, "TroupeExtractExpression") for i in (1, 2)],
    "wan_expression_and_speech": [(1, "TroupeExtractExpression"), (1, "TroupeEncodeSpeech")],
}


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
                names.append(EDITOR)
    return names


def is_output(kind: str) -> bool:
    return kind in OURS and OURS[kind]["output_node"]


def to_api(ui: dict) -> dict:
    """What the editor sends for this workflow: the nodes that an output node needs, and none that is muted."""
    nodes = {n["id"]: n for n in ui["nodes"] if n["type"] != "MarkdownNote" and n["mode"] != MUTED}
    links = {link[0]: link for link in ui["links"]}
    api = {}
    for id_, node in nodes.items():
        names = widget_names(node["type"])
        assert len(names) == len(node["widgets_values"]), f"{node['type']} has {names}"
        inputs = dict(zip(names, node["widgets_values"], strict=True))
        inputs.pop(EDITOR, None)
        for slot in node["inputs"]:
            if slot.get("link") is not None:
                _, source, output, *_ = links[slot["link"]]
                inputs[slot["name"]] = [str(source), output]
        api[str(id_)] = {"class_type": node["type"], "inputs": inputs}
    ends = [i for i, n in api.items() if n["class_type"] == "SaveVideo" or is_output(n["class_type"])]
    needed, todo = set(), ends
    while todo:
        id_ = todo.pop()
        needed.add(id_)
        todo += [v[0] for v in api[id_]["inputs"].values() if isinstance(v, list) and v[0] not in needed]
    return {i: n for i, n in api.items() if i in needed}


def test_each_main_job_has_a_workflow():
    assert NAMES == sorted(
        [
            "champ_a_body_dances",
            "finish_a_video_with_a_look",
            "hallo_a_portrait_speaks",
            "long_video_from_windows",
            "one_person_from_a_clip",
            "replace_the_face_in_a_clip",
            "several_faces_through_a_model",
            "speak_with_emotion_and_persona",
            "two_people_faces_by_core",
            "two_people_talk_in_turn",
            "two_people_two_drives",
            "write_a_motion_and_export_it",
            *ROLES,
        ]
    )


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
        assert out["type"] == type_ and type_ in into["type"].split(",")


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
            assert not isinstance(options, list) or value in options
            assert spec[key].get("min", value) <= value <= spec[key].get("max", value)


@pytest.mark.parametrize("name", NAMES)
def test_only_core_and_our_nodes_are_used(name):
    ui, _ = load(name)
    assert {n["type"] for n in ui["nodes"]} <= CORE | set(OURS)


@pytest.mark.parametrize("name", NAMES)
def test_what_may_have_to_be_downloaded_is_said(name):
    ui, _ = load(name)
    models = [m for n in ui["nodes"] for m in n["properties"].get("models", [])]
    assert models or not {n["type"] for n in ui["nodes"]} & FINDS_FACES
    for model in models:
        assert model["directory"] == FOLDERS[model["name"]]
        assert model["url"].startswith(SOURCES) and model["url"].endswith("/" + model["name"])


def files_of(node: dict) -> set[str]:
    """Names of models that a node loads."""
    kind = node["type"]
    ours = [n for n, s in OURS.get(kind, {"inputs": {}})["inputs"].items() if s.get("options") == "files"]
    wanted = {CORE_FILES.get(kind), *ours} - {None}
    values = dict(zip(widget_names(kind), node["widgets_values"], strict=True))
    return {values[name] for name in wanted} - {"none"}


@pytest.mark.parametrize("name", NAMES)
def test_every_model_that_is_loaded_can_be_had(name):
    """The editor offers it for download, or the note says where it comes from and what to call it."""
    ui, _ = load(name)
    notes = "".join(n["widgets_values"][0] for n in ui["nodes"] if n["type"] == "MarkdownNote")
    for node in ui["nodes"]:
        if node["type"] == "MarkdownNote":
            continue
        offered = {m["name"] for m in node["properties"].get("models", [])}
        for file in files_of(node):
            assert file in offered or f"saved as `{file}`" in notes, f"{node['type']}: {file}"


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
    assert (FOLDER / f"{name}.jpg").stat().st_size < 60_000


def nodes_of(api: dict, kind: str) -> list[dict]:
    return [n for n in api.values() if n["class_type"] == kind]


def only(api: dict, kind: str) -> dict:
    (node,) = nodes_of(api, kind)
    return node["inputs"]


def source(api: dict, link: list) -> tuple[str, str]:
    """Kind of the node that a link comes from, and the name of its output (of ours) or its number."""
    kind = api[link[0]]["class_type"]
    return kind, OURS[kind]["outputs"][link[1]][0] if kind in OURS else str(link[1])


@pytest.mark.parametrize("name", WAN)
def test_wan_roles(name):
    """Every face has the drive that the name of the workflow promises."""
    _, api = load(name)
    cast, found = only(api, "TroupeApplyCast")["cast"], []
    while cast:
        role = api[cast[0]]["inputs"]
        found.insert(0, (role["face"], api[role["drive"][0]]["class_type"]))
        cast = role.get("cast")
    assert found == ROLES[name]


@pytest.mark.parametrize("name", WAN)
def test_wan_size_length_and_rate_come_from_the_cast(name):
    _, api = load(name)
    video = only(api, "WanImageToVideo")
    for key in ("width", "height", "length"):
        assert source(api, video[key]) == ("TroupeFitPicture", key)
    for link in (video["start_image"], only(api, "CLIPVisionEncode")["image"]):
        assert source(api, link) == ("TroupeFitPicture", "image")
    assert source(api, only(api, "TroupeFitPicture")["length"]) == ("TroupeApplyCast", "length")
    assert source(api, only(api, "CreateVideo")["fps"]) == ("TroupeApplyCast", "fps")


@pytest.mark.parametrize("name", WAN)
def test_wan_faces_are_those_of_the_picture_and_of_the_clip(name):
    """Whoever takes faces beside a picture or clip takes those that were found in it."""
    _, api = load(name)

    def looked_at(link: list) -> list:
        inputs = api[link[0]]["inputs"]
        return inputs.get("image") or inputs.get("video")

    cast, picture = only(api, "TroupeApplyCast"), only(api, "TroupeFitPicture")["image"]
    assert looked_at(cast["faces"]) == picture and cast.get("image", picture) == picture
    readers = [*nodes_of(api, "TroupeExtractExpression"), *nodes_of(api, "TroupeMotionFromVideo")]
    assert readers
    for reader in readers:
        assert looked_at(reader["inputs"]["faces"]) == reader["inputs"]["video"]


@pytest.mark.parametrize("name", WAN)
def test_wan_samples_with_the_published_schedule(name):
    _, api = load(name)
    assert only(api, "ModelSamplingSD3")["shift"] == 5
    steps = nodes_of(api, "TroupeFlowSigmas") or nodes_of(api, "KSampler")
    assert len(steps) == 1 and steps[0]["inputs"]["steps"] == 30 and steps[0]["inputs"].get("shift", 5) == 5
    guided = nodes_of(api, "TroupeLayeredGuider") or nodes_of(api, "TroupeLayeredCFG")
    assert source(api, guided[0]["inputs"]["model"]) == ("TroupeApplyCast", "model")
    assert guided[0]["inputs"]["portrait_scale"] == 4
    text = [*guided, *nodes_of(api, "KSampler")][-1]["inputs"]
    assert text.get("text_scale", text.get("cfg")) == 1


def test_one_of_them_shows_the_plain_ksampler():
    assert [n for n in WAN if nodes_of(load(n)[1], "KSampler")] == ["wan_two_people_from_one_clip"]


@pytest.mark.parametrize("name", WAN)
def test_every_node_lies_in_one_group(name):
    ui, _ = load(name)
    boxes = [g["bounding"] for g in ui["groups"]]
    for node in ui["nodes"]:
        (x, y), (width, height) = node["pos"], node["size"]
        around = [
            bx <= x and by <= y - 30 and x + width <= bx + bw and y + height <= by + bh
            for bx, by, bw, bh in boxes
        ]
        assert sum(around) == (node["type"] != "MarkdownNote"), node["type"]
    assert all(a[0] + a[2] <= b[0] for a, b in zip(boxes, boxes[1:]))


@pytest.mark.parametrize("name", NAMES)
def test_notes_name_inputs_that_exist(name):
    """``*Node, input*`` of this pack is spelled as in the editor."""
    ui, _ = load(name)
    titles = {spec["display_name"]: spec["inputs"] for spec in OURS.values()}
    notes = "".join(n["widgets_values"][0] for n in ui["nodes"] if n["type"] == "MarkdownNote")
    for title, input_ in re.findall(r"(?<!\*)\*([A-Z][\w ]+)(?:,| ›) (\w+)\*(?!\*)", notes):
        assert title not in titles or input_ in titles[title], f"{title} has no {input_}"
