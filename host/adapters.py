"""Adapters on a MODEL: loaded once, held under ComfyUI's memory management, refused where they do not fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import comfy.ops
import torch

from ..engine.errors import TroupeError
from ..engine.wan.adapter import Adapter, check_fits, load_adapter
from .memory import patcher_of

if TYPE_CHECKING:
    from comfy.model_patcher import ModelPatcher

KINDS = ("portrait", "talking")
IMAGE_CHANNELS = 36  # noise 16, mask 4, image 16: what an image-to-video Wan reads


class BranchWeights(torch.nn.Module):
    """Key and value projections of an adapter's branch, one pair for each block, in the file's own type."""

    def __init__(self, adapter: Adapter):
        super().__init__()
        self.keys = _linears(adapter.keys)
        self.values = _linears(adapter.values)

    def forward(self, block: int, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.keys[block](tokens), self.values[block](tokens)


def _linears(weights: tuple[torch.Tensor, ...]) -> torch.nn.ModuleList:
    layers = torch.nn.ModuleList()
    for weight in weights:
        out, inner = weight.shape
        layer = comfy.ops.manual_cast.Linear(inner, out, bias=False, device="meta", dtype=weight.dtype)
        layer.weight = torch.nn.Parameter(weight, requires_grad=False)
        layers.append(layer)
    return layers


@dataclass(frozen=True, eq=False)
class LoadedAdapter:
    """An adapter and the patcher that brings its weights to the GPU when a run needs them."""

    adapter: Adapter
    patcher: ModelPatcher

    @classmethod
    def of(cls, path: Path) -> LoadedAdapter:
        """Raises ``TroupeError`` if the file is none."""
        adapter = load_adapter(path)
        return cls(adapter, patcher_of(BranchWeights(adapter)))


def attachment(kind: str) -> str:
    """Under which name a MODEL carries its adapter of a kind."""
    return f"troupe_{kind}"


def adapters_of(model: ModelPatcher) -> dict[str, LoadedAdapter]:
    """The adapters a MODEL carries, by kind."""
    found = {kind: model.attachments.get(attachment(kind)) for kind in KINDS}
    return {kind: loaded for kind, loaded in found.items() if loaded is not None}


def add_adapters(model: ModelPatcher, paths: Sequence[Path]) -> ModelPatcher:
    """A clone of ``model`` that carries the adapters in ``paths``; one it has already of a kind is replaced.

    Raises:
        TroupeError: if the model is no Wan image-to-video model, or of another width or depth, or if two of the
            files are of one kind.
    """
    dit = portrait_model(model)
    model = model.clone()
    files: dict[str, Path] = {}
    for path in paths:
        loaded = LoadedAdapter.of(path)
        kind = loaded.adapter.kind
        if kind in files:
            raise TroupeError(
                f"{path.name!r} cannot be a second adapter",
                f"it is a {kind} adapter, as {files[kind].name!r} is",
                "Choose FantasyPortrait's file for expressions, FantasyTalking's for speech, or none",
            )
        check_fits(loaded.adapter, dit.dim, len(dit.blocks), type(model.model).__name__)
        model.set_attachments(attachment(kind), loaded)
        files[kind] = path
    return model


def portrait_model(model: ModelPatcher, called: str = "The input 'model'") -> torch.nn.Module:
    """The DiT of a MODEL that can take an adapter; ``called`` is how errors begin.

    Raises:
        TroupeError: for everything but a plain Wan image-to-video transformer, naming what it is.
    """
    from comfy.ldm.wan.model import WanModel

    dit = model.get_model_object("diffusion_model")
    what = f"{called} cannot take a portrait adapter"
    remedy = "Load Wan 2.1 I2V 14B (480P or 720P), the model these adapters are made for"
    if type(dit) is not WanModel:
        kind = f"{type(model.model).__name__} ({type(dit).__name__})"
        raise TroupeError(what, f"it is a {kind}, not a plain Wan image-to-video model", remedy)
    if dit.in_dim != IMAGE_CHANNELS:
        raise TroupeError(
            what,
            f"it is a Wan model of width {dit.dim} that reads {dit.in_dim} channels: "
            f"text-to-video, not image-to-video ({IMAGE_CHANNELS} channels)",
            remedy,
        )
    return dit
