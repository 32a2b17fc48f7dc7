"""What ComfyUI shows: thin V3 nodes, one file per wing."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from ..host.folders import register_models
from .cast import AssignRole, WarpRender
from .example import ExampleMedia
from .expression import EncodeSpeech, ExtractExpression, LoadExpressionEncoder
from .faces import DetectFaces, DrawFaces, FaceMasks
from .guidance import FlowSigmas, LayeredCFG, LayeredGuider
from .motion import EditMotion, MotionFromPreset, MotionFromTimeline, MotionFromVideo
from .motion_files import LoadMotion, PlotMotion, SaveMotion
from .wan import ApplyCast, FitPicture, LoadPortraitAdapter, LoadWanPortraitModel

NODES = (
    DetectFaces,
    FaceMasks,
    DrawFaces,
    MotionFromVideo,
    MotionFromPreset,
    MotionFromTimeline,
    EditMotion,
    LoadMotion,
    SaveMotion,
    PlotMotion,
    AssignRole,
    WarpRender,
    LoadWanPortraitModel,
    LoadPortraitAdapter,
    LoadExpressionEncoder,
    ExtractExpression,
    EncodeSpeech,
    ApplyCast,
    FitPicture,
    LayeredGuider,
    LayeredCFG,
    FlowSigmas,
    ExampleMedia,
)


class TroupeExtension(ComfyExtension):
    """All nodes of the pack."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        register_models()
        return list(NODES)
