"""Scripts with tags: what is written is what is understood, and what is wrong is said with its place."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.engine.errors import TroupeError
from troupe.engine.motion.beats import BEATS
from troupe.engine.speech.conditions import EMOTIONS
from troupe.engine.speech.script import MAX_CHARACTERS, Cue, Pause, Script, Span, parse_script

VALUES = st.integers(0, 100).map(lambda n: n / 100)
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["C"], exclude_characters="[]"), max_size=12)
TREES = st.recursive(
    st.one_of(
        WORDS.map(lambda t: ("text", t)),
        st.tuples(st.just("beat"), st.sampled_from(sorted(BEATS)), VALUES),
        st.tuples(st.just("pause"), VALUES),
        st.sampled_from([("bracket", "["), ("bracket", "]")]),
    ),
    lambda inner: st.tuples(
        st.just("span"),
        st.sampled_from([*EMOTIONS, "smile"]),
        VALUES,
        st.lists(inner, max_size=4),
        st.booleans(),
    ),
    max_leaves=20,
)


def write(node, out: Script) -> tuple[str, Script]:
    """A tree as text, and as the script it must give, said after ``out``."""
    at = len(out.text)
    if node[0] in ("text", "bracket"):
        written = node[1] * (2 if node[0] == "bracket" else 1)
        return written, Script(out.text + node[1], out.spans, out.cues, out.pauses)
    if node[0] == "beat":
        cues = (*out.cues, Cue(node[1], node[2], at))
        return f"[{node[1]} {node[2]}]", Script(out.text, out.spans, cues, out.pauses)
    if node[0] == "pause":
        return f"[pause {node[1]}]", Script(out.text, out.spans, out.cues, (*out.pauses, Pause(node[1], at)))
    _, name, value, children, short = node
    written = f"[ {name}:{value}]"
    for child in children:
        more, out = write(child, out)
        written += more
    span = Span(name, value, at, len(out.text))
    closing = "[/]" if short else f"[/{name}]"
    return written + closing, Script(out.text, (*out.spans, span), out.cues, out.pauses)


@settings(max_examples=200, deadline=None)
@given(st.lists(TREES, max_size=6))
def test_what_is_written_is_what_is_understood(trees):
    written, expected = "said ", Script("said ")
    for tree in trees:
        more, expected = write(tree, expected)
        written += more
    script = parse_script(written)
    assert script.text == expected.text
    assert script.cues == expected.cues and script.pauses == expected.pauses
    key = repr
    assert sorted(script.spans, key=key) == sorted(expected.spans, key=key)
    starts = [(s.start, -s.end) for s in script.spans]
    assert starts == sorted(starts)
    for n in range(0, len(script.text), 3):
        mix = script.mix_at(n)
        assert set(mix) <= set(EMOTIONS) - {"neutral"} and sum(mix.values()) <= 1 + 1e-9
        assert all(any(s.name == name and s.start <= n < s.end for s in script.spans) for name in mix)


PIECES = ("[", "]", "/", "happy", "nod", "pause", " ", "0.5", "\n", "word", ":", "-", "é")


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=20).map("".join))
def test_anything_is_read_or_refused_with_its_place(text):
    try:
        script = parse_script(text)
    except TroupeError as e:
        assert "line" in e.what or "says nothing" in e.what
        return
    assert all(0 <= s.start <= s.end <= len(script.text) for s in script.spans)


def test_the_example_of_the_module():
    script = parse_script(
        "[happy 0.7] So glad you came! [nod] [/happy]\n"
        "[sad 0.4] I had hoped [surprised 0.3] all of you [/surprised] would. [/sad] [pause 0.5] Anyway."
    )
    assert script.text.split() == "So glad you came! I had hoped all of you would. Anyway.".split()
    at = script.text.index
    assert script.mix_at(at("glad")) == {"happy": 0.7}
    assert script.mix_at(at("hoped")) == {"sad": 0.4}
    assert script.mix_at(at("you would") if "you would" in script.text else at("all")) == {
        "sad": 0.4,
        "surprised": 0.3,
    }
    assert script.mix_at(at("would")) == {"sad": 0.4}
    assert script.mix_at(at("Anyway")) == {}
    assert script.cues[0].name == "nod" and script.text[: script.cues[0].at].strip().endswith("came!")
    assert script.pauses == (Pause(0.5, script.pauses[0].at),)
    assert script.text[script.pauses[0].at :].strip() == "Anyway."


def test_emotions_that_overlap():
    script = parse_script("[happy 0.8]a[surprised 0.8]b[happy 0.2]c[/][neutral]d[/][neutral 0.5]e[/][/][/]")
    happy, surprised = script.mix_at(1)["happy"], script.mix_at(1)["surprised"]
    assert script.mix_at(0) == {"happy": 0.8} and happy == surprised == pytest.approx(0.5)
    assert script.mix_at(2) == {"happy": 0.2, "surprised": 0.8}
    assert script.mix_at(3) == {}
    assert script.mix_at(4) == pytest.approx({"happy": 0.4, "surprised": 0.4})


def test_names_as_people_write_them():
    script = parse_script(
        "[Joy 0.5]a[/happiness] [ANGER]b[/mad] [contempt .3]c[/Contemptuous] [headshake] [silence 1]"
    )
    assert [(s.name, s.value) for s in script.spans] == [
        ("happy", 0.5),
        ("angry", 1.0),
        ("contemptuous", 0.3),
    ]
    assert script.cues[0].name == "shake" and script.pauses[0].seconds == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "says nothing"),
        ("...!", "there are no words"),
        ("[nod]", "tags but no words"),
        ("one\ntwo [happy 0.7] three", r"\[happy\] at line 2, column 5 never closes.*Write \[/happy\]"),
        ("one [happy 0.7 two", r"line 1, column 5 has no closing bracket"),
        ("one [happy\n0.7] two", r"line 1, column 5 has no closing bracket"),
        (
            "[happy] a [sad] b [/happy] c [/sad]",
            r"\[/happy\] at line 1, column 19 .*\[sad\] of line 1, column 11",
        ),
        ("a [/happy]", "line 1, column 3 closes nothing.*no emotion is open"),
        ("a [/]", "closes nothing"),
        ("a [/nod]", "a beat stands alone"),
        ("a [/pause]", "a pause stands alone"),
        ("a\n\n [hapy] b", r"Unknown tag 'hapy' at line 3, column 2.*Perhaps 'happy' is meant; '\[\['"),
        ("a [sic] b", "Unknown tag 'sic'.*known are neutral, happy"),
        ("[happy 1.5] a [/happy]", "value '1.5' of .happy. at line 1, column 1 .* 0 to 1"),
        ("[happy -1] a [/happy]", "number of 0 to 1"),
        ("[happy 1e999] a [/happy]", "number of 0 to 1"),
        ("[happy 0.5.5] a [/happy]", "number of 0 to 1"),
        ("[pause] a", r"has no length.*Write \[pause 0.5\]"),
        ("[pause 60] a", "0 to 10 seconds"),
        ("[] a", "cannot be read"),
        ("[happy 0.5 sad] a [/]", "cannot be read|not possible"),
        ("a" * (MAX_CHARACTERS + 1), "50001 characters"),
        ("a" + "[nod]" * 6000, "too many tags"),
    ],
)
def test_what_is_wrong_is_said(text, said):
    with pytest.raises(TroupeError, match=f"(?s){said}"):
        parse_script(text)
