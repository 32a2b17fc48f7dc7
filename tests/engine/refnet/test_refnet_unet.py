"""What must hold for both nets whatever their weights: who sees whom, at any size, and what bad input gets."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.engine.errors import TroupeError
from troupe.engine.refnet import attention
from troupe.engine.refnet.attention import Attention
from troupe.engine.refnet.audio_module import AudioBlock
from troupe.engine.refnet.bank import Bank
from troupe.engine.refnet.call import LEVELS, Call
from troupe.engine.refnet.config import UNetConfig
from troupe.engine.refnet.motion import MotionModule
from troupe.engine.refnet.reference import ReferenceNet
from troupe.engine.refnet.unet import DenoisingUNet

CONFIG = UNetConfig((32, 32), layers=1, cross_dim=8, groups=16)
HALLO = replace(CONFIG, audio=6, motion_frames=2, motion_everywhere=False)
ROWS, FRAMES, H, W = 2, 3, 4, 6
few = settings(max_examples=8, deadline=None)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@cache
def built(kind: type, config: UNetConfig) -> torch.nn.Module:
    torch.manual_seed(1)
    return kind(config).eval().requires_grad_(False)


def hallo() -> DenoisingUNet:
    return built(DenoisingUNet, HALLO)


def champ() -> DenoisingUNet:
    return built(DenoisingUNet, CONFIG)


def writer() -> ReferenceNet:
    return built(ReferenceNet, HALLO)


TIME = torch.tensor([500])
X = noise(ROWS, 4, FRAMES, H, W)
TOKENS = noise(ROWS, 5, 8, seed=2)
AUDIO = noise(ROWS, FRAMES, 4, 6, seed=3)


def write(rows: int = ROWS, images: int = 1, height: int = H, width: int = W, seed: int = 4) -> Bank:
    return writer().write(noise(rows, images, 4, height, width, seed=seed), TOKENS[:1])


def masks(height: int = H, width: int = W, frames: int = FRAMES) -> dict[str, list[torch.Tensor]]:
    sizes = HALLO.sizes(height, width)
    return {level: [torch.ones(frames, h * w) for h, w in sizes] for level in LEVELS}


def close(a: torch.Tensor, b: torch.Tensor) -> bool:
    assert a.shape == b.shape
    return torch.allclose(a, b, atol=2e-5, rtol=1e-5)


def still(net: DenoisingUNet) -> DenoisingUNet:
    """The net without motion: what its motion modules add is nothing."""
    copy = deepcopy(net)
    for name, value in copy.named_parameters():
        if "temporal_transformer.proj_out" in name:
            value.zero_()
    return copy


@few
@given(height=st.integers(1, 7), width=st.integers(1, 7), frames=st.integers(1, 3))
def test_any_size(height, width, frames):
    x = noise(ROWS, 4, frames, height, width)
    bank = write(images=3, height=height, width=width)
    out = hallo()(x, TIME, TOKENS, bank=bank, audio=AUDIO[:, :frames], masks=masks(height, width, frames))
    assert out.shape == x.shape
    assert out.isfinite().all()


@pytest.mark.parametrize("size", [(4, 6), (6, 4), (5, 7)])
def test_reference_net_is_stable_diffusion(size):
    """With a diffusers U-Net of the same weights as oracle, on pictures of any shape."""
    from diffusers import UNet2DConditionModel

    oracle = UNet2DConditionModel(
        block_out_channels=HALLO.widths,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=HALLO.layers,
        cross_attention_dim=HALLO.cross_dim,
        norm_num_groups=HALLO.groups,
        attention_head_dim=HALLO.heads,
    )
    missing, unexpected = oracle.load_state_dict(writer().state_dict(), strict=False)
    assert not unexpected
    assert {k.partition(".")[0] for k in missing} == {"conv_norm_out", "conv_out"}
    seen = {}
    oracle.conv_norm_out.register_forward_pre_hook(lambda m, inputs: seen.update(out=inputs[0]))
    normed = oracle.down_blocks[0].attentions[0].transformer_blocks[0].norm1
    normed.register_forward_hook(lambda m, inputs, output: seen.update(bank=output))
    latents = noise(2, 4, *size)
    oracle(latents, 0, TOKENS)
    out, bank = writer()(latents, TOKENS)
    assert close(out, seen["out"])
    assert close(bank.of("down_blocks.0.attentions.0.transformer_blocks.0")[0], seen["bank"])


def test_token_sets_go_round_over_the_images():
    latents = noise(2, 3, 4, H, W)
    bank = writer().write(latents, TOKENS)
    for row in range(2):
        for image in range(3):
            alone = writer().write(latents[row, image][None], TOKENS[(3 * row + image) % 2][None])
            for path, features in bank.features.items():
                assert close(features[row, image], alone.of(path)[0, 0])


def test_no_strength_is_no_audio():
    bank = write(images=3)
    deaf = hallo()(X, TIME, TOKENS, bank=bank)
    assert close(
        hallo()(X, TIME, TOKENS, bank=bank, audio=AUDIO, masks=masks(), motion_scale=(0, 0, 0)), deaf
    )
    for level in range(3):
        scale = [0.0, 0.0, 0.0]
        scale[level] = 1.0
        heard = hallo()(X, TIME, TOKENS, bank=bank, audio=AUDIO, masks=masks(), motion_scale=scale)
        assert not close(heard, deaf)


def test_no_masks_are_masks_that_are_one_everywhere():
    assert close(hallo()(X, TIME, TOKENS, audio=AUDIO, masks=masks()), hallo()(X, TIME, TOKENS, audio=AUDIO))


def test_one_mask_for_all_frames():
    one = {level: [m * 0.3 for m in given_] for level, given_ in masks(frames=1).items()}
    each = {level: [m * 0.3 for m in given_] for level, given_ in masks().items()}
    assert close(
        hallo()(X, TIME, TOKENS, audio=AUDIO, masks=one), hallo()(X, TIME, TOKENS, audio=AUDIO, masks=each)
    )


@pytest.mark.parametrize("level", range(3))
def test_audio_acts_where_its_mask_is(level):
    torch.manual_seed(5)
    block = AudioBlock(16, 4, 6, depth=0)
    tokens, where = 8, 2
    marked = {name: [torch.zeros(FRAMES, tokens)] for name in LEVELS}
    marked[LEVELS[level]][0][1, where] = 1
    call = Call(1, FRAMES, noise(1), TOKENS, audio=AUDIO[0], masks=marked)
    x = noise(FRAMES, tokens, 16)
    change = (block(x, replace(call, audio=AUDIO[1])) - block(x, call)).abs().amax(-1)
    assert change[1, where] > 1e-3
    change[1, where] = 0
    assert change.max() < 1e-6


@pytest.mark.parametrize("net", [hallo, champ])
def test_rows_that_do_not_read_are_as_without_bank(net):
    net = net()
    bank = write()
    out = net(X, TIME, TOKENS, bank=bank, reads=[False, True])
    none = net(X, TIME, TOKENS)
    assert close(out[0], none[0])
    assert not close(out[1], none[1])
    assert close(net(X, TIME, TOKENS, bank=bank, reads=torch.tensor([False, False])), none)
    assert close(net(X, TIME, TOKENS, bank=bank, reads=torch.tensor([True, True]))[1], out[1])
    assert close(net(X, TIME, TOKENS), none)  # nothing of a bank is left behind


def test_rows_do_not_know_each_other():
    bank = write(images=3)
    both = hallo()(X, TIME, TOKENS, bank=bank, reads=[False, True], audio=AUDIO)
    for row in range(ROWS):
        one = slice(row, row + 1)
        alone = hallo()(
            X[one], TIME, TOKENS[one], bank=bank.select([row]), reads=[bool(row)], audio=AUDIO[one]
        )
        assert close(both[one], alone)


def test_one_row_of_features_serves_all():
    bank = write(rows=1, images=3)
    assert close(hallo()(X, TIME, TOKENS, bank=bank), hallo()(X, TIME, TOKENS, bank=bank.select([0, 0])))


def test_each_row_may_have_its_own_time():
    times = torch.tensor([20, 900])
    both = hallo()(X, times, TOKENS)
    for row in range(ROWS):
        one = slice(row, row + 1)
        assert close(both[one], hallo()(X[one], times[one], TOKENS[one]))


def test_what_is_added_is_told_from_nothing():
    added = noise(1, 32, FRAMES, H, W, seed=7)
    out = hallo()(X, TIME, TOKENS, added=added)
    assert not close(out, hallo()(X, TIME, TOKENS))
    assert close(out, hallo()(X, TIME, TOKENS, added=added.expand(ROWS, -1, -1, -1, -1)))


@pytest.mark.parametrize("net", [hallo, champ])
def test_frames_are_independent_without_motion_modules(net):
    bank = write()
    audio = AUDIO if net is hallo else None
    net = net()
    alone = still(net)
    whole = alone(X, TIME, TOKENS, bank=bank, audio=audio)
    for i in range(FRAMES):
        heard = None if audio is None else audio[:, i : i + 1]
        assert close(whole[:, :, i : i + 1], alone(X[:, :, i : i + 1], TIME, TOKENS, bank=bank, audio=heard))
    # With them, every frame sees every other.
    last = X.clone()
    last[:, :, -1] += 1
    change = (net(last, TIME, TOKENS, bank=bank) - net(X, TIME, TOKENS, bank=bank)).abs()
    assert (change.amax((1, 3, 4)) > 1e-4).all()


def test_portraits_in_turn():
    """Frame f of F sees the portrait of row (F + f) modulo two, whatever the rows of the batch are."""
    net, bank = still(hallo()), write()
    out = net(X, TIME, TOKENS, bank=replace(bank, in_turn=True))
    own = [net(X, TIME, TOKENS, bank=bank.select([row] * ROWS)) for row in range(ROWS)]
    for row in range(ROWS):
        for frame in range(FRAMES):
            source = own[(FRAMES + frame) % 2]
            assert close(out[row, :, frame], source[row, :, frame])
    one = net(X[1:], TIME[-1:], TOKENS[1:], bank=replace(bank, in_turn=True), reads=[True])
    assert close(one[0], out[1])


@pytest.mark.parametrize("reads", [[True, True], [False, True], [False, False]])
def test_frames_before_the_clip_are_seen_by_all_rows(reads):
    bank, other = write(images=3), write(images=3)
    for path in other.features:
        other.features[path][:, 1:] += 0.5 * noise(*other.features[path][:, 1:].shape)
    change = hallo()(X, TIME, TOKENS, bank=bank, reads=reads) - hallo()(
        X, TIME, TOKENS, bank=other, reads=reads
    )
    assert (change.abs().amax((1, 3, 4)) > 1e-4).all()


@few
@given(before=st.integers(0, 3), frames=st.integers(1, 4), seed=st.integers(0, 99))
def test_frames_before_the_clip_come_first_in_time(before, frames, seed):
    torch.manual_seed(seed)
    module = MotionModule(32)
    motion, clip = noise(ROWS, before, H * W, 32, seed=seed), noise(ROWS * frames, 32, H, W, seed=seed + 1)
    pictures = motion.transpose(2, 3).unflatten(3, (H, W))
    joined = torch.cat([pictures, clip.unflatten(0, (ROWS, frames))], 1)
    whole = module(joined.flatten(0, 1), before + frames).unflatten(0, (ROWS, before + frames))
    assert close(module(clip, frames, motion).unflatten(0, (ROWS, frames)), whole[:, before:])


def test_motion_modules_without_attention_beside_them():
    assert len(champ().down_blocks[-1].motion_modules) == CONFIG.layers
    assert len(champ().up_blocks[0].motion_modules) == CONFIG.layers + 1
    assert not hallo().down_blocks[-1].motion_modules and not hallo().up_blocks[0].motion_modules


@pytest.mark.parametrize("batch", [1, 3])
def test_large_batches_of_attention_are_cut(monkeypatch, batch):
    torch.manual_seed(6)
    layer, x, more = Attention(16, 4), noise(6, 5, 16), noise(2, 3, 16)
    whole = layer(x, more=more)
    monkeypatch.setattr(attention, "MAX_BATCH", batch)
    assert close(layer(x, more=more), whole)


def test_attention_is_that_of_diffusers():
    from diffusers.models.attention_processor import Attention as Theirs

    torch.manual_seed(6)
    ours, theirs = Attention(16, 4, 8), Theirs(16, 8, heads=4, dim_head=4)
    theirs.load_state_dict(ours.state_dict())
    x, context = noise(6, 5, 16), noise(3, 7, 8)
    assert close(ours(x, context), theirs(x, context.repeat_interleave(2, 0)))


def test_types_follow_the_latents():
    net = deepcopy(hallo()).to(torch.bfloat16)
    out = net(
        X.bfloat16(),
        TIME,
        TOKENS,
        bank=write(images=3),
        audio=AUDIO,
        masks=masks(),
        added=noise(1, 32, FRAMES, H, W),
    )
    assert out.dtype == torch.bfloat16
    assert out.isfinite().all()


def test_bank_moves_and_is_chosen_from():
    bank = write(rows=2, images=3)
    assert (bank.rows, bank.images) == (2, 3)
    path = next(iter(bank.features))
    assert bank.to(dtype=torch.float16).of(path).dtype == torch.float16
    assert torch.equal(bank.select([1, 0, 1]).of(path), bank.of(path)[[1, 0, 1]])
    assert torch.equal(torch.cat([bank.portrait(path)[:, None], bank.motion(path)], 1), bank.of(path))


def other_masks(change):
    marked = masks()
    marked["lip"] = change(marked["lip"])
    return marked


BAD = {
    "latents.*\\[2, 3": lambda: hallo()(noise(2, 3, 1, 4, 4), TIME, TOKENS),
    "latents.*\\[2, 4, 4\\]": lambda: hallo()(noise(2, 4, 4), TIME, TOKENS),
    "latents.*\\[0, 4": lambda: hallo()(noise(0, 4, 1, 4, 4), TIME, TOKENS[:0]),
    "token tensor.*\\[2, 5, 7\\].*, 8\\]": lambda: hallo()(X, TIME, TOKENS[..., :7]),
    "31 frames and 2 before.*32": lambda: hallo()(noise(1, 4, 31, 4, 4), TIME, TOKENS[:1], bank=write(1, 3)),
    "33 frames.*32": lambda: hallo()(noise(1, 4, 33, 1, 1), TIME, TOKENS[:1]),
    "number of rows.*3.*1 or 2": lambda: hallo()(X, TIME, TOKENS, bank=write(rows=3)),
    "number of images.*4.*up to 3": lambda: hallo()(X, TIME, TOKENS, bank=write(images=4)),
    "number of images.*2.*up to 1": lambda: champ()(X, TIME, TOKENS, bank=write(images=2)),
    "another size.*16 tokens.*24": lambda: hallo()(X, TIME, TOKENS, bank=write(2, 3, 4, 4)),
    "list of reading rows.*1 long": lambda: hallo()(X, TIME, TOKENS, bank=write(), reads=[True]),
    "no audio modules": lambda: champ()(X, TIME, TOKENS, audio=AUDIO),
    "audio does not fit.*\\[2, 2, 4, 6\\]": lambda: hallo()(X, TIME, TOKENS, audio=AUDIO[:, :2]),
    "audio does not fit.*, 5\\]": lambda: hallo()(X, TIME, TOKENS, audio=AUDIO[..., :5]),
    "lip masks.*1 long": lambda: hallo()(X, TIME, TOKENS, audio=AUDIO, masks=other_masks(lambda m: m[:1])),
    "lip mask.*depth 1.*\\[3, 5\\].*6 tokens": lambda: hallo()(
        X, TIME, TOKENS, audio=AUDIO, masks=other_masks(lambda m: [m[0], m[1][:, :5]])
    ),
    "lip mask.*3 frames": lambda: hallo()(
        X, TIME, TOKENS, audio=AUDIO, masks=other_masks(lambda m: [m[0][:2], m[1]])
    ),
    "none for 'mid_block": lambda: hallo()(X, TIME, TOKENS, bank=Bank(dict([*write().features.items()][:1]))),
    "reference latents.*\\[1, 1, 3": lambda: writer().write(noise(1, 3, 4, 4), TOKENS),
    "tokens.*\\[2, 5, 7\\]": lambda: writer().write(noise(1, 4, 4, 4), TOKENS[..., :7]),
}


@pytest.mark.parametrize("told", BAD)
def test_bad_input_is_named(told):
    with pytest.raises(TroupeError, match=told):
        BAD[told]()
