"""Face embeddings: the ONNX file through OpenCV against the same layers in torch, the aligned crop, files of other kinds."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from troupe.engine.errors import TroupeError
from troupe.engine.faces.align import FIVE
from troupe.engine.faces.types import LANDMARKS, Face, Faces, FaceTrack
from troupe.engine.refnet.identity import SIDE, TEMPLATE, IdentityEncoder, aligned_face, identities_of


def by_torch(weights: dict[str, np.ndarray], crop: np.ndarray) -> torch.Tensor:
    w = {name: torch.from_numpy(values) for name, values in weights.items()}

    def norm(x, name):
        return F.batch_norm(x, *(w[f"{name}.{part}"] for part in "mvgb"), eps=1e-5)

    x = torch.from_numpy(crop).float().permute(2, 0, 1)[None]
    a = F.conv2d((x - 127.5) / 127.5, w["conv1"], stride=16)
    b = norm(a, "bn1")
    c = torch.where(b > 0, b, b * w["slope"])
    e = F.conv2d(c, w["conv2"], padding=1) + a
    return norm(F.linear(e.flatten(1), w["linear"], w["bias"]), "bn2")[0]


@pytest.fixture
def crop() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (SIDE, SIDE, 3), np.uint8)


def test_the_network_is_run_as_it_is_written(tmp_path, tiny_onnx, crop):
    path = tmp_path / "tiny arcface.onnx"
    weights = tiny_onnx.tiny_arcface(path)
    embedding = IdentityEncoder(path)(crop)
    assert embedding.shape == (512,) and embedding.dtype == np.float32
    assert np.abs(embedding - by_torch(weights, crop).numpy()).max() < 1e-4
    assert np.abs(embedding - IdentityEncoder(path)(crop[..., ::-1])).max() > 1e-2, "channels in any order"


def landmarks_at(points: np.ndarray) -> np.ndarray:
    """A face whose five points lie at ``points`` (pixel centres at integers)."""
    landmarks = np.zeros((LANDMARKS, 3), np.float32)
    landmarks[:, :2] = points.mean(0)
    landmarks[list(FIVE), :2] = points + 0.5
    return landmarks


def test_eyes_nose_and_mouth_come_to_their_places():
    turn = 1.7 * np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])
    points = TEMPLATE @ turn.T + (60, 40)
    image = np.zeros((400, 400, 3), np.uint8)
    for i, (x, y) in enumerate(points):
        cv2.circle(image, (round(x), round(y)), 4, (60 + 40 * i,) * 3, -1)
    face = aligned_face(image, landmarks_at(points))
    assert face.shape == (SIDE, SIDE, 3)
    for i, (x, y) in enumerate(TEMPLATE):
        assert abs(int(face[round(y), round(x), 0]) - (60 + 40 * i)) < 8


def test_everybody_has_one(tmp_path, tiny_onnx):
    path = tmp_path / "glintr100.onnx"
    tiny_onnx.tiny_arcface(path)
    image = np.random.default_rng(0).integers(0, 256, (300, 500, 3), np.uint8)
    tracks = tuple(FaceTrack(n + 1, (Face(landmarks_at(TEMPLATE + (30 + 200 * n, 40))),)) for n in range(2))
    found = identities_of(IdentityEncoder(path), image, Faces(tracks, 300, 500))
    assert list(found.persons) == [1, 2] and len(found) == 2
    one, two = found.persons.values()
    assert one.encoder == "glintr100.onnx"
    assert np.abs(one.embedding - two.embedding).max() > 0.1
    again = IdentityEncoder(path)(aligned_face(image, tracks[0].first.landmarks))
    assert np.array_equal(again, one.embedding)


def test_other_files_are_refused(tmp_path, tiny_onnx, crop):
    (tmp_path / "text.onnx").write_text("hello")
    tiny_onnx.tiny_arcface(tmp_path / "whole.onnx")
    (tmp_path / "cut.onnx").write_bytes((tmp_path / "whole.onnx").read_bytes()[:5000])
    tiny_onnx.tiny_detector(tmp_path / "detector.onnx")
    for name, why in (
        ("missing.onnx", "no ONNX file"),
        ("text.onnx", "no ONNX file"),
        ("cut.onnx", "no ONNX file"),
        ("detector.onnx", r"\[1, 4, 7, 7\]"),
    ):
        with pytest.raises(TroupeError, match=why) as error:
            IdentityEncoder(tmp_path / name)(crop)
        assert name in str(error.value) and "AuraFace" in str(error.value)
