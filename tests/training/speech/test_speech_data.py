"""Data for training: timed phones that fit the waveform, sentences apart, files as documented, the same every time."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from troupe.engine.errors import TroupeError
from troupe.engine.speech.channels import CHANNELS, aperture
from troupe.engine.speech.espeak import EspeakEnded
from troupe.engine.speech.features import RATE, log_mel, loudness
from troupe.engine.speech.phones import BILABIAL, PHONES
from troupe.engine.speech.phones import INDEX as PHONE
from troupe.training.speech import corpus, data, festival, flite, synth
from troupe.training.speech.negatives import KINDS, negative
from troupe.training.speech.teacher import REST
from troupe.training.speech.utterances import Part, speak

needs_espeak = pytest.mark.skipif(not synth.installed(), reason="espeak-ng's library is not installed")
needs_flite = pytest.mark.skipif(not shutil.which("flite"), reason="flite is not installed")


def level(pcm: np.ndarray, rate: int, start: float, end: float) -> float:
    """Decibels under the loudest 10 ms."""
    size = rate // 100
    peak = max(np.sqrt((pcm[i : i + size] ** 2).mean()) for i in range(0, len(pcm) - size, size))
    piece = pcm[int(start * rate) : int(end * rate)]
    return 20 * np.log10(max(np.sqrt((piece**2).mean()) / peak, 1e-5))


@needs_espeak
class TestEspeak:
    def test_p_is_closed_while_it_is_silent_and_let_go_before_the_vowel(self):
        spoken = synth.say("happy people keep paper maps", "en-us")
        stops = [s for s in synth.segments(spoken, "en-us") if PHONES[s.phone] == "p"]
        assert len(stops) == 7
        for stop in stops:
            assert (
                0.035 < stop.release - stop.shut < 0.16 and stop.start <= stop.shut < stop.release <= stop.end
            )
            assert level(spoken.pcm, spoken.rate, stop.shut + 0.01, stop.release - 0.01) < -40

    def test_a_double_stop_is_closed_longer(self):
        closed = {}
        for word in ("mapa", "mappa"):
            spoken = synth.say(word, "it")
            (stop,) = [s for s in synth.segments(spoken, "it") if PHONES[s.phone] == "p"]
            closed[word] = stop.release - stop.shut
        assert closed["mappa"] > closed["mapa"] + 0.03

    @pytest.mark.parametrize("name", corpus.LANGUAGES)
    def test_every_language_is_read_in_sounds_that_follow_each_other(self, name: str):
        rng = np.random.default_rng(1)
        for voice in set(corpus.LANGUAGES[name].voices):
            spoken = synth.say(corpus.sentence(rng, name, test=False), voice)
            segments = synth.segments(spoken, voice)
            assert segments and np.abs(spoken.pcm).max() > 0.05
            ends = [0.0]
            for s in segments:
                assert ends[-1] - 1e-6 <= s.start < s.end and s.start <= s.shut < s.release < s.end + 0.02
                ends.append(s.end)
            assert ends[-1] <= len(spoken.pcm) / spoken.rate + 1e-6

    def test_pauses_are_silent(self):
        spoken = synth.say("mama, papa; yes", "en-us")
        segments = synth.segments(spoken, "en-us")
        gaps = [(a.end, b.start) for a, b in zip(segments, segments[1:]) if b.start - a.end > 0.1]
        assert len(gaps) == 2
        for start, end in gaps:
            assert level(spoken.pcm, spoken.rate, start + 0.01, end - 0.01) < -60
        (after_pause,) = [s for s in segments if PHONES[s.phone] == "p"][:1]
        assert after_pause.release - after_pause.shut < 0.06

    def test_an_unknown_voice_is_an_error(self):
        with pytest.raises(TroupeError, match="nonsense"):
            synth.say("a", "nonsense")


@needs_flite
def test_lips_are_shut_where_flite_is_silent():
    spoken = flite.say("happy people keep paper maps", "rms")
    stops = [s for s in flite.segments(spoken) if PHONES[s.phone] == "p"]
    assert len(stops) == 7
    quiet = [level(spoken.pcm, spoken.rate, s.shut + 0.01, s.release - 0.01) for s in stops]
    vowels = [s for s in flite.segments(spoken) if PHONES[s.phone] in ("ae", "i", "e")]
    assert np.median(quiet) < np.median([level(spoken.pcm, spoken.rate, s.start, s.end) for s in vowels]) - 15


@pytest.mark.skipif(not festival.installed(), reason="festival has no voices here")
def test_festival_voices_say_sounds_we_know():
    rng = np.random.default_rng(0)
    for voice in festival.installed():
        texts = [corpus.sentence(rng, festival.VOICES[voice].language, test=True) for _ in range(2)]
        said = festival.say_all(texts, voice, stretch=0.9)
        assert [text for text, _ in said] == texts
        assert all(len(festival.segments(spoken, voice)) > 1 for _, spoken in said)


class TestSentences:
    @pytest.mark.parametrize("name", corpus.LANGUAGES)
    def test_test_and_training_never_share_one(self, name: str):
        rng = np.random.default_rng(0)
        train = {corpus.sentence(rng, name, test=False) for _ in range(100)}
        test = {corpus.sentence(rng, name, test=True) for _ in range(20)}
        assert len(train) > 80 and not train & test
        assert not any(map(corpus.is_test, train)) and all(map(corpus.is_test, test))

    def test_punctuation_and_case_make_no_other_sentence(self):
        assert corpus.is_test("Mama, bad boy!") == corpus.is_test("mama bad boy.")

    def test_held_out_languages_are_not_trained_on(self):
        assert not set(corpus.HELD_OUT) & set(corpus.TRAINED)
        assert {"en", "ko", "zh"} <= set(corpus.TRAINED) and len(corpus.TRAINED) >= 10

    def test_without_word_lists_there_are_syllables(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
        monkeypatch.setattr(corpus, "DICTIONARIES", tmp_path)
        corpus._list.cache_clear()
        try:
            assert corpus.word_source("en") == "syllables"
            assert len(corpus.sentence(np.random.default_rng(0), "en", test=False)) > 2
        finally:
            corpus._list.cache_clear()


def test_held_out_voices_are_not_trained_on():
    found = data.parts(20, 5, 6, quick=False)
    train = [p for p in found if p.name == "train"]
    held = [p for p in found if p.name not in ("train", "dev")]
    assert not any(p.test for p in train) and all(p.test for p in found if p.name != "train")
    for name in ("variants", "flite", "festival"):
        known = {v for p in train for v in getattr(p, name)}
        assert not known & {v for p in held for v in getattr(p, name)}
    assert {"voices", "de", "es", "fr", "slt"} <= {p.name for p in held}
    assert not {v for p in train for v in p.languages} & set(corpus.HELD_OUT)


@pytest.mark.parametrize("kind", KINDS)
def test_sounds_that_are_no_speech(kind: str):
    for seed in range(3):
        sound = KINDS[kind](np.random.default_rng(seed), 16000)
        assert sound.shape == (16000,) and np.isfinite(sound).all()
        assert (np.abs(sound).max() > 0.01) or kind == "silence"
    sound, name = negative(np.random.default_rng(5), 8000)
    assert sound.dtype == np.float32 and np.abs(sound).max() <= 1 and name in KINDS


@needs_espeak
@needs_flite
class TestFiles:
    PARTS = (
        Part("train", 40, corpus.TRAINED, ("", "f1"), ("rms",), 0.4, 0.3, test=False),
        Part("slt", 6, flite=("slt",), flite_share=1.0),
    )

    @pytest.fixture(scope="class")
    def folder(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return tmp_path_factory.mktemp("data")

    @pytest.fixture(scope="class")
    def made(self, folder: Path) -> list[Path]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(data, "parts", lambda *_: list(self.PARTS))
            return data.make(folder, seed=3)

    def test_hold_what_they_promise(self, made: list[Path], folder: Path):
        assert [p.relative_to(folder).as_posix() for p in made] == [
            "train/000.safetensors",
            "slt/000.safetensors",
        ]
        with safe_open(made[0], "np") as file:
            mel, target, phone, offsets, tokens, starts = (
                file.get_tensor(n) for n in ("mel", "target", "phone", "offsets", "tokens", "token_offsets")
            )
            about = json.loads(file.metadata()["utterances"])
        frames = offsets[-1]
        assert mel.shape == (2 * frames, 40) and mel.dtype == np.float16 and np.isfinite(mel).all()
        assert target.shape == (frames, len(CHANNELS)) and 0 <= target.min() and target.max() <= 1
        assert (
            phone.shape == (frames,)
            and len(about) == len(offsets) - 1 == len(starts) - 1
            and starts[-1] == len(tokens)
        )
        assert {a["source"] for a in about} == {"espeak-ng", "flite", "negative"}
        assert not any(corpus.is_test(a["text"]) for a in about if a["text"])
        for a, first, last, begin, end in zip(about, offsets, offsets[1:], starts, starts[1:]):
            order = phone[first:last][np.flatnonzero(np.diff(phone[first:last], prepend=0))]
            order = order[order > 0]
            assert set(order) <= set(tokens[begin:end]) and len(order) <= end - begin
            if a["source"] == "negative":
                assert begin == end
                np.testing.assert_allclose(
                    target[first:last], np.repeat(REST[None], last - first, 0), atol=1e-3
                )
        shut = np.isin(phone, list(BILABIAL)) & (np.roll(phone, 1) == phone) & (np.roll(phone, -1) == phone)
        assert np.median(aperture(target.astype(np.float32))[shut]) < 0.01

    def test_sound_and_face_are_in_step(self, made: list[Path]):
        """Vowels are louder than pauses, in the frames that say so."""
        with safe_open(made[1], "np") as file:
            mel, phone = file.get_tensor("mel"), file.get_tensor("phone")
        loud = loudness(mel.astype(np.float32)).reshape(-1, 2).mean(1)
        assert np.median(loud[phone >= PHONE["i"]]) > np.median(loud[phone == 0]) + 4

    def test_are_the_same_every_time_and_kept_when_there(
        self, made: list[Path], folder: Path, tmp_path: Path
    ):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(data, "parts", lambda *_: list(self.PARTS))
            again = data.make(tmp_path, seed=3, jobs=2)
            other = data.make(tmp_path / "other", seed=4)
            before = [p.stat().st_mtime_ns for p in made]
            data.make(folder, seed=3)
        assert [p.read_bytes() for p in again] == [p.read_bytes() for p in made]
        assert other[0].read_bytes() != made[0].read_bytes()
        assert [p.stat().st_mtime_ns for p in made] == before
        assert json.loads((folder / "data.json").read_text())["phones"] == list(PHONES)


@needs_espeak
def test_a_sentence_that_kills_espeak_is_left_out(monkeypatch: pytest.MonkeyPatch):
    part = Part("x", 1, ("en", "it"), ("", "f2"), test=True)
    whole = [u.about["text"] for u in speak(part, np.random.default_rng(7), 20)]
    say, said = synth.say, []

    def dies_of_the_second(text: str, *args, **kwargs):
        said.append(text)
        if len(said) == 2:
            raise EspeakEnded("espeak-ng broke down", "its process ended with -11", "Write it otherwise")
        return say(text, *args, **kwargs)

    monkeypatch.setattr(synth, "say", dies_of_the_second)
    fewer = [u.about["text"] for u in speak(part, np.random.default_rng(7), 20)]
    assert whole[0] == fewer[0] and whole[1] == said[1] not in fewer and len(fewer) > 2


@needs_espeak
def test_mel_is_of_the_sound_that_was_said():
    (one, *_) = speak(Part("x", 1, ("en",), ("",), test=True), np.random.default_rng(0), 0.5)
    assert len(one.mel) == 2 * len(one.target) == 2 * len(one.phone)
    assert one.mel.shape[1] == log_mel(np.zeros(RATE, np.float32)).shape[1]
