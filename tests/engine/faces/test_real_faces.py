"""Real pictures and clips, named by ``TROUPE_MEDIA``, against the counts in their README's table."""

from __future__ import annotations

import re

import numpy as np
import pytest

from troupe.engine.faces import find_faces

pytestmark = pytest.mark.media

PICTURES, CLIPS = {".jpg", ".jpeg", ".png"}, {".mp4"}


def counts(folder, suffixes):
    """``{path: faces}`` from the table of the folder's README, for files that are there."""
    out, column = {}, None
    for line in (folder / "README.md").read_text(encoding="utf-8").splitlines():
        cells = [c.strip() for c in line.strip().strip("|").split("|")]
        if "faces" in cells and "file" in cells:
            column = cells.index("faces")
        elif column is not None and len(cells) > column and re.fullmatch(r"\d+", cells[column]):
            path = folder / cells[0]
            if path.suffix in suffixes and path.is_file():
                out[path] = int(cells[column])
    return out


def test_every_face_is_found_in_pictures_and_nothing_else(media):
    import cv2

    table = counts(media, PICTURES)
    assert table, "the README's table names no picture that is there"
    found = {p.name: len(find_faces(cv2.imread(str(p))[..., ::-1])) for p in table}
    assert found == {p.name: n for p, n in table.items()}


@pytest.mark.slow
def test_everybody_in_a_clip_is_one_track(media):
    import av

    table = counts(media, CLIPS)
    assert table, "the README's table names no clip that is there"
    for path, expected in table.items():
        with av.open(str(path)) as clip:
            rate = float(clip.streams.video[0].average_rate)
            # Every second frame of two seconds: enough to lose somebody.
            frames = [f.to_ndarray(format="rgb24") for f, _ in zip(clip.decode(video=0), range(50))][::2]
        faces = find_faces(frames, fps=rate / 2)
        assert len(faces) == expected, path.name
        for track in faces:
            assert track.present.mean() > 0.6, path.name
            sizes = np.array([f.size for f in track.faces if f is not None])
            assert sizes.max() / sizes.min() < 2, path.name
