"""How fast the warp renderer is, beside a plain mesh warp (one ``cv2.warpAffine`` a triangle) on the same motion.

    python benchmarks/warp.py

512x768, all 52 shapes and the head moving in every frame, without encoding; one face (eyes 108 px apart) and
four (54 px).
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
from common import finish, per_second, say, scene

from troupe.engine.cast import Cast, Role
from troupe.engine.motion import FaceMotion
from troupe.engine.motion.mesh import mean_mesh
from troupe.engine.render.face_warp import FaceWarp
from troupe.engine.render.warp import render_cast

WIDTH, HEIGHT, FRAMES = 512, 768, 150


def busy_motion(seed: int, frames: int = FRAMES, fps: float = 25.0) -> FaceMotion:
    """Every shape and head channel moving smoothly all the time."""
    rng = np.random.default_rng(seed)
    t = np.arange(frames)[:, None] / fps
    waves = 0.5 + 0.5 * np.sin(2 * np.pi * (rng.uniform(0.4, 2.0, 52) * t + rng.random(52)))
    head = np.sin(2 * np.pi * (rng.uniform(0.2, 0.8, 6) * t + rng.random(6))) * [6, 8, 5, 0.05, 0.05, 0.2]
    return FaceMotion(0.05 + 0.55 * waves, head, fps)


def plain_mesh_warp(picture: np.ndarray, faces, motions: list[FaceMotion]):
    """The alternative: move the mesh, map each triangle of the face by its own affine map. No hair, eyes or mouth."""
    warps = [FaceWarp(track.first, picture) for track in faces]
    triangles = mean_mesh().triangles
    for index in range(FRAMES):
        out = picture.copy()
        for warp, motion in zip(warps, motions, strict=True):
            frame = warp.pose_frame(warp.coefficients(motion.blendshapes[index]), motion.head[index])
            target = warp.moved(frame, tuple(range(468))).astype(np.float32)
            source = warp.layout.points[:468, :2].astype(np.float32)
            for tri in triangles:
                x, y, w, h = cv2.boundingRect(target[tri])
                if x < 0 or y < 0 or x + w > WIDTH or y + h > HEIGHT:
                    continue
                corner = np.float32([x, y])
                affine = cv2.getAffineTransform(source[tri], target[tri] - corner)
                piece = cv2.warpAffine(picture, affine, (w, h), flags=cv2.INTER_LINEAR)
                mask = np.zeros((h, w), np.uint8)
                cv2.fillConvexPoly(mask, np.rint(target[tri] - corner).astype(np.int32), 1)
                np.copyto(out[y : y + h, x : x + w], piece, where=mask[..., None] > 0)
        yield out


def main() -> None:
    figures = {}
    for people, eyes in ((1, 108.0), (4, 54.0)):
        picture, faces = scene(people, WIDTH, HEIGHT, eyes)
        motions = [busy_motion(k) for k in range(people)]
        cast = Cast.of(Role(k + 1, m) for k, m in enumerate(motions))
        ours = per_second(lambda p=picture, f=faces, c=cast: render_cast(p, f, c, 25, FRAMES))
        plain = per_second(lambda p=picture, f=faces, m=motions: plain_mesh_warp(p, f, m), repeats=1)
        say(f"{people} face(s): warp {ours['median']:.0f} frames/s ({ours['worst']:.0f} to {ours['best']:.0f}), "
            f"plain mesh warp {plain['median']:.0f} frames/s")  # fmt: skip
        figures[f"faces_{people}"] = {
            "warp": ours,
            "plain_mesh_warp": plain,
            "ratio": ours["median"] / plain["median"],
        }
    finish({"benchmark": "warp", "width": WIDTH, "height": HEIGHT, "frames": FRAMES, **figures})


if __name__ == "__main__":
    main()
