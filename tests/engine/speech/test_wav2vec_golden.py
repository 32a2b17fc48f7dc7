"""Speech features against the reference's: a real voice through wav2vec2-base with synthetic weights."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from troupe.engine.speech.wav2vec import FIELD, HOP, RATE, encode_speech, load_wav2vec2

pytestmark = pytest.mark.golden
FEATURES, WAVE, RESAMPLED = 1e-3, 1e-4, 2e-3  # tolerances of the reference


def deaf(sound):
    """An encoder that answers with as many tokens as wav2vec2, whatever it hears."""
    return [torch.zeros(1, (sound.shape[1] - FIELD) // HOP + 1, 8)]


@pytest.fixture(scope="module")
def reference(golden_part):
    return load_file(golden_part("fantasy_talking", "audio_features.safetensors"))  # made of a real voice


@pytest.fixture(scope="module")
def base(golden, synthetic, tmp_path_factory):
    """wav2vec2-base with the reference's synthetic weights."""
    folder = golden / "fantasy_talking"
    keys = json.loads((folder / "keys.json").read_text())["wav2vec2-base-960h"]
    rule = json.loads((folder / "wav2vec2_rule.json").read_text())["wav2vec2_multiply_keys_ending_with"]
    weights = synthetic.synthetic_checkpoint(keys)
    for name, tensor in weights.items():
        for ending, factor in rule.items():
            if name.endswith(ending):
                weights[name] = tensor * factor
    path = tmp_path_factory.mktemp("base") / "wav2vec2-base-960h.safetensors"
    save_file(weights, path)
    return load_wav2vec2(path)


def clip_of(key: str) -> tuple[int, float]:
    """Frames and fps in a key such as ``features.num_frames_41.fps_23``."""
    words = dict(w.rsplit("_", 1) for w in key.split(".") if w.startswith(("num_frames", "fps")))
    return int(words["num_frames"]), float(words["fps"])


def feature_keys(reference) -> list[str]:
    return [k for k in reference if k.startswith("features.") and not k.endswith(".shape")]


def test_reference_features(reference, base):
    keys = feature_keys(reference)
    assert keys
    for key in keys:
        frames, fps = clip_of(key)
        # The reference does not pad a sound that ends before the clip: neither does encoding without a length.
        seconds = None if key.endswith("audio_shorter_than_clip") else frames / fps
        embeds = encode_speech(reference["wav"], RATE, base, seconds)
        shape = reference[key + ".shape"].tolist()
        assert [1, *embeds.last.shape] == shape and embeds.encoder == "wav2vec2-base"
        step = -(-shape[-1] // reference[key].shape[-1])
        assert np.abs(embeds.last[:, ::step] - reference[key][0].numpy()).max() <= FEATURES


def test_reference_stages(reference, base):
    """Normalised samples, convolutions and hidden layers on the way."""
    tokens = reference["stage.hidden_0"].shape[1]
    key = next(k for k in feature_keys(reference) if reference[k].shape[1] == tokens)
    frames, fps = clip_of(key)
    heard = []

    def listening(sound):
        heard.append(sound)
        return base(sound)

    embeds = encode_speech(reference["wav"], RATE, listening, frames / fps)
    first = reference["normalised.first_2000"]
    assert (heard[0][:, : first.shape[1]] - first).abs().max() <= WAVE
    with torch.no_grad():
        convolved = base.module.feature_extractor(heard[0])
    told = reference["stage.conv_features"]
    step = -(-convolved.shape[1] // told.shape[1])
    assert (convolved[:, ::step] - told).abs().max() <= FEATURES
    layers = [k for k in reference if k.startswith("stage.hidden_")]
    assert layers
    for name in layers:
        layer = embeds.hidden[int(name.rpartition("_")[2])]
        step = -(-layer.shape[1] // reference[name].shape[-1])
        assert np.abs(layer[:, ::step] - reference[name][0].numpy()).max() <= FEATURES


def test_reference_resampling(reference):
    stereo, rate = reference["resample.in_stereo"], int(reference["resample.in_rate"])
    wanted = reference["resample.out_16k_mono"].numpy()
    heard = []

    def ear(sound):
        heard.append(sound[0].numpy())
        return deaf(sound)

    encode_speech(stereo, rate, ear)
    scale, shift = np.sqrt(wanted.astype(np.float64).var() + 1e-7), wanted.mean()
    assert heard[0].shape == wanted.shape
    assert np.abs(heard[0] * scale + shift - wanted).max() <= RESAMPLED


def test_reference_lengths(golden_part):
    """Samples and tokens of the recordings in the table."""
    for told in json.loads(golden_part("fantasy_talking", "length_table.json").read_text()):
        wave = torch.ones(max(1, round(told["duration_s"] * RATE)))
        embeds = encode_speech(wave, RATE, deaf, min(told["duration_s"], told["video_s"]))
        assert abs(embeds.seconds * RATE - told["samples_used"]) <= 1
        assert embeds.hidden.shape[1] == told["tokens"]
        # Ours covers the whole clip.
        padded = encode_speech(wave, RATE, deaf, told["video_s"])
        assert padded.seconds == told["video_s"]
        assert 0 <= padded.seconds * 50 - padded.hidden.shape[1] <= 1.5
