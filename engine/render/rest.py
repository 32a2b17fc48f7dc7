"""How a drive meets the expression that the picture already has.

A picture is seldom neutral: people smile at cameras. A drive that is only added to a grin can never be sad or
say an m. Three ways (``Role.rest``):

- ``auto``: weights count from a neutral face. While the drive acts, the picture's own smile and parted lips give
  way to it; while it rests, the picture stays as it is.
- ``relative``: the drive's first frame is the picture, as when a clip drives its own first frame.
- ``keep``: the drive is added to the picture's expression.
"""

from __future__ import annotations

import numpy as np

from ..motion.face_motion import BLENDSHAPES, HEAD, INDEX, FaceMotion
from ..motion.mesh import INNER_LOWER_LIP, INNER_UPPER_LIP, SHRINK, angles, mean_mesh, rotation_matrix
from ..motion.rig import Rig

SMILES = [INDEX["mouthSmileLeft"], INDEX["mouthSmileRight"]]
BLINKS = [INDEX["eyeBlinkLeft"], INDEX["eyeBlinkRight"]]
MOUTH = np.array([name.startswith(("mouth", "jaw", "cheekPuff", "tongue")) for name in BLENDSHAPES])
# Mouth activity (sum of weights) from which a drive owns the mouth, how long it keeps it, and how fast it takes it.
ACTIVE, HOLD_SECONDS, EASE_SECONDS = 0.25, 0.6, 0.15
# A slight smile is anybody's rest; a clear one is a little more than corners and width tell. A mouth opened wider than this (eye distances) cannot be shut believably.
SMILE_FLOOR, SMILE_GAIN, GAP_FADE = 0.10, 1.9, (0.20, 0.35)
# A driver who walks about would drag the head out of the picture: beyond this only the sway around the
# driver's own slow path is kept (eye distances, seconds).
WANDER, WANDER_SECONDS = 0.25, 2.0


def picture_smile(rig: Rig) -> float:
    """How much the face smiles in the picture, 0..1, from its corners' height and distance against the mean mesh."""
    mean = mean_mesh().vertices

    def features(p: np.ndarray) -> np.ndarray:
        return np.array([p[[61, 291], 1].mean() - p[[0, 17], 1].mean(), 0.5 * (p[291, 0] - p[61, 0])])

    full = rig.basis[SMILES].sum(0)
    effect = features(rig.rest + full) - features(rig.rest)
    smile = float((features(rig.rest) - features(mean)) @ effect / (effect @ effect))
    return float(np.clip((smile - SMILE_FLOOR) * SMILE_GAIN, 0, 1))


def picture_gap(rig: Rig) -> float:
    """How far the lips are parted in the picture, eye distances."""
    return float(max((rig.rest[list(INNER_LOWER_LIP), 1] - rig.rest[list(INNER_UPPER_LIP), 1]).max(), 0.0))


def mouth_ownership(motion: FaceMotion) -> np.ndarray:
    """[T] 0..1: how far the drive owns the mouth. Held through short pauses, eased, and 0 in the first frame."""
    from scipy.ndimage import gaussian_filter1d, maximum_filter1d

    activity = np.clip(motion.blendshapes[:, MOUTH].sum(1) / ACTIVE, 0, 1)
    held = maximum_filter1d(activity, 2 * max(1, round(HOLD_SECONDS * motion.fps)) + 1, mode="nearest")
    owned = gaussian_filter1d(held, EASE_SECONDS * motion.fps, mode="nearest")
    return owned * np.clip(np.arange(len(motion)) / (2 * EASE_SECONDS * motion.fps), 0, 1)


def meet(motion: FaceMotion, rig: Rig, mode: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the renderer shall add to the picture.

    Returns:
        weights float32 [T, 52] (may be negative), head float32 [T, 6], lip closing float32 [T] in 0..1.
    """
    if mode == "relative":
        return relative_weights(motion), relative_head(motion), np.zeros(len(motion), np.float32)
    weights, head = motion.blendshapes.copy(), settle(motion)
    closing = np.zeros(len(motion), np.float32)
    if mode == "auto":
        owned = mouth_ownership(motion)
        smile, gap = picture_smile(rig), picture_gap(rig)
        asked = weights[:, SMILES].mean(1)
        # A drive that smiles as the picture does keeps the picture's own mouth, teeth and all.
        unlike = 1 - np.clip(asked / max(smile, 0.2), 0, 1)
        less = weights[:, SMILES] - (owned * smile)[:, None]
        weights[:, SMILES] = np.where(less < 0, less * unlike[:, None], less)
        closable = 1 - np.clip((gap - GAP_FADE[0]) / (GAP_FADE[1] - GAP_FADE[0]), 0, 1)
        closing = (owned * unlike * closable).astype(np.float32)
    return weights.astype(np.float32), head.astype(np.float32), closing


def relative_weights(motion: FaceMotion) -> np.ndarray:
    """Weights minus those of the first frame; lids by the share of the opening the picture has left."""
    first = motion.blendshapes[0]
    out = motion.blendshapes - first
    out[:, BLINKS] /= np.maximum(1 - first[BLINKS], 0.2)
    return out


def relative_head(motion: FaceMotion) -> np.ndarray:
    """Head motion from the first frame's pose: turns in that pose's own frame, the way in the picture."""
    base = rotation_matrix(*motion.head[0, :3])
    turns = np.array([angles(base.T @ rotation_matrix(*h[:3])) for h in motion.head])
    first = 1 + SHRINK * motion.head[0, 5]  # eye distances count from the first frame's size
    moved = (motion.head[:, 3:5] - motion.head[0, 3:5]) * first
    away = ((1 + SHRINK * motion.head[:, 5:]) / first - 1) / SHRINK
    return np.concatenate([turns, moved, away], 1).astype(np.float32)


def settle(motion: FaceMotion) -> np.ndarray:
    """Head motion with a wandering driver's slow path taken out."""
    from scipy.ndimage import gaussian_filter1d

    head = motion.head.copy()
    for k in range(3, len(HEAD) - 1):
        if np.abs(head[:, k]).max() > WANDER:
            head[:, k] -= gaussian_filter1d(head[:, k], WANDER_SECONDS * motion.fps, mode="nearest")
    return head
