"""FantasyPortrait's projection and windows against the reference's tensors."""

from __future__ import annotations

import json
import re
from functools import partial

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from troupe.engine.checkpoint import load_strict
from troupe.engine.wan.adapter import Adapter
from troupe.engine.wan.embeds import ExpressionEmbeds
from troupe.engine.wan.portrait import TOKEN_PARTS, TOKENS, PortraitProjection
from troupe.engine.wan.windows import cut_windows, latent_frames, window_ranges

pytestmark = pytest.mark.golden
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def folder(golden_part):
    return partial(golden_part, "fantasy_portrait")


@pytest.fixture(scope="module")
def projected(folder, synthetic):
    """The reference's tensors, its meta, and what the adapter makes of the same features."""
    path = folder("adapter_proj")
    reference, meta = load_file(path / "io.safetensors"), json.loads((path / "meta.json").read_text())
    weights = synthetic.synthetic_checkpoint(json.loads((path / "keys.json").read_text()))
    projection = PortraitProjection.shaped_like(weights)
    load_strict(projection, weights, "keys.json")
    features = reference["features"][0]
    assert meta["num_frames"] == len(features)
    adapter = Adapter("portrait", "synthetic", projection, (), ())
    drive = ExpressionEmbeds(features.numpy(), 24.0, np.zeros((len(features), 4), np.float32))
    with torch.no_grad():
        tokens = projection(features)
    return reference, meta, tokens, adapter.windows(drive, len(features), 24.0)


def test_tokens(projected):
    reference, meta, tokens, _ = projected
    flat = tokens.flatten(0, 1)[None]
    assert list(flat.shape) == meta["whole"]["shape"]
    assert (flat[..., ::16] - reference["tokens_ch_stride16"]).abs().max() <= TOLERANCE
    assert (tokens[:1] - reference["tokens_frame0"]).abs().max() <= TOLERANCE
    assert (flat.mean(-1) - reference["token_mean"]).abs().max() <= TOLERANCE
    assert (flat.std(-1) - reference["token_std"]).abs().max() <= TOLERANCE
    for name, told in {"whole": meta["whole"], **meta["group_stats"]}.items():
        part = tokens[:, slice(*meta["token_groups_within_a_frame"].get(name, (0, TOKENS)))]
        for what in ("mean", "std", "min", "max"):
            assert float(getattr(part, what)()) == pytest.approx(told[what], abs=TOLERANCE), (name, what)


def test_which_tokens_speak_of_what(projected):
    groups = projected[1]["token_groups_within_a_frame"]
    parts = {"headpose": "head", "eye": "eyes", "mouth_resampler": "mouth", "emo_resampler": "emotion"}
    parts |= {"emo": "emotion", "mouth": "mouth"}
    for name, (begin, end) in groups.items():
        assert set(TOKEN_PARTS[begin:end]) == {parts[name]}
    assert sum(end - begin for begin, end in groups.values()) == TOKENS


def test_windows_of_projected_tokens(projected):
    reference, meta, tokens, windows = projected
    assert windows.lens is None
    assert (windows.tokens[None, ..., ::64] - reference["split_ch_stride64"]).abs().max() <= TOLERANCE
    ranges = window_ranges(tokens.shape[0] * TOKENS, len(tokens))
    assert ranges == [tuple(r) for r in meta["pos_idx_range"]]
    lens = cut_windows(tokens.flatten(0, 1), ranges).lens
    assert lens.tolist() == reference["split_lens"].tolist() == meta["lens"]


def test_split_tensors_are_exact(folder):
    tensors = load_file(folder("split") / "io.safetensors")
    lengths = sorted(int(key.removeprefix("tokens_")) for key in tensors if key.startswith("tokens_"))
    assert lengths and len(tensors) == 3 * len(lengths)
    for frames in lengths:
        tokens = tensors[f"tokens_{frames}"][0]
        windows = cut_windows(tokens, window_ranges(len(tokens), frames))
        assert torch.equal(windows.tokens[None], tensors[f"split_{frames}"])
        assert torch.equal(windows.lens, tensors[f"lens_{frames}"])


def test_ranges_are_exact(folder):
    """Also where the detector lost a frame, so that a frame has not quite 24 tokens."""
    table = json.loads((folder("split") / "ranges.json").read_text())
    for case, told in table.items():
        numbers = [int(n) for n in re.findall(r"\d+", case)]
        frames, tokens = numbers[0], numbers[-1] if len(numbers) > 1 else told["tokens"]
        ranges = window_ranges(tokens, frames)
        if "error" in told:  # the reference cannot make one frame; it is one window, as the first always is
            assert (frames, ranges) == (1, [(-73, 23)])
            continue
        assert ranges == [tuple(r) for r in told["pos_idx_range_inclusive"]]
        windows = cut_windows(torch.ones(tokens, told["split_shape"][-1]), ranges)
        assert windows.lens.tolist() == told["lens"]
        assert [1, *windows.tokens.shape] == told["split_shape"]
        assert len(ranges) == latent_frames(frames) == told.get("latent_frames", len(ranges))
