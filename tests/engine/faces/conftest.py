"""Scenes made of two public-domain portraits (scikit-image's astronaut, matplotlib's Grace Hopper)."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest


@dataclass(frozen=True)
class Portrait:
    """A picture and where its one face is: box centre and longer side of the box, in pixels."""

    image: np.ndarray
    x: float
    y: float
    size: float


@dataclass(frozen=True)
class Copy:
    """One face to put into a scene: whose, box centre, size, roll (degrees, clockwise), mirrored."""

    who: str
    x: float
    y: float
    size: float
    roll: float = 0.0
    flip: bool = False
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)


class Scenes:
    """Composes pictures from portraits. Each copy shows the head only, cut out as a soft ellipse."""

    def __init__(self):
        import cv2
        from matplotlib import get_data_path
        from skimage import data

        hopper = cv2.imread(str(Path(get_data_path()) / "sample_data" / "grace_hopper.jpg"))
        self.portraits = {
            "astronaut": Portrait(data.astronaut(), 224.8, 124.3, 106.2),
            "hopper": Portrait(np.ascontiguousarray(hopper[..., ::-1]), 264.5, 233.0, 201.3),
        }

    def background(self, height: int, width: int, seed: int = 0) -> np.ndarray:
        """Smooth coloured noise without anything like a face."""
        import cv2

        rng = np.random.default_rng(seed)
        coarse = rng.uniform(60, 190, (max(2, height // 90), max(2, width // 90), 3)).astype(np.float32)
        fine = rng.normal(0, 4, (height, width, 3)).astype(np.float32)
        scene = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) + fine
        return np.clip(scene, 0, 255).astype(np.uint8)

    def compose(self, scene: np.ndarray, *copies: Copy) -> np.ndarray:
        """A new picture with the copies put over the scene, later ones in front."""
        out = scene.astype(np.float32)
        for copy in copies:
            self._put(out, copy)
        return np.clip(out + 0.5, 0, 255).astype(np.uint8)

    def _put(self, out: np.ndarray, copy: Copy) -> None:
        import cv2

        portrait = self.portraits[copy.who]
        scale = copy.size / portrait.size
        image = portrait.image
        shrink = max(1, int(1 / scale))
        if shrink > 1:
            h, w = image.shape[0] // shrink, image.shape[1] // shrink
            image = cv2.resize(image[: h * shrink, : w * shrink], (w, h), interpolation=cv2.INTER_AREA)
        step = scale * shrink
        angle = np.radians(copy.roll)
        cos, sin = np.cos(angle) * step, np.sin(angle) * step
        turn = np.array([[cos, -sin], [sin, cos]])
        if copy.flip:
            turn = turn @ np.diag([-1.0, 1.0])
        middle = np.array([portrait.x, portrait.y]) / shrink - 0.5
        shift = np.array([copy.x, copy.y]) - 0.5 - turn @ middle
        matrix = np.column_stack([turn, shift])
        height, width = out.shape[:2]
        head = np.zeros(image.shape[:2], np.float32)
        axes = 0.72 * portrait.size / shrink, 0.95 * portrait.size / shrink
        centre = tuple(np.round((middle - (0, 0.12 * portrait.size / shrink)) * 16).astype(int).tolist())
        cv2.ellipse(head, centre, tuple(int(a * 16) for a in axes), 0, 0, 360, 1.0, -1, cv2.LINE_AA, 4)
        head = cv2.GaussianBlur(head, (0, 0), max(0.5, 0.04 * portrait.size / shrink))
        how = cv2.INTER_CUBIC if step > 1 else cv2.INTER_LINEAR
        pasted = cv2.warpAffine(image, matrix, (width, height), flags=how).astype(np.float32)
        alpha = cv2.warpAffine(head, matrix, (width, height), flags=cv2.INTER_LINEAR)[..., None]
        tinted = pasted * np.array(copy.tint, np.float32)
        out[:] = out * (1 - alpha) + tinted * alpha


@pytest.fixture(scope="session")
def scenes() -> Scenes:
    return Scenes()


@pytest.fixture(scope="session")
def copy_of() -> type[Copy]:
    return Copy


@pytest.fixture(scope="session")
def task_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ``face_landmarker.task`` made from the models in the mediapipe 0.10 wheel."""
    spec = importlib.util.spec_from_file_location(
        "make_face_task", Path(__file__).with_name("make_face_task.py")
    )
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    if not maker.available():
        pytest.skip("mediapipe 0.10.21 or older is not installed: no models to make a .task file from")
    path = tmp_path_factory.mktemp("models") / "face_landmarker.task"
    maker.make_task(path)
    return path
