"""What ComfyUI shows: thin V3 nodes, one file per wing."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from ..host.folders import register_models
from .cast import AssignRole, WarpRender
from .example import ExampleMedia
from .faces import DetectFaces, DrawFaces, FaceMasks
from .motion import EditMotion, MotionFromPreset, MotionFromTimeline, MotionFromVideo
from .motion_files import LoadMotion, PlotMotion, SaveMotion

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
    ExampleMedia,
)


class TroupeExtension(ComfyExtension):
    """All nodes of the pack."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        register_models()
        return list(NODES)
