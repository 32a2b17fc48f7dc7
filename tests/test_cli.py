"""The shell from outside: what it says, what it writes, and what it leaves."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe import cli
from troupe.engine.motion.files import load_motion
from troupe.engine.video import (
    Audio,
    VideoReader,
    load_picture,
    read_audio,
    read_clip,
    save_picture,
    write_video,
)

ASSETS = Path(__file__).resolve().parent.parent / "assets"
PORTRAIT, TWO, CLIP, SPEECH = (
    str(ASSETS / n) for n in ("portrait.png", "two_people.png", "drive.mp4", "speech.wav")
)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty folder to stand in; signals as they were afterwards."""
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGTERM)
    yield tmp_path
    signal.signal(signal.SIGTERM, before)


def run(*arguments: str) -> int:
    """The exit code, also where argparse ends the process itself."""
    try:
        return cli.main(list(arguments))
    except SystemExit as stop:
        return int(stop.code or 0)


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


ANIMATE = ("-o", "a.mp4", "--seconds", "0.2", "--size", "256")


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
def test_bad_input_is_said_in_one_line(arguments, words, capsys, here):
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
    before = {p.name: p.read_bytes() for p in here.iterdir()}
    assert run(*arguments) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert re.fullmatch(r"troupe: error: [^\n]+\n", said.err) and re.search(words, said.err), said.err
    assert {p.name: p.read_bytes() for p in here.iterdir()} == before


# --- what comes out --------------------------------------------------------------------------------------------


def test_a_portrait_acts(capsys, here):
    assert (
        run(
            "animate",
            PORTRAIT,
            "--drive",
            "surprised",
            "--seconds",
            "0.6",
            "--size",
            "256",
            "-o",
            "a.mp4",
            "--sheet",
            "a.png",
        )
        == 0
    )
    said = capsys.readouterr()
    assert (
        "a.mp4: " in said.out
        and "15 frames, 0.60 s at 25 frames/s" in said.out
        and "a.png: contact sheet" in said.out
    )
    frames, fps, sound = read_clip("a.mp4")
    picture = load_picture(PORTRAIT, max_side=256)
    assert (len(frames), fps, sound) == (15, 25, None)
    height, width = picture.shape[:2]
    first = frames[0, :height, :width].astype(int)
    assert np.abs(first - picture).mean() < 3  # it begins as the picture
    assert np.abs(frames[7].astype(int) - frames[0]).max() > 40  # and then does something
    assert load_picture("a.png").shape[1] == 1600
    assert sorted(p.name for p in here.iterdir()) == ["a.mp4", "a.png"]


def test_two_people_play_their_own_parts(capsys):
    """Who is not given a drive stays as they are."""
    common = ("--seconds", "0.4", "--size", "480", "--fps", "10")
    assert run("animate", TWO, "--face", "2", "--drive", "surprised", *common, "-o", "a.mp4") == 0
    assert run("animate", TWO, "--drive", "happy", "--drive", "surprised", *common, "-o", "b.mp4") == 0
    picture = load_picture(TWO, max_side=480)
    one, both = read_clip("a.mp4")[0], read_clip("b.mp4")[0]
    assert run("faces", TWO, "--quiet") == 0
    scale = picture.shape[1] / load_picture(TWO).shape[1]
    persons = json.loads(re.search(r"\{.*\}", capsys.readouterr().out, re.S)[0])["persons"]
    boxes = [[round(v * scale) for v in p["faces"][0]["box"]] for p in persons]

    def moved(frames: np.ndarray, box: list[int]) -> float:
        x0, y0, x1, y1 = box
        return float(np.abs(frames[2, y0:y1, x0:x1].astype(int) - frames[0, y0:y1, x0:x1]).mean())

    assert moved(one, boxes[0]) < 1 < 3 < moved(one, boxes[1])
    assert min(moved(both, box) for box in boxes) > 3
    for frames in (one, both):
        assert (
            np.abs(frames[2, : picture.shape[0]].astype(int) - picture).mean() < 12
        )  # and all else is still there


def test_a_clip_drives_with_its_sound():
    frames, fps, _ = read_clip(CLIP, max_frames=12)
    tone = Audio(0.3 * np.sin(np.arange(16000, dtype=np.float32) * 0.1)[None], 16000)
    write_video("talk.mp4", frames, fps, audio=tone)
    assert run("animate", PORTRAIT, "--drive", "talk.mp4", *ANIMATE) == 0
    with VideoReader("a.mp4") as made:
        assert made.fps == fps and made.has_audio
        count = len(list(made))
    assert count == round(0.2 * fps)
    heard = read_audio("a.mp4")
    assert heard.duration == pytest.approx(count / fps, abs=0.07)  # AAC comes in blocks
    part = slice(1024, 2048)
    assert np.abs(heard.samples[0, part] - tone.samples[0, part]).mean() < 0.02
    assert run("animate", PORTRAIT, "--drive", "talk.mp4", *ANIMATE, "--no-audio") == 0
    assert read_audio("a.mp4") is None
    assert run("animate", PORTRAIT, "--drive", "happy", *ANIMATE, "--audio", SPEECH) == 0
    assert read_audio("a.mp4").duration == pytest.approx(0.2, abs=0.07)


def test_motion_goes_out_and_comes_back(capsys):
    assert run("motion", CLIP, "--seconds", "0.4", "-o", "m.csv") == 0
    assert "m.csv: " in capsys.readouterr().out
    with VideoReader(CLIP) as clip:
        assert len(load_motion("m.csv")) == round(0.4 * clip.rate)
    assert run("plot", "m.csv") == 0
    assert load_picture("m.png").std() > 5
    assert (
        run(
            "animate",
            PORTRAIT,
            "--drive",
            "m.csv",
            "--size",
            "256",
            "-o",
            "a.mp4",
            "--loop",
            "--seconds",
            "0.6",
        )
        == 0
    )
    assert len(read_clip("a.mp4")[0]) == round(0.6 * load_motion("m.csv").fps)


def test_faces_as_json_and_a_drawing(capsys, here):
    shutil.copy(TWO, "two.png")
    assert run("faces", "two.png") == 0
    said = capsys.readouterr()
    told = json.loads(said.out)
    picture = load_picture("two.png")
    assert (told["height"], told["width"]) == picture.shape[:2]
    centres = [np.mean(p["faces"][0]["box"][::2]) for p in told["persons"]]
    assert [p["person"] for p in told["persons"]] == [1, 2] and centres == sorted(centres)
    drawn = load_picture("two_faces.png")
    assert drawn.shape == picture.shape and (drawn != picture).any()
    assert "two_faces.png: 2 drawn" in said.err
    assert run("faces", "two.png", "-o", "d.jpg", "--json", "f.json", "--quiet") == 0
    assert json.loads(Path("f.json").read_text()) == told and capsys.readouterr() == ("", "")


def test_quiet_says_nothing(capsys):
    assert run("animate", PORTRAIT, "--drive", "happy", *ANIMATE, "--quiet") == 0
    assert capsys.readouterr() == ("", "")


def test_odd_sizes_are_remarked(capsys):
    save_picture("odd.png", load_picture(PORTRAIT, max_side=300)[:-1, :299])
    assert run("animate", "odd.png", "--drive", "happy", "--seconds", "0.2", "-o", "a.mp4") == 0
    assert "even sides" in capsys.readouterr().err


# --- when it is stopped ----------------------------------------------------------------------------------------


def test_an_interrupt_leaves_nothing(capsys, here, monkeypatch):
    Path("a.mp4").write_bytes(b"what was there")

    def stopped(picture, faces, cast, fps, frames, progress):
        for _ in range(3):
            yield picture
        raise KeyboardInterrupt

    monkeypatch.setattr("troupe.engine.render.warp.render_cast", stopped)
    assert run("animate", PORTRAIT, "--drive", "happy", *ANIMATE) == 130
    assert capsys.readouterr().err == "troupe: error: interrupted\n"
    assert [p.name for p in here.iterdir()] == ["a.mp4"]
    assert Path("a.mp4").read_bytes() == b"what was there"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals are different there")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_real_signal_in_the_middle(here, how):
    command = [
        sys.executable,
        "-m",
        "troupe",
        "animate",
        PORTRAIT,
        "--drive",
        "happy",
        "--seconds",
        "60",
        "-o",
        "a.mp4",
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        until = time.monotonic() + 60
        while not any(p.name.endswith(".part.mp4") for p in here.iterdir()):
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(how)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said == "troupe: error: interrupted\n"
    assert os.listdir(here) == []


_PEAK = """
import re, sys
from troupe.cli import main
assert main(["animate", *sys.argv[1:], "-o", "a.mp4", "--quiet", "--size", "192"]) == 0
print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_a_longer_drive_takes_hardly_more_memory():
    """The frames of 12 more seconds would take 105 MB."""
    face = load_picture(PORTRAIT, max_side=256)
    height, width = (n // 2 * 2 for n in face.shape[:2])
    peaks = []
    for seconds in (6, 18):
        sound = Audio(np.zeros((2, seconds * 48000), np.float32), 48000)
        frames = (np.roll(face, k % 7, 1)[:height, :width] for k in range(seconds * 25))
        write_video(f"{seconds}.mp4", frames, 25, audio=sound)
        command = [sys.executable, "-c", _PEAK, PORTRAIT, "--drive", f"{seconds}.mp4"]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        peaks.append(int(out) // 1024)
    assert peaks[1] - peaks[0] < 60, f"MiB: {peaks}"
