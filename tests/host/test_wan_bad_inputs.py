"""Whatever a Wan workflow brings: errors that name the input, its value and a remedy, and a server that lives on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

pytestmark = pytest.mark.host

ROOT = Path(__file__).resolve().parents[2]
SIDE = 256  # of the clips, for speed
DETECT = {"fps": 25.0, "max_faces": 16, "min_size": 24.0, "min_confidence": 0.5, "smooth": False}
PARTS = {"first_person": 1, "head": 1.0, "eyes": 1.0, "emotion": 1.0, "mouth": 1.0}
CAST = {"fps": 25.0, "regions": "tracked", "background": "all", "start": 0.0, "end": 1.0}
MOTION = {"timeline": "happy @0-0.4", "seconds": 0.0, "fps": 25.0, "idle": 0.0, "seed": 0}
RANGE = {"start": 0.0, "end": 1.0, "every": 1}
LAYERS = {f"{name}_{key}": v for name in ("text", "portrait", "speech") for key, v in RANGE.items()}
LAYERS |= {"portrait_scale": 4.0, "speech_scale": 1.0}


def node(class_type: str, **inputs) -> dict:
    return {"class_type": class_type, "inputs": inputs}


@pytest.fixture(scope="session")
def media(tmp_path_factory) -> Path:
    """Clips and pictures, each with something the matter but ``one.mp4`` and ``short.mp4``."""
    import cv2
    from PIL import Image

    from troupe.engine.video import read_clip, write_video

    folder = tmp_path_factory.mktemp("wan_media")
    frames = read_clip(ROOT / "assets" / "drive.mp4", max_frames=14)[0]
    frames = np.stack([cv2.resize(f, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for f in frames])
    grey = np.full_like(frames[:1], 90)

    def write(name: str, fps: float, *parts: np.ndarray) -> None:
        write_video(folder / name, np.concatenate(parts), fps=fps)

    write("one.mp4", 25, frames)
    write("short.mp4", 30, frames[:1:-1])
    write("two.mp4", 25, np.concatenate([frames[:10], frames[9::-1]], 2))
    write("nobody.mp4", 25, grey.repeat(12, 0))
    write("rare.mp4", 25, frames[:5], grey.repeat(29, 0))
    write("gap.mp4", 25, frames[:5], grey.repeat(25, 0), frames[5:10])
    portrait = Image.open(ROOT / "assets" / "portrait.png").convert("RGB")
    far = Image.new("RGB", (640, 640), (90, 90, 90))
    far.paste(portrait.resize((96, 120)), (272, 260))
    far.save(folder / "far.png")
    for name in ("portrait", "two_people"):
        shutil.copy(ROOT / "assets" / f"{name}.png", folder)
    return folder


@pytest.fixture
def acting(comfy, tiny_models, media, wan_graph):
    """Makes a small job: face ``face`` of a picture plays ``person`` of a clip, as far as to the latent."""
    for path in media.iterdir():
        shutil.copy(path, comfy.base / "input" / path.name)

    def graph(
        picture="portrait.png", clip="one.mp4", face=1, person=1, region="full", adapter="portrait", **more
    ):
        job = wan_graph.core_graph(tiny_models, picture=picture, steps=1, cfg=1.0)
        for spare in ("vision_model", "vision", "decode", "images"):
            del job[spare]
        del job["video"]["inputs"]["clip_vision_output"]
        job |= {
            "faces": node("TroupeDetectFaces", image=["picture", 0], **DETECT),
            "encoder": node("TroupeLoadExpressionEncoder", encoder=tiny_models["encoder"].name),
            "adapter": node(
                "TroupeLoadPortraitAdapter", model=["shift", 0], adapter=tiny_models[adapter].name
            ),
            **driver(clip),
            "role": role(face, ["expression", person - 1], region),
            "cast": apply(),
            "report": node("PreviewAny", source=["cast", 3]),
            "notes": node("PreviewAny", source=["expression", 4]),
        }
        job["sampler"]["inputs"]["model"] = ["cast", 0]
        job["video"]["inputs"]["length"] = ["cast", 2]
        return {**job, **more}

    return graph


def driver(clip: str, last: str = "") -> dict:
    """What reads a clip, under ids that end in ``last``."""
    return {
        f"drive{last}": node("LoadVideo", file=clip),
        f"drive_faces{last}": node("TroupeDetectFaces", video=[f"drive{last}", 0], **DETECT),
        f"expression{last}": node(
            "TroupeExtractExpression",
            encoder=["encoder", 0],
            faces=[f"drive_faces{last}", 0],
            video=[f"drive{last}", 0],
            **PARTS,
        ),
    }


def role(face: int, drive: list, region: str = "full", **more) -> dict:
    return node("TroupeAssignRole", face=face, drive=drive, region=region, strength=1.0, rest="auto", **more)


def apply(model: str = "adapter", **changes) -> dict:
    links = {"model": [model, 0], "cast": ["role", 0], "faces": ["faces", 0]}
    return node("TroupeApplyCast", **{**CAST, **links, **changes})


def played(comfy, wan_graph, graph: dict):
    """A job that succeeds, and its latent."""
    job = comfy.run(graph)
    assert job.status == "success", job.events[-1]
    return job, wan_graph.read_latent(comfy, job)


def text_of(job, node_id: str) -> str:
    return job.history["outputs"][node_id]["text"][0]


# What is changed in the job, which node tells, and what it names.
ACTING = {
    "nobody in the clip": (
        {"clip": "nobody.mp4"},
        "drive_faces",
        ("No face found in video 'nobody.mp4'", "256x256", "shows a face"),
    ),
    "rarely there": (
        {"clip": "rare.mp4"},
        "expression",
        ("Person 1 is seen too rarely", "5 of 34 frames, 7 are needed", "cut it"),
    ),
    "faces of another clip": (
        {
            "other": node("LoadVideo", file="two.mp4"),
            "drive_faces": node("TroupeDetectFaces", video=["other", 0], **DETECT),
        },
        "expression",
        ("The faces are not from this clip", "10 frame(s) of 512x256", "256x256", "Detect the faces again"),
    ),
    "a face that the picture lacks": (
        {"face": 3, "picture": "two_people.png"},
        "cast",
        ("Face 3 does not exist", "2 faces were found, numbered 1 to 2", "Choose one"),
    ),
    "lips without a token": (
        {"region": "lips", "picture": "far.png"},
        "sampler",
        (
            "The lips of face 1 hold no token",
            "pixels in the video of 64 x 64",
            "16 x 16",
            "larger video",
            "'head'",
        ),
    ),
    "no adapter": (
        {"cast": apply("shift")},
        "cast",
        ("Face 1 cannot follow", "no portrait adapter", "Load Portrait Adapter", "fantasyportrait_model"),
    ),
    "the adapter for speech": (
        {"adapter": "talking"},
        "cast",
        ("Face 1 cannot follow", "expression", "no portrait adapter", "Load Portrait Adapter"),
    ),
    "a motion without encoder": (
        {"role": role(1, ["motion", 0]), "motion": node("TroupeMotionFromTimeline", **MOTION)},
        "cast",
        ("Face 1 is driven by a motion", "'encoder' or 'image' is not connected", "Load Expression Encoder"),
    ),
    "a cast that ends before it begins": (
        {"cast": apply(start=0.8, end=0.2)},
        "cast",
        ("from 0.8 to 0.2", "start", "end", "0 and 1"),
    ),
}


@pytest.mark.parametrize("case", ACTING)
def test_casts_that_cannot_play_say_why(comfy, acting, wan_graph, case):
    changes, node_id, words = ACTING[case]
    wan_graph.assert_refused(comfy, acting(**changes), node_id, *words)


def test_a_person_that_the_clip_lacks_stops_those_who_use_it(comfy, acting):
    """One output of a node with four: the others play on, so ComfyUI blocks what hangs on this one."""
    job = comfy.run(acting(person=2))
    assert (job.status, job.error["node_id"]) == ("error", "role"), job.error
    assert "Person 2 is not in the driving clip: one face was found, number 1. Use" in job.message
    assert "latent" not in job.history["outputs"], "sampled all the same"


def test_more_people_in_the_clip_than_in_the_picture(comfy, acting, wan_graph):
    left, right = (played(comfy, wan_graph, acting(clip="two.mp4", person=p))[1] for p in (1, 2))
    assert left.shape == right.shape and torch.isfinite(left).all()
    assert (left - right).abs().max() > 1e-3, "it does not matter who drives"


def test_a_face_lost_for_a_second_is_filled_and_told(comfy, acting, wan_graph):
    job, latent = played(comfy, wan_graph, acting(clip="gap.mp4"))
    assert torch.isfinite(latent).all()
    told = "Person 1: 25 of 35 frames without the face were filled from their neighbours"
    for text in (text_of(job, "notes"), text_of(job, "report")):
        assert told in text and "Warning: person 1 is lost from 0.20 s to 1.20 s" in text, text


def test_clips_of_other_rates_and_lengths_are_joined_by_time(comfy, acting, wan_graph):
    both = {**driver("short.mp4", "2"), "role": role(2, ["expression2", 0], cast=["role1", 0])}
    graph = acting(picture="two_people.png", role1=role(1, ["expression", 0]), **both)
    job, latent = played(comfy, wan_graph, graph)
    report = text_of(job, "report").splitlines()
    assert report[0] == "9 frames at 25 fps (0.36 s)" and latent.shape[2] == 3, report
    assert report[1].startswith("Face 1: ") and "0.56 s, 25 fps" in report[1] and "sets" not in report[1]
    assert report[2].startswith("Face 2: ") and report[2].endswith("the shortest: it sets the length")
    assert "0.40 s, 30 fps" in report[2], report


def test_frames_are_taken_by_their_time(comfy, acting, wan_graph):
    """Twice the frames at twice the rate are the same clip; the same frames at twice the rate another."""

    def latent(times: int, rate: float) -> torch.Tensor:
        graph = acting(role=role(1, ["timed", 0]))
        graph["timed"] = node("TroupeTestRate", expression=["expression", 0], times=times, rate=rate)
        graph["video"]["inputs"]["length"] = 9
        return played(comfy, wan_graph, graph)[1]

    plain = latent(1, 1.0)
    assert torch.equal(latent(2, 2.0), plain)
    assert (latent(1, 2.0) - plain).abs().max() > 1e-3


MASKS = {
    "bytes": ("run from 255 to 255", "0 to 1"),
    "nan": ("run from nan to nan",),
    "no_frames": ("[0, 64, 64]",),
}


def guided(files, kind: str, **changes) -> dict:
    """Either of the two nodes that guide in layers."""
    more = {"model": ["unet", 0]}
    if kind == "TroupeLayeredGuider":
        more |= {"positive": ["prompt", 0], "negative": ["prompt", 0], "text_scale": 5.0}
    return {
        "unet": node("UNETLoader", unet_name=files["wan_i2v"].name, weight_dtype="default"),
        "clip": node("CLIPLoader", clip_name=files["clip_text"].name, type="sd3"),
        "prompt": node("CLIPTextEncode", clip=["clip", 0], text="she smiles"),
        "guide": node(kind, **{**LAYERS, **more, **changes}),
        "end": node("TroupeTestSink", value=["guide", 0]),
    }


BOTH_GUIDES = pytest.mark.parametrize("kind", ["TroupeLayeredGuider", "TroupeLayeredCFG"])


@BOTH_GUIDES
@pytest.mark.parametrize("layer", ["text", "portrait", "speech"])
def test_layers_that_end_before_they_begin(comfy, tiny_models, wan_graph, kind, layer):
    graph = guided(tiny_models, kind, **{f"{layer}_start": 0.8, f"{layer}_end": 0.2})
    wan_graph.assert_refused(
        comfy, graph, "guide", f"range of the {layer} layer", "from 0.8 to 0.2", f"Set {layer}_start"
    )


@BOTH_GUIDES
@pytest.mark.parametrize("pixels", MASKS)
def test_regions_that_are_no_masks(comfy, tiny_models, wan_graph, kind, pixels):
    graph = guided(tiny_models, kind, portrait_region=["mask", 0])
    graph["mask"] = node("ImageToMask", image=["bad", 0], channel="red")
    graph["bad"] = node("TroupeTestImage", kind=pixels)
    wan_graph.assert_refused(
        comfy, graph, "guide", "region of the portrait layer", "portrait_region", *MASKS[pixels]
    )


@BOTH_GUIDES
def test_a_picture_is_no_region(comfy, tiny_models, wan_graph, kind):
    graph = guided(tiny_models, kind, portrait_region=["bad", 0])
    status, reply = comfy.submit({**graph, "bad": node("TroupeTestImage", kind="grey")})
    assert status == 400 and "portrait_region" in json.dumps(reply["node_errors"]["guide"])


# --- memory, and whether the server is what it was ---


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["allocator", "cuda"])
def test_out_of_memory_is_advised_on_and_leaves_nothing(comfy, acting, wan_graph, kind):
    good = acting()
    settings = good["sampler"]["inputs"]
    settings |= {"steps": 2, "cfg": 3.0, "seed": len(kind)}
    whole = played(comfy, wan_graph, good)[1]
    before = comfy.json("/troupe_test/held")
    assert {"WAN21", "BranchWeights"} <= set(before["loaded"]) and not before["runs"], before

    bad = {**good, "sampler": node("KSampler", **{**settings, "model": ["full", 0]})}
    bad["full"] = node("TroupeTestOutOfMemory", model=["cast", 0], call=2, kind=kind)
    advice = (
        "13 frames of 64 x 64",
        "'memory' in Load Wan Portrait Model",
        "fewer frames",
        "context windows",
    )
    wan_graph.refusal(comfy, bad, "sampler", "memory of the GPU is not enough", *advice)
    held = comfy.json("/troupe_test/held")
    assert not held["runs"] and held["bytes"] <= before["bytes"] + 2**20, (held, before)
    assert not {"WAN21", "BranchWeights"} & set(held["loaded"]), held

    settings["denoise"] = 0.99995  # as good as 1, which is in the cache
    job, again = played(comfy, wan_graph, good)
    assert job.progress("sampler") and torch.equal(again, whole)


@pytest.mark.slow
def test_after_all_of_this_the_server_is_as_new(comfy, acting, wan_graph):
    """The same video twice, each time from the files on."""
    latents = []
    for _ in range(2):
        comfy.forget()
        job, latent = played(comfy, wan_graph, acting(clip="two.mp4", person=2))
        assert job.progress("sampler"), "taken from the cache"
        latents.append(latent)
    assert torch.equal(*latents)
