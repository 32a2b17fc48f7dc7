"""What Detect Faces tells the browser."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest

from troupe.engine.faces import Face, Faces, FaceTrack
from troupe.engine.faces.draw import COLOURS
from troupe.host import faces_ui

EXAMPLE = {"class_type": "TroupeExampleMedia", "inputs": {"picture": "two_people.png", "clip": "drive.mp4"}}
MASKS = {"region": "face", "feather": 0.15, "person": 0, "hold": False}
DETECT = {"fps": 25.0, "max_faces": 16, "min_size": 24.0, "min_confidence": 0.5, "smooth": True}


def face(x: float, y: float, size: float) -> Face:
    points = np.random.default_rng(0).uniform(0, 1, (478, 3)).astype(np.float32)
    points[0], points[1] = 0, 1  # the box is exactly the unit square
    return Face((points * size + np.array([x, y, 0], np.float32)).astype(np.float32))


def clip_of(*rows: str) -> Faces:
    """One row per person, one letter per frame: x is there, - is not; each at 100 times their number."""
    tracks = tuple(
        FaceTrack(p, tuple(face(100 * p, 10 + t, 50) if c == "x" else None for t, c in enumerate(row)))
        for p, row in enumerate(rows, 1)
    )
    return Faces(tracks, height=400, width=2000, frames=len(rows[0]), fps=25.0)


def test_the_frame_with_most_persons_is_shown_and_the_others_are_boxed_where_they_are_first_seen():
    faces = clip_of("xx--", "-xx-", "---x")
    frame = faces_ui.fullest_frame(faces)
    told = faces_ui.people(faces, frame)
    assert frame == 1
    assert [(p["person"], p["frame"], p["seen"]) for p in told] == [(1, 1, 2), (2, 1, 2), (3, 3, 1)]
    assert told[0]["box"] == [100, 11, 150, 61] and told[2]["box"] == [300, 13, 350, 63]


def test_everybody_has_the_colour_that_draw_faces_gives():
    told = faces_ui.people(clip_of(*"x" * 16), 0)
    assert [p["colour"] for p in told] == ["#" + bytes(c).hex() for c in COLOURS]


@pytest.mark.parametrize(("height", "width"), [(8192, 4000), (30, 5000), (1, 8192), (100, 200)])
def test_pictures_are_made_small_and_keep_their_shape(height, width):
    small = faces_ui.small(np.full((height, width, 3), 77, np.uint8))
    assert max(small.shape[:2]) <= 768 and min(small.shape[:2]) >= 1
    assert (small == 77).all()
    if max(height, width) <= 768:
        assert small.shape == (height, width, 3)
    else:
        assert small.shape[0] == max(1, round(height * 768 / max(height, width)))


def test_what_made_the_faces_is_their_part_of_the_prompt_alone():
    prompt = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}, "is_changed": ["x"]},
        "2": {"class_type": "Scale", "inputs": {"image": ["1", 0], "size": [3, 4]}, "_meta": {"title": "t"}},
        "3": {"class_type": "TroupeDetectFaces", "inputs": {"image": ["2", 0]}},
        "4": {"class_type": "WarpRender", "inputs": {"faces": ["3", 0]}},
        "5": {"class_type": "Loop", "inputs": {"a": ["5", 0]}},
    }
    made = faces_ui.ancestors(prompt, "3")
    assert set(made) == {"1", "2", "3"}
    assert all(set(node) == {"class_type", "inputs"} for node in made.values())
    assert set(faces_ui.ancestors(prompt, "5")) == {"5"}
    assert faces_ui.ancestors(prompt, "9") == {} == faces_ui.ancestors(None, "3")


@pytest.mark.host
def test_a_job_of_detect_faces_alone_shows_who_is_where_and_a_cached_one_too(comfy):
    graph = {"1": EXAMPLE, "4": {"class_type": "TroupeDetectFaces", "inputs": {**DETECT, "image": ["1", 0]}}}
    graph["4"]["inputs"]["min_size"] = 24.5  # as nobody else asks: nothing is cached yet
    first, again = comfy.run(graph), comfy.run(graph)
    assert first.status == again.status == "success"
    shown = first.history["outputs"]["4"]
    assert json.dumps(again.history["outputs"]["4"]) == json.dumps(shown), "the cache gives something else"
    cached = next(e["data"]["nodes"] for e in again.events if e["type"] == "execution_cached")
    assert {"1", "4"} <= set(cached), "being an output node keeps it from being cached"
    assert len(shown["images"]) == 1, "what API jobs showed before is gone"
    (entry,) = shown["troupe_faces"]
    assert (entry["width"], entry["height"], entry["frames"], entry["frame"]) == (768, 480, 1, 0)
    assert [p["person"] for p in entry["people"]] == [1, 2]
    (ax0, ay0, ax1, ay1), (bx0, by0, bx1, by1) = (p["box"] for p in entry["people"])
    assert 0 <= ax0 < ax1 < bx0 < bx1 <= 768 and 0 <= ay0 < ay1 <= 480 and 0 <= by0 < by1 <= 480
    assert entry["node"] == "4" and entry["made_by"] == {n: {k: v[k] for k in v} for n, v in graph.items()}
    from PIL import Image

    picture = Image.open(io.BytesIO(comfy.path_of(entry["image"]).read_bytes()))
    assert picture.size == (768, 480) and entry["image"]["type"] == "temp"


@pytest.mark.host
def test_one_with_nothing_to_look_at_is_marked_before_the_job_and_others_run(comfy):
    alone = {"4": {"class_type": "TroupeDetectFaces", "inputs": DETECT}}
    status, reply = comfy.submit(alone)
    assert status == 400
    (mistake,) = reply["node_errors"]["4"]["errors"]
    assert mistake["details"] == (
        "Nothing to look at: neither 'image' nor 'video' is connected. Connect one of them."
    )
    used = {**alone, "5": {"class_type": "TroupeFaceMasks", "inputs": {**MASKS, "faces": ["4", 0]}}}
    used["6"] = {"class_type": "MaskPreview", "inputs": {"mask": ["5", 0]}}
    status, reply = comfy.submit(used)
    assert status == 400 and "Nothing to look at" in json.dumps(reply["node_errors"]["4"])
    beside = {"1": EXAMPLE, "7": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}}
    job = comfy.run({**alone, **beside})
    assert job.status == "success" and "7" in job.history["outputs"]
    assert (
        comfy.run({"1": EXAMPLE, "4": {**alone["4"], "inputs": {**DETECT, "image": ["1", 0]}}}).status
        == "success"
    )


@pytest.mark.host
def test_a_huge_picture_is_shown_small_with_boxes_in_its_own_pixels(comfy):
    big = {
        "class_type": "ImageScale",
        "inputs": {
            "image": ["1", 0],
            "upscale_method": "bilinear",
            "width": 4096,
            "height": 2560,
            "crop": "disabled",
        },
    }
    graph = {
        "1": EXAMPLE,
        "2": big,
        "4": {"class_type": "TroupeDetectFaces", "inputs": {**DETECT, "image": ["2", 0]}},
    }
    outputs = comfy.run(graph).history["outputs"]["4"]
    (entry,) = outputs["troupe_faces"]
    from PIL import Image

    assert Image.open(comfy.path_of(entry["image"])).size == (768, 480)
    assert (entry["width"], entry["height"]) == (4096, 2560)
    assert max(p["box"][2] for p in entry["people"]) > 2048
    (shown,) = outputs["images"]
    assert Image.open(comfy.path_of(shown)).size == (2048, 1280)
