"""The published checkpoints of Hallo and Champ, every key accounted for.

nets = load_hallo("net.pth")                    # everything that is in it
nets = load_champ(champ_files("models/champ"))  # the parts of a folder
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ..checkpoint import PICKLES, listed, load_checkpoint, load_strict, subset
from ..errors import TroupeError
from .config import MAX_FRAMES, UNetConfig
from .motion import sinusoid
from .reference import ReferenceNet
from .unet import DenoisingUNet

HALLO_PARTS = ("reference_unet", "denoising_unet", "face_locator", "imageproj", "audioproj")
CHAMP_UNETS = ("denoising_unet", "motion_module", "reference_unet")
CHAMP_GUIDANCE = ("depth", "normal", "semantic_map", "dwpose")
PE = "pos_encoder.pe"
PE_TOLERANCE = 1e-2  # float16 and bfloat16 files


@dataclass(frozen=True, eq=False)
class HalloNets:
    """What ``net.pth`` holds.

    Attributes:
        reference, denoising: On the CPU, in evaluation mode.
        small: Tensors of the three small nets by part (``face_locator``, ``imageproj``, ``audioproj``), then by their own
            names, in the file's type.
    """

    reference: ReferenceNet
    denoising: DenoisingUNet
    small: Mapping[str, Mapping[str, Tensor]]


@dataclass(frozen=True, eq=False)
class ChampNets:
    """What Champ's files hold.

    Attributes:
        reference, denoising: On the CPU, in evaluation mode.
        guidance: Tensors of the guidance encoders that were given, by kind (``depth``, ``normal``, ``semantic_map``,
            ``dwpose``), then by their own names, in the file's type.
    """

    reference: ReferenceNet
    denoising: DenoisingUNet
    guidance: Mapping[str, Mapping[str, Tensor]]


def load_hallo(path: str | Path, dtype: torch.dtype = torch.float32) -> HalloNets:
    """Hallo's ``net.pth`` (or the same as safetensors), the U-Nets cast to ``dtype``.

    Raises:
        TroupeError: if the file cannot be read, or has keys too many or too few.
    """
    path = Path(path)
    return hallo_nets(load_checkpoint(path), path.name, dtype)


def hallo_nets(tensors: Mapping[str, Tensor], name: str, dtype: torch.dtype = torch.float32) -> HalloNets:
    """As ``load_hallo``, from the file's tensors."""
    parts = {part: subset(tensors, part + ".") for part in HALLO_PARTS}
    unknown = sorted(k for k in tensors if k.partition(".")[0] not in HALLO_PARTS)
    missing = [part for part, held in parts.items() if not held]
    if unknown or missing:
        why = [f"missing parts: {listed(missing)}"] if missing else []
        why += [f"unexpected: {listed(unknown)}"] if unknown else []
        raise TroupeError(
            f"The checkpoint {name!r} is not Hallo's",
            "; ".join(why),
            "Use the whole net.pth of fudan-generative-ai/hallo",
        )
    denoising = denoising_unet(parts.pop("denoising_unet"), f"{name}: denoising_unet", dtype)
    if denoising.config.audio is None:
        raise TroupeError(
            f"The checkpoint {name!r} is not Hallo's",
            "its denoising_unet has no audio_modules",
            "Use the whole net.pth of fudan-generative-ai/hallo",
        )
    reference = reference_net(parts.pop("reference_unet"), f"{name}: reference_unet", dtype)
    return HalloNets(reference, denoising, parts)


def champ_files(folder: str | Path) -> dict[str, Path]:
    """Champ's files in a folder, by part: ``denoising_unet``, ``motion_module``, ``guidance_encoder_depth`` and so on.

    Safetensors are preferred; parts that are not there are left out.
    """
    parts = (*CHAMP_UNETS, *(f"guidance_encoder_{kind}" for kind in CHAMP_GUIDANCE))
    found = {
        part: [p for end in (".safetensors", *PICKLES) if (p := Path(folder) / (part + end)).is_file()]
        for part in parts
    }
    return {part: files[0] for part, files in found.items() if files}


def load_champ(paths: Mapping[str, str | Path], dtype: torch.dtype = torch.float32) -> ChampNets:
    """Champ's files by part, as ``champ_files`` finds them, the U-Nets cast to ``dtype``.

    The parts of ``CHAMP_UNETS`` are needed, guidance encoders may be left out.

    Raises:
        TroupeError: if a part is missing or unknown, cannot be read, or has keys too many or too few.
    """
    _check_parts(paths)
    return champ_nets({part: load_checkpoint(path) for part, path in paths.items()}, dtype)


def champ_nets(parts: Mapping[str, Mapping[str, Tensor]], dtype: torch.dtype = torch.float32) -> ChampNets:
    """As ``load_champ``, from the tensors of each part."""
    _check_parts(parts)
    # A denoising_unet that was saved with motion modules has the later ones, as in the published loader.
    tensors = {**parts["motion_module"], **parts["denoising_unet"]}
    denoising = denoising_unet(tensors, "denoising_unet and motion_module", dtype)
    reference = reference_net(parts["reference_unet"], "reference_unet", dtype)
    guidance = {kind: parts[key] for kind in CHAMP_GUIDANCE if (key := f"guidance_encoder_{kind}") in parts}
    return ChampNets(reference, denoising, guidance)


def denoising_unet(
    tensors: Mapping[str, Tensor], name: str, dtype: torch.dtype = torch.float32
) -> DenoisingUNet:
    """A denoising net of the sizes that its tensors have."""
    config = UNetConfig.from_keys(tensors, name)
    return _filled(DenoisingUNet, config, _without_positions(tensors, name), name, dtype, _idle(config))


def reference_net(
    tensors: Mapping[str, Tensor], name: str, dtype: torch.dtype = torch.float32
) -> ReferenceNet:
    """A reference net of the sizes that its tensors have; a last norm and convolution, as in the U-Net it began as, are left out."""
    config = UNetConfig.from_keys(tensors, name)
    return _filled(ReferenceNet, config, tensors, name, dtype, ("conv_norm_out.", "conv_out."))


def _filled(
    kind: type,
    config: UNetConfig,
    tensors: Mapping[str, Tensor],
    name: str,
    dtype: torch.dtype,
    unused: Iterable[str],
) -> nn.Module:
    with torch.device("meta"):
        net = kind(config).to(dtype)
    load_strict(net, tensors, name, unused)
    return net.eval().requires_grad_(False)


def _idle(config: UNetConfig) -> tuple[str, ...]:
    """Motion modules that Hallo's file holds and its published results do without."""
    if config.motion_everywhere:
        return ()
    return (f"down_blocks.{len(config.widths) - 1}.motion_modules.", "up_blocks.0.motion_modules.")


def _without_positions(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The tensors without the tables of positions, which we compute.

    Raises:
        TroupeError: if a table holds other positions, as a motion module of another version might.
    """
    for key, table in tensors.items():
        if not key.endswith(PE):
            continue
        shape = list(table.shape)
        fits = len(shape) == 3 and shape[0] == 1 and 0 < shape[1] <= MAX_FRAMES and shape[2] % 2 == 0
        if not fits or (table[0].float() - sinusoid(shape[1], shape[2])).abs().max() > PE_TOLERANCE:
            raise TroupeError(
                f"The checkpoint {name!r} does not fit",
                f"{key} {shape} is not the sinusoid of up to {MAX_FRAMES} positions",
                "Use the motion modules that were published with this model",
            )
    return {key: t for key, t in tensors.items() if not key.endswith(PE)}


def _check_parts(parts: Mapping[str, object]) -> None:
    known = {*CHAMP_UNETS, *(f"guidance_encoder_{kind}" for kind in CHAMP_GUIDANCE)}
    missing = [part for part in CHAMP_UNETS if part not in parts]
    unknown = sorted(parts.keys() - known)
    if missing or unknown:
        why = [f"missing: {listed(missing)}"] if missing else []
        why += [f"unknown parts: {listed(unknown)}"] if unknown else []
        raise TroupeError(
            "Champ's checkpoint is not complete" if missing else "Champ has no such part",
            "; ".join(why),
            "Put denoising_unet.pth, motion_module.pth and reference_unet.pth of fudan-generative-ai/champ in one folder",
        )
