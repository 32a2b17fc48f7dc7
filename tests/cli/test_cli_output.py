"""The shell from outside: what it writes and says."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

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

from .conftest import ANIMATE, CLIP, PORTRAIT, SPEECH, TWO, run


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
