"""Champ in ComfyUI: its files as a MODEL and what goes with it, and a video to be made as conditioning."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import comfy.model_management
import torch

from ..engine.checkpoint import PICKLES, load_checkpoint
from ..engine.errors import TroupeError
from ..engine.refnet.champ import champ_scene, reference_pixels
from ..engine.refnet.champ_guidance import CHUNK, encode_maps, load_guidance, map_pixels
from ..engine.refnet.load import CHAMP_GUIDANCE, CHAMP_UNETS, champ_nets
from ..engine.refnet.windows import Window, loop_windows, open_windows
from .body import OUTPUTS
from .memory import enough_memory, patcher_of
from .progress import NodeProgress
from .refnet import as_model, conditioning_of, weight_type
from .sd_vae import CELL, check_vae, encoded
from .tensors import MEMORY_SHARE, check_image, to_uint8

if TYPE_CHECKING:
    from comfy.model_patcher import ModelPatcher
    from comfy.sd import VAE

    from ..engine.refnet.scene import Scene

CHOSEN = (
    "denoising_unet"  # the file that is chosen; the others are called alike, with another part in this place
)
MOST_SIDE = 2048


@dataclass(frozen=True, eq=False)
class LoadedChamp:
    """What makes a scene for Champ's denoising net; each part comes to the GPU when it is needed.

    Attributes:
        reference: The reference net.
        encoders: The guidance encoders, one module by kind of map.
    """

    reference: ModelPatcher
    encoders: ModelPatcher

    @property
    def cross_dim(self) -> int:
        """How wide the picture's embedding has to be."""
        return self.reference.model.config.cross_dim


@dataclass(frozen=True)
class Plan:
    """How a video is cut into windows, and how pictures come to its size.

    Attributes:
        width, height: Pixels; 0: those of the maps.
        window, overlap: Frames.
        loop: Whether the last frames go over into the first, as in the published code.
        fade: How windows are mixed where they overlap, see ``engine.refnet.windows.fade_weights``.
        fit: What happens to pictures of another shape: cut evenly, or stretched as in the published code.
    """

    width: int = 0
    height: int = 0
    window: int = 24
    overlap: int = 4
    loop: bool = False
    fade: str = "soft"
    fit: str = "crop"

    def windows(self, frames: int) -> list[Window]:
        """Raises ``TroupeError`` if windows of this kind would not get on."""
        cut = loop_windows if self.loop else open_windows
        return cut(frames, self.window, self.overlap)


def parts_beside(path: Path) -> dict[str, Path]:
    """Champ's files by part: ``path`` itself, and those beside it that are called like it.

    ``champ_denoising_unet_fp16.safetensors`` is joined by ``champ_motion_module_fp16.safetensors`` and so on; where one
    is there in several formats, that of ``path`` is taken, then safetensors.

    Raises:
        TroupeError: naming parts that are not there; of the guidance encoders one is enough.
    """
    found, names = {CHOSEN: path}, {}
    guides = tuple(f"guidance_encoder_{kind}" for kind in CHAMP_GUIDANCE)
    for part in (*CHAMP_UNETS, *guides):
        stem = path.stem.replace(CHOSEN, part)
        names[part] = stem + path.suffix
        for end in (path.suffix, ".safetensors", *PICKLES):
            if part not in found and (beside := path.with_name(stem + end)).is_file():
                found[part] = beside
    missing = [names[part] for part in CHAMP_UNETS if part not in found]
    if not any(part in found for part in guides):
        missing.append(f"{names[guides[0]]} (or another guidance encoder)")
    if missing:
        raise TroupeError(
            f"Champ's checkpoint {path.name!r} is not complete",
            f"not in its folder: {', '.join(missing)}",
            "Put all files of fudan-generative-ai/champ into one folder, named as published",
        )
    return found


def load_champ(path: Path) -> tuple[ModelPatcher, LoadedChamp]:
    """The denoising net as a MODEL, and the rest.

    Raises:
        TroupeError: if a part is missing (by name), cannot be read, is a pickle that could run code, or has other keys.
    """
    dtype = weight_type()
    files = parts_beside(path)
    nets = champ_nets({part: load_checkpoint(file) for part, file in files.items()}, dtype)
    encoders = {kind: load_guidance(kind, tensors, dtype) for kind, tensors in nets.guidance.items()}
    loaded = LoadedChamp(patcher_of(nets.reference), patcher_of(torch.nn.ModuleDict(encoders)))
    _check_fit(nets.denoising.config, loaded)
    return as_model(nets.denoising, ("portrait",)), loaded


def condition(
    loaded: LoadedChamp,
    vae: VAE,
    image: torch.Tensor,
    clip_vision: Any,
    maps: Mapping[str, torch.Tensor],
    plan: Plan,
) -> tuple[list, list, dict, str]:
    """Everything a sampler needs.

    Args:
        loaded: Of ``load_champ``.
        vae: Of Stable Diffusion 1.5.
        image: IMAGE, the picture that moves.
        clip_vision: Core's CLIP_VISION_OUTPUT of the picture.
        maps: By the names of Body Maps (``OUTPUTS``) an IMAGE batch, a map for each frame.
        plan: How.

    Returns:
        Positive and negative CONDITIONING, LATENT, and what was decided.

    Raises:
        TroupeError: naming the input that does not fit.
    """
    check_image(image, "image")
    if len(image) != 1:
        raise TroupeError(
            f"The input 'image' holds {len(image)} pictures",
            "one picture moves like one body",
            "Pick one with Get Image from Batch",
        )
    check_vae(vae, "Champ")
    tokens = _tokens(loaded, clip_vision)
    frames, width, height = _size(maps, plan)
    windows = plan.windows(frames)
    asked = f"{frames} frames of {width} x {height} were to be prepared"
    with enough_memory(asked, "Choose a smaller size or fewer frames"):
        scene = _scene(loaded, vae, image, tokens, maps, plan, windows, (width, height))
    report = _describe(maps, frames, (width, height), windows, plan)
    logging.info("Troupe: %s", report.replace("\n", "; "))
    latent = torch.zeros(
        (frames, 4, height // CELL, width // CELL), device=comfy.model_management.intermediate_device()
    )
    return *conditioning_of(scene), {"samples": latent}, report


def _scene(
    loaded: LoadedChamp,
    vae: VAE,
    image: torch.Tensor,
    tokens: torch.Tensor,
    maps: Mapping[str, torch.Tensor],
    plan: Plan,
    windows: list[Window],
    size: tuple[int, int],
) -> Scene:
    """On ComfyUI's device for what waits between nodes."""
    width, height = size
    pixels = reference_pixels(to_uint8(_shaped(image, size, plan.fit))[0], height, width) / 2 + 0.5
    latents = encoded(vae, pixels.movedim(1, -1), "Champ")
    rest = comfy.model_management.intermediate_device()
    guidance = encoded_maps(loaded, maps, size, plan.fit).to(rest)
    device = _bring(loaded.reference, latents.numel() * 4 * 2000)
    dtype = next(loaded.reference.model.parameters()).dtype
    bank = loaded.reference.model.write(latents.to(device, dtype), tokens.to(device, dtype)).to(rest)
    return champ_scene(tokens.to(rest, dtype), bank, guidance, windows, plan.fade)


def encoded_maps(
    loaded: LoadedChamp, maps: Mapping[str, torch.Tensor], size: tuple[int, int], fit: str
) -> torch.Tensor:
    """``[1, C, F, height / 8, width / 8]`` of maps by the names of ``OUTPUTS``, a few frames at a time."""
    encoders = loaded.encoders.model
    lacking = [name for name in maps if OUTPUTS[name] not in encoders]
    if lacking:
        raise TroupeError(
            f"The maps '{lacking[0]}' cannot be read",
            f"guidance_encoder_{OUTPUTS[lacking[0]]} was not beside Champ's other files",
            "Put it there, or leave these maps away",
        )
    frames, (width, height) = len(next(iter(maps.values()))), size
    first = encoders[OUTPUTS[next(iter(maps))]].conv_out
    _check_room(frames, first.out_channels * height * width // CELL**2 * first.weight.element_size())
    device = _bring(loaded.encoders, CHUNK * height * width * 16 * 4 * 4)
    progress, parts = NodeProgress(), []
    for start in range(0, frames, CHUNK):
        chunk = {
            OUTPUTS[name]: map_pixels(
                to_uint8(_shaped(batch[start : start + CHUNK], size, fit)), height, width
            )
            for name, batch in maps.items()
        }
        parts.append(encode_maps(encoders, chunk, device).cpu())
        progress(min(start + CHUNK, frames), frames)
    return torch.cat(parts, 2)


def _check_room(frames: int, bytes_of_one: int) -> None:
    """Raise a ``TroupeError`` if the guidance of so many frames cannot be held."""
    import psutil

    need, free = 2 * frames * bytes_of_one, psutil.virtual_memory().available  # its parts and the whole
    if need > free * MEMORY_SHARE:
        raise TroupeError(
            f"The guidance of {frames} frames does not fit",
            f"it needs {need / 2**30:.1f} GB of memory, {free / 2**30:.1f} GB are free",
            "Use fewer frames or a smaller size",
        )


def _tokens(loaded: LoadedChamp, clip_vision: Any) -> torch.Tensor:
    """The picture's embedding as one token, ``[1, 1, cross_dim]``."""
    embeds = getattr(clip_vision, "image_embeds", None)
    what = "The input 'clip_vision_output' does not fit Champ"
    remedy = "Load the CLIP ViT-L/14 image encoder (with its projection to 768) and encode the picture with crop none"
    if not isinstance(embeds, torch.Tensor) or embeds.ndim != 2:
        raise TroupeError(what, "it holds no image embedding", remedy)
    if embeds.shape[1] != loaded.cross_dim:
        raise TroupeError(
            what, f"its embedding is {embeds.shape[1]} wide, the model reads {loaded.cross_dim}", remedy
        )
    if len(embeds) != 1:
        raise TroupeError(what, f"it is of {len(embeds)} pictures", "Encode the one picture that moves")
    return embeds[:, None].float()


def _size(maps: Mapping[str, torch.Tensor], plan: Plan) -> tuple[int, int, int]:
    """Frames, width and height of the video."""
    if not maps:
        raise TroupeError(
            "There are no guidance maps",
            f"none of {', '.join(OUTPUTS)} is connected",
            "Connect Body Maps, or pictures of maps made elsewhere",
        )
    first, *others = maps
    for name, batch in maps.items():
        check_image(batch, name)
    frames, rows, columns = maps[first].shape[:3]
    for name in others:
        theirs = maps[name].shape[:3]
        if tuple(theirs) != (frames, rows, columns):
            raise TroupeError(
                f"The maps '{name}' do not fit the maps '{first}'",
                f"{theirs[0]} of {theirs[2]} x {theirs[1]} pixels against {frames} of {columns} x {rows}",
                "Make all maps from the same motion, at the same size",
            )
    width, height = plan.width or columns, plan.height or rows
    size = width // CELL * CELL, height // CELL * CELL
    if not all(64 <= side <= MOST_SIDE for side in size):
        raise TroupeError(
            f"The video's size {width} x {height} is out of range",
            f"both sides have to be 64 to {MOST_SIDE} pixels",
            "Set 'width' and 'height', such as 512 and 768",
        )
    return frames, *size


def _shaped(image: torch.Tensor, size: tuple[int, int], fit: str) -> torch.Tensor:
    """Cut to the shape of ``size``, not yet to the size; nothing is cut where it is within a pixel."""
    if fit == "stretch":
        return image
    (width, height), (rows, columns) = size, image.shape[1:3]
    wide, high = columns, rows
    if columns * height > rows * width:
        wide = min(columns, max(1, round(rows * width / height)))
    else:
        high = min(rows, max(1, round(columns * height / width)))
    if columns - wide <= 1 and rows - high <= 1:
        return image
    left, top = (columns - wide) // 2, (rows - high) // 2
    return image[:, top : top + high, left : left + wide]


def _describe(
    maps: Mapping[str, torch.Tensor],
    frames: int,
    size: tuple[int, int],
    windows: list[Window],
    plan: Plan,
) -> str:
    lines = [f"{frames} frames of {size[0]} x {size[1]} from {', '.join(maps)}"]
    if len(windows) > 1:
        ends = "the last goes over into the first" if plan.loop else "the last ends with the video"
        lines.append(f"{len(windows)} windows of {plan.window} frames, {plan.overlap} in common, {ends}")
    rows, columns = next(iter(maps.values())).shape[1:3]
    if (columns, rows) != size:
        lines.append(f"maps of {columns} x {rows} brought to {size[0]} x {size[1]} ({plan.fit})")
    return "\n".join(lines)


def _bring(patcher: ModelPatcher, room: int) -> torch.device:
    """The device of a part, which is brought there, with ``room`` bytes left beside it."""
    comfy.model_management.load_models_gpu([patcher], memory_required=room)
    return patcher.load_device


def _check_fit(config: Any, loaded: LoadedChamp) -> None:
    """Raise a ``TroupeError`` if the parts are of different models."""
    reference = loaded.reference.model.config
    if (reference.widths, reference.cross_dim) != (config.widths, config.cross_dim):
        raise TroupeError(
            "Champ's parts do not fit each other",
            f"the reference net has widths {list(reference.widths)} and reads {reference.cross_dim}, the denoising net "
            f"{list(config.widths)} and {config.cross_dim}",
            "Use files of one model",
        )
    for kind, encoder in loaded.encoders.model.items():
        if encoder.conv_out.out_channels != config.widths[0]:
            raise TroupeError(
                "Champ's parts do not fit each other",
                f"guidance_encoder_{kind} gives {encoder.conv_out.out_channels} channels, the denoising net takes "
                f"{config.widths[0]}",
                "Use files of one model",
            )
