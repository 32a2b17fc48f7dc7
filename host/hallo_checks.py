"""What Hallo needs, checked before any net runs; and what a user should know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..engine.cast import Role
from ..engine.errors import TroupeError
from ..engine.refnet.hallo_audio import FPS
from ..engine.refnet.hallo_nets import WINDOW, Hallo
from ..engine.speech.embeds import SpeechEmbeds
from .casting import NAMES

if TYPE_CHECKING:
    from comfy.model_patcher import ModelPatcher

    from ..engine.faces.types import Faces
    from ..engine.refnet.identity import Identities


def check_files(model: ModelPatcher, hallo: Hallo, name: str) -> None:
    """Raise a ``TroupeError`` unless the MODEL is of the same file, called ``name``, as the rest."""
    net = model.get_model_object("diffusion_model")
    if getattr(net, "unet", None) is hallo.denoising:
        return
    audio = getattr(getattr(getattr(net, "unet", None), "config", None), "audio", None)
    kind = f"a {type(model.model).__name__}" if audio is None else "a Hallo of another file"
    raise TroupeError(
        "The inputs 'model' and 'hallo' do not belong together",
        f"'hallo' is of {name!r}, 'model' is {kind}",
        "Connect both outputs of one Load Hallo",
    )


def check_roles(
    roles: Sequence[Role], faces: Faces, hallo: Hallo, identities: Identities | None = None
) -> None:
    """Raise a ``TroupeError`` unless every role has a face and speech that Hallo can hear."""
    if not roles:
        raise TroupeError("Nobody speaks", "the cast has no role with a strength", "Give a face speech")
    for role in roles:
        faces.person(role.face)
        _check_drive(role, hallo)
        if identities is not None and role.face in identities.persons:
            found = identities.persons[role.face]
            if len(found.embedding) != hallo.identity_width:
                raise TroupeError(
                    "The face encoder does not fit Hallo",
                    f"{found.encoder!r} makes {len(found.embedding)} values, Hallo reads {hallo.identity_width}",
                    "Use glintr100.onnx of AuraFace-v1",
                )


def _check_drive(role: Role, hallo: Hallo) -> None:
    what = f"Face {role.face} cannot follow its drive"
    if not isinstance(role.drive, SpeechEmbeds):
        raise TroupeError(
            what,
            f"it is {NAMES.get(type(role.drive), type(role.drive).__name__)}, Hallo follows speech",
            "Connect Encode Speech, reader 'Hallo', to its Assign Role",
        )
    if role.drive.fps != FPS:
        raise TroupeError(
            what,
            f"its speech was encoded for FantasyTalking ({role.drive.encoder})",
            "Set the reader of Encode Speech to 'Hallo'",
        )
    layers, _, width = role.drive.hidden.shape
    reads = hallo.audio.proj1.in_features
    if WINDOW * layers * width != reads:
        raise TroupeError(
            what,
            f"its speech has {layers} layers of {width} values, this Hallo reads {reads // WINDOW} values a frame",
            "Load wav2vec2-base-960h with Load Audio Encoder",
        )


def remarks(roles: Sequence[Role], identities: Identities | None, frames: int) -> list[str]:
    """What a user should know of a cast that speaks for so many frames."""
    notes = []
    for role in roles:
        if identities is None or role.face not in identities.persons:
            notes.append(f"Face {role.face} has no identity: it is left to the picture alone.")
        notes += [f"Face {role.face}: {note}" for note in role.drive.notes]
        if frames / FPS > role.drive.duration + 1 / FPS:
            notes.append(
                f"Face {role.face} speaks for {role.drive.duration:.2f} s of {frames / FPS:.2f} s; its last sound is held."
            )
    return notes
