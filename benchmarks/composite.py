"""Faces cut out and put back per second at 1280x720, beside the two usual ways in the same run.

    python benchmarks/composite.py [--frames 60] [--size 512]

One moving face. A step is: cut the crop, and place a changed one (what changed it is not timed). Named alternatives:
``warp_blend`` is cv2.warpAffine (cubic) of crop and mask to the full frame and an alpha blend over all of it;
``seamless_clone`` is the same with cv2.seamlessClone. Frames are uint8, as from a file, and float32, as ComfyUI has
them. Also told: how much of the frame an untouched crop changes, in levels of 255. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

import numpy as np
from common import finish, per_second, say, scene

from troupe.engine.faces import Face, Faces, FaceTrack
from troupe.engine.video.composite import Blend, Crops, apply_look, cut_faces, place_faces, plan_crops

WIDTH, HEIGHT, EYES = 1280, 720, 90.0


def clip(count: int) -> tuple[list[np.ndarray], Faces]:
    """Frames uint8 of a portrait that sways through a textured frame, and its faces."""
    import cv2

    picture, faces = scene(1, WIDTH, HEIGHT, EYES)
    noise = np.random.default_rng(0).normal(0, 3, picture.shape)
    picture = np.clip(picture + noise, 0, 255).astype(np.uint8)
    frames, seen = [], []
    for t in range(count):
        x, y = 60 * np.sin(0.11 * t), 20 * np.cos(0.13 * t)
        move = np.array([[1, 0, x], [0, 1, y]])
        frames.append(cv2.warpAffine(picture, move, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT))
        face = faces.person(1).first
        seen.append(Face((face.landmarks + np.float32([x, y, 0])).astype(np.float32), face.confidence))
    return frames, Faces((FaceTrack(1, tuple(seen)),), HEIGHT, WIDTH, count, 25.0)


def ours(frames, results, crops: Crops, how: Blend) -> Iterator[np.ndarray]:
    """Both steps, as one after the other goes over the clip."""
    given = cut_faces(frames, crops)
    for (frame, _), _ in zip(place_faces(frames, results, crops, how), given, strict=True):
        yield frame


def usual(frames, results, crops: Crops, clone: bool) -> Iterator[np.ndarray]:
    """Warp out, warp back over the whole frame, blend."""
    import cv2

    size = crops.size
    grid = np.hypot(*np.meshgrid(*2 * [np.linspace(-1, 1, size)]))
    soft = np.clip((1 - grid) / 0.3, 0, 1).astype(np.float32)
    hard = (grid < 0.98).astype(np.uint8) * 255
    for t, frame in enumerate(frames):
        left, top, side = crops.windows[0].at(t)
        step = side / size
        out = np.array([[step, 0, left + step / 2 - 0.5], [0, step, top + step / 2 - 0.5]])
        cv2.warpAffine(frame, out, (size, size), flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)
        back = cv2.warpAffine(results[t], out, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC)
        if clone:
            mask = cv2.warpAffine(hard, out, (WIDTH, HEIGHT), flags=cv2.INTER_NEAREST)
            x, y, w, h = cv2.boundingRect(mask)
            yield cv2.seamlessClone(back, frame, mask, (x + w // 2, y + h // 2), cv2.NORMAL_CLONE)
        else:
            mask = cv2.warpAffine(soft, out, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)[..., None]
            mixed = frame + mask * (back.astype(np.float32) - frame)
            yield mixed.astype(frame.dtype)


def cpu_per_frame(way, count: int) -> float:
    """Milliseconds of one core for each frame: what a busy machine disturbs less than frames per second."""
    start = time.process_time()
    for _ in way():
        pass
    return 1000 * (time.process_time() - start) / count


def untouched(frames, crops: Crops, way) -> float:
    """Most that any pixel changes if the crops come back as they were, in levels."""
    given = [row[0] for row in cut_faces(frames, crops)]
    return max(
        float(np.abs(a.astype(np.float32) - b).max()) for a, b in zip(way(frames, given), frames, strict=True)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--size", type=int, default=512)
    args = parser.parse_args()
    frames, faces = clip(args.frames)
    crops = plan_crops(faces, size=args.size)
    changed = [apply_look(row[0], "cartoon") for row in cut_faces(frames, crops)]
    floats = [f.astype(np.float32) / 255 for f in frames]
    changed_floats = [c.astype(np.float32) / 255 for c in changed]
    ways = {
        "uint8": lambda: ours(frames, changed, crops, Blend()),
        "float32": lambda: ours(floats, changed_floats, crops, Blend()),
        "float32_colour": lambda: ours(floats, changed_floats, crops, Blend(colour="ring")),
        "float32_poisson": lambda: ours(floats, changed_floats, crops, Blend(blend="poisson")),
        "warp_blend_uint8": lambda: usual(frames, changed, crops, False),
        "warp_blend_float32": lambda: usual(floats, changed_floats, crops, False),
        "seamless_clone_uint8": lambda: usual(frames, changed, crops, True),
    }
    figures: dict[str, object] = {
        "frames": args.frames,
        "size": args.size,
        "window": crops.windows[0].at(0)[2],
    }
    for name, way in ways.items():
        rate = per_second(way)
        figures[name] = rate | {"cpu_ms": cpu_per_frame(way, args.frames)}
        spread = f"best {rate['best']:.1f}, worst {rate['worst']:.1f}"
        say(
            f"{name:22} {rate['median']:6.1f} frames/s ({spread}), {figures[name]['cpu_ms']:.1f} ms of a core"
        )
    few, some = frames[:10], plan_crops(_first(faces, 10), size=args.size)
    figures["untouched"] = {
        "ours": untouched(few, some, lambda f, r: ours(f, r, some, Blend())),
        "warp_blend": untouched(few, some, lambda f, r: usual(f, r, some, False)),
        "seamless_clone": untouched(few, some, lambda f, r: usual(f, r, some, True)),
    }
    say("an untouched crop changes the frame by at most, levels of 255: " + str(figures["untouched"]))
    finish(figures)


def _first(faces: Faces, count: int) -> Faces:
    tracks = tuple(FaceTrack(t.person, t.faces[:count]) for t in faces)
    return Faces(tracks, faces.height, faces.width, count, faces.fps)


if __name__ == "__main__":
    main()
