"""What guidance maps cost: our rasteriser beside two plain ways of drawing the same triangles, and all maps of a body.

    python benchmarks/rasterize.py

The stand-in figure (15,456 triangles; SMPL has 13,776) waving, whole in a picture of 512x768.

* ``painter``: triangles sorted far to near and filled one by one with cv2.fillConvexPoly, each in one depth: the usual
  way without a rasteriser. It gives no depth within triangles, no weights to blend normals with, and wrong order where
  triangles reach through each other.
* ``loop``: a z-buffer triangle by triangle in NumPy, each over its box: the same result as ours, written plainly.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))
from common import finish, say

from troupe.engine.body.figure import stand_in
from troupe.engine.body.maps import body_maps
from troupe.engine.body.motion import BodyMotion
from troupe.engine.body.place import place
from troupe.engine.body.rotations import matrices_from_vectors
from troupe.kernels.rasterize import rasterize

WIDTH, HEIGHT, FRAMES = 512, 768, 16
REPEATS = 5
CUDA = torch.cuda.is_available()


def waving(frames: int) -> BodyMotion:
    """The figure facing us, waving and swaying."""
    t = np.arange(frames) / 8
    vectors = np.zeros((frames, 24, 3))
    vectors[:, 17, 2] = 1.1  # right arm down
    vectors[:, 16, 2] = 0.6 + 0.2 * np.sin(t)
    vectors[:, 18, 2] = 1.0 + 0.5 * np.sin(3 * t)
    vectors[:, 3, 1] = 0.3 * np.sin(t)
    rotations = matrices_from_vectors(vectors)
    rotations[:, 0] = np.diag([1.0, -1, -1])
    return BodyMotion(rotations, np.zeros((frames, 3)), np.zeros((frames, 10)), 25)


def painter(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Depth ``[H, W]``, infinite where nothing is."""
    import cv2

    depth = np.full((HEIGHT, WIDTH), np.inf, np.float32)
    middle = points[faces, 2].mean(1)
    corners = np.rint((points[faces, :2] - 0.5) * 256).astype(np.int32)
    for f in np.argsort(-middle):
        cv2.fillConvexPoly(depth, corners[f], float(middle[f]), shift=8)
    return depth


def loop(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Depth ``[H, W]``, infinite where nothing is."""
    nearest = np.zeros((HEIGHT, WIDTH))
    for a, b, c in points[faces]:
        x0, y0 = np.maximum(np.ceil(np.minimum(np.minimum(a, b), c)[:2] - 0.5), 0).astype(int)
        x1, y1 = np.floor(np.maximum(np.maximum(a, b), c)[:2] - 0.5).astype(int) + 1
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if area == 0 or x1 <= x0 or y1 <= y0:
            continue
        x, y = np.arange(x0, min(x1, WIDTH)) + 0.5, np.arange(y0, min(y1, HEIGHT))[:, None] + 0.5
        u = ((b[0] - x) * (c[1] - y) - (b[1] - y) * (c[0] - x)) / area
        v = ((c[0] - x) * (a[1] - y) - (c[1] - y) * (a[0] - x)) / area
        w = 1 - u - v
        inverse = np.where((u >= 0) & (v >= 0) & (w >= 0), u / a[2] + v / b[2] + w / c[2], 0)
        part = nearest[y0 : y0 + len(y), x0 : x0 + len(x)]
        np.maximum(part, inverse, out=part)
    with np.errstate(divide="ignore"):
        return 1 / nearest


def ours(points: torch.Tensor, faces: torch.Tensor) -> np.ndarray:
    """Depth ``[H, W]``, infinite where nothing is."""
    seen = rasterize(points[None], faces, HEIGHT, WIDTH)
    depth = torch.full((HEIGHT * WIDTH,), torch.inf, device=points.device)
    depth[seen.pixel] = seen.depth
    return depth.view(HEIGHT, WIDTH).cpu().numpy()


def seconds(ways: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Median time of each; they take turns, so that what else the machine does falls on all."""
    # The processor's time of all threads: others on the machine do not count. A GPU does not count there.
    clock = time.perf_counter if CUDA else time.process_time
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(REPEATS + 1):
        for name, work in ways.items():
            start = clock()
            work()
            if repeat:  # the first warms up
                taken[name].append(clock() - start)
    return {name: median(times) for name, times in taken.items()}


def main() -> None:
    load = os.getloadavg()[0]
    torch.set_num_threads(1)  # as the other two ways; threads that wait for a busy core would be counted, too
    body, motion = stand_in(), place(waving(FRAMES), stand_in(), WIDTH, HEIGHT)
    posed = body.pose(*(torch.tensor(x) for x in (motion.rotations, motion.betas, motion.position)))
    points = motion.camera.project(posed.vertices)[FRAMES // 2]
    plain = points.double().numpy(), body.faces.numpy()
    device = "cuda" if CUDA else "cpu"
    placed = points.to(device), body.faces.to(device)

    exact, mine, painted = loop(*plain), ours(*placed), painter(*plain)
    inside = np.isfinite(exact)
    shared, both = inside & np.isfinite(mine), inside & np.isfinite(painted)
    reach = np.ptp(exact[inside])
    figures = {
        "triangles": len(body.faces),
        "pixels_seen": int(inside.sum()),
        "pixels_other_than_loop": int((np.isfinite(mine) != inside).sum()),
        "depth_error_of_its_reach": float(np.abs(mine[shared] - exact[shared]).max() / reach),
        "painter_pixels_other_than_loop": int((np.isfinite(painted) != inside).sum()),
        "painter_depth_error_of_its_reach": float(np.abs(painted[both] - exact[both]).max() / reach),
    }
    taken = seconds(
        {
            "ours": lambda: ours(*placed),
            "painter": lambda: painter(*plain),
            "loop": lambda: loop(*plain),
            "all_maps": lambda: list(body_maps(motion, body, device=device)),
        }
    )
    figures |= {f"{name}_ms": taken[name] * 1000 for name in ("ours", "painter", "loop")}
    figures |= {f"times_faster_than_{name}": taken[name] / taken["ours"] for name in ("painter", "loop")}
    figures["all_maps_frames_per_second"] = FRAMES / taken["all_maps"]
    for name in ("ours", "painter", "loop"):
        say(f"{name}: {taken[name] * 1000:.1f} ms a frame")
    say(
        f"all maps (depth, normal, parts, skeleton, mask), posing included: {FRAMES / taken['all_maps']:.1f} frames/s"
    )
    finish(
        {
            "benchmark": "rasterize", "device": device, "threads": torch.get_num_threads(), "load_at_start": load,
            "clock": "wall" if CUDA else "processor, all threads", "width": WIDTH, "height": HEIGHT, **figures,
        }
    )  # fmt: skip


if __name__ == "__main__":
    main()
