"""``find_faces`` on pictures: sizes, rolls, crowds, and what is no face."""

from __future__ import annotations

import numpy as np
import pytest

from troupe.engine.errors import TroupeError
from troupe.engine.faces import faces_to_json, find_faces, require_faces
from troupe.engine.faces.find import MOST_FACES


def _matched(faces, copies, tolerance=0.35):
    """Number of copies that have a face of the right place and size."""
    hits = 0
    for c in copies:
        hits += any(
            np.hypot(t.first.centre[0] - c.x, t.first.centre[1] - c.y) < tolerance * c.size
            and 0.75 < t.first.size / c.size < 1.35
            for t in faces
        )
    return hits


def _roll(face):
    dx, dy = face.landmarks[263, :2] - face.landmarks[33, :2]
    return np.degrees(np.arctan2(dy, dx))


def test_a_portrait_has_one_face_with_478_points(scenes):
    faces = find_faces(scenes.portraits["astronaut"].image)
    assert len(faces) == 1 and faces.frames == 1 and faces.fps is None
    face = faces.tracks[0].first
    assert face.landmarks.shape == (478, 3) and face.landmarks.dtype == np.float32
    assert 100 < face.size < 116 and face.confidence > 0.6
    # Irises lie between the corners of their own eyes, the person's right eye on the picture's left.
    assert face.landmarks[33, 0] < face.landmarks[468, 0] < face.landmarks[133, 0]
    assert face.landmarks[362, 0] < face.landmarks[473, 0] < face.landmarks[263, 0]
    # The nose tip is nearer to the camera than the ears.
    assert face.landmarks[4, 2] < face.landmarks[234, 2] - 0.2 * face.size


@pytest.mark.parametrize("size", [26, 60, 150, 400])
def test_every_size_and_roll_up_to_upside_down(scenes, copy_of, size):
    rolls = (0, 35, 90, -90, 180) if size < 400 else (0, -70)
    side = 2.4 * size
    for roll in rolls:
        copy = copy_of("astronaut", side * 0.9, side * 0.55, size, roll)
        picture = scenes.compose(scenes.background(int(1.2 * side), int(2 * side)), copy)
        faces = find_faces(picture)
        assert len(faces) == 1 and _matched(faces, [copy]) == 1, (size, roll)
        assert abs((_roll(faces.tracks[0].first) - roll + 180) % 360 - 180) < 12, (size, roll)


def test_sixteen_people_of_all_sizes_left_to_right(scenes, copy_of):
    rng = np.random.default_rng(4)
    sizes = rng.permutation(np.geomspace(26, 130, 16))
    copies = [
        copy_of(
            ("astronaut", "hopper")[i % 2],
            100 + (i % 6) * 215 + rng.uniform(-20, 20),
            110 + (i // 6) * 220 + rng.uniform(-20, 20),
            sizes[i],
            roll=rng.uniform(-40, 40),
            flip=bool(i % 3),
        )
        for i in range(16)
    ]
    faces = find_faces(scenes.compose(scenes.background(680, 1280), *copies))
    assert len(faces) == 16 and _matched(faces, copies) == 16
    assert [t.person for t in faces] == list(range(1, 17))
    centres = [t.first.centre[0] for t in faces]
    assert centres == sorted(centres)


def test_more_people_than_asked_for_keeps_the_largest_and_says_so(scenes, copy_of):
    copies = [copy_of("astronaut", 80 + 150 * i, 90, 40 + 15 * i) for i in range(4)]
    faces = find_faces(scenes.compose(scenes.background(200, 640), *copies), max_faces=2)
    assert len(faces) == 2 and _matched(faces, copies[2:]) == 2
    assert any("4 faces" in note for note in faces.notes)


def test_a_face_that_fills_the_picture(scenes):
    p = scenes.portraits["hopper"]
    x, y, half = int(p.x), int(p.y), int(p.size * 0.52)
    faces = find_faces(p.image[y - half : y + half, x - half : x + half])
    assert len(faces) == 1 and faces.tracks[0].first.size > 1.7 * half


@pytest.mark.parametrize("name", ["coffee", "chelsea", "brick", "rocket", "hubble_deep_field"])
def test_pictures_without_people_have_no_faces(name):
    from skimage import data

    try:
        picture = getattr(data, name)()
    except OSError:
        pytest.skip(f"scikit-image would have to download {name}")
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, -1)
    faces = find_faces(picture)
    assert len(faces) == 0 and faces.notes == ("No face was found.",)


def test_nobody_is_an_error_only_where_somebody_is_required(scenes):
    faces = find_faces(scenes.background(120, 160))
    with pytest.raises(TroupeError, match=r"No face found in 'wall.png'"):
        require_faces(faces, "'wall.png'")


def test_a_face_under_the_minimum_is_named_with_its_size(scenes, copy_of):
    picture = scenes.compose(scenes.background(200, 300), copy_of("astronaut", 150, 100, 60))
    faces = find_faces(picture, min_size=100)
    assert len(faces) == 0 and 50 < faces.largest_rejected < 70
    with pytest.raises(TroupeError, match=r"largest face is (5|6)\d pixels wide, the minimum is 100"):
        require_faces(faces, "'crowd.png'")
    assert require_faces(find_faces(picture), "x").tracks[0].first.size > 50


def test_the_same_picture_in_every_form(scenes, copy_of):
    torch = pytest.importorskip("torch")
    picture = scenes.compose(scenes.background(200, 240), copy_of("astronaut", 120, 100, 80))
    expected = find_faces(picture).tracks[0].first.landmarks
    opaque = np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)])
    floats = picture.astype(np.float32) / 255
    for form in (
        opaque,
        floats,
        picture[None],
        torch.from_numpy(floats),
        torch.from_numpy(floats)[None],
        [picture],
        iter([picture]),
        picture[:, ::-1][:, ::-1],
    ):
        assert np.array_equal(find_faces(form).tracks[0].first.landmarks, expected)


_OK = np.zeros((64, 64, 3), np.uint8)


@pytest.mark.parametrize(
    ("frames", "says"),
    [
        (np.zeros((1, 1, 3), np.uint8), "1x1"),
        (np.full((64, 64, 3), np.nan, np.float32), "NaN"),
        (np.full((64, 64, 3), 200.0, np.float32), "0 to 1"),
        (np.full((64, 64, 3), -0.5, np.float32), "0 to 1"),
        (np.broadcast_to(np.uint8(0), (20000, 64, 3)), "20000"),
        (np.zeros((0, 64, 64, 3), np.uint8), "no frames"),
        ([], "no frames"),
        (np.zeros((64, 64), np.uint8), r"\[64, 64\]"),
        (np.zeros((64, 64, 1), np.uint8), r"\[64, 64, 1\]"),
        (np.zeros((64, 64, 3), np.int32), "int32"),
        ("photo.jpg", "str"),
        (None, "NoneType"),
        ([_OK, np.zeros((64, 80, 3), np.uint8)], "Frame 1 has another size"),
        ([_OK, "x"], "Frame 1"),
    ],
)
def test_bad_pictures_are_refused_in_words(frames, says):
    with pytest.raises(TroupeError, match=says):
        find_faces(frames)


@pytest.mark.parametrize(
    "settings",
    [
        {"max_faces": 0},
        {"max_faces": MOST_FACES + 1},
        {"min_size": 0},
        {"min_confidence": 1.5},
        {"fps": 0},
        {"fps": float("nan")},
        {"backend": "guess"},
    ],
)
def test_bad_settings_are_refused(settings):
    with pytest.raises(TroupeError):
        find_faces(_OK, **settings)


def test_a_huge_picture_says_what_was_not_looked_for():
    from troupe.engine.faces.search import Effort, smallest_searched

    assert smallest_searched((720, 1280), Effort()) == 24
    assert 24 < smallest_searched((10000, 10000), Effort()) < 200


def test_json_holds_boxes_points_and_confidence(scenes, copy_of):
    import json

    picture = scenes.compose(scenes.background(200, 240), copy_of("astronaut", 120, 100, 80))
    told = json.loads(json.dumps(faces_to_json(find_faces(picture))))
    (person,) = told["persons"]
    (face,) = person["faces"]
    assert (told["width"], told["height"], told["frames"], told["fps"]) == (240, 200, 1, None)
    assert person["person"] == 1 and face["frame"] == 0 and 0.5 <= face["confidence"] <= 1
    left_eye, right_eye, nose, left_mouth, right_mouth = face["points"]
    assert left_eye[0] < nose[0] < right_eye[0] and left_mouth[0] < right_mouth[0]
    assert left_eye[1] < nose[1] < left_mouth[1]
    x0, y0, x1, y1 = face["box"]
    assert x0 < left_eye[0] and right_eye[0] < x1 and y0 < left_eye[1] and left_mouth[1] < y1
