"""The pack's sockets and the few inputs that several nodes share."""

from __future__ import annotations

from collections.abc import Callable

from comfy_api.latest import io

from ..engine.errors import TroupeError

# TROUPE_FACES: engine.faces.Faces. TROUPE_MOTION: engine.motion.FaceMotion. TROUPE_CAST: engine.cast.Cast.
Faces = io.Custom("TROUPE_FACES")
Motion = io.Custom("TROUPE_MOTION")
Cast = io.Custom("TROUPE_CAST")
# TROUPE_EXPRESSION: engine.wan.embeds.ExpressionEmbeds. TROUPE_SPEECH: engine.speech.embeds.SpeechEmbeds.
# TROUPE_ENCODER: host.encoders.LoadedEncoder. Adapters travel with their MODEL.
Expression = io.Custom("TROUPE_EXPRESSION")
Speech = io.Custom("TROUPE_SPEECH")
Encoder = io.Custom("TROUPE_ENCODER")
# TROUPE_EMOTION: engine.speech.emotion.EmotionTrack. TROUPE_PERSONA: engine.speech.persona.Persona.
Emotion = io.Custom("TROUPE_EMOTION")
Persona = io.Custom("TROUPE_PERSONA")
# TROUPE_CROPS: engine.video.crops.Crops, which squares were cut from a picture or clip.
Crops = io.Custom("TROUPE_CROPS")
# TROUPE_CHAMP: host.champ.LoadedChamp. TROUPE_BODY: engine.body.motion.BodyMotion. TROUPE_BODY_MODEL: engine.body.smpl.Smpl.
Champ = io.Custom("TROUPE_CHAMP")
Body = io.Custom("TROUPE_BODY")
BodyModel = io.Custom("TROUPE_BODY_MODEL")
# TROUPE_HALLO: host.hallo.LoadedHallo. TROUPE_IDENTITY: engine.refnet.identity.Identities.
Hallo = io.Custom("TROUPE_HALLO")
Identity = io.Custom("TROUPE_IDENTITY")

# Core's own, from ComfyUI 0.23 on; named here so that older versions carry them too.
# BOUNDING_BOX is a list per frame of {"x", "y", "width", "height", "label", "score"} in pixels.
FaceLandmarks = io.Custom("FACE_LANDMARKS")
BoundingBox = io.Custom("BOUNDING_BOX")

# Folded away by frontends that know the word; ComfyUI 0.8.0 has no argument for it.
ADVANCED = {"advanced": True}

MAX_PERSON = 16


def fps_input(tooltip: str, default: float = 25.0, minimum: float = 1.0) -> io.Float.Input:
    return io.Float.Input("fps", default=default, min=minimum, max=120.0, step=0.01, tooltip=tooltip)


def person_input(name: str, tooltip: str, minimum: int = 1) -> io.Int.Input:
    return io.Int.Input(name, default=minimum, min=minimum, max=MAX_PERSON, tooltip=tooltip)


def seed_input(more: str = "") -> io.Int.Input:
    return io.Int.Input(
        "seed",
        default=0,
        min=0,
        max=0xFFFFFFFF,
        control_after_generate=False,
        tooltip=f"Which blinks and glances the idle motion draws. The same seed gives the same motion.{more}",
    )


def idle_input(more: str = "") -> io.Float.Input:
    return io.Float.Input(
        "idle",
        default=1.0,
        min=0.0,
        max=2.0,
        step=0.05,
        tooltip=f"Life underneath: blinks, small glances, breathing sway. 0 is off, 1 is usual, 2 is lively.{more}",
    )


def valid(check: Callable[[], object]) -> bool | str:
    """ComfyUI's answer to "may this run?": ``True``, or the message of the ``TroupeError`` that ``check`` raises."""
    try:
        check()
    except TroupeError as error:
        return str(error)
    return True
