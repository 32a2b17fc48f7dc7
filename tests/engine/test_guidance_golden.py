"""Layered guidance and schedules against the published code's own figures."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file

from troupe.engine.guidance import Differences, Guidance, Layer, combine, flow_sigmas, plan, settings_at

pytestmark = pytest.mark.golden


def guided(guidance: Guidance, predictions: dict[int, torch.Tensor], sigma: float, sigmas: list[float]):
    """One step; only the passes of the plan are looked at."""
    step = plan(settings_at(guidance.layers, sigma, sigmas, lambda share: 1 - share))
    return step, combine(step, {i: predictions[i] for i in step.passes}, Differences(), sigma)


def official(text: float, portrait: float | None) -> Guidance:
    """The published settings as layers: a portrait cfg up to 1 means that the adapter is on in every pass."""
    layers = [Layer("text", text)]
    if portrait is not None and portrait > 1:
        layers.append(Layer("portrait", portrait))
    return Guidance(tuple(layers))


def passes_of(guidance: Guidance, calls: list[dict]) -> list[int]:
    """Which of our passes the reference's calls are: it begins with everything on and takes off layer by layer."""
    top = len(guidance.layers)
    numbers = list(range(top, top - len(calls), -1))
    assert [call["prompt"] == "positive" for call in calls] == [number > 0 for number in numbers]
    return numbers


def test_every_case_step_by_step(golden_part):
    folder = golden_part("fantasy_portrait", "cfg")
    cases, tensors = json.loads((folder / "cases.json").read_text()), load_file(folder / "io.safetensors")
    assert {key.rsplit(".", 1)[0] for key in tensors} == set(cases)
    for name, case in cases.items():
        guidance = official(case["cfg_scale"], case["ip_cfg_scale"])
        sigmas = flow_sigmas(case["steps"])
        torch.testing.assert_close(
            1000 * sigmas[:-1], torch.tensor(case["timesteps"]), atol=1e-3, rtol=0, msg=name
        )
        numbers = passes_of(guidance, case["pass_order_first_step"])
        assert len(numbers) == case["passes_per_step"], name
        equal = case["cfg_scale"] == case["ip_cfg_scale"]
        x, levels = tensors[f"{name}.start"], sigmas.tolist()
        for i in range(case["steps"]):
            velocities = {n: v[None] for n, v in zip(numbers, tensors[f"{name}.predictions"][i], strict=True)}
            step, v = guided(guidance, velocities, levels[i], levels)
            # Equal scales save the pass between them.
            assert set(step.passes) == {n for n in numbers if n != 1 or len(numbers) < 3 or not equal}, name
            x = x + v * (sigmas[i + 1] - sigmas[i])
            want = tensors[f"{name}.latents_per_step"][i][None]
            assert (x - want).abs().max() <= 1e-5, f"{name}, step {i}"


def test_schedules(golden_part):
    schedules = json.loads((golden_part("fantasy_portrait", "cfg", "scheduler.json")).read_text())
    for steps, want in schedules.items():
        sigmas = flow_sigmas(int(steps))
        assert float(sigmas[-1]) == want["final_sigma_after_last_step"]
        torch.testing.assert_close(sigmas[:-1], torch.tensor(want["sigmas"]), atol=1e-6, rtol=0)
        torch.testing.assert_close(1000 * sigmas[:-1], torch.tensor(want["timesteps"]), atol=1e-3, rtol=0)
        simple = torch.tensor(want["host_simple_scheduler_shift5_sigmas"])
        assert (simple - sigmas[:-1]).abs().max().item() == pytest.approx(
            want["host_simple_scheduler_shift5_max_abs_sigma_diff"], abs=1e-6
        )


def talking(golden_part) -> tuple[dict, dict]:
    folder = golden_part("fantasy_talking", "tiny.safetensors").parent
    return json.loads((folder / "tiny_config.json").read_text()), load_file(folder / "tiny.safetensors")


def test_prompt_and_speech(golden_part):
    """uncond + cfg (no_audio - uncond) + audio_cfg (audio - no_audio), and its form with cfg 1."""
    config, t = talking(golden_part)
    passes = {0: t["dit.uncond"], 1: t["dit.no_audio"], 2: t["dit.audio"]}
    speech = config["audio_cfg_scale"]
    for name, text in (("cfg.combined", config["cfg_scale"]), ("cfg.prompt_cfg_1", 1.0)):
        step, found = guided(
            Guidance((Layer("text", text), Layer("speech", speech))), passes, 0.5, [0.5, 0.0]
        )
        assert len(step.passes) == (2 if text in (1, speech) else 3)  # equal scales save the pass between
        assert (found - t[name]).abs().max() <= 1e-3, name


def test_the_schedule_of_fantasy_talking_is_the_same(golden_part, synthetic):
    config, t = talking(golden_part)
    lists = [key for key in t if key.startswith("scheduler.sigmas_")]
    assert lists
    for key in lists:
        steps = int(key.rsplit("_", 1)[1])
        sigmas = flow_sigmas(steps)
        torch.testing.assert_close(sigmas[:-1], t[key], atol=1e-6, rtol=0)
        torch.testing.assert_close(1000 * sigmas[:-1], t[f"scheduler.timesteps_{steps}"], atol=1e-3, rtol=0)
        shape = [1, 16, config["latent_frames"], *config["latent_hw"]]
        drawn = synthetic.synthetic_tensor(f"in.latents.{config['noise_tag']}", shape)
        latents = drawn * torch.tensor(shape[1:]).prod().sqrt()
        passes = {0: t["dit.uncond"], 1: t["dit.no_audio"], 2: t["dit.audio"]}
        guidance = Guidance((Layer("text", config["cfg_scale"]), Layer("speech", config["audio_cfg_scale"])))
        for name, i in (("step0", 0), ("step_last", steps - 1)):
            _, v = guided(guidance, passes, float(sigmas[i]), sigmas.tolist())
            found = latents + v * (sigmas[i + 1] - sigmas[i])
            assert (found - t[f"scheduler.{name}"]).abs().max() <= 1e-3, name
