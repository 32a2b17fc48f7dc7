"""Tags land where their words are said."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.engine.motion.beats import BEATS
from troupe.engine.speech.align import AlignedWord, Alignment
from troupe.engine.speech.conditions import EMOTIONS
from troupe.engine.speech.place import HOLD, place
from troupe.engine.speech.script import Script, parse_script


def spoken(
    script: Script, missing: set[int] = frozenset(), pace: float = 0.5, pause: float = 0.1
) -> Alignment:
    """Every word takes half a second, from 1 s on; ``missing`` ones are not said."""
    words, at, now = [], 0, 1.0
    for n, text in enumerate(script.text.split()):
        at = script.text.index(text, at)
        length = 0.0 if n in missing else pace - pause
        words.append(AlignedWord(text, at, at + len(text), now, now + length, float(length > 0)))
        now += 0 if n in missing else pace
        at += len(text)
    return Alignment(tuple(words), (), now + 2.0, "test")


def felt(placed, time: float) -> dict[str, float]:
    track = placed.emotion
    mix = track.mixes[np.searchsorted(track.times, time, side="right") - 1]
    return {name: round(float(v), 6) for name, v in zip(EMOTIONS, mix, strict=True) if v > 0}


def test_emotions_last_from_word_to_word():
    script = parse_script("One [happy 0.7] two three [/happy] four [sad 0.4] five [/sad]")
    placed = place(script, spoken(script))
    assert [felt(placed, t) for t in (0, 0.5, 1.4)] == [{}] * 3
    assert felt(placed, 1.5) == felt(placed, 2.45) == {"happy": 0.7}  # into the pause before "four"
    assert felt(placed, 2.5) == felt(placed, 2.99) == {}
    assert felt(placed, 3.0) == felt(placed, 3.4 + HOLD - 0.01) == {"sad": 0.4}
    assert felt(placed, 3.4 + HOLD) == {} and placed.timeline is None and placed.notes == ()
    assert placed.emotion.held.all()


def test_emotions_in_emotions():
    script = parse_script("[happy 0.5] a [surprised 0.25] b [neutral] c [/] [/] d [/]")
    placed = place(script, spoken(script))
    assert [felt(placed, t) for t in (1.1, 1.6, 2.1, 2.6)] == [
        {"happy": 0.5},
        {"happy": 0.5, "surprised": 0.25},
        {},
        {"happy": 0.5},
    ]


def test_beats_and_expressions():
    script = parse_script("[wink 0.5] One two [nod] three [smile 0.6] four [/smile] [blink]")
    placed = place(script, spoken(script))
    assert placed.emotion is None and placed.timeline.idle == 0
    items = [(i.name, round(i.start, 3), i.end and round(i.end, 3), i.value) for i in placed.timeline.items]
    assert items == [
        ("wink", 1.0, None, 0.5),
        ("nod", 2.0, None, 1.0),
        ("smile", 2.5, round(2.9 + HOLD, 3), 0.6),
        ("blink", 2.9, None, 1.0),
    ]
    motion = placed.timeline.motion(fps=50)
    assert motion.column("eyeBlinkLeft")[: 50 * 1].max() == 0
    assert motion.column("pitch")[50 * 2 : 50 * 3].max() > 5


def test_what_is_not_said_is_left_out_and_named():
    script = parse_script("One [happy] two three [/happy] [nod] four [sad] five [/sad]")
    placed = place(script, spoken(script, {1, 2, 3}))
    assert placed.notes == ("[happy] is left out: 'two three' is not said.",)
    assert placed.timeline.items[0].start == pytest.approx(1.5)  # with "five", the next that is said
    assert felt(placed, 1.2) == {} and felt(placed, 1.6) == {"sad": 1.0}
    nothing = place(script, spoken(script, set(range(5))))
    assert nothing.emotion is None and nothing.timeline is None and len(nothing.notes) == 3


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.sampled_from(["a", "b", "[happy 0.5]", "[sad]", "[smile]", "[/]", "[nod]", "[pause 1]"]),
        max_size=25,
    ),
    st.sets(st.integers(0, 25)),
)
def test_any_script_can_be_placed(pieces, missing):
    depth, kept = 0, ["x"]
    for piece in pieces:
        if piece == "[/]":
            if not depth:
                continue
            depth -= 1
        elif piece[0] == "[" and piece[1:4] not in ("nod", "pau"):
            depth += 1
        kept.append(piece)
    script = parse_script(" ".join([*kept, *["[/]"] * depth]))
    alignment = spoken(script, missing)
    placed = place(script, alignment)
    if placed.emotion is not None:
        assert placed.emotion.times[0] == 0 and placed.emotion.times[-1] <= alignment.seconds
        said = [w for w in alignment.words if w.said]
        for word in said:
            assert felt(placed, word.start) == pytest.approx(script.mix_at(word.character)), word
    for item in placed.timeline.items if placed.timeline else ():
        assert 0 <= item.start <= alignment.seconds and (item.name in BEATS or item.end > item.start)
