"""Whatever a Champ workflow brings: errors that name the input, its value and a remedy, and a server that lives on."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

pytestmark = pytest.mark.host


def node(class_type: str, **inputs) -> dict:
    return {"class_type": class_type, "inputs": inputs}


@pytest.fixture
def spoilt(comfy, champ_models, champ_files):
    """A copy of the files in a folder of their own, and a job that loads it."""

    def make(name: str, spoil) -> dict:
        folder = comfy.base / "models" / "diffusion_models" / name
        shutil.copytree(champ_files / "diffusion_models" / champ_models.FOLDER, folder)
        spoil(folder)
        return {
            "load": node("TroupeLoadChamp", denoising_unet=f"{name}/denoising_unet.safetensors"),
            "end": node("TroupeTestSink", value=["load", 0]),
        }

    return make


def bare(job: dict) -> dict:
    """A job without maps, that nothing of it runs if the rest is refused."""
    return {key: each for key, each in job.items() if key not in ("maps", "move")}


def rewrite(path: Path, change) -> None:
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


def test_missing_parts_are_named(comfy, wan_graph, spoilt):
    def without(*names):
        return lambda folder: [p.unlink() for p in folder.iterdir() if p.stem in names]

    encoders = [f"guidance_encoder_{kind}" for kind in ("depth", "normal", "semantic_map", "dwpose")]
    for i, (gone, words) in enumerate(
        [
            (["motion_module"], ["motion_module.safetensors"]),
            (
                ["reference_unet", "motion_module"],
                ["motion_module.safetensors", "reference_unet.safetensors"],
            ),
            (encoders, ["guidance_encoder_depth"]),
        ]
    ):
        job = spoilt(f"lacks_{i}", without(*gone))
        wan_graph.assert_refused(comfy, job, "load", "not complete", *words)


def test_an_encoder_that_is_not_there_is_named_when_its_maps_come(comfy, champ_models, wan_graph, spoilt):
    load = spoilt("no_depth", lambda folder: (folder / "guidance_encoder_depth.pth").unlink())["load"]
    job = champ_models.graph() | {"load": load}
    wan_graph.assert_refused(comfy, job, "scene", "'depth'", "guidance_encoder_depth")
    assert comfy.run(champ_models.graph(kinds=["normal"]) | {"load": load}).status == "success"


def test_files_that_are_something_else(comfy, wan_graph, spoilt):
    key = "down_blocks.0.attentions.0.norm.weight"
    cases = {
        "key_gone": (lambda f: rewrite(f / "reference_unet.safetensors", lambda t: t.pop(key)), [key]),
        "key_new": (
            lambda f: rewrite(f / "denoising_unet.safetensors", lambda t: t.update(extra=torch.zeros(1))),
            ["extra"],
        ),
        "nan": (
            lambda f: rewrite(f / "reference_unet.safetensors", lambda t: t[key].fill_(torch.nan)),
            [key],
        ),
        "cut": (lambda f: os.truncate(f / "motion_module.safetensors", 1000), ["motion_module.safetensors"]),
        "swapped": (
            lambda f: (
                (f / "motion_module.safetensors").replace(f / "denoising_unet.safetensors")
                and shutil.copy(f / "denoising_unet.safetensors", f / "motion_module.safetensors")
            ),
            ["denoising_unet"],
        ),
    }
    for name, (spoil, words) in cases.items():
        wan_graph.assert_refused(comfy, spoilt(name, spoil), "load", *words)


def test_a_pickle_that_wants_to_run_code(comfy, tiny_models_module, wan_graph, spoilt):
    trace = comfy.base / "executed_by_champ"

    def spoil(folder):
        path = folder / "guidance_encoder_normal.pth"
        torch.save({"note": tiny_models_module.MakesFolder(trace)}, path)

    wan_graph.assert_refused(comfy, spoilt("code", spoil), "load", "guidance_encoder_normal.pth", "run code")
    assert not trace.exists(), "a pickle was executed"


def test_maps_that_do_not_fit_each_other(comfy, champ_models, wan_graph):
    for more, words in {
        ("length", 4): ("4 of 64 x 64", "10 of 64 x 64"),
        ("width", 72): ("10 of 72 x 64", "10 of 64 x 64"),
    }.items():
        job = champ_models.graph()
        job["others"] = node("TroupeBodyMaps", motion=["move", 0], **{**champ_models.PARTS, more[0]: more[1]})
        job["scene"]["inputs"]["skeleton"] = ["others", 3]
        wan_graph.assert_refused(comfy, job, "scene", "'skeleton'", "'depth'", *words)


def test_no_maps_and_broken_ones(comfy, champ_models, wan_graph):
    wan_graph.assert_refused(comfy, champ_models.graph(kinds=[]), "scene", "no guidance maps", "skeleton")
    for kind, words in {"nan": ("'depth'", "NaN"), "no_frames": ("'depth'", "no pixels")}.items():
        job = champ_models.graph(kinds=["depth"])
        job["broken"] = node("TroupeTestImage", kind=kind)
        job["scene"]["inputs"]["depth"] = ["broken", 0]
        wan_graph.assert_refused(comfy, job, "scene", *words)


def test_windows_that_do_not_get_on(comfy, champ_models, wan_graph):
    for plan in ({"window": 4, "overlap": 4}, {"window": 2, "overlap": 9, "ends": "loop"}):
        words = (f"Windows of {plan['window']} frames", f"overlap by {plan['overlap']}")
        wan_graph.assert_refused(comfy, champ_models.graph(plan=plan), "scene", *words)
    for plan in ({"window": 0}, {"window": 33}, {"overlap": -1}, {"ends": "round"}):
        status, reply = comfy.submit(bare(champ_models.graph(kinds=[], plan=plan)))
        assert status == 400 and "scene" in reply["node_errors"], plan


def test_another_clip_encoder_or_several_pictures(comfy, champ_models, wan_graph):
    for inputs, words in {
        (1024, 1): ("clip_vision_output", "1024 wide", "768"),
        (768, 2): ("clip_vision_output", "2 pictures"),
    }.items():
        job = champ_models.graph()
        job["vision"]["inputs"] = dict(zip(("width", "pictures"), inputs))
        wan_graph.assert_refused(comfy, job, "scene", *words)
    job = champ_models.graph()
    job["picture"] = node("TroupeTestImage", kind="clip")
    wan_graph.assert_refused(comfy, job, "scene", "'image'", "3 pictures")


def test_a_vae_of_another_model(comfy, champ_models, tiny_models, wan_graph):
    job = champ_models.graph()
    job["vae"]["inputs"]["vae_name"] = tiny_models["vae"].name
    wan_graph.assert_refused(comfy, job, "scene", "input 'vae'", "16 channels", "Stable Diffusion 1.5")


def test_a_latent_or_conditioning_from_elsewhere(comfy, champ_models, wan_graph):
    job = champ_models.graph()
    job["empty"] = node("EmptyLatentImage", width=64, height=64, batch_size=3)
    job["sampler"]["inputs"]["latent_image"] = ["empty", 0]
    wan_graph.assert_refused(comfy, job, "sampler", "3 frames of 64 x 64", "10 frames")
    job = champ_models.graph()
    job["sampler"]["inputs"] |= {"positive": ["stranger", 0], "negative": ["stranger", 0]}
    job["stranger"] = node("TroupeTestConditioning")
    wan_graph.assert_refused(comfy, job, "sampler", "does not know what to show", "Champ Conditioning")


def test_a_control_net_is_refused_not_ignored(comfy, champ_models, wan_graph):
    job = champ_models.graph()
    job["control"] = node("TroupeTestControl", conditioning=["scene", 0])
    job["sampler"]["inputs"]["positive"] = ["control", 0]
    wan_graph.assert_refused(comfy, job, "sampler", "ControlNet", "Champ Conditioning")


def test_paths_out_of_the_folders(comfy, champ_models):
    for name in ("../../denoising_unet.safetensors", "/etc/denoising_unet", "denoising_unet"):
        job = bare(champ_models.graph(kinds=[]))
        job["load"]["inputs"]["denoising_unet"] = name
        status, reply = comfy.submit(job)
        assert status == 400 and "load" in reply["node_errors"], name


@pytest.mark.parametrize("where", ("sampler", "scene"))
def test_out_of_memory_says_what_helps(comfy, champ_models, wan_graph, where):
    """There is no GPU in tests: the networks fail as they would on one."""
    job = champ_models.graph()
    job["weak"] = node("TroupeTestChampOutOfMemory", model=["load", 0], champ=["load", 1], where=where)
    job["sampler"]["inputs"]["model"] = ["weak", 0]
    job["scene"]["inputs"]["champ"] = ["weak", 1]
    wan_graph.assert_refused(comfy, job, where, "memory of the GPU", "10 frames of 64 x 64", "smaller size")
    assert comfy.run(champ_models.graph()).status == "success"
