"""Whatever a workflow brings: a clear message in the history, and the server lives on."""

from __future__ import annotations

import json
import shutil

import pytest

pytestmark = pytest.mark.host

EXAMPLE = {"class_type": "TroupeExampleMedia", "inputs": {"picture": "two_people.png", "clip": "drive.mp4"}}
DETECT = {"fps": 25.0, "max_faces": 16, "min_size": 24.0, "min_confidence": 0.5, "smooth": True}
ROLE = {"region": "full", "strength": 1.0, "rest": "auto"}
TIMELINE = {"timeline": "happy @0-0.4", "seconds": 0.0, "fps": 25.0, "idle": 0.0, "seed": 0}


def node(class_type: str, **inputs) -> dict:
    return {"class_type": class_type, "inputs": inputs}


def sink(source: str, slot: int = 0) -> dict:
    return node("TroupeTestSink", value=[source, slot])


def detect(**source) -> dict:
    return {"2": node("TroupeDetectFaces", **DETECT, **source), "9": sink("2")}


def cast_of(*faces: int, image: dict = EXAMPLE, fps: float = 25.0, seconds: float = 0.2) -> dict:
    """A render in which each of ``faces`` plays the same short part."""
    graph = {"1": image, "2": node("TroupeMotionFromTimeline", **TIMELINE)}
    last: dict = {}
    for i, face in enumerate(faces):
        graph[f"r{i}"] = node("TroupeAssignRole", face=face, drive=["2", 0], **ROLE, **last)
        last = {"cast": [f"r{i}", 0]}
    render = node("TroupeWarpRender", image=["1", 0], fps=fps, seconds=seconds, **last)
    return {**graph, "8": render, "9": sink("8")}


def bad_image(kind: str) -> dict:
    return node("TroupeTestImage", kind=kind)


FROM_VIDEO = {"fps": 25.0, "person": 1}
CASES = {
    "no face": ({"1": bad_image("grey"), **detect(image=["1", 0])}, "No face found in image"),
    "no face to render": (cast_of(1, image=bad_image("grey")), "No face found in image"),
    "no such face": (cast_of(5), "Face 5 does not exist: 2 faces were found"),
    "two drives": (cast_of(1, 1), "Face 1 has two drives"),
    "NaN, detected": ({"1": bad_image("nan"), **detect(image=["1", 0])}, "NaN or infinite"),
    "NaN, rendered": (cast_of(1, image=bad_image("nan")), "NaN or infinite"),
    "bytes": (cast_of(1, image=bad_image("bytes")), "run from 255 to 255"),
    "one pixel": (cast_of(1, image=bad_image("one_pixel")), "too small: it is 1x1 pixels"),
    "no frames": ({"1": bad_image("no_frames"), **detect(image=["1", 0])}, "there are no pixels"),
    "10000 pixels": (cast_of(1, image=bad_image("wide")), "10000 x 8"),
    "a clip to animate": (cast_of(1, image=bad_image("clip")), "holds 3 pictures"),
    "more than fits": (cast_of(1, fps=120.0, seconds=600.0), "72000 frames of 768 x 480 do not fit"),
    "two clips": ({"1": EXAMPLE, **detect(image=["1", 0], video=["1", 1])}, "both 'image' and 'video'"),
    "too small a face": (
        {
            "1": EXAMPLE,
            "2": node("TroupeDetectFaces", **{**DETECT, "min_size": 400.0}, image=["1", 0]),
            "9": sink("2"),
        },
        "No face found in image",
    ),
    "person who is not there": (
        {
            "1": EXAMPLE,
            "2": node("TroupeMotionFromVideo", fps=25.0, person=3, video=["1", 1]),
            "9": sink("2"),
        },
        "Face 3 does not exist",
    ),
    "faces of another picture": (
        {
            **cast_of(1),
            "d": node("TroupeDetectFaces", **DETECT, video=["1", 1]),
            "8": node(
                "TroupeWarpRender", image=["1", 0], fps=25.0, seconds=0.2, cast=["r0", 0], faces=["d", 0]
            ),
        },
        "The faces belong to another picture",
    ),
}
MEDIA = ("empty.mp4", "stub.mp4", "noise.mp4", "sound.mp4")
MOTIONS = ("empty.csv", "words.csv", "noise.npz", "list.json")


def message_of(comfy, graph: dict) -> str:
    job = comfy.run(graph)
    assert job.status == "error", job.status
    assert job.history["status"]["status_str"] == "error", "the history does not tell"
    assert job.error["exception_type"].endswith("TroupeError"), job.message
    return job.message


def assert_alive(comfy):
    """A small job still succeeds."""
    assert comfy.run({"1": node("TroupeMotionFromTimeline", **TIMELINE), "9": sink("1")}).status == "success"


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_named(comfy, case):
    graph, expected = CASES[case]
    message = message_of(comfy, graph)
    assert expected in message
    assert message.endswith(".") and "\n" not in message, message
    assert_alive(comfy)


@pytest.fixture(scope="session")
def bad_files(comfy, tmp_path_factory):
    """Broken files in the server's input folder."""
    from pathlib import Path

    folder = comfy.base / "input"
    good = (Path(__file__).resolve().parents[2] / "assets" / "drive.mp4").read_bytes()
    (folder / "empty.mp4").touch()
    (folder / "stub.mp4").write_bytes(good[:1500])
    (folder / "cut.mp4").write_bytes(good[: len(good) // 3])
    (folder / "noise.mp4").write_bytes(bytes(range(256)) * 64)
    write_sound(folder / "sound.mp4")
    (folder / "empty.csv").touch()
    (folder / "words.csv").write_text("to,be,or,not\nthat,is,the,question\n")
    (folder / "noise.npz").write_bytes(bytes(range(256)))
    (folder / "list.json").write_text(json.dumps([1, 2, 3]))
    (folder / "picture.png").write_bytes(b"no picture")
    shutil.copy(folder / "words.csv", comfy.base / "secret.csv")
    return folder


def write_sound(path) -> None:
    import av
    import numpy as np

    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        for packet in (*stream.encode(frame), *stream.encode(None)):
            out.mux(packet)


@pytest.mark.parametrize("file", MEDIA)
def test_broken_media_is_named(comfy, bad_files, file):
    graph = {
        "1": node("LoadVideo", file=file),
        "2": node("TroupeMotionFromVideo", **FROM_VIDEO, video=["1", 0]),
    }
    assert file in message_of(comfy, {**graph, "9": sink("2")})
    assert_alive(comfy)


def test_a_clip_cut_short_is_read_as_far_as_it_goes(comfy, bad_files):
    graph = {
        "1": node("LoadVideo", file="cut.mp4"),
        "2": node("TroupeMotionFromVideo", **FROM_VIDEO, video=["1", 0]),
    }
    assert comfy.run({**graph, "9": sink("2")}).status == "success"
    assert "'cut.mp4' is damaged or cut short" in comfy.log


def refusal(comfy, graph: dict) -> str:
    """What the server says to a prompt that it does not even start."""
    status, reply = comfy.submit(graph)
    assert status == 400, f"accepted: {reply}"
    return json.dumps(reply["node_errors"], ensure_ascii=False)


def load(file: str) -> dict:
    return {"1": node("TroupeLoadMotion", file=file), "9": sink("1")}


def save(prefix: str) -> dict:
    timeline = node("TroupeMotionFromTimeline", **TIMELINE)
    return {
        "1": timeline,
        "2": node("TroupeSaveMotion", motion=["1", 0], filename_prefix=prefix, format="csv"),
    }


@pytest.mark.parametrize(
    "file", ["../secret.csv", "/etc/passwd", "../secret.csv [output]", "a/../../secret.csv", "\0.csv"]
)
def test_load_motion_cannot_leave_its_folders(comfy, bad_files, file):
    assert "not allowed" in refusal(comfy, load(file)) or "cannot be read here" in refusal(comfy, load(file))


@pytest.mark.parametrize("prefix", ["../evil", "/tmp/evil", "motion/../../evil", "../custom_nodes/evil"])
def test_save_motion_cannot_leave_the_output_folder(comfy, prefix):
    assert "not allowed" in refusal(comfy, save(prefix))
    assert not list(comfy.base.rglob("evil*"))


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        (load("gone.csv"), "'gone.csv' was not found"),
        (load("picture.png"), "known are .csv, .json, .npz"),
        (save(""), "The file name is empty"),
        (
            {"1": node("TroupeMotionFromTimeline", **{**TIMELINE, "timeline": "hapy @1"}), "9": sink("1")},
            "happy",
        ),
        (
            {"1": node("TroupeMotionFromTimeline", **{**TIMELINE, "timeline": ""}), "9": sink("1")},
            "timeline is empty",
        ),
        (
            {"1": node("TroupeMotionFromTimeline", **{**TIMELINE, "timeline": "happy @2-1"}), "9": sink("1")},
            "after its start",
        ),
    ],
    ids=["missing file", "other kind", "no name", "misspelt", "empty timeline", "backwards"],
)
def test_known_mistakes_are_refused_before_anything_runs(comfy, bad_files, graph, expected):
    assert expected in refusal(comfy, graph)


@pytest.mark.parametrize("file", MOTIONS)
def test_broken_motion_files_are_named(comfy, bad_files, file):
    assert file in message_of(comfy, load(file))
    assert_alive(comfy)
