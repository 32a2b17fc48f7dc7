"""The shell from outside: whose an option is, how it is used, and what it says of mistakes."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe import cli
from troupe.engine.video import save_picture, write_video

from .conftest import ANIMATE, CLIP, PORTRAIT, TWO, assert_refused, run

# --- who does what ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "roles"),
    [
        ([("drive", "a")], [{"face": 1, "drive": "a"}]),
        ([("drive", "a"), ("drive", "b")], [{"face": 1, "drive": "a"}, {"face": 2, "drive": "b"}]),
        (
            [("face", 2), ("drive", "a"), ("face", 1), ("drive", "b")],
            [{"face": 2, "drive": "a"}, {"face": 1, "drive": "b"}],
        ),
        (
            [("drive", "a"), ("face", 3), ("drive", "b")],
            [{"face": 1, "drive": "a"}, {"face": 3, "drive": "b"}],
        ),
        (
            [("strength", 0.5), ("drive", "a"), ("drive", "b"), ("strength", 2.0)],
            [{"face": 1, "drive": "a", "strength": 0.5}, {"face": 2, "drive": "b", "strength": 2.0}],
        ),
        (
            [("face", 2), ("region", "lips"), ("drive", "a"), ("rest", "keep")],
            [{"face": 2, "drive": "a", "region": "lips", "rest": "keep"}],
        ),
        # a second drive belongs to the face named before it, and to its region
        (
            [("face", 2), ("drive", "a"), ("region", "lips"), ("drive", "b"), ("strength", 0.5)],
            [
                {"face": 2, "drive": "a", "region": "lips"},
                {"face": 2, "drive": "b", "region": "lips", "strength": 0.5},
            ],
        ),
    ],
)
def test_options_belong_to_the_face_before_them(script, roles):
    assert cli.assign(script) == roles


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.integers(1, 9), st.floats(0, 10)), min_size=1, max_size=6, unique_by=lambda p: p[0])
)
def test_every_face_keeps_its_own(pairs):
    script = [x for face, s in pairs for x in (("face", face), ("drive", f"d{face}"), ("strength", s))]
    assert cli.assign(script) == [{"face": f, "drive": f"d{f}", "strength": s} for f, s in pairs]


@pytest.mark.parametrize(
    "script", [[], [("strength", 1.0)], [("face", 1)], [("face", 1), ("face", 2), ("drive", "a")]]
)
def test_a_face_without_a_drive(script):
    with pytest.raises(ValueError, match="--drive"):
        cli.assign(script)


# --- usage and errors ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [[], ["animate"], ["faces"], ["motion"], ["plot"]])
def test_help_and_wrong_usage(command, capsys):
    assert run(*command, "--help") == 0
    assert "usage: troupe" in capsys.readouterr().out
    assert run(*command) == 2
    assert "usage: troupe" in capsys.readouterr().err


def test_version(capsys):
    assert run("--version") == 0
    assert re.fullmatch(r"troupe \S+.*\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    "arguments",
    [
        ["animate", PORTRAIT, "-o", "a.mp4"],
        ["animate", PORTRAIT, "--face", "1", "-o", "a.mp4"],
        ["animate", PORTRAIT, "--drive", "happy"],
        ["animate", PORTRAIT, "--drive", "happy", "-o", "a.mp4", "--region", "ears"],
        ["animate", PORTRAIT, "--drive", "happy", "-o", "a.mp4", "--audio", "x.wav", "--no-audio"],
        ["animate", PORTRAIT, "--drive", "happy", "-o", "a.mp4", "--fps", "fast"],
        ["dance", PORTRAIT],
    ],
)
def test_usage_errors_are_2(arguments, capsys):
    assert run(*arguments) == 2
    assert "usage: troupe" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["animate", "no.png", "--drive", "happy", *ANIMATE], "no such file"),
        (["animate", CLIP, "--drive", "happy", *ANIMATE], "it is a video"),
        (["animate", "grey.png", "--drive", "happy", *ANIMATE], "No face found in 'grey.png'"),
        (["animate", "dot.png", "--drive", "happy", *ANIMATE], "2x2|1x1"),
        (["animate", "text.png", "--drive", "happy", *ANIMATE], "text.png"),
        (["animate", PORTRAIT, "--drive", "hapy", *ANIMATE], "Perhaps 'happy'"),
        (
            ["animate", PORTRAIT, "--drive", "sad", "--persona", "calm", *ANIMATE],
            "speaks no text and has no voice",
        ),
        (["animate", PORTRAIT, "--drive", "empty.mp4", *ANIMATE], "empty"),
        (["animate", PORTRAIT, "--drive", "text.mp4", *ANIMATE], "text.mp4"),
        (["animate", PORTRAIT, "--drive", "one.mp4", *ANIMATE], "single frame"),
        (["animate", PORTRAIT, "--drive", "nobody.mp4", *ANIMATE], "No face found in the clip 'nobody.mp4'"),
        (["animate", PORTRAIT, "--drive", "bad.csv", *ANIMATE], "bad.csv"),
        (["animate", PORTRAIT, "--drive", "happy", "--drive", "sad", *ANIMATE], "drives for 2 and 1 face"),
        (["animate", PORTRAIT, "--face", "3", "--drive", "sad", *ANIMATE], "Face 3 does not exist"),
        (["animate", PORTRAIT, "--face", "0", "--drive", "sad", *ANIMATE], "Face 0 does not exist"),
        (
            [
                "animate",
                TWO,
                "--face",
                "1",
                "--drive",
                "sad",
                "--drive",
                "happy",
                "--region",
                "lips",
                *ANIMATE,
            ],
            "differ in region",
        ),
        (["animate", PORTRAIT, "--drive", "sad", "--strength", "99", *ANIMATE], "99"),
        (["animate", PORTRAIT, "--drive", "sad", "--fps", "0", *ANIMATE], "frame rate 0"),
        (["animate", PORTRAIT, "--drive", "sad", "--size", "7", "-o", "a.mp4"], "size 7"),
        (["animate", PORTRAIT, "--drive", "sad", "--seconds", "-1", "-o", "a.mp4"], "length in seconds -1"),
        (["animate", PORTRAIT, "--drive", "sad", "-o", "a.gif"], r"\.gif"),
        (["animate", PORTRAIT, "--drive", "sad", "-o", "none/a.mp4"], "no folder"),
        (["animate", PORTRAIT, "--drive", "nobody.mp4", "-o", "nobody.mp4"], "also an input"),
        (["animate", PORTRAIT, "--drive", "sad", *ANIMATE, "--sheet", "a.txt"], r"\.txt"),
        (["animate", PORTRAIT, "--drive", "sad", *ANIMATE, "--audio", "nobody.mp4"], "no sound"),
        (["animate", PORTRAIT, "--drive", "sad", *ANIMATE, "--audio", "no.wav"], "no such file"),
        (["faces", "grey.png"], "No face found"),
        (["faces", PORTRAIT, "--json", "a.txt"], r"\.txt"),
        (["motion", "nobody.mp4"], "No face found"),
        (["motion", CLIP, "--face", "5", "--seconds", "0.2"], "Person 5"),
        (["plot", "no.csv"], "no such file"),
    ],
)
def test_bad_input_is_said_in_one_line(arguments, words, capsys):
    save_picture("grey.png", np.full((64, 64, 3), 128, np.uint8))
    save_picture("dot.png", np.zeros((1, 1, 3), np.uint8))
    write_video("nobody.mp4", np.zeros((5, 64, 64, 3), np.uint8), 25)
    write_video("one.mp4", np.zeros((1, 64, 64, 3), np.uint8), 25)
    for name, text in (
        ("empty.mp4", ""),
        ("text.mp4", "text"),
        ("text.png", "text"),
        ("bad.csv", "a,b\n1,2\n"),
    ):
        Path(name).write_text(text)
    assert_refused(arguments, words, capsys)
