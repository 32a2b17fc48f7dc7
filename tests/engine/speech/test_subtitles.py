"""Alignments as JSON and as SubRip, read back as another program would."""

from __future__ import annotations

import json
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.engine.speech.align import AlignedWord, Alignment
from troupe.engine.speech.subtitles import LINE, LONGEST, PAUSE, subtitles, words_json

CUE = re.compile(r"(\d+)\n(\d\d+:\d\d:\d\d,\d\d\d) --> (\d\d+:\d\d:\d\d,\d\d\d)\n([^\n]+)\n")


def seconds(stamp: str) -> float:
    hours, minutes, rest = stamp.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest.replace(",", "."))


def read(srt: str) -> list[tuple[float, float, str]]:
    """Start, end and text of each cue; fails on anything else in the file."""
    found = list(CUE.finditer(srt))
    assert "\n".join(m[0] for m in found) == srt
    assert [int(m[1]) for m in found] == list(range(1, len(found) + 1))
    return [(seconds(m[2]), seconds(m[3]), m[4]) for m in found]


def aligned(words: list[tuple[str, float, float, float]], begin: float = 0.0) -> Alignment:
    """Words of (text, pause before, length, confidence), one after the other."""
    found, now, at = [], begin, 0
    for text, pause, length, sure in words:
        start = now + pause if sure else now
        now = start + length if sure else now
        found.append(AlignedWord(text, at, at + len(text), start, now, sure))
        at += len(text) + 1
    return Alignment(tuple(found), (), now + 1.0, "test")


WORDS = st.lists(
    st.tuples(
        st.text("abcdefgäß日'’-", min_size=1, max_size=60),
        st.floats(0, 1.5),
        st.floats(0.02, 2),
        st.sampled_from([0.0, 0.1, 1.0]),
    ),
    max_size=30,
)


@settings(max_examples=200)
@given(WORDS, st.sampled_from([0.0, 59.7, 3599.5, 360000.0]))
def test_what_is_said_is_written_in_order_and_in_time(words, begin):
    alignment = aligned(words, begin)
    said = [w for w in alignment.words if w.said]
    cues = read(subtitles(alignment))
    assert " ".join(text for _, _, text in cues).split() == [w.text for w in said]
    rest = iter(said)
    for start, end, text in cues:
        line = [next(rest) for _ in text.split()]
        assert abs(start - line[0].start) <= 6e-4 and abs(end - line[-1].end) <= 6e-4
        assert len(text) <= LINE or len(line) == 1
        assert end - start <= LONGEST + 1e-3 or len(line) == 1
        assert all(b.start - a.end < PAUSE for a, b in zip(line, line[1:]))
    assert all(a[1] <= b[0] + 1e-3 for a, b in zip(cues, cues[1:])), "lines overlap"
    told = json.loads(words_json(alignment))
    assert [(w["text"], w["start"], w["end"], w["confidence"]) for w in told] == [
        (w.text, round(w.start, 3), round(w.end, 3), round(w.confidence, 3)) for w in said
    ]


def test_lines_end_at_pauses_and_when_they_are_full():
    words = [
        ("Well", 0, 0.3, 1.0),
        ("then", 0.1, 0.3, 1.0),
        ("gone", 0.0, 0.0, 0.0),
        ("Later", 0.7, 0.4, 1.0),
    ]
    assert read(subtitles(aligned(words))) == [(0.0, 0.7, "Well then"), (1.4, 1.8, "Later")]
    many = [("word", 0.0, 0.1, 1.0)] * 20
    assert [len(text) for _, _, text in read(subtitles(aligned(many)))] == [39, 39, 19]
    slow = [("so", 0.0, 1.9, 1.0)] * 4
    assert [text for _, _, text in read(subtitles(aligned(slow)))] == ["so so so", "so"]


def test_hours_and_what_rounds_up():
    (cue,) = read(subtitles(aligned([("now", 0.0, 0.5, 1.0)], 3599.9996)))
    assert cue == (3600.0, 3600.5, "now")
    assert subtitles(aligned([("now", 0.0, 0.5, 1.0)], 3599.9996)).splitlines()[1].startswith("01:00:00,000")


def test_nothing_said_is_nothing_written():
    nothing = aligned([("one", 0, 0, 0.0), ("two", 0, 0, 0.0)])
    assert subtitles(nothing) == "" and json.loads(words_json(nothing)) == []
