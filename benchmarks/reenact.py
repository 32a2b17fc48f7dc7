"""Self-reenactment: drive a clip's first frame with the clip's own motion and compare with the true frames.

    TROUPE_MEDIA=folder python benchmarks/reenact.py [--clips a.mp4 b.mp4] [--sheets out_folder] [--every 4]

Per clip and person, in the face box plus 12 %: landmark error (mean over the 478 points found again in the
rendered frame, % of the eye distance), PSNR (dB) and SSIM against the true frame, beside the same for the still
first frame. "within" counts only frames within 15 degrees and 0.35 eye distances of the first. Read landmark
error and SSIM beside the still's: an invented mouth costs more dB than a wrong expression.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import cv2
import numpy as np
from skimage.metrics import structural_similarity

sys.path.insert(0, str(Path(__file__).resolve().parent))
from common import finish, say

from troupe.engine.cast import Cast, Role
from troupe.engine.faces import Face, Faces, FaceTrack, find_faces
from troupe.engine.motion import FaceMotion
from troupe.engine.motion.from_video import fit_track
from troupe.engine.render.warp import render_cast
from troupe.engine.video.read import read_clip
from troupe.engine.video.sheet import contact_sheet, save_picture

WITHIN_DEGREES, WITHIN_SHIFT = 15.0, 0.35
MARGIN = 0.12


def face_box(face: Face, height: int, width: int) -> tuple[slice, slice]:
    x0, y0, x1, y1 = face.box
    mx, my = MARGIN * (x1 - x0), MARGIN * (y1 - y0)
    return (
        slice(max(int(y0 - my), 0), min(int(y1 + my), height)),
        slice(max(int(x0 - mx), 0), min(int(x1 + mx), width)),
    )


def likeness(image: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """PSNR (at most 60 dB) and SSIM."""
    error = max(float(((image.astype(float) - truth) ** 2).mean()), 255**2 * 1e-6)
    return 10 * np.log10(255**2 / error), float(structural_similarity(image, truth, channel_axis=2))


def landmark_error(a: Face | None, b: Face) -> float:
    """Mean distance in % of the eye distance."""
    if a is None:
        return float("nan")
    return (
        100 * float(np.linalg.norm(a.landmarks[:, :2] - b.landmarks[:, :2], axis=1).mean()) / b.eye_distance
    )


def nearest(faces: list[Face | None], to: Face) -> Face | None:
    found = [f for f in faces if f is not None]
    return min(
        found, key=lambda f: np.hypot(f.centre[0] - to.centre[0], f.centre[1] - to.centre[1]), default=None
    )


def reenact(frames: np.ndarray, fps: float, faces: Faces, person: int, every: int):
    """Rows [frames, 7]: within, still PSNR, SSIM, landmarks, warp PSNR, SSIM, landmarks; and the rendered frames."""
    track = faces.person(person)
    first = int(np.flatnonzero(track.present)[0])
    motion = fit_track(track, fps).motion
    motion = FaceMotion(motion.blendshapes[first:], motion.head[first:], fps)
    source = frames[first]
    still = Faces(
        tuple(FaceTrack(t.person, (t.faces[first] if t is track else t.first,)) for t in faces),
        *source.shape[:2],
    )
    rendered = list(render_cast(source, still, Cast.of([Role(person, motion, rest="relative")]), fps))
    chosen = range(0, len(rendered), every)
    again = find_faces(np.stack([rendered[i] for i in chosen]), fps=fps / every, smooth=False)
    away = np.abs(motion.head - motion.head[0])
    rows = []
    for k, i in enumerate(chosen):
        truth = track.faces[first + i]
        if truth is None or i == 0:
            continue
        box = face_box(truth, *source.shape[:2])
        target = frames[first + i][box]
        if min(target.shape[:2]) < 16:
            continue
        within = away[i, :3].max() <= WITHIN_DEGREES and away[i, 3:5].max() <= WITHIN_SHIFT
        rows.append([within, *likeness(source[box], target), landmark_error(track.faces[first], truth),
                     *likeness(rendered[i][box], target), landmark_error(nearest(again.at(k), truth), truth)])  # fmt: skip
    return np.array(rows, float), rendered, first


def summary(rows: np.ndarray) -> dict:
    names = ("psnr", "ssim", "landmarks")
    mean = np.nanmean(rows[:, 1:], 0)
    return {
        "frames": len(rows),
        "still": dict(zip(names, mean[:3], strict=True)),
        "warp": dict(zip(names, mean[3:], strict=True)),
        "landmarks_of_still": mean[5] / mean[2],
        "psnr_gain": mean[3] - mean[0],
        "ssim_gain": mean[4] - mean[1],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", nargs="*", help="file names in TROUPE_MEDIA; all mp4 by default")
    parser.add_argument("--every", type=int, default=4, help="compare every n-th frame")
    parser.add_argument("--sheets", type=Path, help="folder for contact sheets, truth above warp")
    args = parser.parse_args()
    folder = os.environ.get("TROUPE_MEDIA")
    if not folder:
        raise SystemExit("Set TROUPE_MEDIA to a folder of real clips.")
    figures = {}
    for path in sorted(Path(folder).glob("*.mp4")):
        if args.clips and path.name not in args.clips:
            continue
        frames, fps, _ = read_clip(path)
        faces = find_faces(frames, fps=float(fps))
        for track in faces:
            start = time.perf_counter()
            rows, rendered, first = reenact(frames, float(fps), faces, track.person, args.every)
            seconds = time.perf_counter() - start
            if len(rows) == 0:
                continue
            inside = rows[rows[:, 0] > 0]
            result = {"all": summary(rows), "seconds": seconds} | (
                {"within": summary(inside)} if len(inside) else {}
            )
            figures[f"{path.stem}#{track.person}"] = result
            for which in ("within", "all"):
                if which in result:
                    r = result[which]
                    say("{}#{} {:6s} n={:3d}  still {psnr:.1f} dB {ssim:.3f} {landmarks:.1f} %".format(path.stem, track.person, which, r["frames"], **r["still"])
                        + "   warp {psnr:.1f} dB {ssim:.3f} {landmarks:.1f} %".format(**r["warp"]) + f"   landmarks {100 * r['landmarks_of_still']:.0f} % of the still's")  # fmt: skip
            if args.sheets:
                args.sheets.mkdir(parents=True, exist_ok=True)
                pairs = [
                    np.vstack([frames[first + i], rendered[i]])
                    for i in np.linspace(0, len(rendered) - 1, 8).astype(int)
                ]
                pairs = [
                    cv2.resize(
                        p, None, fx=240 / p.shape[1], fy=240 / p.shape[1], interpolation=cv2.INTER_AREA
                    )
                    for p in pairs
                ]
                save_picture(
                    args.sheets / f"{path.stem}_{track.person}.png",
                    contact_sheet(np.stack(pairs), columns=8, count=8),
                )
    finish({"benchmark": "reenact", "clips": figures})


if __name__ == "__main__":
    main()
