"""Whatever lies in the models folders: refused by name, with what is wrong and what to do, and never executed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.host


def node(class_type: str, **inputs) -> dict:
    return {"class_type": class_type, "inputs": inputs}


@pytest.fixture(scope="session")
def files(comfy, tiny_models, tiny_models_module) -> dict[str, Path]:
    """The tiny models and worse ones by name, all in the server's folders."""
    models, patches = comfy.base / "models" / "diffusion_models", comfy.base / "models" / "model_patches"
    tiny = tiny_models_module

    def small(channels: int, image: bool) -> dict:
        shapes = tiny.wan_shapes(1536, channels, image, layers=1)  # as wide as the 1.3B models
        return tiny.Fill(1, compact=True)(shapes)

    def saved(path: Path, content: object) -> Path:
        torch.save(content, path)
        return path

    surplus, nan = tiny.nested(tiny.portrait()), tiny.encoder()
    surplus["proj_model"]["surprise.weight"] = torch.zeros(3)
    nan["to_eye.0.weight"][3, 5] = float("nan")
    bad = {
        "wan_t2v_1.3B": saved(models / "wan_t2v_1.3B.pt", small(16, image=False)),
        "wan_i2v_1.3B": saved(models / "wan_i2v_1.3B.pt", small(36, image=True)),
        "bad_surplus_key": saved(patches / "bad_surplus_key.ckpt", surplus),
        "bad_encoder_nan": saved(patches / "bad_encoder_nan.pth", nan),
    }
    for place in (models, patches):
        for kind in ("safetensors", "pth"):
            bad[f"{place.name} empty {kind}"] = place / f"empty.{kind}"
            bad[f"{place.name} empty {kind}"].touch()
    bad["wan_code"] = Path(shutil.copy(tiny_models["bad_code"], models / "wan_code.ckpt"))
    for name, source in (("wan_cut", "wan_i2v"), ("bad_encoder_cut", "encoder")):
        whole = tiny_models[source]
        bad[name] = Path(shutil.copy(whole, whole.with_name(f"{name}{whole.suffix}")))
        os.truncate(bad[name], bad[name].stat().st_size // 2)
    return tiny_models | bad


PORTRAIT, ENCODER = "TroupeLoadPortraitAdapter", "TroupeLoadExpressionEncoder"
BOTH = "TroupeLoadWanPortraitModel"
REMEDY = "Wan 2.1 I2V 14B"
MODELS = {
    "wan_t2v": ("a Wan model of width 256", "reads 16 channels", "text-to-video", REMEDY),
    "wan_t2v_1.3B": ("a Wan model of width 1536", "reads 16 channels", "text-to-video", REMEDY),
    "wan_i2v_1.3B": ("'tiny_fantasyportrait_256.ckpt'", "width 256 with 2", "width 1536 and 1", REMEDY),
    "wan_i2v_384": ("'tiny_fantasyportrait_256.ckpt'", "width 256 with 2", "width 384 and 2", REMEDY),
}
ADAPTERS = {
    "portrait_384": ("'tiny_fantasyportrait_384.ckpt'", "width 384 with 2", "width 256 and 2", REMEDY),
    "encoder": ("'pd_fpg.pth' is no adapter", "headpose_embed", "FantasyPortrait", "Load Expression Encoder"),
    "bad_missing_key": (
        "'bad_missing_key.ckpt' does not fit",
        "missing: ip_adapter.blocks.1.cross_attn.processor.ip_adapter_single_stream_v_proj.weight",
        "right file",
    ),
    "bad_surplus_key": ("'bad_surplus_key.ckpt'", "unexpected: proj_model.surprise.weight", "right file"),
    "bad_nan": (
        "'bad_nan.ckpt' is damaged",
        "NaN or infinite values in ip_adapter.blocks.0.cross_attn.processor.ip_adapter_single_stream_k_proj",
        "Download it again",
    ),
    "bad_truncated": ("'bad_truncated.safetensors'", "damaged or incomplete", "Download it again"),
    "bad_code": ("'bad_code.ckpt' was refused", "could run code", "safetensors"),
    "model_patches empty safetensors": ("'empty.safetensors'", "incomplete", "Download it again"),
    "model_patches empty pth": ("'empty.pth'", "incomplete", "Download it again"),
}
ENCODERS = {
    "portrait": ("'tiny_fantasyportrait_256.ckpt' holds no expression encoder", "ip_adapter", "pd_fpg.pth"),
    "talking_flat": ("'tiny_fantasytalking_256.safetensors' holds no", "proj_model", "pd_fpg.pth"),
    "bad_encoder_nan": ("'bad_encoder_nan.pth'", "NaN or infinite values in to_eye.0.weight", "Download"),
    "bad_encoder_cut": ("'bad_encoder_cut.pth'", "damaged or incomplete", "Download it again"),
    "bad_code": ADAPTERS["bad_code"],
    "model_patches empty pth": ADAPTERS["model_patches empty pth"],
}
BROKEN_MODELS = {
    "wan_cut": ("'wan_cut.safetensors'", "download it again"),
    "wan_code": ("'wan_code.ckpt'", "could run code", "safetensors"),
    "diffusion_models empty safetensors": ("'empty.safetensors'", "download it again"),
    "diffusion_models empty pth": ("'empty.pth'", "download it again"),
}


def loading(files, model: str = "wan_i2v", adapter: str = "portrait", speech: str = "none") -> dict:
    """Everything by one node."""
    given = {"model": files[model].name, "adapter": files[adapter].name, "speech_adapter": speech}
    both = node(BOTH, **given, weight_dtype="default", memory=-1.0)
    return {"load": both, "end": node("TroupeTestSink", value=["load", 0])}


def adding(files, model: str = "wan_i2v", adapter: str = "portrait") -> dict:
    """The model by core's node, the adapter by ours."""
    return {
        "unet": node("UNETLoader", unet_name=files[model].name, weight_dtype="default"),
        "load": node(PORTRAIT, model=["unet", 0], adapter=files[adapter].name),
        "end": node("TroupeTestSink", value=["load", 0]),
    }


WAYS = {"one node": loading, "own node": adding}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("model", MODELS)
def test_other_models_are_refused_by_name(comfy, files, wan_graph, way, model):
    message = wan_graph.assert_refused(comfy, WAYS[way](files, model=model), "load", *MODELS[model])
    if "cannot take" in message:
        assert (f"model '{files[model].name}'" if way == "one node" else "input 'model'") in message


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("adapter", ADAPTERS)
def test_bad_adapters_are_refused_by_name(comfy, files, wan_graph, tiny_models_module, way, adapter):
    wan_graph.assert_refused(comfy, WAYS[way](files, adapter=adapter), "load", *ADAPTERS[adapter])
    assert not list(comfy.base.rglob("*.executed"))
    assert not tiny_models_module.trace_of(files[adapter].resolve()).exists(), "it was executed"


@pytest.mark.parametrize("file", ENCODERS)
def test_bad_encoders_are_refused_by_name(comfy, files, wan_graph, tiny_models_module, file):
    graph = {
        "load": node(ENCODER, encoder=files[file].name),
        "end": node("TroupeTestSink", value=["load", 0]),
    }
    wan_graph.assert_refused(comfy, graph, "load", *ENCODERS[file])
    assert not tiny_models_module.trace_of(files[file].resolve()).exists(), "it was executed"


@pytest.mark.parametrize("model", BROKEN_MODELS)
def test_broken_models_are_refused_by_name(comfy, files, wan_graph, tiny_models_module, model):
    wan_graph.assert_refused(comfy, loading(files, model=model), "load", *BROKEN_MODELS[model], REMEDY)
    code = files["bad_code"].resolve()
    assert not tiny_models_module.trace_of(code).exists(), "it was executed"


def test_two_adapters_of_one_kind_are_refused(comfy, files, wan_graph):
    """Neither silently takes the place of the other."""
    graph = loading(files, adapter="portrait")
    graph["load"]["inputs"]["speech_adapter"] = files["portrait_flat"].name
    wan_graph.assert_refused(
        comfy, graph, "load", "cannot be a second adapter", files["portrait"].name, "FantasyTalking"
    )
