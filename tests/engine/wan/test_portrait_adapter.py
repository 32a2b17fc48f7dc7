"""FantasyPortrait's adapter: files in every spelling and type, files that are none, and what drives it."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from troupe.engine.errors import TroupeError
from troupe.engine.speech.embeds import SpeechEmbeds
from troupe.engine.wan.adapter import check_fits, load_adapter
from troupe.engine.wan.embeds import FEATURES, ExpressionEmbeds
from troupe.engine.wan.portrait import TOKEN_PARTS, TOKENS, PortraitProjection

DIM, CTX, DEPTH = 24, 32, 3
SIZES = {"dim": 64, "depth": 2, "heads": 1, "inner": 96}
OFFICIAL = "ip_adapter.blocks.{}.cross_attn.processor.ip_adapter_single_stream_{}_proj.weight"
REPACKED = "ip_adapter.blocks.{}.cross_attn.ip_adapter_single_stream_{}_proj.weight"


def flat_file(synthetic, branch: str = OFFICIAL, dtype=torch.float32) -> dict[str, torch.Tensor]:
    """A small adapter under flat names."""
    module = PortraitProjection(CTX, SIZES, SIZES)
    keys = {k: tuple(t.shape) for k, t in module.state_dict().items()}
    keys |= {branch.format(i, w): (DIM, CTX) for i in range(DEPTH) for w in "kv"}
    return {k: t.to(dtype) for k, t in synthetic.synthetic_checkpoint(keys).items()}


def nested(flat: dict[str, torch.Tensor]) -> dict[str, dict[str, torch.Tensor]]:
    """As the official pickle holds it."""
    groups: dict[str, dict[str, torch.Tensor]] = {}
    for key, tensor in flat.items():
        group, _, name = key.partition(".")
        groups.setdefault(group, {})[name] = tensor
    return groups


def saved(path, tensors):
    save_file(tensors, path) if path.suffix == ".safetensors" else torch.save(tensors, path)
    return path


def expression(count: int, fps: float = 25.0, seed: int = 0, **more) -> ExpressionEmbeds:
    features = np.random.default_rng(seed).normal(size=(count, FEATURES)).astype(np.float32)
    return ExpressionEmbeds(features, fps, np.tile(np.float32([10, 10, 90, 90]), (count, 1)), **more)


@pytest.fixture(scope="module")
def adapter(synthetic, tmp_path_factory):
    path = tmp_path_factory.mktemp("portrait") / "small.safetensors"
    return load_adapter(saved(path, flat_file(synthetic)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn])
@pytest.mark.parametrize("branch", [OFFICIAL, REPACKED])
@pytest.mark.parametrize("form", ["nested.ckpt", "flat.pth", "flat.safetensors"])
def test_every_spelling_and_type(synthetic, tmp_path, form, branch, dtype):
    flat = flat_file(synthetic, branch, dtype)
    path = saved(tmp_path / form, nested(flat) if form.startswith("nested") else flat)
    loaded = load_adapter(path)
    assert (loaded.kind, loaded.name, loaded.notes) == ("portrait", form, ())
    assert (loaded.dim, loaded.depth, loaded.context_dim) == (DIM, DEPTH, CTX)
    for i in range(DEPTH):
        for weights, which in ((loaded.keys, "k"), (loaded.values, "v")):
            assert weights[i].dtype == dtype
            assert torch.equal(weights[i].float(), flat[branch.format(i, which)].float())
    state = loaded.projection.state_dict()
    assert not any(p.requires_grad for p in loaded.projection.parameters())
    assert all(t.dtype == torch.float32 and torch.equal(t, flat[k].float()) for k, t in state.items())


def test_blocks_are_ordered_by_number(synthetic, tmp_path):
    flat = flat_file(synthetic)
    for i in range(DEPTH, 12):  # "10" sorts before "2"
        flat |= {OFFICIAL.format(i, w): torch.full((DIM, CTX), float(i)) for w in "kv"}
    loaded = load_adapter(saved(tmp_path / "deep.safetensors", flat))
    assert [float(k[0, 0]) for k in loaded.keys[DEPTH:]] == list(range(DEPTH, 12))


def test_the_encoder_may_lie_in_the_same_file(synthetic, tmp_path, adapter):
    flat = flat_file(synthetic) | {"pd_fpg.conv1.weight": torch.ones(3, 3)}
    flat["pd_fpg.bn1.num_batches_tracked"] = torch.zeros((), dtype=torch.int64)
    loaded = load_adapter(saved(tmp_path / "both.safetensors", flat))
    assert loaded.depth == DEPTH and loaded.notes == ()


def refused(tmp_path, tensors, *words, form="broken.safetensors"):
    with pytest.raises(TroupeError) as caught:
        load_adapter(saved(tmp_path / form, tensors))
    message = str(caught.value)
    assert form in message
    for word in words:
        assert word in message, message


@pytest.mark.parametrize(
    "key",
    [
        "proj_model.norm.weight",
        "proj_model.eye_proj.weight",
        "mouth_proj_model.latents",
        "mouth_proj_model.layers.0.0.to_q.weight",
        "mouth_proj_model.layers.1.1.1.weight",
        "emo_proj_model.proj_out.bias",
        OFFICIAL.format(0, "k"),
        OFFICIAL.format(1, "v"),
    ],
)
def test_a_partial_file_is_refused_with_its_missing_keys(synthetic, tmp_path, key):
    flat = flat_file(synthetic)
    del flat[key]
    refused(tmp_path, flat, "missing", key)
    refused(tmp_path, nested(flat), "missing", key, form="broken.ckpt")


@pytest.mark.parametrize("group", ["proj_model", "mouth_proj_model", "emo_proj_model", "ip_adapter"])
def test_a_file_without_one_of_its_groups_is_refused(synthetic, tmp_path, group):
    flat = {k: t for k, t in flat_file(synthetic).items() if not k.startswith(group + ".")}
    refused(tmp_path, flat, "missing", group + ".")


def test_gaps_in_the_blocks_are_refused(synthetic, tmp_path):
    flat = {k: t for k, t in flat_file(synthetic).items() if "blocks.1." not in k}
    refused(tmp_path, flat, "missing", OFFICIAL.format(1, "k"), OFFICIAL.format(1, "v"))


@pytest.mark.parametrize(
    "key",
    [
        "proj_model.extra.weight",
        "mouth_proj_model.layers.0.0.to_q.bias",
        "ip_adapter.blocks.0.cross_attn.processor.scale",
        "something.else",
        OFFICIAL.format(123456789, "k"),
    ],
)
def test_unexpected_names_are_refused(synthetic, tmp_path, key):
    refused(tmp_path, flat_file(synthetic) | {key: torch.ones(DIM, CTX)}, "unexpected", key)


def test_a_weight_in_two_spellings_is_refused(synthetic, tmp_path):
    more = {REPACKED.format(0, "k"): torch.ones(DIM, CTX)}
    refused(tmp_path, flat_file(synthetic) | more, "unexpected", "blocks.0.", "single_stream_k_proj")


@pytest.mark.parametrize(
    ("key", "shape"),
    [
        (OFFICIAL.format(1, "k"), (DIM + 1, CTX)),
        (OFFICIAL.format(2, "v"), (DIM, CTX - 1)),
        (OFFICIAL.format(0, "v"), (DIM,)),
        ("proj_model.headpose_proj.weight", (CTX, 7)),
        ("mouth_proj_model.latents", (1, 15, 64)),
        ("emo_proj_model.layers.0.0.to_kv.weight", (128, 63)),
    ],
)
def test_other_widths_are_refused(synthetic, tmp_path, key, shape):
    refused(tmp_path, flat_file(synthetic) | {key: torch.ones(shape)}, key, str(list(shape)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float8_e4m3fn])
@pytest.mark.parametrize("key", [OFFICIAL.format(1, "v"), "emo_proj_model.latents"])
def test_nan_is_refused(synthetic, tmp_path, key, dtype):
    flat = flat_file(synthetic)
    broken = flat[key].clone()
    broken.view(-1)[5] = float("nan")
    refused(tmp_path, flat | {key: broken.to(dtype)}, "NaN", key)


def test_whole_numbers_are_refused(synthetic, tmp_path):
    key = OFFICIAL.format(0, "k")
    refused(tmp_path, flat_file(synthetic) | {key: torch.ones(DIM, CTX, dtype=torch.int8)}, key, "int8")


def test_a_file_that_is_no_adapter_says_what_it_holds(tmp_path):
    other = {"blocks.0.self_attn.q.weight": torch.ones(2, 2), "head.head.weight": torch.ones(2, 2)}
    refused(tmp_path, other, "blocks, head", "FantasyPortrait", "FantasyTalking")
    refused(tmp_path, {"text_model.layers.0.self_attn.k_proj.weight": torch.ones(2, 2)}, "text_model")


def test_two_adapters_in_one_file_are_refused(synthetic, tmp_path):
    more = {"audio_processor.blocks.0.cross_attn.k_proj.weight": torch.ones(DIM, CTX)}
    refused(tmp_path, flat_file(synthetic) | more, "two adapters", "audio_processor")


def test_a_pickle_that_wants_to_run_code_is_refused(synthetic, tmp_path):
    class Evil:
        def __reduce__(self):
            return (exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",))

    path = tmp_path / "evil.ckpt"
    torch.save(nested(flat_file(synthetic)) | {"evil": Evil()}, path)
    with pytest.raises(TroupeError, match="refused"):
        load_adapter(path)
    assert not (tmp_path / "ran").exists()


def test_a_truncated_file_is_refused(synthetic, tmp_path):
    for form in ("cut.safetensors", "cut.ckpt"):
        path = saved(tmp_path / form, flat_file(synthetic))
        path.write_bytes(path.read_bytes()[:-5000])
        with pytest.raises(TroupeError, match=re.escape(form)):
            load_adapter(path)


def test_weights_of_the_model_beside_the_branch_are_left_out_and_said(synthetic, tmp_path):
    more = {"ip_adapter.blocks.0.cross_attn.q.weight": torch.ones(DIM, DIM)}
    loaded = load_adapter(saved(tmp_path / "more.safetensors", flat_file(synthetic) | more))
    assert len(loaded.notes) == 1 and "blocks.0.cross_attn.q.weight" in loaded.notes[0]


def test_what_it_fits(adapter):
    check_fits(adapter, DIM, DEPTH, "WAN21")
    for dim, depth in ((1536, 30), (DIM, 40), (5120, DEPTH)):
        with pytest.raises(TroupeError) as caught:
            check_fits(adapter, dim, depth, "WAN21")
        for word in (
            "small.safetensors",
            "WAN21",
            f"width {DIM}",
            f"{DEPTH} blocks",
            f"{dim}",
            f"{depth} blocks",
        ):
            assert word in str(caught.value)


@given(
    frames=st.integers(1, 90), count=st.integers(1, 120), drive_fps=st.floats(5, 120), fps=st.floats(5, 60)
)
@settings(max_examples=25, deadline=None)
def test_drives_are_joined_by_time(adapter, frames, count, drive_fps, fps):
    """The windows of a drive at another frame rate are those of the drive resampled beforehand."""
    drive = expression(count, drive_fps)
    windows = adapter.windows(drive, frames, fps)
    assert windows.lens is None and windows.tokens.dtype == torch.float32
    assert list(windows.tokens.shape) == [(frames - 1) // 4 + 1, 4 * TOKENS + 1, CTX]
    tokens = adapter.projection(torch.from_numpy(drive.resample(fps, frames).features))
    for latent, window in enumerate(windows.tokens):
        own = tokens[:1] if latent == 0 else tokens[4 * latent - 3 : 4 * latent + 1]
        own = own.flatten(0, 1)
        front = 0 if latent == 0 else 1  # the last token of the frame before
        torch.testing.assert_close(window[front : front + len(own)], own, atol=1e-5, rtol=1e-5)
        assert not window[front + len(own) :].any()


def test_long_clips_in_pieces_are_the_same(adapter):
    """A frame's tokens do not depend on its neighbours nor on where a chunk ends."""
    drive = expression(150)
    whole = adapter.windows(drive, 149, 25.0).tokens
    part = adapter.windows(drive, 41, 25.0).tokens
    torch.testing.assert_close(whole[:11], part, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("part", ["head", "eyes", "emotion", "mouth"])
def test_a_scale_multiplies_the_tokens_of_its_part(adapter, part):
    drive = expression(5)
    plain = adapter.windows(drive, 5, 25.0).tokens[1, 1:].view(4, TOKENS, CTX)
    scaled = adapter.windows(drive.scaled(**{part: 0.5}), 5, 25.0).tokens[1, 1:].view(4, TOKENS, CTX)
    own = torch.tensor([name == part for name in TOKEN_PARTS])
    assert int(own.sum()) == {"head": 1, "eyes": 1, "emotion": 5, "mouth": 17}[part]
    assert torch.equal(scaled[:, own], plain[:, own] * 0.5) and torch.equal(scaled[:, ~own], plain[:, ~own])
    assert plain[:, own].abs().mean() > 0.1


def test_other_drives_and_impossible_clips_are_refused(adapter):
    speech = SpeechEmbeds(np.zeros((1, 50, 768), np.float32), 1.0, "wav2vec2-base")
    with pytest.raises(TroupeError, match="SpeechEmbeds"):
        adapter.windows(speech, 5, 25.0)
    for frames, fps in ((0, 25.0), (5, 0.0), (5, float("inf"))):
        with pytest.raises(TroupeError):
            adapter.windows(expression(3), frames, fps)
