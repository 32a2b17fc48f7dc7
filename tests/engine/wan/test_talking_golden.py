"""FantasyTalking's projection and windows against the reference's tensors."""

from __future__ import annotations

import json
import math

import pytest
import torch
from safetensors.torch import load_file

from troupe.engine.checkpoint import load_strict, subset
from troupe.engine.speech.embeds import SpeechEmbeds
from troupe.engine.wan.adapter import Adapter
from troupe.engine.wan.talking import TalkingProjection, tokens_of
from troupe.engine.wan.windows import cut_windows, latent_frames, window_ranges

pytestmark = pytest.mark.golden
TOLERANCE = 2e-4


@pytest.fixture(scope="module")
def folder(golden_part):
    return golden_part("fantasy_talking")


@pytest.fixture(scope="module")
def tiny(folder, synthetic):
    """The reference's tensors, their configuration, and an adapter with the same weights."""
    config = json.loads((folder / "tiny_config.json").read_text())
    keys = json.loads((folder / "keys.json").read_text())["tiny.audio"]
    weights = synthetic.synthetic_checkpoint(keys)
    gains = config["gains"]
    weights = {k: t * gains[k.partition(".")[0]] if t.ndim > 1 else t for k, t in weights.items()}
    weights = {f"proj_model.{k}": t for k, t in subset(weights, "proj_model.").items()}
    projection = TalkingProjection.shaped_like(weights)
    load_strict(projection, weights, "keys.json")
    adapter = Adapter("talking", "synthetic", projection, (), ())
    return load_file(folder / "tiny.safetensors"), config, adapter


def noise(synthetic, name: str, shape) -> torch.Tensor:
    return synthetic.synthetic_tensor(name, shape) * math.sqrt(math.prod(shape[1:]))


def test_projection(tiny, synthetic):
    reference, config, adapter = tiny
    heard = noise(
        synthetic, f"in.wav2vec.{config['noise_tag']}", (1, config["audio_tokens"], config["audio_in_dim"])
    )
    assert (heard - reference["in.wav2vec"]).abs().max() < 1e-6
    with torch.no_grad():
        tokens = adapter.projection(reference["in.wav2vec"])
    assert tokens.shape[-1] == config["audio_proj_dim"]
    assert (tokens[..., ::8] - reference["audio_proj"]).abs().max() <= TOLERANCE
    stats = torch.stack([tokens.mean(), tokens.std(), tokens.abs().max()])
    assert (stats - reference["audio_proj.stats"]).abs().max() <= TOLERANCE


@pytest.mark.parametrize("fps", [23, 25, 29.97])
def test_windows(tiny, fps):
    """A sound as long as the clip has the reference's windows, at any frame rate."""
    reference, config, adapter = tiny
    frames = config["num_frames"]
    drive = SpeechEmbeds(reference["in.wav2vec"].numpy(), frames / fps, "wav2vec2-base")
    windows = adapter.windows(drive, frames, fps)
    assert len(windows.tokens) == config["latent_frames"]
    assert torch.equal(windows.lens, reference["split.k_lens"])
    assert (windows.tokens[None, ..., ::16] - reference["split.context"]).abs().max() <= TOLERANCE


def test_split_table(folder):
    table = json.loads((folder / "split_table.json").read_text())
    assert table
    for told in table:
        count, frames = told["audio_tokens"], told["num_frames"]
        ranges = window_ranges(count, frames)
        assert ranges == [tuple(r) for r in told["ranges"]]
        for key in (k for k in told if k.startswith("expand")):
            windows = cut_windows(torch.ones(count, 1), ranges, int(key.removeprefix("expand")))
            assert [1, *windows.tokens.shape] == told[key]["context_shape"]
            assert windows.lens.tolist() == told[key]["k_lens"]
            assert windows.tokens.sum((1, 2)).tolist() == told[key]["sum_of_ones"]


def test_length_table(folder):
    """How many tokens a clip's span has, cut from the whole recording; never more than one from the reference's."""
    for told in json.loads((folder / "length_table.json").read_text()):
        whole = max(1, (int(told["duration_s"] * 16000) - 400) // 320 + 1)
        drive = SpeechEmbeds(torch.zeros(1, whole, 4).numpy(), told["duration_s"], "wav2vec2-base")
        heard = min(tokens_of(drive, told["video_s"]), whole)
        assert abs(heard - told["tokens"]) <= 1
        assert latent_frames(told["num_frames"]) == told["latent_frames"]
