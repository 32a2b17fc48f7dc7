"""Expressions of the people in a clip: their faces aligned, encoded in batches, gaps filled by time.

encoder = ExpressionEncoder.load("pd_fpg.pth")
embeds = encode_clip(encoder, frames, find_faces(frames, fps=25))  # {1: ExpressionEmbeds, 2: ...}
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import TroupeError
from ..faces.align import align_crop, five_points
from ..faces.find import require_faces
from ..faces.frames import iterate
from ..faces.smooth import stretches
from ..faces.types import Faces, FaceTrack
from ..progress import Progress, report
from .embeds import FEATURES, ExpressionEmbeds

if TYPE_CHECKING:
    import torch

    from .pdfgc import PDFGC

PREFIX = "pd_fpg."  # of the encoder's names in the file that holds FantasyPortrait as a whole
PICTURE_FPS = 25.0  # of a clip that does not say
RAREST = 0.2  # share of the frames in which a person must be seen
CPU_BATCH = 4  # on the processor larger batches outgrow its caches and are slower
LISTED = 3  # stretches named in a note before "and N more"


@dataclass(frozen=True, eq=False)
class ExpressionEncoder:
    """PD-FGC ready for use.

    Attributes:
        module: The network in float32, in eval mode; the caller decides on which device it lies.
    """

    module: PDFGC

    @classmethod
    def load(cls, path: str | Path) -> ExpressionEncoder:
        """The encoder from ``pd_fpg.pth``, or from a FantasyPortrait file that holds it under ``pd_fpg.``.

        Raises:
            TroupeError: if the file cannot be read, holds no encoder, or one with keys missing, unknown, of another
                shape or not finite.
        """
        import torch

        from ..checkpoint import listed, load_checkpoint, load_strict, subset
        from .pdfgc import PDFGC, UNUSED

        path = Path(path)
        tensors = load_checkpoint(path)
        with torch.device("meta"):
            module = PDFGC()
        own = subset(tensors, PREFIX) or tensors
        if not own.keys() & module.state_dict().keys():
            raise TroupeError(
                f"The file {path.name!r} holds no expression encoder",
                f"what it holds is {listed(sorted({key.partition('.')[0] for key in tensors}))}",
                "Choose pd_fpg.pth, or FantasyPortrait's single safetensors file",
            )
        load_strict(module, own, path.name, UNUSED)
        return cls(module.eval().requires_grad_(False))

    def encode_crops(
        self, crops: np.ndarray, device: str | torch.device = "cpu", batch: int = 16
    ) -> np.ndarray:
        """Features of aligned faces.

        Args:
            crops: uint8 ``[N, 224, 224, 3]`` RGB.
            device: Where the module lies.
            batch: Most crops at a time; on the processor no more than ``CPU_BATCH``. Falls by half where memory
                does not suffice.

        Returns:
            float32 ``[N, 554]``, parts as ``embeds.PARTS``.

        Raises:
            TroupeError: if not even one crop fits into the memory.
        """
        import torch

        from .pdfgc import SIDE

        if crops.dtype != np.uint8 or crops.ndim != 4 or crops.shape[1:] != (SIDE, SIDE, 3):
            raise ValueError(f"crops must be uint8 [N, {SIDE}, {SIDE}, 3], got {crops.dtype} {crops.shape}")
        if batch < 1:
            raise ValueError(f"batch must be at least 1, got {batch}")
        if torch.device(device).type == "cpu":
            batch = min(batch, CPU_BATCH)
        out = np.empty((len(crops), FEATURES), np.float32)
        done = 0
        while done < len(crops):
            part = crops[done : done + batch]
            features = self._features(part, device)
            if features is not None:
                out[done : done + len(part)] = features
                done += len(part)
                continue
            torch.cuda.empty_cache()
            if len(part) == 1:
                raise TroupeError(
                    "The expression encoder ran out of memory",
                    f"not even one face of {SIDE}x{SIDE} pixels fits into what is free on {device}",
                    "Close what else uses the GPU, or run the encoder on the processor",
                )
            batch = len(part) // 2
        return out

    def _features(self, crops: np.ndarray, device: str | torch.device) -> np.ndarray | None:
        """One batch, or None if memory does not suffice: what failed is released before the caller tries again."""
        import torch

        # TF32, cuDNN's default for convolutions, has three digits and the deepest path forty layers.
        exact = torch.backends.cudnn.flags(
            enabled=torch.backends.cudnn.enabled, deterministic=True, allow_tf32=False
        )
        try:
            with torch.inference_mode(), exact:
                images = torch.from_numpy(crops).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1
                if not images.is_cpu:  # the processor is faster with channels last, as the crops come
                    images = images.contiguous()
                return self.module(images).cpu().numpy()
        except torch.cuda.OutOfMemoryError:
            return None


def encode_clip(
    encoder: ExpressionEncoder,
    frames: Iterable[np.ndarray],
    faces: Faces,
    *,
    persons: Iterable[int] | None = None,
    device: str | torch.device = "cpu",
    batch: int = 16,
    longest_gap_seconds: float = 1.0,
    progress: Progress | None = None,
) -> dict[int, ExpressionEmbeds]:
    """Expressions of the people in a clip, in one pass over its frames.

    Args:
        encoder: Its module lies on ``device``.
        frames: uint8 ``[H, W, 3]`` RGB each, as many as ``faces.frames``; streamed.
        faces: Of this clip. Without fps 25 are assumed.
        persons: Numbers of those wanted; default everybody.
        device, batch: As for ``ExpressionEncoder.encode_crops``.
        longest_gap_seconds: From which length on a stretch without the face becomes a warning.
        progress: Called after each frame.

    Returns:
        By person. Frames without the face are filled by time, linear between the neighbours, the ends held; the
        notes say so.

    Raises:
        TroupeError: if nobody was found, a person does not exist or is seen in too few frames, or the frames are
            not those of ``faces``.
    """
    require_faces(faces, "the driving clip")
    chosen = [t.person for t in faces] if persons is None else sorted(set(persons))
    for person in chosen:
        check_seen(faces, person)
    return encode_tracks(
        encoder,
        frames,
        faces,
        {person: f"person {person}" for person in chosen},
        device=device,
        batch=batch,
        longest_gap_seconds=longest_gap_seconds,
        progress=progress,
    )


def check_seen(faces: Faces, person: int) -> None:
    """Raise a ``TroupeError`` if a person of a clip does not exist or is seen in too few frames."""
    try:
        seen = len(faces.person(person).seen)
    except TroupeError as error:
        raise TroupeError(
            f"Person {person} is not in the driving clip",
            error.why,
            "Use the output of a person who is, or a clip that shows more people",
        ) from error
    least = least_seen(faces.frames)
    if seen < least:
        raise TroupeError(
            f"Person {person} is seen too rarely",
            f"the face was found in {seen} of {faces.frames} frames, {least} are needed",
            "Use a clip that shows this person throughout, cut it to where it does, or choose other persons",
        )


def least_seen(frames: int) -> int:
    """In how many of a clip's frames a face must be seen, for the others to be filled."""
    return max(min(2, frames), math.ceil(RAREST * frames))


def encode_tracks(
    encoder: ExpressionEncoder,
    frames: Iterable[np.ndarray],
    faces: Faces,
    names: Mapping[int, str],
    *,
    device: str | torch.device = "cpu",
    batch: int = 16,
    longest_gap_seconds: float = 1.0,
    progress: Progress | None = None,
) -> dict[int, ExpressionEmbeds]:
    """As ``encode_clip``, for persons seen at least once; ``names`` are what notes call them, without a capital."""
    tracks = [faces.person(person) for person in names]
    features = {track.person: np.zeros((faces.frames, FEATURES), np.float32) for track in tracks}
    waiting: list[tuple[int, int]] = []  # person and frame of each crop
    crops: list[np.ndarray] = []

    def flush() -> None:
        if crops:
            for (person, frame), row in zip(
                waiting, encoder.encode_crops(np.stack(crops), device, batch), strict=True
            ):
                features[person][frame] = row
            waiting.clear()
            crops.clear()

    count = 0
    for index, image in enumerate(iterate(frames)):
        check_frame(image, index, faces)
        for track in tracks:
            face = track.faces[index]
            if face is None:
                continue
            crops.append(align_crop(image, five_points(face.landmarks)))
            waiting.append((track.person, index))
            if len(crops) == batch:
                flush()
        count = index + 1
        if count == faces.frames:
            flush()
        report(progress, count, faces.frames)
    if count != faces.frames:
        raise _another_clip(f"the clip has {count} frames", faces)
    fps = faces.fps or PICTURE_FPS
    return {
        track.person: ExpressionEmbeds(
            fill_gaps(features[track.person][track.seen], track.seen, faces.frames),
            fps,
            fill_gaps(boxes_of(track), track.seen, faces.frames),
            notes=gap_notes(track.present, fps, names[track.person], longest_gap_seconds),
        )
        for track in tracks
    }


def check_frame(image: np.ndarray, index: int, faces: Faces) -> None:
    """Raise a ``TroupeError`` unless ``faces`` can be of a clip with this frame."""
    height, width = image.shape[:2]
    if index >= faces.frames:
        raise _another_clip(f"the clip has more than {faces.frames} frames", faces)
    if (height, width) != (faces.height, faces.width):
        raise _another_clip(f"the clip's are {width}x{height}", faces)


def _another_clip(why: str, faces: Faces) -> TroupeError:
    return TroupeError(
        "The faces are not from this clip",
        f"they were found in {faces.frames} frame(s) of {faces.width}x{faces.height}, {why}",
        "Detect the faces again in this clip",
    )


def boxes_of(track: FaceTrack) -> np.ndarray:
    """float32 ``[n, 4]``, the face's box in each frame in which it is seen."""
    return np.array([track.faces[t].box for t in track.seen], np.float32)


def fill_gaps(values: np.ndarray, seen: np.ndarray, frames: int) -> np.ndarray:
    """Values of all frames from those of some: linear in time between them, the ends held.

    Args:
        values: float32 ``[n, C]``.
        seen: int ``[n]``, the frames they belong to, ascending, at least one.
        frames: Number of frames.

    Returns:
        float32 ``[frames, C]``, unchanged where ``seen``.
    """
    at = np.clip(np.arange(frames), seen[0], seen[-1])
    after = np.searchsorted(seen, at)
    before = np.searchsorted(seen, at, side="right") - 1
    span = np.maximum(seen[after] - seen[before], 1)
    mix = ((at - seen[before]) / span).astype(np.float32)[:, None]
    return values[before] * (1 - mix) + values[after] * mix


def gap_notes(present: np.ndarray, fps: float, name: str, longest: float) -> tuple[str, ...]:
    """What a user should know about the frames without the face, one sentence each.

    Args:
        present: bool ``[T]``.
        fps: Frames per second.
        name: Whose face, without a capital.
        longest: Seconds from which on a stretch is warned of.
    """
    if present.all():
        return ()
    gaps = np.array(stretches(~present))  # first frame, and the one after the last
    lengths = (gaps[:, 1] - gaps[:, 0]) / fps
    notes = [
        f"{name[0].upper()}{name[1:]}: {int((~present).sum())} of {len(present)} frames without the face were "
        f"filled from their neighbours, the longest stretch is {lengths.max():.2g} s."
    ]
    long = [f"from {a / fps:.2f} s to {b / fps:.2f} s" for a, b in gaps[lengths >= longest]]
    if long:
        more = f" and {len(long) - LISTED} times more" if len(long) > LISTED else ""
        notes.append(
            f"Warning: {name} is lost {', '.join(long[:LISTED])}{more}; the expression there is only a guess from "
            "before and after."
        )
    return tuple(notes)
