"""The nodes that the example workflows leave out, run in the server and looked at from outside."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from troupe.engine.speech.espeak import installed

pytestmark = pytest.mark.host

ROOT = Path(__file__).resolve().parents[2]
DETECT = {"fps": 25.0, "max_faces": 16, "min_size": 24.0, "min_confidence": 0.5, "smooth": True}
EDIT = {
    **{"brows": 1.0, "eyes": 1.0, "mouth": 1.0, "head": 1.0, "speed": 1.0, "delay": 0.0, "smooth": 0.0},
    **{"mirror": False, "loop": 0.0, "fps": 0.0, "combine": "mix", "amount": 0.5},
}
PRESET = {
    "preset": "happy",
    "intensity": 1.0,
    "seconds": 2.0,
    "fps": 25.0,
    "curve": "linear",
    "idle": 0.0,
    "seed": 0,
}


def node(class_type: str, **inputs) -> dict:
    return {"class_type": class_type, "inputs": inputs}


MEDIA = node("TroupeExampleMedia", picture="two_people.png", clip="drive.mp4")
# Where the two faces are in the picture, x0, y0, x1, y1 as shares.
LEFT, RIGHT = (0.27, 0.28, 0.43, 0.52), (0.65, 0.3, 0.81, 0.54)


def test_no_node_is_left_out(comfy):
    """Every node of the pack runs in an example workflow or in one of these tests."""
    info = comfy.json("/object_info")
    nodes = {n for n, d in info.items() if n.startswith("Troupe") and "tests" not in d["category"]}
    used: set[str] = set()
    for path in (*Path(__file__).parent.glob("*.py"), *(ROOT / "example_workflows" / "api").glob("*.json")):
        used |= set(re.findall(r"\bTroupe[A-Z]\w+", path.read_text()))
    assert len(nodes) > 25 and not nodes - used


def test_every_speech_node_in_one_graph(comfy, speech_graph):
    """A sentence with a track and a persona of one's own becomes a motion that is shown, judged and sent."""
    g = speech_graph
    graph = g.graph(
        g.speak(emotion_track=["e", 0], own_persona=["p", 0]),
        e=g.node("TroupeEmotionTrack", emotions="happy:0.6@0-2; surprised:0.5@2-"),
        p=g.persona(smile=0.3),
        words=g.node("PreviewAny", source=["a", 0]),
        judged=g.node("TroupeMeasureMotion", motion=["2", 0], audio=["2", 1]),
        sent=g.node(
            "TroupeExportLiveLink", motion=["2", 0], address="udp://127.0.0.1:9", subject="Troupe", fps=10.0
        ),
        plot=g.node("TroupePlotMotion", motion=["2", 0], width=640, height=360),
        shown=g.node("SaveImage", images=["plot", 0], filename_prefix="speech"),
        **g.short(1.2),
    )
    if installed():
        graph["a"] = g.align("every face in the picture")
    else:
        del graph["words"]
    job = g.run(comfy, graph)
    assert len(g.motion_of(comfy, job)) == 30 and "frames to udp" in g.text_of(job, "sent")
    assert "loudness correlation" in g.text_of(job, "judged") and job.files("shown")
    if installed():
        assert '"text": "face"' in g.text_of(job, "words")


def saved(comfy, graph: dict, node_id: str):
    """Pixels that a save node wrote, as float RGB in 0..1."""
    from PIL import Image

    job = comfy.run(graph)
    assert job.status == "success", job.events[-1]
    return [np.asarray(Image.open(comfy.path_of(f)).convert("RGB")) / 255 for f in job.files(node_id)]


def share(image, box) -> float:
    height, width = image.shape[:2]
    x0, y0, x1, y1 = box
    return float(image[int(y0 * height) : int(y1 * height), int(x0 * width) : int(x1 * width)].mean())


def masks(comfy, **inputs):
    graph = {
        "1": MEDIA,
        "2": node("TroupeDetectFaces", image=["1", 0], **DETECT),
        "3": node("TroupeFaceMasks", faces=["2", 0], hold=False, **inputs),
        "4": node("MaskToImage", mask=["3", 0]),
        "5": node("SaveImage", images=["4", 0], filename_prefix="mask"),
    }
    return saved(comfy, graph, "5")


@pytest.mark.parametrize(("person", "left", "right"), [(0, True, True), (1, True, False), (2, False, True)])
def test_masks_are_of_the_person_asked_for(comfy, person, left, right):
    (mask,) = masks(comfy, region="face", feather=0.15, person=person)
    assert mask.shape == (480, 768, 3)
    assert (share(mask, LEFT) > 0.5, share(mask, RIGHT) > 0.5) == (left, right)
    assert share(mask, (0, 0.8, 1, 1)) == 0


def test_regions_grow_as_they_are_listed(comfy):
    areas = [
        masks(comfy, region=r, feather=0.0, person=1)[0].mean()
        for r in ("lips", "face", "head", "body", "full")
    ]
    assert areas == sorted(areas) and areas[0] > 0.001 and areas[-1] == 1


def plot(motion: dict, **more) -> dict:
    """A graph that writes a plot of node m as a picture."""
    return {
        "m": motion,
        **more,
        "p": node("TroupePlotMotion", motion=["m", 0], width=640, height=360),
        "s": node("SaveImage", images=["p", 0], filename_prefix="plot"),
    }


def test_edit_motion_left_alone_changes_nothing_and_each_edit_something(comfy):
    before = saved(comfy, plot(node("TroupeMotionFromPreset", **PRESET)), "s")[0]
    preset = {"a": node("TroupeMotionFromPreset", **PRESET)}

    def edited(**change):
        return saved(
            comfy, plot(node("TroupeEditMotion", motion=["a", 0], **{**EDIT, **change}), **preset), "s"
        )[0]

    assert (edited() == before).all()
    changes = (
        {"mouth": 0.3},
        {"eyes": 2.0},
        {"head": 0.0},
        {"speed": 2.0},
        {"delay": 0.5},
        {"smooth": 1.0},
        {"mirror": True},
        {"loop": 5.0},
    )
    for change in changes:
        assert (edited(**change) != before).any(), change


@pytest.mark.parametrize("combine", ["mix", "add", "crossfade"])
def test_a_second_motion_is_combined(comfy, combine):
    other = node("TroupeMotionFromPreset", **{**PRESET, "preset": "surprised"})
    graph = {"a": node("TroupeMotionFromPreset", **PRESET), "b": other}
    edit = node("TroupeEditMotion", motion=["a", 0], second=["b", 0], **{**EDIT, "combine": combine})
    alone = saved(comfy, plot(graph["a"]), "s")[0]
    assert (saved(comfy, plot(edit, **graph), "s")[0] != alone).any()


def test_a_clip_as_frames_gives_the_motion_of_the_clip_as_video(comfy):
    """VIDEO is streamed from its file, IMAGE comes through ComfyUI's decoder; colours may differ by a rounding."""
    video = node("TroupeMotionFromVideo", fps=25.0, person=1, video=["1", 1])
    frames = node("TroupeMotionFromVideo", fps=25.0, person=1, image=["g", 0])
    graph = {"1": MEDIA, "g": node("GetVideoComponents", video=["1", 1]), "video": video, "image": frames}
    for name in ("video", "image"):
        graph[f"s{name}"] = node(
            "TroupeSaveMotion", motion=[name, 0], filename_prefix=f"as_{name}", format="csv"
        )
    job = comfy.run(graph)
    assert job.status == "success", job.events[-1]
    tables = []
    for name in ("svideo", "simage"):
        path = comfy.base / "output" / job.history["outputs"][name]["text"][0].split("\n")[0]
        rows = path.read_text().splitlines()[1:]
        tables.append(np.array([[float(v) for v in row.split(",")[2:54]] for row in rows]))
    assert tables[0].shape == tables[1].shape
    assert abs(tables[0] - tables[1]).mean() < 0.02, "the two ways in do not agree"


def test_faces_of_cores_own_detector_are_taken_up(comfy):
    """FACE_LANDMARKS, listed right to left here, become persons counted from the left, drawn at the same places."""
    ours = node("TroupeDetectFaces", image=["1", 0], **DETECT)
    cores = node("TroupeDetectFaces", image=["1", 0], face_landmarks=["c", 0], **DETECT)
    graph = {"1": MEDIA, "2": ours, "c": node("TroupeTestCoreLandmarks", faces=["2", 0]), "3": cores}
    drawn = []
    for faces in ("2", "3"):
        draw = node("TroupeDrawFaces", image=["1", 0], faces=[faces, 0])
        save = node("SaveImage", images=["d", 0], filename_prefix="drawn")
        drawn += saved(comfy, {**graph, "d": draw, "s": save}, "s")
    assert abs(drawn[0] - drawn[1]).mean() < 0.002


def test_bounding_boxes_are_cores_own(comfy):
    """Core's node for drawing boxes takes them, where it exists (from 0.23 on)."""
    info = comfy.json("/object_info")
    if "DrawBBoxes" not in info:
        assert info["TroupeDetectFaces"]["output"][2] == "BOUNDING_BOX"
        return
    required = info["DrawBBoxes"]["input"]["required"]
    boxes = next(name for name, spec in required.items() if spec[0] == "BOUNDING_BOX")
    graph = {
        "1": MEDIA,
        "2": node("TroupeDetectFaces", image=["1", 0], **DETECT),
        "3": node("DrawBBoxes", image=["1", 0], **{boxes: ["2", 2]}),
        "4": node("SaveImage", images=["3", 0], filename_prefix="boxes"),
    }
    from PIL import Image

    (drawn,) = saved(comfy, graph, "4")

    plain = np.asarray(Image.open(ROOT / "assets" / "two_people.png").convert("RGB")) / 255
    assert abs(drawn - plain).mean() > 0.001


def test_a_preset_is_the_same_for_the_same_seed_only(comfy):
    lively = {**PRESET, "preset": "neutral", "idle": 1.0, "seconds": 6.0}
    plots = [
        saved(comfy, plot(node("TroupeMotionFromPreset", **{**lively, "seed": s})), "s")[0] for s in (1, 1, 2)
    ]
    assert (plots[0] == plots[1]).all() and (plots[0] != plots[2]).any()
