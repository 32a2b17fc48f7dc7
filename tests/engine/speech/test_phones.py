"""Phones: the IPA in classes, text in phones."""

from __future__ import annotations

import multiprocessing
import os
import signal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.engine.errors import TroupeError
from troupe.engine.speech import espeak as library
from troupe.engine.speech import phones
from troupe.engine.speech.phones import LANGUAGES, PHONES, SIL, of_espeak, of_ipa, phonemise


def names(classes) -> str:
    return " ".join(PHONES[c] for c in classes)


espeak = pytest.mark.skipif(not library.installed(), reason="espeak-ng's library is not installed")


@pytest.mark.parametrize(
    ("ipa", "expected"),
    [
        ("ˈpeɪpɚ", "p e ih p er"),
        ("t͡ʃɜːtʃ", "ch er ch"),
        ("ʃtʁɛŋ", "sh t rh eh ng"),
        ("çɑ̃ɲ", "x aa n j"),
        ("yø̞n˥˩", "y oe n"),
        ("tʰa˧ pʲã", "t a p a"),
    ],
)
def test_known_words(ipa: str, expected: str):
    classes, unknown = of_ipa(ipa)
    assert names(classes) == expected and unknown == []


def test_every_letter_of_the_ipa_chart_has_a_class():
    letters = (
        "pbtdʈɖcɟkɡqɢʔmɱnɳɲŋɴʙrʀⱱɾɽɸβfvθðszʃʒʂʐçʝxɣχʁħʕhɦɬɮʋɹɻjɰlɭʎʟ" + "iyɨʉɯuɪʏʊeøɘɵɤoəɛœɜɞʌɔæɐaɶɑɒʍwɥ"
    )
    for letter in letters:
        assert of_ipa(letter)[0], letter


def test_what_is_not_in_the_inventory_is_reported():
    classes, unknown = of_ipa("ɓa☃")
    assert names(classes) == "b a" and unknown == ["ɓ", "☃"]


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=30))
def test_no_text_breaks_it_and_no_letter_is_lost(text: str):
    classes, unknown = of_ipa(text)
    assert all(0 < c < len(PHONES) and c != SIL for c in classes)
    if any(c.isalpha() and c not in "ʰʱʲʷˠˤˀⁿˡᵊᵝ" and not phones._is_mark(c) for c in text):
        assert classes or unknown


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(["p", "tʃ", "aɪ", "ŋ", "ɜː", "s", "ʒ", "oʊ", "ts"]), max_size=8))
def test_a_word_is_the_sum_of_its_sounds(parts: list[str]):
    # "t" then "ʃ" would be one sound; none of these begins with what another could take over.
    assert of_ipa("ˈ".join(parts))[0] == [c for part in parts for c in of_ipa(part)[0]]


def test_what_espeak_writes_otherwise():
    assert of_espeak("(en)", "ko") == ([], [])
    assert names(of_espeak("ts.h", "cmn-Latn-pinyin")[0]) == "ch"
    assert names(of_espeak("ˈuoɜ", "cmn-Latn-pinyin")[0]) == "u o"
    assert names(of_espeak("y", "ru+f2")[0]) == "ix" and names(of_espeak("y", "fr")[0]) == "y"


@espeak
class TestText:
    def test_words_have_their_own_phones_and_places(self):
        text = "Hello there, I am a friend of the world — it's 1984!"
        found = phonemise(text, "en")
        spoken = {w.text: names(found.classes[w.first : w.last]) for w in found.words}
        assert list(spoken) == "Hello there I am a friend of the world it's 1984".split()
        assert spoken["friend"] == "f r eh n d" and spoken["the"] == "dh ax" and spoken["it's"] == "ih t s"
        assert spoken["1984"].startswith("n a ih n t i n")
        assert found.unknown == ()

    @settings(max_examples=25, deadline=None)
    @given(
        st.lists(
            st.sampled_from("the of a I am paper, U.S. 42 mother-in-law www.x.org don't … — !".split()),
            min_size=1,
        )
    )
    def test_words_share_out_the_phones_in_order(self, words: list[str]):
        text = " ".join(["ma", *words])
        found = phonemise(text, "english")
        at = 0
        for word in found.words:
            assert text[word.start : word.end] == word.text
            assert word.first == at <= word.last
            at = word.last
        assert at == len(found.classes)

    @pytest.mark.parametrize(
        ("text", "language", "expected"),
        [
            ("你好", "zh", "n i x aa u"),
            ("ni3 hao3", "mandarin", "n i x aa u"),
            ("바보", "ko", "p ah b o"),
            ("mamma", "IT", "m a m m a"),
            ("мы", "russian", "m ix"),
            ("schön", "de", "sh oe n"),
        ],
    )
    def test_languages(self, text: str, language: str, expected: str):
        assert names(phonemise(text, language).classes) == expected

    def test_every_language_has_its_voice(self):
        for language in LANGUAGES:
            assert len(phonemise("mama", language).classes) >= 4

    @pytest.mark.parametrize(
        ("text", "language", "what"),
        [
            ("Привет", "en", "'П'.*Latin"),
            ("日本", "ja", "Kana"),
            ("hello", "klingon", "english, british"),
            ("... !", "en", "says nothing"),
            ("", "en", "says nothing"),
            ("a" * 60_000, "en", "50000"),
            ("a" * 300, "en", "300 letters"),
        ],
    )
    def test_bad_text_is_explained(self, text: str, language: str, what: str):
        with pytest.raises(TroupeError, match=what):
            phonemise(text, language)


def test_without_espeak_there_is_a_clear_error(monkeypatch):
    library.restart()
    monkeypatch.setattr(library, "_candidates", lambda: [("libnothing-of-that-name.so", None)])
    try:
        assert not library.installed()
        with pytest.raises(TroupeError, match="espeak-ng is not installed"):
            phonemise("hello", "en")
    finally:
        library.restart()


@espeak
class TestProcess:
    def test_a_text_that_kills_it_is_refused_and_the_next_one_is_read(self):
        before = phonemise("hello", "en")
        with library.reader("en-us") as read:
            os.kill(library._running._process.pid, signal.SIGSEGV)
            with pytest.raises(library.EspeakEnded, match="broke down on 'bad words'.*-11"):
                read("bad words")
        assert phonemise("hello", "en") == before

    def test_a_text_that_never_ends_is_given_up(self, monkeypatch):
        monkeypatch.setattr(library, "_PATIENCE", 0.2)
        with library.reader("en-us") as read:
            os.kill(library._running._process.pid, signal.SIGSTOP)
            with pytest.raises(library.EspeakEnded, match="broke down"):
                read("words")

    def test_a_forked_process_starts_its_own(self):
        with library.reader("en-us") as read:
            here, symbols = library._running, read("hello")
        with multiprocessing.get_context("fork").Pool(1) as pool:
            assert pool.apply(_read_hello) == (symbols, True)
        with library.reader("en-us") as read:
            assert library._running is here and read("hello") == symbols

    def test_the_same_text_is_the_same_sound_after_a_restart(self):
        library.restart()
        first = library.synthesise("Come here, my friend.", "en-us+f2")
        library.restart()
        again = library.synthesise("Come here, my friend.", "en-us+f2")
        np.testing.assert_array_equal(first.pcm, again.pcm)
        assert first.events == again.events


def _read_hello() -> tuple[list[str], bool]:
    theirs = library._running
    with library.reader("en-us") as read:
        return read("hello"), library._running is not theirs
