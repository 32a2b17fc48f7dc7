"""Who a face is, as ArcFace networks say it (arXiv 1801.07698): from an ONNX file, run by OpenCV.

Hallo was trained with InsightFace's glintr100, whose use is not free; AuraFace-v1 (Apache-2.0) is the same network trained
anew. Both read a square of 112 pixels in which eyes, nose and mouth lie at fixed places, RGB in -1..1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import TroupeError
from ..faces.align import five_points, similarity_least_squares

if TYPE_CHECKING:
    from ..faces.types import Faces

SIDE = 112  # pixels of the aligned face
LEAST_WIDTH, MOST_WIDTH = 8, 8192  # values of an embedding
# Left and right eye, nose, left and right corner of the mouth in that square, as InsightFace lays them.
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]],
    np.float64,
)


@dataclass(frozen=True, eq=False)
class FaceIdentity:
    """Attributes:
    embedding: float32 ``[D]``, not normalised; 512 values for ArcFace.
    encoder: Name of the file that made it.
    """

    embedding: np.ndarray
    encoder: str


@dataclass(frozen=True, eq=False)
class Identities:
    """Everybody's in one picture, by the number of the face (1 is the leftmost)."""

    persons: Mapping[int, FaceIdentity]

    def __len__(self) -> int:
        return len(self.persons)


class IdentityEncoder:
    """An ArcFace network.

    Raises:
        TroupeError: if the file is missing, damaged or of another kind.
    """

    def __init__(self, path: str | Path):
        import cv2

        self.name = Path(path).name
        try:  # read by us: OpenCV cannot open every path on Windows
            self._net: Any = cv2.dnn.readNetFromONNX(np.fromfile(path, np.uint8))
        except (OSError, cv2.error) as error:
            raise self._unusable(
                "it is no ONNX file, damaged, or made of layers that OpenCV lacks"
            ) from error

    def __call__(self, crop: np.ndarray) -> np.ndarray:
        """The embedding of an aligned face.

        Args:
            crop: uint8 ``[112, 112, 3]`` RGB, see ``aligned_face``.

        Returns:
            float32 ``[D]``.

        Raises:
            TroupeError: if the network reads something else, or answers with no embedding.
        """
        import cv2

        values = crop.astype(np.float32).transpose(2, 0, 1)[None] / 127.5 - 1
        self._net.setInput(np.ascontiguousarray(values))
        try:
            out = np.asarray(self._net.forward())
        except cv2.error as error:
            raise self._unusable(f"it cannot read a picture of {SIDE} x {SIDE} pixels") from error
        width = out.shape[-1] if out.ndim else 0
        if out.size != width or not LEAST_WIDTH <= width <= MOST_WIDTH:
            raise self._unusable(f"its answer has the shape {list(out.shape)}, expected [1, 512]")
        if not np.isfinite(out).all():
            raise self._unusable("its answer holds NaN or infinite values")
        return out.reshape(-1).astype(np.float32)

    def _unusable(self, why: str) -> TroupeError:
        return TroupeError(
            f"The face encoder {self.name!r} cannot be used",
            why,
            "Use glintr100.onnx of fal/AuraFace-v1 on Hugging Face",
        )


def aligned_face(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """The face as ArcFace networks want it: bilinear, black outside of the picture.

    Args:
        image: uint8 ``[H, W, 3]``.
        landmarks: ``[478, 2+]`` pixels.

    Returns:
        uint8 ``[112, 112, 3]``.
    """
    import cv2

    matrix = similarity_least_squares(five_points(landmarks), TEMPLATE)
    return cv2.warpAffine(np.ascontiguousarray(image), matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR)


def identities_of(encoder: IdentityEncoder, image: np.ndarray, faces: Faces) -> Identities:
    """Everybody's identity.

    Args:
        image: uint8 ``[H, W, 3]`` RGB.
        faces: Of this picture.
    """
    return Identities(
        {
            track.person: FaceIdentity(encoder(aligned_face(image, track.first.landmarks)), encoder.name)
            for track in faces
        }
    )
