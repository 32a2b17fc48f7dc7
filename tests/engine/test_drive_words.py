"""What a drive's text means, and drives that play together."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.engine import drive_clips
from troupe.engine.drive import open_drive, open_drives, parse_drive
from troupe.engine.drive_speech import Recording, Voice, mixed
from troupe.engine.errors import TroupeError
from troupe.engine.faces import Face, Faces, FaceTrack
from troupe.engine.motion import FaceMotion
from troupe.engine.motion.files import save_motion
from troupe.engine.motion.presets import PRESETS
from troupe.engine.video import Audio, write_video

TIMELINE = "happy 0.8 @0.5-2.0 ease_out; blink @1.2"


def a_motion(frames: int, fps: float) -> FaceMotion:
    rng = np.random.default_rng(frames)
    return FaceMotion(
        rng.random((frames, 52), dtype=np.float32), rng.random((frames, 6), dtype=np.float32), fps
    )


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A clip of 50 frames with sound (nobody is in it)."""
    sound = Audio(np.zeros((1, 32000), np.float32), 16000)
    write_video(tmp_path / "clip.mp4", np.zeros((50, 64, 64, 3), np.uint8), 25, audio=sound)
    return tmp_path / "clip.mp4"


@pytest.fixture
def two_people(monkeypatch) -> list:
    """Stands in for the face detector: two persons in every frame, whose motion tells their number."""
    calls: list = []

    def find(frames, *, fps, model_path=None, progress=None):
        count = 0
        for count, frame in enumerate(frames, 1):
            assert frame.shape == (64, 64, 3)
            progress(count, 0)
        calls.append(count)
        face = Face(np.random.default_rng(0).random((478, 3)).astype(np.float32) * 60)
        return Faces(tuple(FaceTrack(p, (face,) * count) for p in (1, 2)), 64, 64, count, fps)

    def fit(track, fps, progress=None):
        progress(1, 1)
        weights = np.full((len(track.faces), 52), track.person / 10, np.float32)
        return FaceMotion(weights, np.zeros((len(weights), 6), np.float32), fps)

    monkeypatch.setattr(drive_clips, "find_faces", find)
    monkeypatch.setattr(drive_clips, "motion_from_track", fit)
    return calls


@settings(max_examples=30)
@given(name=st.sampled_from(PRESETS), value=st.integers(0, 100), between=st.sampled_from([":", " ", " : "]))
def test_presets_with_an_intensity(name, value, between):
    drive = parse_drive(f"{name}{between}{value / 100}")
    assert (drive.kind, drive.preset, drive.intensity) == ("preset", name, value / 100)
    assert parse_drive(name.upper()).intensity == 1


def test_timelines_and_idle():
    assert parse_drive(TIMELINE).kind == "timeline"
    assert parse_drive("length 5; idle 0.3").timeline.length == 5
    assert parse_drive("idle").timeline.idle == 1 and parse_drive("idle:0.5").timeline.idle == 0.5
    as_json = parse_drive(TIMELINE).timeline.to_json()
    assert parse_drive(as_json).timeline == parse_drive(TIMELINE).timeline


def test_files_by_what_they_are(tmp_path, clip):
    timeline = parse_drive(TIMELINE).timeline
    (tmp_path / "t.txt").write_text(TIMELINE)
    (tmp_path / "t.json").write_text(timeline.to_json())
    for name in ("m.csv", "m.json", "m.npz"):
        save_motion(a_motion(10, 25), tmp_path / name)
    kinds = {p.name: parse_drive(str(p)).kind for p in tmp_path.iterdir()}
    assert kinds == {
        "clip.mp4": "clip", "t.txt": "timeline", "t.json": "timeline", "m.csv": "motion", "m.json": "motion", "m.npz": "motion",
    }  # fmt: skip
    assert parse_drive(f"{clip}#2").person == 2 and parse_drive(str(clip), person=3).person == 3


def test_files_come_first(tmp_path, monkeypatch, clip):
    monkeypatch.chdir(tmp_path)
    clip.rename("happy")
    assert parse_drive("happy").kind == "clip" and parse_drive("happy:1").kind == "preset"
    Path("happy").rename("take #2.mp4")
    assert parse_drive("take #2.mp4").path.name == "take #2.mp4"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("hapy", "Perhaps 'happy'"),
        ("hapy 0.4", "Perhaps 'happy'"),
        ("mouse", "no such file, preset or timeline.*a clip, a recording"),
        ("happy:3", "intensity 3"),
        ("happy:-1", "intensity -1"),
        ("happy @", "Item 1"),
        ("nowhere.mp4", "no such file"),
        ("nowhere.mp4#2", "no such file"),
        ("folder/happy", "no such file"),
        ("{", "timeline"),
        ("zero\0byte", "is no drive"),
        ("x" * 5000, "is no drive"),
    ],
)
def test_what_means_nothing(text, words):
    with pytest.raises(TroupeError, match=words):
        parse_drive(text)


def test_files_that_cannot_drive(tmp_path, clip):
    (tmp_path / "face.jpg").write_bytes(b"x")
    with pytest.raises(TroupeError, match="still picture"):
        parse_drive(str(tmp_path / "face.jpg"))
    with pytest.raises(TroupeError, match="folder"):
        parse_drive(str(tmp_path))
    with pytest.raises(TroupeError, match="Person 0"):
        parse_drive(f"{clip}#0")
    (tmp_path / "empty.csv").write_bytes(b"")
    with pytest.raises(TroupeError, match="empty"):
        parse_drive(str(tmp_path / "empty.csv"))
    (tmp_path / "odd.json").write_text(json.dumps({"items": [{"name": "hapy", "start": 0}]}))
    with pytest.raises(TroupeError, match="hapy"):
        parse_drive(str(tmp_path / "odd.json"))


def test_sound_in_a_clip_s_clothes(tmp_path):
    import av

    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(TroupeError, match="holds sound only"):
        open_drive(str(tmp_path / "sound.mp4"))


def test_recordings_of_speech(tmp_path, clip):
    path = tmp_path / "talk.wav"
    path.write_bytes(b"x")
    drive = parse_drive(str(path), voice=Voice(emotion="sad"))
    assert (drive.kind, drive.path, drive.start, drive.voice.emotion) == ("speech", path, 0, "sad")
    assert parse_drive(f"{path}@2.5").start == 2.5 and parse_drive(f"{path}@3s").path == path
    with pytest.raises(TroupeError, match="goes? with a recording|has no voice"):
        parse_drive(str(clip), voice=Voice(persona="calm"))
    with pytest.raises(TroupeError, match="start of the speech"):
        parse_drive(f"{path}@99999")


@given(starts=st.lists(st.floats(0, 2), min_size=1, max_size=3), rates=st.sampled_from([16000, 44100, 48000]))
@settings(max_examples=15)
def test_recordings_are_heard_together_in_their_time(starts, rates):
    audio = Audio(np.full((1, rates // 2), 0.3, np.float32), rates)
    sound = mixed([Recording(audio, s) for s in starts], 3.0)
    level = np.abs(sound.samples[0])
    assert level.max() <= 1
    at = np.arange(len(level)) / sound.rate
    speaks = sum(((at > s + 0.02) & (at < s + 0.48)).astype(int) for s in starts)
    silent = np.all([(at < s - 0.02) | (at > s + 0.52) for s in starts], 0)
    assert (level[speaks > 0] > 0.1).all() and (level[silent] < 0.02).all()


def test_one_drive_alone(tmp_path):
    assert (len(open_drive("happy")), open_drive("happy").fps) == (100, 25)
    assert len(open_drive("happy", fps=30, seconds=2)) == 60
    assert len(open_drive(TIMELINE)) == 50
    motion = a_motion(40, 30)
    save_motion(motion, tmp_path / "m.npz")
    whole = open_drive(str(tmp_path / "m.npz"))
    assert whole.fps == 30 and np.array_equal(whole.blendshapes, motion.blendshapes)
    assert len(open_drive(str(tmp_path / "m.npz"), fps=60)) == 80
    assert len(open_drive(str(tmp_path / "m.npz"), seconds=0.5)) == 15


def test_together_they_have_one_rate_and_length(tmp_path):
    save_motion(a_motion(60, 30), tmp_path / "m.npz")
    path = str(tmp_path / "m.npz")
    played = open_drives(["happy", path, "sad @0-1"])
    assert played.fps == 30 and played.seconds == 2 and played.sound is None
    assert [len(m) for m in played.motions] == [60, 60, 60]
    longer = open_drives([path, "length 5; sad @0-1"])
    assert longer.seconds == 5 and [len(m) for m in longer.motions] == [60, 150]  # held by the renderer
    looped = open_drives([path, "length 5; sad @0-1"], loop=True)
    assert [len(m) for m in looped.motions] == [150, 150]
    assert open_drives(["happy", "fps 12; sad @0-1"]).fps == 12


@pytest.mark.parametrize(
    "what", [{"fps": 0}, {"fps": 1e6}, {"seconds": -1}, {"seconds": 1e9}, {"fps": float("nan")}]
)
def test_rates_and_lengths_out_of_range(what):
    with pytest.raises(TroupeError, match="out of range"):
        open_drives(["happy"], **what)


def test_clips_are_read_once_for_all_their_people(clip, two_people):
    seen = []
    played = open_drives([f"{clip}#2", str(clip), "happy"], progress=lambda *p: seen.append(p))
    assert two_people == [50]
    assert [m.blendshapes[0, 0] for m in played.motions[:2]] == pytest.approx([0.2, 0.1])
    assert played.sound == clip and played.fps == 25 and played.seconds == 2
    assert all(0 < done <= total for done, total in seen) and seen[-1][0] == seen[-1][1]
    assert open_drive(str(clip), face=2).blendshapes[0, 0] == pytest.approx(0.2)


def test_no_more_of_a_clip_is_read_than_needed(clip, two_people):
    assert len(open_drive(str(clip), seconds=0.4)) == 10
    assert two_people == [10]


def test_clips_that_cannot_drive(tmp_path, clip, two_people, monkeypatch):
    with pytest.raises(TroupeError, match="Person 3 of the clip 'clip.mp4'.*2 persons"):
        open_drive(f"{clip}#3")
    write_video(tmp_path / "one.mp4", np.zeros((1, 64, 64, 3), np.uint8), 25)
    with pytest.raises(TroupeError, match="single frame"):
        open_drive(str(tmp_path / "one.mp4"))
    nobody = lambda frames, **_: Faces((), 64, 64, sum(1 for _ in frames), 25)  # noqa: E731
    monkeypatch.setattr(drive_clips, "find_faces", nobody)
    with pytest.raises(TroupeError, match="No face found in the clip 'clip.mp4'"):
        open_drive(str(clip))


def test_an_interrupt_stops_the_reading(clip, two_people):
    def stop(done, total):
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_drive(str(clip), progress=stop)
