"""What evaluation measures: against answers whose figures are known."""

from __future__ import annotations

import numpy as np
import pytest

from troupe.engine.speech.channels import CHANNEL_FPS, CHANNELS
from troupe.engine.speech.conditions import conditioned
from troupe.engine.speech.features import RATE, log_mel
from troupe.engine.speech.phones import INDEX as PHONE
from troupe.engine.speech.phones import PHONES
from troupe.training.speech import evaluate
from troupe.training.speech.data import write_shard
from troupe.training.speech.teacher import Segment, labels, teach
from troupe.training.speech.utterances import STEP, Utterance


def said(seed: int, frames: int = 200, source: str = "flite") -> Utterance:
    """Syllables with p, b or m; the sound is a hum that is louder in vowels."""
    rng = np.random.default_rng(seed)
    segments, at = [], 0.3
    while source != "negative" and at < frames / CHANNEL_FPS - 0.6:
        stop, vowel = (str(rng.choice(names)) for names in (("p", "b", "m"), ("a", "i", "o")))
        for name, length in ((stop, 0.1), (vowel, rng.uniform(0.15, 0.25))):
            segments.append(Segment(PHONE[name], at, at + length, at, at + length))
            at += length
    phone = labels(segments, frames)
    loud = np.repeat(np.where(phone >= PHONE["i"], 0.3, np.where(phone > 0, 0.05, 0.0)), STEP)
    hum = np.sin(np.arange(frames * STEP) * 2 * np.pi * 140 / RATE) + 0.1 * rng.standard_normal(frames * STEP)
    sound = (loud * hum).astype(np.float32)
    tokens = np.array([s.phone for s in segments], np.uint8)
    about = {"source": source, "voice": "hum", "language": "none", "text": ""}
    return Utterance(log_mel(sound), teach(segments, frames), phone, tokens, about, sound)


@pytest.fixture(scope="module")
def spoken() -> list[Utterance]:
    return [said(seed) for seed in range(4)]


@pytest.fixture
def oracle(spoken: list[Utterance], monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that knows the teacher's answer and the rule of conditions."""
    by_sound = {u.mel.tobytes(): u for u in spoken}

    def knows(_network, mel, _head, _tokens=None, condition=None):
        one = by_sound[mel.tobytes()]
        made = one.target if condition is None else conditioned(one.target, condition[None])
        named = np.full((len(made), len(PHONES)), -9.0, np.float32)
        named[np.arange(len(made)), one.phone] = 0
        return made, named

    monkeypatch.setattr(evaluate, "predicted", knows)


@pytest.mark.parametrize("down", [0.0, 10.0])
def test_noise_in_a_sound_is_as_far_down_as_it_says(spoken, down):
    sound, phone = spoken[0].sound, spoken[0].phone
    noise = np.random.default_rng(0).standard_normal(len(sound))
    added = evaluate.under(sound, noise, phone, down) - sound
    talking = np.repeat(phone > 0, STEP)
    ratio = (sound[talking] ** 2).mean() / (added[talking] ** 2).mean()
    assert 10 * np.log10(ratio) == pytest.approx(down, abs=0.01)


def test_pink_noise_loses_three_decibels_an_octave():
    sound = evaluate.pink(np.random.default_rng(0).standard_normal(8 * RATE))
    power = np.abs(np.fft.rfft(sound)) ** 2
    low, high = (power[8 * f : 16 * f].mean() for f in (500, 2000))  # 8 bins a hertz, an octave each
    assert sound.std() == pytest.approx(1.0) and 10 * np.log10(low / high) == pytest.approx(6.0, abs=0.5)


def test_who_knows_the_rule_moves_by_it(spoken, oracle):
    found = evaluate.condition_scores(None, spoken)
    assert {"plain", "happy", "calm", "friendly", "professional", "articulation 1.3"} <= set(found)
    for name, row in found.items():
        assert row["shift_error"] < 1e-4 and row["nmse"] < 1e-6, name
        assert row["closure_recall"] == row["closure_precision"] == 1.0, name
        assert row["aperture_change"] < 0.01, name
    assert found["plain"]["largest_shift"] == 0 and found["happy"]["largest_shift"] > 0.3
    assert found["happy 0.5"]["largest_shift"] < 0.6 * found["happy"]["largest_shift"]


def test_lips_that_open_under_an_emotion_are_noticed(spoken, oracle, monkeypatch):
    knows = evaluate.predicted

    def forgets(network, mel, head, tokens=None, condition=None):
        made, named = knows(network, mel, head, tokens, condition)
        made = made.copy()
        if condition is not None and condition[1] == 1:  # happy: the jaw hangs
            made[:, CHANNELS.index("jawOpen")] += 0.2
        return made, named

    monkeypatch.setattr(evaluate, "predicted", forgets)
    found = evaluate.condition_scores(None, spoken)
    assert found["happy"]["aperture_change"] == pytest.approx(0.2, abs=0.01)
    assert found["happy"]["aperture_shift"] == pytest.approx(0.2, abs=0.01)
    assert found["happy"]["closure_recall"] == 0 and found["sad"]["closure_recall"] == 1


def test_a_part_stands_beside_its_trivial_answers(spoken, oracle, monkeypatch):
    monkeypatch.setattr(evaluate, "noisy", lambda mel, seed: mel)
    monkeypatch.setattr(evaluate, "mute_scores", lambda network, some: {"zeros": float(len(some))})
    found = evaluate.figures(None, {"voices": spoken}, spoken, [said(9, source="negative")], 60.0)
    row = found["voices"]
    assert row["quality"]["nmse"] == 0 and row["quality"]["jerk"] == 1 and row["phones_right"] == 1
    assert row["constant"]["nmse"] == pytest.approx(1, abs=0.01) and row["constant"]["jerk"] == 0
    assert row["shut"]["closure_recall"] == 1 and row["shut"]["silence_aperture"] < 0.01
    assert 0 < row["loudness"]["nmse"] < row["constant"]["nmse"] < row["shut"]["nmse"]
    assert found["mute"] == {"zeros": 1.0} and "happy" in found["conditions"]


def test_without_training_there_are_no_trivial_answers(spoken, oracle, monkeypatch):
    monkeypatch.setattr(evaluate, "noisy", lambda mel, seed: mel)
    monkeypatch.setattr(evaluate, "mute_scores", lambda *_: {})
    found = evaluate.figures(None, {"de": spoken[:2]}, [], [], 3.0)
    assert (
        "constant" not in found["de"]
        and found["de"]["quality"]["nmse"] == 0
        and "happy" in found["conditions"]
    )
    assert evaluate.figures(None, {}, [], []) == {"mute": {}}


def test_noise_is_heard_in_the_sound(spoken, monkeypatch):
    """Every noise makes other features than the plain sound's, and the text is told only where it should be."""
    told, heard = [], []

    def watches(_network, mel, _head, tokens=None, condition=None):
        told.append(tokens is not None)
        heard.append(mel)
        return np.zeros((len(mel) // 2, len(CHANNELS)), np.float32), None

    monkeypatch.setattr(evaluate, "predicted", watches)
    found = evaluate.noise_scores(None, spoken)
    assert set(found) == {"white", "pink", "voices"} and all(
        set(f) == {"sound", "text"} for f in found.values()
    )
    assert told == 3 * ([False] * len(spoken) + [True] * len(spoken))
    plain = [u.mel for u in spoken]
    assert all(np.abs(mel - plain[i % len(plain)]).max() > 1 for i, mel in enumerate(heard))


def test_some_files_of_a_part_are_read_alone(spoken, tmp_path):
    for number in range(3):
        write_shard(tmp_path / f"{number:03d}.safetensors", spoken[number : number + 1])
    assert len(evaluate.read_part(tmp_path)) == 3
    (one,) = evaluate.read_part(tmp_path, files=1)
    np.testing.assert_array_equal(one.phone, spoken[0].phone)
