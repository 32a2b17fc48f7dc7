"""Faces found per second and in pictures, beside plain mediapipe FaceMesh on whole frames in the same run.

    python benchmarks/faces.py [--frames 100]

Frames per second are of 1280x720 clips with one and two faces, made from public-domain portraits and, with
``TROUPE_MEDIA`` set, from real clips of that size; decoding is not counted. Recall is over the pictures of
``TROUPE_MEDIA`` against the counts in its README. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from pathlib import Path

import numpy as np

from troupe.engine.faces import find_faces
from troupe.engine.faces.backend import open_backend
from troupe.engine.faces.quiet import quiet


class WholeFrames:
    """The named alternative: mediapipe's own FaceMesh with irises, as its examples use it."""

    def __init__(self, most: int, still: bool):
        from mediapipe.python.solutions.face_mesh import FaceMesh

        with quiet():
            self.mesh = FaceMesh(static_image_mode=still, refine_landmarks=True, max_num_faces=most)
            self.mesh.process(np.zeros((64, 64, 3), np.uint8))

    def __call__(self, frame: np.ndarray) -> int:
        return len(self.mesh.process(np.ascontiguousarray(frame)).multi_face_landmarks or ())


def synthetic(people: int, frames: int) -> list[np.ndarray]:
    """The astronaut's portrait moving through a 1280x720 frame, once or twice."""
    import cv2
    from skimage import data

    portrait = cv2.resize(data.astronaut()[:300, 80:380], (420, 420), interpolation=cv2.INTER_CUBIC)
    clip = []
    for t in range(frames):
        frame = np.full((720, 1280, 3), (96, 110, 120), np.uint8)
        for person in range(people):
            x = 80 + 640 * person + int(60 * np.sin(0.1 * t + person))
            y = 150 + int(40 * np.cos(0.13 * t))
            frame[y : y + 420, x : x + 420] = portrait[:, ::-1] if person else portrait
        clip.append(frame)
    return clip


def real(folder: Path, frames: int) -> dict[str, tuple[list[np.ndarray], int]]:
    """Clips of 720 lines by name, with their number of faces."""
    import av

    clips = {}
    for path, count in counts(folder, {".mp4"}).items():
        with av.open(str(path)) as clip:
            if clip.streams.video[0].height != 720:
                continue
            stills = [f.to_ndarray(format="rgb24") for f, _ in zip(clip.decode(video=0), range(frames))]
        clips[path.name] = stills, count
    return clips


def counts(folder: Path, suffixes: set[str]) -> dict[Path, int]:
    """Numbers of faces by file, from the table in the folder's README."""
    out, column = {}, None
    for line in (folder / "README.md").read_text(encoding="utf-8").splitlines():
        cells = [c.strip() for c in line.strip().strip("|").split("|")]
        if "faces" in cells and "file" in cells:
            column = cells.index("faces")
        elif column is not None and len(cells) > column and re.fullmatch(r"\d+", cells[column]):
            path = folder / cells[0]
            if path.suffix in suffixes and path.is_file():
                out[path] = int(cells[column])
    return out


def speed(clip: list[np.ndarray], people: int) -> dict[str, float]:
    """Frames per second and share of (person, frame) pairs found, ours and the alternative's."""
    start = time.perf_counter()
    faces = find_faces(clip, fps=25)
    ours = len(clip) / (time.perf_counter() - start)
    seen = sum(int(t.present.sum()) for t in faces)
    other = WholeFrames(people, still=False)
    start = time.perf_counter()
    found = sum(min(people, other(frame)) for frame in clip)
    theirs = len(clip) / (time.perf_counter() - start)
    pairs = people * len(clip)
    return {
        "fps": round(ours, 1),
        "found": round(min(seen, pairs) / pairs, 3),
        "facemesh_fps": round(theirs, 1),
        "facemesh_found": round(found / pairs, 3),
    }


def recall(folder: Path) -> dict[str, float]:
    """Share of the faces in still pictures that are found, and how many that are none."""
    import cv2

    other = WholeFrames(16, still=True)
    total = hits = extra = their_hits = their_extra = 0
    seconds = 0.0
    for path, count in counts(folder, {".jpg", ".jpeg", ".png"}).items():
        picture = np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])
        start = time.perf_counter()
        found = len(find_faces(picture))
        seconds += time.perf_counter() - start
        theirs = other(picture)
        total += count
        hits, extra = hits + min(found, count), extra + max(found - count, 0)
        their_hits, their_extra = their_hits + min(theirs, count), their_extra + max(theirs - count, 0)
    return {
        "faces": total,
        "recall": round(hits / total, 3),
        "wrong": extra,
        "facemesh_recall": round(their_hits / total, 3),
        "facemesh_wrong": their_extra,
        "seconds": round(seconds, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=100, help="frames of each clip")
    frames = parser.parse_args().frames
    say = sys.stdout.write
    model = open_backend()  # opening it is not what is timed
    result: dict[str, object] = {"backend": model.name, "cpus": os.cpu_count(), "frames": frames}
    clips = {f"synthetic, {n} face{'s' * (n > 1)}": (synthetic(n, frames), n) for n in (1, 2)}
    folder = os.environ.get("TROUPE_MEDIA")
    if folder:
        clips |= real(Path(folder), frames)
    for name, (clip, people) in clips.items():
        result[name] = line = speed(clip, people)
        say(
            f"{name:28} {line['fps']:6.1f} frames/s, {line['found']:5.0%} found | whole-frame FaceMesh "
            f"{line['facemesh_fps']:6.1f} frames/s, {line['facemesh_found']:5.0%} found\n"
        )
    if folder:
        result["pictures"] = line = recall(Path(folder))
        say(
            f"pictures: {line['recall']:.0%} of {line['faces']} faces, {line['wrong']} wrong | whole-frame "
            f"FaceMesh {line['facemesh_recall']:.0%}, {line['facemesh_wrong']} wrong\n"
        )
    else:
        say("TROUPE_MEDIA is not set: no real clips and no recall.\n")
    say(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
