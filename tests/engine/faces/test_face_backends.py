"""The backends behind ``find_faces``: choosing, missing models, and the Tasks API for real."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

from troupe.engine.errors import TroupeError
from troupe.engine.faces import backend, find_faces, solutions, tasks
from troupe.engine.motion.face_motion import INDEX


@pytest.fixture
def picture(scenes, copy_of):
    copies = [copy_of("astronaut", 110, 120, 80, roll=20), copy_of("hopper", 330, 120, 90, roll=-60)]
    return scenes.compose(scenes.background(240, 440), *copies)


def test_tasks_finds_the_same_faces_as_solutions(task_file, picture):
    if not solutions.available():
        pytest.skip("mediapipe 0.10.21 or older is not installed")
    old = find_faces(picture, backend="solutions")
    new = find_faces(picture, backend="tasks", model_path=task_file)
    assert len(old) == len(new) == 2
    for a, b in zip(old, new, strict=True):
        off = np.linalg.norm(a.first.landmarks - b.first.landmarks, axis=1) / a.first.eye_distance
        assert np.median(off) < 0.08  # z included: one convention
        iris = [468, 473]
        assert np.linalg.norm((a.first.landmarks - b.first.landmarks)[iris, :2], axis=1).max() < 6
        assert a.first.blendshapes is None and b.first.blendshapes.shape == (52,)


def test_tasks_follows_a_clip(task_file, scenes, copy_of):
    scene = scenes.background(200, 300)
    clip = [scenes.compose(scene, copy_of("astronaut", 100 + 8 * t, 100, 70)) for t in range(8)]
    faces = find_faces(clip, fps=25, backend="tasks", model_path=task_file)
    assert len(faces) == 1 and faces.tracks[0].present.all()
    assert faces.tracks[0].faces[7].centre[0] - faces.tracks[0].faces[0].centre[0] == pytest.approx(56, abs=3)


def test_models_are_found_in_folders_and_the_environment(task_file, tmp_path, monkeypatch):
    folder = tmp_path / "models"
    (folder / "detection").mkdir(parents=True)
    copy = folder / "detection" / tasks.MODEL_FILE
    copy.write_bytes(task_file.read_bytes())
    monkeypatch.delenv("TROUPE_MODELS", raising=False)
    assert tasks.find_model(None, [tmp_path, folder]) == copy
    monkeypatch.setenv("TROUPE_MODELS", str(folder))
    assert tasks.find_model(None, []) == copy


def test_a_missing_model_says_where_it_was_looked_for_and_where_to_get_it(tmp_path, monkeypatch):
    if not tasks.available():
        pytest.skip("no mediapipe with the Tasks API is installed")
    monkeypatch.delenv("TROUPE_MODELS", raising=False)
    blank = np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(TroupeError) as caught:
        find_faces(blank, backend="tasks", model_folders=[tmp_path])
    assert tasks.MODEL_URL in caught.value.remedy and str(tmp_path) in caught.value.why
    with pytest.raises(TroupeError, match="no file"):
        find_faces(blank, model_path=tmp_path / "gone.task")


def test_a_broken_model_file_is_named(tmp_path):
    if not tasks.available():
        pytest.skip("no mediapipe with the Tasks API is installed")
    broken = tmp_path / "face_landmarker.task"
    broken.write_bytes(b"<html>not found</html>")
    with pytest.raises(TroupeError, match="cannot be read"):
        find_faces(np.zeros((64, 64, 3), np.uint8), model_path=broken)
    with zipfile.ZipFile(broken, "w") as bundle:
        bundle.writestr("face_landmarks_detector.tflite", b"")
    with pytest.raises(TroupeError, match="face_detector.tflite"):
        find_faces(np.zeros((64, 64, 3), np.uint8), model_path=broken)


def test_without_mediapipe_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setattr(solutions, "available", lambda: False)
    monkeypatch.setattr(tasks, "available", lambda: False)
    with pytest.raises(TroupeError, match="pip install mediapipe"):
        backend.open_backend()
    with pytest.raises(TroupeError, match="0.10.21"):
        backend.open_backend("solutions")


def test_blendshapes_are_sorted_by_name():
    shapes = tasks.named_blendshapes({"_neutral": 0.9, "jawOpen": 0.5, "eyeBlinkLeft": 2.0})
    assert shapes[INDEX["jawOpen"]] == 0.5 and shapes[INDEX["eyeBlinkLeft"]] == 1.0
    assert shapes.sum() == 1.5 and shapes[INDEX["tongueOut"]] == 0


def test_a_model_is_opened_once_and_again_after_closing():
    if not solutions.available():
        pytest.skip("mediapipe 0.10.21 or older is not installed")
    first = backend.open_backend("solutions")
    assert backend.open_backend("auto") is first
    backend.close_backends()
    again = backend.open_backend("solutions")
    assert again is not first
    assert again.detect(np.zeros((128, 128, 3), np.uint8)) == []


def test_chatter_is_held_back_and_the_rest_is_let_through(capfd):
    import os

    from troupe.engine.faces.quiet import quiet

    with quiet():
        os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n")
        os.write(2, b"W0000 00:00:1795226232.601421    8663 some_file.cc:114] Feedback.\n")
        os.write(2, b"disk on fire\n")
    assert capfd.readouterr().err == "disk on fire\n"
