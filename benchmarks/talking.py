"""Real people who talk: does a mouth made from a clip's sound move like the mouth in that clip, more than in others?

    TROUPE_MEDIA=folder python benchmarks/talking.py [--clips a.mp4 b.mp4]

For every clip with sound and a face: the opening of the mouth (jawOpen - mouthClose) that the clip shows, as read from its
frames, against the opening made from its own sound, and from the sound of each other clip ("mismatched"), over the time
they share. Each is the correlation at the best shift of at most 0.3 s (the same freedom for all), mismatched as mean and
highest. ``loudness`` is the same with nothing but how loud the own sound is, the alternative that needs no network.
Singers and laughers are no speakers; what they score is listed all the same.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
from common import finish, say

from troupe.engine.faces import find_faces
from troupe.engine.metrics.speech import best_correlation
from troupe.engine.motion.from_video import motion_from_track
from troupe.engine.speech.animate import SILENT, listened, speech_motion
from troupe.engine.speech.channels import aperture
from troupe.engine.speech.features import MEL_FPS, log_mel, loudness
from troupe.engine.video.read import read_clip

FPS = 25.0


def opening_of(frames: np.ndarray, fps: float) -> np.ndarray | None:
    """The opening that a clip shows, FPS frames a second; None without a face."""
    faces = find_faces(frames)
    return aperture(motion_from_track(faces.person(1), fps).resample(FPS).blendshapes) if len(faces) else None


def shared(a: np.ndarray, b: np.ndarray) -> float:
    """The correlation over the time that both last, at the best shift."""
    count = min(len(a), len(b))
    return best_correlation(a[:count], b[:count], FPS)[0]


def loud(samples: np.ndarray, rate: int) -> np.ndarray:
    """Loudness in the way the metric hears it, FPS frames a second."""
    values = loudness(log_mel(listened(samples, rate)[0]))
    values = np.maximum(values, np.percentile(values, 95) - 7.0)
    return np.interp(np.arange(0, len(values) / MEL_FPS, 1 / FPS), np.arange(len(values)) / MEL_FPS, values)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", nargs="*", type=Path, help="default: every .mp4 of TROUPE_MEDIA")
    given = parser.parse_args()
    folder = os.environ.get("TROUPE_MEDIA")
    if not given.clips and not folder:
        parser.error("name clips, or set TROUPE_MEDIA to a folder of them")
    seen, made, loudness_of = {}, {}, {}
    for path in given.clips or sorted(Path(folder).glob("*.mp4")):
        frames, fps, sound = read_clip(path)
        shown = opening_of(frames, fps) if sound is not None else None
        if sound is not None and np.abs(sound.samples).max() < SILENT:
            say(f"{path.name}: its sound is silent")
            continue
        if shown is None:
            say(f"{path.name}: no {'sound' if sound is None else 'face'}")
            continue
        motion, _ = speech_motion(sound.samples, sound.rate, FPS)
        seen[path.name], made[path.name] = shown, aperture(motion.blendshapes)
        loudness_of[path.name] = loud(sound.samples, sound.rate)
    rows = {}
    for name, shown in seen.items():
        others = [shared(shown, made[other]) for other in made if other != name]
        rows[name] = {
            "matched": shared(shown, made[name]),
            "mismatched": float(np.mean(others)) if others else None,
            "mismatched_highest": max(others, default=None),
            "loudness": shared(shown, loudness_of[name]),
            "seconds": min(len(shown), len(made[name])) / FPS,
        }
        say(f"{name}: " + ", ".join(f"{k} {v:.2f}" for k, v in rows[name].items() if v is not None))
    finish({"talking": rows})
    return 0


if __name__ == "__main__":
    sys.exit(main())
