"""Timelines: text and JSON mean the same, round trips, how items combine, and what bad input is told."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.engine.errors import TroupeError
from troupe.engine.motion.curves import CURVES
from troupe.engine.motion.face_motion import HEAD
from troupe.engine.motion.names import CHANNELS
from troupe.engine.motion.presets import PRESETS, preset_pose
from troupe.engine.motion.timeline import Item, Key, Timeline, Track

QUIET = "idle off; "


def column(text, name, fps=100, seconds=None):
    return Timeline.parse(QUIET + text).motion(fps, seconds).column(name)


def test_the_example_of_the_docs():
    t = Timeline.parse("happy 0.8 @0.5-2.0 ease_out; blink @1.2; jawOpen 0.4 @1-1.5; nod @2; pitch 10 @1-2")
    assert t.items[0] == Item("happy", 0.5, 2.0, 0.8, "ease_out")
    assert t.duration == pytest.approx(3.1)  # the nod's natural end
    motion = t.motion(25)
    assert len(motion) == 78 and not motion.blendshapes[0].any() and not motion.head[0].any()
    smile = motion.column("mouthSmileLeft")
    assert smile[:12].max() < 0.01 and smile.max() == pytest.approx(0.8 * 0.78, abs=1e-3)
    assert motion.column("eyeBlinkLeft")[30:36].max() > 0.95
    assert motion.column("pitch").max() > 8


def test_lines_comments_units_and_case():
    t = Timeline.parse(
        "# a smile\nHappy .8 @ 0.5s – 2s EASE_OUT".replace("EASE_OUT", "ease_out") + " # so\n\n;Wink @3;"
    )
    assert [i.name for i in t.items] == ["happy", "wink"] and t.items[0].end == 2


def test_settings():
    t = Timeline.parse("idle 0.5; seed 7; fps 30; length 8; smile @1")
    assert (t.idle, t.seed, t.fps, t.duration, len(t.motion())) == (0.5, 7, 30, 8, 240)
    assert Timeline.parse("idle off; smile @1").idle == 0 and Timeline.parse("idle on; smile @1").idle == 1
    assert len(Timeline.parse("smile @1-2").motion()) == 50  # 25 frames/s unless said
    assert len(Timeline.parse("smile @1-2").motion(10, seconds=7)) == 70


def test_idle_runs_underneath():
    calm, alive = (Timeline.parse(f"idle {n}; jawOpen 0.4 @1-9").motion(25) for n in ("off", "1"))
    assert not calm.head.any() and np.abs(alive.head).max() > 0.5
    assert alive.column("eyeBlinkLeft").max() > 0.9 and not calm.column("eyeBlinkLeft").any()
    np.testing.assert_array_equal(calm.column("jawOpen"), alive.column("jawOpen"))


def test_item_rises_holds_and_lets_go():
    jaw = column("jawOpen 0.4 @1-3 linear attack=0.5 release=0.2", "jawOpen", seconds=4)
    assert not jaw[:101].any() and not jaw[300:].any()
    assert jaw[125] == pytest.approx(0.2, abs=1e-6)
    np.testing.assert_allclose(jaw[150:280], 0.4, atol=1e-6)
    short = column("jawOpen 0.4 @1-1.2", "jawOpen", seconds=2)
    assert short.max() == pytest.approx(0.4, abs=1e-3)  # attack and release shrink


def test_touching_expressions_flow_into_each_other():
    brow = column("sad @0-2; sad @2-4", "browInnerUp")
    assert brow[60:340].min() > 0.5 * 0.85
    smile = column("happy @0-2; sad @2-4", "mouthSmileLeft")
    assert smile[205] > 0.5 and smile[240:].max() == 0
    apart = column("happy @0-2; sad @2.2-4", "mouthSmileLeft")
    assert apart[200:].max() == 0
    jaw = column("jawOpen 1 @0-1; jawOpen 1 @1-2", "jawOpen")
    assert jaw[100] == 0  # channels are exact


def test_overlap_saturates_and_heads_add():
    one = column("jawOpen 0.5 @0-2; pitch 10 @0-2", "jawOpen")
    two = column("jawOpen 0.5 @0-2; jawOpen 0.5 @0-2", "jawOpen")
    assert one[100] == 0.5 and two[100] == 0.75
    assert column("pitch 10 @0-2; pitch -4 @0-2", "pitch")[100] == pytest.approx(6)
    full = column("; ".join(["jawOpen 1 @0-2"] * 5), "jawOpen")
    assert full.max() == 1


def test_paired_names_move_both_sides():
    motion = Timeline.parse(QUIET + "browOuterUp 0.5 @0-2").motion(50)
    assert motion.column("browOuterUpLeft")[50] == motion.column("browOuterUpRight")[50] == 0.5


def test_keyframes():
    jaw = column("jawOpen 0 @0, 0.4 @0.5 linear, 0.1 @1 linear", "jawOpen", seconds=2)
    assert jaw[25] == pytest.approx(0.2) and jaw[50] == pytest.approx(0.4) and jaw[75] == pytest.approx(0.25)
    np.testing.assert_allclose(jaw[100:], 0.1, atol=1e-7)  # held
    eased = column("jawOpen 0 @0, 1 @1 ease_in", "jawOpen")
    assert eased[50] == pytest.approx(0.25)
    happy = Timeline.parse(QUIET + "happy 0 @0, 0.5 @1").motion(50, 2)
    np.testing.assert_allclose(happy.blendshapes[75], preset_pose("happy", 0.5)[0], atol=1e-6)
    assert column("yaw -20 @0,", "yaw", seconds=1)[3] == -20


def test_json_means_the_same():
    data = {
        "fps": 25, "duration": 4, "seed": 3, "idle": 0.5,
        "items": [{"name": "happy", "value": 0.8, "start": 0.5, "end": 2, "curve": "ease_out"}],
        "tracks": [{"name": "jawOpen", "keyframes": [{"time": 0, "value": 0}, {"time": 1, "value": 0.5}]}],
    }  # fmt: skip
    text = "fps 25; length 4; seed 3; idle 0.5; happy 0.8 @0.5-2 ease_out; jawOpen 0 @0, 0.5 @1"
    assert Timeline.parse(json.dumps(data)) == Timeline.parse(text)


def test_load(tmp_path):
    (tmp_path / "a.txt").write_text("\ufeffhappy @1", "utf-8")
    (tmp_path / "b.json").write_text(Timeline.parse("happy @1").to_json(), "utf-8")
    assert Timeline.load(tmp_path / "a.txt") == Timeline.load(str(tmp_path / "b.json"))
    (tmp_path / "c.txt").write_bytes(b"\xff\xfe\x00happy")
    for name in ("c.txt", "missing.txt", ""):
        with pytest.raises(TroupeError):
            Timeline.load(tmp_path / name)


numbers = st.floats(0, 1).map(lambda v: float(np.float32(v)))
moments = st.floats(0, 1800)


@st.composite
def items(draw):
    name = draw(st.sampled_from((*PRESETS, *CHANNELS)))
    start = draw(moments)
    end = draw(st.none() | st.floats(0.01, 60).map(lambda d: start + d))
    value = draw(st.floats(-5, 5)) if name in HEAD else draw(numbers)
    edge = st.none() | st.floats(0, 60)
    return Item(name, start, end, value, draw(st.sampled_from(CURVES)), draw(edge), draw(edge))


@st.composite
def tracks(draw):
    name = draw(st.sampled_from((*PRESETS, *CHANNELS)))
    value = st.floats(-5, 5) if name in HEAD else numbers
    times = sorted(set(draw(st.lists(moments, min_size=1, max_size=4))))
    return Track(name, tuple(Key(t, draw(value), draw(st.sampled_from(CURVES))) for t in times))


timelines = st.builds(
    Timeline,
    st.lists(items(), max_size=4).map(tuple),
    st.lists(tracks(), max_size=2).map(tuple),
    st.floats(0, 2),
    st.integers(0, 2**64 - 1),
    st.none() | st.floats(1, 100),
    st.none() | st.floats(0.01, 3600),
)


@settings(max_examples=80)
@given(timelines)
def test_round_trips(timeline):
    assert Timeline.parse(timeline.to_json()) == timeline
    small = Timeline(**(vars(timeline) | {"seed": timeline.seed % 2**53}))
    assert Timeline.parse(small.to_text()) == small


@settings(max_examples=60)
@given(st.text(st.sampled_from("happy blinkx@0123.5-,;#=\n{}[]\"':–e_"), max_size=40) | st.text(max_size=30))
def test_any_text_parses_or_is_refused_in_words(text):
    try:
        timeline = Timeline.parse(text)
    except TroupeError as e:
        assert e.what and e.why and e.remedy
    else:
        assert Timeline.parse(timeline.to_text()) == timeline


@pytest.mark.parametrize(
    "text, parts",
    [
        ("", ["empty"]),
        (" \n# nothing", ["empty"]),
        ("blink @1; hapy 0.8 @1", ["Item 2", "line 1, column 11", "'hapy'", "'happy'"]),
        ("smile @1\n mouthSmle 0.3 @1", ["Item 2", "line 2, column 2", "mouthSmile"]),
        ("happy @2-1", ["ends at 1", "start at 2"]),
        ("happy @2-2", ["needs time"]),
        ("happy @-1-2", ["start -1", "from 0"]),
        ("happy @1--2", ["end -2"]),
        ("happy 1.2 @1", ["1.2", "0 to 1"]),
        ("happy -0.2 @1", ["-0.2", "0 to 1"]),
        ("pitch 91 @1", ["91", "degrees"]),
        ("x 6 @1", ["eye distances"]),
        ("happy @1-2 ease", ["curve", "'ease'", "ease_in"]),
        ("happy 0.8", ["'@'"]),
        ("happy @", ["time in seconds"]),
        ("happy @1-", ["end in seconds"]),
        ("pitch @1", ["no value"]),
        ("happy @1-99999", ["3600"]),
        ("happy @1e999", ["inf"]),
        ("length 1e9", ["3600"]),
        ("happy @1 ease_in ease_out", ["curve"]),
        ("happy @1 attack=-1", ["attack"]),
        ("happy @1 speed=2", ["speed"]),
        ("idle 5", ["idle"]),
        ("idle soon", ["on or off"]),
        ("idle 1; idle 2", ["twice"]),
        ("seed 1.5", ["whole"]),
        ("fps 0", ["frame rate"]),
        ("jawOpen 0 @1, 1 @0.5", ["ascend"]),
        ("jawOpen 0 @1, 1 @2-3", ["keyframe"]),
        ("0.5 happy @1", ["name", "column 1"]),
        ("happy! @1", ["'!'"]),
        ("{", ["JSON", "line 1"]),
        ("[]", ["object"]),
        ("{}", ["empty"]),
        ('{"itms": []}', ["itms", "items"]),
        ('{"items": [{"name": "happy"}]}', ["Item 1", "start"]),
        ('{"items": [{"name": "hapy", "start": 1}]}', ["Item 1", "'happy'"]),
        ('{"items": [{"name": "happy", "start": "1"}]}', ["number"]),
        ('{"items": [{"name": "happy", "start": NaN}]}', ["number"]),
        ('{"items": [{"name": "yaw", "start": 1}]}', ["value"]),
        ('{"items": 5}', ["list"]),
        ('{"items": [5]}', ["Item 1", "object"]),
        ('{"tracks": [{"name": "yaw", "keyframes": []}]}', ["no keyframes"]),
        ('{"tracks": [{"name": "yaw", "keyframes": [{"time": 0}]}]}', ["keyframe 1", "value"]),
        ('{"format": "other", "items": []}', ["other"]),
        ('{"seed": -1, "items": [{"name": "happy", "start": 1}]}', ["seed"]),
    ],
)  # fmt: skip
def test_mistakes_are_named(text, parts):
    with pytest.raises(TroupeError) as e:
        Timeline.parse(text)
    message = str(e.value)
    for part in parts:
        assert part in message, message
    assert e.value.remedy


def test_no_length_and_too_much():
    with pytest.raises(TroupeError, match="length"):
        Timeline.parse("idle 0.5").motion(25)
    assert len(Timeline.parse("idle 0.5").motion(25, 2)) == 50
    with pytest.raises(TroupeError, match="frames"):
        Timeline.parse("happy @1-3000").motion(1000)
    with pytest.raises(TroupeError, match="characters"):
        Timeline.parse("x" * 3_000_000)
    with pytest.raises(TroupeError, match="items"):
        Timeline.parse("blink @1;" * 20_001)
    with pytest.raises(TroupeError):
        Timeline.parse("[" * 100_000)


def test_an_hour_of_items_is_quick():
    text = "; ".join(f"happy 0.5 @{t}-{t + 1}; blink @{t}" for t in range(0, 3500, 2))
    assert len(Timeline.parse(text).motion(25)) == 87475
