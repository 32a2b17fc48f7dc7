"""Recordings as drives: who speaks when, what a text adds, and what is heard of all together."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.engine.drive import open_drives, parse_drive
from troupe.engine.drive_speech import (
    MIX_RATE,
    Recording,
    Voice,
    few_channels,
    mixed,
    placed,
    read_recording,
    resampled,
    spoken,
)
from troupe.engine.errors import TroupeError
from troupe.engine.motion.face_motion import INDEX
from troupe.engine.speech import espeak
from troupe.engine.speech.channels import aperture
from troupe.engine.video import Audio, read_audio

ASSETS = Path(__file__).resolve().parents[2] / "assets"
SPEECH = ASSETS / "speech.wav"
TEXT = "Good evening. Tonight every face in the picture has a part to play."
needs_espeak = pytest.mark.skipif(not espeak.installed(), reason="espeak-ng's library is not installed")


@pytest.fixture(scope="module")
def speech() -> Audio:
    return read_audio(SPEECH)


def write_wav(path: Path, samples: np.ndarray, rate: int) -> Path:
    """Float samples ``[C, N]`` as they are, NaN and all."""
    from scipy.io import wavfile

    wavfile.write(path, rate, samples.T.astype(np.float32))
    return path


def notes_of(audio: Audio, **voice) -> str:
    return "\n".join(spoken(Recording(audio), Voice(**voice), 25, audio.duration)[1])


# --- Voice and Recording ---------------------------------------------------------------------------------------


def test_voices_that_cannot_be():
    assert Voice() == Voice(language="english", seed=0) and Voice(language="de").language == "de"
    with pytest.raises(TroupeError, match="klingon.*english, british"):
        Voice(language="klingon")


@given(st.floats(0, 50), st.floats(0.01, 60), st.integers(1, 2000), st.sampled_from([4000, 16000]))
def test_what_is_heard_until_the_end_is_the_beginning(start, end, count, rate):
    audio = Audio(np.linspace(-1, 1, count, dtype=np.float32)[None], rate)
    recording = Recording(audio, start)
    assert recording.seconds == pytest.approx(start + count / rate)
    if start >= end:
        with pytest.raises(TroupeError, match="'a.wav' is not heard: it begins at .* Begin earlier"):
            recording.until(end, "'a.wav'")
        return
    heard = recording.until(end, "'a.wav'")
    kept = heard.audio.samples.shape[1]
    assert heard.start == start and heard.seconds <= max(end, start) + 1 / rate
    assert kept == count or heard.seconds >= end - 1 / rate
    np.testing.assert_array_equal(heard.audio.samples, audio.samples[:, :kept])


def test_a_recording_is_read_and_cut(speech):
    whole = read_recording(SPEECH, 1.5)
    np.testing.assert_array_equal(whole.audio.samples, speech.samples)
    assert whole.start == 1.5 and whole.seconds == pytest.approx(1.5 + speech.duration)
    part = read_recording(SPEECH, 1.5, 2.0)
    assert part.audio.duration == pytest.approx(0.5) and part.seconds == pytest.approx(2.0)
    assert read_recording(SPEECH, 0, 1000).audio.duration == speech.duration


def test_recordings_that_cannot_be_read(tmp_path):
    with pytest.raises(TroupeError, match="'speech.wav' is not heard.*begins at 5 s, and all ends at 2 s"):
        read_recording(SPEECH, 5, 2)
    from troupe.engine.video import write_video

    write_video(tmp_path / "mute.mp4", np.zeros((5, 64, 64, 3), np.uint8), 25)
    (tmp_path / "mute.mp4").rename(tmp_path / "mute.m4a")
    with pytest.raises(TroupeError, match="'mute.m4a' has no sound.*recording of speech"):
        read_recording(tmp_path / "mute.m4a", 0)
    nan = write_wav(tmp_path / "nan.wav", np.full((1, 8000), np.nan), 16000)
    with pytest.raises(TroupeError, match="'nan.wav' is damaged.*NaN"):
        read_recording(nan, 0)
    empty = write_wav(tmp_path / "empty.wav", np.zeros((1, 0)), 16000)
    with pytest.raises(TroupeError, match="'empty.wav'"):
        read_recording(empty, 0)


# --- in time ---------------------------------------------------------------------------------------------------


@given(
    st.floats(0, 3), st.floats(0, 5), st.integers(1, 4000), st.integers(1, 6), st.sampled_from([4000, 11025])
)
def test_placed_sound_is_the_recording_in_silence(start, seconds, count, channels, rate):
    samples = np.random.default_rng(count).uniform(0.1, 1, (channels, count)).astype(np.float32)
    sound = placed(Recording(Audio(samples, rate), start), seconds)
    begin = round(start * rate)
    assert sound.rate == rate
    assert sound.samples.shape == (channels, max(begin + count, round(seconds * rate)))
    np.testing.assert_array_equal(sound.samples[:, begin : begin + count], samples)
    assert not sound.samples[:, :begin].any() and not sound.samples[:, begin + count :].any()


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 6), st.sampled_from([8000, 16000, 44100, 48000, 96000]), st.floats(0, 3)),
        min_size=2,
        max_size=3,
    ),
    st.floats(0.5, 3),
)
def test_any_recordings_mix(parts, seconds):
    """Mono beside stereo beside 5.1, at any rates, also if one begins after the end."""
    recordings = [
        Recording(Audio(np.full((channels, rate // 2), 0.6, np.float32), rate), start)
        for channels, rate, start in parts
    ]
    sound = mixed(recordings, seconds)
    channels = 2 if any(c == 2 for c, _, _ in parts) else 1
    assert sound.samples.shape == (channels, round(seconds * MIX_RATE)) and sound.rate == MIX_RATE
    assert np.abs(sound.samples).max() <= 1
    at = np.arange(sound.samples.shape[1]) / MIX_RATE
    for _, _, start in parts:
        inside = (at > start + 0.05) & (at < start + 0.45)
        assert (sound.samples[:, inside] > 0.1).all()


def test_one_recording_from_the_beginning_is_heard_as_it_is(speech):
    assert mixed([Recording(speech)], 99.0) is speech


@given(st.integers(1, 8), st.integers(0, 200))
def test_surround_becomes_one_channel_as_loud_as_its_loudest(channels, count):
    samples = np.random.default_rng(count).uniform(-0.5, 0.5, (channels, count)).astype(np.float32)
    few = few_channels(Audio(samples, 8000))
    if channels <= 2:
        np.testing.assert_array_equal(few.samples, samples)
        return
    assert few.samples.shape == (1, count)
    assert np.abs(few.samples).max(initial=0) <= np.abs(samples).max(initial=0) + 1e-6
    alone = few_channels(Audio(np.pad(samples[:1], ((2, 3), (0, 0))), 8000))
    np.testing.assert_array_equal(alone.samples, samples[:1])


@pytest.mark.parametrize("rate", [8000, 22050, 48000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_resampled_sound_keeps_its_tone(rate, channels):
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000, dtype=np.float32)
    out = resampled(Audio(np.repeat(tone[None], channels, 0), 16000), rate)
    assert out.shape[0] == (channels if channels <= 2 else 1) and abs(out.shape[1] - rate) < rate // 50
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(out.shape[1]) / rate)
    middle = slice(rate // 10, -rate // 10)
    assert np.abs(out[:, middle] - expected[middle]).max() < 0.03


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


# --- drives together -------------------------------------------------------------------------------------------


def test_two_who_talk_in_turn(speech):
    played = open_drives([str(SPEECH), f"{SPEECH}@3"], fps=50)
    first, second = (aperture(m.blendshapes) for m in played.motions)
    assert played.seconds == pytest.approx(3 + speech.duration, abs=0.02) and played.notes == ()
    assert played.sound.duration == pytest.approx(played.seconds, abs=0.01) and played.sound.rate == MIX_RATE
    assert first[20:140].max() > 0.2 > 0.05 > second[20:140].max()
    end = int(50 * speech.duration) + 25
    assert second[end:].max() > 0.2 > 0.05 > first[end:].max()
    blinks = [m.column("eyeBlinkLeft") > 0.5 for m in played.motions]
    assert (blinks[0] != blinks[1]).any(), "they blink together"


def test_a_length_cuts_the_recording_and_its_motion():
    played = open_drives([str(SPEECH)], seconds=1.0)
    assert played.seconds == 1 and len(played.motions[0]) == 25 and played.sound.duration == 1.0
    with pytest.raises(TroupeError, match="'speech.wav' is not heard"):
        open_drives([f"{SPEECH}@2"], seconds=1.0)


def test_remarks_name_their_recording(tmp_path):
    write_wav(tmp_path / "quiet.wav", np.zeros((1, 16000)), 16000)
    played = open_drives([str(tmp_path / "quiet.wav"), "happy"])
    assert played.notes == ("quiet.wav: The sound is silent: the face listens.",)
    assert len(played.motions[1]) == 25
