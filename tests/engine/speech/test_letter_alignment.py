"""Alignment by letters: CTC's blanks, the network's file and its vocabulary."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from troupe.engine.errors import TroupeError
from troupe.engine.speech.align import align, aligned
from troupe.engine.speech.align_letters import BLANK, LETTERS_960H, letter_trellis, letter_words, load_head

VOCABULARY = {name: i for i, name in enumerate(LETTERS_960H)}


def frames_of(spelled: str, sure: float = 6.0, seed: int = 0) -> np.ndarray:
    """What a CTC network writes, a character a frame: ``_`` is the blank."""
    ids = [VOCABULARY[BLANK if c == "_" else c] for c in spelled]
    logits = np.random.default_rng(seed).normal(0, 1, (len(ids), len(VOCABULARY)))
    logits[np.arange(len(ids)), ids] += sure
    return logits - np.logaddexp.reduce(logits, 1, keepdims=True)


def find(spelled: str, text: str, **options):
    words = letter_words(text, VOCABULARY)
    frames = frames_of(spelled, **options)
    return aligned(frames, letter_trellis(words, VOCABULARY), words, 0.02, 0.0, len(frames) / 50, "wav2vec2")


@pytest.mark.parametrize("sure", [4.0, 8.0])
def test_words_are_where_their_letters_are(sure):
    spelled = "___|SSO__|||G_LL_A__D__|__Y_OO_U|__C__A_MM__E____"
    alignment = find(spelled, "So glad, you came!", sure=sure)
    assert [w.text for w in alignment.words] == ["So", "glad,", "you", "came!"] and alignment.share_said == 1
    assert [round(w.start * 50) for w in alignment.words] == [spelled.index(c) for c in "SGYC"]
    assert [round(w.end * 50) - 1 for w in alignment.words][::2] == [spelled.index("O"), spelled.index("U")]
    assert alignment.mismatches == ()


def test_the_same_letter_twice_needs_its_blank():
    alignment = find("__B__A_LL_L__|__B_AA_LL__", "ball bal")
    assert [round(w.start * 50) for w in alignment.words] == [2, 16] and alignment.share_said == 1


def test_what_is_not_written_is_named():
    alignment = find("__S_O__|__G_L_A_D__|" + "_" * 10 + "|C_A_M_E__", "so very glad you came")
    assert [w.text for w in alignment.words if not w.said] == ["very", "you"]
    assert [m.text for m in alignment.mismatches if m.kind == "not said"] == ["very", "you"]
    more = find("__S_O__|__" + "XQZ_JWKV_" * 4 + "|__G_L_A_D__|", "so glad")
    (mismatch,) = more.mismatches
    assert mismatch.kind == "not in the text" and mismatch.character == 3
    assert 0.15 < mismatch.start < 0.25 and 0.85 < mismatch.end < 1.05


def test_letters_as_people_write_them():
    words = letter_words("Don’t go to the café — 42 times", VOCABULARY)
    assert [w.text for w in words] == ["Don’t", "go", "to", "the", "café", "times"]
    assert words[0].letters == tuple(VOCABULARY[c] for c in "DON'T")
    assert words[4].letters == tuple(VOCABULARY[c] for c in "CAFE")
    with pytest.raises(TroupeError, match="none of them is one that the network writes .'ABC"):
        letter_words("你好 42", VOCABULARY)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small network with seeded weights and a head, as transformers saves it."""
    from transformers import Wav2Vec2Config, Wav2Vec2ForCTC

    torch.manual_seed(0)
    sizes = {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 96}
    config = Wav2Vec2Config(
        **sizes, conv_dim=[16] * 7, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4, vocab_size=32
    )
    network = Wav2Vec2ForCTC(config).eval()
    path = tmp_path_factory.mktemp("ctc")
    save_file({k: t.contiguous() for k, t in network.state_dict().items()}, path / "model.safetensors")
    (path / "vocab.json").write_text(json.dumps(VOCABULARY))
    return path, network


def test_the_network_writes_what_transformers_writes(folder, monkeypatch):
    path, network = folder
    sound = np.random.default_rng(0).normal(0, 0.1, 48000).astype(np.float32)
    seen = []
    monkeypatch.setattr(
        "troupe.engine.speech.align_letters.aligned", lambda *arguments: seen.append(arguments) or "found"
    )
    assert align(sound, 16000, "hello there", wav2vec2=path) == "found"
    with torch.no_grad():
        ready = torch.from_numpy((sound - sound.mean()) / np.sqrt(sound.var() + 1e-7))
        expected = torch.log_softmax(network(ready[None]).logits[0], -1).numpy()
    np.testing.assert_allclose(seen[0][0], expected, atol=2e-4)


def test_a_text_in_noise_is_not_found(folder):
    path, _ = folder
    sound = np.random.default_rng(0).normal(0, 0.1, 32000).astype(np.float32)
    alignment = align(sound, 16000, "nobody can find this in noise", wav2vec2=path)
    assert alignment.source == "wav2vec2" and len(alignment.words) == 6 and alignment.seconds == 2.0


def test_files_that_cannot_write_letters(folder, tmp_path):
    path, network = folder
    tensors = {k: t.contiguous() for k, t in network.state_dict().items()}
    save_file({k: t for k, t in tensors.items() if "lm_head" not in k}, tmp_path / "model.safetensors")
    with pytest.raises(TroupeError, match="it has no lm_head.*as it was published"):
        load_head(tmp_path)
    save_file(tensors, tmp_path / "model.safetensors")
    assert load_head(tmp_path / "model.safetensors")[0] == VOCABULARY, "that of 960h where none is given"
    for text, said in (
        ('{"a": 0}', "writes 32 letters, the vocabulary has 1"),
        ("[", "cannot be read"),
        ("[]", "is no"),
    ):
        (tmp_path / "vocab.json").write_text(text)
        with pytest.raises(TroupeError, match=said):
            load_head(tmp_path)
