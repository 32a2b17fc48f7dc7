"""The example workflows through the server's API: a playable video in which the faces, and only they, move."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.host

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("one_person_from_a_clip", "two_people_two_drives", "two_people_talk_in_turn")
# Faces and still corners of the bundled pictures, as shares of width and height: x0, y0, x1, y1.
FACES = {
    "one_person_from_a_clip": [(0.3, 0.25, 0.7, 0.7)],
    "two_people_two_drives": [(0.24, 0.24, 0.46, 0.56), (0.62, 0.25, 0.84, 0.56)],
    "two_people_talk_in_turn": [(0.24, 0.24, 0.46, 0.56), (0.62, 0.25, 0.84, 0.56)],
}
RUNS = 10


def workflow(name: str) -> dict:
    return json.loads((ROOT / "example_workflows" / "api" / f"{name}.json").read_text())


def id_of(graph: dict, kind: str) -> str:
    return next(i for i, n in graph.items() if n["class_type"] == kind)


def read(path: Path):
    """Frames uint8 [T, H, W, 3], frames per second, and whether there is sound."""
    import av

    with av.open(str(path)) as clip:
        frames = np.stack([f.to_ndarray(format="rgb24") for f in clip.decode(video=0)])
        return frames, float(clip.streams.video[0].average_rate), bool(clip.streams.audio)


def movement(frames, box) -> float:
    """Mean over a box of each pixel's spread over time, in 8-bit steps."""
    height, width = frames.shape[1:3]
    x0, y0, x1, y1 = box
    part = frames[:, int(y0 * height) : int(y1 * height), int(x0 * width) : int(x1 * width)]
    return float(part.astype("float32").std(0).mean())


@pytest.mark.parametrize("name", NAMES)
def test_example_workflow(comfy, name):
    graph = workflow(name)
    job = comfy.run(graph)
    assert job.status == "success", job.events[-1]
    path = comfy.path_of(job.files(id_of(graph, "SaveVideo"))[0])
    frames, fps, _ = read(path)
    assert fps == 25 and len(frames) >= 50
    for box in FACES[name]:
        assert movement(frames, box) > 2, "the face does not move"
    assert movement(frames, (0, 0, 0.08, 0.08)) < 1, "the background moves"
    changed = max(abs(f.astype("float32") - frames[0]).mean() for f in frames[:: len(frames) // 8])
    assert changed < 15, "much more than the faces changes"
    bar = job.progress(id_of(graph, "TroupeWarpRender"))
    assert bar == sorted(bar) and bar[-1] == len(frames) and len(bar) > 3
    assert job.previews > 0


def made(comfy, name: str):
    """The job of a workflow that ended well, with its graph, frames, and whether its video has sound."""
    graph = workflow(name)
    job = comfy.run(graph)
    assert job.status == "success", job.events[-1]
    frames, fps, sound = read(comfy.path_of(job.files(id_of(graph, "SaveVideo"))[0]))
    assert fps == 25
    return job, graph, frames, sound


def shown(job, graph: dict, kind: str) -> str:
    """What a node said in the editor."""
    return job.history["outputs"][id_of(graph, kind)]["text"][0]


def test_only_the_face_of_a_clip_is_replaced(comfy):
    """Around the face the clip is as it was filmed; the mouth does something else."""
    _, _, frames, sound = made(comfy, "replace_the_face_in_a_clip")
    clip, _, _ = read(ROOT / "assets" / "drive.mp4")
    assert len(frames) == len(clip) and sound
    changed = abs(frames.astype("float32") - clip).mean((0, 3))
    height, width = changed.shape
    mouth = changed[int(0.5 * height) : int(0.62 * height), int(0.42 * width) : int(0.62 * width)].mean()
    edge = changed[:, : width // 5].mean(), changed[: height // 10].mean(), changed[-height // 5 :].mean()
    assert max(edge) < 4, f"more than the face is replaced: {edge}"  # twice through H.264
    assert mouth > 3 * max(edge), f"the mouth is the clip's own: {mouth}"


def test_faces_go_through_a_model_one_by_one_and_come_back(comfy):
    _, _, frames, _ = made(comfy, "several_faces_through_a_model")
    assert len(frames) == 75 and frames.shape[1:3] == (480, 768)
    for box in FACES["two_people_two_drives"]:
        assert movement(frames, box) > 2, "a face does not move"
    for box in ((0, 0, 0.08, 0.2), (0.46, 0, 0.54, 0.15), (0, 0.9, 1, 1)):
        assert movement(frames, box) < 1, "more than the faces moves"


def test_windows_are_joined_and_the_next_shot_fades_in(comfy):
    """117 frames of two windows and 115 of the clip, 12 in common; the drift is named, and gone where the windows meet."""
    job, graph, frames, sound = made(comfy, "long_video_from_windows")
    assert len(frames) == 117 + 115 - 12 and sound
    assert "colour drift" in shown(job, graph, "TroupeJoinWindows")
    light = frames.mean((1, 2, 3))
    assert abs(np.diff(light[45:75])).max() < 1, "a jump where the windows meet"
    assert abs(np.diff(light)).max() < 8, "a cut where a fade should be"


def test_looks_side_by_side(comfy):
    job, graph, frames, _ = made(comfy, "finish_a_video_with_a_look")
    assert len(frames) == 115 and frames.shape[1:3] == (512, 1024)
    clear, cartoon = frames[::10, :, :512].astype("float32"), frames[::10, :, 512:].astype("float32")
    assert abs(clear - cartoon).mean() > 5, "both look alike"
    assert "WARNING" not in shown(job, graph, "TroupeSyncCheck")


def test_a_motion_written_by_hand_is_saved_and_plotted(comfy):
    """The file holds what was drawn: as long as the sound, and with the wink at its end."""
    job, graph, frames, sound = made(comfy, "write_a_motion_and_export_it")
    assert len(frames) == 117 and sound
    assert movement(frames, FACES["one_person_from_a_clip"][0]) > 2
    assert "TroupeExportLiveLink" not in {n["class_type"] for n in graph.values()}, "it is asleep"
    saved = shown(job, graph, "TroupeSaveMotion").split("\n")[0]
    header, *rows = (comfy.base / "output" / saved).read_text().splitlines()
    left, right = (header.split(",").index(name) for name in ("EyeBlinkLeft", "EyeBlinkRight"))
    assert len(rows) == 117
    winks = [abs(float(v[left]) - float(v[right])) for v in (row.split(",") for row in rows[105:])]
    assert max(winks) > 0.3


def test_speech_with_emotion_and_persona(comfy):
    job, graph, frames, sound = made(comfy, "speak_with_emotion_and_persona")
    assert len(frames) == 117 and sound
    assert movement(frames, FACES["one_person_from_a_clip"][0]) > 2
    assert "against the sound" in shown(job, graph, "TroupeMeasureMotion")


def test_sound_of_the_clip_comes_along(comfy):
    """A driving clip with sound gives a result with sound, both as long as the clip."""
    add_sound(ROOT / "assets" / "drive.mp4", comfy.base / "input" / "speaks.mp4", seconds=1.0)
    graph = workflow("one_person_from_a_clip")
    graph["v"] = {"class_type": "LoadVideo", "inputs": {"file": "speaks.mp4"}}
    graph[id_of(graph, "TroupeMotionFromVideo")]["inputs"]["video"] = ["v", 0]
    job = comfy.run(graph)
    assert job.status == "success", job.events[-1]
    import av

    with av.open(str(comfy.path_of(job.files(id_of(graph, "SaveVideo"))[0]))) as clip:
        frames = sum(1 for _ in clip.decode(video=0))
        clip.seek(0)
        loud = max(float(abs(f.to_ndarray()).max()) for f in clip.decode(audio=0))
        length = float(clip.streams.audio[0].duration * clip.streams.audio[0].time_base)
    assert frames == 25 and abs(length - 1.0) < 0.07 and loud > 0.1


def add_sound(source: Path, target: Path, seconds: float) -> None:
    """The first seconds of a clip, with a tone."""
    import av

    frames, fps, _ = read(source)
    count = round(seconds * fps)
    tone = 0.5 * np.sin(np.arange(round(seconds * 16000)) * 0.2, dtype=np.float32)
    with av.open(str(target), "w") as out:
        video = out.add_stream("h264", rate=round(fps))
        video.width, video.height, video.pix_fmt = frames.shape[2], frames.shape[1], "yuv420p"
        sound = out.add_stream("aac", rate=16000, layout="mono")
        packets = [
            p for f in frames[:count] for p in video.encode(av.VideoFrame.from_ndarray(f, format="rgb24"))
        ]
        wave = av.AudioFrame.from_ndarray(tone[None], format="fltp", layout="mono")
        wave.sample_rate = 16000
        for packet in (*packets, *video.encode(None), *sound.encode(wave), *sound.encode(None)):
            out.mux(packet)


def test_detect_faces_shows_who_is_who(comfy):
    detect = {
        "image": ["1", 0],
        "fps": 25.0,
        "max_faces": 15,
        "min_size": 24.0,
        "min_confidence": 0.5,
        "smooth": True,
    }
    media = {"picture": "two_people.png", "clip": "drive.mp4"}
    job = comfy.run(
        {
            "1": {"class_type": "TroupeExampleMedia", "inputs": media},
            "2": {"class_type": "TroupeDetectFaces", "inputs": detect},
            "3": {"class_type": "TroupeDrawFaces", "inputs": {"image": ["1", 0], "faces": ["2", 0]}},
            "4": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "drawn"}},
        }
    )
    shown, drawn = (picture(comfy.path_of(job.files(node)[0])) for node in ("2", "4"))
    assert (shown == drawn).all(), "the preview is not what Draw Faces draws"
    plain = picture(ROOT / "assets" / media["picture"])
    assert ((drawn != plain).any(2).mean()) > 0.02, "nothing is drawn"


def picture(path: Path):
    from PIL import Image

    return np.asarray(Image.open(path).convert("RGB"))


def test_motion_survives_saving_and_loading(comfy):
    """Save Motion lists what it wrote, Load Motion reads it, and both plot the same picture."""
    timeline = {
        "timeline": "surprised 0.7 @0.2-1.5; nod @1",
        "seconds": 2.0,
        "fps": 30.0,
        "idle": 1.0,
        "seed": 4,
    }
    size = {"width": 640, "height": 360}
    for suffix in ("csv", "json", "npz"):
        graph = {
            "1": {"class_type": "TroupeMotionFromTimeline", "inputs": timeline},
            "2": {
                "class_type": "TroupeSaveMotion",
                "inputs": {"motion": ["1", 0], "filename_prefix": f"motion/{suffix}", "format": suffix},
            },
            "3": {"class_type": "TroupePlotMotion", "inputs": {"motion": ["1", 0], **size}},
            "9": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "plot"}},
        }
        job = comfy.run(graph)
        saved, summary = job.history["outputs"]["2"]["text"][0].split("\n")
        assert summary == "60 frames, 2.00 s"
        assert (comfy.base / "output" / saved).is_file()
        listed = comfy.json("/object_info/TroupeLoadMotion")["TroupeLoadMotion"]["input"]["required"]["file"]
        assert f"{saved} [output]" in json.dumps(listed)
        load = {
            "1": {"class_type": "TroupeLoadMotion", "inputs": {"file": f"{saved} [output]"}},
            "3": {"class_type": "TroupePlotMotion", "inputs": {"motion": ["1", 0], **size}},
            "9": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "plot"}},
        }
        again = comfy.run(load)
        assert again.status == "success", again.events[-1]
        plots = [picture(comfy.path_of(each.files("9")[0])) for each in (job, again)]
        assert (plots[0] == plots[1]).all(), "what is loaded is not what was saved"
        shown = [each.history["outputs"]["3"] for each in (job, again)]
        assert shown[0]["troupe_motion"] == shown[1]["troupe_motion"] != []
        video = shown[1]["troupe_video"][0]
        assert (
            video["frames"] == 50 and comfy.path_of(video).stat().st_size > 1000
        )  # 25 frames a second of 2 s


def test_load_motion_sees_a_changed_file(comfy):
    """The same name with another content is read again, not taken from the cache."""
    header = (ROOT / "assets" / "demo_1.txt").read_text()  # any text to make a first, broken file
    path = comfy.base / "input" / "changing.json"
    path.write_text(header)
    graph = {
        "1": {"class_type": "TroupeLoadMotion", "inputs": {"file": "changing.json"}},
        "9": {"class_type": "TroupeTestSink", "inputs": {"value": ["1", 0]}},
    }
    assert comfy.run(graph).status == "error"
    saved = comfy.run(
        {
            "1": {
                "class_type": "TroupeMotionFromTimeline",
                "inputs": {"timeline": "blink @0.1", "seconds": 1.0, "fps": 25.0, "idle": 0.0, "seed": 0},
            },
            "2": {
                "class_type": "TroupeSaveMotion",
                "inputs": {"motion": ["1", 0], "filename_prefix": "changing", "format": "json"},
            },
        }
    )
    written = saved.history["outputs"]["2"]["text"][0].split("\n")[0]
    path.write_bytes((comfy.base / "output" / written).read_bytes())
    assert comfy.run(graph).status == "success"


def test_interrupt_then_run_again(comfy):
    graph = workflow("two_people_two_drives")
    render = id_of(graph, "TroupeWarpRender")
    graph[render]["inputs"]["seconds"] = 40.0
    sent = []

    def stop(event):
        if event["type"] == "progress" and event["data"].get("node") == render and not sent:
            sent.append(time.monotonic())
            comfy.post("/interrupt", {})

    job = comfy.run(graph, on_event=stop)
    assert job.status == "interrupted"
    assert time.monotonic() - sent[0] < 5, "it went on for long"
    graph[render]["inputs"]["seconds"] = 1.0
    again = comfy.run(graph)
    assert again.status == "success"
    frames, _, _ = read(comfy.path_of(again.files(id_of(graph, "SaveVideo"))[0]))
    assert len(frames) == 25


@pytest.mark.slow
def test_ten_runs_give_the_same_bytes_and_keep_no_memory(comfy):
    graph = workflow("two_people_two_drives")
    graph[id_of(graph, "TroupeWarpRender")]["inputs"]["seconds"] = 1.0
    save = id_of(graph, "SaveVideo")
    sums, memory = set(), []
    for _ in range(RUNS):
        comfy.forget()
        job = comfy.run(graph)
        assert job.progress(id_of(graph, "TroupeWarpRender")), "taken from the cache"
        sums.add(hashlib.sha256(comfy.path_of(job.files(save)[0]).read_bytes()).hexdigest())
        memory.append(comfy.rss())
    assert len(sums) == 1
    assert max(memory[RUNS // 2 :]) - max(memory[: RUNS // 2]) < 60, [round(m) for m in memory]
