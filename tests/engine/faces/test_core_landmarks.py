"""``faces_from_core``: ComfyUI's FACE_LANDMARKS payload, with identities made for it."""

from __future__ import annotations

import numpy as np
import pytest

from troupe.engine.errors import TroupeError
from troupe.engine.faces import faces_from_core, find_faces
from troupe.engine.motion.face_motion import INDEX


@pytest.fixture(scope="module")
def face(scenes):
    return find_faces(scenes.portraits["astronaut"].image).tracks[0].first


def as_core(face, dx=0.0, scale=1.7, degrees=25.0, jaw=0.3):
    """A face as core hands it over: picture xy, and xyz in the pixels of its own rotated 192 pixel crop."""
    xy = face.landmarks[:, :2] + np.array([dx, 0], np.float32)
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    crop = (xy - xy.mean(0)) @ turn / scale + 96
    deep = np.column_stack([crop, face.landmarks[:, 2] / scale]).astype(np.float32)
    return {
        "landmarks_xy": xy.astype(np.float32),
        "landmarks_3d": deep,
        "bbox_xyxy": np.array([*xy.min(0), *xy.max(0)], np.float32),
        "blendshapes": {"_neutral": 0.1, "jawOpen": jaw},
        "score": 0.93,
        "presence": 12.0,
    }


def payload(*frames):
    return {"frames": list(frames), "image_size": (512, 1024), "connection_sets": {}}


def test_a_picture_comes_through_with_depth_in_pixels(face):
    faces = faces_from_core(payload([as_core(face)]))
    assert (faces.height, faces.width, faces.frames, faces.fps) == (512, 1024, 1, None)
    got = faces.tracks[0].first
    assert np.allclose(got.landmarks, face.landmarks, atol=0.02)
    assert got.confidence == pytest.approx(0.93) and got.blendshapes[INDEX["jawOpen"]] == np.float32(0.3)


def test_core_lists_people_in_any_order_and_we_keep_them_apart(face):
    frames = []
    for t in range(12):
        people = [as_core(face, 3.0 * t), as_core(face, 400 - 3.0 * t, jaw=0.6)]
        frames.append(people[:: -1 if t % 3 else 1] if t != 6 else people[1:])
    faces = faces_from_core(payload(*frames), fps=25, smooth=False)
    assert len(faces) == 2 and faces.fps == 25
    left, right = faces
    assert left.present.tolist() == [t != 6 for t in range(12)] and right.present.all()
    assert all(f.blendshapes[INDEX["jawOpen"]] == np.float32(0.6) for f in right.faces)
    assert right.faces[11].centre[0] - left.faces[11].centre[0] == pytest.approx(400 - 66, abs=0.1)


def test_nobody_anywhere(face):
    faces = faces_from_core(payload([], []), fps=25)
    assert len(faces) == 0 and faces.frames == 2 and faces.notes


@pytest.mark.parametrize(
    "bad",
    [
        None,
        [],
        {},
        {"frames": [[{}]], "image_size": (5, 5)},
        {
            "frames": [[{"landmarks_xy": np.zeros((468, 2)), "landmarks_3d": np.zeros((468, 3))}]],
            "image_size": (5, 5),
        },
        {
            "frames": [[{"landmarks_xy": np.zeros((478, 2)), "landmarks_3d": np.zeros((478, 3))}]],
            "image_size": (5, 5),
        },
        {"frames": [], "image_size": (5, 5)},
    ],
)
def test_other_things_are_refused_in_words(bad):
    with pytest.raises(TroupeError, match="face landmarks"):
        faces_from_core(bad)


@pytest.mark.host
def test_cores_own_blendshape_names_are_ours():
    import ast
    import os
    from pathlib import Path

    root = Path(os.environ.get("COMFYUI_PATH") or Path.home() / "ComfyUI")
    file = root / "comfy_extras" / "mediapipe" / "face_landmarker.py"
    if not file.is_file():
        pytest.skip("this ComfyUI has no mediapipe port (core 0.23 and newer have)")
    tree = ast.parse(file.read_text(encoding="utf-8"))
    lists = [
        [e.value for e in node.elts if isinstance(e, ast.Constant)]
        for node in ast.walk(tree)
        if isinstance(node, (ast.List, ast.Tuple)) and len(node.elts) == 52
    ]
    names = next(found for found in lists if "jawOpen" in found)
    assert set(names) - set(INDEX) == {"_neutral"}
