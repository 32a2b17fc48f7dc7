"""The speech nodes in the real server: what they give is what the engine gives."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path

import numpy as np
import pytest

from troupe.engine.drive_speech import Recording, Voice, spoken
from troupe.engine.motion.live_link_udp import Packet
from troupe.engine.speech.channels import aperture
from troupe.engine.speech.espeak import installed
from troupe.engine.speech.persona import Persona
from troupe.engine.video import read_audio

pytestmark = pytest.mark.host
needs_espeak = pytest.mark.skipif(not installed(), reason="espeak-ng's library is not installed")

ASSETS = Path(__file__).resolve().parents[2] / "assets"


def test_motion_from_speech_is_the_engines(comfy, speech_graph, speech):
    asked = speech_graph.speak(emotion="sad", persona="calm", seed=5, fps=30.0)
    motion, heard, report = speech_graph.result(comfy, speech_graph.graph(asked))
    voice = Voice(emotion="sad:0.6", persona="calm", seed=5)
    expected, _ = spoken(Recording(speech), voice, 30, speech.duration)
    assert motion.fps == 30 and report == "Nothing to remark."
    np.testing.assert_allclose(motion.blendshapes, expected.blendshapes, atol=1e-3)
    np.testing.assert_allclose(motion.head, expected.head, atol=1e-2)
    np.testing.assert_allclose(heard.samples, speech.samples, atol=1e-4)
    assert heard.rate == speech.rate


def test_start_and_length(comfy, speech_graph):
    g = speech_graph
    motion, heard, _ = g.result(comfy, g.graph(g.speak(start=1.0, seconds=3.0)))
    assert motion.duration == pytest.approx(3.0) and heard.duration == pytest.approx(3.0)
    assert np.abs(heard.samples[:, :15000]).max() == 0 and np.abs(heard.samples).max() > 0.1
    opening = aperture(motion.blendshapes)
    assert opening[:20].max() < 0.05 < 0.15 < opening[25:].max()
    longer, heard, _ = g.result(comfy, g.graph(g.speak(seconds=6.0)))
    assert longer.duration == pytest.approx(6.0) == pytest.approx(heard.duration)
    message = g.failed(comfy, g.ends(g.speak(start=3.0, seconds=2.0)))
    assert "The recording is not heard: it begins at 3 s, and all ends at 2 s. Begin earlier" in message


def test_track_and_persona_take_the_place_of_the_widgets(comfy, speech_graph, speech):
    g = speech_graph
    feel = g.node("TroupeEmotionTrack", emotions="happy:0.7@0-2\nsad:0.5@2-")
    anna = g.persona(smile=0.1, blink_rate=0.0, yaml="smile: 0.5")
    asked = g.speak(emotion="angry", persona="calm", emotion_track=["e", 0], own_persona=["p", 0])
    motion, _, _ = g.result(comfy, g.graph(asked, e=feel, p=anna))
    voice = Voice(emotion="happy:0.7@0-2; sad:0.5@2-", persona=Persona("custom", smile=0.5, blink_rate=0.0))
    expected, _ = spoken(Recording(speech), voice, 25, speech.duration)
    np.testing.assert_allclose(motion.blendshapes, expected.blendshapes, atol=1e-3)
    assert motion.column("eyeBlinkLeft").max() < 0.5


@needs_espeak
def test_words_subtitles_and_emotions_of_a_text(comfy, speech_graph):
    g = speech_graph
    text = g.TEXT.replace("Tonight every face", "[sad 0.8] Tonight every face [/sad]")
    shown = {name: g.node("PreviewAny", source=["a", i]) for i, name in enumerate(("words", "lines", "said"))}
    job = g.run(comfy, g.graph(g.speak(emotion_track=["a", 3]), a=g.align(text), **shown))
    words = json.loads(g.text_of(job, "words"))
    assert " ".join(w["text"] for w in words) == g.TEXT.replace(".", "")
    assert all(0 <= a["start"] <= a["end"] <= b["start"] <= 4.7 for a, b in zip(words, words[1:]))
    tonight = words[2]["start"]
    assert 0.8 < tonight < 1.5, "'Tonight' begins after a pause at 1.15 s"
    lines = g.text_of(job, "lines")
    assert lines.startswith("1\n00:00:00,0") and "\n\n2\n" in lines
    assert g.text_of(job, "said").startswith("100% of the words are said.")
    brow = g.motion_of(comfy, job).column("browInnerUp")
    assert brow[int((tonight + 0.5) * 25) : 50].mean() > 0.15 > brow[: int((tonight - 0.4) * 25)].max()


@needs_espeak
def test_a_text_with_tags_in_motion_from_speech(comfy, speech_graph):
    g = speech_graph
    asked = g.speak(text=g.TEXT.replace("face", "[wink] face"), emotion="happy")
    motion, _, report = g.result(comfy, g.graph(asked))
    winks = np.abs(motion.column("eyeBlinkLeft") - motion.column("eyeBlinkRight"))
    assert winks.max() > 0.4 and 1.7 < winks.argmax() / 25 < 2.9 and "Only" not in report


def test_live_link_packets_arrive_in_time(comfy, speech_graph):
    g = speech_graph
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unreal:
        unreal.bind(("127.0.0.1", 0))
        unreal.settimeout(20)
        address = f"udp://127.0.0.1:{unreal.getsockname()[1]}"
        given = {"motion": ["2", 0], "address": address, "subject": "Anna", "fps": 25.0}
        send = g.node("TroupeExportLiveLink", **given)
        job = g.run(comfy, {**g.graph(g.speak(), send=send), **g.short()})
        packets = [Packet.decode(unreal.recv(2048)) for _ in range(26)]
    assert g.text_of(job, "send") == f"25 frames to {address} as 'Anna', 1.00 s"
    assert {p.subject for p in packets} == {"Anna"} and packets[-1].values is None
    shapes = np.stack([p.blendshapes for p in packets[:-1]])
    np.testing.assert_allclose(shapes, g.motion_of(comfy, job).blendshapes, atol=1e-3)
    assert packets[24].seconds - packets[0].seconds == pytest.approx(24 / 25, abs=1e-3)
    assert job.progress("send") == sorted(job.progress("send")) and job.progress("send")[-1] == 25


def scores(text: str) -> dict[str, float]:
    lines = [line for line in text.splitlines() if not line.startswith("against")]
    return {line[:22].strip(): float(line[22:]) for line in lines}


def test_measure_motion_tells_who_speaks(comfy, speech_graph):
    g = speech_graph
    measure = {
        "own": g.node("TroupeMeasureMotion", motion=["2", 0], audio=["1", 0]),
        "other": g.node("TroupeMeasureMotion", motion=["2", 0], reference=["m", 0]),
        "same": g.node("TroupeMeasureMotion", motion=["2", 0], reference=["2", 0], audio=["1", 0]),
        "m": g.speak(audio=["r", 0]),
        "r": g.node("TroupeExampleSpeech", speech="reply.wav"),
    }
    job = g.run(comfy, g.graph(g.speak(), **measure))
    assert g.text_of(job, "same").startswith(g.text_of(job, "own") + "\nagainst the other motion\n")
    own, other, same = (scores(g.text_of(job, name)) for name in ("own", "other", "same"))
    assert own["loudness correlation"] > own["mismatched correlation"] + 0.1
    assert same["nmse"] == 0 and other["nmse"] > 0.5


# --- sound of all kinds ----------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def recordings(comfy) -> Path:
    """Recordings of the bundled sentence as people bring them, in the server's input folder."""
    from scipy.io import wavfile

    from troupe.engine.drive_speech import resampled

    folder, plain = comfy.base / "input", read_audio(ASSETS / "speech.wav")
    mono, none = plain.samples[0], 0 * plain.samples[0]
    for name, rate, samples in (
        ("clipped", 16000, np.clip(20 * mono, -1, 1)),
        ("rate_8k", 8000, resampled(plain, 8000)[0]),
        ("rate_96k", 96000, resampled(plain, 96000)[0]),
        ("stereo", 16000, np.stack([mono, none], 1)),
        ("six", 16000, np.stack([none, none, mono, none, none, none], 1)),
    ):
        wavfile.write(folder / f"{name}.wav", rate, (samples * 32767).astype(np.int16))
    return folder


@pytest.mark.parametrize("name", ["clipped", "rate_8k", "rate_96k", "stereo", "six"])
def test_recordings_as_people_bring_them_speak(comfy, speech_graph, recordings, speech, name):
    g = speech_graph
    motion, heard, report = g.result(comfy, g.graph(g.speak(), g.node("LoadAudio", audio=f"{name}.wav")))
    remark = "The sound is clipped: lips may be less exact." if name == "clipped" else "Nothing to remark."
    assert report == remark
    plain, _ = spoken(Recording(speech), Voice(), 25, speech.duration)
    count = min(len(plain), len(motion))
    openings = [aperture(m.blendshapes)[:count] for m in (plain, motion)]
    assert count >= 116 and np.corrcoef(openings)[0, 1] > 0.75
    assert heard.duration == pytest.approx(speech.duration, abs=0.05)
    assert np.abs(heard.samples).max() > 0.8 * np.abs(speech.samples).max()


@pytest.mark.parametrize(
    ("kind", "remark"),
    [("silence", "silent: the face listens"), ("noise", "No voice is heard"), ("chords", "")],
)
def test_what_is_no_speech_moves_the_mouth_little(comfy, speech_graph, kind, remark):
    g = speech_graph
    motion, _, report = g.result(comfy, g.graph(g.speak(), g.node("TroupeTestSound", kind=kind)))
    assert remark in report and aperture(motion.blendshapes).mean() < 0.06


# --- when it is stopped ----------------------------------------------------------------------------------------


def interrupted(comfy, prompt: dict, name: str) -> None:
    """Runs a long job, and stops it when the bar of a node first moves."""
    sent: list[float] = []

    def stop(event):
        if event["type"] == "progress" and event["data"].get("node") == name and not sent:
            sent.append(time.monotonic())
            comfy.post("/interrupt", {})

    assert comfy.run(prompt, on_event=stop).status == "interrupted"
    assert time.monotonic() - sent[0] < 5, "it went on for long"


def test_an_hour_can_be_interrupted(comfy, speech_graph):
    g = speech_graph
    interrupted(comfy, g.ends(g.speak(), g.node("TroupeTestSound", kind="hour")), "2")
    g.assert_alive(comfy)


@needs_espeak
def test_the_search_for_a_text_can_be_interrupted(comfy, speech_graph):
    g = speech_graph
    interrupted(comfy, g.ends(g.align(g.TEXT), g.node("TroupeTestSound", kind="hour")), "2")
    g.assert_alive(comfy)


def test_a_long_performance_can_be_interrupted(comfy, speech_graph):
    """Playing takes as long as the motion, but not longer than the user wants."""
    g = speech_graph
    preset = {"seconds": 60.0, "fps": 25.0, "curve": "linear", "idle": 0.0, "seed": 0}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unreal:
        unreal.bind(("127.0.0.1", 0))
        where = {"address": f"udp://127.0.0.1:{unreal.getsockname()[1]}", "subject": "Troupe", "fps": 30.0}
        prompt = {
            "2": g.node("TroupeMotionFromPreset", preset="happy", intensity=1.0, **preset),
            "send": g.node("TroupeExportLiveLink", motion=["2", 0], **where),
        }
        interrupted(comfy, prompt, "send")
