"""The shell when it is stopped, and how much memory it takes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from troupe.engine.video import Audio, load_picture, write_video

from .conftest import ANIMATE, PORTRAIT, run


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
