"""Many things of a timeline moved, removed and copied together: what stays, what goes, and what the text says then."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from troupe.engine.motion.timeline import Timeline

TEXT = """# a scene
happy 0.8 @0.5-2.0 ease_out; blink @3   # the first line
  jawOpen 0 @0, 0.4 @0.5, 0 @1.00 # aah
nod @4; shake @5
"""
PICK = """
const doc = m.text.parse(a.text), s = m.select;
const ids = s.allIds(doc), all = (a.ids ?? ids.filter((_, i) => a.picks[i % a.picks.length])).map(id => s.thingOf(doc, id));
"""
MOVE = PICK + "return m.edit.setKeys(a.text, doc, s.moved(all, a.seconds));"
REMOVE = PICK + "return m.edit.removeAll(a.text, doc, s.byEntry(all));"
COPY = (
    PICK
    + """
const clip = s.later(s.clipOf(all), a.seconds), {entries, edits, keys} = s.joined(doc, clip);
const text = m.edit.addAll(a.text, doc, entries, all.at(-1)?.entry ?? null, {edits, keys});
const ids2 = clip.length ? s.idsOf(m.text.parse(text), clip) : [];
return [text, ids2.length, all.length];
"""
)


def test_what_is_selected_moves_together_and_stops_together(js):
    ids = ["0.0", "2.1", "2.2"]
    moved = js(MOVE, {"text": TEXT, "ids": ids, "seconds": 0.25})
    assert moved == TEXT.replace("@0.5-2.0", "@0.75-2.25").replace("0.4 @0.5, 0 @1.00", "0.4 @0.75, 0 @1.25")
    # The key at 0 stays: those behind it stop just after it, and the feeling no sooner.
    stopped = js(MOVE, {"text": TEXT, "ids": ids, "seconds": -9})
    assert stopped == TEXT.replace("@0.5-2.0", "@0.02-1.52").replace(
        "0.4 @0.5, 0 @1.00", "0.4 @0.02, 0 @0.52"
    )


@pytest.mark.parametrize(
    ("ids", "text"),
    [
        (["0.0", "1.0"], TEXT.replace("happy 0.8 @0.5-2.0 ease_out; blink @3", "")),
        (["3.0", "4.0"], TEXT.replace("nod @4; shake @5\n", "")),
        (["1.0", "4.0"], TEXT.replace("; blink @3", "").replace("; shake @5", "")),
        (["2.0", "2.1"], TEXT.replace("0 @0, 0.4 @0.5, 0 @1.00", "0 @1.00,")),
        (
            ["2.0", "2.1", "2.2", "0.0"],
            TEXT.replace("jawOpen 0 @0, 0.4 @0.5, 0 @1.00", "").replace("happy 0.8 @0.5-2.0 ease_out; ", ""),
        ),
    ],
)
def test_what_is_removed_takes_no_comment_with_it(js, ids, text):
    assert js(REMOVE, {"text": TEXT, "ids": ids}) == text


def test_keys_are_copied_into_their_track_and_items_behind_them(js):
    text, made, _ = js(
        COPY, {"text": "blink @1; jawOpen 0 @0, 0.4 @0.5, 0 @1", "ids": ["0.0", "1.1", "1.2"], "seconds": 0.5}
    )
    assert text == "blink @1; jawOpen 0 @0, 0.4 @0.5, 0.4 @1, 0 @1.5; blink 1 @1.5" and made == 3


def test_ramps_come_and_go(js):
    body = PICK + "return m.edit.setKeys(a.text, doc, s.edit(all[0], a.fields));"
    set_ramps = js(
        body, {"text": "happy @1-2 # so", "ids": ["0.0"], "fields": {"attack": 0.2, "release": 0.5}}
    )
    assert set_ramps == "happy @1-2 attack=0.2 release=0.5 # so"
    assert (
        js(body, {"text": set_ramps, "ids": ["0.0"], "fields": {"attack": None}})
        == "happy @1-2 release=0.5 # so"
    )
    odd = "happy @1-2 attack  = .2 linear"
    assert js(body, {"text": odd, "ids": ["0.0"], "fields": {"attack": None}}) == "happy @1-2 linear"
    data = Timeline.parse(set_ramps).to_json()
    done = Timeline.parse(js(body, {"text": data, "ids": ["0.0"], "fields": {"release": None}}))
    assert done.items[0].release is None and done.items[0].attack == 0.2


ENTRY = st.sampled_from(
    [
        "happy 0.5 @1-2",
        "blink @0",
        "nod @3 ",
        "sad @2-9 attack=1",
        "jawOpen 0 @0, 0.4 @0.5,0 @1",
        "yaw 3 @1,",
        "jawOpen 1 @4,0 @5",
    ]
)
TEXTS = st.lists(
    st.tuples(ENTRY, st.sampled_from(["; ", ";", "\n", " # and\n", ";;\r\n"])), min_size=1, max_size=7
).map(lambda all: "".join(entry + end for entry, end in all))
FEW = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def count(timeline: Timeline) -> int:
    return len(timeline.items) + sum(len(track.keys) for track in timeline.tracks)


@FEW
@given(
    text=TEXTS,
    as_json=st.booleans(),
    picks=st.lists(st.booleans(), min_size=1, max_size=9),
    seconds=st.floats(-5, 5),
)
def test_whatever_is_selected_the_text_stays_a_timeline(js, text, as_json, picks, seconds):
    before = Timeline.parse(text)
    if as_json:
        text = before.to_json()
    asked = {"text": text, "picks": picks, "seconds": seconds}
    moved = js(MOVE, asked)
    assert count(Timeline.parse(moved)) == count(before) and moved.count("#") == text.count("#")
    copied, made, picked = js(COPY, asked | {"seconds": abs(seconds)})
    assert made <= picked and count(before) <= count(Timeline.parse(copied)) <= count(before) + picked
    removed = js(REMOVE, asked)
    assert removed.count("#") == text.count("#")
    if picked < count(before):
        assert count(Timeline.parse(removed)) == count(before) - picked
    else:
        assert not removed.replace("# and", "").strip("; \r\n") or as_json


def test_a_large_timeline_is_read_and_laid_out(js):
    """Five thousand items, and keys, in a hundred thousand characters: in text, in one line, one upon another, and as JSON."""
    item = [f"happy 0.5 @{i * 0.7:.2f}-{i * 0.7 + 0.6:.2f}" for i in range(5000)]
    track = "jawOpen " + ", ".join(f"0.5 @{i * 0.5:.2f} linear" for i in range(5000))
    heap = "; ".join("sad @1-2" for _ in range(5000))
    body = "const doc = m.text.parse(a), rows = m.rows.rowsOf(doc); return [m.select.allIds(doc).length, rows.length];"
    for text, rows in (("; ".join(item), 1), ("\n".join(item), 1), (track, 1), (heap, 5000)):
        assert js(body, text) == [5000, rows]
    data = Timeline.parse("; ".join(item)).to_json()
    assert js(body, data) == [5000, 1]
    gone = js(REMOVE, {"text": data, "picks": [True, False]})
    assert len(Timeline.parse(gone).items) == 2500
    with_mistake = "; ".join(item) + "; hapy @1"
    place = js("try { m.text.parse(a) } catch (e) { return e.place }", with_mistake)
    assert place["from"] == len(with_mistake) - 7 and place["column"] == place["from"] + 1
