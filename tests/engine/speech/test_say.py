"""Text spoken by espeak-ng: every word has its time, and the sound is there then."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from troupe.engine.errors import TroupeError
from troupe.engine.speech.align import align_phones
from troupe.engine.speech.espeak import installed, synthesise
from troupe.engine.speech.phones import phonemise
from troupe.engine.speech.say import SpokenText, say
from troupe.engine.speech.script import Pause, Script, parse_script

pytestmark = pytest.mark.skipif(not installed(), reason="espeak-ng's library is not installed")


def levels(spoken: SpokenText, begin: float, end: float) -> float:
    return float(np.abs(spoken.samples[int(begin * spoken.rate) : int(end * spoken.rate)]).max(initial=0.0))


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("english", "Hello of the world, it's 42 — don't you think so? Yes."),
        ("german", "Größe ist ähnlich wie ein Café. Nicht wahr?"),
        ("korean", "안녕하세요 세계"),
        ("fr", "Il est allé à l'école. Et toi?"),
        ("chinese", "ni3 hao3 shi4 jie4"),
    ],
)
def test_every_word_has_its_time(language, text):
    spoken = say(Script(text), language)
    words = spoken.alignment.words
    assert [text[w.character : w.character_end] for w in words] == [w.text for w in words]
    assert [w.text for w in words] == [w.text for w in phonemise(text, language).words]
    for word, following in zip(words, words[1:]):
        assert 0 <= word.start < word.end <= following.start + 1e-6
    assert words[-1].end <= spoken.alignment.seconds == len(spoken.samples) / spoken.rate
    for word in words:
        assert levels(spoken, word.start, word.end) > 0.03, word
    assert spoken.alignment.mismatches == () and spoken.alignment.share_said == 1


def test_what_is_not_a_word_is_silent():
    spoken = say(Script("One. Two. Three."))
    for word, following in zip(spoken.alignment.words, spoken.alignment.words[1:]):
        assert following.start - word.end > 0.15
        assert levels(spoken, word.end + 0.03, following.start - 0.03) < 0.01


def test_pauses_are_silence_of_their_length():
    plain = say(parse_script("Come here. Sit down."))
    spoken = say(parse_script("[pause 0.5] Come here. [pause 1.5] Sit down. [pause 0.25]"))
    extra = spoken.alignment.seconds - plain.alignment.seconds
    assert 1.5 < extra < 2.8
    one, _, sit, _ = spoken.alignment.words
    assert one.start == pytest.approx(0.5, abs=0.02) and levels(spoken, 0, 0.49) == 0
    assert sit.start - spoken.alignment.words[1].end > 1.5 - 0.01
    assert levels(spoken, sit.start, sit.end) > 0.03
    assert levels(spoken, spoken.alignment.seconds - 0.25, 99) == 0


def test_the_same_text_is_found_by_listening_to_the_phones():
    """The alignment's own words and espeak-ng's agree where the phones are known."""
    text = "The quick brown fox jumps over a lazy dog."
    spoken, phones = say(Script(text)), phonemise(text)
    frames = np.full((int(spoken.alignment.seconds * 50), 47), -8.0)
    for word, own in zip(spoken.alignment.words, phones.words, strict=True):
        moments = np.linspace(word.start, word.end, own.last - own.first + 1)
        for n, phone in enumerate(phones.classes[own.first : own.last]):
            frames[int(np.ceil(moments[n] * 50)) : int(np.ceil(moments[n + 1] * 50)), phone] = 0
    frames[(frames < 0).all(1), 0] = 0
    found = align_phones(frames, phones.classes, phones.words, spoken.alignment.seconds)
    for a, b in zip(found.words, spoken.alignment.words, strict=True):
        assert a.start == pytest.approx(b.start, abs=0.03) and a.text == b.text


def test_voices_differ():
    script = Script("How do you do?")
    plain, other, slow = say(script), say(script, variant="f3"), say(script, rate=100)
    assert slow.alignment.seconds > 1.3 * plain.alignment.seconds
    size = min(len(plain.samples), len(other.samples))
    assert np.abs(plain.samples[:size] - other.samples[:size]).mean() > 0.01


def test_threads_wait_for_each_other():
    texts = [f"This is sentence number {n}." for n in range(6)]
    alone = [len(synthesise(t, "en-us").pcm) for t in texts]
    got: dict[int, int] = {}
    threads = [
        threading.Thread(target=lambda n=n: got.__setitem__(n, len(synthesise(texts[n], "en-us").pcm)))
        for n in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    np.testing.assert_allclose([got[n] for n in range(6)], alone, rtol=0.02)


@pytest.mark.parametrize(
    ("script", "options", "said"),
    [
        (Script("Hello"), {"language": "klingon"}, "Unknown language 'klingon'"),
        (Script("привет"), {}, "cannot be read as english"),
        (Script("Hello"), {"variant": "nobody"}, "voice 'en-us.nobody'"),
        (Script("Hello"), {"rate": 1000}, "rate 1000 .* 80 to 450"),
        (Script("Hello"), {"pitch": -1}, "pitch -1"),
        (Script("one " * 6000), {"rate": 80}, "6000 words at 80 a minute"),
        (Script("..."), {}, "says nothing"),
    ],
)
def test_what_cannot_be_said(script, options, said):
    with pytest.raises(TroupeError, match=said):
        say(script, **options)


def test_pauses_alone_do_not_speak():
    script = Script("Hi.", pauses=(Pause(0.1, 0), Pause(0.1, 3)))
    spoken = say(script)
    assert len(spoken.alignment.words) == 1
    assert spoken.alignment.seconds == pytest.approx(say(Script("Hi.")).alignment.seconds + 0.2, abs=0.02)
