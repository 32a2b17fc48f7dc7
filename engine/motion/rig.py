"""A person's own face rig: how far each of the 52 blendshapes moves each landmark.

Every shape prescribes vectors at a few handle points and fences it in with points that stay; the mesh between
follows by a screened-harmonic solve on the mesh graph. Lips and lids are not connected across mouth and eyes,
so upper and lower sides part by themselves. Vectors are (outward, down, away) in eye distances.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .face_motion import BLENDSHAPES, INDEX
from .mesh import (
    BROW_BOTTOM,
    BROW_TOP,
    FACE_OVAL,
    INNER_LOWER_LIP,
    INNER_UPPER_LIP,
    LEFT_IRIS,
    LOWER_LID,
    MESH_POINTS,
    OUTER_LOWER_LIP,
    OUTER_UPPER_LIP,
    RIGHT_IRIS,
    UPPER_LID,
    mean_mesh,
    mirrored,
)
from .mesh_solver import MeshSolver

JAW_DEGREES = 17.0
# Iris centre at full gaze: in and out in eye widths, down and up in eye widths.
GAZE_IN, GAZE_DOWN, GAZE_UP = 0.25, 0.20, 0.18

NOSE = (1, 2, 4, 5, 6, 195, 197, 168, 94, 19)
ALL_LIDS = (*UPPER_LID, *LOWER_LID[1:-1])
CHIN = {152: 1, 148: 1, 377: 1, 176: 1, 400: 1, 149: 1, 378: 1, 150: 1, 379: 1, 136: 0.95, 365: 0.95,
        172: 0.82, 397: 0.82, 58: 0.55, 288: 0.55, 132: 0.25, 361: 0.25, 93: 0.08, 323: 0.08}  # fmt: skip
OVAL_TOP = (10, 338, 297, 332, 284, 251, 389, 356, 127, 162, 21, 54, 103, 67, 109)

Handles = dict[int, np.ndarray]


@dataclass(frozen=True, eq=False)
class Rig:
    """The shapes of one person.

    Attributes:
        rest: float64 [478, 3], the person's mesh in the head frame (eye distances).
        basis: float64 [52, 478, 3], displacement at weight 1.
        mouth_scale: Factor the mouth and jaw shapes were made smaller by for a small mouth (0.55 to 1).
    """

    rest: np.ndarray
    basis: np.ndarray
    mouth_scale: float

    def pose(self, weights: np.ndarray) -> np.ndarray:
        """Mesh ``[478, 3]`` under ``weights [52]``."""
        return self.rest + np.tensordot(weights, self.basis, 1)


def build_rig(rest: np.ndarray) -> Rig:
    """Make the rig of one face.

    Args:
        rest: ``[478, 3]`` landmarks in the head frame (``HeadPose.to_head``), eye distances.
    """
    rest = np.asarray(rest, np.float64)
    maker = _RigMaker(rest)
    basis = np.zeros((len(BLENDSHAPES), 478, 3))
    for name, handles in maker.shapes().items():
        points = list(handles)
        basis[INDEX[name], :MESH_POINTS] = maker.solver.spread(points, np.array([handles[p] for p in points]))
    for name in ("jawOpen", "jawForward", "jawLeft", "jawRight"):
        basis[INDEX[name], :MESH_POINTS] = maker.jaw(name)
    basis[INDEX["mouthClose"], :MESH_POINTS] = maker.mouth_close(basis[INDEX["jawOpen"]])
    for name, index in INDEX.items():
        if name.startswith(("mouth", "jaw")):
            basis[index] *= maker.mouth_scale
        if name.startswith("eyeLook"):
            basis[index, list(maker.iris(name))] = maker.gaze(name)
    return Rig(rest, basis, maker.mouth_scale)


class _RigMaker:
    """The shapes of the table in ``shapes``, measured on one person's mesh."""

    def __init__(self, rest: np.ndarray):
        self.rest, self.solver = rest, MeshSolver(rest)
        mean = mean_mesh().vertices
        width = rest[291, 0] - rest[61, 0]
        # Full-size shapes would tear a small painted mouth open.
        ratio = float(np.clip(width / (mean[291, 0] - mean[61, 0]), 0.55, 1.0))
        self.mouth_scale = 0.35 + 0.65 * ratio
        self.half_width = max(width / 2, 0.1)
        self.along: dict[int, float] = {}  # place along the lip: -1 and 1 at the corners of its own line
        for loop in (OUTER_UPPER_LIP, OUTER_LOWER_LIP, INNER_UPPER_LIP, INNER_LOWER_LIP):
            x = rest[list(loop), 0]
            middle, half = (x[0] + x[-1]) / 2, max((x[-1] - x[0]) / 2, 0.05)
            self.along |= {
                p: float(np.clip((v - middle) / half, -1, 1)) for p, v in zip(loop, x, strict=True)
            }

    # Handles -------------------------------------------------------------------------------------

    def side(self, left: bool, points: dict[int, tuple[float, float, float]]) -> Handles:
        """Vectors (outward, down, away) given for the person's right, for either side."""
        ids = mirrored(tuple(points)) if left else tuple(points)
        sign = 1.0 if left else -1.0
        return {p: np.array([sign * x, y, z]) for p, (x, y, z) in zip(ids, points.values(), strict=True)}

    @staticmethod
    def still(*groups: tuple[int, ...]) -> Handles:
        return {p: np.zeros(3) for group in groups for p in group}

    def lips(self, move, *, upper: float = 1.0, lower: float = 1.0) -> Handles:
        """``move(t, is_upper, is_inner) -> (right, down, away)`` at every lip point, t from -1 to 1 along the lip."""
        out: Handles = {}
        loops = (
            (OUTER_UPPER_LIP, 1, 0),
            (OUTER_LOWER_LIP, 0, 0),
            (INNER_UPPER_LIP, 1, 1),
            (INNER_LOWER_LIP, 0, 1),
        )
        for loop, is_upper, is_inner in loops:
            for p in loop:
                vector = np.array(move(self.along[p], is_upper, is_inner), float)
                out[p] = vector * (upper if is_upper else lower)
        return out

    def eye(self, left: bool) -> tuple[tuple[int, ...], tuple[int, ...], np.ndarray, float]:
        """Upper lid, lower lid, opening [9, 3] (upper to lower) and eye width of one eye."""
        upper, lower = (mirrored(UPPER_LID), mirrored(LOWER_LID)) if left else (UPPER_LID, LOWER_LID)
        gap = self.rest[list(lower)] - self.rest[list(upper)]
        return upper, lower, gap, float(np.linalg.norm(self.rest[upper[0]] - self.rest[upper[-1]]))

    def lids(self, left: bool, upper_share: float, lower_share: float) -> Handles:
        """Upper lid down by a share of the person's own opening, lower lid up by another; brow and cheek stay."""
        upper, lower, gap, _ = self.eye(left)
        out = {p: g * upper_share for p, g in zip(upper[1:-1], gap[1:-1], strict=True)}
        out |= {p: -g * lower_share for p, g in zip(lower[1:-1], gap[1:-1], strict=True)}
        pick = mirrored if left else tuple
        out |= self.still(
            (upper[0], upper[-1]), pick(BROW_BOTTOM), pick(BROW_TOP), pick((50, 101, 118, 117, 119, 100))
        )
        # The skin above the lid folds in rather than stretching from the brow.
        folds = pick((247, 30, 29, 27, 28, 56, 190))
        return out | {p: g * upper_share * 0.42 for p, g in zip(folds, gap[1:-1], strict=True)}

    def brow(self, left: bool, top: tuple, *, bottom: float = 0.9, lid_follow: float = 0.0) -> Handles:
        """Brow vectors outer to inner (right, as seen from the side), the lower row by a share of them."""
        handles = self.side(left, dict(zip(BROW_TOP, top, strict=True)))
        handles |= self.side(
            left, {p: tuple(bottom * np.array(v)) for p, v in zip(BROW_BOTTOM, top, strict=True)}
        )
        pick = mirrored if left else tuple
        handles |= self.still(pick(ALL_LIDS), OVAL_TOP, (168, 6, 197, 195, 5, 4), pick((50, 118, 234)))
        if lid_follow:
            upper, _, gap, _ = self.eye(left)
            bump = np.sin(np.linspace(0, np.pi, 9))[:, None]
            handles |= {p: v for p, v in zip(upper[1:-1], (gap * bump * lid_follow)[1:-1], strict=True)}
        return handles

    @property
    def mouth_fence(self) -> Handles:
        return self.still(NOSE, ALL_LIDS, mirrored(ALL_LIDS), FACE_OVAL, (116, 345, 117, 346))

    # Shapes --------------------------------------------------------------------------------------

    def shapes(self) -> dict[str, Handles]:
        out = self.middle_shapes()
        for left in (False, True):
            side = "Left" if left else "Right"
            for name, handles in {
                **self.eye_shapes(left),
                **self.cheek_shapes(left),
                **self.lip_shapes(left),
            }.items():
                out[name + side] = handles
        return out

    def eye_shapes(self, left: bool) -> dict[str, Handles]:
        # Each look moves the iris (see ``gaze``); here only the lids that follow it.
        return {
            "eyeBlink": self.lids(left, 0.88, 0.12),
            "eyeSquint": self.lids(left, 0.16, 0.34),
            "eyeWide": self.lids(left, -0.38, -0.10),
            "eyeLookDown": self.lids(left, 0.42, -0.10),
            "eyeLookUp": self.lids(left, -0.15, 0.08),
            "browDown": self.brow(
                left,
                ((0, 0.02, 0), (0, 0.05, 0), (0, 0.08, 0), (-0.02, 0.10, 0), (-0.035, 0.105, 0)),
                lid_follow=0.22,
            ),
            "browOuterUp": self.brow(
                left,
                ((0.01, -0.13, 0), (0, -0.16, 0), (0, -0.13, 0), (0, -0.06, 0), (0, -0.02, 0)),
                lid_follow=-0.06,
            ),
        }

    def cheek_shapes(self, left: bool) -> dict[str, Handles]:
        pick = mirrored if left else tuple
        _, lower, gap, _ = self.eye(left)
        squint = self.side(left, {101: (0, -0.07, -0.02), 118: (0, -0.08, -0.02), 50: (0, -0.075, -0.03)})
        squint |= {p: -g * 0.22 for p, g in zip(lower[1:-1], gap[1:-1], strict=True)}
        squint |= self.still(
            pick(UPPER_LID), pick(BROW_BOTTOM), NOSE, OUTER_UPPER_LIP, FACE_OVAL, pick((BROW_TOP[0], 127))
        )
        sneer = self.side(
            left,
            {129: (0.015, -0.07, 0), 102: (0.012, -0.06, 0), 49: (0.01, -0.05, 0), 64: (0.012, -0.055, 0)},
        )
        sneer |= self.side(
            left,
            {40: (0, -0.03, 0), 39: (0, -0.05, 0), 37: (0, -0.035, 0), 80: (0, -0.04, 0), 81: (0, -0.045, 0)},
        )
        sneer |= self.side(left, {107: (0, 0.03, 0), 55: (0, 0.035, 0), 193: (0, -0.015, 0)})
        sneer |= self.still((1, 4, 2, 6, 168), pick(ALL_LIDS), FACE_OVAL, OUTER_LOWER_LIP, pick((50, 105)))
        return {"cheekSquint": squint, "noseSneer": sneer}

    def lip_shapes(self, left: bool) -> dict[str, Handles]:
        s = 1.0 if left else -1.0

        def corner(t: float) -> float:
            """1 at this side's corner, fading across the middle of the lip."""
            return float(np.clip((t * s + 0.35) / 1.35, 0, 1) ** 1.3)

        def half(t: float) -> float:
            return float(np.exp(-(((t * s - 0.42) / 0.45) ** 2)))

        def pull(out: float, down: float, away: float, middle: float = 0.0):
            return lambda t, upper, inner: (
                s * out * corner(t),
                down * corner(t) + middle * (1 - abs(t)),
                away * corner(t),
            )

        def rim(t: float, upper: int, inner: int):
            """Thin the red: the outer edge comes 35 % of the way to the inner line, an open gap closes by 30 %."""
            return self.toward_line(t, upper, inner, 0.35, 0.30, weight=np.clip(0.5 + t * s, 0, 1))

        fence = self.mouth_fence
        smile_cheek = self.side(
            left, {205: (0.06, -0.10, -0.03), 50: (0.02, -0.07, -0.02), 187: (0.06, -0.07, -0.02)}
        )
        return {
            "mouthSmile": fence | self.lips(pull(0.15, -0.15, 0.08, -0.02)) | smile_cheek,
            "mouthFrown": fence | self.lips(pull(0.03, 0.13, 0.03)) | self.side(left, {205: (0.01, 0.05, 0)}),
            "mouthDimple": fence | self.lips(pull(0.07, -0.01, 0.05)),
            "mouthStretch": fence | self.lips(pull(0.15, 0.04, 0.05)),
            "mouthUpperUp": fence | self.lips(lambda t, upper, inner: (0, -0.12 * half(t), 0), lower=0)
            | self.side(left, {129: (0.01, -0.02, 0)}),
            "mouthLowerDown": fence | self.lips(lambda t, upper, inner: (0, 0.13 * half(t), 0), upper=0),
            "mouthPress": fence | self.lips(rim),
        }  # fmt: skip

    def middle_shapes(self) -> dict[str, Handles]:
        fence = self.mouth_fence
        width = self.half_width

        def purse(corner_pull: float, away: float, upper_up: float = 0.0, lower_down: float = 0.0):
            def move(t: float, upper: int, inner: int):
                open_ = (-upper_up if upper else lower_down) * (1 - t * t) * (1.0 if inner else 0.8)
                return (-corner_pull * width * t, open_, away * (1 - 0.6 * t * t))

            return move

        def sideways(sign: float):
            return lambda t, upper, inner: (sign * 0.14 * (0.7 + 0.3 * sign * t), 0, 0)

        def roll(is_upper_lip: bool):
            def move(t: float, upper: int, inner: int):
                return (
                    self.toward_line(t, upper, inner, 0.45, 0.0) if bool(upper) == is_upper_lip else (0, 0, 0)
                )

            return move

        puff: Handles = {}
        for left in (False, True):
            puff |= self.side(
                left,
                {
                    205: (0.09, 0, -0.12),
                    187: (0.10, 0, -0.12),
                    50: (0.05, 0, -0.08),
                    207: (0.09, 0, -0.10),
                    213: (0.08, 0, -0.06),
                },
            )
        oval_side = (58, 288, 132, 361, 93, 323, 172, 397)
        inner_up = self.brow(
            False, ((0, 0, 0), (0, -0.02, 0), (0, -0.07, 0), (0, -0.14, 0), (0, -0.18, 0)), lid_follow=-0.05
        )
        inner_up |= self.brow(
            True, ((0, 0, 0), (0, -0.02, 0), (0, -0.07, 0), (0, -0.14, 0), (0, -0.18, 0)), lid_follow=-0.05
        )
        inner_up |= {9: np.array([0, -0.10, 0]), 151: np.array([0, -0.08, 0]), 8: np.array([0, -0.06, 0])}
        inner_up.pop(168, None)
        down = (0, -0.08, 0)
        shrug = {p: np.array(down) for p in (152, 175, 199, 200, 18, 201, 421)}
        free_chin = tuple(p for p in FACE_OVAL if p not in CHIN or CHIN[p] < 0.9)
        return {
            "browInnerUp": inner_up,
            "cheekPuff": puff | self.still(ALL_LIDS, mirrored(ALL_LIDS), NOSE, OUTER_UPPER_LIP, OUTER_LOWER_LIP, OVAL_TOP, (152,))
            | {p: np.array([0.035 * np.sign(self.rest[p, 0]), 0, 0]) for p in oval_side},
            "mouthPucker": fence | self.lips(purse(0.42, -0.17)),
            "mouthFunnel": fence | self.lips(purse(0.26, -0.14, 0.06, 0.08)),
            "mouthLeft": fence | self.lips(sideways(1.0)),
            "mouthRight": fence | self.lips(sideways(-1.0)),
            "mouthRollLower": fence | self.lips(roll(False)),
            "mouthRollUpper": fence | self.lips(roll(True)),
            "mouthShrugLower": self.still(NOSE, ALL_LIDS, mirrored(ALL_LIDS), free_chin) | shrug
            | self.lips(lambda t, upper, inner: (0, -0.08 * (1 - 0.5 * t * t) * (0.6 if upper else 1.0), 0)),
            "mouthShrugUpper": fence | self.lips(lambda t, upper, inner: (0, -0.06 * (1 - 0.5 * t * t) * (1.0 if upper else 0.6), 0)),
        }  # fmt: skip

    def toward_line(self, t: float, upper: int, inner: int, rim: float, close: float, weight: float = 1.0):
        """Move a lip point toward the line where the lips meet: outer edge by ``rim``, inner edge by ``close`` / 2."""
        inner_pair = self.rest[[13, 14]]
        gap = max(float(inner_pair[1, 1] - inner_pair[0, 1]), 0.0)
        outer, edge = (self.rest[0, 1], self.rest[13, 1]) if upper else (self.rest[17, 1], self.rest[14, 1])
        fade = 1 - t * t
        closing = (1.0 if upper else -1.0) * gap * close / 2
        shift = closing if inner else (edge - outer) * rim + closing
        return (0.0, float(shift * fade * weight), 0.02 * fade * float(weight))

    # Jaw and gaze --------------------------------------------------------------------------------

    def jaw_weight(self) -> np.ndarray:
        """[468] share of the jaw's motion: 1 at the chin, an ellipse along the lips, 0 above."""
        handles = {p: [float(w)] for p, w in CHIN.items()} | {
            p: [0.0] for p in (*NOSE, *ALL_LIDS, *mirrored(ALL_LIDS), *OVAL_TOP)
        }
        handles |= {p: [0.0] for p in (234, 454, 116, 345, 117, 346, 129, 358, 50, 280)}
        for loop, is_upper in (
            (OUTER_UPPER_LIP, 1),
            (INNER_UPPER_LIP, 1),
            (OUTER_LOWER_LIP, 0),
            (INNER_LOWER_LIP, 0),
        ):
            for p in loop:
                arch = max(0.0, 1 - self.along[p] ** 2) ** 0.8
                handles[p] = [0.40 * (1 - arch) if is_upper else 0.40 + 0.60 * arch]
        points = list(handles)
        return self.solver.spread(points, np.array([handles[p] for p in points]))[:, 0]

    def jaw(self, name: str) -> np.ndarray:
        weight = self.jaw_weight()
        points = self.rest[:MESH_POINTS]
        if name != "jawOpen":
            vector = {"jawForward": (0, 0.02, -0.12), "jawLeft": (0.14, 0, 0), "jawRight": (-0.14, 0, 0)}[
                name
            ]
            return weight[:, None] * np.array(vector)
        ears = self.rest[[234, 454]].mean(0)
        hinge_y, hinge_z = ears[1] + 0.25, ears[2] - 0.05
        angle = np.radians(JAW_DEGREES) * weight
        y, z = points[:, 1] - hinge_y, points[:, 2] - hinge_z
        out = np.zeros((MESH_POINTS, 3))
        out[:, 1] = y * np.cos(angle) - z * np.sin(angle) - y
        out[:, 2] = y * np.sin(angle) + z * np.cos(angle) - z
        # An open mouth is a little narrower.
        for loop in (OUTER_UPPER_LIP, INNER_UPPER_LIP, OUTER_LOWER_LIP, INNER_LOWER_LIP):
            for p in loop:
                out[p, 0] -= 0.11 * self.half_width * self.along[p]
        return out

    def mouth_close(self, jaw_open: np.ndarray) -> np.ndarray:
        """Bring the lips together under an open jaw: mostly the lower lip rises."""
        handles = self.mouth_fence
        pairs = ((INNER_UPPER_LIP, INNER_LOWER_LIP, 1.0), (OUTER_UPPER_LIP, OUTER_LOWER_LIP, 0.85))
        for upper, lower, share in pairs:
            for u, low, iu, il in zip(upper, lower, INNER_UPPER_LIP, INNER_LOWER_LIP, strict=True):
                gap = jaw_open[il] - jaw_open[iu]
                handles[u] = 0.2 * share * gap
                handles[low] = -0.8 * share * gap
        points = list(handles)
        return self.solver.spread(points, np.array([handles[p] for p in points]))

    @staticmethod
    def iris(name: str) -> tuple[int, ...]:
        return LEFT_IRIS if name.endswith("Left") else RIGHT_IRIS

    def gaze(self, name: str) -> np.ndarray:
        """Displacement of the iris for one of the eyeLook shapes."""
        left = name.endswith("Left")
        width = self.eye(left)[3]
        out = 1.0 if left else -1.0
        vectors = {
            "In": (-out * GAZE_IN, 0, 0),
            "Out": (out * GAZE_IN, 0, 0),
            "Down": (0, GAZE_DOWN, 0),
            "Up": (0, -GAZE_UP, 0),
        }
        return width * np.array(next(v for key, v in vectors.items() if f"Look{key}" in name))
