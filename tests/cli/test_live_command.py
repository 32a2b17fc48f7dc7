"""``troupe live`` from outside: what it reads, where it sends, what it says."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from troupe.engine.errors import TroupeError
from troupe.engine.motion.face_motion import BLENDSHAPES, HEAD
from troupe.engine.motion.live_link_udp import Packet
from troupe.engine.speech.espeak import installed
from troupe.engine.speech.phones import phonemise

from .conftest import run as troupe


class Loud:
    """A face whose jaw opens as far as it is loud, in place of the network."""

    delay = 0.06
    asked: tuple = ()

    def __init__(self, *asked):
        type(self).asked = asked
        self.rest = np.zeros(0, np.float32)

    def push(self, samples):
        self.rest = np.concatenate([self.rest, samples])
        return self.rows(max(0, len(self.rest) // 320 - 2))

    def flush(self):
        return self.rows(len(self.rest) // 320)

    def rows(self, count):
        shapes = np.zeros((count, 52), np.float32)
        shapes[:, 24] = np.abs(self.rest[: count * 320].reshape(count, 320)).mean(1)
        self.rest = self.rest[count * 320 :]
        return shapes, np.zeros((count, 6), np.float32)


@pytest.fixture(autouse=True)
def loud(monkeypatch):
    monkeypatch.setattr("troupe.engine.speech.animate.SpeechAnimator", Loud)


def run(*arguments: str) -> int:
    return troupe("live", *arguments)


def pcm(seconds: float, rate: int = 16000, level: float = 0.5) -> bytes:
    return (np.full(round(seconds * rate), level) * 32767).astype("<i2").tobytes()


def test_lines_of_json(capsys):
    Path("a.raw").write_bytes(pcm(1.0) + pcm(1.0, level=0))
    assert run("--input", "a.raw", "--to", "-") == 0
    said = capsys.readouterr()
    head, *frames = map(json.loads, said.out.splitlines())
    assert head["channels"] == [*BLENDSHAPES, *HEAD] and head["fps"] == 30
    assert [f["time"] for f in frames] == [round(i / 30, 5) for i in range(60)]
    jaw = [f["values"][24] for f in frames]
    assert min(jaw[2:28]) > 0.49 and max(jaw[32:]) < 0.01
    assert "by at most 73 ms" in said.err and "60 frames of 2.0 s of sound" in said.err
    assert "too late" not in said.err


def test_quiet_says_nothing_and_other_sounds_are_heard(capsys):
    sound = np.zeros((48000, 2), "<f4")
    sound[:, 1], sound[5, 0] = 0.5, np.nan
    Path("a.raw").write_bytes(sound.tobytes())
    stereo = ("--rate", "48000", "--channels", "2", "--format", "f32le", "--fps", "60")
    assert run("--input", "a.raw", "--to", "-", *stereo, "--quiet") == 0
    said = capsys.readouterr()
    assert said.err == "" and len(said.out.splitlines()) == 61
    assert json.loads(said.out.splitlines()[30])["values"][24] == pytest.approx(0.25, abs=0.01)
    assert run("--input", "a.raw", "--to", "-", *stereo) == 0
    assert "1 samples were no numbers" in capsys.readouterr().err


def test_packets_from_standard_input(monkeypatch, capsys):
    out, into = os.pipe()
    monkeypatch.setattr(sys, "stdin", os.fdopen(out, "rb"))
    speaker = threading.Thread(target=lambda: (os.write(into, pcm(1.0)), os.close(into)))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unreal:
        unreal.bind(("127.0.0.1", 0))
        unreal.settimeout(10)
        speaker.start()
        where = f"udp://127.0.0.1:{unreal.getsockname()[1]}"
        assert run("--input", "-", "--to", where, "--fps", "60", "--subject", "Anna") == 0
        speaker.join(10)
        packets = [Packet.decode(unreal.recv(2048)) for _ in range(61)]
    sys.stdin.close()
    assert capsys.readouterr().out == ""
    assert {(p.subject, p.rate) for p in packets} == {("Anna", 60)}
    frames = [p.frame + p.subframe - packets[0].frame - packets[0].subframe for p in packets[:60]]
    np.testing.assert_allclose(frames, np.arange(60), atol=1e-3)
    assert packets[30].blendshapes[24] == pytest.approx(0.5, abs=0.01) and packets[60].values is None


def test_what_is_asked_of_the_face(capsys):
    Path("a.raw").write_bytes(pcm(0.1))
    asked = ("--emotion", "happy:0.6", "--persona", "friendly", "--setting", "quality", "--seed", "7")
    assert run("--input", "a.raw", "--to", "-", *asked, "--quiet") == 0
    assert Loud.asked == ("happy:0.6", "friendly", 7, "quality", None)


@pytest.mark.skipif(not installed(), reason="espeak-ng is not installed")
def test_the_face_is_told_what_will_be_said(capsys):
    Path("a.raw").write_bytes(pcm(0.1))
    Path("said.txt").write_text("Guten Abend", "utf-8")
    asked = ("--text", "said.txt", "--language", "de")
    assert run("--input", "a.raw", "--to", "-", *asked, "--quiet") == 0
    assert Loud.asked[-1] == phonemise("Guten Abend", "german").classes


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--input", "missing.raw", "--to", "-"), "Cannot read 'missing.raw': No such file"),
        (("--input", "a.raw", "--to", "somewhere"), "'somewhere' is no address"),
        (("--input", "a.raw", "--to", "udp://nobody.invalid"), "Cannot send to"),
        (("--input", "a.raw", "--to", "udp://127.0.0.1", "--subject", ""), "subject name"),
        (("--input", "a.raw", "--to", "-", "--rate", "1000"), "rate 1000 is out of range"),
        (("--input", "a.raw", "--to", "-", "--fps", "0"), "frame rate 0.0 is out of range"),
        (("--input", "a.raw", "--to", "-", "--channels", "0"), "channels 0"),
        (("--input", "a.raw", "--to", "-", "--text", "[nod] Yes."), "has tags"),
        (("--input", "a.raw", "--to", "-", "--text", "[nodd] Yes."), "nodd"),
        (("--input", "a.raw", "--to", "-", "--language", "klingon"), "klingon"),
    ],
)
def test_bad_input_is_said_in_one_line(capsys, arguments, said):
    Path("a.raw").write_bytes(pcm(0.1))
    assert run(*arguments) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("troupe: error: ") and said in error


def test_what_the_face_refuses_is_said(capsys, monkeypatch):
    def refuse(*asked):
        raise TroupeError("Unknown persona 'x'", "known are calm", "Use one of these")

    monkeypatch.setattr("troupe.engine.speech.animate.SpeechAnimator", refuse)
    assert run("--input", "a.raw", "--to", "-") == 1
    assert (
        capsys.readouterr().err == "troupe: error: Unknown persona 'x': known are calm. Use one of these.\n"
    )


def test_a_terminal_is_no_sound(capsys, monkeypatch):
    class Terminal:
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdin", Terminal())
    assert run("--input", "-", "--to", "-") == 1
    assert "which is a terminal" in capsys.readouterr().err


def test_usage(capsys):
    assert run("--input", "-") == 2 and "--to" in capsys.readouterr().err
    assert run("--help") == 0
    assert "udp://HOST" in capsys.readouterr().out
