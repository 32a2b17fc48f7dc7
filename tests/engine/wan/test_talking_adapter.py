"""FantasyTalking's adapter: files in every spelling and type, files that are none, and speech at any frame rate."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from troupe.engine.errors import TroupeError
from troupe.engine.speech.embeds import SpeechEmbeds
from troupe.engine.wan.adapter import load_adapter
from troupe.engine.wan.embeds import FEATURES, ExpressionEmbeds

DIM, CTX, DEPTH, HEARD = 24, 32, 2, 48
OFFICIAL = "audio_processor.blocks.{}.cross_attn.processor.{}_proj.weight"
SPELLINGS = [
    OFFICIAL,
    "audio_processor.blocks.{}.cross_attn.{}_proj.weight",
    "blocks.{}.cross_attn.{}_proj.weight",
    "blocks.{}.cross_attn.processor.{}_proj.weight",
]


def flat_file(synthetic, branch: str = OFFICIAL, dtype=torch.float32, width: int = HEARD):
    keys = {
        "proj_model.proj.weight": (CTX, width),
        "proj_model.norm.weight": (CTX,),
        "proj_model.norm.bias": (CTX,),
    }
    keys |= {branch.format(i, w): (DIM, CTX) for i in range(DEPTH) for w in "kv"}
    return {k: t.to(dtype) for k, t in synthetic.synthetic_checkpoint(keys).items()}


def speech(seconds: float, rate: float = 50.0, width: int = HEARD) -> SpeechEmbeds:
    """Two layers; every token of the last differs from every other."""
    count = max(1, int(seconds * rate))
    hidden = np.random.default_rng(0).normal(size=(2, count, width)).astype(np.float32)
    return SpeechEmbeds(hidden, seconds, "wav2vec2-base")


@pytest.fixture(scope="module")
def adapter(synthetic, tmp_path_factory):
    path = tmp_path_factory.mktemp("talking") / "small.safetensors"
    save_file(flat_file(synthetic), path)
    return load_adapter(path)


def heard_by(adapter, drive: SpeechEmbeds, windows) -> list[list[int]]:
    """Which tokens of the drive each window holds, found by their values."""
    tokens = adapter.projection(torch.from_numpy(drive.last))
    found = []
    for window, valid in zip(windows.tokens, windows.lens):
        gaps = torch.cdist(window[:valid], tokens) if valid else torch.zeros(0, len(tokens))
        assert not valid or gaps.min(1).values.max() < 1e-2
        found.append(gaps.argmin(1).tolist())
        assert not window[valid:].any()
    return found


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float8_e5m2])
@pytest.mark.parametrize("branch", SPELLINGS)
@pytest.mark.parametrize("form", ["talk.ckpt", "talk.safetensors"])
def test_every_spelling_and_type(synthetic, tmp_path, form, branch, dtype):
    flat = flat_file(synthetic, branch, dtype)
    path = tmp_path / form
    if form.endswith("ckpt"):
        groups: dict = {}
        for key, tensor in flat.items():
            group, _, name = key.partition(".")
            groups.setdefault(group, {})[name] = tensor
        torch.save(groups, path)
    else:
        save_file(flat, path)
    loaded = load_adapter(path)
    assert (loaded.kind, loaded.name, loaded.notes) == ("talking", form, ())
    assert (loaded.dim, loaded.depth, loaded.context_dim) == (DIM, DEPTH, CTX)
    assert loaded.projection.inputs == HEARD
    for i in range(DEPTH):
        assert loaded.keys[i].dtype == loaded.values[i].dtype == dtype
        assert torch.equal(loaded.keys[i].float(), flat[branch.format(i, "k")].float())
        assert torch.equal(loaded.values[i].float(), flat[branch.format(i, "v")].float())
    weight = loaded.projection.state_dict()["proj_model.proj.weight"]
    assert weight.dtype == torch.float32 and torch.equal(weight, flat["proj_model.proj.weight"].float())


def test_further_weights_of_the_model_are_said_and_left_out(synthetic, tmp_path):
    more = ["blocks.0.self_attn.q.weight", "blocks.1.modulation", "head.head.bias", "patch_embedding.weight"]
    flat = flat_file(synthetic) | {f"audio_processor.{k}": torch.ones(4) for k in more}
    save_file(flat, tmp_path / "more.safetensors")
    loaded = load_adapter(tmp_path / "more.safetensors")
    assert loaded.depth == DEPTH
    assert len(loaded.notes) == 1 and all(k in loaded.notes[0] for k in more)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({OFFICIAL.format(0, "v"): None}, ["missing", OFFICIAL.format(0, "v")]),
        ({OFFICIAL.format(0, w): None for w in "kv"}, ["missing", OFFICIAL.format(0, "k")]),
        (
            {OFFICIAL.format(i, w): None for i in (0, 1) for w in "kv"},
            ["missing", "audio_processor.blocks.0."],
        ),
        ({"proj_model.norm.bias": None}, ["missing", "proj_model.norm.bias"]),
        ({"proj_model.proj.weight": None}, ["missing", "proj_model.proj.weight"]),
        ({"proj_model.proj.bias": (CTX,)}, ["unexpected", "proj_model.proj.bias"]),
        ({"audio_processor.novel.weight": (2, 2)}, ["unexpected", "audio_processor.novel.weight"]),
        ({"blocks.0.self_attn.q.weight": (2, 2)}, ["unexpected", "blocks.0.self_attn.q.weight"]),
        ({OFFICIAL.format(1, "k"): (DIM, CTX + 1)}, [OFFICIAL.format(1, "k"), str([DIM, CTX + 1])]),
        ({OFFICIAL.format(1, "k"): (DIM + 8, CTX)}, [OFFICIAL.format(1, "k"), str([DIM + 8, CTX])]),
        ({"proj_model.norm.weight": (CTX - 1,)}, ["proj_model.norm.weight", str([CTX - 1])]),
    ],
)
def test_files_that_do_not_fit_are_refused_with_their_keys(synthetic, tmp_path, change, words):
    flat = flat_file(synthetic) | {k: torch.ones(shape) for k, shape in change.items() if shape}
    save_file({k: t for k, t in flat.items() if change.get(k, True)}, tmp_path / "broken.safetensors")
    with pytest.raises(TroupeError) as caught:
        load_adapter(tmp_path / "broken.safetensors")
    for word in ("broken.safetensors", *words):
        assert word in str(caught.value)


@given(frames=st.integers(1, 120), fps=st.floats(4, 120), longer=st.floats(0, 5))
@settings(max_examples=40, deadline=None)
def test_latent_frames_hear_their_own_moment(adapter, frames, fps, longer):
    """The middle of a window lies up to 1.5 tokens before the middle of its frames, as the reference rounds, and
    another by the clip's end, as a clip has whole tokens: in seconds, at any frame rate."""
    drive = speech(max(0.2, frames / fps + longer))
    windows = adapter.windows(drive, frames, fps)
    count, hold = len(drive.last), drive.seconds / len(drive.last)
    for latent, tokens in enumerate(heard_by(adapter, drive, windows)):
        if latent == 0 or not tokens or tokens[0] == 0 or len(tokens) < windows.tokens.shape[1]:
            continue  # cut off by an end
        middle = (tokens[0] + tokens[-1] + 1) / 2 * hold
        wanted = (4 * latent - 1) / fps
        assert -2.51 * hold <= middle - wanted <= 0.01 * hold
        assert tokens == list(range(tokens[0], tokens[-1] + 1)) and tokens[-1] < count


def test_a_sound_shorter_than_the_clip_is_not_stretched(adapter):
    """What the clip begins with does not depend on how long it goes on after the sound."""
    drive = speech(1.0)
    short, long = adapter.windows(drive, 25, 25.0), adapter.windows(drive, 101, 25.0)
    assert heard_by(adapter, drive, long)[:4] == heard_by(adapter, drive, short)[:4]
    assert long.lens[:7].min() > 0 and not long.lens[8:].any()
    assert not long.tokens[8:].any()


def test_of_a_longer_sound_the_clip_hears_its_own_span(adapter):
    whole, part = speech(4.0), speech(4.0)
    part = SpeechEmbeds(part.hidden[:, :50], 1.0, part.encoder)
    ours, theirs = adapter.windows(whole, 25, 25.0), adapter.windows(part, 25, 25.0)
    assert torch.equal(ours.lens, theirs.lens)
    torch.testing.assert_close(ours.tokens, theirs.tokens, atol=1e-5, rtol=1e-5)


def test_only_the_last_layer_is_heard(adapter):
    drive = speech(1.0)
    other = SpeechEmbeds(drive.hidden * np.float32([3, 1])[:, None, None], 1.0, drive.encoder)
    assert torch.equal(adapter.windows(drive, 9, 25.0).tokens, adapter.windows(other, 9, 25.0).tokens)


def test_another_encoder_is_refused_by_both_widths(adapter):
    drive = SpeechEmbeds(np.zeros((1, 50, 1024), np.float32), 1.0, "wav2vec2-large")
    with pytest.raises(TroupeError) as caught:
        adapter.windows(drive, 5, 25.0)
    for word in ("small.safetensors", "wav2vec2-large", "1024", str(HEARD)):
        assert word in str(caught.value)


def test_other_drives_and_impossible_clips_are_refused(adapter):
    face = ExpressionEmbeds(np.zeros((3, FEATURES), np.float32), 25.0, np.ones((3, 4), np.float32))
    with pytest.raises(TroupeError, match="ExpressionEmbeds"):
        adapter.windows(face, 5, 25.0)
    for frames, fps in ((0, 25.0), (5, -1.0), (5, float("nan")), (10_000, 0.01), (10**9, 25.0)):
        with pytest.raises(TroupeError):
            adapter.windows(speech(1.0), frames, fps)
