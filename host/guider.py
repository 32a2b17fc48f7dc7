"""Layered guidance in ComfyUI: a guider for SamplerCustomAdvanced, a MODEL patch for KSampler.

Each pass is an ordinary list of conditions, so that batching, context windows, hooks, areas and control stay
ComfyUI's own. What differs between passes is the prompt and one small tensor, which tells the model patch how much
of each adapter a row of the batch has.
"""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import comfy.conds
import comfy.samplers
import torch
from comfy.patcher_extension import WrappersMP, get_wrappers_with_key

from ..engine.guidance import Differences, Guidance, Plan, combine, ends, plan, region_weights, settings_at

if TYPE_CHECKING:
    from comfy.model_base import BaseModel
    from comfy.model_patcher import ModelPatcher
    from torch import Tensor

KEY = "troupe"  # of the model patch's wrappers
GUIDANCE_KEY = "troupe_guidance"  # of the wrappers here, and of the run in transformer_options
LAYERS_KEY = "troupe_layers"  # in the conditions: [B, 2], how much portrait and speech act in each row, 0..1
PRESENT_KEY = "troupe_layers_present"  # in transformer_options: names of the adapters' layers a model has
ADAPTER_LAYERS = ("portrait", "speech")  # the columns of LAYERS_KEY
REPLACED = ("sampler_cfg_function", "sampler_calc_cond_batch_function")  # hooks of two-pass guidance
COUNTED = ("total_steps_skipped", "output_change_rates", "approx_output_change_rates")  # that EasyCache logs

Conds = dict[str, list[dict]]  # "positive" and "negative", as ComfyUI's guiders prepare them


@dataclass(eq=False)
class Run:
    """What is kept during one sampling run, and no longer."""

    differences: Differences = field(default_factory=Differences)
    regions: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)
    caches: dict[int, Any] = field(default_factory=dict)  # EasyCache's holder of each pass
    uuids: dict[tuple[int, int], uuid.UUID] = field(default_factory=dict)
    said: set[str] = field(default_factory=set)

    def say(self, text: str) -> None:
        """Log once."""
        if text not in self.said:
            self.said.add(text)
            logging.info("Troupe: %s", text)

    def uuid_of(self, index: int, entry: int) -> uuid.UUID:
        """Of a condition in a pass: caches know it again by this from step to step."""
        return self.uuids.setdefault((index, entry), uuid.uuid4())

    def region(self, region: Tensor, like: Tensor) -> Tensor:
        """At the latent's size; the same object for the same region."""
        if id(region) not in self.regions:
            self.regions[id(region)] = region, region_weights(region, like.shape).to(like.device)
        return self.regions[id(region)][1]

    def close(self) -> None:
        self.differences.keep_only(())
        for kept in (self.regions, self.caches, self.uuids):
            kept.clear()


@dataclass(frozen=True, eq=False)
class Call:
    """One prediction that a sampler asks for."""

    model: BaseModel
    conds: Conds
    x: Tensor
    timestep: Tensor  # the noise level, one for each row of x
    model_options: dict

    @property
    def options(self) -> dict:
        return self.model_options.get("transformer_options", {})

    @property
    def sigma(self) -> float:
        return float(self.timestep.flatten()[0])

    @property
    def patched(self) -> bool:
        """Whether the model, or adapters on it, understand ``LAYERS_KEY``."""
        if getattr(self.model, "understands_layers", False):
            return True
        return bool(get_wrappers_with_key(WrappersMP.DIFFUSION_MODEL, KEY, self.options))

    def calculate(self, conds: list[list[dict]], options: dict) -> list[Tensor]:
        options = {**self.model_options, "transformer_options": options}
        return comfy.samplers.calc_cond_batch(self.model, conds, self.x, self.timestep, options)


def around_sampling(executor: Any, *args: Any, **kwargs: Any) -> Any:
    """Begins and ends a run, however it ends."""
    options, run = executor.class_obj.model_options["transformer_options"], Run()
    options[GUIDANCE_KEY] = run
    try:
        return executor(*args, **kwargs)
    finally:
        options.pop(GUIDANCE_KEY, None)
        run.close()


def predict(call: Call, guidance: Guidance) -> Tensor:
    """The guided prediction of x_0, in the place of ``comfy.samplers.sampling_function``."""
    run = call.options.get(GUIDANCE_KEY) or Run()  # a call outside of sampling keeps nothing
    guidance = available(call, guidance, run)
    step = plan_step(call, guidance, run)
    passes = set(step.passes)
    if call.model_options.get("disable_cfg1_optimization") and not step.terms:
        passes.add(0)  # somebody wants to see the unguided prediction in any case
    lists = {i: conds_of(call, guidance, i, run) for i in range(len(guidance.layers) + 1)}
    predictions = run_passes(call, {i: lists[i] for i in sorted(passes, reverse=True)}, run)
    return follow(call, step, predictions, lists, run)


def available(call: Call, guidance: Guidance, run: Run) -> Guidance:
    """The layers that the model and the conditions have; a missing one makes no difference, and needs no pass."""
    names = tuple(call.options.get(PRESENT_KEY, ())) if call.patched else ()
    names += () if call.conds.get("negative") is None else ("text",)
    for layer in guidance.layers:
        if layer.name not in names and layer.scale != 1:
            lacks = "negative prompt" if layer.name == "text" else f"role with {layer.name}"
            run.say(f"no guidance by {layer.name}, there is no {lacks}")
    return guidance.only(names)


def plan_step(call: Call, guidance: Guidance, run: Run) -> Plan:
    """Which passes run in this call. Ranges are noise levels, as ComfyUI counts start and end percent."""
    schedule, sampling = call.options.get("sample_sigmas"), call.model.model_sampling
    sigmas = [call.sigma] if schedule is None else schedule.tolist()
    settings = settings_at(guidance.layers, call.sigma, sigmas, lambda s: float(sampling.percent_to_sigma(s)))
    settings = [s if s.region is None else replace(s, region=run.region(s.region, call.x)) for s in settings]
    return plan(settings, run.differences.links)


def conds_of(call: Call, guidance: Guidance, index: int, run: Run) -> list[dict]:
    """The conditions of a pass; a layer that is not listed is on in all of them."""
    off = guidance.names[index:]
    more = {}
    if call.patched:
        strengths = [float(name not in off) for name in ADAPTER_LAYERS]
        more[LAYERS_KEY] = comfy.conds.CONDRegular(torch.tensor([strengths], device=call.x.device))
    return [
        {**cond, "uuid": run.uuid_of(index, i), "model_conds": {**cond["model_conds"], **more}}
        for i, cond in enumerate(call.conds["negative" if "text" in off else "positive"])
    ]


def run_passes(call: Call, lists: dict[int, list[dict]], run: Run) -> dict[int, Tensor]:
    """Predictions of the passes: in one batch if memory and conditions allow, one by one with EasyCache.

    EasyCache lets the first condition of a batch decide for all whether a step is skipped. So each pass gets a
    cache of its own; that of the highest pass speaks for the run in EasyCache's log.
    """
    shared = call.options.get("easycache")
    if not hasattr(shared, "uuid_cache_diffs"):  # none, or LazyCache, which keeps the guided result
        return dict(zip(lists, call.calculate(list(lists.values()), call.options), strict=True))
    predictions = {}
    for index, conds in lists.items():
        if index not in run.caches:
            run.caches[index] = shared.clone().prepare_timesteps(call.model.model_sampling)
        (predictions[index],) = call.calculate([conds], {**call.options, "easycache": run.caches[index]})
    top = run.caches[max(run.caches)]
    for name in COUNTED:
        setattr(shared, name, getattr(top, name))
    return predictions


def follow(
    call: Call, step: Plan, predictions: dict[int, Tensor], lists: dict[int, list[dict]], run: Run
) -> Tensor:
    """Combine the passes, with what other nodes have hung before and behind guidance.

    To those the highest pass is "cond" and the lowest "uncond", and the scale that of the lowest layer.
    """
    options = call.model_options
    for name in REPLACED:
        if name in options:
            run.say(f"another node's {name} is not used: it is made for guidance with two passes")
    common = {
        "cond_scale": step.terms[0].setting.scale if step.terms else 1.0,
        **{"model": call.model, "model_options": options, "input": call.x, "sigma": call.timestep},
    }
    if before := options.get("sampler_pre_cfg_function"):
        predictions = _before(before, predictions, lists, {**common, "timestep": call.timestep}, run)
    result = combine(step, predictions, run.differences, call.sigma)
    if after := options.get("sampler_post_cfg_function"):
        (low, uncond), (high, cond) = ends(step, predictions, run.differences, call.sigma)
        common |= {"cond": lists[high], "uncond": lists[low] if low < high else None}
        for function in after:
            result = function(
                {**common, "denoised": result, "cond_denoised": cond, "uncond_denoised": uncond}
            )
    return result


def _before(
    functions: list, predictions: dict[int, Tensor], lists: dict[int, list[dict]], common: dict, run: Run
) -> dict[int, Tensor]:
    """Pre-CFG functions change a pair of predictions."""
    if len(predictions) != 2:
        run.say("other nodes' pre-CFG functions act only in steps of two passes")
        return predictions
    conds, out = [lists[i] for i in predictions], list(predictions.values())
    for function in functions:
        out = function({**common, "conds": conds, "conds_out": out})
    return dict(zip(predictions, out))


class LayeredGuider(comfy.samplers.CFGGuider):
    """Guides in layers; give it conditions with ``set_conds(positive, negative)``."""

    def __init__(self, model: ModelPatcher, guidance: Guidance):
        super().__init__(_with_runs(model))
        self.guidance = guidance

    def predict_noise(
        self, x: Tensor, timestep: Tensor, model_options: dict | None = None, seed: Any = None
    ) -> Tensor:
        return predict(Call(self.inner_model, self.conds, x, timestep, model_options or {}), self.guidance)


def add_layered_cfg(model: ModelPatcher, guidance: Guidance) -> ModelPatcher:
    """A clone of ``model`` that is guided in layers by plain samplers, whose cfg is the text layer's scale."""
    model = _with_runs(model)
    model.add_wrapper_with_key(WrappersMP.PREDICT_NOISE, GUIDANCE_KEY, partial(around_predicting, guidance))
    return model


def around_predicting(guidance: Guidance, executor: Any, *args: Any, **kwargs: Any) -> Any:
    """Puts layered guidance behind all wrappers, in the place of the plain guider's own: caches among the wrappers
    work whether they were added before or after."""
    guider, plain = executor.class_obj, comfy.samplers.CFGGuider.predict_noise
    if getattr(executor.original, "__func__", None) is plain:

        def predict_noise(
            x: Tensor, timestep: Tensor, model_options: dict | None = None, seed: Any = None
        ) -> Tensor:
            call = Call(guider.inner_model, guider.conds, x, timestep, model_options or {})
            return predict(call, guidance.with_text(guider.cfg))

        executor.original = predict_noise
    else:
        run = guider.model_options["transformer_options"].get(GUIDANCE_KEY) or Run()
        run.say(f"no layered guidance: the guider is a {type(guider).__name__}, which guides in its own way")
    return executor(*args, **kwargs)


def _with_runs(model: ModelPatcher) -> ModelPatcher:
    """A clone whose sampling runs have a ``Run``, without an earlier layered CFG."""
    model = model.clone()
    for kind in (WrappersMP.OUTER_SAMPLE, WrappersMP.PREDICT_NOISE):
        model.remove_wrappers_with_key(kind, GUIDANCE_KEY)
    model.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, GUIDANCE_KEY, around_sampling)
    return model
