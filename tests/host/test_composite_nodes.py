"""Crops, results back in place, joined clips, looks and Sync Check in the real servers."""

from __future__ import annotations

import av
import numpy as np
import pytest

pytestmark = pytest.mark.host

DETECT = {"fps": 25.0, "max_faces": 16, "min_size": 24.0, "min_confidence": 0.5, "smooth": True}
CROP = {"person": 0, "size": 256, "margin": 0.5, "moving": True, "smoothing": 0.2, "border": "reflect"}
BLEND = {"edge": "oval", "feather": 0.15, "colour_match": "off", "blend": "feather", "fps": 0.0}
LEFT, RIGHT = (0.27, 0.28, 0.43, 0.52), (0.65, 0.3, 0.81, 0.54)


def node(class_type: str, **inputs) -> dict:
    return {"class_type": class_type, "inputs": inputs}


MEDIA = node("TroupeExampleMedia", picture="two_people.png", clip="drive.mp4")
STILL = {
    "m": MEDIA,
    "d": node("TroupeDetectFaces", image=["m", 0], **DETECT),
    "c": node("TroupeCropFaces", image=["m", 0], faces=["d", 0], **CROP),
}
CLIP = {
    "m": MEDIA,
    "g": node("GetVideoComponents", video=["m", 1]),
    "b": node("ImageFromBatch", image=["g", 0], batch_index=0, length=12),
    "d": node("TroupeDetectFaces", image=["b", 0], **DETECT),
    "c": node("TroupeCropFaces", image=["b", 0], faces=["d", 0], **CROP),
}


def sink(source: str, slot: int = 0) -> dict:
    return node("TroupeTestSink", value=[source, slot])


def save(source: str, slot: int = 0) -> dict:
    return node("SaveImage", images=[source, slot], filename_prefix="composite")


def pictures(comfy, job, node_id: str) -> list[np.ndarray]:
    """What a save node wrote, uint8."""
    from PIL import Image

    assert job.status == "success", job.events[-1]
    return [np.asarray(Image.open(comfy.path_of(f)).convert("RGB")) for f in job.files(node_id)]


def text(job, node_id: str) -> str:
    return job.history["outputs"][node_id]["text"][0]


def part(image, box) -> np.ndarray:
    height, width = image.shape[:2]
    x0, y0, x1, y1 = box
    return image[int(y0 * height) : int(y1 * height), int(x0 * width) : int(x1 * width)].astype(int)


def test_untouched_crops_give_the_clip_and_changed_ones_only_the_face(comfy):
    look = node("TroupeLook", image=["c", 0], look="cartoon", strength=1.0)
    graph = {
        **CLIP,
        "same": node("TroupePlaceFaces", image=["b", 0], results=["c", 0], where=["c", 1], **BLEND),
        "look": look,
        "new": node("TroupePlaceFaces", image=["b", 0], results=["look", 0], where=["c", 1], **BLEND),
        "mask": node("MaskToImage", mask=["new", 1]),
        **{f"s{k}": save(s) for k, s in enumerate(("b", "same", "new", "mask", "c"))},
    }
    job = comfy.run(graph)
    before, same, new, masks, crops = (pictures(comfy, job, f"s{k}") for k in range(5))
    assert len(before) == len(same) == len(new) == len(masks) == len(crops) == 12
    assert crops[0].shape == (256, 256, 3)
    for a, b, c, m in zip(before, same, new, masks, strict=True):
        assert (a == b).all(), "an untouched crop changed the frame"
        faint = m[..., 0] == 0  # in 8 bits: less than half a level of mask may still be there
        assert faint.mean() > 0.2 and np.abs(a.astype(int) - c)[faint].max() <= 1
        assert (a != c).mean() > 0.02
    assert "each with its own result" in text(job, "new")
    assert job.progress("new")[-1] == 12


@pytest.mark.parametrize("person", [0, 1, 2])
def test_the_person_asked_for_is_cropped_and_placed(comfy, person):
    graph = {
        **STILL,
        "c": node("TroupeCropFaces", image=["m", 0], faces=["d", 0], **{**CROP, "person": person}),
        "i": node("ImageInvert", image=["c", 0]),
        "p": node("TroupePlaceFaces", image=["m", 0], results=["i", 0], where=["c", 1], **BLEND),
        "s0": save("m"),
        "s1": save("p"),
    }
    job = comfy.run(graph)
    (before,), (after,) = (pictures(comfy, job, s) for s in ("s0", "s1"))
    changed = [np.abs(part(after, box) - part(before, box)).mean() > 20 for box in (LEFT, RIGHT)]
    assert changed == [person in (0, 1), person in (0, 2)]


@pytest.mark.parametrize(
    "change", [{"colour_match": "ring"}, {"blend": "poisson"}, {"edge": "face"}, {"edge": "head"}]
)
def test_each_way_of_blending_runs_over_a_still_of_two(comfy, change):
    graph = {
        **STILL,
        "l": node("TroupeLook", image=["c", 0], look="anime", strength=1.0),
        "p": node(
            "TroupePlaceFaces", image=["m", 0], results=["l", 0], where=["c", 1], **{**BLEND, **change}
        ),
        "s0": save("m"),
        "s1": save("p"),
    }
    (before,), (after,) = (pictures(comfy, job, s) for job in [comfy.run(graph)] for s in ("s0", "s1"))
    assert (part(after, LEFT) != part(before, LEFT)).any() and (
        part(after, RIGHT) != part(before, RIGHT)
    ).any()
    corner = (0, 0.85, 1, 1)
    assert (part(after, corner) == part(before, corner)).all()


def test_only_the_faces_of_an_edited_picture_are_taken(comfy):
    replace = node(
        "TroupeReplaceFaces",
        image=["m", 0],
        edited=["i", 0],
        faces=["d", 0],
        person=1,
        margin=0.5,
        **{**BLEND, "edge": "face"},
    )
    graph = {
        **STILL,
        "i": node("ImageInvert", image=["m", 0]),
        "r": replace,
        "s0": save("m"),
        "s1": save("r"),
    }
    (before,), (after,) = (pictures(comfy, job, s) for job in [comfy.run(graph)] for s in ("s0", "s1"))
    assert np.abs(part(after, LEFT) - part(before, LEFT)).mean() > 20
    assert (part(after, RIGHT) == part(before, RIGHT)).all()


def test_a_still_takes_a_clip_of_results(comfy):
    """Two looks of one face as a clip of two frames, over one picture."""
    graph = {
        **STILL,
        "c": node("TroupeCropFaces", image=["m", 0], faces=["d", 0], **{**CROP, "person": 1}),
        "i": node("ImageInvert", image=["c", 0]),
        "two": node("ImageBatch", image1=["c", 0], image2=["i", 0]),
        "p": node("TroupePlaceFaces", image=["m", 0], results=["two", 0], where=["c", 1], **BLEND),
        "s0": save("m"),
        "s1": save("p"),
    }
    job = comfy.run(graph)
    (before,), frames = pictures(comfy, job, "s0"), pictures(comfy, job, "s1")
    assert len(frames) == 2 and (frames[0] == before).all() and (frames[1] != before).any()


def test_windows_are_joined_and_the_drift_is_told(comfy):
    frames = {"m": MEDIA, "g": node("GetVideoComponents", video=["m", 1])}
    graph = {
        **frames,
        "a": node("ImageFromBatch", image=["g", 0], batch_index=0, length=10),
        "b": node("ImageFromBatch", image=["g", 0], batch_index=6, length=10),
        "tinted": node("TroupeLook", image=["b", 0], look="contrast", strength=0.5),
        "j": node(
            "TroupeJoinWindows",
            first=["a", 0],
            second=["tinted", 0],
            overlap=4,
            match_colour=True,
            match_position=True,
        ),
        "x": node(
            "TroupeCrossfadeClips", first=["a", 0], second=["b", 0], frames=4, curve="linear", fps=25.0
        ),
        "whole": save("g"),
        "joined": save("j"),
        "faded": save("x"),
        "report": node("PreviewAny", source=["j", 1]),
        "spoken": node(
            "TroupeCrossfadeClips",
            **dict(first=["a", 0], second=["b", 0], frames=4, curve="linear", fps=25.0),
            first_audio=["g", 1],  # none: the clip is silent
            second_audio=["speech", 0],
        ),
        "speech": node("TroupeExampleSpeech", speech="speech.wav"),
        "sound": node("SaveAudio", audio=["spoken", 1], filename_prefix="faded"),
    }
    job = comfy.run(graph)
    whole, joined, faded = (pictures(comfy, job, s) for s in ("whole", "joined", "faded"))
    assert len(joined) == len(faded) == 16
    assert all(np.abs(a.astype(int) - b).max() <= 1 for a, b in zip(faded, whole, strict=False))
    assert np.abs(joined[-1].astype(int) - whole[15]).mean() < 6
    with av.open(str(comfy.path_of(job.files("sound")[0]))) as saved:
        assert abs(sum(f.samples / f.sample_rate for f in saved.decode(audio=0)) - 16 / 25) < 1e-3
    told = text(job, "j")
    assert "colour drift" in told and "position drift" in told and "of 255 before" in told
    assert "colour drift" in text(job, "report")


@pytest.mark.parametrize("look", ["sharpen", "contrast", "realistic", "anime", "cartoon"])
def test_looks(comfy, look):
    graph = {
        "m": MEDIA,
        "l": node("TroupeLook", image=["m", 0], look=look, strength=1.0),
        "off": node("TroupeLook", image=["m", 0], look=look, strength=0.0),
        **{f"s{k}": save(s) for k, s in enumerate(("m", "l", "off"))},
    }
    job = comfy.run(graph)
    (before,), (after,), (off,) = (pictures(comfy, job, f"s{k}") for k in range(3))
    assert (before == off).all() and np.abs(before.astype(int) - after).mean() > 0.3


def test_sync_check_names_figures_and_warns(comfy):
    preset = {
        "preset": "happy",
        "intensity": 1.0,
        "seconds": 2.0,
        "fps": 60.0,
        "curve": "linear",
        "idle": 0.0,
        "seed": 0,
    }
    graph = {
        "m": MEDIA,
        "g": node("GetVideoComponents", video=["m", 1]),
        "p": node("TroupeMotionFromPreset", **preset),
        "all": node(
            "TroupeSyncCheck", video=["m", 1], drive=["p", 0], image=["g", 0], fps=16.0, model_fps=25.0
        ),
        "fine": node("TroupeSyncCheck", video=["m", 1], image=["g", 0], fps=25.0, model_fps=0.0),
        "whole": node("TroupeSyncCheck", video=["m", 1], result=["m", 1], fps=16.0, model_fps=0.0),
        "ok": node("PreviewAny", source=["fine", 1]),
    }
    job = comfy.run(graph)
    assert job.status == "success", job.events[-1]
    told = text(job, "all")
    for words in (
        "drive: video 'drive.mp4', 25 fps",
        "drive: motion, 60 fps, 120 frames, 2.00 s",
        "model: 25 fps",
    ):
        assert words in told, told
    assert "WARNING: Shown at 16 fps (frames), the model makes 25" in told
    assert text(job, "fine").endswith("in step: rates and lengths fit together") and "rue" in text(job, "ok")
    assert "output: result 'drive.mp4', 25 fps" in text(job, "whole") and "WARNING" not in text(job, "whole")


def bad(kind: str) -> dict:
    return node("TroupeTestImage", kind=kind)


def place(**change) -> dict:
    inputs = {"image": ["m", 0], "results": ["c", 0], "where": ["c", 1], **BLEND, **change}
    return {**STILL, "p": node("TroupePlaceFaces", **inputs), "9": sink("p")}


def join(**change) -> dict:
    inputs = {
        "first": ["m", 0],
        "second": ["m", 0],
        "overlap": 1,
        "match_colour": True,
        "match_position": True,
        **change,
    }
    return {"m": MEDIA, "j": node("TroupeJoinWindows", **inputs), "9": sink("j")}


CASES = {
    "crops of another picture": (
        {
            **STILL,
            "x": bad("clip"),
            "c": node("TroupeCropFaces", image=["x", 0], faces=["d", 0], **CROP),
            "9": sink("c"),
        },
        "The faces belong to another picture",
    ),
    "no such person": (
        {
            **STILL,
            "c": node("TroupeCropFaces", image=["m", 0], faces=["d", 0], **{**CROP, "person": 5}),
            "9": sink("c"),
        },
        "Face 5 does not exist",
    ),
    "no face": (
        {**STILL, "m": bad("grey"), "9": sink("c")},
        "No face found in image",
    ),
    "NaN results": ({**place(results=["x", 0]), "x": bad("nan")}, "'results' is not usable: it holds NaN"),
    "empty results": ({**place(results=["x", 0]), "x": bad("no_frames")}, "there are no pixels"),
    "three results for two": (
        {**place(results=["x", 0]), "x": bad("clip")},
        "3 results do not fit the crops",
    ),
    "another picture to place onto": (
        {**place(image=["x", 0]), "x": bad("grey")},
        "The crops belong to another picture",
    ),
    "a mask of another size": (
        {**place(mask=["k", 0]), "k": node("SolidMask", value=1.0, width=64, height=64)},
        "The mask does not fit: it is 1 of 64 x 64",
    ),
    "windows of two sizes": (
        {**join(second=["x", 0]), "x": bad("grey")},
        "The two clips have different sizes",
    ),
    "more overlap than frames": (join(overlap=9), "cannot overlap by 9 frames"),
    "NaN to fade": (
        {
            "x": bad("nan"),
            "f": node(
                "TroupeCrossfadeClips", first=["x", 0], second=["x", 0], frames=1, curve="smooth", fps=25.0
            ),
            "9": sink("f"),
        },
        "'first' is not usable",
    ),
    "a look of nothing": (
        {
            "x": bad("no_frames"),
            "l": node("TroupeLook", image=["x", 0], look="anime", strength=1.0),
            "9": sink("l"),
        },
        "there are no pixels",
    ),
    "nothing in step with nothing": (
        {"9": node("TroupeSyncCheck", fps=25.0, model_fps=0.0)},
        "Nothing to compare",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_named(comfy, case):
    graph, expected = CASES[case]
    job = comfy.run(graph)
    assert job.status == "error" and job.error["exception_type"].endswith("TroupeError"), job.message
    assert expected in job.message and "\n" not in job.message, job.message


def test_it_can_be_interrupted(comfy):
    graph = {
        "m": MEDIA,
        "g": node("GetVideoComponents", video=["m", 1]),
        "r": node("RepeatImageBatch", image=["g", 0], amount=8),
        "l": node("TroupeLook", image=["r", 0], look="cartoon", strength=1.0),
        "9": sink("l"),
    }
    seen = []

    def stop(event):
        if event["type"] == "progress" and event["data"]["node"] == "l" and not seen:
            seen.append(event["data"])
            comfy.post("/interrupt", {})

    assert comfy.run(graph, stop).status == "interrupted"
    assert comfy.run({"m": MEDIA, "9": sink("m")}).status == "success"
