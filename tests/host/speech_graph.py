"""Graphs of the speech nodes, what comes out of them, and what is refused."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

from troupe.engine.motion.files import load_motion
from troupe.engine.speech.channels import aperture
from troupe.engine.video import read_audio

ASSETS = Path(__file__).resolve().parents[2] / "assets"
TEXT = "Good evening. Tonight every face in the picture has a part to play."
SPEAK = {
    **{"emotion": "neutral", "intensity": 0.6, "persona": "neutral", "text": "", "language": "english"},
    **{"fps": 25.0, "start": 0.0, "seconds": 0.0, "seed": 0},
}
PERSONA = {
    **{
        "articulation": 1.0,
        "range": 1.0,
        "smile": 0.0,
        "asymmetry": 0.0,
        "blink_rate": 17.0,
        "brow_rate": 10.0,
    },
    **{"head": 1.0, "gaze": 1.0, "yaml": ""},
}
SEEDS = itertools.count(1000)


def node(class_type: str, **inputs) -> dict:
    return {"class_type": class_type, "inputs": inputs}


EXAMPLE = node("TroupeExampleSpeech", speech="speech.wav")
SINK = node("TroupeTestSink", value=["2", 0])


def speak(**change) -> dict:
    """Motion from Speech of node 1."""
    return node("TroupeMotionFromSpeech", **{"audio": ["1", 0], **SPEAK, **change})


def align(text: str, language: str = "english") -> dict:
    """Align Text of node 1."""
    return node("TroupeAlignText", audio=["1", 0], text=text, language=language)


def persona(**change) -> dict:
    return node("TroupePersona", **{**PERSONA, **change})


def short(seconds: float = 1.0) -> dict:
    """A part of the bundled sentence for node 1, from its second second on."""
    part = node("TrimAudioDuration", audio=["0", 0], start_index=1.0, duration=seconds)
    return {"0": EXAMPLE, "1": part}


def ends(second: dict, source: dict = EXAMPLE, **more) -> dict:
    """A graph in which node 2 works on node 1 and nothing is read back."""
    return {"1": source, "2": second, "9": SINK, **more}


def graph(speaker: dict, source: dict = EXAMPLE, **more) -> dict:
    """A graph whose motion, sound and report can be read back."""
    save = node("TroupeSaveMotion", motion=["2", 0], filename_prefix="speech/motion", format="npz")
    heard = node("SaveAudio", audio=["2", 1], filename_prefix="speech/heard")
    return {
        **{"1": source, "2": speaker, "motion": save, "heard": heard},
        **{"report": node("PreviewAny", source=["2", 2]), **more},
    }


def run(comfy, prompt: dict):
    """A job that succeeds."""
    job = comfy.run(prompt)
    assert job.status == "success", job.events[-1]
    return job


def text_of(job, name: str) -> str:
    """What an output node shows."""
    return job.history["outputs"][name]["text"][0]


def motion_of(comfy, job, name: str = "motion"):
    """What Save Motion wrote."""
    return load_motion(comfy.base / "output" / text_of(job, name).split("\n")[0])


def result(comfy, prompt: dict):
    """Motion, sound and report of ``graph``."""
    job = run(comfy, prompt)
    heard = read_audio(comfy.path_of(job.history["outputs"]["heard"]["audio"][0]))
    return motion_of(comfy, job), heard, text_of(job, "report")


def refused(comfy, prompt: dict) -> str:
    """What the server says to a prompt that it does not even start."""
    status, reply = comfy.submit(prompt)
    assert status == 400, f"accepted: {reply}"
    return json.dumps(reply["node_errors"], ensure_ascii=False)


def failed(comfy, prompt: dict) -> str:
    """The message in one line of a job that ran and failed."""
    job = comfy.run(prompt)
    assert job.status == "error", job.status
    assert job.history["status"]["status_str"] == "error", "the history does not tell"
    assert job.error["exception_type"].endswith("TroupeError"), job.message
    assert job.message.endswith(".") and "\n" not in job.message
    return job.message


def assert_alive(comfy) -> None:
    """A recording speaks, with blinks that no job had before."""
    motion, _, report = result(comfy, {**graph(speak(seed=next(SEEDS))), **short()})
    assert len(motion) == 25 and aperture(motion.blendshapes).max() > 0.1 and report == "Nothing to remark."
