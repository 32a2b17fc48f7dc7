"""Speech from the shell: motion, video and scores of recordings, with text, emotion and persona."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from troupe.engine.motion.files import load_motion
from troupe.engine.speech import espeak
from troupe.engine.speech.channels import aperture
from troupe.engine.video import VideoReader, read_audio, read_clip

from .conftest import CLIP, PORTRAIT, REPLY, SPEECH, TWO, assert_refused, run

TEXT = "[happy 0.7] Good evening. [/happy] Tonight every [wink] face in the picture has a part to play."
OTHER = "Seventeen purple elephants quietly bought umbrellas for Christopher's grandmother yesterday."
needs_espeak = pytest.mark.skipif(not espeak.installed(), reason="espeak-ng's library is not installed")


def write_wav(path: str, samples: np.ndarray, rate: int) -> None:
    from scipy.io import wavfile

    wavfile.write(path, rate, samples.astype(np.float32))


def motion_of(*arguments: str):
    assert run("motion", *arguments, "-o", "m.npz") == 0
    return load_motion("m.npz")


# --- motion ----------------------------------------------------------------------------------------------------


def test_motion_of_a_recording(capsys, here):
    assert run("motion", SPEECH, "-o", "m.csv") == 0
    said = capsys.readouterr()
    assert re.fullmatch(r"\S*m\.csv: 117 frames, 4\.68 s at 25 frames/s\n", said.out) and said.err == ""
    assert [p.name for p in here.iterdir()] == ["m.csv"]
    motion = load_motion("m.csv")
    assert len(motion) == 117 and aperture(motion.blendshapes).max() > 0.2
    fast = motion_of(SPEECH, "--fps", "60", "--seconds", "2")
    assert (len(fast), fast.fps) == (120, 60)
    late = motion_of(f"{SPEECH}@1.5")
    assert late.duration == pytest.approx(motion.duration + 1.5, abs=0.05)
    assert aperture(late.blendshapes)[:35].max() < 0.05


def test_emotion_persona_and_seed(here):
    plain, same, seeded = motion_of(SPEECH), motion_of(SPEECH), motion_of(SPEECH, "--seed", "7")
    np.testing.assert_array_equal(plain.blendshapes, same.blendshapes)
    assert (plain.blendshapes != seeded.blendshapes).any()
    sad = motion_of(SPEECH, "--emotion", "sad:0.8@2-")
    brows = sad.column("browInnerUp") - plain.column("browInnerUp")
    assert brows[:40].max() < 0.05 < 0.2 < brows[75:].mean()
    Path("anna.yaml").write_text("smile: 0.6\nblink_rate: 0\n")
    anna = motion_of(SPEECH, "--persona", "anna.yaml")
    assert anna.column("mouthSmileLeft").mean() > plain.column("mouthSmileLeft").mean() + 0.1
    assert anna.column("eyeBlinkLeft").max() < 0.5 < plain.column("eyeBlinkLeft").max()
    friendly = motion_of(SPEECH, "--persona", "Friendly")
    assert friendly.column("mouthSmileLeft").mean() > plain.column("mouthSmileLeft").mean() + 0.03


@needs_espeak
def test_a_text_brings_its_tags(capsys, here):
    plain = motion_of(SPEECH)
    Path("said.txt").write_text(TEXT, "utf-8-sig")
    capsys.readouterr()
    told = motion_of(SPEECH, "--text", TEXT, "--language", "en")
    assert "Only" not in capsys.readouterr().err
    filed = motion_of(SPEECH, "--text", "said.txt")
    np.testing.assert_array_equal(told.blendshapes, filed.blendshapes)
    cheeks = told.column("cheekSquintLeft") - plain.column("cheekSquintLeft")
    assert cheeks[10:25].mean() > 0.1 > abs(cheeks[75:]).max()
    winks = np.abs(told.column("eyeBlinkLeft") - told.column("eyeBlinkRight"))
    assert winks.max() > 0.4 and 1.8 < winks.argmax() / 25 < 2.8  # "face" begins at 1.97 s


@needs_espeak
def test_a_text_that_is_not_said_is_remarked_on(capsys):
    assert run("motion", SPEECH, "--text", OTHER, "-o", "m.csv") == 0
    said = capsys.readouterr().err
    assert re.search(
        r"troupe: speech\.wav: '[^']+' \(character \d+ of the text\) is not said at \d+\.\d\d s\.\n", said
    )
    assert re.search(r"Only \d+% of the text is clearly said, so the lips follow the sound alone\.\n", said)
    assert run("motion", SPEECH, "--text", "Nothing of the kind", "-o", "m.csv", "--quiet") == 0
    assert capsys.readouterr() == ("", "")


def test_odd_recordings_are_used_and_remarked_on(capsys):
    sound = read_audio(SPEECH)
    write_wav("silent.wav", np.zeros(16000), 16000)
    write_wav("loud.wav", np.stack([sound.samples[0] * 9] * 6, 1), sound.rate)
    write_wav("dull.wav", sound.samples[0][::4], sound.rate // 4)
    for name, remark in (
        ("silent.wav", "silent: the face listens"),
        ("loud.wav", "times full scale and is turned down"),
        ("dull.wav", "At 4000 samples a second s, f and t can hardly be told apart"),
    ):
        assert run("motion", name, "-o", "m.csv") == 0
        assert f"troupe: {name}: " in (said := capsys.readouterr().err) and remark in said
    write_wav("wide.wav", np.repeat(sound.samples[0], 6), 96000)
    assert run("motion", "wide.wav", "-o", "m.csv") == 0 and capsys.readouterr().err == ""
    assert aperture(load_motion("m.csv").blendshapes).max() > 0.2


BAD = [
    (["motion", "gone.wav"], "No drive 'gone.wav': there is no such file"),
    (["motion", "gone.wav@2"], "No drive 'gone.wav': there is no such file"),
    (["motion", "text.wav"], "'text.wav'.*no media file"),
    (["motion", "zero.wav"], "'.*zero.wav'.*empty"),
    (["motion", "header.wav"], "'header.wav'"),
    (["motion", "nan.wav"], "'nan.wav' is damaged: .*NaN.*Export it again"),
    (["motion", "slow.wav"], "rate 2000 is out of range.*4000 to 192000"),
    (["motion", f"{SPEECH}@5000"], "start of the speech 5000.0 is out of range.*0 to 3600"),
    (["motion", f"{SPEECH}@3", "--seconds", "2"], "'speech.wav' is not heard: it begins at 3 s.*ends at 2 s"),
    (["motion", f"{CLIP}@2"], "cannot begin late: it is a clip.*Write '.*drive.mp4'"),
    (
        ["motion", SPEECH, "--emotion", "joyous"],
        "Unknown emotion 'joyous': known are neutral, happy, sad, angry",
    ),
    (["motion", SPEECH, "--emotion", "happy:3"], "3"),
    (["motion", SPEECH, "--emotion", "happy@2-1"], "'happy@2-1' cannot be read: it ends before 2 s"),
    (
        ["motion", SPEECH, "--persona", "nice"],
        "persona 'nice': known are neutral, professional, friendly, calm",
    ),
    (["motion", SPEECH, "--persona", "gone.yaml"], "'gone.yaml' cannot be read: No such file.*friendly"),
    (
        ["motion", SPEECH, "--persona", "odd.yaml"],
        "'odd.yaml' has the unknown entry 'smil': known are name, art",
    ),
    (
        ["motion", SPEECH, "--text", "a", "--language", "klingon"],
        "language 'klingon': known are english, brit",
    ),
    (["motion", SPEECH, "--text", "gone.txt"], "No text 'gone.txt': there is no such file"),
    (["motion", SPEECH, "--text", "latin.txt"], "text 'latin.txt' cannot be read: .*Save it as UTF-8"),
    (["motion", SPEECH, "--text", "[sad] oh"], r"\[sad\] at line 1, column 1 never closes.*Write \[/sad\]"),
    (["motion", SPEECH, "--text", "oh [sad"], "line 1, column 4 has no closing bracket"),
    (["motion", SPEECH, "--text", "a [sic] b"], "Unknown tag 'sic' at line 1, column 3 of the script"),
    (["motion", CLIP, "--text", "hello"], "speaks no text and has no voice: it is a clip"),
    (["animate", PORTRAIT, "--drive", SPEECH, "--persona", "nice", "-o", "a.mp4"], "persona 'nice'"),
    (
        ["measure", SPEECH, "--against", "happy"],
        "'happy' cannot be compared with: it is a preset.*motion file",
    ),
    (["measure", SPEECH, "--against", "gone.wav"], "No drive 'gone.wav'"),
    (["measure", "short.csv", "--against", SPEECH], "share 0.20 seconds, at least 0.5 are needed"),
]


@pytest.mark.parametrize(("arguments", "words"), BAD, ids=[" ".join(a)[-40:] for a, _ in BAD])
def test_bad_input_is_said_in_one_line(arguments, words, capsys):
    write_wav("header.wav", np.zeros(0), 16000)
    write_wav("nan.wav", np.full(4000, np.nan), 16000)
    write_wav("slow.wav", np.zeros(4000), 2000)
    Path("text.wav").write_text("no sound at all")
    Path("zero.wav").touch()
    Path("odd.yaml").write_text("smil: 0.3")
    Path("latin.txt").write_bytes("Größe".encode("latin-1"))
    assert run("motion", "happy", "--seconds", "0.2", "-o", "short.csv", "--quiet") == 0
    assert_refused(arguments, words, capsys)


@needs_espeak
def test_a_script_that_the_language_does_not_have(capsys):
    assert run("motion", SPEECH, "--text", "Доброе утро", "-o", "m.csv") == 1
    assert (
        "cannot be read as english: 'Доброе' at character 1 holds 'Д', which is not Latin. Choose the language"
        in (capsys.readouterr().err)
    )
    assert run("motion", SPEECH, "--text", "Доброе утро", "--language", "ru", "-o", "m.csv") == 0


def test_without_espeak_all_but_text_works(capsys, monkeypatch):
    espeak.restart()
    monkeypatch.setattr(espeak, "_candidates", lambda: [("libnothing-of-that-name.so", None)])
    try:
        assert run("motion", SPEECH, "--text", "Good evening", "-o", "m.csv") == 1
        said = capsys.readouterr().err
        assert "espeak-ng is not installed. Install it (Debian: apt install" in said
        assert "or leave the text out" in said
        assert run("motion", SPEECH, "--emotion", "happy", "--persona", "calm", "-o", "m.csv") == 0
        assert run("measure", "m.csv", "--against", SPEECH) == 0
    finally:
        espeak.restart()


@pytest.mark.parametrize("wrong", ["missing", "another version", "damaged"])
def test_weights_that_cannot_be_used(capsys, monkeypatch, tmp_path, wrong):
    from troupe.engine.speech import weights

    copy = tmp_path / "speech.safetensors"
    content, card = weights.SHIPPED.read_bytes(), weights.SHIPPED.with_suffix(".json").read_text()
    if wrong != "missing":
        copy.write_bytes(content[:-1] + b"?" if wrong == "damaged" else content)
        version = '"version": 99' if wrong == "another version" else '"version": 1'
        copy.with_suffix(".json").write_text(re.sub(r'"version": \d+', version, card, count=1))
    monkeypatch.setattr(weights, "SHIPPED", copy)
    weights._shipped.cache_clear()
    try:
        assert run("motion", SPEECH, "-o", "m.csv") == 1
    finally:
        weights._shipped.cache_clear()
    said = capsys.readouterr().err
    why = {"missing": "no file", "another version": "of version 99, this pack reads", "damaged": "checksum"}[
        wrong
    ]
    assert "'speech." in said and why in said and "Install the pack again" in said


# --- video -----------------------------------------------------------------------------------------------------

SMALL = ("--size", "256", "--fps", "12")


def opened(frames: np.ndarray, until: int) -> float:
    """How much the lower half of the middle of some frames changes."""
    height, width = frames.shape[1:3]
    part = frames[:until, height // 3 : height * 2 // 3, width // 3 : width * 2 // 3]
    return float(part.astype(np.float32).std(0).mean())


def test_a_portrait_speaks(capsys):
    assert run("animate", PORTRAIT, "--drive", SPEECH, "--seconds", "2.5", *SMALL, "-o", "a.mp4") == 0
    assert "30 frames, 2.50 s at 12 frames/s, with speech" in capsys.readouterr().out
    frames, fps, _ = read_clip("a.mp4")
    assert (len(frames), fps) == (30, 12) and opened(frames, 30) > 2
    heard, speech = read_audio("a.mp4", rate=16000), read_audio(SPEECH)
    assert heard.duration == pytest.approx(2.5, abs=0.1)
    count = 2 * 16000
    np.testing.assert_allclose(
        np.abs(heard.samples.mean(0)[:count]).reshape(-1, 1600).mean(1),
        np.abs(speech.samples[0, :count]).reshape(-1, 1600).mean(1),
        atol=0.02,
    )


def test_a_late_recording_is_heard_late_and_the_face_waits(capsys):
    assert run("animate", PORTRAIT, "--drive", f"{SPEECH}@1.5", "--seconds", "3", *SMALL, "-o", "a.mp4") == 0
    frames, _, _ = read_clip("a.mp4")
    heard = np.abs(read_audio("a.mp4", rate=16000).samples).max(0)
    assert (
        len(frames) == 36 and heard[: int(1.4 * 16000)].max() < 0.01 < 0.2 < heard[int(1.6 * 16000) :].max()
    )
    assert opened(frames[18:], 18) > 1.5 * opened(frames, 17)


def test_two_talk_in_turn_with_a_voice_each(capsys):
    parts = ("--face", "1", "--drive", SPEECH, "--emotion", "happy:0.5")
    parts += ("--face", "2", "--drive", f"{REPLY}@1", "--persona", "calm", "--seed", "3")
    assert run("animate", TWO, *parts, "--seconds", "1.5", *SMALL, "-o", "a.mp4") == 0
    with VideoReader("a.mp4") as clip:
        assert clip.has_audio and len(list(clip)) == 18
    assert run("animate", TWO, *parts, "--seconds", "1.5", *SMALL, "-o", "b.mp4", "--no-audio") == 0
    assert read_audio("b.mp4") is None


# --- measure ---------------------------------------------------------------------------------------------------


def scores(capsys) -> dict[str, float]:
    lines = capsys.readouterr().out.strip().splitlines()
    return {line[:22].strip(): float(line[22:]) for line in lines}


def test_measure_against_sound_and_motion(capsys):
    assert run("motion", SPEECH, "--fps", "50", "-o", "m.npz", "--quiet") == 0
    assert run("measure", "m.npz", "--against", SPEECH) == 0
    sound = scores(capsys)
    assert sound["loudness correlation"] > sound["mismatched correlation"] + 0.1
    assert sound["silence aperture"] < 0.1 and sound["seconds"] == pytest.approx(4.68, abs=0.02)
    assert run("measure", "m.npz", "--against", "m.npz") == 0
    same = scores(capsys)
    assert same["lmd"] == same["nmse"] == 0 and same["lag"] == pytest.approx(0, abs=1e-6)
    assert run("measure", SPEECH, "--against", "m.npz") == 0
    assert 0 < scores(capsys)["nmse"] < 0.1  # the same at 25 frames a second
    assert run("measure", REPLY, "--against", "m.npz") == 0
    assert scores(capsys)["nmse"] > 0.5
    assert run("measure", "m.npz", "--against", SPEECH, "--quiet") == 0 and capsys.readouterr().out == ""


def test_measure_minds_when_a_recording_begins(capsys):
    """A motion that begins late is judged against the sound that does."""
    assert run("measure", f"{SPEECH}@1.5", "--against", f"{SPEECH}@1.5") == 0
    right = scores(capsys)
    assert run("measure", f"{SPEECH}@1.5", "--against", SPEECH) == 0
    wrong = scores(capsys)
    assert right["seconds"] > wrong["seconds"] + 1
    assert right["loudness correlation"] > wrong["loudness correlation"] + 0.1


# --- live ------------------------------------------------------------------------------------------------------


def test_live_says_what_the_whole_recording_says(capsys):
    sound = read_audio(SPEECH)
    Path("a.raw").write_bytes((sound.samples[0] * 32767).round().astype("<i2").tobytes())
    asked = ("--emotion", "happy:0.5", "--persona", "friendly", "--seed", "3")
    assert run("live", "--input", "a.raw", "--to", "-", *asked, "--setting", "quality", "--quiet") == 0
    _, *lines = map(json.loads, capsys.readouterr().out.splitlines())
    live = np.array([line["values"] for line in lines])
    motion = motion_of(SPEECH, "--fps", "30", *asked)
    count = min(len(live), len(motion))
    assert count >= 139 and aperture(live[:, :52]).max() > 0.2
    np.testing.assert_allclose(live[:count, :52], motion.blendshapes[:count], atol=2e-3)
