"""Speech features: wav2vec2 files of every spelling, and sounds of every kind."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from troupe.engine.errors import TroupeError
from troupe.engine.speech.wav2vec import CHUNK, FIELD, HOP, OVERLAP, RATE, encode_speech, load_wav2vec2

SIZES = {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 96}
KERNELS, STRIDES = (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)
POSITIONAL = "encoder.pos_conv_embed.conv."


@pytest.fixture(scope="module")
def small():
    """A small network of transformers with seeded weights, and its tensors by their names since torch 2."""
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    torch.manual_seed(0)
    config = Wav2Vec2Config(
        **SIZES, conv_dim=[16] * 7, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4
    )
    network = Wav2Vec2Model(config).eval()
    return network, {k: t for k, t in network.state_dict().items() if k != "masked_spec_embed"}


@pytest.fixture(scope="module")
def encoder(small, tmp_path_factory):
    path = tmp_path_factory.mktemp("wav2vec2") / "small.safetensors"
    save_file(small[1], path)
    return load_wav2vec2(path)


def older_names(tensors: dict) -> dict:
    ways = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    return {
        POSITIONAL + ways.get(k.removeprefix(POSITIONAL), "") if "original" in k else k: t
        for k, t in tensors.items()
    }


def voice(seconds: float, rate: int = RATE) -> torch.Tensor:
    """Something that never repeats: a chirp that swells and fades."""
    t = torch.arange(int(seconds * rate)) / rate
    return 0.5 * torch.sin(2 * torch.pi * (200 + 40 * t) * t) * (0.6 + 0.4 * torch.sin(5 * t))


def tokens_in(samples: int) -> int:
    for kernel, stride in zip(KERNELS, STRIDES):
        samples = (samples - kernel) // stride + 1
    return samples


class Ear:
    """An encoder without weights: each token is the mean and the loudest of the samples it hears."""

    def __init__(self):
        self.calls: list[int] = []

    def __call__(self, sound):
        assert sound.dtype == torch.float32 and sound.ndim == 2 and len(sound) == 1
        self.calls.append(sound.shape[1])
        heard = sound[0].unfold(0, FIELD, HOP)
        last = torch.stack([heard.mean(1), heard.abs().amax(1)], 1)
        return [last * 2, last]


# --- files


@pytest.mark.parametrize("prefix", ["", "wav2vec2."])
@pytest.mark.parametrize("names", ["older", "newer"])
@pytest.mark.parametrize("form", ["model.safetensors", "pytorch_model.bin", "folder", "folder of a bin"])
def test_every_spelling_gives_the_network(small, tmp_path, prefix, names, form):
    network, tensors = small
    tensors = older_names(tensors) if names == "older" else tensors
    tensors = {prefix + k: t.contiguous() for k, t in tensors.items()}
    extra = {"lm_head.weight": torch.ones(4, 128), "lm_head.bias": torch.ones(4)}
    extra[prefix + "masked_spec_embed"] = torch.ones(128)
    path = tmp_path / ("pytorch_model.bin" if "bin" in form else "model.safetensors")
    (torch.save if "bin" in form else save_file)(tensors | extra, path)
    loaded = load_wav2vec2(tmp_path if "folder" in form else path)
    sound = torch.randn(1, 4000, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        wanted = network(sound, output_hidden_states=True).hidden_states
        given = loaded(sound)
    assert len(given) == len(wanted) == 1 + SIZES["num_hidden_layers"]
    for ours, theirs in zip(given, wanted):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_files_are_read_as_float32(small, tmp_path, dtype):
    save_file({k: t.to(dtype) for k, t in small[1].items()}, tmp_path / "half.safetensors")
    loaded = load_wav2vec2(tmp_path / "half.safetensors")
    assert all(p.dtype == torch.float32 and not p.requires_grad for p in loaded.module.parameters())


def test_the_large_family_is_recognised(tmp_path):
    """Networks with a norm in every convolution also norm before the layers, not behind them."""
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    config = Wav2Vec2Config(
        **SIZES, conv_dim=[16] * 7, conv_bias=True, feat_extract_norm="layer", do_stable_layer_norm=True
    )
    network = Wav2Vec2Model(config).eval()
    save_file(network.state_dict(), tmp_path / "large.safetensors")
    sound = torch.randn(1, 3000)
    with torch.no_grad():
        wanted = network(sound).last_hidden_state
        given = load_wav2vec2(tmp_path / "large.safetensors")(sound)[-1]
    torch.testing.assert_close(given, wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "key",
    [
        "feature_projection.projection.weight",
        "feature_projection.layer_norm.bias",
        "feature_extractor.conv_layers.3.conv.weight",
        "encoder.layers.0.feed_forward.intermediate_dense.weight",
        "encoder.layers.1.attention.q_proj.weight",
        POSITIONAL + "parametrizations.weight.original0",
        POSITIONAL + "parametrizations.weight.original1",
    ],
)
def test_partial_files_are_refused_with_their_keys(small, tmp_path, key):
    save_file({k: t for k, t in small[1].items() if k != key}, tmp_path / "part.safetensors")
    with pytest.raises(TroupeError) as caught:
        load_wav2vec2(tmp_path / "part.safetensors")
    assert "part.safetensors" in str(caught.value)
    assert key.rpartition(".")[0].removesuffix(".parametrizations.weight") in str(caught.value)


def test_files_that_are_something_else_are_refused(small, tmp_path):
    cases = {
        "extra": (small[1] | {"quantizer.codevectors": torch.ones(2)}, "quantizer.codevectors"),
        "other": ({"unet.weight": torch.ones(2, 2)}, "unet"),
        "narrow": (small[1] | {"feature_projection.projection.weight": torch.ones(100, 16)}, "100"),
        "nan": (small[1] | {"encoder.layer_norm.bias": torch.full((128,), torch.nan)}, "NaN"),
    }
    for name, (tensors, word) in cases.items():
        save_file(tensors, tmp_path / f"{name}.safetensors")
        with pytest.raises(TroupeError, match=name) as caught:
            load_wav2vec2(tmp_path / f"{name}.safetensors")
        assert word in str(caught.value)
    with pytest.raises(TroupeError, match="not found"):
        load_wav2vec2(tmp_path / "nowhere")
    with pytest.raises(TroupeError, match="not found"):
        load_wav2vec2("facebook/wav2vec2-base-960h")  # a name on a hub is a path that is not there


def test_a_pickle_that_wants_to_run_code_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return (exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",))

    torch.save({"wav2vec2.masked_spec_embed": Evil()}, tmp_path / "evil.bin")
    with pytest.raises(TroupeError, match="refused"):
        load_wav2vec2(tmp_path / "evil.bin")
    assert not (tmp_path / "ran").exists()


# --- sounds


def test_all_layers_are_kept_in_order(encoder, small):
    embeds = encode_speech(voice(0.5), RATE, encoder)
    sound = voice(0.5).double()
    normal = ((sound - sound.mean()) / (sound.var(correction=0) + 1e-7).sqrt()).float()
    with torch.no_grad():
        wanted = small[0](normal[None], output_hidden_states=True)
    assert embeds.hidden.shape == (3, tokens_in(8000), 128) and embeds.encoder == "wav2vec2-128"
    assert embeds.seconds == 0.5 and embeds.notes == ()
    for ours, theirs in zip(embeds.hidden, wanted.hidden_states):
        assert np.abs(ours - theirs[0].numpy()).max() < 1e-4
    assert np.abs(embeds.last - wanted.last_hidden_state[0].numpy()).max() < 1e-4


def test_stacked_layers_are_as_good_as_a_list():
    ear = Ear()
    listed = encode_speech(voice(0.3), RATE, ear)
    stacked = encode_speech(voice(0.3), RATE, lambda sound: torch.stack(ear(sound)))
    assert np.array_equal(listed.hidden, stacked.hidden)


@given(samples=st.integers(1, 40_000), seconds=st.one_of(st.none(), st.floats(0.001, 3)))
@settings(max_examples=60, deadline=None)
def test_length(samples, seconds):
    """Tokens are those of exactly the length asked for; less than one token is padded to one, and said."""
    wave = voice(3)[:samples]
    embeds = encode_speech(wave, RATE, Ear(), seconds)
    count = samples if seconds is None else int(seconds * RATE)
    assert embeds.hidden.shape[1] == tokens_in(max(count, FIELD))
    if count < FIELD:
        assert embeds.seconds == FIELD / RATE and embeds.notes
    else:
        assert embeds.seconds == (samples / RATE if seconds is None else seconds)
        assert bool(embeds.notes) == (count > samples)


def test_the_end_is_padded_with_silence_that_is_heard():
    """Not with zero tokens: the encoder gets the sound and silence behind it, as if it had been recorded so."""
    wave = voice(1.0)
    padded = encode_speech(wave, RATE, Ear(), seconds=2.0)
    recorded = encode_speech(torch.cat([wave, torch.zeros(RATE)]), RATE, Ear())
    assert np.array_equal(padded.hidden, recorded.hidden) and padded.seconds == recorded.seconds
    cut = encode_speech(torch.cat([wave, voice(1.0)]), RATE, Ear(), seconds=1.0)
    assert np.array_equal(cut.hidden, encode_speech(wave, RATE, Ear()).hidden)


def test_channels_are_averaged():
    left, right = voice(0.5), voice(0.6)[-8000:] * 0.3
    mono = encode_speech((left + right) / 2, RATE, Ear())
    stereo = encode_speech(torch.stack([left, right]), RATE, Ear())
    assert np.abs(mono.hidden - stereo.hidden).max() < 1e-4
    one, arrays = encode_speech(left[None], RATE, Ear()), encode_speech(left.numpy(), RATE, Ear())
    assert np.array_equal(one.hidden, arrays.hidden)


@given(rate=st.sampled_from([8000, 11025, 22050, 32000, 44100, 48000, 47999, 96000, 383_999]))
@settings(max_examples=9, deadline=None)
def test_rates(rate):
    """The same sound at another rate is heard alike, at the same time."""
    ours = encode_speech(voice(1.0, rate), rate, Ear(), seconds=0.9)
    theirs = encode_speech(voice(1.0), RATE, Ear(), seconds=0.9)
    assert ours.hidden.shape == theirs.hidden.shape
    assert (
        np.abs(ours.hidden - theirs.hidden)[:, 1:].max() < 0.02
    )  # the first token hears the abrupt beginning


def test_silence_is_a_sound(encoder):
    embeds = encode_speech(torch.zeros(2, 16000), RATE, encoder)
    assert embeds.hidden.shape[1] == 49 and np.isfinite(embeds.hidden).all()
    loud = encode_speech(torch.full((16000,), 1e30), RATE, encoder)
    assert np.isfinite(loud.hidden).all()


@pytest.mark.parametrize(
    ("wave", "rate", "seconds", "word"),
    [
        (torch.zeros(0), RATE, None, r"\[0\]"),
        (torch.zeros(0, 100), RATE, None, r"\[0, 100\]"),
        (torch.zeros(1, 1, 100), RATE, None, r"\[1, 1, 100\]"),
        (torch.zeros(65, 100), RATE, None, r"\[65, 100\]"),
        (torch.tensor([0.0, float("nan")] * 500), RATE, None, "NaN"),
        (torch.tensor([0.0, float("inf")] * 500), RATE, None, "NaN"),
        (torch.zeros(1000), 0, None, "rate is 0"),
        (torch.zeros(1000), -44100, None, "rate is -44100"),
        (torch.zeros(1000), 10**9, None, "rate is 1000000000"),
        (torch.zeros(1000), float("nan"), None, "rate is nan"),
        (torch.zeros(1000), RATE, 0.0, "0.0 seconds"),
        (torch.zeros(1000), RATE, float("inf"), "inf seconds"),
        (torch.zeros(1000), RATE, 1e6, "1000000"),
        (torch.zeros(2_000_000), 1000, None, "2000 seconds"),
    ],
)
def test_what_is_no_sound_is_refused(wave, rate, seconds, word):
    ear = Ear()
    with pytest.raises(TroupeError, match=word):
        encode_speech(wave, rate, ear, seconds)
    assert not ear.calls


def test_encoders_that_are_none_are_refused():
    def coarse(sound):
        return [sound[:, ::640, None].expand(-1, -1, 8)]

    def broken(sound):
        return [torch.full((1, tokens_in(sound.shape[1]), 8), torch.nan)]

    with pytest.raises(TroupeError, match="wav2vec2"):
        encode_speech(voice(1), RATE, coarse)
    with pytest.raises(TroupeError, match="wav2vec2"):
        encode_speech(voice(1), RATE, lambda sound: [])
    with pytest.raises(TroupeError, match="NaN"):
        encode_speech(voice(1), RATE, broken)


# --- long sounds


@given(seconds=st.floats(20, 200))
@settings(max_examples=12, deadline=None)
def test_long_sounds_are_heard_in_bounded_pieces_without_a_seam(seconds):
    """What depends on a token's own samples alone comes out as if the sound had been heard at once."""
    wave, ear, steps = voice(seconds), Ear(), []
    embeds = encode_speech(wave, RATE, ear, progress=lambda done, total: steps.append((done, total)))
    assert max(ear.calls) <= (CHUNK - 1) * HOP + FIELD + HOP - 1
    assert sum(tokens_in(n) for n in ear.calls) <= embeds.hidden.shape[1] * CHUNK / (CHUNK - OVERLAP) + CHUNK
    assert steps == [(i + 1, len(ear.calls)) for i in range(len(ear.calls))]
    exact = wave.double()
    normal = ((exact - exact.mean()) / (exact.var(correction=0) + 1e-7).sqrt()).float()
    whole = torch.stack(Ear()(normal[None])).numpy()
    assert embeds.hidden.shape == whole.shape and np.abs(embeds.hidden - whole).max() < 1e-5


def test_up_to_thirty_seconds_nothing_is_cut():
    ear = Ear()
    encode_speech(voice(30.0), RATE, ear)
    assert ear.calls == [30 * RATE]


def test_pieces_of_a_real_network_agree_with_the_whole(encoder):
    """Attention and the first norm see a piece instead of the whole: close, not equal."""
    wave = voice(4.0).repeat(10)
    pieces = encode_speech(wave, RATE, encoder).hidden
    exact = wave.double()
    normal = ((exact - exact.mean()) / (exact.var(correction=0) + 1e-7).sqrt()).float()
    with torch.no_grad():
        whole = torch.stack(encoder(normal[None]))[:, 0].numpy()
    assert pieces.shape == whole.shape
    error = np.sqrt(((pieces - whole) ** 2).mean() / (whole**2).mean())
    assert 0 < error < 0.05
