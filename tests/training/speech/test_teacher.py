"""The teacher: what a mouth must do for each kind of sound, whatever is around it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.engine.speech.channels import INDEX, aperture
from troupe.engine.speech.phones import INDEX as PHONE
from troupe.engine.speech.phones import PHONES
from troupe.training.speech.teacher import FPS, REST, Segment, labels, teach

LEAD = 0.4


def sounds(words: str, length: float = 0.09, lead: float = LEAD) -> list[Segment]:
    """Phones of one length each, "_" a pause of four; lips touch in the middle 60 % of p, b, m, f, v."""
    found, at = [], lead
    for name in words.split():
        if name == "_":
            at += 4 * length
            continue
        found.append(Segment(PHONE[name], at, at + length, at + 0.2 * length, at + 0.8 * length))
        at += length
    return found


def said(words: str, length: float = 0.09) -> tuple[list[Segment], np.ndarray]:
    segments = sounds(words, length)
    return segments, teach(segments, int((segments[-1].end + 0.6) * FPS))


def at(values: np.ndarray, name: str, seconds: float) -> float:
    return float(np.interp(seconds * FPS, np.arange(len(values)), values[:, INDEX[name]]))


def middle(segment: Segment) -> float:
    return (segment.shut + segment.release) / 2


phrases = st.lists(st.sampled_from([*PHONES[1:], "_"]), min_size=1, max_size=25).map(" ".join)


@settings(max_examples=60, deadline=None)
@given(phrases, st.sampled_from([0.05, 0.08, 0.15]))
def test_whatever_is_said(words: str, length: float):
    segments = sounds(words, length)
    frames = int((len(words.split()) * 4 * length + 1.5) * FPS)
    values = teach(segments, frames)
    assert values.shape == (frames, 18) and values.min() >= 0 and values.max() <= 1
    assert np.abs(np.diff(values, axis=0)).max() < 0.35, "nothing jumps"
    opening = aperture(values)
    assert opening.min() > -1e-6
    for segment in segments:
        if PHONES[segment.phone] in "pbm":
            frame = middle(segment) * FPS
            assert min(opening[int(frame)], opening[int(np.ceil(frame))]) < 0.03
            assert at(values, "mouthPress", middle(segment)) > 0.2
    np.testing.assert_allclose(values[0], REST, atol=1e-5)
    np.testing.assert_allclose(values[-1], REST, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(["a", "ae", "o", "i", "u", "er"]), st.sampled_from(["p", "b", "m"]))
def test_lips_that_touch_open_again_on_both_sides(vowel: str, stop: str):
    segments, values = said(f"{vowel} {stop} {vowel}", 0.13)
    shut = middle(segments[1])
    assert np.interp(shut * FPS, np.arange(len(values)), aperture(values)) < 0.02
    for segment in (segments[0], segments[2]):
        assert (
            np.interp(FPS * (segment.start + segment.end) / 2, np.arange(len(values)), aperture(values))
            > 0.05
        )


def test_teeth_on_the_lip():
    segments, values = said("a f a v a", 0.12)
    for segment in segments[1::2]:
        assert at(values, "mouthRollLower", middle(segment)) > 0.35
        assert at(values, "jawOpen", middle(segment)) - at(values, "mouthClose", middle(segment)) < 0.09
        assert at(values, "mouthPress", middle(segment)) < 0.1


def test_dentals_show_the_tongue_and_sibilants_shut_the_teeth():
    segments, values = said("a th a s a sh a", 0.12)
    assert at(values, "tongueOut", middle(segments[1])) > 0.12
    assert max(at(values, "tongueOut", middle(s)) for s in segments[3:]) < 0.05
    assert all(at(values, "jawOpen", middle(s)) < 0.12 for s in (segments[3], segments[5]))
    assert (
        at(values, "mouthFunnel", middle(segments[5]))
        > 0.25
        > 0.1
        > at(values, "mouthFunnel", middle(segments[3]))
    )
    assert at(values, "jawForward", middle(segments[5])) > 0.08


def test_rounding_comes_before_the_sound_and_leaves_later_lips_alone():
    segments, values = said("i t k u t k i", 0.10)
    begins = segments[3].start
    peak = at(values, "mouthPucker", (begins + segments[3].end) / 2)
    early = next(
        t for t in np.arange(begins - 0.3, begins, 0.005) if at(values, "mouthPucker", t) > 0.15 * peak
    )
    assert 0.06 < begins - early < 0.2
    assert at(values, "mouthPucker", (segments[0].start + segments[0].end) / 2) < 0.1 * peak


def test_vowels_in_order_of_their_height():
    openings = {}
    for vowel in ("a", "eh", "e", "i"):
        segments, values = said(f"k {vowel} k", 0.15)
        openings[vowel] = at(values, "jawOpen", (segments[1].start + segments[1].end) / 2)
    assert openings["a"] > openings["eh"] + 0.05 > openings["e"] + 0.08 > openings["i"] + 0.1
    assert at(said("k i k", 0.15)[1], "mouthSmile", LEAD + 0.22) > 0.2


@pytest.mark.parametrize("last", ["a", "u", "i", "s"])
def test_a_pause_shuts_the_mouth_in_time(last: str):
    segments = [*sounds(f"t a {last}"), *sounds("a t", lead=2.0)]
    values = teach(segments, 130)
    ends = segments[2].end
    shut = aperture(values)[int(np.ceil((ends + 0.125) * FPS)) : int((2.0 - 0.09) * FPS)]
    assert shut.max() < 0.03 and shut.size > 40
    assert at(values, "mouthPucker", ends + 0.14) < 0.05


def test_faster_speech_moves_less_and_louder_speech_more():
    slow, fast = said("t a t a t a", 0.16)[1], said("t a t a t a", 0.06)[1]
    assert fast[:, INDEX["jawOpen"]].max() < 0.85 * slow[:, INDEX["jawOpen"]].max()
    segments = sounds("t a p a t", 0.12)
    soft, loud = (teach(segments, 75, np.full(75, effort)) for effort in (0.85, 1.15))
    assert loud[:, INDEX["jawOpen"]].max() > 1.25 * soft[:, INDEX["jawOpen"]].max()
    for values in (soft, loud):
        assert np.interp(middle(segments[2]) * FPS, np.arange(75), aperture(values)) < 0.02


def test_nothing_said_is_rest():
    np.testing.assert_array_equal(teach([], 7), np.repeat(REST[None], 7, 0))
    assert aperture(REST[None])[0] < 0.01


def test_labels_say_what_sounds_at_each_frame():
    def at(*sounds: tuple[str, float, float]) -> list[str]:
        return [PHONES[c] for c in labels([Segment(PHONE[n], a, b, a, b) for n, a, b in sounds], 8)]

    assert at(("a", 0.02, 0.06), ("t", 0.12, 0.14)) == ["sil", "a", "a", "sil", "sil", "sil", "t", "sil"]
    assert at(("a", 0.02, 0.06), ("t", 0.10, 0.14)) == ["sil", "a", "a", "t", "t", "t", "t", "sil"], (
        "no pause"
    )
