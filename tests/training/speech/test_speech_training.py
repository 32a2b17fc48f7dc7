"""Training: batches that follow from seed and step, augmentation that does what it says, runs that can be taken up."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from troupe.engine.speech.channels import JAW_OPEN, aperture
from troupe.engine.speech.conditions import CONDITION, conditioned
from troupe.engine.speech.features import BANDS, MEL_FPS, loudness
from troupe.engine.speech.layout import NetworkConfig
from troupe.engine.speech.network import SpeechNetwork, build
from troupe.engine.speech.phones import PHONES, SIL
from troupe.engine.speech.weights import SpeechWeights, rounded
from troupe.training.speech import augment
from troupe.training.speech.batches import (
    FRAMES,
    Batches,
    Utterance,
    _cut,
    conditions,
    read_part,
    run_lengths,
    sampling,
)
from troupe.training.speech.evaluate import noisy, predicted, scores
from troupe.training.speech.teacher import REST, Segment, labels, teach
from troupe.training.speech.train import Plan, Run, delayed, rate_at, train


def utterance(seed: int, source: str = "espeak-ng", frames: int = 220) -> Utterance:
    """Sounds of an invented language, in which each phone has a spectrum of its own."""
    rng = np.random.default_rng(seed)
    edges = np.cumsum(rng.uniform(0.06, 0.2, 40)) + 0.3
    edges = edges[edges < frames / 50 - 0.4]
    segments = [Segment(int(rng.integers(1, 12)), a, b, a, b) for a, b in zip(edges, edges[1:])]
    if source == "negative":
        segments = []
    phone = labels(segments, frames)
    shapes = np.random.default_rng(99).normal(-6, 2, (len(PHONES), BANDS))
    shapes[SIL] = -18
    mel = shapes[np.repeat(phone, 2)] + rng.normal(0, 0.2, (2 * frames, BANDS))
    tokens = np.array([s.phone for s in segments], np.uint8)
    about = {"source": source, "voice": "none", "language": "none", "text": ""}
    return Utterance(mel.astype(np.float16), teach(segments, frames).astype(np.float16), phone, tokens, about)


@pytest.fixture(scope="module")
def invented() -> list[Utterance]:
    return (
        [utterance(i) for i in range(12)]
        + [utterance(50 + i, "flite") for i in range(3)]
        + [utterance(80, "negative")]
    )


@pytest.fixture
def data(invented, tmp_path):
    from troupe.training.speech import data as maker

    made = [maker.Utterance(u.mel, u.target, u.phone, u.tokens, u.about) for u in invented]
    maker.write_shard(tmp_path / "data" / "train" / "000.safetensors", made)
    maker.write_shard(tmp_path / "data" / "voices" / "000.safetensors", made[:2])
    return tmp_path / "data"


# --- batches --------------------------------------------------------------------------------------------------


def test_shards_are_read_as_they_were_written(invented, data):
    read = read_part(data / "train")
    assert len(read) == len(invented)
    for mine, theirs in zip(read, invented):
        for name in ("mel", "target", "phone", "tokens"):
            np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name))
        assert mine.about == theirs.about
    with pytest.raises(FileNotFoundError, match="no data"):
        read_part(data / "nothing")


def test_sources_have_their_shares(invented):
    odds, source = sampling(invented), np.array([u.about["source"] for u in invented])
    assert odds.sum() == pytest.approx(1)
    assert odds[source == "negative"].sum() == pytest.approx(0.07)
    assert odds[source == "flite"].sum() == pytest.approx(0.45)
    assert sampling(invented[:5]).sum() == pytest.approx(1)  # sources that there are none of do not matter


def test_a_batch_follows_from_seed_and_step(invented):
    first, again = Batches(invented, 3).batch(17, 0.7), Batches(invented, 3).batch(17, 0.7)
    for name, value in vars(first).items():
        np.testing.assert_array_equal(value, getattr(again, name))
    assert not np.array_equal(first.features, Batches(invented, 3).batch(18, 0.7).features)
    assert not np.array_equal(first.features, Batches(invented, 4).batch(17, 0.7).features)


def test_what_a_batch_holds(invented):
    batch = Batches(invented, 0).batch(5, 1.0)
    assert batch.features.shape == (12, 2 * FRAMES, BANDS) and batch.features.dtype == np.float32
    assert np.isfinite(batch.features).all() and np.abs(batch.features).max() < 8
    np.testing.assert_array_equal(batch.target, conditioned(batch.speech, batch.condition))
    assert (batch.lengths > 0).sum() <= 6 and batch.tokens.shape == batch.start.shape
    for item in range(12):
        assert (batch.tokens[item, batch.lengths[item] :] == 0).all()
        assert (batch.tokens[item, : batch.lengths[item]] > 0).all()


def test_half_of_the_items_are_calm_and_plain():
    plain = sum((conditions(12, 50, np.random.default_rng(s)) == 0).all((1, 2)).sum() for s in range(40))
    assert 0.4 < plain / 480 < 0.7
    some = conditions(200, 50, np.random.default_rng(0))
    emotion = some[..., :8]
    assert emotion.min() >= 0 and emotion.sum(-1).max() <= 1 + 1e-5 and emotion[..., 0].max() == 0
    assert (np.abs(np.diff(emotion, axis=1)).max((1, 2)) > 0).mean() > 0.15  # not all of them hold still


@pytest.mark.parametrize(
    "begin,stretch", [(0, 1.0), (37, 1.0), (-20, 1.0), (100, 1.0), (10, 1.13), (-8, 0.89)]
)
def test_crops_keep_sound_and_face_together(begin, stretch):
    """A course that is linear in time stays so, in frames of sound and in frames of the face."""
    frames = 220
    sound = (np.arange(2 * frames) + 1) / 100  # a frame of sound ends then
    face = np.arange(frames) / 50
    one = Utterance(
        np.repeat(sound[:, None], BANDS, 1).astype(np.float32), np.repeat(face[:, None], 18, 1).astype(np.float32),
        np.ones(frames, np.uint8), np.zeros(0, np.uint8), {},
    )  # fmt: skip
    mel, speech = np.full((2 * FRAMES, BANDS), -9, np.float32), np.full((FRAMES, 18), -9, np.float32)
    phone = np.zeros(FRAMES, np.int64)
    _cut(one, begin, stretch, mel, speech, phone)
    wanted = begin / 50 + stretch * np.arange(FRAMES) / 50
    inside = (wanted >= 0) & (wanted <= (frames - 1) / 50)
    np.testing.assert_allclose(speech[inside, 0], wanted[inside], atol=1e-5)
    assert (speech[~inside] == -9).all() and (phone == inside).all()
    wanted = begin / 50 + stretch * (np.arange(2 * FRAMES) + 1) / 100
    inside = (wanted >= sound[0] - 1e-9) & (wanted <= sound[-1] + 1e-9)
    np.testing.assert_allclose(mel[inside, 0], wanted[inside], atol=1e-5)
    assert (mel[~inside] == -9).all()


def test_texts_of_crops_are_what_is_said_there():
    phone = np.array([0, 0, 5, 5, 5, 0, 7, 7, 7, 9, 0])
    tokens, at = run_lengths(phone)
    assert tokens.tolist() == [5, 7, 9] and at.tolist() == [2, 6, 9]


# --- augmentation ---------------------------------------------------------------------------------------------


@pytest.fixture
def mel(invented) -> np.ndarray:
    return np.stack([u.mel[:300].astype(np.float32) for u in invented[:12]])


@pytest.mark.parametrize(
    "change", [augment.throat, augment.blur, augment.room, augment.microphone, augment.holes]
)
def test_no_strength_changes_nothing(mel, change):
    before = mel.copy()
    np.testing.assert_allclose(change(mel, np.random.default_rng(0), 0.0), mel, atol=1e-5)
    changed = change(mel, np.random.default_rng(0), 1.0)
    assert np.abs(changed - mel).max() > 0.1 and changed.dtype == np.float32
    np.testing.assert_array_equal(mel, before)


def test_noise_is_as_far_under_the_speech_as_it_says(mel):
    quiet = noisy(mel[0], 1)
    added = np.exp(quiet.astype(float)) - np.exp(mel[0].astype(float))
    level = augment.speech_level(mel[:1])[0]
    assert 10 * np.log10(np.exp(level) / added.mean()) == pytest.approx(10, abs=2.5)


def test_rooms_only_add_and_die_away():
    mel = np.full((12, 200, BANDS), augment.SILENT, np.float32)
    mel[:, 50] = -2.0
    out = augment.room(mel, np.random.default_rng(0), 1.0)
    echoing = np.abs(out - mel).max((1, 2)) > 0.1
    assert 2 <= echoing.sum() <= 11
    assert (out >= mel - 1e-3).all() and np.abs(out[:, :51] - mel[:, :51]).max() < 0.5  # even silence echoes
    tail = out[echoing, 51:120].mean(-1)
    assert (np.diff(tail, axis=1) <= 1e-4).all()
    # In 0.7 s at most 60 dB are lost.
    np.testing.assert_array_less(out[echoing, 51 + 70].mean(-1), out[echoing, 51].mean(-1) - 13)


def test_throats_move_formants_by_up_to_a_fifth():
    mel = np.full((64, 4, BANDS), -10.0, np.float32)
    mel[:, :, 20] = 0.0
    moved = (
        augment.HERTZ[augment.throat(mel, np.random.default_rng(0), 1.0)[:, 0].argmax(1)] / augment.HERTZ[20]
    )
    assert 0.8 < moved.min() < 0.92 and 1.08 < moved.max() < 1.25


def test_features_hardly_depend_on_gain_or_start(mel):
    speaking = loudness(mel) > -9
    features = augment.levelled(mel, np.random.default_rng(0), np.ones(12, bool))
    louder = augment.levelled(mel + 2.0, np.random.default_rng(0), np.ones(12, bool))
    assert np.abs(features - louder)[:, 60:][speaking[:, 60:]].mean() < 0.1


# --- training -------------------------------------------------------------------------------------------------


def test_learning_rate_rises_and_falls():
    plan = Plan(steps=1000, rate=1.0, warmup=100)
    rates = np.array([rate_at(s, plan) for s in range(1001)])
    assert (
        rates[0] == pytest.approx(0.01, rel=0.1)
        and 0.95 < rates.max() <= 1
        and rates[-1] == pytest.approx(0.01)
    )
    assert (np.diff(rates[101:]) < 0).all()


def test_delayed_rows_hold_the_first():
    rows = torch.arange(6.0).reshape(1, 6, 1)
    assert delayed(rows, 2)[0, :, 0].tolist() == [0, 0, 0, 1, 2, 3]


def test_a_run_learns_and_its_network_says_what_it_has_learned(invented):
    plan = Plan(steps=150, items=6, ramp=10**9, warmup=20, rate=5e-3, average=0.95)
    torch.set_num_threads(1)
    run, batches = Run(invented, plan, torch.device("cpu")), Batches(invented, 0, 6)
    losses = [run.learn(batches.batch(s, 0.0))["motion"] for s in range(150)]
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:10])
    # In step with the sound, for both heads: better so than a frame to either side.
    one = utterance(0)
    for head in (0, 1):
        made, phones = predicted(run.average, one.mel, head)
        assert made.shape == one.target.shape and phones.shape == (len(made), len(PHONES))
        errors = [
            np.abs(np.roll(aperture(made), k) - aperture(one.target.astype(np.float32)))[5:-5].mean()
            for k in (-2, 0, 2)
        ]
        assert min(errors) == errors[1]
    assert (phones.argmax(1) == one.phone).mean() > 0.5
    result = scores(made, one.target.astype(np.float32))
    assert result["nmse"] < 0.6 and result["aperture_correlation"] > 0.7


def test_a_run_taken_up_is_the_run_unbroken(data, tmp_path):
    plan = Plan(steps=6, items=3, ramp=4, warmup=2)
    whole = train(data, tmp_path / "whole", plan, score_every=3)
    train(data, tmp_path / "broken", replace(plan, steps=4))
    saved = torch.load(tmp_path / "broken" / "checkpoint.pt", weights_only=True)
    assert saved["step"] == 4
    # The same schedule, stopped half way.
    halfway = Run(read_part(data / "train"), plan, torch.device("cpu"))
    batches = Batches(read_part(data / "train"), 0, 3)
    for step in range(3):
        halfway.learn(batches.batch(step, step / 4))
    halfway.save(tmp_path / "broken" / "checkpoint.pt")
    resumed = train(data, tmp_path / "broken", plan, resume=True)
    for name, value in whole.average.state_dict().items():
        torch.testing.assert_close(resumed.average.state_dict()[name], value, rtol=0, atol=0)
    lines = [json.loads(x) for x in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    assert lines[-1]["step"] == 6 and set(lines[-1]["scores"]) == {"voices"}
    with pytest.raises(ValueError, match="another seed"):
        train(data, tmp_path / "broken", replace(plan, seed=1), resume=True)


@pytest.mark.parametrize("precision,most", [("float16", 0.01), ("int8", 0.05)])
def test_weights_lose_little_by_rounding(random_tensors, precision, most):
    weights = SpeechWeights(NetworkConfig(), random_tensors, {})
    one = utterance(3)
    exact, _ = predicted(build(weights), one.mel, 1)
    made, _ = predicted(build(rounded(weights, precision)), one.mel, 1)
    assert 0 < np.abs(exact - made).max() < most


def test_a_small_network_learns_from_a_large_one(invented, random_tensors):
    plan = Plan(steps=60, items=4, ramp=10**9, warmup=5, width=16, decoder_width=16)
    open_mouthed = random_tensors | {"heads.bias": np.full_like(random_tensors["heads.bias"], -0.5)}
    master = build(SpeechWeights(NetworkConfig(), open_mouthed, {}))
    batches = Batches(invented, 0, 4)
    shown, _ = predicted(master, invented[0].mel, 1)

    def apart(master: SpeechNetwork | None) -> float:
        run = Run(invented, plan, torch.device("cpu"), master)
        assert sum(p.numel() for p in run.network.parameters()) < 60_000
        for step in range(60):
            run.learn(batches.batch(step, 0.0))
        return float(np.abs(predicted(run.network, invented[0].mel, 1)[0] - shown).mean())

    assert apart(master) < apart(None) - 0.02
    assert all(not p.requires_grad for p in master.parameters())


@pytest.fixture
def random_tensors() -> dict[str, np.ndarray]:
    torch.manual_seed(0)
    run = Run([utterance(0)], Plan(), torch.device("cpu"))
    return {k: v.numpy() for k, v in run.network.state_dict().items()}


def test_rest_is_where_a_crop_holds_nothing():
    short = utterance(1, frames=60)
    batch = Batches([short], 0, 4).batch(0, 0.0)
    at_rest = np.abs(batch.speech - REST).max(-1) < 1e-6
    assert at_rest.sum() >= 4 * (FRAMES - 60) and batch.speech[..., JAW_OPEN].max() > 0.1
    assert (batch.phone[at_rest] == SIL).all()
    assert batch.condition.shape == (4, FRAMES, CONDITION) and MEL_FPS == 100
