"""The small random models that the tests of the Wan nodes stand on: written alike each time, taken by core's own
loaders, and with sound numbers all the way to the frames."""

from __future__ import annotations

import json
import pickletools
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

pytestmark = pytest.mark.host
WORKFLOWS = Path(__file__).resolve().parents[2] / "example_workflows" / "api"
LOADED = re.compile(r"\.(safetensors|ckpt|pth?)$")
STEPS = 2


def load(path) -> dict[str, torch.Tensor]:
    """Flat tensors of a good file."""
    if path.suffix == ".safetensors":
        return load_file(path)
    content = torch.load(path, weights_only=True)
    flat = {}
    for key, value in content.items():
        flat |= {f"{key}.{k}": v for k, v in value.items()} if isinstance(value, dict) else {key: value}
    return flat


def frames_of(comfy, job) -> np.ndarray:
    from PIL import Image

    return np.stack([np.asarray(Image.open(comfy.path_of(f))) for f in job.files("images")])


# --- the files ---


def test_same_bytes_each_time(tiny_models_module, tmp_path):
    names = [n for n in tiny_models_module.FILES if n not in ("portrait_flat", "bad_code")]
    one, other = (tiny_models_module.write_all(tmp_path / place, names) for place in "ab")
    for name in names:
        assert one[name].read_bytes() == other[name].read_bytes(), name


def test_only_what_was_asked_for(tiny_models_module, tmp_path):
    files = tiny_models_module.write_all(tmp_path, ["vae", "talking"])
    assert sorted(files) == ["talking", "vae"]
    assert {p for p in tmp_path.rglob("*") if p.is_file()} == set(files.values())


def test_values_are_finite_and_moderate(tiny_models_module, tiny_model_files):
    for name in (n for n in tiny_models_module.FILES if not n.startswith("bad_")):
        for key, tensor in load(tiny_model_files[name]).items():
            values = tensor[:64].float() if tensor.ndim else tensor.float()
            assert torch.isfinite(values).all() and values.abs().max() < 10, (name, key)
            vector = tensor.numel() == max(tensor.shape, default=1)  # norms and biases may be all alike
            assert vector or values.std() > 1e-3, (name, key)


def test_both_spellings_hold_the_same_adapter(tiny_model_files):
    official, flat = load(tiny_model_files["portrait"]), load(tiny_model_files["portrait_flat"])
    respelled = {k.replace(".processor", ""): v for k, v in official.items()}
    extra = flat.keys() - respelled.keys()
    assert respelled.keys() <= flat.keys() and all(k.startswith("pd_fpg.") for k in extra)
    assert {k.removeprefix("pd_fpg.") for k in extra} == load(tiny_model_files["encoder"]).keys()
    for key, tensor in respelled.items():
        assert torch.equal(tensor, flat[key]), key
    official, flat = load(tiny_model_files["talking"]), load(tiny_model_files["talking_flat"])
    respelled = {k.removeprefix("audio_processor.").replace(".processor", ""): v for k, v in official.items()}
    assert respelled.keys() == flat.keys() and all(torch.equal(v, flat[k]) for k, v in respelled.items())


def test_the_bad_files_are_bad(tiny_models_module, tiny_model_files):
    good = load(tiny_model_files["portrait"])
    gone = good.keys() - load(tiny_model_files["bad_missing_key"]).keys()
    assert gone == {"ip_adapter.blocks.1.cross_attn.processor.ip_adapter_single_stream_v_proj.weight"}
    broken = {k for k, v in load(tiny_model_files["bad_nan"]).items() if not torch.isfinite(v).all()}
    assert broken == {"ip_adapter.blocks.0.cross_attn.processor.ip_adapter_single_stream_k_proj.weight"}
    with pytest.raises(SafetensorError), safe_open(tiny_model_files["bad_truncated"], "pt"):
        pass
    with pytest.raises(Exception, match=r"mkdir|weights_only|Unsupported"):
        torch.load(tiny_model_files["bad_code"], weights_only=True)
    assert not tiny_models_module.trace_of(tiny_model_files["bad_code"]).exists()
    with zipfile.ZipFile(tiny_model_files["bad_code"]) as archive:
        pickle = archive.read(next(n for n in archive.namelist() if n.endswith("data.pkl")))
    assert any(arg and "mkdir" in str(arg) for _, arg, _ in pickletools.genops(pickle)), "it holds no code"


@pytest.mark.parametrize("workflow", sorted(WORKFLOWS.glob("wan_*.json")), ids=lambda p: p.stem)
def test_a_shrunk_workflow_wants_the_tiny_models_alone(tiny_model_files, wan_graph, workflow):
    whole = json.loads(workflow.read_text())
    small = wan_graph.shrink(whole, tiny_model_files)
    assert whole == json.loads(workflow.read_text()), "the workflow given was changed"
    names = {p.name for p in tiny_model_files.values()}
    wanted = {
        v for n in small.values() for v in n["inputs"].values() if isinstance(v, str) and LOADED.search(v)
    }
    assert wanted and wanted <= names
    for key, each in whole.items():
        links = {name: value for name, value in each["inputs"].items() if isinstance(value, list)}
        assert links.items() <= small[key]["inputs"].items()
    values = [v for n in small.values() for k, v in n["inputs"].items() if k in ("steps", "max_length")]
    assert max(v for v in values if not isinstance(v, list)) <= 9


# --- in the server ---


def test_core_workflow_runs_again_and_again(comfy, tiny_models, wan_graph):
    """Twice with other noise, then as at first: progress each time, frames of the right size, the same numbers."""
    latents, pictures = [], []
    for seed in (1, 2, 1):
        job = comfy.run(wan_graph.core_graph(tiny_models, seed=seed, steps=STEPS))
        assert job.status == "success", job.events[-1]
        assert job.progress("sampler")[-1] == STEPS and job.previews >= STEPS
        latents.append(wan_graph.read_latent(comfy, job))
        pictures.append(frames_of(comfy, job))
    for latent, frames in zip(latents, pictures):
        assert latent.shape == (1, 16, 3, 8, 8) and frames.shape == (9, 64, 64, 3)
        assert torch.isfinite(latent).all() and 0.3 < latent.std() < 8
        assert frames.std() > 2, "nothing to see"
    assert (latents[0] - latents[1]).abs().max() > 0.1
    assert torch.equal(latents[0], latents[2]) and (pictures[0] == pictures[2]).all()


@pytest.mark.parametrize("change", ["positive", "picture", "vision"])
def test_each_condition_acts(comfy, tiny_models, wan_graph, change):
    """What the prompt, the first frame and the image encoder say reaches the latent: none of these is dead."""
    graph = wan_graph.core_graph(tiny_models)
    before = wan_graph.read_latent(comfy, comfy.run(graph))
    if change == "positive":
        graph["positive"]["inputs"]["text"] = "a man frowns at the rain"
    else:
        graph["other"] = wan_graph.node("ImageInvert", image=wan_graph.link("picture"))
        target, name = ("video", "start_image") if change == "picture" else ("vision", "image")
        graph[target]["inputs"][name] = wan_graph.link("other")
    after = wan_graph.read_latent(comfy, comfy.run(graph))
    assert (after - before).abs().max() > 0.02


@pytest.mark.parametrize("model", ["wan_t2v", "wan_i2v_384"])
def test_the_models_to_refuse_are_sound_models(comfy, tiny_models, wan_graph, model):
    job = comfy.run(wan_graph.core_graph(tiny_models, model=model))
    assert job.status == "success", job.events[-1]
    latent = wan_graph.read_latent(comfy, job)
    assert torch.isfinite(latent).all() and 0.3 < latent.std() < 8


def test_core_audio_encoder_listens(comfy, tiny_models, wan_graph):
    """Every weight found its place: ``masked_spec_embed`` is missing and ``lm_head`` spare in the released file too."""
    start = len(comfy.log)
    job = comfy.run(wan_graph.audio_graph(tiny_models))
    assert job.status == "success", job.events[-1]
    said = [line for line in comfy.log[start:].splitlines() if "audio encoder" in line]
    assert len(said) == 2, said
    assert said[0].endswith("missing audio encoder: ['masked_spec_embed']")
    assert said[1].endswith("unexpected audio encoder: ['lm_head.weight', 'lm_head.bias']")


def test_adapters_are_listed_where_the_nodes_look(comfy, tiny_models, tiny_models_module):
    folders = {place.split("/")[0] for place in tiny_models_module.FILES.values()}
    for folder in folders:
        listed = set(comfy.json(f"/models/{folder}"))
        assert {p.name for p in tiny_models.values() if p.parent.name == folder} <= listed
