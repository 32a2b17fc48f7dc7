"""Whatever is wrong with Hallo's files, sounds, faces, drives or memory is said with a remedy, and the server works on."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytestmark = pytest.mark.host

SHORT = {"clip_frames": 4, "seconds": 0.16, "steps": 1}


def refused(
    comfy, wan_graph, hallo_tools, listener, change: dict, where: str, *words: str, **settings
) -> None:
    """The job with these nodes in the place of its own fails at ``where`` with these words."""
    graph = hallo_tools.graph(listener, **{**SHORT, **settings})
    wan_graph.assert_refused(comfy, {**graph, **change}, where, *words)


# --- files ---


@pytest.mark.parametrize(
    ("file", "words"),
    {
        "lacks": ["audioproj", "norm.weight is missing"],
        "lacks_deep": [
            "bad_hallo_lacks_deep.safetensors: denoising_unet",
            "mid_block.resnets.0.conv1.weight",
        ],
        "too_much": ["denoising_unet", "stray"],
        "code": ["bad_hallo.pth", "could run code"],
    }.items(),
)
def test_other_files_are_no_hallo(comfy, wan_graph, hallo_tools, listener, file, words):
    load = hallo_tools.node("TroupeLoadHallo", checkpoint=hallo_tools.BAD[file])
    refused(comfy, wan_graph, hallo_tools, listener, {"load": load}, "load", *words)
    assert not (comfy.base / "models" / "model_patches" / "executed").exists()


def test_another_model_is_no_hallo(comfy, wan_graph, tiny_models, hallo_tools, listener):
    load = hallo_tools.node("TroupeLoadHallo", checkpoint=tiny_models["portrait"].name)
    words = tiny_models["portrait"].name, "not Hallo's", "missing parts: reference_unet"
    refused(comfy, wan_graph, hallo_tools, listener, {"load": load}, "load", *words)


def test_parts_of_two_files_do_not_mix(comfy, wan_graph, tiny_models, hallo_tools, listener):
    node, where = hallo_tools.node, ("render", "'model' and 'hallo' do not belong together", "tiny_hallo")
    two = {"other": node("TroupeLoadHallo", checkpoint=hallo_tools.OTHER)}
    two["render"] = hallo_tools.render(**SHORT, model=["other", 0])
    refused(comfy, wan_graph, hallo_tools, listener, two, *where, "Hallo of another file")
    wan = {"other": node("UNETLoader", unet_name=tiny_models["wan_i2v"].name, weight_dtype="default")}
    wan["render"] = hallo_tools.render(**SHORT, model=["other", 0])
    refused(comfy, wan_graph, hallo_tools, listener, wan, *where, "WAN21")


def test_a_vae_of_another_model(comfy, wan_graph, tiny_models, hallo_tools, listener):
    vae = {"vae": hallo_tools.node("VAELoader", vae_name=tiny_models["vae"].name)}
    words = "render", "input 'vae'", "16 channels", "Stable Diffusion 1.5"
    refused(comfy, wan_graph, hallo_tools, listener, vae, *words)


def test_face_encoders_that_are_none(comfy, wan_graph, hallo_tools, listener):
    def who(encoder: str) -> dict:
        node = hallo_tools.node(
            "TroupeEncodeIdentity", encoder=encoder, image=["picture", 0], faces=["faces", 0]
        )
        return {"who": node, "render": hallo_tools.render(**SHORT, identity=["who", 0])}

    run = (comfy, wan_graph, hallo_tools, listener)
    refused(*run, who(hallo_tools.DETECTOR), "who", "det.onnx", "[1, 4, 7, 7]", "AuraFace")
    refused(*run, who(hallo_tools.SMALL), "render", "tiny_arcface_64.onnx", "64 values, Hallo reads 512")
    status, reply = comfy.submit({**hallo_tools.graph(listener), **who("../../secret.onnx")})
    assert status != 200 or "who" in json.dumps(reply["node_errors"])


# --- sound ---


@pytest.mark.parametrize(
    ("sound", "said"),
    {
        "stereo": "",
        "phone": "",
        "clipped": "The sound is clipped",
        "silent": "The sound is silent",
        "click": "The sound lasts only 0.013 s",
    }.items(),
)
def test_any_recording_is_heard(comfy, hallo_tools, listener, sound, said):
    job = comfy.run(hallo_tools.graph(listener, sound=f"{sound}.wav", clip_frames=4, steps=1))
    assert job.status == "success", job.message
    frames, report = hallo_tools.read_frames(comfy, job), hallo_tools.report(job)
    assert len(frames) == {"silent": 12, "click": 1}.get(sound, 15)
    assert said in report and ("The sound" in report) == bool(said), report
    assert np.ptp(frames.astype(int), axis=(1, 2, 3)).min() > 50


@pytest.mark.parametrize("kind", ["empty", "nan", "two", "flat"])
def test_what_is_no_recording(comfy, wan_graph, hallo_tools, listener, kind):
    sound = {"sound": hallo_tools.node("TroupeTestSound", kind=kind)}
    refused(comfy, wan_graph, hallo_tools, listener, sound, "speech", "input 'audio' cannot be used")


# --- faces and drives ---


def test_pictures_without_the_face(comfy, wan_graph, hallo_tools, listener):
    run, node = (comfy, wan_graph, hallo_tools, listener), hallo_tools.node
    grey = node("TroupeTestImage", kind="grey")
    found_here = {**hallo_tools.graph(listener, **SHORT), "picture": grey}
    del found_here["faces"], found_here["render"]["inputs"]["faces"]
    wan_graph.assert_refused(comfy, found_here, "render", "No face found in image")
    refused(*run, {"role": hallo_tools.role(2)}, "render", "Face 2 does not exist", "one face was found")
    refused(
        *run,
        {"render": hallo_tools.render(**SHORT, image=["grey", 0]), "grey": grey},
        "render",
        "another picture",
    )
    clip = {
        "render": hallo_tools.render(**SHORT, image=["clip", 0]),
        "clip": node("TroupeTestImage", kind="clip"),
    }
    refused(*run, clip, "render", "'image' holds 3 pictures")


def test_drives_that_are_no_speech_for_hallo(comfy, wan_graph, hallo_tools, listener):
    run = (comfy, wan_graph, hallo_tools, listener)
    speech = hallo_tools.graph(listener)["speech"]
    del speech["inputs"]["reader"]  # as in a workflow from before there was a choice
    refused(*run, {"speech": speech}, "render", "encoded for FantasyTalking", "reader of Encode Speech")
    motion = hallo_tools.node("TroupeMotionFromTimeline", **wan_graph.TIMELINE)
    role = {"role": hallo_tools.role(drive=["motion", 0]), "motion": motion}
    refused(*run, role, "render", "it is a motion, Hallo follows speech", "Encode Speech")
    body = {"move": hallo_tools.node("TroupeBodyMove", move="wave", seconds=1.0, fps=25.0)}
    body["role"] = hallo_tools.role(drive=["move", 0])
    refused(*run, body, "render", "it is a body", "Hallo follows speech")
    refused(*run, {"role": hallo_tools.role(strength=0.0)}, "render", "Nobody speaks")


def test_schedules_without_a_step(comfy, wan_graph, hallo_tools, listener):
    graph = hallo_tools.graph(listener, **SHORT)
    graph["sigmas"] = hallo_tools.node(
        "BasicScheduler", model=["load", 0], scheduler="sgm_uniform", steps=2, denoise=0.0
    )
    graph["render"]["inputs"]["sigmas"] = ["sigmas", 0]
    wan_graph.assert_refused(comfy, graph, "render", "'sigmas' is no schedule", "no step")


@pytest.mark.parametrize(
    "change", [{"clip_frames": 0}, {"clip_frames": 31}, {"size": 0}, {"size": 2048}, {"steps": 0}]
)
def test_numbers_out_of_range_do_not_start(comfy, hallo_tools, listener, change):
    """Zero clips among them: motion modules know 32 frames, two of them of the clip before."""
    graph = hallo_tools.graph(listener, **{**SHORT, **change})
    job = comfy.run(graph)  # Detect Faces, which shows something too, runs
    assert job.status == "success" and not {"render", "frames"} & set(job.history["outputs"])
    _, reply = comfy.submit(graph)
    errors = reply["node_errors"]["render"]["errors"]
    assert [e["extra_info"]["input_name"] for e in errors] == list(change)


# --- memory ---


def test_more_frames_than_fit(comfy, wan_graph, hallo_tools, listener):
    settings = {"seconds": 600.0, "image": ["wide", 0]}
    wide = {"wide": hallo_tools.node("ImageScale", image=["picture", 0], upscale_method="nearest-exact", width=8000,
                                     height=8000, crop="disabled")}  # fmt: skip
    graph = {**hallo_tools.graph(listener, **settings), **wide}
    graph["faces"]["inputs"]["image"] = ["wide", 0]
    wan_graph.assert_refused(
        comfy, graph, "render", "15000 frames of 8000 x 8000 do not fit", "fewer seconds"
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["allocator", "cuda"])
def test_out_of_memory_is_advised_on_and_leaves_nothing(comfy, wan_graph, hallo_tools, listener, kind):
    good = hallo_tools.graph(listener, clip_frames=4, seconds=0.3, seed=len(kind))
    job = comfy.run(good)
    assert job.status == "success", job.message
    whole, before = hallo_tools.read_frames(comfy, job), comfy.json("/troupe_test/held")
    assert "RefnetModel" in before["loaded"]
    bad = {**good, "full": hallo_tools.node("TroupeTestOutOfMemory", model=["load", 0], call=3, kind=kind)}
    bad["render"] = hallo_tools.render(clip_frames=4, seconds=0.3, seed=len(kind), model=["full", 0])
    words = "memory of the GPU is not enough", "4 frames of 64 x 64", "smaller size", "'clip_frames'"
    wan_graph.refusal(comfy, bad, "render", *words)
    held = comfy.json("/troupe_test/held")
    assert "RefnetModel" not in held["loaded"] and held["bytes"] <= before["bytes"] + 2**20, (held, before)
    comfy.forget()
    assert np.array_equal(hallo_tools.read_frames(comfy, comfy.run(good)), whole)
