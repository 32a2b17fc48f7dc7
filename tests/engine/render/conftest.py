"""Two public-domain portraits with their faces found once."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from troupe.engine.faces import find_faces


@pytest.fixture(scope="session")
def collins():
    """A grinning woman: picture uint8 [H, W, 3] and its ``Faces``."""
    import skimage.data

    picture = cv2.resize(
        skimage.data.astronaut()[:300, 80:380], None, fx=1.6, fy=1.6, interpolation=cv2.INTER_CUBIC
    )
    return picture, find_faces(picture)


@pytest.fixture(scope="session")
def hopper():
    """A woman with shut lips, cap and glasses."""
    import matplotlib

    file = Path(matplotlib.__file__).parent / "mpl-data" / "sample_data" / "grace_hopper.jpg"
    picture = np.ascontiguousarray(cv2.imread(str(file))[:, :, ::-1])
    return picture, find_faces(picture)
