"""Windows follow heads without trembling or lag, and hold the face."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.engine.errors import TroupeError
from troupe.engine.faces.types import Faces
from troupe.engine.video.composite import cut_faces, plan_crops


def walk(count, seed=0, tremble=0.0):
    rng = np.random.default_rng(seed)
    t = np.arange(count)
    x, y = 120 + 30 * np.sin(t / 15), 90 + 12 * np.cos(t / 19)
    noise = rng.normal(0, tremble, (count, 2)) if tremble else np.zeros((count, 2))
    return [(x[k] + noise[k, 0], y[k] + noise[k, 1], 60.0) for k in t]


def centres(window):
    return np.column_stack([window.left + window.side / 2, window.top + window.side / 2])


def roughness(values):
    """RMS of the second difference."""
    return float(np.sqrt(np.nanmean(np.square(np.diff(values, 2, axis=0)))))


def test_trembling_is_taken_out_and_nothing_lags(scenes):
    still = plan_crops(scenes.clip_faces(walk(120)), smoothing=0.0).windows[0]
    rough = plan_crops(scenes.clip_faces(walk(120, tremble=1.5)), smoothing=0.0).windows[0]
    smooth = plan_crops(scenes.clip_faces(walk(120, tremble=1.5))).windows[0]
    assert roughness(centres(smooth)) < roughness(centres(rough)) / 30
    away = [
        np.abs(np.roll(centres(still), lag, 0)[10:-10] - centres(smooth)[10:-10]).mean() for lag in (-3, 0, 3)
    ]
    assert away[1] < min(away[0], away[2]) and away[1] < 1.0


def test_speech_does_not_pump_the_window(scenes):
    path = [(120.0, 90.0, 60.0, 0.12 * (k % 6 < 3)) for k in range(60)]
    faces = scenes.clip_faces(path)
    boxes = np.array([[*f.centre, f.size] for f in faces.tracks[0].faces])
    window = plan_crops(faces, smoothing=0.0).windows[0]
    assert np.ptp(boxes[:, 2]) > 5 and np.ptp(boxes[:, 1]) > 2
    assert np.ptp(window.side) < 0.5 and np.ptp(centres(window), axis=0).max() < 0.5


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.floats(0, 1.5), st.floats(0, 1), st.booleans())
def test_the_face_is_inside(scenes, seed, margin, smoothing, moving):
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, 3, (40, 2)).cumsum(0)
    path = [(120 + x, 90 + y, 50.0) for x, y in steps]
    faces = scenes.clip_faces(path)
    window = plan_crops(faces, margin=margin, smoothing=smoothing, moving=moving).windows[0]
    for t, face in enumerate(faces.tracks[0].faces):
        left, top, side = window.at(t)
        x0, y0, x1, y1 = face.box
        inside = (
            left <= x0 + 1e-3 and top <= y0 + 1e-3 and x1 <= left + side + 1e-3 and y1 <= top + side + 1e-3
        )
        clamped = left <= 2 - side + 1e-9 or top <= 2 - side + 1e-9 or left >= 238 - 1e-9 or top >= 178 - 1e-9
        widest = side / face.size > 1.55 * (1 + 2 * margin)
        assert inside or clamped or widest


def test_gaps_are_filled_and_results_fade_in_long_ones(scenes):
    path = walk(100)
    short, long = list(path), list(path)
    short[40:46] = [None] * 6
    long[40:80] = [None] * 40
    whole = plan_crops(scenes.clip_faces(path)).windows[0]
    one, other = (plan_crops(scenes.clip_faces(p)).windows[0] for p in (short, long))
    assert np.abs(centres(one) - centres(whole)).max() < 2 and (one.weight == 1).all()
    assert (other.weight[50:70] == 0).all() and (other.weight[:40] == 1).all()
    assert 0 < other.weight[40] < 1 and roughness(centres(other)) < 0.5


def test_a_single_wrong_detection_moves_nothing(scenes):
    path = walk(60)
    wrong = list(path)
    wrong[30] = (path[30][0] + 70, path[30][1] - 40, 120.0)
    a, b = (plan_crops(scenes.clip_faces(p), margin=1.5).windows[0] for p in (path, wrong))
    assert np.abs(centres(a) - centres(b)).max() < 1.5


def test_a_cut_is_not_smoothed_over(scenes):
    path = [(60.0, 60.0, 40.0)] * 20 + [(180.0, 110.0, 40.0)] * 20
    window = plan_crops(scenes.clip_faces(path)).windows[0]
    assert np.ptp(centres(window)[:20], axis=0).max() < 0.1
    assert np.hypot(*(centres(window)[20] - centres(window)[19])) > 100


def test_fixed_windows_stay_in_whole_pixels(scenes):
    window = plan_crops(scenes.clip_faces(walk(50, tremble=1)), moving=False).windows[0]
    for values in (window.left, window.top, window.side):
        assert np.ptp(values) == 0 and values[0] == round(values[0])


def test_crops_are_ordered_by_person_and_hold_them(scenes):
    faces = scenes.clip_faces([(60.0, 90.0, 40.0)] * 3, [(180.0, 80.0, 50.0)] * 3)
    crops = plan_crops(faces, size=64)
    rows = list(cut_faces([scenes.picture()] * 3, crops))
    assert len(crops) == 6 and [len(r) for r in rows] == [2, 2, 2] and rows[0][0].shape == (64, 64, 3)
    only = plan_crops(faces, size=64, person=2)
    (crop,) = next(iter(cut_faces([scenes.picture()] * 3, only)))
    assert (crop == rows[0][1]).all()


@pytest.mark.parametrize("border", ["replicate", "reflect", "black"])
def test_beyond_the_picture(scenes, border):
    faces = scenes.clip_faces([(6.0, 90.0, 60.0)])
    crops = plan_crops(faces, size=120, border=border)
    ((crop,),) = cut_faces([scenes.picture()], crops)
    assert np.isfinite(crop).all() and (crop[:, :8].max() == 0) == (border == "black")


@pytest.mark.parametrize("scale", [0.3, 1.7, 2.0, 3.0, 6.0])
def test_sharpness_does_not_jump_with_size(scenes, scale):
    """A window a little larger gives a crop as sharp (where whole factors change, that is not a matter of course)."""
    from troupe.engine.video.resample import cut_window

    image, size = scenes.picture(3, 600, 600), 100
    crops = [cut_window(image, (30.3, 41.7, scale * size * f), size) for f in (0.995, 1.005)]
    sharpness = [np.abs(np.diff(crop, axis=1)).mean() for crop in crops]
    assert 0.95 < sharpness[0] / sharpness[1] < 1.05


BAD = {
    "no face": (dict(), "There is no face to crop"),
    "person": (dict(person=3), "Face 3 does not exist"),
    "size": (dict(size=100_000), "size 100000 is out of range"),
    "margin": (dict(margin=float("nan")), "margin nan is out of range"),
    "smoothing": (dict(smoothing=-1.0), "smoothing -1.0 is out of range"),
    "border": (dict(border="wrap"), "Unknown border 'wrap'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(scenes, case):
    options, expected = BAD[case]
    faces = scenes.clip_faces([(120.0, 90.0, 60.0)]) if options else Faces((), 180, 240)
    with pytest.raises(TroupeError, match=expected):
        plan_crops(faces, **options)


def test_frames_of_another_clip_are_refused(scenes):
    crops = plan_crops(scenes.clip_faces([(120.0, 90.0, 60.0)] * 2))
    with pytest.raises(TroupeError, match="frame 1 is 100x100, the crops are of 240x180"):
        list(cut_faces([scenes.picture(0, 100, 100)] * 2, crops))
    with pytest.raises(TroupeError, match="it has 1 frames, the faces were found in 2"):
        list(cut_faces([scenes.picture()], crops))


@pytest.mark.media
@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["lp_source_s32.mp4", "fp_two_person.mp4", "lp_driving_d12.mp4", "lp_driving_d20.mp4", "fp_biden.mp4"],
)
def test_crops_of_real_clips_do_not_tremble(media, name, record_property):
    """RMS second difference per frame of place and size, in % of the crop: the window's against the raw boxes'."""
    from troupe.engine.faces import find_faces
    from troupe.engine.video import read_clip

    frames, fps, _ = read_clip(media / name, max_frames=75)
    crops = plan_crops(find_faces(frames, fps=fps))
    for window in crops.windows:
        if window.track.present.sum() < 60:
            continue
        gap = [np.nan] * 3
        boxes = np.array([gap if f is None else [*f.centre, f.size] for f in window.track.faces])
        ours = np.column_stack([centres(window), window.side])
        side = window.side[:, None]
        jitter = [100 * roughness(v / side) for v in (boxes[:, :2], ours[:, :2], boxes[:, 2:])]
        jitter.append(100 * roughness(window.side[:, None] / window.side.mean()))
        record_property(f"{name} person {window.track.person}", [round(j, 4) for j in jitter])
        assert jitter[1] < 0.15 and jitter[1] < jitter[0] / 3
        assert jitter[3] < 0.02 and jitter[3] < jitter[2] / 10
