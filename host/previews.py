"""Motions as expressions, from within a node."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ..engine.cast import Role
from ..engine.wan.embeds import ExpressionEmbeds
from ..engine.wan.preview import motion_expression
from .clips import same_frames
from .encoders import LoadedEncoder
from .folders import model_folders
from .progress import NodeProgress
from .tensors import single, to_uint8

if TYPE_CHECKING:
    from ..engine.faces.types import Faces
    from .casting import Encode


def preview_encoder(loaded: LoadedEncoder, image: torch.Tensor, faces: Faces) -> Encode:
    """What encodes a role that a motion drives: its face in ``image`` is animated by the warp and looked at."""
    single(image, "image")
    same_frames(image, faces)
    picture = to_uint8(image[0])

    def encode(role: Role, fps: float, frames: int) -> ExpressionEmbeds:
        return motion_expression(
            loaded.encoder,
            picture,
            faces,
            role,
            fps,
            frames,
            device=loaded.on_device(),
            model_folders=model_folders(),
            progress=NodeProgress(),
        )

    return encode
