"""What nodes show of a result in the editor: a small video that loops, and the curves of a motion.

The files lie in ComfyUI's temp folder and go with it.
"""

from __future__ import annotations

import uuid
from fractions import Fraction
from pathlib import Path

import numpy as np

from ..engine.motion.face_motion import HEAD, FaceMotion

SIDE = 384  # pixels at most
TOP, SAMPLES = 8, 600  # curves of a motion, values of a curve
_MOVES = (0.5, 0.5, 0.5, 0.02, 0.02, 0.02)  # degrees and eye distances under which the head counts as still
_CRF = 23


class SmallVideo:
    """A small video, written while the frames are made: ``with SmallVideo(...) as small: small.add(frame)``.

    Args:
        height, width: Of the frames.
        fps: Frames a second.
        audio: ``engine.video.audio.Audio`` that goes with it.
    """

    def __init__(self, height: int, width: int, fps: float | Fraction, audio: object | None = None):
        import folder_paths

        from ..engine.video.write import VideoWriter

        scale = min(1.0, SIDE / max(height, width))
        self._size = tuple(max(2, round(side * scale / 2) * 2) for side in (width, height))
        folder = Path(folder_paths.get_temp_directory())
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"troupe_{uuid.uuid4().hex[:12]}.mp4"
        self._fps = float(fps)
        self._sound = audio is not None
        self._writer = VideoWriter(self._path, *self._size, fps, audio=audio, crf=_CRF)

    def __enter__(self) -> SmallVideo:
        self._writer.__enter__()
        return self

    def __exit__(self, kind, error, trace) -> None:
        self._writer.__exit__(kind, error, trace)

    def add(self, frame: np.ndarray) -> None:
        """The next frame, uint8 or float in 0..1 ``[H, W, 3]``."""
        import cv2

        if frame.dtype != np.uint8:
            frame = (np.clip(frame, 0, 1) * 255 + 0.5).astype(np.uint8)
        if frame.shape[1::-1] != self._size:
            frame = cv2.resize(frame, self._size, interpolation=cv2.INTER_AREA)
        self._writer.write(np.ascontiguousarray(frame))

    def ui(self) -> dict:
        """What the browser needs to show it, once it is written."""
        width, height = self._size
        return {
            "filename": self._path.name, "subfolder": "", "type": "temp",
            "width": width, "height": height, "fps": self._fps, "frames": self._writer.frames,
            "sound": self._sound,
        }  # fmt: skip


def motion_ui(motion: FaceMotion, name: str) -> dict:
    """The strongest curves of a motion, few enough to be sent: values rounded, at most ``SAMPLES`` each."""
    from ..engine.motion.plot import strongest

    at = np.linspace(0, len(motion) - 1, min(len(motion), SAMPLES)).round().astype(int)

    def short(values: np.ndarray, digits: int) -> list[float]:
        return [round(float(v), digits) for v in values[at]]

    return {
        "name": name,
        "seconds": motion.duration,
        "shapes": {shape: short(values, 3) for shape, values in strongest(motion, TOP)},
        "head": {
            axis: short(motion.head[:, i], 2)
            for i, axis in enumerate(HEAD)
            if np.ptp(motion.head[:, i]) > _MOVES[i]
        },
    }
