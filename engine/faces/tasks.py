"""Face models of mediapipe from 0.10.30 on (Tasks API), which wants ``face_landmarker.task`` from a model folder.

The same file holds the detector, which is opened a second time on its own for the search in small tiles.
Blendshapes come from the model when the file carries them (the official one does).
"""

from __future__ import annotations

import importlib.util
import math
import os
import threading
import zipfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np

from ..errors import TroupeError
from .detector import TILE, Candidate, Mesh
from .quiet import quiet
from .types import LANDMARKS

MODEL_FILE = "face_landmarker.task"
MODEL_URL = "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/face_landmarker.task"
_DETECTOR, _BLENDSHAPES = "face_detector.tflite", "face_blendshapes.tflite"


def available() -> bool:
    """Whether a mediapipe with the Tasks API is installed (looked up without importing it)."""
    found = importlib.util.find_spec("mediapipe")
    if found is None or not found.submodule_search_locations:
        return False
    return any((Path(p) / "tasks" / "python").is_dir() for p in found.submodule_search_locations)


def find_model(model_path: str | Path | None, model_folders: Sequence[str | Path]) -> Path:
    """The ``.task`` file: ``model_path``, or the first found in ``model_folders``, then in ``TROUPE_MODELS``
    (folders separated as in PATH), each looked into directly and under ``mediapipe/`` and ``detection/``.

    Raises:
        TroupeError: without mediapipe, or without the file; with its address and the folders searched.
    """
    if not available():
        raise TroupeError(
            "Faces cannot be found",
            "mediapipe is not installed",
            "Install it with 'pip install mediapipe'; from 0.10.30 on it also wants "
            f"{MODEL_FILE} from {MODEL_URL} in a model folder",
        )
    if model_path is not None:
        if Path(model_path).is_file():
            return Path(model_path)
        raise _missing(f"there is no file {model_path}")
    folders = [Path(f) for f in model_folders]
    folders += [Path(f) for f in os.environ.get("TROUPE_MODELS", "").split(os.pathsep) if f]
    for folder in folders:
        for place in (folder, folder / "mediapipe", folder / "detection"):
            if (place / MODEL_FILE).is_file():
                return place / MODEL_FILE
    searched = ", ".join(map(str, folders)) if folders else "none (TROUPE_MODELS is not set)"
    raise _missing(f"it was not found; folders searched: {searched}")


def _missing(why: str) -> TroupeError:
    return TroupeError(
        f"The face model {MODEL_FILE} is missing",
        why,
        f"Download {MODEL_URL} into one of the model folders, or name the folder in TROUPE_MODELS",
    )


class Tasks:
    """See ``detector.Backend``. The presence score is not told by this API; candidates keep the detector's."""

    name = "tasks"
    # The landmarker runs its own detector and crop inside ours, which therefore needs air around the face.
    crop_scale = 2.2
    crop_size = 384

    def __init__(self, path: str):
        parts = _parts(path)
        import mediapipe
        from mediapipe.tasks.python import BaseOptions, vision

        self._image = lambda a: mediapipe.Image(
            image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(a)
        )
        self._lock = threading.Lock()
        with quiet():
            self._detector = vision.FaceDetector.create_from_options(
                vision.FaceDetectorOptions(base_options=BaseOptions(model_asset_buffer=parts[_DETECTOR]))
            )
            self._mesher = vision.FaceLandmarker.create_from_options(
                vision.FaceLandmarkerOptions(
                    base_options=BaseOptions(model_asset_path=path),
                    num_faces=1,
                    min_face_detection_confidence=0.3,
                    min_face_presence_confidence=0.5,
                    output_face_blendshapes=_BLENDSHAPES in parts,
                )
            )
            self._detector.detect(self._image(np.zeros((TILE, TILE, 3), np.uint8)))
        self._fresh = True

    def detect(self, tile: np.ndarray) -> list[Candidate]:
        height, width = tile.shape[:2]
        with self._lock:
            result = self._detector.detect(self._image(tile))
        found = []
        for detection in result.detections:
            box = detection.bounding_box
            right, left = detection.keypoints[:2]
            angle = math.degrees(math.atan2((left.y - right.y) * height, (left.x - right.x) * width))
            x, y = box.origin_x + box.width / 2, box.origin_y + box.height / 2
            score = float(detection.categories[0].score)
            found.append(Candidate(x, y, float(max(box.width, box.height)), angle, score))
        return found

    def mesh(self, crop: np.ndarray) -> Mesh | None:
        # The landmark network chatters when it first runs, which is when there first is a face.
        with self._lock, quiet() if self._fresh else nullcontext():
            result = self._mesher.detect(self._image(crop))
        if result.face_landmarks:
            self._fresh = False
        if not result.face_landmarks or len(result.face_landmarks[0]) != LANDMARKS:
            return None
        height, width = crop.shape[:2]
        scale = np.array([width, height, width], np.float32)
        points = np.array([(p.x, p.y, p.z) for p in result.face_landmarks[0]], np.float32) * scale
        shapes = result.face_blendshapes[0] if result.face_blendshapes else None
        return Mesh(points, 1.0, None if shapes is None else named_blendshapes(_names(shapes)))

    def close(self) -> None:
        self._detector.close()
        self._mesher.close()


def _names(categories: list) -> dict[str, float]:
    return {c.category_name: float(c.score) for c in categories}


def named_blendshapes(weights: dict[str, float]) -> np.ndarray:
    """float32 ``[52]`` in the order of the motion language from MediaPipe's names (which have ``_neutral``
    and no ``tongueOut``); names that are not among ours are left out, missing ones are 0."""
    from ..motion.face_motion import INDEX

    out = np.zeros(len(INDEX), np.float32)
    for name, value in weights.items():
        if name in INDEX:
            out[INDEX[name]] = np.clip(value, 0.0, 1.0)
    return out


def _parts(path: str) -> dict[str, bytes]:
    """Detector bytes and the names of the other models in a ``.task`` file (an uncompressed zip)."""
    try:
        with zipfile.ZipFile(path) as bundle:
            names = bundle.namelist()
            return {n: bundle.read(n) if n == _DETECTOR else b"" for n in names} | {
                _DETECTOR: bundle.read(_DETECTOR)
            }
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise TroupeError(
            f"The face model {path} cannot be read",
            f"it is not a complete {MODEL_FILE} ({error})",
            f"Download it again from {MODEL_URL}",
        ) from None
