"""The adapters' attention inside ComfyUI's own Wan model.

Two object patches in every block: one keeps the query that cross-attention has just normalised, the other adds the
branch to the input of the output projection. So nothing is computed twice, LoRA, quantised and offloaded weights
work as they are, and packs that replace ``cross_attn.forward`` do not push the branch out. A wrapper around
sampling prepares the run, a wrapper around the model says which frames, rows and strengths a call has.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import comfy.model_management
import torch
from comfy.patcher_extension import WrappersMP

from ..engine.errors import TroupeError
from ..engine.wan.branch import BranchInput, BranchRun
from .adapters import LoadedAdapter, attachment, portrait_model
from .guider import KEY, LAYERS_KEY, PRESENT_KEY
from .memory import enough_memory

if TYPE_CHECKING:
    from comfy.model_patcher import ModelPatcher

RUN = "troupe_run"
LAYER_OF = {"portrait": "portrait", "talking": "speech"}
COLUMNS = ("portrait", "speech")  # of the tensor that says which layers a pass has
KEEP_SHARE = 0.3  # of the free memory, what keys and values of a run may take

# (latent frames, token rows, token columns) of the clip to what the roles bring.
Prepare = Callable[[int, int, int], BranchInput]


@dataclass(frozen=True, eq=False)
class CastBranch:
    """One adapter and how its roles enter a run of any size."""

    loaded: LoadedAdapter
    prepare: Prepare

    @property
    def layer(self) -> str:
        return LAYER_OF[self.loaded.adapter.kind]


@dataclass(eq=False)
class Call:
    """One call of the model: what the block patches need to know."""

    dit: torch.nn.Module
    branches: list[tuple[BranchRun, torch.Tensor]]  # with a strength for each row of the batch
    frames: tuple[int, ...]
    tokens: int  # in a latent frame
    first: int  # where the video's tokens begin
    query: torch.Tensor | None = None

    def add(self, block: int, x: torch.Tensor) -> torch.Tensor:
        """``x`` ``[B, L, C]``, the sum of the block's attentions, with the branches added."""
        query, self.query = self.query, None
        if query is None or query.shape[:2] != x.shape[:2]:
            raise TroupeError(
                "The portrait adapter cannot act in this model",
                f"block {block} attends with a query of another shape than its output; another pack has "
                "rewritten its cross-attention",
                "Remove the other pack's patch from this model",
            )
        stop = self.first + len(self.frames) * self.tokens
        out = x.clone()
        for run, strengths in self.branches:
            rows = strengths.nonzero()[:, 0].tolist()
            for row in _stretches(rows):
                q = query[row, self.first : stop].unflatten(1, (len(self.frames), self.tokens))
                added = run(block, q, self.frames).flatten(1, 2)
                out[row, self.first : stop] += added * strengths[row].to(added)[:, None, None]
        return out


def _stretches(rows: list[int]) -> list[slice]:
    """Ascending numbers as slices of neighbours: views instead of gathered copies."""
    out: list[slice] = []
    for row in rows:
        if out and out[-1].stop == row:
            out[-1] = slice(out[-1].start, row + 1)
        else:
            out.append(slice(row, row + 1))
    return out


class _Active(threading.local):
    """The call that is running, one for each thread (ComfyUI can run clones of a model on several GPUs)."""

    call: Call | None = None


ACTIVE = _Active()


class Tap:
    """Stands for the forward of a block's ``norm_q`` or ``o``, and for what an earlier patch put there."""

    def __init__(self, block: int, part: str, earlier: Callable | None, bound: Callable):
        self.block, self.part, self.earlier, self.bound = block, part, earlier, bound

    def forward(self, call: Call | None) -> Callable:
        if self.earlier is not None or call is None:
            return self.earlier or self.bound
        # Not the bound method: ComfyUI may run this patch on a copy of the model, with weights of its own.
        module = getattr(call.dit.blocks[self.block].cross_attn, self.part)
        return type(module).forward.__get__(module)


class QueryTap(Tap):
    """Keeps the normalised query."""

    @torch.compiler.disable
    def __call__(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        call = ACTIVE.call
        query = self.forward(call)(*args, **kwargs)
        if call is not None:
            call.query = query
        return query


class OutputTap(Tap):
    """Adds the branches to what is projected out."""

    @torch.compiler.disable
    def __call__(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        call = ACTIVE.call
        if call is not None:
            x = call.add(self.block, x)
        return self.forward(call)(x, *args, **kwargs)


@dataclass(eq=False)
class Run:
    """One sampling run of a patched model."""

    branches: list[tuple[CastBranch, BranchRun]]
    frames: int
    start: float  # sigmas between which the branches act
    end: float
    sized: bool = field(default=False)

    def size(self, dit: torch.nn.Module, dtype: torch.dtype, device: torch.device) -> None:
        """Decide, with the model in place, whether keys and values can stay."""
        need = sum(run.kept_bytes(len(dit.blocks), dit.dim, dtype) for _, run in self.branches)
        keep = need <= comfy.model_management.get_free_memory(device) * KEEP_SHARE
        for _, run in self.branches:
            run.keep = keep
        self.sized = True

    def close(self) -> None:
        for _, run in self.branches:
            run.clear()
        self.branches = []


@dataclass(frozen=True, eq=False)
class WanPatch:
    """The cast on a model: prepares runs and calls."""

    branches: tuple[CastBranch, ...]
    start_percent: float
    end_percent: float

    def around_sampling(self, executor: Any, noise: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        guider = executor.class_obj
        options = guider.model_options.setdefault("transformer_options", {})
        run = self.begin(guider.model_patcher, noise.shape)
        options[RUN] = run
        frames, height, width = 4 * noise.shape[2] - 3, noise.shape[3] * 8, noise.shape[4] * 8
        remedy = (
            "Lower 'memory' in Load Wan Portrait Model, choose fewer frames or a smaller size, use context windows, "
            "or a quantised model"
        )
        try:
            with enough_memory(f"{frames} frames of {width} x {height} were asked for", remedy):
                return executor(noise, *args, **kwargs)
        finally:
            run.close()
            options.pop(RUN, None)

    def begin(self, model: ModelPatcher, shape: torch.Size) -> Run:
        dit = model.get_model_object("diffusion_model")
        if len(shape) != 5:
            raise TroupeError(
                "The latent is not a video",
                f"its shape is {list(shape)}, expected [batch, 16, frames, height, width]",
                "Use the latent of WanImageToVideo",
            )
        frames, height, width = shape[2], -(-shape[3] // 2), -(-shape[4] // 2)
        branches = []
        for branch in self.branches:
            weights = branch.loaded.patcher.model
            branches.append(
                (branch, BranchRun(branch.prepare(frames, height, width), weights, dit.num_heads))
            )
        sampling = model.get_model_object("model_sampling")
        start, end = (float(sampling.percent_to_sigma(p)) for p in (self.start_percent, self.end_percent))
        return Run(branches, frames, start, end)

    @torch._dynamo.disable(recursive=False)
    def around_model(self, executor: Any, *args: Any, **kwargs: Any) -> Any:
        """For ``WanModel.forward(x, timestep, context, clip_fea, time_dim_concat, transformer_options, **kwargs)``."""
        layers = kwargs.pop(LAYERS_KEY, None)
        options = next(
            (a for a in reversed(args) if isinstance(a, dict)), kwargs.get("transformer_options", {})
        )
        run = options.get(RUN)
        if run is None:
            raise TroupeError(
                "The cast was not prepared",
                "the model was called without ComfyUI's sampling around it",
                "Sample with KSampler, SamplerCustom or SamplerCustomAdvanced",
            )
        before, ACTIVE.call = (
            ACTIVE.call,
            self.call(run, executor.class_obj, args[0], layers, options, kwargs),
        )
        try:
            return executor(*args, **kwargs)
        finally:
            ACTIVE.call = before

    @torch.compiler.disable
    def call(
        self, run: Run, dit: Any, x: torch.Tensor, layers: Any, options: dict, kwargs: dict
    ) -> Call | None:
        """What this call needs, or None where no branch acts."""
        sigma = float(options["sigmas"].max()) if options.get("sigmas") is not None else run.start
        if not run.end <= sigma <= run.start:
            return None
        branches = []
        for branch, of_run in run.branches:
            strengths = (
                torch.ones(len(x)) if layers is None else layers[:, COLUMNS.index(branch.layer)].float().cpu()
            )
            if strengths.any():
                branches.append((of_run, strengths))
        if not branches:
            return None
        if not run.sized:
            run.size(dit, x.dtype, x.device)
        tokens = -(-x.shape[3] // 2) * -(-x.shape[4] // 2)
        has_reference = (
            getattr(dit, "ref_conv", None) is not None and kwargs.get("reference_latent") is not None
        )
        return Call(dit, branches, frames_of(run, x, options), tokens, tokens if has_reference else 0)


def frames_of(run: Run, x: torch.Tensor, options: dict) -> tuple[int, ...]:
    """Which latent frames of the clip a call sees: all, or those of its context window."""
    count, window = x.shape[2], options.get("context_window")
    if count == run.frames:
        return tuple(range(count))
    frames = list(window.index_list) if window is not None else []
    anchor = getattr(window, "causal_anchor_index", None)
    if anchor is not None and anchor >= 0 and len(frames) + 1 == count:
        frames = [anchor, *frames]
    if len(frames) != count or not all(0 <= f < run.frames for f in frames):
        raise TroupeError(
            "The cast does not know which part of the clip is sampled",
            f"the model is called with {count} of {run.frames} latent frames, by something other than ComfyUI's "
            "context windows",
            "Use ComfyUI's Context Windows node, or sample the clip whole",
        )
    return tuple(frames)


def apply_branches(
    model: ModelPatcher, branches: list[CastBranch], start_percent: float = 0.0, end_percent: float = 1.0
) -> ModelPatcher:
    """A clone of ``model`` in which the branches act; without any, a plain clone.

    A cast that was on the model before is replaced.

    Raises:
        TroupeError: if the model can have none, or the cast would end before it begins.
    """
    if start_percent > end_percent:
        raise TroupeError(
            "The cast would never act",
            f"its part of the schedule goes from {start_percent:g} to {end_percent:g}",
            "Set 'start' below 'end'; 0 and 1 are the whole schedule",
        )
    dit = portrait_model(model)
    model = model.clone()
    remove_branches(model)
    if not branches:
        return model
    patch = WanPatch(tuple(branches), start_percent, end_percent)
    for block in range(len(dit.blocks)):
        for part, tap in (("norm_q", QueryTap), ("o", OutputTap)):
            name = f"diffusion_model.blocks.{block}.cross_attn.{part}.forward"
            earlier = model.object_patches.get(name)
            bound = model.get_model_object(name)
            model.add_object_patch(name, tap(block, part, earlier, bound))
    model.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, KEY, patch.around_sampling)
    model.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, KEY, patch.around_model)
    for branch in branches:
        model.set_additional_models(attachment(branch.loaded.adapter.kind), [branch.loaded.patcher])
    present = tuple(layer for layer in COLUMNS if layer in {b.layer for b in branches})
    model.model_options.setdefault("transformer_options", {})[PRESENT_KEY] = present
    return model


def remove_branches(model: ModelPatcher) -> None:
    """Take an earlier cast off ``model``, in place."""
    taps = {name: patch for name, patch in model.object_patches.items() if isinstance(patch, Tap)}
    if taps:
        logging.warning("Troupe: this model had a cast already, it is replaced")
    for name, tap in taps.items():
        del model.object_patches[name]
        if tap.earlier is not None:
            model.object_patches[name] = tap.earlier
    for kind in (WrappersMP.OUTER_SAMPLE, WrappersMP.DIFFUSION_MODEL):
        model.remove_wrappers_with_key(kind, KEY)
    for kind in LAYER_OF:
        model.remove_additional_models(attachment(kind))
    model.model_options.get("transformer_options", {}).pop(PRESENT_KEY, None)
