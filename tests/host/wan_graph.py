"""Jobs of core nodes alone, as API prompts, for tests to put the pack's nodes into.

graph = core_graph(tiny_models)
graph["cast"] = node("TroupeApplyCast", model=link("shift"), ...)
graph["sampler"]["inputs"]["model"] = link("cast")

``assert_refused`` is for jobs that have to fail.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path

# Which of the tiny models stands in for what a node loads.
STAND_INS = {
    ("UNETLoader", "unet_name"): "wan_i2v",
    ("CLIPLoader", "clip_name"): "clip_text",
    ("CLIPVisionLoader", "clip_name"): "clip_vision",
    ("VAELoader", "vae_name"): "vae",
    ("AudioEncoderLoader", "audio_encoder_name"): "audio_encoder",
    ("TroupeLoadWanPortraitModel", "model"): "wan_i2v",
    ("TroupeLoadWanPortraitModel", "adapter"): "portrait_flat",
    ("TroupeLoadWanPortraitModel", "speech_adapter"): "talking_flat",
    ("TroupeLoadExpressionEncoder", "encoder"): "portrait_flat",
}


def node(class_type: str, **inputs) -> dict:
    return {"class_type": class_type, "inputs": inputs}


def link(source: str, slot: int = 0) -> list:
    """The output ``slot`` of the node ``source``."""
    return [source, slot]


def core_graph(
    files: Mapping[str, Path],
    model: str = "wan_i2v",
    picture: str = "portrait.png",
    size: tuple[int, int] = (64, 64),
    length: int = 9,
    steps: int = 2,
    cfg: float = 5.0,
    seed: int = 1,
) -> dict[str, dict]:
    """A picture becomes a video with Wan 2.1, every node under a telling id.

    Args:
        files: Of the fixture ``tiny_models``.
        model: Which of them is the diffusion model.
        picture: In the server's input folder.
        size: Width and height, multiples of 16.
        length: Frames, 4k + 1.

    ``images`` saves the frames, ``latent`` the sampled latent (read it with ``read_latent``). Where to put nodes in:
    ``sampler`` takes its model from ``shift`` and its conditions from ``video`` (slots 0, 1; slot 2 is the latent).
    """
    width, height = size
    video = {"width": width, "height": height, "length": length, "batch_size": 1}
    sampling = {"seed": seed, "steps": steps, "cfg": cfg, "sampler_name": "euler", "scheduler": "simple"}
    return {
        "unet": node("UNETLoader", unet_name=files[model].name, weight_dtype="default"),
        "shift": node("ModelSamplingSD3", model=link("unet"), shift=5.0),
        "clip": node("CLIPLoader", clip_name=files["clip_text"].name, type="sd3"),
        "positive": node("CLIPTextEncode", clip=link("clip"), text="a woman smiles and turns her head"),
        "negative": node("CLIPTextEncode", clip=link("clip"), text="blurry"),
        "picture": node("LoadImage", image=picture),
        "vision_model": node("CLIPVisionLoader", clip_name=files["clip_vision"].name),
        "vision": node(
            "CLIPVisionEncode", clip_vision=link("vision_model"), image=link("picture"), crop="center"
        ),
        "vae": node("VAELoader", vae_name=files["vae"].name),
        "video": node(
            "WanImageToVideo",
            positive=link("positive"),
            negative=link("negative"),
            vae=link("vae"),
            clip_vision_output=link("vision"),
            start_image=link("picture"),
            **video,
        ),
        "sampler": node(
            "KSampler",
            model=link("shift"),
            positive=link("video", 0),
            negative=link("video", 1),
            latent_image=link("video", 2),
            denoise=1.0,
            **sampling,
        ),
        "decode": node("VAEDecode", samples=link("sampler"), vae=link("vae")),
        "images": node("SaveImage", images=link("decode"), filename_prefix="tiny/frame"),
        "latent": node("SaveLatent", samples=link("sampler"), filename_prefix="tiny/latent"),
    }


def audio_graph(files: Mapping[str, Path], sound: str = "speech.wav") -> dict[str, dict]:
    """A sound of the input folder through core's audio encoder; ``sink`` ends it."""
    return {
        "listener": node("AudioEncoderLoader", audio_encoder_name=files["audio_encoder"].name),
        "sound": node("LoadAudio", audio=sound),
        "heard": node("AudioEncoderEncode", audio_encoder=link("listener"), audio=link("sound")),
        "sink": node("TroupeTestSink", value=link("heard")),
    }


def shrink(
    graph: Mapping[str, dict],
    files: Mapping[str, Path],
    size: tuple[int, int] = (64, 64),
    length: int = 9,
    steps: int = 2,
) -> dict[str, dict]:
    """A copy of a workflow that runs on the tiny models, with few frames, pixels and steps.

    Links stay; ``none`` stays none. A picture's own shape rules over ``size``, which says how many pixels it may have.
    """
    graph = copy.deepcopy(dict(graph))
    small = {
        "TroupeFitPicture": {"width": size[0], "height": size[1], "length": length, "max_length": length},
        "WanImageToVideo": {"width": size[0], "height": size[1], "length": length},
        "TroupeFlowSigmas": {"steps": steps},
        "BasicScheduler": {"steps": steps},
        "KSampler": {"steps": steps},
        "CLIPLoader": {"type": "sd3"},  # the way to 4096 wide text without umt5-xxl
    }
    for each in graph.values():
        kind, inputs = each["class_type"], each["inputs"]
        for (loader, name), stand_in in STAND_INS.items():
            if kind == loader and inputs[name] != "none":
                inputs[name] = files[stand_in].name
        inputs |= {k: v for k, v in small.get(kind, {}).items() if not isinstance(inputs[k], list)}
    return graph


def read_latent(comfy, job):
    """What ``latent`` saved: float32 ``[1, 16, frames, height, width]``."""
    from safetensors.torch import load_file

    file = job.history["outputs"]["latent"]["latents"][0]
    return load_file(comfy.path_of(file))["latent_tensor"]


TIMELINE = {"timeline": "happy @0-0.4", "seconds": 0.0, "fps": 25.0, "idle": 0.0, "seed": 0}


def refusal(comfy, graph: dict, where: str, *words: str) -> str:
    """The message of the ``TroupeError`` with which the node ``where`` has to fail; it has to have these words.

    It is one line, what and why, then the remedy, without the paths of this machine.
    """
    job = comfy.run(graph)
    assert job.status == "error", job.status
    message = job.message
    assert job.error["node_id"] == where, f"node {job.error['node_id']} failed: {message}"
    assert job.error["exception_type"] == "troupe.TroupeError", message
    missing = [word for word in words if word not in message]
    assert not missing, f"no word of {missing}: {message}"
    assert ": " in message and ". " in message and message.endswith(".") and "\n" not in message, message
    assert str(comfy.base) not in message and len(message) < 500, message
    return message


def assert_refused(comfy, graph: dict, where: str, *words: str) -> str:
    """``refusal``, after which a small job succeeds."""
    message = refusal(comfy, graph, where, *words)
    good = {
        "motion": node("TroupeMotionFromTimeline", **TIMELINE),
        "end": node("TroupeTestSink", value=link("motion")),
    }
    assert comfy.run(good).status == "success"
    return message
