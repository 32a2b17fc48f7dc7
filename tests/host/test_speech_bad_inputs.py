"""Whatever is wrong with sound, text, espeak-ng or weights is said with a remedy, and the server speaks on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from troupe.engine.drive_speech import Recording, Voice, spoken
from troupe.engine.speech.espeak import installed
from troupe.engine.video import read_audio

pytestmark = pytest.mark.host
needs_espeak = pytest.mark.skipif(not installed(), reason="espeak-ng's library is not installed")

ASSETS = Path(__file__).resolve().parents[2] / "assets"
OTHER = "Seventeen purple elephants quietly bought umbrellas for Christopher's grandmother yesterday."

# --- sound -----------------------------------------------------------------------------------------------------

INPUT, RATE = (
    "The input 'audio' cannot be used: ",
    "it must be a whole number of 4000 to 192000 samples a second. Use",
)
NO_SOUND = {
    "empty": INPUT + "the recording is empty. Check",
    "nan": INPUT + "1 of its 32000 values are NaN or infinite. Check",
    "two": INPUT + "it holds 2 recordings. Use one",
    "flat": INPUT + "its shape is [1, 32000], expected [1, channels, samples]. Check",
    "too_long": "it lasts 7201 seconds, at most 7200 are possible. Split it",
    "too_slow": "The sound's rate 2000 is out of range: " + RATE,
    "ultrasonic": "The sound's rate 384000 is out of range: " + RATE,
}


@pytest.mark.parametrize("kind", NO_SOUND)
def test_sound_that_cannot_be_used_is_refused(comfy, speech_graph, kind):
    g = speech_graph
    source = g.node("TroupeTestSound", kind=kind)
    assert NO_SOUND[kind] in g.failed(comfy, g.ends(g.speak(), source))
    judge = g.node("TroupeMeasureMotion", motion=["m", 0], audio=["1", 0])
    still = g.node("TroupeMotionFromTimeline", timeline="happy @0-1", seconds=1.0, fps=25.0, idle=0.0, seed=0)
    assert NO_SOUND[kind] in g.failed(comfy, g.ends(judge, source, m=still))
    g.assert_alive(comfy)


@needs_espeak
@pytest.mark.parametrize("kind", ["empty", "nan", "too_long"])
def test_no_text_is_looked_for_in_such_sound(comfy, speech_graph, kind):
    g = speech_graph
    assert NO_SOUND[kind] in g.failed(comfy, g.ends(g.align(g.TEXT), g.node("TroupeTestSound", kind=kind)))
    g.assert_alive(comfy)


def test_a_video_without_sound_is_named(comfy, speech_graph):
    """Core gives None for the sound of such a video."""
    g = speech_graph
    media = g.node("TroupeExampleMedia", picture="two_people.png", clip="drive.mp4")
    parts = g.node("GetVideoComponents", video=["0", 1])
    message = g.failed(comfy, g.ends(g.speak(audio=["1", 1]), parts, **{"0": media}))
    assert message == f"{INPUT}there is no sound: the video before it has none. Use one with sound."
    g.assert_alive(comfy)


def test_measure_motion_needs_something_to_compare_with(comfy, speech_graph):
    g = speech_graph
    timeline = {"timeline": "happy @0-0.2", "seconds": 0.2, "fps": 25.0, "idle": 0.0, "seed": 0}
    brief = {"m": g.node("TroupeMotionFromTimeline", **timeline)}
    lone = g.node("TroupeMeasureMotion", motion=["m", 0])
    assert "Nothing to compare the motion with" in g.failed(comfy, g.ends(lone, **brief))
    both = g.node("TroupeMeasureMotion", motion=["m", 0], audio=["1", 0])
    assert "they share 0.20 seconds, at least 0.5 are needed" in g.failed(comfy, g.ends(both, **brief))
    g.assert_alive(comfy)


# --- text ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[happy] Good evening", "[happy] at line 1, column 1 never closes"),
        ("Good\nevening [sad", "The script's tag at line 2, column 9 has no closing bracket"),
        ("Good [/sad] evening", "[/sad] at line 1, column 6 closes nothing"),
        (
            "[hapy 0.5] Good [/]",
            "Unknown tag 'hapy' at line 1, column 1 of the script: known are neutral, happy",
        ),
        ("[happy 7] Good [/]", "The value '7' of [happy] at line 1, column 1"),
        ("[nod]", "it has tags but no words"),
    ],
)
def test_tags_that_are_wrong_are_refused_before_anything_runs(comfy, speech_graph, text, says):
    g = speech_graph
    assert says in g.refused(comfy, g.ends(g.speak(text=text)))
    assert says in g.refused(comfy, g.ends(g.align(text)))


@needs_espeak
def test_a_script_that_the_language_does_not_have(comfy, speech_graph):
    g = speech_graph
    says = "The text cannot be read as english: 'Доброе' at character 1 holds 'Д', which is not Latin. Choose"
    assert says in g.failed(comfy, g.ends(g.speak(text="Доброе утро")))
    assert says in g.failed(comfy, g.ends(g.align("Доброе утро")))
    assert g.run(comfy, g.ends(g.align("Доброе утро", "russian")))
    g.assert_alive(comfy)


@needs_espeak
def test_a_text_that_does_not_match_is_reported_with_its_place(comfy, speech_graph):
    g = speech_graph
    motion, _, report = g.result(comfy, g.graph(g.speak(text=OTHER)))
    assert "of the text is clearly said, so the lips follow the sound alone." in report
    assert (
        "of the text) is not said at " in report and "s something is said that is not in the text." in report
    )
    speech = read_audio(ASSETS / "speech.wav")
    plain, _ = spoken(Recording(speech), Voice(), 25, speech.duration)
    np.testing.assert_allclose(motion.column("jawOpen"), plain.column("jawOpen"), atol=1e-3)
    job = g.run(comfy, g.ends(g.align(OTHER), said=g.node("PreviewAny", source=["2", 2])))
    told = g.text_of(job, "said")
    assert "of the text) is not said at " in told and not told.startswith("100%")
    g.assert_alive(comfy)


def test_a_text_reads_no_file_of_the_server(comfy, speech_graph):
    g = speech_graph
    secret = comfy.base / "input" / "secret.txt"
    secret.write_text("umbrellas elephants")
    job = comfy.run(g.graph(g.speak(text=str(secret))))
    assert "elephants" not in json.dumps(job.history) and "elephants" not in json.dumps(job.events)
    g.assert_alive(comfy)


# --- emotions, personas, addresses -----------------------------------------------------------------------------

EMOTIONS = ("neutral", "happy", "sad", "angry", "surprised", "fearful", "disgusted", "contemptuous")
PERSONAS = ("neutral", "professional", "friendly", "calm")


@pytest.mark.parametrize(
    ("kind", "change", "says"),
    [
        ("speak", {"emotion": "joyous"}, ("joyous", *EMOTIONS)),
        ("speak", {"persona": "nice"}, ("nice", *PERSONAS)),
        ("speak", {"language": "klingon"}, ("Unknown language 'klingon'", "english", "german")),
        ("align", {"text": "Hello", "language": "klingon"}, ("Unknown language 'klingon'", "english")),
        ("speak", {"intensity": 3.0}, ("intensity", "3.0", "1.0")),
        ("emotion", {"emotions": "joyous:0.5"}, ("Unknown emotion 'joyous'", *EMOTIONS)),
        ("emotion", {"emotions": ""}, ("The emotion is empty", "happy:0.6")),
        ("emotion", {"emotions": "happy:7"}, ("intensity 7", "happy")),
        ("emotion", {"emotions": "sad@3-1"}, ("'sad@3-1' cannot be read: it ends before 3 s",)),
        ("persona", {"yaml": "smil: 1"}, ("unknown entry 'smil'", "smile, asymmetry, blink_rate")),
        ("persona", {"yaml": "smile: 9"}, ("smile 9", "0 to 1")),
        ("persona", {"yaml": "[1, 2"}, ("The persona cannot be read",)),
        ("persona", {"head": 9.0}, ("head", "9.0", "2.0")),
    ],
)
def test_unknown_names_and_values_are_refused_with_what_is_known(comfy, speech_graph, kind, change, says):
    g = speech_graph
    if kind == "emotion":
        asked = g.node("TroupeEmotionTrack", **change)
    else:
        asked = getattr(g, kind)(**change)
    message = g.refused(comfy, g.ends(asked))
    assert not [part for part in says if part not in message], message


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"address": "http://example.com"}, "'http://example.com' is no address to send to"),
        ({"address": "udp://127.0.0.1:99999"}, "a port of 1 to 65535"),
        ({"subject": ""}, "The subject name '' cannot be sent"),
    ],
)
def test_addresses_that_are_none(comfy, speech_graph, change, says):
    g = speech_graph
    given = {"address": "udp://127.0.0.1:11111", "subject": "Troupe", "fps": 60.0, **change}
    send = g.node("TroupeExportLiveLink", motion=["2", 0], **given)
    assert says in g.refused(comfy, {"1": g.EXAMPLE, "2": g.speak(), "9": send})


# --- what the machine lacks ------------------------------------------------------------------------------------


@pytest.fixture
def lacks(comfy, speech_graph):
    """Takes espeak-ng or the weights away from the server; they come back."""

    def take(what: str) -> None:
        assert comfy.post("/troupe_test/lack", {"what": what}) == (200, {"lacks": what})

    yield take
    take("nothing")
    speech_graph.assert_alive(comfy)


def test_without_espeak_only_texts_are_refused(comfy, speech_graph, lacks):
    g = speech_graph
    lacks("espeak")
    says = "espeak-ng is not installed. Install it (Debian: apt install"
    message = g.failed(comfy, g.ends(g.speak(text=g.TEXT)))
    assert says in message and "leave the text out" in message
    assert says in g.failed(comfy, g.ends(g.align(g.TEXT)))
    g.assert_alive(comfy)


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("weights", "The card 'speech.json' of the speech network was not found"),
        (
            "version",
            "'speech.safetensors' do not fit this version of the pack: they are of version 99, this pack",
        ),
        ("damaged", "'speech.safetensors' are damaged or not those of their card"),
    ],
)
def test_weights_that_cannot_be_used(comfy, speech_graph, lacks, what, says):
    g = speech_graph
    lacks(what)
    message = g.failed(comfy, g.ends(g.speak(seed=next(g.SEEDS))))
    assert says in message and "Install the pack again" in message
