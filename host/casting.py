"""From a cast to what its adapters do in the model: drives of any kind become windows of tokens and territories."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..engine.body.motion import BodyMotion
from ..engine.cast import Cast, Role
from ..engine.errors import TroupeError
from ..engine.motion.face_motion import FaceMotion
from ..engine.speech.embeds import SpeechEmbeds
from ..engine.wan.branch import BranchInput
from ..engine.wan.embeds import ExpressionEmbeds
from ..engine.wan.territory import territories
from .adapters import adapters_of
from .wan_patch import CastBranch, Prepare

if TYPE_CHECKING:
    from comfy.model_patcher import ModelPatcher

    from ..engine.faces.types import Faces
    from ..engine.wan.adapter import Adapter

DEFAULT_FPS = 25.0
NEEDS = {ExpressionEmbeds: "portrait", SpeechEmbeds: "talking"}
NAMES = {
    ExpressionEmbeds: "an expression",
    SpeechEmbeds: "speech",
    FaceMotion: "a motion",
    BodyMotion: "a body motion",
}
FILES = {"portrait": "fantasyportrait_model", "talking": "fantasytalking_model"}

# A role driven by a motion to the expression of its preview; how often motions are sampled is the second argument.
Encode = Callable[[Role, float, int], ExpressionEmbeds]


@dataclass(frozen=True, eq=False)
class Staging:
    """How a cast is put on a model.

    Attributes:
        faces: Of the picture.
        fps: Frames per second of the result.
        tracked: Whether territories follow the heads; otherwise one box for each face, as in the reference.
        background: Whether what belongs to nobody sees everybody's drive (else nobody's).
    """

    faces: Faces
    fps: float
    tracked: bool = True
    background: bool = True


def common_fps(cast: Cast, fps: float) -> float:
    """``fps``, or if that is 0 the rate of the first drive that has one of its own."""
    if fps > 0:
        return fps
    rates = [r.drive.fps for r in cast if isinstance(r.drive, ExpressionEmbeds | FaceMotion)]
    return rates[0] if rates else DEFAULT_FPS


def common_length(cast: Cast, fps: float) -> int:
    """Frames of the longest clip that every drive covers, 4k + 1 as the model wants them."""
    shortest = min(role.drive.duration for role in cast)
    return max(1, (math.floor(shortest * fps + 1e-6) - 1) // 4 * 4 + 1)


def describe(cast: Cast, fps: float, length: int) -> str:
    """What was decided, for the user."""
    lines = [f"{length} frames at {fps:g} fps ({length / fps:.2f} s)"]
    shortest = min(cast, key=lambda role: role.drive.duration)
    for role in cast:
        own = f", {fps_own:g} fps" if (fps_own := getattr(role.drive, "fps", None)) else ""
        decides = ", the shortest: it sets the length" if role is shortest and len(cast) > 1 else ""
        lines.append(
            f"Face {role.face}: {NAMES[type(role.drive)]}, {role.drive.duration:.2f} s{own}, "
            f"region {role.region}, strength {role.strength:g}{decides}"
        )
        lines += [f"  {note}" for note in getattr(role.drive, "notes", ())]
    return "\n".join(lines)


def stage(model: ModelPatcher, cast: Cast, staging: Staging, encode: Encode | None) -> list[CastBranch]:
    """One branch for each adapter that has a role, every drive in the adapter's own form.

    Args:
        model: Carries the adapters.
        cast: Who is driven by what; roles of strength 0 are left out.
        staging: How.
        encode: For roles that a motion drives; None if there is no encoder.

    Raises:
        TroupeError: if a face, an adapter or the encoder is missing.
    """
    if not len(cast):
        raise TroupeError("Nobody acts", "the cast is empty", "Give at least one face a drive")
    for role in cast:
        staging.faces.person(role.face)
    cast = Cast.of(encoded(role, staging.fps, encode) for role in cast if role.strength > 0)
    loaded = adapters_of(model)
    branches = []
    for kind in ("portrait", "talking"):
        roles = [role for role in cast if NEEDS[type(role.drive)] == kind]
        if not roles:
            continue
        if kind not in loaded:
            raise TroupeError(
                f"Face {roles[0].face} cannot follow its drive",
                f"its drive is {NAMES[type(roles[0].drive)]}, and the model carries no {kind} adapter",
                f"Add one with Load Portrait Adapter (a file such as {FILES[kind]}) before Apply Cast",
            )
        own = {role.face for role in roles}
        others = [track.person for track in staging.faces if track.person not in own]
        branches.append(
            CastBranch(loaded[kind], preparing(loaded[kind].adapter, roles, others, cast, staging))
        )
    return branches


def encoded(role: Role, fps: float, encode: Encode | None) -> Role:
    """The role with an expression where it had a motion."""
    if type(role.drive) in NEEDS:
        return role
    if not isinstance(role.drive, FaceMotion):
        raise TroupeError(
            f"Face {role.face} cannot be driven by {NAMES.get(type(role.drive), type(role.drive).__name__)}",
            "the drives of this model are an expression, a motion and speech",
            "Connect Extract Expression, a motion node or Encode Speech; body motions are for Body Maps and Champ",
        )
    if encode is None:
        raise TroupeError(
            f"Face {role.face} is driven by a motion, which this model cannot read as it is",
            "a preview of the face has to be rendered and encoded, and 'encoder' or 'image' is not connected",
            "Connect Load Expression Encoder and the picture to Apply Cast",
        )
    frames = max(1, math.ceil(role.drive.duration * fps))
    # The preview shows the motion in its region and strength already.
    return Role(role.face, encode(role, fps, frames), region=role.region)


def preparing(
    adapter: Adapter, roles: list[Role], others: list[int], cast: Cast, staging: Staging
) -> Prepare:
    """What makes an adapter's input once the size of the latent is known.

    ``others`` are the faces that this adapter does not drive: their part of the picture is not background.
    """

    def prepare(latents: int, rows: int, columns: int) -> BranchInput:
        frames = 4 * (latents - 1) + 1
        for role in roles:
            warn_if_short(role, frames, staging.fps)
        windows = [adapter.windows(role.drive, frames, staging.fps) for role in roles]
        lens = None if windows[0].lens is None else torch.stack([w.lens for w in windows], 1)
        paths = paths_of(cast, staging.fps, frames)
        seen = territories(
            staging.faces,
            roles,
            [paths.get(role.face) for role in roles],
            grid=(latents, rows, columns),
            frames=frames,
            mode="tracked" if staging.tracked else "fixed",
            background="all" if staging.background else "none",
            others={face: paths.get(face) for face in others},
        )
        return BranchInput(
            torch.stack([w.tokens for w in windows], 1),
            lens,
            tuple(float(role.strength) for role in roles),
            torch.from_numpy(seen),
        )

    return prepare


def paths_of(cast: Cast, fps: float, frames: int) -> dict[int, np.ndarray]:
    """For each face that an expression drives, the driving face's boxes float32 ``[frames, 4]``; speech has no picture."""
    return {
        role.face: role.drive.resample(fps, frames).boxes
        for role in cast
        if isinstance(role.drive, ExpressionEmbeds)
    }


def warn_if_short(role: Role, frames: int, fps: float) -> None:
    if frames / fps > role.drive.duration + 1 / fps:
        logging.warning(
            "Troupe: face %d's drive lasts %.2f s, the clip %.2f s: its end is held",
            role.face,
            role.drive.duration,
            frames / fps,
        )
