"""Words in time: the best path is the best one, words are where they are said, and what does not fit is named."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.engine.errors import TroupeError
from troupe.engine.speech import trellis as costs
from troupe.engine.speech.align import Alignment, align_phones
from troupe.engine.speech.phones import PHONES, SIL, Word, of_espeak, phonemise
from troupe.engine.speech.trellis import BLOCK, Trellis

# --- the path ---------------------------------------------------------------------------------------------------


def plain_score(trellis: Trellis, optional: np.ndarray, log_probs: np.ndarray) -> float:
    """The best path's score by trying every step, state by state."""
    frames = np.maximum(log_probs, costs.FLOOR)
    tokens, owners = trellis.tokens.tolist(), trellis.owners.tolist()
    words = owners[-1] + 1
    unsaid = [costs.UNSAID] * words

    def steps(state):
        """(next state, cost) of a state: ("t", token) or ("g", gap)."""
        kind, n = state
        if kind == "g":
            yield ("t", owners.index(n)) if n < words else None, 0.0
            starts = {n: 0.0}
        else:
            yield state, 0.0
            if n + 1 < len(tokens):
                yield ("t", n + 1), 0.0
            if (
                n + 2 < len(tokens)
                and optional[n + 1]
                and owners[n] == owners[n + 2]
                and tokens[n] != tokens[n + 2]
            ):
                yield ("t", n + 2), 0.0
            last = n + 1 == len(tokens) or owners[n + 1] != owners[n]
            starts = {owners[n] + 1: costs.PAUSE} if last else {}
        for gap, cost in starts.items():
            for to in range(gap, words + 1):
                yield ("g", to), cost + sum(unsaid[gap:to])

    def heard(state, frame):
        if state[0] == "t":
            return frame[tokens[state[1]]]
        sounds = [p for c, p in enumerate(frame) if c not in trellis.quiet]
        return max(max(frame[c] for c in trellis.quiet), max(sounds) - costs.FOREIGN)

    scores = {("g", gap): -sum(unsaid[:gap]) for gap in range(words + 1)}
    for frame in frames:
        after: dict = {}
        for state, score in scores.items():
            for to, cost in steps(state):
                if to is not None:
                    total = score - cost + heard(to, frame)
                    after[to] = max(after.get(to, -math.inf), total)
        scores = after
    ends = []
    for state, score in scores.items():
        ends += [score - cost for to, cost in steps(state) if to == ("g", words)]
    return max(ends)


def path_score(trellis: Trellis, log_probs: np.ndarray, path: np.ndarray) -> float:
    """What a path scores; fails if it takes a step that there is not."""
    frames = np.maximum(log_probs, costs.FLOOR)
    gaps = trellis.gap_scores(frames)[0]
    passed, words = trellis._passed, len(trellis.last)
    total, before = 0.0, -1
    for t, state in enumerate([*path.tolist(), -1 - words]):
        if state < 0:
            gap = -1 - state
            if before < 0:
                came = -1 - before
            else:
                came = int(trellis.owners[before]) + 1
                assert before == trellis.last[came - 1]
                total -= costs.PAUSE
            assert gap >= came
            total -= passed[gap] - passed[came]
        elif before < 0:
            gap = int(trellis.owners[state])
            assert state == trellis.first[gap] and (t == 0 or gap == -1 - before)
            total -= passed[gap] * (t == 0)
        else:
            assert state - before in (0, 1) or (state - before == 2 and trellis._hops[state])
        if t < len(path):
            total += gaps[t] if state < 0 else frames[t, trellis.tokens[state]]
        before = state
    return total


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_the_best_path_is_the_best_of_all(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    lengths = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    letters = data.draw(st.booleans())
    owners = np.repeat(np.arange(len(lengths)), [2 * n - 1 for n in lengths] if letters else lengths)
    tokens = rng.integers(1, 4, len(owners))
    inner = (
        np.concatenate([np.arange(2 * n - 1) % 2 == 1 for n in lengths])
        if letters
        else np.zeros(len(owners), bool)
    )
    tokens[inner] = 0
    log_probs = np.log(rng.dirichlet(np.full(4, 0.3), data.draw(st.integers(1, 12))) + 1e-9)
    trellis = Trellis(tokens, owners, inner, (0,))
    path = trellis.best_path(log_probs)
    assert path_score(trellis, log_probs, path) == pytest.approx(
        plain_score(trellis, inner, log_probs), abs=1e-3
    )


def test_blocks_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    owners = np.repeat(np.arange(30), 4)
    trellis = Trellis(rng.integers(1, 9, 120), owners, np.zeros(120, bool), (0,))
    log_probs = np.log(rng.dirichlet(np.full(9, 0.4), 3 * BLOCK + 7) + 1e-9)
    done = []
    whole = trellis.best_path(log_probs, lambda *at: done.append(at))
    assert done[-1] == (8, 8)
    monkeypatch.setattr(costs, "BLOCK", 10_000)
    np.testing.assert_array_equal(trellis.best_path(log_probs), whole)


# --- sentences --------------------------------------------------------------------------------------------------


def spoken_frames(events, voice: str, seconds: float, confused: float, rng) -> np.ndarray:
    """Log-probabilities ``[M, phones]`` as a network might hear it: sure, unsure, and now and then plainly wrong."""
    times, names = [0.0], [SIL]
    for (start, symbol), (end, _) in zip(events, [*events[1:], (seconds, "")]):
        found = [SIL] if symbol == "" else [] if symbol == "#" else of_espeak(symbol, voice)[0]
        for n, name in enumerate(found):
            times.append(start + (end - start) * n / len(found))
            names.append(name)
    frames = np.arange(int(seconds * 50)) / 50
    truth = np.array(names)[np.searchsorted(times, frames, side="right") - 1]
    heard = np.where(
        (rng.random(len(truth)) < confused) & (truth != SIL), rng.integers(0, len(PHONES), len(truth)), truth
    )
    logits = rng.normal(0, 1.2, (len(truth), len(PHONES)))
    logits[np.arange(len(truth)), heard] += 4.0
    logits[np.arange(len(truth)), truth] += 1.5
    return logits - np.log(np.exp(logits).sum(1, keepdims=True))


def say(text: str, voice: str = "en-us", confused: float = 0.25, seed: int = 0):
    """Frames of a spoken text, its words' true starts by character, and its length."""
    from troupe.engine.speech.espeak import synthesise

    spoken = synthesise(text, voice)
    seconds = len(spoken.pcm) / spoken.rate
    frames = spoken_frames(spoken.events, voice, seconds, confused, np.random.default_rng(seed))
    return frames, {c: t for t, c in spoken.words}, seconds


def aligned(frames, text: str, seconds: float, language: str = "english") -> Alignment:
    phones = phonemise(text, language)
    return align_phones(frames, phones.classes, phones.words, seconds)


SENTENCES = {
    "english": (
        "en-us",
        "The quick brown fox jumps over a lazy dog, while seven big ducks swim away. Who knew?",
    ),
    "german": ("de", "Heute scheint die Sonne auf den kleinen See, und alle Kinder baden darin."),
    "spanish": ("es", "La mujer compra pan fresco en la tienda. Después vuelve a casa."),
    "korean": ("ko", "오늘은 날씨가 아주 좋습니다. 같이 산책하러 갈까요?"),
    "chinese": ("cmn-Latn-pinyin", "ni3 hao3 shi4 jie4 wo3 men5 zou3 ba5"),
}


@pytest.mark.parametrize("language", SENTENCES)
@pytest.mark.parametrize("confused", [0.0, 0.3])
def test_words_are_where_they_are_said(language, confused):
    voice, text = SENTENCES[language]
    frames, starts, seconds = say(text, voice, confused)
    alignment = aligned(frames, text, seconds, language)
    assert alignment.share_said == 1 and not [m for m in alignment.mismatches if m.kind != "unclear"]
    off = np.array([abs(w.start - starts[w.character]) for w in alignment.words if w.character in starts])
    assert len(off) >= 5 and np.median(off) < 0.05 and off.max() < 0.13, off
    for word, following in zip(alignment.words, alignment.words[1:]):
        assert 0 <= word.start < word.end <= following.start + 1e-9 <= seconds + 1e-9
        assert text[word.character : word.character_end] == word.text
    confidence = np.median([w.confidence for w in alignment.words])
    assert confidence > (0.8 if not confused else 0.2)


def test_words_that_are_not_said_are_named():
    said = "The quick brown fox jumps over a dog."
    written = "The quick brown fox jumps over a very lazy dog."
    frames, starts, seconds = say(said)
    alignment = aligned(frames, written, seconds)
    assert [w.text for w in alignment.words if not w.said] == ["very", "lazy"]
    (mismatch,) = [m for m in alignment.mismatches if m.kind == "not said"]
    assert mismatch.text == "very lazy" and mismatch.character == written.index("very")
    assert mismatch.start == pytest.approx(starts[said.index("dog")], abs=0.1)
    assert "'very lazy' (character 34 of the text) is not said at" in str(mismatch)
    dog = alignment.words[-1]
    assert dog.start == pytest.approx(starts[said.index("dog")], abs=0.05)


def test_sound_that_is_not_in_the_text_is_named():
    said = "Good morning. Let me think about something different for a while. The fox jumps over a dog."
    written = "Good morning. The fox jumps over a dog."
    frames, starts, seconds = say(said)
    alignment = aligned(frames, written, seconds)
    assert alignment.share_said == 1
    (mismatch,) = [m for m in alignment.mismatches if m.kind == "not in the text"]
    assert mismatch.start == pytest.approx(starts[said.index("Let")], abs=0.2)
    assert mismatch.end == pytest.approx(starts[said.index("The fox")], abs=0.5)
    assert mismatch.character == written.index("The fox")
    assert str(mismatch).startswith(f"From {mismatch.start:.2f} to {mismatch.end:.2f} s something is said")
    fox = alignment.words[3]
    assert fox.text == "fox" and fox.start == pytest.approx(starts[said.index("fox")], abs=0.05)


def test_another_word_is_both():
    said, written = "She bought seven yellow bananas today.", "She bought seven unlikely bananas today."
    frames, starts, seconds = say(said, confused=0.1)
    alignment = aligned(frames, written, seconds)
    assert [w.text for w in alignment.words if not w.said] == ["unlikely"]
    assert {m.kind for m in alignment.mismatches} >= {"not said", "not in the text"}
    assert alignment.words[4].start == pytest.approx(starts[said.index("bananas")], abs=0.06)


def test_another_text_is_not_forced():
    frames, _, seconds = say("The quick brown fox jumps over a lazy dog, while seven ducks swim away.")
    alignment = aligned(
        frames, "Tomorrow nobody will remember what Margaret promised us in Chicago.", seconds
    )
    assert alignment.share_said < 0.7
    foreign = sum(m.end - m.start for m in alignment.mismatches if m.kind == "not in the text")
    assert foreign > 0.5 * seconds


def test_silence_says_nothing():
    frames = np.full((250, len(PHONES)), -9.0)
    frames[:, SIL] = 0
    alignment = aligned(frames, "Is anybody there?", 5.0)
    assert alignment.share_said == 0 and [m.kind for m in alignment.mismatches] == ["not said"]
    assert alignment.begins(0) is None and alignment.ended(100) is None


def test_moments_of_a_text():
    text = "One two three."
    frames, _, seconds = say(text, confused=0)
    alignment = aligned(frames, text, seconds)
    one, two, three = alignment.words
    assert alignment.begins(0) == one.start and alignment.begins(3) == alignment.begins(5) == two.start
    assert alignment.begins(len(text)) is None and alignment.ended(0) is None
    assert (
        alignment.ended(4) == one.end and alignment.ended(5) == two.end and alignment.ended(99) == three.end
    )


def test_ten_minutes():
    rng = np.random.default_rng(3)
    names, words, truth, starts = [], [], [SIL] * 25, []
    for n in range(1500):
        phones = rng.integers(1, len(PHONES), rng.integers(2, 7)).tolist()
        words.append(Word(f"w{n}", n * 6, n * 6 + 5, len(names), len(names) + len(phones)))
        names += phones
        starts.append(len(truth) / 50)
        truth += [p for p in phones for _ in range(rng.integers(2, 7))] + [SIL] * int(rng.integers(0, 2) * 10)
    truth = np.array(truth[: 600 * 50])
    logits = rng.normal(0, 1.2, (len(truth), len(PHONES)))
    logits[np.arange(len(truth)), truth] += 4.5
    frames = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    alignment = align_phones(frames, names, words, len(truth) / 50)
    said = [n for n in range(1500) if starts[n] < len(truth) / 50 - 1]
    assert len(said) > 1000 and all(alignment.words[n].said for n in said)
    off = np.array([abs(alignment.words[n].start - starts[n]) for n in said])
    assert np.median(off) < 0.015 and np.percentile(off, 99) < 0.05


def test_too_much_is_refused_before_memory_is_taken():
    words = [Word("a", 0, 1, 0, 40_000)]
    with pytest.raises(TroupeError, match="in parts of ten minutes"):
        align_phones(np.zeros((50_000, len(PHONES)), np.float32), [1] * 40_000, words, 1000.0)
    with pytest.raises(TroupeError, match="longer recording"):
        align_phones(np.zeros((0, len(PHONES))), [1], [Word("a", 0, 1, 0, 1)], 0.0)
