"""``find_faces`` on clips: who is who while people move, cross, hide and leave."""

from __future__ import annotations

import numpy as np
import pytest

from troupe.engine.errors import TroupeError
from troupe.engine.faces import find_faces


def _clip(scenes, plot, frames):
    scene = scenes.background(240, 480, 5)
    return [scenes.compose(scene, *plot(t)) for t in range(frames)]


def _who(track, plot):
    """Names of the copies a track lies on, one per frame seen."""
    names = []
    for t, face in enumerate(track.faces):
        if face is None:
            continue
        near = min(plot(t), key=lambda c: np.hypot(face.centre[0] - c.x, face.centre[1] - c.y))
        assert np.hypot(face.centre[0] - near.x, face.centre[1] - near.y) < 0.5 * near.size
        names.append((t, near.who))
    return names


def test_two_people_cross_and_keep_their_numbers(scenes, copy_of):
    def plot(t):
        return [copy_of("astronaut", 90 + 10 * t, 120, 70), copy_of("hopper", 390 - 10 * t, 125, 75)]

    faces = find_faces(_clip(scenes, plot, 30), fps=25)
    assert len(faces) == 2
    for track, who in zip(faces, ("astronaut", "hopper"), strict=True):
        apart = [name for t, name in _who(track, plot) if not 11 <= t <= 19]
        assert set(apart) == {who} and len(apart) >= 17
        assert track.faces[29] is not None
    assert faces.tracks[1].present.all()  # the one in front is never lost


def test_half_a_second_out_of_sight_is_a_gap_of_the_same_person(scenes, copy_of):
    def plot(t):
        hidden = 8 <= t < 20
        return [copy_of("hopper", 380, 120, 80)] + (
            [] if hidden else [copy_of("astronaut", 90 + 4 * t, 120, 70)]
        )

    faces = find_faces(_clip(scenes, plot, 30), fps=25)
    assert len(faces) == 2
    expected = np.array([not 8 <= t < 20 for t in range(30)])
    assert np.array_equal(faces.tracks[0].present, expected)
    assert np.isnan(faces.tracks[0].landmarks[10]).all() and np.isfinite(faces.tracks[0].filled()).all()
    assert faces.tracks[1].present.all()


def test_a_cut_to_somebody_else_in_the_same_place_is_two_people(scenes, copy_of):
    def plot(t):
        return [copy_of("astronaut" if t < 12 else "hopper", 240, 120, 80)]

    faces = find_faces(_clip(scenes, plot, 24), fps=25)
    assert len(faces) == 2
    assert sorted(np.flatnonzero(t.present).tolist() for t in faces) == [
        list(range(12)),
        list(range(12, 24)),
    ]


def test_leaving_the_picture_and_a_flash_of_a_face(scenes, copy_of):
    def plot(t):
        people = [copy_of("astronaut", 100 - 12 * t, 120, 70), copy_of("hopper", 330, 120, 80)]
        return people + ([copy_of("astronaut", 440, 60, 50)] if 13 <= t < 15 else [])

    faces = find_faces(_clip(scenes, plot, 30), fps=25)
    assert len(faces) == 2  # the flash is a ghost
    assert not faces.tracks[0].present[14:].any() and faces.tracks[0].present[:5].all()
    assert faces.tracks[1].present.all()


def test_fast_turning_and_tilting_is_followed(scenes, copy_of):
    def plot(t):
        x, y = 240 + 110 * np.sin(0.35 * t), 120 + 25 * np.cos(0.5 * t)
        return [copy_of("astronaut", x, y, 70, roll=50 * np.sin(0.2 * t))]

    faces = find_faces(_clip(scenes, plot, 30), fps=25)
    assert len(faces) == 1 and faces.tracks[0].present.mean() > 0.95
    assert len(_who(faces.tracks[0], plot)) >= 28


def test_a_generator_is_streamed_and_progress_has_no_total(scenes, copy_of):
    import weakref

    scene = scenes.background(160, 200)
    alive: list = []
    most = 0

    def frames():
        nonlocal most
        for t in range(8):
            frame = scenes.compose(scene, copy_of("astronaut", 90 + t, 80, 60))
            alive.append(weakref.ref(frame))
            most = max(most, sum(ref() is not None for ref in alive))
            yield frame
            del frame

    told = []
    faces = find_faces(frames(), fps=25, progress=lambda done, total: told.append((done, total)))
    assert faces.frames == 8 and faces.tracks[0].present.all()
    assert told == [(t + 1, 0) for t in range(8)]
    assert most <= 4  # the first two are held to tell a picture from a clip


def test_whoever_listens_to_progress_can_stop(scenes, copy_of):
    picture = scenes.compose(scenes.background(160, 200), copy_of("astronaut", 90, 80, 60))

    def stop(done, total):
        assert total == 9
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find_faces([picture] * 9, progress=stop)
    assert len(find_faces(picture)) == 1  # and all still works


def test_a_bad_frame_in_the_middle_is_named(scenes):
    frames = scenes.background(100, 100)[None].repeat(3, 0).astype(np.float32) / 255
    frames[2, 5, 5] = np.inf
    with pytest.raises(TroupeError, match="Frame 2"):
        find_faces(frames)


def test_threads_share_one_model(scenes, copy_of):
    from concurrent.futures import ThreadPoolExecutor

    pictures = [
        scenes.compose(scenes.background(160, 240, i), copy_of("astronaut", 60 + 30 * i, 80, 60))
        for i in range(4)
    ]
    alone = [find_faces(p).tracks[0].first.landmarks for p in pictures]
    with ThreadPoolExecutor(4) as pool:
        together = [f.tracks[0].first.landmarks for f in pool.map(find_faces, pictures)]
    for a, b in zip(alone, together, strict=True):
        assert np.array_equal(a, b)
