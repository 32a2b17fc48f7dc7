"""What the benchmarks share: a portrait scene, timing, and the closing JSON line."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable

import numpy as np


def scene(people: int, width: int, height: int, eye_distance: float):
    """A picture uint8 [height, width, 3] with ``people`` copies of a public-domain portrait, and its ``Faces``."""
    import cv2
    import skimage.data

    from troupe.engine.faces import Face, Faces, FaceTrack, find_faces

    portrait = skimage.data.astronaut()[:260, 100:360]
    face = find_faces(portrait).person(1).first
    zoom = eye_distance / face.eye_distance
    tile = cv2.resize(portrait, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC)
    columns = 1 if people == 1 else 2
    rows = -(-people // columns)
    picture = np.full((height, width, 3), 128, np.uint8)
    tracks = []
    for k in range(people):
        cx, cy = (k % columns + 0.5) * width / columns, (k // columns + 0.5) * height / rows
        x0, y0 = round(cx - tile.shape[1] / 2), round(cy - tile.shape[0] / 2)
        ax, ay = max(x0, 0), max(y0, 0)
        bx, by = min(x0 + tile.shape[1], width), min(y0 + tile.shape[0], height)
        picture[ay:by, ax:bx] = tile[ay - y0 : by - y0, ax - x0 : bx - x0]
        moved = (face.landmarks * zoom + [x0, y0, 0]).astype(np.float32)
        tracks.append(FaceTrack(k + 1, (Face(moved, face.confidence),)))
    return picture, Faces(tuple(tracks), height, width)


def per_second(work: Callable[[], Iterable], repeats: int = 3) -> dict[str, float]:
    """Items per second of an iterable, the first item's set-up not counted: best, median and worst of the repeats."""
    rates = []
    for _ in range(repeats):
        items = iter(work())
        next(items)
        start, count = time.perf_counter(), 0
        for _ in items:
            count += 1
        rates.append(count / (time.perf_counter() - start))
    rates.sort()
    return {"best": rates[-1], "median": rates[len(rates) // 2], "worst": rates[0]}


def finish(figures: dict) -> None:
    """Print the figures as one JSON object, the last line."""
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "machine": platform.machine()}
    sys.stdout.write(json.dumps({**figures, "machine": machine}, default=lambda v: round(float(v), 4)) + "\n")


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
