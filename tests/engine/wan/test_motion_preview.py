"""A motion shown to the expression encoder by way of a rendered preview."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from troupe.engine.cast import Role
from troupe.engine.errors import TroupeError
from troupe.engine.faces import Face, Faces, FaceTrack, find_faces
from troupe.engine.motion.presets import preset_motion
from troupe.engine.wan import preview
from troupe.engine.wan.embeds import FEATURES, PARTS, ExpressionEmbeds
from troupe.engine.wan.expression import ExpressionEncoder
from troupe.engine.wan.pdfgc import PDFGC
from troupe.engine.wan.preview import around, motion_expression, same_face

ROOT = Path(__file__).resolve().parents[3]
FPS, FRAMES = 12.0, 6  # the last frame is at the presets' peak


class Grid(torch.nn.Module):
    """Quick stand-in for the network: brightness on a 23x24 grid over the crop, row by row."""

    def forward(self, images):
        grid = torch.nn.functional.adaptive_avg_pool2d(images.mean(1, keepdim=True), (23, 24)).flatten(1)
        return torch.nn.functional.pad(grid, (0, FEATURES - grid.shape[1]))


@pytest.fixture(scope="module")
def grid():
    return ExpressionEncoder(Grid())


@pytest.fixture(scope="module")
def encoder(synthetic, tmp_path_factory):
    with torch.device("meta"):
        shapes = {name: tuple(t.shape) for name, t in PDFGC().state_dict().items()}
    path = tmp_path_factory.mktemp("encoder") / "pd_fpg.pth"
    torch.save(synthetic.synthetic_checkpoint(shapes), path)
    return ExpressionEncoder.load(path)


@pytest.fixture(scope="module")
def pictured():
    import cv2

    picture = cv2.imread(str(ROOT / "assets" / "two_people.png"))[..., ::-1].copy()
    return picture, find_faces(picture)


def enlarged(pictured, factor):
    """The picture and its faces at another size."""
    import cv2

    picture, faces = pictured
    height, width = round(faces.height * factor), round(faces.width * factor)
    scale = np.float32([width / faces.width, height / faces.height, factor])
    tracks = tuple(FaceTrack(t.person, (Face(t.first.landmarks * scale),)) for t in faces)
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), Faces(tracks, height, width)


def acted(name: str, seconds: float = 1.0):
    return preset_motion(name, seconds=seconds, fps=25.0, idle=False)


def mouth(embeds):
    return embeds.features[:, -PARTS["mouth"] :]


def test_two_expressions_differ_at_the_mouth_and_begin_alike(encoder, pictured):
    told = []
    happy = motion_expression(
        encoder, *pictured, Role(1, acted("happy")), FPS, FRAMES, progress=lambda *at: told.append(at)
    )
    surprised = motion_expression(encoder, *pictured, Role(1, acted("surprised")), FPS, FRAMES, batch=2)
    assert isinstance(happy, ExpressionEmbeds) and len(happy) == FRAMES and happy.fps == FPS
    assert happy.notes == surprised.notes == ()
    assert told == [(n, 2 * FRAMES) for n in range(1, 2 * FRAMES + 1)]
    difference = np.abs(mouth(happy) - mouth(surprised)).max(1)
    assert difference[-1] > 0.1 > 2 * difference[0]


@pytest.mark.parametrize("person", [1, 2])
def test_strength_nought_is_the_face_at_rest_throughout(grid, pictured, person):
    still = motion_expression(grid, *pictured, Role(person, acted("happy"), strength=0.0), FPS, FRAMES)
    assert len(still) == FRAMES and still.fps == FPS
    assert (still.features == still.features[0]).all() and (still.boxes == still.boxes[0]).all()
    moving = motion_expression(grid, *pictured, Role(person, acted("happy"), strength=1.0), FPS, FRAMES)
    change = np.abs(moving.features - still.features).mean(1)
    assert change[-1] > 0.01 and change[-1] > 2 * change[0]
    other = motion_expression(grid, *pictured, Role(3 - person, acted("happy"), strength=0.0), FPS, 1)
    assert np.abs(other.features[0] - still.features[0]).mean() > 2 * change[-1]


def test_region_and_strength_are_the_warps(grid, pictured):
    def change(**how):
        embeds = motion_expression(grid, *pictured, Role(2, acted("surprised"), **how), FPS, FRAMES)
        rows = embeds.features[:, : 23 * 24].reshape(FRAMES, 23, 24)
        off = np.abs(rows[-1] - rows[0])
        return off[5:9, 7:17].max(), off[11:15, 8:16].max()  # eyes and brows, mouth

    eyes, lips, weak = change(region="eyes"), change(region="lips"), change(region="lips", strength=0.3)
    assert eyes[0] > 2 * lips[0]
    assert lips[1] > 3 * eyes[1]
    assert lips[1] > 1.5 * weak[1]


def test_a_large_picture_costs_no_more_and_shows_the_same(grid, pictured):
    role = Role(2, acted("surprised"))
    big = enlarged(pictured, 4.0)
    small, moved = around(*big, 2)
    assert max(small.shape) < 10 * preview.EYE_DISTANCE
    assert moved.person(2).first.eye_distance == pytest.approx(preview.EYE_DISTANCE, rel=0.15)
    large, usual = (
        motion_expression(grid, *big, role, FPS, 3),
        motion_expression(grid, *pictured, role, FPS, 3),
    )
    assert np.abs(large.features - usual.features).max() < 0.25
    assert np.abs(large.features - usual.features).mean() < 0.02


@pytest.mark.parametrize("factor", [0.4, 1.0, 2.5])
@pytest.mark.parametrize("person", [1, 2])
def test_faces_are_where_the_small_picture_shows_them(pictured, factor, person):
    small, moved = around(*enlarged(pictured, factor), person)
    assert small.shape[:2] == (moved.height, moved.width)
    face = moved.person(person).first
    seen = same_face(find_faces(small), face)
    assert np.abs(seen.first.landmarks[:, :2] - face.landmarks[:, :2]).mean() < 0.04 * preview.EYE_DISTANCE


def test_the_face_found_must_be_the_one_meant(pictured):
    _, faces = pictured
    for person in (1, 2):
        assert same_face(faces, faces.person(person).first).person == person
    away = Face(faces.person(1).first.landmarks - np.float32([300, 0, 0]))
    assert same_face(faces, away) is None
    assert same_face(replace(faces, tracks=()), away) is None


def blinded(monkeypatch, gone):
    """Let the detector miss the face in these frames."""

    def find(frames, **how):
        found = find_faces(frames, **how)
        tracks = (
            FaceTrack(t.person, tuple(None if i in gone else f for i, f in enumerate(t.faces))) for t in found
        )
        return replace(found, tracks=tuple(t for t in tracks if t.present.any()))

    monkeypatch.setattr(preview, "find_faces", find)


def test_frames_without_the_face_are_filled_and_told(grid, pictured, monkeypatch):
    blinded(monkeypatch, {1, 2})
    embeds = motion_expression(grid, *pictured, Role(2, acted("happy")), FPS, FRAMES)
    assert len(embeds.notes) == 1
    assert embeds.notes[0].startswith("The preview of face 2: 2 of 6 frames without the face were filled")
    assert np.allclose(embeds.features[1], (2 * embeds.features[0] + embeds.features[3]) / 3, atol=1e-5)


@pytest.mark.parametrize("gone", [range(6), range(1, 6)])
def test_a_face_not_found_in_its_preview_is_an_error(grid, pictured, monkeypatch, gone):
    blinded(monkeypatch, set(gone))
    with pytest.raises(TroupeError, match="Face 1 cannot be followed in a preview") as error:
        motion_expression(grid, *pictured, Role(1, acted("happy")), FPS, FRAMES)
    assert f"in {6 - len(gone)} of 6 frames, 2 are needed" in error.value.why


def test_wrong_input_is_an_error_that_names_it(grid, pictured):
    picture, faces = pictured
    embeds = ExpressionEmbeds(np.zeros((2, FEATURES), np.float32), 25.0, np.zeros((2, 4), np.float32))
    wrong = [
        (picture, Role(1, embeds), 3, "its drive is no motion but ExpressionEmbeds"),
        (picture, Role(3, acted("happy")), 3, "Face 3 does not exist"),
        (picture, Role(1, acted("happy")), 0, "Cannot preview 0 frames"),
        (picture, Role(1, acted("happy")), 10**9, "Cannot preview 1000000000 frames"),
        (picture[1:], Role(1, acted("happy")), 3, "not from this picture"),
        (picture / 255, Role(1, acted("happy")), 3, "type float64"),
    ]
    for image, role, frames, message in wrong:
        with pytest.raises(TroupeError, match=message):
            motion_expression(grid, image, faces, role, FPS, frames)


def test_a_missing_face_model_is_told_as_it_is(grid, pictured, monkeypatch):
    missing = TroupeError("No face model", "mediapipe is not installed", "Install it")

    def find(*_, **__):
        raise missing

    monkeypatch.setattr(preview, "find_faces", find)
    with pytest.raises(TroupeError) as error:
        motion_expression(grid, *pictured, Role(1, acted("happy")), FPS, FRAMES)
    assert error.value is missing
