"""The engine's progress callback in ComfyUI: its bar, its previews, its interrupt."""

from __future__ import annotations

import time

import numpy as np

PREVIEW_SECONDS = 0.5
PREVIEW_SIZE = 512


class NodeProgress:
    """A ``Progress`` for the node that is executing; raises ComfyUI's interrupt when the user stops the job."""

    def __init__(self):
        self._bar = None
        self._image: np.ndarray | None = None
        self._shown = 0.0

    def show(self, image: np.ndarray) -> None:
        """Offer uint8 ``[H, W, 3]`` as the preview of the next step (at most one in half a second is sent)."""
        self._image = image

    def due(self) -> bool:
        """Whether a preview offered now would be sent; spares converting those that would not."""
        return time.monotonic() - self._shown >= PREVIEW_SECONDS

    def __call__(self, done: int, total: int) -> None:
        import comfy.model_management
        import comfy.utils

        comfy.model_management.throw_exception_if_processing_interrupted()
        total = max(total, done, 1)  # a clip's length can be an estimate, or unknown
        if self._bar is None:
            self._bar = comfy.utils.ProgressBar(total)
        self._bar.update_absolute(done, total, self._preview())

    def _preview(self):
        if self._image is None or not self.due():
            return None
        from PIL import Image

        preview = ("JPEG", Image.fromarray(self._image), PREVIEW_SIZE)
        self._image, self._shown = None, time.monotonic()
        return preview
