"""The editor's reader of timelines (``web/lib``) says what the engine's says: the same tracks or the same mistake at the
same place; and its changes touch what they are meant to and nothing else.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from troupe.engine.errors import TroupeError
from troupe.engine.motion.beats import BEATS
from troupe.engine.motion.curves import CURVES, apply_curve
from troupe.engine.motion.face_motion import BLENDSHAPES, HEAD
from troupe.engine.motion.names import PAIRS
from troupe.engine.motion.presets import ALIASES, EXPRESSIONS, PRESETS, resolve_name
from troupe.engine.motion.timeline import Timeline

ROOT = Path(__file__).resolve().parents[2]
READ = """
const plain = ({name, keys}) => ({name, keys: keys.map(k => [k.value, k.start, k.end, k.curve, k.attack, k.release])});
try {
  const doc = m.text.parse(a);
  const of = kind => doc.entries.filter(e => e.kind === kind).map(plain);
  return {items: of("item"), tracks: of("track"), settings: doc.settings, duration: doc.duration};
} catch (e) {
  if (!e.what) throw e;
  return {what: e.what, why: e.why, place: e.place};
}
"""
EDITS = """
const {text, edits} = a;
let now = text;
const log = [];
for (const [what, pick, which, number] of edits) {
  const doc = m.text.parse(now);
  const all = doc.entries.filter(e => e.kind !== "setting");
  const entry = all[pick % Math.max(all.length, 1)];
  const at = entry ? which % entry.keys.length : 0;
  const before = JSON.stringify(all.map(({name, kind, keys}) => [name, kind, keys.map(k => [k.value, k.start, k.end, k.curve])]));
  if (what === "value" && entry) now = m.edit.setKeys(now, doc, [{entry, key: entry.keys[at], fields: {value: number}}]);
  if (what === "span" && entry?.kind === "item")
    now = m.edit.setKeys(now, doc, [{entry, key: entry.keys[0], fields: {start: number, end: number + 1, curve: "bounce"}}]);
  if (what === "key" && entry?.kind === "track" && !entry.keys.some(k => k.start === number))
    now = m.edit.addKey(now, doc, entry, {start: number, value: number / 2, curve: "linear"});
  if (what === "unkey" && entry && all.length > 1) now = m.edit.removeKey(now, doc, entry, at);
  if (what === "remove" && all.length > 1) now = m.edit.removeEntry(now, doc, entry);
  if (what === "copy" && entry) now = m.edit.addEntry(now, doc, m.select.later([entry], number)[0], entry);
  if (what === "add") now = m.edit.addEntry(now, doc, {kind: which % 2 ? "item" : "track", name: "jawOpen",
    keys: [{value: number, start: number, end: which % 2 ? number + 2 : null, curve: "ease_in", attack: null, release: null}]});
  log.push([what, entry && all.indexOf(entry), at, number, before, now]);
}
return log;
"""


def engine(text: str) -> dict:
    """What the engine makes of a text, in the form of ``READ``."""
    try:
        t = Timeline.parse(text)
    except TroupeError as e:
        return {"what": e.what, "why": e.why}
    items = [
        {"name": i.name, "keys": [[i.value, i.start, i.end, i.curve, i.attack, i.release]]} for i in t.items
    ]
    tracks = [
        {"name": r.name, "keys": [[k.value, k.time, None, k.curve, None, None] for k in r.keys]}
        for r in t.tracks
    ]
    given = {"idle": t.idle, "seed": float(t.seed), "fps": t.fps, "length": t.length}
    return {"items": items, "tracks": tracks, "settings": given, "duration": t.duration}


def agree(js, text: str) -> bool:
    """Asserts that both sides say the same; whether the text is a timeline."""
    ours, theirs = engine(text), js(READ, text)
    if "what" not in ours:
        assert theirs == ours, repr(text)
        return True
    assert "what" in theirs, f"{text!r}: the engine says {ours}"
    same = re.compile(r" the seed .*")
    assert same.sub("", theirs["what"]) == same.sub("", ours["what"]), repr(text)
    found = re.search(r"found in column (\d+)$", ours["why"])
    if found or "not valid JSON" in ours["what"]:
        assert theirs["why"] == ours["why"], repr(text)
    if found:
        assert theirs["place"]["column"] == int(found[1]), repr(text)
    label = re.match(r"Item \d+ \('.*', line (\d+), column (\d+)\)", ours["what"], re.DOTALL)
    label = label or re.match(r"line (\d+), column (\d+): ", ours["why"])
    if label:
        assert theirs["place"]["line"] == int(label[1]), repr(text)
        assert theirs["place"]["column"] >= int(label[2]), repr(text)
        assert 0 <= theirs["place"]["from"] <= theirs["place"]["to"] <= 2 * len(text) + 1
    return False


def repository_texts() -> list[str]:
    """Every timeline in the repository, and whatever stands in quotes where timelines are tested."""
    texts = [p.read_text() for p in (ROOT / "assets").glob("demo_*.txt")]
    for page in (ROOT / "web" / "docs").glob("*Timeline*.md"):
        texts += re.findall(r"```\n(.*?)```", page.read_text(), re.DOTALL)
        texts += re.findall(r"`([^`\n]+)`", page.read_text())
    for path in (ROOT / "tests").rglob("test_*.py"):
        source = path.read_text()
        if "Timeline" in source:
            texts += [json.loads(f'"{s}"') for s in re.findall(r'"((?:[^"\\\n]|\\[nt"\\])*)"', source)]
    for path in (ROOT / "example_workflows").rglob("*.json"):
        for node in (json.loads(path.read_text()).get("nodes") or []) if "api" not in path.parts else []:
            if node["type"] == "TroupeMotionFromTimeline":
                texts.append(node["widgets_values"][0])
    return texts


def test_names_are_the_engines(js):
    names = js("return {...m.names}", None)
    assert tuple(names["BLENDSHAPES"]) == BLENDSHAPES and tuple(names["PAIRS"]) == PAIRS
    assert tuple(names["HEAD"]) == HEAD and tuple(names["CURVES"]) == CURVES
    assert names["BEATS"] == {k: v.seconds for k, v in BEATS.items()}
    assert set(names["EXPRESSIONS"]) == set(EXPRESSIONS)
    for name in (*ALIASES, *PRESETS, *BLENDSHAPES, *PAIRS, *HEAD, "MOUTH_SMILE", "Jaw_Open"):
        assert js("return m.names.findName(a)", name) == resolve_name(name, channels=True)


def test_every_text_of_the_repository_reads_alike(js):
    texts = repository_texts()
    good = sum(agree(js, text) for text in texts)
    assert good >= 20 and len(texts) - good >= 20, (good, len(texts))


@pytest.mark.parametrize(
    "text",
    [
        "happy ٣ @١", "happy 0.5 @1s-2s", "happy\x0bblink @1", "happy @1\u2028hapy @2", "😀 happy @1", "blink @1; 😀x @2 3",
        "happy @1–2", "jawOpen 0.4 @1,", "jawOpen 0.4 @1,,", "happy @1e-3", "idle on; idle off", "seed 3.5", "seed -1",
        "pitch @1", "x @1", "Pitch -91 @1", "happy @1 attack=2 attack=3", "happy @1 foo=2", "happy @1 linear bounce",
        "happy @1-2, 1 @3", "fps 0", "fps 2000", "idle 3", "length 1e9", "length -1", "# only", " \x85\xa0 ", "\ufeffhappy @1",
        '{"items": []}', '{"idle": 1}', '{"items": [{"name": "happy"}]}', '{"items": [{"name": "happy", "start": 1}],}',
        '{"items": [{"name": "happy", "start": NaN}]}', '{"tracks": [{"name": "jawOpen", "keyframes": []}]}', "[1, 2",
        '{"items": [{"name": "happy", "start": 1, "value": null}]}', '{"version": 2}', '{"a\\u12": 1}', '{"a": "\\x"}', "{",
        '{"seed": 1.5, "idle": 1}', '{"tracks": [{"name": "pitch", "keyframes": [{"time": 1, "value": 2}, 3]}]}', '{"a": 01}',
        '\xa0{"idle": 1}', '{"idle": true}', '{"items": [{"name": "pitch", "start": 1}]}', '{"a":\n"b\nc"}', "{'a': 1}",
    ],
)  # fmt: skip
def test_odd_texts_read_alike(js, text):
    agree(js, text)


NUMBERS = st.sampled_from(
    ["0", "0.5", "1", "1.25", ".5", "2.", "10", "1e-1", "3s", "91", "-1", "4000", "1e999"]
)
WORDS = st.sampled_from(
    ["happy", "blink", "pitch", "x", "jawOpen", "mouth_smile", "hapy", "ease_out", "bounce", "attack=", "release=0.1", "idle",
     "seed", "fps", "length", "on", "off", "wink_left"]
)  # fmt: skip
PIECES = st.one_of(
    NUMBERS, WORDS, st.sampled_from([*"@@@--,;;\n#=–", "\r\n", " ", "é", "½"]), st.text(max_size=2)
)
KEY = st.builds(
    lambda value, start, curve: f"{value:.2f} @{start:.2f}{curve}",
    st.floats(0, 1), st.floats(0, 9), st.sampled_from(["", "", " linear", " ease_in"]),
)  # fmt: skip
ENTRY = st.one_of(
    st.builds(
        lambda name, key, length, more: f"{name} {re.sub('@([0-9.]+)', lambda m: f'@{m[1]}-{float(m[1]) + length:.2f}', key)}{more}",
        st.sampled_from(["happy", "blink", "nod", "jawOpen", "pitch", "browOuterUp"]), KEY, st.floats(0.1, 5),
        st.sampled_from(["", "", " attack=0.2", " release=1 attack=0"]),
    ),
    st.builds(
        lambda name, times, value: f"{name} " + ", ".join(f"{value:g} @{t / 4:g}" for t in sorted(times)) + ",",
        st.sampled_from(["jawOpen", "yaw", "mouthSmile", "happy"]), st.sets(st.integers(0, 40), min_size=1, max_size=5),
        st.sampled_from([0, 0.25, 1]),
    ),
)  # fmt: skip
SCORE = st.builds(
    lambda entries, ends: "".join(e + ends[i % len(ends)] for i, e in enumerate(entries)),
    st.lists(ENTRY, min_size=1, max_size=5),
    st.lists(
        st.sampled_from(["; ", ";", "\n", "  # and so on; really\n", " \r\n\r\n"]), min_size=1, max_size=3
    ),
)
FEW = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FEW
@given(text=st.lists(PIECES, max_size=12).map(" ".join))
def test_scraps_read_alike(js, text):
    agree(js, text)


@FEW
@given(text=SCORE, cut=st.integers(0, 200), put=st.sampled_from(["", "", "x", "@", "\n", "-", "9"]))
def test_scores_and_broken_scores_read_alike(js, text, cut, put):
    assert agree(js, text)
    agree(js, text[:cut] + put + text[cut + 1 :])


@FEW
@given(
    text=SCORE,
    indent=st.sampled_from([None, 1]),
    cut=st.integers(0, 400),
    put=st.sampled_from(["", "x", ",", '"', "1"]),
)
def test_json_and_broken_json_read_alike(js, text, indent, cut, put):
    data = json.dumps(json.loads(Timeline.parse(text).to_json()), indent=indent)
    assert agree(js, data)
    agree(js, data[:cut] + put + data[cut + 1 :])


def numbers(text: str) -> list:
    """All that a text says, for the engine, without the comments."""
    told = engine(text)
    assert "what" not in told, f"{text!r}: {told}"
    return [*told["items"], *told["tracks"]]


EDIT = st.tuples(
    st.sampled_from(["value", "span", "key", "unkey", "remove", "copy", "add"]),
    st.integers(0, 5), st.integers(0, 5), st.floats(0, 1).map(lambda v: round(v, 3)),
)  # fmt: skip


@FEW
@given(text=SCORE, as_json=st.booleans(), edits=st.lists(EDIT, min_size=1, max_size=4))
def test_a_change_changes_what_it_says_and_no_comment(js, text, as_json, edits):
    if as_json:
        text = Timeline.parse(text).to_json()
    now = text
    for what, _, _, number, _, after in js(EDITS, {"text": text, "edits": edits}):
        before, later = numbers(now), numbers(after)
        step = {"remove": -1, "copy": 1, "add": 1}.get(what, 0)
        if what == "remove" and len(before) == 1 or what == "unkey" and len(later) < len(before):
            step = len(later) - len(before)
        assert len(later) == len(before) + step, (what, now, after)
        if what == "value":
            changed = [b for b, a in zip(before, later, strict=True) if a != b]
            assert len(changed) <= 1, (now, after)
            assert any(k[0] == number for e in later for k in e["keys"]), (now, after)
        if what == "key" and now != after:
            assert sum(len(e["keys"]) for e in later) == sum(len(e["keys"]) for e in before) + 1
        assert now.count("#") == after.count("#"), (what, now, after)
        now = after


def test_changes_keep_the_hand(js):
    """Layout, order, comments and how other numbers are written all stay."""
    text = "# my scene\nlength 10\n\nhappy  0.80 @ 0.5-2.0   ease_out  # smile ; now\n  jawOpen 0 @0, 0.40 @0.5, 0 @1.00 # aah\n"
    body = """
    const doc = m.text.parse(a), [, happy, jaw] = doc.entries, e = m.edit;
    return [
      e.setKeys(a, doc, [{entry: happy, key: happy.keys[0], fields: {start: 1, end: 2.5}}]),
      e.setKeys(a, doc, [{entry: jaw, key: jaw.keys[1], fields: {value: 0.45, curve: "linear"}}]),
      e.removeKey(a, doc, jaw, 1), e.addKey(a, doc, jaw, {start: 0.75, value: 0.2, curve: "ease_in_out"}),
      e.removeEntry(a, doc, happy), e.removeEntry(a, doc, doc.entries[0]),
      e.addEntry(a, doc, {kind: "item", name: "nod", keys: [{value: 1, start: 3, end: null}]}, happy),
      e.addEntry(a, doc, {kind: "item", name: "nod", keys: [{value: 1, start: 3, end: null}]}),
    ];"""
    assert js(body, text) == [
        text.replace("@ 0.5-2.0", "@ 1-2.5"),
        text.replace("0.40 @0.5", "0.45 @0.5 linear"),
        text.replace(", 0.40 @0.5", ""),
        text.replace("0 @1.00", "0.2 @0.75, 0 @1.00"),
        text.replace("happy  0.80 @ 0.5-2.0   ease_out", ""),
        text.replace("length 10\n", ""),
        text.replace("now\n", "now\nnod 1 @3\n"),
        text.rstrip() + "\nnod 1 @3\n",
    ]


def test_curves_are_the_engines(js):
    times = [i / 50 for i in range(-5, 56)]
    for name in CURVES:
        drawn = js("return a[1].map(t => m.shape.applyCurve(a[0], t))", [name, times])
        assert drawn == pytest.approx(apply_curve(name, times).tolist(), abs=1e-12)
