"""What ComfyUI shows: thin V3 nodes, one file per wing."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from ..host.folders import register_models
from .body import BodyMaps, BodyMove, LoadBodyModel, LoadBodyMotion
from .cast import AssignRole, WarpRender
from .champ import ChampConditioning, LoadChamp, TrailingSigmas
from .composite import CropFaces, PlaceFaces, ReplaceFaces
from .example import ExampleMedia, ExampleSpeech
from .expression import EncodeSpeech, ExtractExpression, LoadExpressionEncoder
from .faces import DetectFaces, DrawFaces, FaceMasks
from .guidance import FlowSigmas, LayeredCFG, LayeredGuider
from .hallo import EncodeIdentity, HalloRender, LoadHallo
from .joins import CrossfadeClips, JoinWindows
from .looks import Look, SyncCheck
from .motion import EditMotion, MotionFromPreset, MotionFromTimeline, MotionFromVideo
from .motion_files import LoadMotion, PlotMotion, SaveMotion
from .speech import AlignText, EmotionTrack, MotionFromSpeech, Persona
from .speech_tools import ExportLiveLink, MeasureMotion
from .wan import ApplyCast, FitPicture, LoadPortraitAdapter, LoadWanPortraitModel

NODES = (
    DetectFaces,
    FaceMasks,
    DrawFaces,
    MotionFromVideo,
    MotionFromPreset,
    MotionFromTimeline,
    MotionFromSpeech,
    EmotionTrack,
    Persona,
    AlignText,
    EditMotion,
    LoadMotion,
    SaveMotion,
    PlotMotion,
    ExportLiveLink,
    MeasureMotion,
    AssignRole,
    WarpRender,
    CropFaces,
    PlaceFaces,
    ReplaceFaces,
    CrossfadeClips,
    JoinWindows,
    Look,
    SyncCheck,
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
    LoadBodyModel,
    LoadBodyMotion,
    BodyMove,
    BodyMaps,
    LoadHallo,
    EncodeIdentity,
    HalloRender,
    LoadChamp,
    ChampConditioning,
    TrailingSigmas,
    ExampleMedia,
    ExampleSpeech,
)


class TroupeExtension(ComfyExtension):
    """All nodes of the pack."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        register_models()
        return list(NODES)
