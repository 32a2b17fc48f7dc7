"""Hallo's small nets, masks, audio, schedule and two clips against the published code (random weights)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from troupe.engine.faces.regions import LIPS, OVAL
from troupe.engine.guidance import Guidance
from troupe.engine.refnet.hallo import animate, portrait_of, published
from troupe.engine.refnet.hallo_audio import (
    SAMPLES,
    at_frames,
    encode_frames,
    frame_windows,
    normalised_and_padded,
)
from troupe.engine.refnet.hallo_masks import HalloMasks, hallo_masks, region_box, soft_masks
from troupe.engine.refnet.hallo_nets import Hallo
from troupe.engine.refnet.load import hallo_nets
from troupe.engine.refnet.schedule import ddim, denoise

pytestmark = pytest.mark.golden
VAE_SCALE = 0.18215


@pytest.fixture(scope="module")
def hallo(hallo_weights):
    return Hallo.of(hallo_nets(hallo_weights, "net"))


@torch.no_grad()
def test_projections(hallo_tiny, hallo):
    gold = hallo_tiny.reference("projections")
    gold.same("audio_out", hallo.audio(gold["audio_in"]), 1e-4)
    gold.same("image_tokens", hallo.identity(gold["face_emb"]), 1e-4)
    gold.same("image_tokens_zero", hallo.identity(torch.zeros_like(gold["face_emb"])), 1e-4)
    gold.same("face_locator_out", hallo.locator(gold["face_mask"]), 1e-4)
    assert not gold.unseen


def test_masks(hallo_tiny):
    gold = hallo_tiny.reference("masks")
    landmarks = gold["landmarks"].numpy()
    sizes = gold["image_size"].tolist()
    width, height = (sizes * 2)[:2]
    for name, points, room in (("face", OVAL, 1.2), ("lip", LIPS, 2.0)):
        box = region_box(landmarks[list(points)], height, width, room)
        gold.same(f"{name}_box", torch.tensor(box), 0)
    boxes = [tuple(gold[f"{name}_box"].tolist()) for name in ("face", "lip")]
    for name, mask in zip(("face", "lip", "full"), soft_masks(*boxes, height, width)):
        gold.same(f"{name}_64", torch.from_numpy(mask), 1)
    depths = [(height // 8 >> i, width // 8 >> i) for i in range(4)]
    ours = hallo_masks(landmarks, height, width, depths)
    for level, masks in ours.levels.items():
        for i, mask in enumerate(masks):
            gold.same(f"{level}_mask.{i}", mask, 1 / 255 + 1e-6)
    x0, y0, x1, y1 = boxes[0]
    assert ours.locator.sum() == 3 * (x1 - x0) * (y1 - y0) and ours.locator[:, y0, x0].all()
    assert not gold.unseen


def wav2vec(tiny):
    """transformers' network of the golden's size, as two halves."""
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    said = tiny.json("wav2vec_config")
    model = Wav2Vec2Model(Wav2Vec2Config(**said))
    missing, unexpected = model.load_state_dict(tiny.weights("wav2vec"), strict=False)
    assert not unexpected and all("masked_spec_embed" in k for k in missing)
    model.eval()

    def encode(features):
        hidden, _ = model.feature_projection(features)
        hidden = model.encoder.layer_norm(hidden + model.encoder.pos_conv_embed(hidden))
        layers = [hidden]
        for layer in model.encoder.layers:
            out = layer(layers[-1])
            layers.append(out[0] if isinstance(out, tuple) else out)
        return layers

    return lambda waves: model.feature_extractor(waves).transpose(1, 2), encode, said


@torch.no_grad()
def test_audio(hallo_tiny):
    gold = hallo_tiny.reference("audio")
    gold.same("windows", frame_windows(gold["features"].transpose(0, 1)), 0)
    convolve, encode, said = wav2vec(hallo_tiny)
    wave, frames = gold["wave"].numpy(), int(gold["seq_len"])
    heard = -(-len(wave) // SAMPLES)
    assert heard == int(gold["audio_length"])
    padded = normalised_and_padded(wave, frames - heard)
    gold.same("normalised_padded", torch.from_numpy(padded), 1e-5)
    features = convolve(torch.from_numpy(padded)[None])
    gold.same("conv_features", features, 1e-4)
    gold.same("interpolated", at_frames(features, frames), 1e-4)
    speech = encode_frames(wave, said["sample_rate"], convolve, encode, multiple=said["clip_length"])
    gold.same("hidden_states", torch.from_numpy(speech.hidden).transpose(0, 1), 1e-4)
    assert speech.fps == said["fps"] and np.isclose(speech.seconds, len(wave) / said["sample_rate"])
    assert not gold.unseen


def test_schedule(hallo_tiny):
    gold = hallo_tiny.reference("schedule")
    for name in list(gold):
        if name.startswith("timesteps."):
            gold.same(name, ddim(int(name.rpartition(".")[2])).timesteps, 0)
    gold.same("alphas_cumprod", ddim(1).alphas_cumprod, 1e-6)
    gold.same("betas", ddim(1).betas, 1e-6)
    gold.same("step.timesteps", ddim(len(gold["step.timesteps"])).timesteps, 0)
    given = iter(gold["step.model_output"])
    run = denoise(
        lambda x, t, passes: next(given), gold["step.sample"], len(gold["step.timesteps"]), Guidance()
    )
    for i, (_, latents) in enumerate(run):
        error = (latents - gold["step.prev_samples"][i]).abs().max()
        assert error <= 1e-4, f"step {i}: {error}"
    assert not gold.unseen


@torch.no_grad()
def test_two_clips(hallo_tiny, hallo):
    gold, config, vae = hallo_tiny.reference("end_to_end"), hallo_tiny.config, hallo_tiny.vae()

    def encoded(pixels):
        return vae.encode(pixels).latent_dist.mode() * VAE_SCALE

    def decoded(latents):
        frames = [vae.decode(f[None] / VAE_SCALE).sample[0] for f in latents[0].transpose(0, 1)]
        return (torch.stack(frames, 1)[None] / 2 + 0.5).clamp(0, 1)

    image, frames = gold["image"], config["frames"]
    levels = {n: [gold[f"{n}_mask.{i}"][:1] for i in range(4)] for n in ("full", "face", "lip")}
    masks = HalloMasks(gold["face_mask"][0], levels)
    portrait = portrait_of(hallo, encoded(image), gold["face_emb"], masks)
    gold.same("ref_latents", encoded(image).expand(3, -1, -1, -1), 1e-4)
    guidance, motion = published(config["guidance_scale"]), None
    for clip in range(2):
        bank = portrait.look(motion)
        windows = gold["audio_windows"][clip * frames : (clip + 1) * frames]
        noise, wanted = gold[f"clip{clip}.noise"], gold[f"clip{clip}.latents"]
        how = {"steps": len(wanted), "guidance": guidance}
        for i, (_, latents) in enumerate(animate(portrait, bank, noise, windows, **how)):
            error = (latents - wanted[i]).abs().max()
            assert error <= 1e-3, f"clip {clip}, step {i}: {error}"
        if f"clip{clip}.latents_half_bank" in gold:
            half = bank.to(dtype=torch.float16).to(dtype=torch.float32)
            runs = animate(portrait, half, noise, windows, **how)
            halved = torch.stack([latents for _, latents in runs])
            gold.same(f"clip{clip}.latents_half_bank", halved, 1e-3)
        video = decoded(latents)
        if f"clip{clip}.video" in gold:
            gold.same(f"clip{clip}.video", video, 1e-3)
        last = video[0, :, -config["motion_frames"] :].transpose(0, 1) * 2 - 1
        if f"clip{clip + 1}.ref_pixels" in gold:
            gold.same(f"clip{clip + 1}.ref_pixels", torch.cat([image, last])[None], 2e-3)
        motion = encoded(last)
    assert not gold.unseen
