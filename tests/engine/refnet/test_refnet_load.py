"""The published checkpoints: every key of the full-size lists has its place, and what does not fit is named."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from troupe.engine.checkpoint import subset
from troupe.engine.errors import TroupeError
from troupe.engine.refnet.config import CHAMP, HALLO, UNetConfig
from troupe.engine.refnet.load import (
    CHAMP_GUIDANCE,
    CHAMP_UNETS,
    champ_files,
    champ_nets,
    denoising_unet,
    hallo_nets,
    load_champ,
    load_hallo,
    reference_net,
)
from troupe.engine.refnet.motion import sinusoid
from troupe.engine.refnet.reference import ReferenceNet
from troupe.engine.refnet.unet import DenoisingUNet

TINY = UNetConfig((32, 32), layers=1, cross_dim=8, groups=16)
TINY_HALLO = replace(TINY, audio=6, motion_frames=2, motion_everywhere=False)
PE = "pos_encoder.pe"


def weightless(shapes: dict[str, list[int]]) -> dict[str, torch.Tensor]:
    """Tensors of these shapes that take no memory: one zero each, seen from everywhere."""
    return {
        name: sinusoid(shape[1], shape[2])[None] if name.endswith(PE) else torch.zeros(()).expand(shape)
        for name, shape in shapes.items()
    }


def full_keys(path) -> dict:
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    return json.loads(gzip.decompress(path.read_bytes()))


def values(net: torch.nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def held(tensors: dict[str, torch.Tensor], *without: str) -> int:
    return sum(t.numel() for k, t in tensors.items() if not k.endswith(PE) and not k.startswith(without))


@pytest.fixture
def hallo_tensors() -> dict[str, torch.Tensor]:
    """A small file of Hallo's layout, with tables of positions and the motion modules that are never applied."""
    torch.manual_seed(0)
    everywhere = DenoisingUNet(replace(TINY_HALLO, motion_everywhere=True)).state_dict()
    tensors = {f"denoising_unet.{k}": t for k, t in everywhere.items()}
    for name in [k for k in tensors if k.endswith("attention_blocks.0.to_q.weight")]:
        tensors[name.replace("to_q.weight", PE)] = sinusoid(32, tensors[name].shape[0])[None]
    tensors |= {f"reference_unet.{k}": t for k, t in ReferenceNet(TINY).state_dict().items()}
    small = ("face_locator.conv_in.bias", "imageproj.norm.bias", "audioproj.norm.bias")
    return tensors | {name: torch.ones(2) for name in small}


@pytest.fixture
def champ_parts() -> dict[str, dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    tensors = DenoisingUNet(TINY).state_dict()
    motion = {k: t for k, t in tensors.items() if "motion_module" in k}
    spatial = {k: t for k, t in tensors.items() if k not in motion}
    parts = {
        "denoising_unet": spatial,
        "motion_module": motion,
        "reference_unet": ReferenceNet(TINY).state_dict(),
    }
    return parts | {"guidance_encoder_depth": {"conv_in.bias": torch.ones(2)}}


@pytest.fixture
def unread(monkeypatch):
    """Two thousand million zeros are not looked at one by one."""
    monkeypatch.setattr(torch, "isfinite", lambda t: torch.ones((), dtype=torch.bool))


@pytest.mark.slow
@pytest.mark.golden
def test_hallo_full_size(hallo_folder, unread):
    keys = full_keys(hallo_folder / "net.keys.json.gz")
    tensors = weightless(keys)
    nets = hallo_nets(tensors, "net.pth")
    assert nets.denoising.config == HALLO
    idle = ("down_blocks.3.motion_modules.", "up_blocks.0.motion_modules.")
    assert values(nets.denoising) == held(subset(tensors, "denoising_unet."), *idle)
    assert values(nets.reference) == held(subset(tensors, "reference_unet."))
    small = {f"{part}.{k}" for part, held_by in nets.small.items() for k in held_by}
    assert len(small) == 28
    assert {k for k in keys if k.partition(".")[0] in nets.small} == small
    # A missing key is named.
    for load, part, name in (
        (reference_net, "reference_unet.", "conv_in.bias"),
        (denoising_unet, "denoising_unet.", "mid_block.audio_modules.0.proj_in.bias"),
    ):
        with pytest.raises(TroupeError, match=f"missing: {name}"):
            load({k: t for k, t in subset(tensors, part).items() if k != name}, "net.pth")


@pytest.mark.slow
@pytest.mark.golden
def test_champ_full_size(champ_folder, unread):
    files = full_keys(champ_folder / "checkpoints.keys.json.gz")
    parts = {file.removesuffix(".pth"): weightless(keys) for file, keys in files.items()}
    nets = champ_nets(parts)
    assert nets.denoising.config == CHAMP
    assert values(nets.denoising) == held(parts["denoising_unet"]) + held(parts["motion_module"])
    assert values(nets.reference) == held(parts["reference_unet"])
    assert set(nets.guidance) == set(CHAMP_GUIDANCE)


@pytest.mark.golden
def test_hallo_motion_modules_of_animatediff(hallo_folder):
    """AnimateDiff's file, which training began with, has the motion modules' keys."""
    keys = full_keys(hallo_folder / "motion_module_base.keys.json.gz")
    with torch.device("meta"):
        net = DenoisingUNet(CHAMP)
    ours = {k: list(t.shape) for k, t in net.state_dict().items() if "motion_modules" in k}
    assert ours == {k: shape for k, shape in keys.items() if not k.endswith(PE)}


@pytest.mark.golden
def test_spatial_keys_are_those_of_sd15(hallo_folder):
    keys = full_keys(hallo_folder / "sd15_unet.keys.json.gz")
    with torch.device("meta"):
        denoising, reference = DenoisingUNet(CHAMP), ReferenceNet(CHAMP)
    ours = {k: list(t.shape) for k, t in denoising.state_dict().items() if "motion_modules" not in k}
    assert ours == keys
    ours = {k: list(t.shape) for k, t in reference.state_dict().items()}
    assert ours == {k: s for k, s in keys.items() if not k.startswith(("conv_out.", "conv_norm_out."))}


@pytest.mark.parametrize("config", [HALLO, CHAMP, TINY, TINY_HALLO])
def test_sizes_are_read_from_the_keys(config):
    with torch.device("meta"):
        tensors = DenoisingUNet(config).state_dict()
    assert UNetConfig.from_keys(tensors) == config


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("ending", [".safetensors", ".pth"])
def test_hallo_from_a_file(tmp_path, hallo_tensors, ending, dtype):
    path = tmp_path / f"net{ending}"
    if ending == ".pth":
        torch.save(hallo_tensors, path)
    else:
        save_file(hallo_tensors, path)
    nets = load_hallo(path, dtype)
    assert nets.denoising.config == TINY_HALLO
    for part, net in (("denoising_unet", nets.denoising), ("reference_unet", nets.reference)):
        assert not net.training
        for name, value in net.state_dict().items():
            assert torch.equal(value, hallo_tensors[f"{part}.{name}"].to(dtype))
    assert nets.small["imageproj"]["norm.bias"].tolist() == [1, 1]


def test_champ_from_a_folder(tmp_path, champ_parts):
    for part, tensors in champ_parts.items():
        torch.save(tensors, tmp_path / f"{part}.pth")
    save_file(champ_parts["reference_unet"], tmp_path / "reference_unet.safetensors")
    files = champ_files(tmp_path)
    assert set(files) == set(champ_parts)
    assert files["reference_unet"].suffix == ".safetensors"
    nets = load_champ(files)
    assert nets.denoising.config == TINY
    assert list(nets.guidance) == ["depth"]
    assert torch.equal(nets.reference.conv_in.weight, champ_parts["reference_unet"]["conv_in.weight"])


@pytest.mark.parametrize("part", CHAMP_UNETS)
def test_a_missing_part_of_champ_is_named(champ_parts, part):
    del champ_parts[part]
    with pytest.raises(TroupeError, match=rf"missing: {part}\."):
        load_champ({name: f"{name}.pth" for name in champ_parts})
    with pytest.raises(TroupeError, match=rf"missing: {part}\."):
        champ_nets(champ_parts)


def test_an_unknown_part_of_champ_is_named(champ_parts):
    with pytest.raises(TroupeError, match="guidance_encoder_flow"):
        champ_nets(champ_parts | {"guidance_encoder_flow": {}})


def test_motion_modules_in_the_denoising_file_are_the_later_ones(champ_parts):
    name = next(k for k in champ_parts["motion_module"] if k.endswith("proj_out.bias"))
    champ_parts["denoising_unet"][name] = champ_parts["motion_module"][name] + 1
    net = champ_nets(champ_parts).denoising
    assert torch.equal(net.get_parameter(name), champ_parts["denoising_unet"][name])


def test_a_reference_net_may_keep_the_end_of_the_unet_it_began_as(champ_parts):
    ends = {"conv_norm_out.weight": torch.ones(32), "conv_out.bias": torch.ones(4)}
    reference_net(champ_parts["reference_unet"] | ends, "r")
    with pytest.raises(TroupeError, match="class_embedding"):
        reference_net(champ_parts["reference_unet"] | {"class_embedding.weight": torch.ones(2, 2)}, "r")


@pytest.mark.parametrize(
    "part", ["face_locator", "imageproj", "audioproj", "denoising_unet", "reference_unet"]
)
def test_a_missing_part_of_hallo_is_named(hallo_tensors, part):
    with pytest.raises(TroupeError, match=f"missing parts: {part}"):
        hallo_nets({k: t for k, t in hallo_tensors.items() if not k.startswith(part)}, "net.pth")


def test_what_is_too_much_is_named(hallo_tensors):
    with pytest.raises(TroupeError, match="unexpected: epoch.counter"):
        hallo_nets(hallo_tensors | {"epoch.counter": torch.ones(1)}, "net.pth")
    with pytest.raises(TroupeError, match="unexpected: extra.bias"):
        hallo_nets(hallo_tensors | {"denoising_unet.extra.bias": torch.ones(1)}, "net.pth")


def test_champs_net_is_not_taken_for_hallos(hallo_tensors):
    deaf = {k: t for k, t in hallo_tensors.items() if "audio_modules" not in k}
    with pytest.raises(TroupeError, match="no audio_modules"):
        hallo_nets(deaf, "net.pth")


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t * 2,
        lambda t: torch.cat([t, t], 1),
        lambda t: t[0],
        lambda t: t[:, :0],
        lambda t: t[..., :5],
    ],
)
def test_other_positions_are_refused(hallo_tensors, change):
    tensors = subset(hallo_tensors, "denoising_unet.")
    name = next(k for k in tensors if k.endswith(PE))
    denoising_unet(tensors, "ours")
    denoising_unet(tensors | {name: tensors[name].half()}, "in half precision")
    denoising_unet(tensors | {name: tensors[name][:, :24]}, "shorter")
    with pytest.raises(TroupeError, match=PE):
        denoising_unet(tensors | {name: change(tensors[name])}, "others")


@pytest.mark.parametrize("tensors", [{}, {"conv_in.weight": torch.ones(4, 4, 3, 3)}])
def test_a_file_of_another_kind(tensors):
    with pytest.raises(TroupeError, match="holds no U-Net of Stable Diffusion 1.5.*down_blocks.0.resnets.0"):
        denoising_unet(tensors, "lora.safetensors")
