"""A face's motion from its landmarks: the 52 weights and the head pose that explain a track.

Where the backend measured blendshapes itself they are taken; otherwise each frame is fitted against the
clip's own neutral face: similarity pose and bounded least squares on the person's rig in turn, all frames at
once. The weights explain the landmarks well; they are estimates, not captures by Apple's own network.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import TroupeError
from ..faces.types import FaceTrack
from ..progress import Progress, report
from .face_motion import BLENDSHAPES, INDEX, FaceMotion
from .mesh import (
    BROW_BOTTOM,
    BROW_TOP,
    FACE_OVAL,
    INNER_LOWER_LIP,
    INNER_UPPER_LIP,
    LEFT_IRIS,
    LOWER_LID,
    OUTER_LOWER_LIP,
    OUTER_UPPER_LIP,
    RIGHT_IRIS,
    SHRINK,
    STABLE,
    UPPER_LID,
    HeadPose,
    angles,
    mirrored,
    neck_pivot,
)
from .rig import Rig, build_rig

RIDGE = 0.08
GAP_WEIGHT = 6.0
# Shapes that undo each other are not both at work: pairs and how strongly the fit keeps them apart.
OPPOSITES = (
    ("mouthFunnel", "mouthStretch", 0.4), ("mouthPucker", "mouthStretch", 0.5), ("mouthPucker", "mouthSmile", 0.4),
    ("mouthSmile", "mouthFrown", 0.5), ("eyeBlink", "eyeWide", 0.6), ("eyeSquint", "eyeWide", 0.4), ("browDown", "browOuterUp", 0.4),
    ("mouthRollLower", "mouthLowerDown", 0.4), ("mouthRollUpper", "mouthUpperUp", 0.4), ("mouthPress", "mouthFunnel", 0.4),
    ("mouthClose", "mouthLowerDown", 0.3), ("eyeLookUp", "eyeLookDown", 0.8),
)  # fmt: skip
SINGLE_OPPOSITES = (
    ("jawLeft", "jawRight"), ("mouthLeft", "mouthRight"), ("eyeLookInLeft", "eyeLookOutLeft"),
    ("eyeLookInRight", "eyeLookOutRight"),
)  # fmt: skip
# Landmarks say nothing about these.
BLIND = ("tongueOut", "cheekPuff")
EYES = tuple(
    ([*up], [*low]) for up, low in ((mirrored(UPPER_LID), mirrored(LOWER_LID)), (UPPER_LID, LOWER_LID))
)
BLINKS = [INDEX["eyeBlinkLeft"], INDEX["eyeBlinkRight"]]
FIT_ROUNDS, FIT_STEPS = 4, 60
# Share of the opening that the landmarker sees, and how far the lid was really shut (means over drawn portraits).
LID_SEEN, LID_SHUT = (0.45, 0.62, 0.78, 0.90, 1.0), (1.0, 0.75, 0.5, 0.2, 0.0)
CHUNK, NEUTRAL_SAMPLE = 512, 1500  # frames at a time, so that long clips fit


@dataclass(frozen=True, eq=False)
class TrackFit:
    """A fitted track.

    Attributes:
        motion: What was found.
        rig: The person's rig at the neutral face.
        residual: Mean distance of landmarks from the fit per frame, eye distances, float32 [T].
    """

    motion: FaceMotion
    rig: Rig
    residual: np.ndarray


def motion_from_track(track: FaceTrack, fps: float, progress: Progress | None = None) -> FaceMotion:
    """Motion of one person of a clip, one frame per video frame; gaps are filled linearly in time.

    Raises:
        TroupeError: if the person is never seen.
    """
    return fit_track(track, fps, progress).motion


def fit_track(
    track: FaceTrack, fps: float, progress: Progress | None = None, neutral: np.ndarray | None = None
) -> TrackFit:
    """Like ``motion_from_track``, with the rig and the residual.

    Args:
        neutral: ``[478, 3]`` the person's neutral face in the head frame; found in the clip by default.
    """
    if not track.present.any():
        raise TroupeError(
            f"Person {track.person} has no motion",
            "the face is in no frame of the clip",
            "Choose another person or clip",
        )
    rest = clip_neutral(track) if neutral is None else neutral
    rig = build_rig(rest)
    problem = FitProblem.of(rig)
    parts, total = [], len(track.faces)
    for start in range(0, total, CHUNK):
        stop = min(start + CHUNK, total)
        parts.append(problem.fit(track.filled(start, stop).astype(np.float64)))
        report(progress, stop, total)
    weights, rotation, scale, origin, residual, gaps = (np.concatenate(p) for p in zip(*parts, strict=True))
    weights[:, BLINKS] = blinks(gaps, weights)
    measured = measured_blendshapes(track)
    head = head_channels(rotation, scale, origin, rig, rest_frame(weights, rotation))
    motion = FaceMotion(weights if measured is None else measured, head, fps)
    return TrackFit(motion, rig, residual.astype(np.float32))


def clip_neutral(track: FaceTrack) -> np.ndarray:
    """The person's neutral face ``[478, 3]`` in the head frame, from at most ``NEUTRAL_SAMPLE`` frames of the clip."""
    picked = track.seen[np.unique(np.linspace(0, len(track.seen) - 1, NEUTRAL_SAMPLE).astype(int))]
    some = np.stack([track.faces[t].landmarks for t in picked]).astype(np.float64)
    pose = fit_poses(some, HeadPose.fit(some[0]).to_head(some[0]))
    return find_neutral(to_head(some, *pose))


def fit_poses(landmarks: np.ndarray, model: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Similarity per frame that lays ``model`` ([478, 3] or [T, 478, 3]) on ``landmarks [T, 478, 3]`` by the
    stable points: rotations [T, 3, 3], scales [T], origins [T, 3]."""
    index = list(STABLE)
    target = landmarks[:, index]
    source = np.broadcast_to(model[..., index, :], target.shape)
    ms, mt = source.mean(1, keepdims=True), target.mean(1, keepdims=True)
    u, s, vt = np.linalg.svd(np.swapaxes(target - mt, 1, 2) @ (source - ms))
    proper = np.ones_like(s)
    proper[:, 2] = np.sign(np.linalg.det(u @ vt))
    rotation = (u * proper[:, None]) @ vt
    scale = (s * proper).sum(1) / ((source - ms) ** 2).sum((1, 2))
    origin = mt[:, 0] - scale[:, None] * np.einsum("tij,tj->ti", rotation, ms[:, 0])
    return rotation, scale, origin


def to_head(landmarks: np.ndarray, rotation: np.ndarray, scale: np.ndarray, origin: np.ndarray) -> np.ndarray:
    return (landmarks - origin[:, None]) @ rotation / scale[:, None, None]


def find_neutral(heads: np.ndarray) -> np.ndarray:
    """The clip's neutral face ``[478, 3]`` from head-frame meshes ``[T, 478, 3]``: frames with shut lips, open
    eyes and a mouth of middling width count most, whole face by whole face, median over them."""

    def rank(values: np.ndarray) -> np.ndarray:
        return np.argsort(np.argsort(values)) / max(len(values) - 1, 1)

    lips = np.linalg.norm(heads[:, 13] - heads[:, 14], axis=-1)
    lids = [np.linalg.norm(heads[:, list(up)] - heads[:, list(low)], axis=-1).mean(1)
            for up, low in ((UPPER_LID, LOWER_LID), (mirrored(UPPER_LID), mirrored(LOWER_LID)))]  # fmt: skip
    width = np.linalg.norm(heads[:, 61] - heads[:, 291], axis=-1)
    brows = heads[:, [*BROW_TOP, *mirrored(BROW_TOP)], 1].mean(1)
    badness = (
        1.5 * rank(lips)
        + np.abs(rank(np.mean(lids, 0)) - 0.6)
        + np.abs(rank(width) - 0.5)
        + np.abs(rank(brows) - 0.5)
    )
    count = int(np.clip(len(heads) // 10, 1, 30))
    return np.median(heads[np.argsort(badness)[:count]], axis=0)


def measured_blendshapes(track: FaceTrack) -> np.ndarray | None:
    """[T, 52] where the backend measured every face itself, gaps filled linearly; else ``None``."""
    seen = [(t, f.blendshapes) for t, f in enumerate(track.faces) if f is not None]
    if any(b is None for _, b in seen):
        return None
    times, values = [t for t, _ in seen], np.stack([b for _, b in seen])
    at = np.arange(len(track.faces))
    return np.stack([np.interp(at, times, values[:, k]) for k in range(values.shape[1])], 1)


@dataclass(frozen=True, eq=False)
class FitProblem:
    """Bounded least squares for all frames at once: ``0 <= w <= 1`` minimising rows + ridge + opposites."""

    rows: np.ndarray  # [478 * 3 + gaps * 3, 52]
    scale: np.ndarray  # weight of each landmark coordinate
    gram: np.ndarray
    step: float
    rig: Rig

    @classmethod
    def of(cls, rig: Rig) -> FitProblem:
        scale = np.full(478, 0.5)
        scale[list(FACE_OVAL)] = 0.4
        scale[[*BROW_TOP, *BROW_BOTTOM, *mirrored(BROW_TOP), *mirrored(BROW_BOTTOM)]] = 1.5
        scale[[*OUTER_UPPER_LIP, *OUTER_LOWER_LIP, *INNER_UPPER_LIP, *INNER_LOWER_LIP]] = 2.0
        lids = (*UPPER_LID, *LOWER_LID)
        scale[[*lids, *mirrored(lids), *RIGHT_IRIS, *LEFT_IRIS]] = 2.5
        scale = scale[:, None] * np.array([1.0, 1.0, 0.25])
        scale[468:, 2] = 0
        rows = cls.stack(rig.basis, scale).reshape(len(BLENDSHAPES), -1).T
        gram = rows.T @ rows
        size = np.sqrt(np.maximum(np.diag(gram), 1e-9))
        gram = gram + RIDGE * np.diag(gram).mean() * np.eye(len(gram))
        pairs = [(INDEX[a], INDEX[b], 0.8) for a, b in SINGLE_OPPOSITES]
        for a, b, strength in OPPOSITES:
            for side in ("Left", "Right"):
                i, j = (INDEX.get(n, INDEX.get(n + side)) for n in (a, b))
                pairs.append((i, j, strength))
        for i, j, strength in dict.fromkeys(pairs):
            gram[i, j] += 0.25 * strength * size[i] * size[j]
            gram[j, i] += 0.25 * strength * size[i] * size[j]
        return cls(rows, scale, gram, 1 / np.linalg.eigvalsh(gram)[-1], rig)

    @staticmethod
    def stack(field: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Weighted rows of ``[N, 478, 3]``: every coordinate, then the openings of lips and lids."""
        upper = [*INNER_UPPER_LIP, *UPPER_LID, *mirrored(UPPER_LID)]
        lower = [*INNER_LOWER_LIP, *LOWER_LID, *mirrored(LOWER_LID)]
        gaps = (field[:, lower] - field[:, upper]) * [0, GAP_WEIGHT, 0]
        return np.concatenate([field * scale, gaps], 1).reshape(len(field), -1)

    def fit(self, landmarks: np.ndarray) -> tuple[np.ndarray, ...]:
        """``landmarks [T, 478, 3]`` -> weights [T, 52], rotations, scales, origins, residuals [T] and openings of
        the left and the right eye [T, 2] (eye distances)."""
        rig = self.rig
        weights = np.zeros((len(landmarks), len(BLENDSHAPES)))
        for _ in range(FIT_ROUNDS):
            pose = fit_poses(landmarks, rig.rest + np.tensordot(weights, rig.basis, 1))
            weights = self.solve(to_head(landmarks, *pose) - rig.rest, weights)
        model = rig.rest + np.tensordot(weights, rig.basis, 1)
        pose = fit_poses(landmarks, model)
        heads = to_head(landmarks, *pose)
        residual = np.linalg.norm(heads - model, axis=-1)[:, :468].mean(1)
        middle = slice(2, -2)
        gaps = [(heads[:, low[middle], 1] - heads[:, up[middle], 1]).mean(1) for up, low in EYES]
        return weights, *pose, residual, np.stack(gaps, 1)

    def solve(self, offsets: np.ndarray, start: np.ndarray) -> np.ndarray:
        """``offsets [T, 478, 3]`` from the rest mesh -> weights [T, 52] (FISTA, Beck and Teboulle 2009)."""
        right = self.stack(offsets, self.scale) @ self.rows
        free = np.ones(len(BLENDSHAPES))
        free[[INDEX[n] for n in BLIND]] = 0
        w, ahead, momentum = start, start, 1.0
        for _ in range(FIT_STEPS):
            new = np.clip(ahead - self.step * (ahead @ self.gram - right), 0, free)
            faster = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
            ahead = new + (momentum - 1) / faster * (new - w)
            w, momentum = new, faster
        return w


def blinks(gaps: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """eyeBlink left and right ``[T, 2]`` from the eyes' openings ``[T, 2]``.

    Least squares would share a closing lid among blink, squint and downward gaze, and a landmarker never quite
    sees a shut eye: lids drawn at known closures were measured again instead (``LID_SEEN``, ``LID_SHUT``). What
    gaze and squint explain of an opening is taken out first.
    """
    out = []
    for k, side in enumerate(("Left", "Right")):
        down, squint, up = (weights[:, INDEX[n + side]] for n in ("eyeLookDown", "eyeSquint", "eyeWide"))
        seen = gaps[:, k] / max(float(np.percentile(gaps[:, k], 75)), 1e-3)
        explained = np.maximum(1 - 0.52 * down - 0.50 * squint + 0.48 * up, 0.45)
        out.append(np.interp(seen / explained, LID_SEEN, LID_SHUT))
    return np.stack(out, 1)


def rest_frame(weights: np.ndarray, rotation: np.ndarray) -> int:
    """The frame whose head pose counts as rest: near the clip's middle pose and not in mid-expression."""
    turns = np.array([angles(r) for r in rotation])
    away = np.abs(turns - np.median(turns, 0)).sum(1) / 10 + 0.3 * weights.sum(1) / max(
        weights.sum(1).max(), 1e-6
    )
    return int(away.argmin())


def head_channels(
    rotation: np.ndarray, scale: np.ndarray, origin: np.ndarray, rig: Rig, rest: int
) -> np.ndarray:
    """[T, 6] head motion relative to frame ``rest``: turns in its head frame, the neck pivot's way in the picture."""
    base = rotation[rest]
    turns = np.array([angles(base.T @ r) for r in rotation])
    pivot = neck_pivot(rig.rest)
    where = origin + scale[:, None] * (rotation @ pivot)
    moved = (where - where[rest])[:, :2] / scale[rest]
    z = (scale[rest] / scale - 1) / SHRINK
    return np.concatenate([turns, moved, z[:, None]], 1)
