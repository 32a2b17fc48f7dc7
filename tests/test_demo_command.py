"""What ``make demo`` runs, from the bundled picture to the video and the sheet."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from troupe.engine.motion.face_motion import BLENDSHAPES

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "assets" / "two_people.png"


def demo(*arguments: str) -> subprocess.CompletedProcess:
    program = [sys.executable, str(ROOT / "tools" / "demo.py"), *arguments]
    return subprocess.run(program, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.slow
def test_both_people_act_and_the_rest_stays(tmp_path: Path):
    from PIL import Image

    from troupe.engine.video.read import VideoReader

    done = demo(str(PICTURE), "--drive", "surprised @0-0.8", "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "demo.mp4" in done.stdout and "demo_sheet.png" in done.stdout
    assert Image.open(tmp_path / "demo_sheet.png").width > 1000
    still = np.asarray(Image.open(PICTURE).convert("RGB"), np.float32)
    with VideoReader(tmp_path / "demo.mp4") as clip:
        frames = [np.asarray(frame, np.float32) for frame in clip]
    assert len(frames) == 20
    # Neither the backdrop beside them nor their clothes move: what is left is the video's coding noise.
    middle = np.abs(frames[10] - still).mean(-1)
    coding = np.abs(frames[0] - still).mean()
    assert middle[:, :60].mean() < 2 * coding + 1 and middle[440:].mean() < 2 * coding + 1
    for left, right in ((190, 340), (480, 650)):  # both faces
        assert middle[120:260, left:right].mean() > 2 * coding + 2
        # ... and move rather than vanish: on average they keep their colour.
        assert np.abs(frames[10][80:300, left:right].mean() - still[80:300, left:right].mean()) < 12


@pytest.mark.slow
def test_both_speak_in_turn(tmp_path: Path):
    from troupe.engine.drive import open_drive
    from troupe.engine.video.audio import read_audio

    done = demo(str(PICTURE), "--output", str(tmp_path))
    assert done.returncode == 0 and "with speech" in done.stdout, done.stderr
    sound = read_audio(tmp_path / "demo.mp4")
    loud = np.abs(sound.samples).max(0)
    first, second = (loud[int(a * sound.rate) : int(b * sound.rate)].max() for a, b in ((0, 4.4), (5, 9.5)))
    assert first > 0.3 and second > 0.3 and sound.duration > 9.5
    jaws = [
        open_drive(str(tmp_path / "demo.mp4"), face=person).blendshapes[:, BLENDSHAPES.index("jawOpen")]
        for person in (1, 2)
    ]
    # Who speaks moves the jaw more than who listens.
    assert jaws[0][10:100].std() > 1.5 * jaws[1][10:100].std()
    assert jaws[1][158:182].std() > 1.5 * jaws[0][158:182].std()


def test_a_picture_without_a_face_is_one_line(tmp_path: Path):
    from PIL import Image

    Image.new("RGB", (200, 200), (90, 120, 90)).save(tmp_path / "lawn.png")
    done = demo(str(tmp_path / "lawn.png"), "--output", str(tmp_path / "out"))
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1 and "lawn.png" in done.stderr
    assert not (tmp_path / "out").exists()
