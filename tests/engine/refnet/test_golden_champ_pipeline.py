"""Champ's guidance, windows, schedule and pipeline against the published code (random weights)."""

from __future__ import annotations

import pytest
import torch

from troupe.engine.checkpoint import subset
from troupe.engine.guidance import Guidance, Layer
from troupe.engine.refnet.champ import VAE_SCALE, animate, clip_pixels, reference_pixels
from troupe.engine.refnet.champ_guidance import encode_maps, load_guidance, map_pixels
from troupe.engine.refnet.load import denoising_unet, reference_net
from troupe.engine.refnet.schedule import ddim, denoise
from troupe.engine.refnet.windows import in_windows, loop_windows

pytestmark = pytest.mark.golden


@pytest.fixture(scope="module")
def encoders(champ_tiny, champ_weights):
    return {
        kind: load_guidance(kind, subset(champ_weights, f"guidance_encoder_{kind}."))
        for kind in champ_tiny.config["guidance_types"]
    }


def test_guidance(champ_tiny, encoders):
    gold = champ_tiny.reference("guidance")
    inputs = {kind: gold[f"{kind}.input"] for kind in encoders}
    with torch.no_grad():
        for kind, encoder in encoders.items():
            out = encoder(inputs[kind][0].transpose(0, 1)).transpose(0, 1)[None]
            gold.same(f"{kind}.output", out, 1e-4)
            if f"{kind}.attention_input" in gold:
                (attention,) = encoder.attentions.values()
                seen = attention(gold[f"{kind}.attention_input"][0].transpose(0, 1), None)
                gold.same(f"{kind}.attention_output", seen.transpose(0, 1)[None], 1e-4)
    fused = encode_maps(encoders, {kind: maps[0].transpose(0, 1) for kind, maps in inputs.items()})
    gold.same("fused", fused, 1e-4)
    assert not gold.unseen


def test_windows(champ_tiny):
    for case in champ_tiny.json("contexts"):
        ours = loop_windows(
            case["num_frames"],
            case["context_size"],
            case["context_overlap"],
            step=case["step"],
            stride=case["context_stride"],
            closed=case["closed_loop"],
        )
        assert [list(w) for w in ours] == case["windows"], case


def test_windows_are_mixed_guided_and_stepped(champ_tiny):
    gold = champ_tiny.reference("accumulate")
    windows = [tuple(w.tolist()) for w in gold["windows"]]
    latents, scale, t = gold["latents"], float(gold["guidance_scale"]), int(gold["timestep"])
    frames = latents.shape[2]
    parts = dict(zip(windows, gold["predictions"]))
    mixed = in_windows(lambda w: parts[w], windows, frames)
    count = sum(torch.bincount(torch.tensor(w), minlength=frames) for w in windows)
    gold.same("counter", count.view(1, 1, -1, 1, 1).float(), 0)
    gold.same("sum", mixed * gold["counter"], 1e-4)
    guided = mixed[:1] + scale * (mixed[1:] - mixed[:1])
    gold.same("guided", guided, 1e-4)
    steps = [int(name.rpartition(".")[2]) for name in gold if name.startswith("schedule.timesteps.")]
    for n in steps:
        gold.same(f"schedule.timesteps.{n}", ddim(n).timesteps, 0)
        gold.same("schedule.alphas_cumprod", ddim(n).alphas_cumprod, 1e-6)
    step = next(ddim(n) for n in steps if t in ddim(n).timesteps)
    gold.same("prev_latents", step.step(guided, t, latents, eta=0.0).prev_sample, 1e-4)
    # The same through our own loop, at the step it is for.
    rows = torch.cat([mixed[:1], mixed[1:]])
    run = denoise(
        lambda x, at, passes: rows[list(passes)],
        latents,
        len(step.timesteps),
        Guidance((Layer("portrait", scale),)),
    )
    assert torch.allclose(next(run)[0], guided, atol=1e-4)
    assert not gold.unseen


def clip_encoder(tiny):
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    model = CLIPVisionModelWithProjection(CLIPVisionConfig(**tiny.config["image_encoder"]))
    model.load_state_dict(tiny.weights("image_encoder"), strict=False)
    return model.eval()


@torch.no_grad()
def test_pipeline(champ_tiny, champ_weights, encoders):
    gold, run = champ_tiny.reference("pipeline"), champ_tiny.config["pipeline"]
    picture = gold["reference_image"].numpy()
    pixels = clip_pixels(picture)
    every = pixels.shape[-1] // gold["clip_pixels"].shape[-1]
    gold.same("clip_pixels", pixels[..., ::every, ::every], 1e-5)
    embeds = clip_encoder(champ_tiny)(pixels).image_embeds
    gold.same("image_embeds", embeds, 1e-4)

    height, width = gold["reference_pixels"].shape[-2:]
    gold.same("reference_pixels", reference_pixels(picture, height, width), 1e-5)
    vae = champ_tiny.vae()
    latents = vae.encode(reference_pixels(picture, height, width)).latent_dist.mode() * VAE_SCALE
    gold.same("reference_latents", latents, 1e-4)

    maps = {kind: map_pixels(gold[f"guidance_images.{kind}"].numpy(), height, width) for kind in encoders}
    guidance = encode_maps(encoders, maps)
    gold.same("guidance_fea", guidance, 1e-4)

    tokens = embeds[:, None]
    bank = reference_net(subset(champ_weights, "reference_unet."), "reference_unet").write(latents, tokens)
    net = denoising_unet(subset(champ_weights, "denoising_unet."), "denoising_unet")
    noise = gold["noise"]
    windows = loop_windows(noise.shape[2], run["context_frames"], run["context_overlap"])
    how = {"steps": run["steps"], "scale": run["guidance_scale"], "windows": windows}
    steps = list(animate(net, noise, tokens, bank, guidance, **how))
    gold.same("guided_predictions", torch.stack([guided for guided, _ in steps]), 1e-3)
    final = steps[-1][1]
    gold.same("final_latents", final, 1e-3)
    half = bank.to(dtype=torch.float16).to(dtype=torch.float32)
    *_, (_, halved) = animate(net, noise, tokens, half, guidance, **how)
    gold.same("final_latents_half_bank", halved, 1e-3)

    shown = torch.stack([final[:, :, 0], final[:, :, -1]], 1)[0]
    frames = (vae.decode(shown / VAE_SCALE).sample / 2 + 0.5).clamp(0, 1)
    gold.same("video_frames", frames.transpose(0, 1)[None], 1e-3)
    assert not gold.unseen
