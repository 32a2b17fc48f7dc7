"""What a face makes of a recording: speaking and listening, odd sounds, and what a text adds."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from troupe.engine.drive import open_drives, parse_drive
from troupe.engine.drive_speech import Recording, Voice, resampled, spoken
from troupe.engine.errors import TroupeError
from troupe.engine.motion.face_motion import INDEX
from troupe.engine.speech import espeak
from troupe.engine.speech.channels import aperture
from troupe.engine.video import Audio

SPEECH = Path(__file__).resolve().parents[2] / "assets" / "speech.wav"
TEXT = "Good evening. Tonight every face in the picture has a part to play."
needs_espeak = pytest.mark.skipif(not espeak.installed(), reason="espeak-ng's library is not installed")


def notes_of(audio: Audio, **voice) -> str:
    return "\n".join(spoken(Recording(audio), Voice(**voice), 25, audio.duration)[1])


# --- who speaks ------------------------------------------------------------------------------------------------


def test_before_and_after_the_recording_the_face_listens(speech):
    start, fps = 2.0, 50
    motion, notes = spoken(Recording(speech, start), Voice(), fps, start + speech.duration + 2)
    assert motion.duration == pytest.approx(start + speech.duration + 2, abs=0.5 / fps) and notes == ()
    opening = aperture(motion.blendshapes)
    end = int((start + speech.duration) * fps)
    talking = opening[int(start * fps) : end]
    assert talking.mean() > 0.05 and talking.max() > 0.2
    assert max(opening[: int(1.8 * fps)].max(), opening[end + fps // 2 :].max()) < 0.05
    assert motion.column("eyeBlinkLeft").max() > 0.5, "it does not even blink"
    alone, _ = spoken(Recording(speech), Voice(), fps, speech.duration)
    both = aperture(alone.blendshapes)
    assert np.corrcoef(both, talking[: len(both)])[0, 1] > 0.95, "it speaks otherwise when it begins late"


def test_seed_emotion_and_persona_are_seen(speech):
    def of(**voice):
        return spoken(Recording(speech), Voice(**voice), 25, speech.duration)[0]

    plain, again, seeded = of(), of(), of(seed=3)
    np.testing.assert_array_equal(plain.blendshapes, again.blendshapes)
    assert (plain.head != seeded.head).any()
    sad = of(emotion="sad:0.8")
    assert sad.column("browInnerUp")[25:].mean() > plain.column("browInnerUp")[25:].mean() + 0.1
    later = of(emotion="sad:0.8@2-")
    assert later.column("browInnerUp")[:35].mean() < sad.column("browInnerUp")[25:35].mean()
    friendly = of(persona="friendly")
    assert friendly.column("mouthSmileLeft").mean() > plain.column("mouthSmileLeft").mean() + 0.05


def music(rate: int = 16000) -> np.ndarray:
    """Four chords, plucked."""
    t = np.arange(rate) / rate
    chords = ((262, 330, 392), (220, 262, 330), (175, 220, 262), (196, 247, 294))
    pluck = np.minimum(1, 20 * t) * np.exp(-t)
    notes = [
        sum(np.sin(2 * np.pi * f * k * t) / k for f in chord for k in (1, 2, 3)) * pluck for chord in chords
    ]
    sound = np.concatenate(notes)
    return (0.5 * sound / np.abs(sound).max())[None].astype(np.float32)


def resample_to(audio: Audio, rate: int) -> Audio:
    return Audio(resampled(audio, rate), rate)


ODD = {
    "silence": (lambda a: Audio(np.zeros((1, 32000)), 16000), "silent: the face listens", 0.05),
    "music": (lambda a: Audio(music(), 16000), "", 0.3),
    "clipped": (lambda a: Audio(np.clip(20 * a.samples, -1, 1), a.rate), "clipped", None),
    "louder than full scale": (lambda a: Audio(8 * a.samples, a.rate), "times full scale", None),
    "8 kHz": (lambda a: resample_to(a, 8000), "", None),
    "96 kHz": (lambda a: resample_to(a, 96000), "", None),
    "stereo": (lambda a: Audio(np.concatenate([a.samples, 0 * a.samples]), a.rate), "", None),
    "out of phase": (lambda a: Audio(np.concatenate([a.samples, -a.samples]), a.rate), "cancel", None),
    "5.1": (lambda a: Audio(np.pad(a.samples, ((2, 3), (0, 0))), a.rate), "", None),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_sound_speaks_or_is_remarked_on(speech, case):
    change, remark, most = ODD[case]
    sound = change(speech)
    motion, notes = spoken(Recording(sound), Voice(), 25, sound.duration)
    assert remark in " ".join(notes) and (remark or not notes or case == "music")
    opening = aperture(motion.blendshapes)
    if most is not None:
        assert opening.max() < most
        return
    plain = aperture(spoken(Recording(speech), Voice(), 25, speech.duration)[0].blendshapes)
    count = min(len(plain), len(opening))
    assert np.corrcoef(opening[:count], plain[:count])[0, 1] > 0.75


def test_sound_that_cannot_be_heard_is_refused():
    with pytest.raises(TroupeError, match="empty"):
        spoken(Recording(Audio(np.zeros((1, 0)), 16000)), Voice(), 25, 0.0)
    with pytest.raises(TroupeError, match="rate 3000.*4000 to 192000"):
        spoken(Recording(Audio(np.zeros((1, 3000)), 3000)), Voice(), 25, 1.0)
    with pytest.raises(TroupeError, match="7201 seconds, at most 7200"):
        spoken(Recording(Audio(np.zeros((1, 4000)), 4000)), Voice(), 25, 7201.0)


_HOUR = """
import re, sys
import numpy as np
from troupe.engine.drive_speech import Recording, Voice, spoken
from troupe.engine.video import Audio, read_audio
sentence = read_audio(sys.argv[1])
seconds = float(sys.argv[2])
sound = Audio(np.resize(sentence.samples[0], int(seconds * sentence.rate))[None], sentence.rate)
motion, _ = spoken(Recording(sound), Voice(persona="friendly"), 30, seconds)
assert len(motion) == seconds * 30 and np.isfinite(motion.blendshapes).all()
tenth = len(motion) // 10
first, last = (motion.blendshapes[part].std(0) for part in (slice(tenth), slice(-tenth, None)))
assert np.abs(first - last).max() < 0.05, "it does not move at the end as it did at the beginning"
print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_an_hour_is_spoken_in_memory_that_is_bounded():
    """The sound itself takes 230 MB, its rows at 50 a second 42 MB."""
    command = [sys.executable, "-c", _HOUR, str(SPEECH), "3600"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-1000:]
    assert int(done.stdout) // 1024 < 2000, f"{int(done.stdout) // 1024} MB"


# --- with a text -----------------------------------------------------------------------------------------------


@needs_espeak
def test_tags_land_where_their_words_are_said(speech):
    text = "Good evening. [sad 0.8] Tonight every face [/sad] in the [wink] picture has a part to play."
    motion, notes = spoken(Recording(speech, 1.0), Voice(text=text), 50, speech.duration + 1)
    plain, _ = spoken(Recording(speech, 1.0), Voice(), 50, speech.duration + 1)
    assert not any("left out" in n or "Only" in n for n in notes)
    brow = motion.column("browInnerUp") - plain.column("browInnerUp")
    felt = np.flatnonzero(brow > 0.1) / 50  # "Tonight" begins at 2.15 s, "in" at 3.3 s
    assert 1.8 < felt.min() < 2.8 and 3.2 < felt.max() < 4.5
    winks = motion.column("eyeBlinkLeft") - motion.column("eyeBlinkRight")
    wink = np.flatnonzero(np.abs(winks) > 0.4) / 50
    assert len(wink) and 3.1 < wink.min() and wink.max() < 4.8


@needs_espeak
def test_emotions_in_the_text_take_the_place_of_the_other_one(speech):
    tagged = TEXT.replace("Tonight", "[happy 0.5] Tonight [/]")
    assert "take the place" in notes_of(speech, text=tagged, emotion="sad")
    assert "take the place" not in notes_of(speech, text=tagged)
    assert "take the place" not in notes_of(speech, text=TEXT, emotion="sad")


@needs_espeak
def test_a_text_that_is_not_said_is_reported_with_its_place_and_not_followed(speech):
    other = "Seventeen purple elephants quietly bought umbrellas for Christopher's grandmother yesterday."
    voice = Voice(text=f"[angry] {other} [/angry]")
    motion, notes = spoken(Recording(speech), voice, 25, speech.duration)
    said = "\n".join(notes)
    assert re.search(r"Only \d+% of the text is clearly said, so the lips follow the sound alone", said)
    assert re.search(r"'[^']+.* \(character \d+ of the text\) is not said at \d+\.\d\d s", said)
    assert re.search(r"From \d+\.\d\d to \d+\.\d\d s something is said that is not in the text", said)
    plain, _ = spoken(Recording(speech), Voice(), 25, speech.duration)
    np.testing.assert_allclose(motion.column("jawOpen"), plain.column("jawOpen"), atol=0.05)


@needs_espeak
def test_words_that_are_missing_or_added_are_named(speech):
    assert "'purple elephant' (character" in notes_of(
        speech, text=TEXT.replace("face", "purple elephant face")
    )
    assert "something is said that is not in the text" in notes_of(
        speech, text="Good evening. Tonight every face"
    )


@needs_espeak
@pytest.mark.parametrize(
    ("text", "language", "says"),
    [
        ("Доброе утро", "english", "cannot be read as english: 'Доброе' at character 1 holds 'Д'"),
        ("Good [happy morning", "english", "line 1, column 6 has no closing bracket"),
        ("[happy] Good morning", "english", r"\[happy\] at line 1, column 1 never closes.*Write \[/happy\]"),
        ("[hapy] Good morning [/hapy]", "english", "Unknown tag 'hapy' at line 1, column 1.*'happy'"),
        ("[nod]", "english", "tags but no words"),
        ("  ", "english", "says nothing"),
        ("…", "english", "says nothing"),
    ],
)
def test_texts_that_cannot_be_read(speech, text, language, says):
    with pytest.raises(TroupeError, match=says):
        spoken(Recording(speech), Voice(text=text, language=language), 25, speech.duration)


def test_a_text_names_no_file(speech, tmp_path):
    """What comes with a workflow could otherwise read the server's files into its report."""
    secret = tmp_path / "secret.txt"
    secret.write_text("elephants umbrellas")
    try:
        notes = notes_of(speech, text=str(secret))
    except TroupeError as error:
        notes = str(error)
    assert "elephants" not in notes


def test_without_espeak_only_texts_are_refused(speech, monkeypatch):
    espeak.restart()
    monkeypatch.setattr(espeak, "_candidates", lambda: [("libnothing-of-that-name.so", None)])
    try:
        with pytest.raises(
            TroupeError, match="espeak-ng is not installed.*Install it.*or leave the text out"
        ):
            notes_of(speech, text=TEXT)
        assert notes_of(speech, emotion="happy:0.6@0-2", persona="calm") == ""
        played = open_drives([parse_drive(str(SPEECH), voice=Voice(emotion="happy"))], seconds=1)
        assert played.motions[0].blendshapes[:, INDEX["jawOpen"]].max() > 0.05
    finally:
        espeak.restart()
