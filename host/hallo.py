"""Hallo in ComfyUI: its nets under the host's memory management, and faces of a picture that speak, clip after clip."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import comfy.model_management
import comfy.sample
import comfy.utils
import latent_preview
import numpy as np
import torch

from ..engine.cast import Cast, Role
from ..engine.errors import TroupeError
from ..engine.guidance import Guidance, Layer
from ..engine.refnet.config import HALLO_MOTION_FRAMES, MAX_FRAMES
from ..engine.refnet.hallo import Portrait, hallo_scene, portrait_of
from ..engine.refnet.hallo_audio import frame_windows
from ..engine.refnet.hallo_masks import hallo_masks
from ..engine.refnet.hallo_nets import Hallo
from ..engine.refnet.load import load_hallo
from ..engine.refnet.schedule import sigmas
from ..engine.video.composite import Blend, Crops, cut_faces, place_faces, plan_crops
from .guider import LayeredGuider
from .hallo_checks import check_files, check_roles
from .memory import enough_memory, patcher_of
from .refnet import as_model, conditioning_of, exact_sampler, weight_type
from .sd_vae import CELL, check_vae, encoded

if TYPE_CHECKING:
    from comfy.model_patcher import ModelPatcher
    from torch import Tensor

    from ..engine.faces.types import Faces
    from ..engine.refnet.bank import Bank
    from ..engine.refnet.identity import Identities

BYTES = 40_000  # that a cell of a latent takes while a net looks at it, as ComfyUI reckons, and as much for what it writes
MIN_CLIP, MAX_CLIP = HALLO_MOTION_FRAMES, MAX_FRAMES - HALLO_MOTION_FRAMES
SEEDS = 1 << 16  # between two faces: as many clips have noise of their own
# How far speech reaches by a role's region: into the rest of the picture, the face, the lips.
REACH = {
    "full": (1.0, 1.0, 1.0),
    "head": (1.0, 1.0, 1.0),
    "face": (0.0, 1.0, 1.0),
    "eyes": (0.0, 1.0, 0.0),
    "lips": (0.0, 0.0, 1.0),
}


@dataclass(frozen=True, eq=False)
class LoadedHallo:
    """All of Hallo, and the patchers of what is not the MODEL.

    Attributes:
        hallo: The nets; the denoising one is the MODEL's.
        name: Of the file.
        patchers: Reference net and small nets.
    """

    hallo: Hallo
    name: str
    patchers: tuple[ModelPatcher, ...]

    @classmethod
    def of(cls, path: Path) -> tuple[ModelPatcher, LoadedHallo]:
        """The MODEL and the rest of a file.

        Raises:
            TroupeError: if the file is none of Hallo's.
        """
        dtype = weight_type()
        hallo = Hallo.of(load_hallo(path, dtype), dtype)
        small = torch.nn.ModuleList([hallo.locator, hallo.identity, hallo.audio])
        patchers = (patcher_of(hallo.reference), patcher_of(small))
        return as_model(hallo.denoising, ("portrait", "speech")), cls(hallo, path.name, patchers)

    def on_device(self, side: int) -> torch.device:
        """Bring the nets beside the MODEL to their device, with room to look at latents of ``side``; says which."""
        room = 2 * (1 + HALLO_MOTION_FRAMES) * side * side * BYTES
        comfy.model_management.load_models_gpu(list(self.patchers), memory_required=room)
        return self.patchers[0].load_device


@dataclass(frozen=True)
class HalloSettings:
    """How a cast is filmed.

    Attributes:
        size, margin: Side in pixels of the square around each face, and room on each side of the face in its sizes.
        clip: Frames that are made at once.
        guidance: Of the layers ``portrait`` and ``speech``.
        reach: How far speech reaches into the rest of the picture, the face, the lips.
        seed: Of the noise: clip k of face n has the seed + (n - 1) * 65536 + k.
        sampler, sigmas: ComfyUI's.
        blend: How the squares meet the picture.
    """

    size: int
    margin: float
    clip: int
    guidance: Guidance
    reach: tuple[float, float, float]
    seed: int
    sampler: Any
    sigmas: Tensor
    blend: Blend

    @classmethod
    def of(
        cls,
        *,
        size: int = 512,
        margin: float = 0.5,
        clip: int = 16,
        scales: tuple[float, float] = (3.5, 3.5),
        reach: tuple[float, float, float] = (1.0, 1.0, 1.0),
        seed: int = 0,
        steps: int = 40,
        sampler: Any = None,
        schedule: Tensor | None = None,
        blend: Blend | None = None,
    ) -> HalloSettings:
        """With the published sampler and schedule where none are given.

        Args:
            scales: Of portrait and speech.
            schedule: Falling sigmas.

        Raises:
            TroupeError: if a value is out of range.
        """
        if not MIN_CLIP <= clip <= MAX_CLIP:
            raise TroupeError(
                f"Clips of {clip} frames are not possible",
                f"{HALLO_MOTION_FRAMES} frames of the clip before belong to each, and the motion modules know {MAX_FRAMES}",
                f"Use {MIN_CLIP} to {MAX_CLIP}; Hallo was trained with 14 to 16",
            )
        schedule = sigmas(steps) if schedule is None else schedule
        if schedule.ndim != 1 or len(schedule) < 2:
            raise TroupeError(
                "The input 'sigmas' is no schedule",
                f"its shape is {list(schedule.shape)}, there is no step in it",
                "Connect a scheduler, or nothing",
            )
        portrait, speech = scales
        guidance = Guidance((Layer("portrait", portrait), Layer("speech", speech)))
        return cls(
            size, margin, clip, guidance, reach, seed, sampler or exact_sampler(), schedule, blend or Blend()
        )

    def clips(self, frames: int) -> int:
        """How many make so many frames.

        Raises:
            TroupeError: for none.
        """
        if frames < 1:
            raise TroupeError("There are no clips to make", f"{frames} frames were asked for", "Ask for one")
        return -(-frames // self.clip)


@dataclass(frozen=True, eq=False)
class Actor:
    """A face that speaks.

    Attributes:
        portrait: What it looks like, on the device.
        hidden: ``[layers, F, D]``, what it hears.
        seed: Of its first clip.
    """

    portrait: Portrait
    hidden: np.ndarray
    seed: int


def film(
    model: ModelPatcher,
    loaded: LoadedHallo,
    vae: Any,
    picture: np.ndarray,
    cast: Cast,
    faces: Faces,
    frames: int,
    how: HalloSettings,
    *,
    identities: Identities | None = None,
) -> Iterator[np.ndarray]:
    """The picture, its faces speaking. Only one clip is held at a time.

    Args:
        model: Of ``LoadedHallo.of``, or a clone.
        vae: ComfyUI's, of Stable Diffusion 1.5.
        picture: float32 ``[H, W, 3]`` in 0..1.
        cast: Roles that speech encoded for Hallo drives; those of strength 0 hold still.
        faces: Of the picture.
        frames: How many.
        identities: Of the faces; who has none is shown without.

    Yields:
        Frames like ``picture``.

    Raises:
        TroupeError: if anything does not fit, before any net runs; or if the memory of the GPU runs out.
    """
    roles = [role for role in cast if role.strength > 0]
    check_files(model, loaded.hallo, loaded.name)
    check_vae(vae, "Hallo")
    check_roles(roles, faces, loaded.hallo, identities)
    how.clips(frames)
    return _shots(model, loaded, vae, picture, roles, crops_of(roles, faces, how), frames, how, identities)


def _shots(
    model: ModelPatcher,
    loaded: LoadedHallo,
    vae: Any,
    picture: np.ndarray,
    roles: Sequence[Role],
    crops: Crops,
    frames: int,
    how: HalloSettings,
    identities: Identities | None,
) -> Iterator[np.ndarray]:
    clips = how.clips(frames)
    steps = Steps(model, clips * len(roles) * (len(how.sigmas) - 1))
    asked = f"{how.clip} frames of {how.size} x {how.size} were to be encoded and decoded"
    with enough_memory(asked, "Choose a smaller size or fewer frames at a time ('clip_frames')"):
        actors = [
            act(loaded, vae, role, crop, replace(crops, windows=(window,)), how, identities, model)
            for role, window, crop in zip(
                roles, crops.windows, next(iter(cut_faces([picture], crops))), strict=True
            )
        ]
        before: list[Tensor | None] = [None] * len(actors)
        for clip in range(clips):
            results = []
            for k, actor in enumerate(actors):
                made, before[k] = one_clip(model, loaded, vae, actor, clip, before[k], how, steps)
                results.append(made[: frames - clip * how.clip])
            placed = place_faces([picture], np.concatenate(results), crops, how.blend)
            yield from (frame for frame, _ in placed)


def act(
    loaded: LoadedHallo,
    vae: Any,
    role: Role,
    crop: np.ndarray,
    where: Crops,
    how: HalloSettings,
    identities: Identities | None,
    model: ModelPatcher,
) -> Actor:
    """A role with all that stays the same over the clips; ``where`` has only its window."""
    hallo, side = loaded.hallo, how.size // CELL
    left, top, span = where.windows[0].at(0)
    points = (where.windows[0].track.first.landmarks[:, :2] - (left, top)) * (how.size / span)
    masks = hallo_masks(points, how.size, how.size, hallo.denoising.config.sizes(side, side))
    latents = encoded(vae, torch.from_numpy(np.ascontiguousarray(crop))[None].float(), "Hallo")
    identity = torch.zeros(1, hallo.identity_width)
    if identities is not None and role.face in identities.persons:
        identity = torch.from_numpy(identities.persons[role.face].embedding)[None]
    device = loaded.on_device(side)
    portrait = portrait_of(
        hallo,
        latents.to(device, hallo.reference.conv_in.weight.dtype),
        identity,
        masks,
        tuple(role.strength * a * b for a, b in zip(how.reach, REACH[role.region], strict=True)),
    )
    return Actor(portrait, role.drive.hidden, how.seed + (role.face - 1) * SEEDS)


def one_clip(
    model: ModelPatcher,
    loaded: LoadedHallo,
    vae: Any,
    actor: Actor,
    clip: int,
    before: Tensor | None,
    how: HalloSettings,
    steps: Steps,
) -> tuple[np.ndarray, Tensor]:
    """The frames of a clip, float32 ``[n, size, size, 3]`` in 0..1, and the latents of its last two."""
    side = how.size // CELL
    device = loaded.on_device(side)
    bank: Bank = actor.portrait.look(None if before is None else before.to(device))
    windows = frame_windows(actor.hidden, how.clip, clip * how.clip)
    latents = sample(
        model,
        hallo_scene(actor.portrait, bank, windows),
        torch.zeros(how.clip, 4, side, side),
        how,
        actor.seed + clip,
        steps,
    )
    pictures = vae.decode(latents)
    last = encoded(vae, pictures[-HALLO_MOTION_FRAMES:], "Hallo")
    return pictures.float().clamp(0, 1).cpu().numpy(), last


def sample(
    model: ModelPatcher, scene: Any, empty: Tensor, how: HalloSettings, seed: int, steps: Steps
) -> Tensor:
    """Latents of a scene, as ComfyUI's VAE wants them."""
    guider = LayeredGuider(model, how.guidance)
    guider.set_conds(*conditioning_of(scene))
    seed %= 1 << 64
    return guider.sample(
        comfy.sample.prepare_noise(empty, seed),
        empty,
        how.sampler,
        how.sigmas,
        callback=steps.next_run(),
        disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED,
        seed=seed,
    )


class Steps:
    """ComfyUI's bar over all clips, with its preview of each step."""

    def __init__(self, model: ModelPatcher, total: int):
        self._bar = comfy.utils.ProgressBar(total)
        self._total, self._done = total, 0
        self._previewer = latent_preview.get_previewer(model.load_device, model.model.latent_format)

    def next_run(self) -> Callable[[int, Tensor, Tensor, int], None]:
        """A callback for a sampler; that the user has stopped the job is noticed here."""
        comfy.model_management.throw_exception_if_processing_interrupted()
        start = self._done

        def after(step: int, denoised: Tensor, x: Tensor, steps: int) -> None:
            self._done = start + step + 1
            shown = None
            if self._previewer is not None:
                shown = self._previewer.decode_latent_to_preview_image("JPEG", denoised[-1:])
            self._bar.update_absolute(self._done, self._total, shown)

        return after


def crops_of(roles: Sequence[Role], faces: Faces, how: HalloSettings) -> Crops:
    """A square around each role's face."""
    planned = [plan_crops(faces, person=role.face, size=how.size, margin=how.margin) for role in roles]
    return replace(planned[0], windows=tuple(plan.windows[0] for plan in planned))
