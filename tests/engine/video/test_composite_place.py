"""Results come back to where they were cut, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from troupe.engine.errors import TroupeError
from troupe.engine.video.composite import (
    BLENDS,
    EDGES,
    MATCHES,
    Blend,
    cut_faces,
    place_faces,
    plan_crops,
    replace_faces,
)

PATHS = [[(80.0 + 1.3 * t, 80.0, 40.0) for t in range(6)], [(170.0, 110.0 - 0.7 * t, 50.0) for t in range(6)]]


def crops_of(frames, crops):
    """As the node orders them: all frames of one person, then the next's."""
    rows = list(cut_faces(frames, crops))
    return [row[k] for k in range(len(crops.windows)) for row in rows]


def as_bytes(frames):
    return [(f * 255 + 0.5).astype(np.uint8) for f in frames]


def placed(frames, results, crops, *blend, **more):
    return [f for f, _ in place_faces(frames, results, crops, Blend(*blend), **more)]


# Rounding to 8 bits must not count as another colour.
ROUNDED = {
    "margin": 1.0,
    "border": "replicate",
    "edge": "oval",
    "blend": "feather",
    "feather": 0.0,
    "rounded": True,
}
# Of the picture, in the crop.
TWO_COLUMNS = {"margin": 0.5, "border": "reflect", "edge": "box", "blend": "poisson", "feather": 0.1}


@settings(max_examples=30, deadline=None)
@given(
    x=st.floats(-10, 250),
    y=st.floats(-10, 190),
    size=st.floats(12, 200),
    margin=st.floats(0, 2),
    out=st.integers(64, 300),
    border=st.sampled_from(("replicate", "reflect", "black")),
    edge=st.sampled_from(EDGES),
    blend=st.sampled_from(BLENDS),
    colour=st.sampled_from(MATCHES),
    feather=st.floats(0, 0.5),
    rounded=st.booleans(),
)
@example(x=0.0, y=0.0, size=62.0, out=226, colour="face", **ROUNDED)
@example(x=1.1875, y=0.0, size=155.0, out=69, colour="ring", **ROUNDED)  # of 89 pixels of a small copy
@example(x=-42.0, y=90.0, size=40.0, out=64, colour="off", **ROUNDED | TWO_COLUMNS)
def test_an_untouched_crop_gives_the_frame(
    scenes, x, y, size, margin, out, border, edge, blend, colour, feather, rounded
):
    """Within 1/255 inside the mask, exactly outside; through 8 bits, too."""
    frame = scenes.picture(1)
    crops = plan_crops(scenes.clip_faces([(x, y, size)]), size=out, margin=margin, border=border)
    results = crops_of([frame], crops)
    if rounded:
        results = [np.round(r * 255).astype(np.float32) / 255 for r in results]
    ((new, mask),) = place_faces([frame], results, crops, Blend(edge, feather, colour, blend))
    # rounding moves the colours that are compared, too
    assert np.abs(new - frame).max() <= (1.5 if rounded and colour != "off" else 1) / 255
    assert (new[mask == 0] == frame[mask == 0]).all() and 0 <= mask.min() and mask.max() <= 1


@pytest.mark.parametrize("kind", ["float", "bytes"])
@pytest.mark.parametrize("edge", EDGES)
def test_untouched_crops_of_a_moving_clip_change_no_bit(scenes, edge, kind):
    frames = [scenes.picture(t) for t in range(6)]
    frames = as_bytes(frames) if kind == "bytes" else frames
    crops = plan_crops(scenes.clip_faces(*PATHS), size=128)
    new = placed(frames, crops_of(frames, crops), crops, edge)
    assert all((a == b).all() and a.dtype == b.dtype for a, b in zip(new, frames, strict=True))


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("blend", BLENDS)
@pytest.mark.parametrize("colour", MATCHES)
def test_outside_the_mask_no_bit_changes(scenes, edge, blend, colour):
    frames = as_bytes([scenes.picture(t) for t in range(6)])
    crops = plan_crops(scenes.clip_faces(*PATHS), size=96)
    results = [255 - r for r in crops_of(frames, crops)]
    for (new, mask), frame in zip(
        place_faces(frames, results, crops, Blend(edge, 0.1, colour, blend)), frames, strict=True
    ):
        assert (new[mask == 0] == frame[mask == 0]).all() and (new != frame).any()
        assert 0 < (mask > 0).mean() < 1


def test_a_changed_result_lands_where_it_was_cut(scenes):
    """A dot painted at a point of the crop appears at that point of the picture, to a tenth of a pixel."""
    frame = np.full((180, 240, 3), 0.3, np.float32)
    crops = plan_crops(scenes.clip_faces([(121.3, 88.7, 50.0)]), size=160)
    (crop,) = crops_of([frame], crops)
    u, v = np.meshgrid(np.arange(160) + 0.5, np.arange(160) + 0.5)
    dot = np.exp(-((u - 70) ** 2 + (v - 90) ** 2) / 50)[..., None].astype(np.float32)
    ((new, _),) = place_faces([frame], [crop + 0.5 * dot], crops)
    left, top, side = crops.windows[0].at(0)
    gain = (new - frame).sum(2)
    x, y = np.meshgrid(np.arange(240) + 0.5, np.arange(180) + 0.5)
    assert abs((gain * x).sum() / gain.sum() - (left + 70 * side / 160)) < 0.1
    assert abs((gain * y).sum() / gain.sum() - (top + 90 * side / 160)) < 0.1


def test_a_new_face_leaves_nothing_of_the_old(scenes):
    """Where structure changes, the detail of the picture that the crop lost must not shine through."""
    frame, other = scenes.picture(1, 400, 400), scenes.picture(2, 400, 400)
    faces = scenes.clip_faces([(200.0, 200.0, 150.0)], height=400, width=400)
    crops = plan_crops(faces, size=100)  # three pixels of the picture in one of the crop
    (result,) = crops_of([other], crops)
    (new,) = placed([frame], [result], crops, "box", 0.05)
    inner = slice(150, 250), slice(150, 250)
    import cv2

    detail = frame - cv2.blur(frame, (5, 5))
    ghost = np.corrcoef((new - other)[inner].ravel(), detail[inner].ravel())[0, 1]
    assert abs(ghost) < 0.05 and np.abs(new - other)[inner].mean() < 0.5 * np.abs(frame - other)[inner].mean()


def test_a_change_of_light_keeps_the_pictures_own_detail(scenes):
    """A crop at a third of the size, made darker: the placed result is as sharp as the picture."""
    frame = scenes.picture(1, 400, 400)
    faces = scenes.clip_faces([(200.0, 200.0, 150.0)], height=400, width=400)
    crops = plan_crops(faces, size=100)
    (crop,) = crops_of([frame], crops)
    (new,) = placed([frame], [crop * 0 + crop - 0.1], crops, "box", 0.05)
    inner = slice(150, 250), slice(150, 250)
    assert np.abs(new[inner] - (frame[inner] - 0.1)).mean() < 0.004


def test_results_of_any_size_and_type_are_placed(scenes):
    frame = scenes.picture(1)
    crops = plan_crops(scenes.clip_faces([(120.0, 90.0, 60.0)]), size=128)
    (crop,) = crops_of([frame], crops)
    import cv2

    for size in (64, 128, 300):
        dark = cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA) * np.float32(0.7)
        for result in (dark, (dark * 255).astype(np.uint8)):
            (new,) = placed([frame], [result], crops)
            assert abs(new[85:95, 115:125].mean() / frame[85:95, 115:125].mean() - 0.7) < 0.03


def test_of_two_that_overlap_the_larger_lies_in_front(scenes):
    frame = np.full((180, 240, 3), 0.5, np.float32)
    crops = plan_crops(scenes.clip_faces([(110.0, 90.0, 70.0)], [(140.0, 90.0, 40.0)]), size=64)
    black, white = np.zeros((64, 64, 3), np.float32), np.ones((64, 64, 3), np.float32)
    (new,) = placed([frame], [black, white], crops, "box", 0.0)
    assert new[90, 140].max() < 0.01


@pytest.mark.parametrize("colour", ["ring", "face"])
def test_a_shift_of_colours_is_taken_back(scenes, colour):
    noise = scenes.picture(7)
    frames = [0.7 * noise.mean(2, keepdims=True) + 0.3 * noise] * 5  # as much colour as people have
    crops = plan_crops(scenes.clip_faces([(120.0, 90.0, 60.0)] * 5), size=128)
    results = [
        np.clip(c * [1.1, 0.95, 0.85] + 0.03, 0, 1).astype(np.float32) for c in crops_of(frames, crops)
    ]
    off, on = (placed(frames, results, crops, "oval", 0.15, c)[2] for c in ("off", colour))
    apart = [np.abs(new - frames[2])[70:110, 100:140].mean() for new in (off, on)]
    assert apart[0] > 0.03 and apart[1] < apart[0] / 4


def test_colour_corrections_do_not_flicker(scenes):
    frames = [scenes.picture(7)] * 20
    crops = plan_crops(scenes.clip_faces([(120.0, 90.0, 60.0)] * 20), size=64)
    rng = np.random.default_rng(0)
    results = [np.clip(c + rng.normal(0, 0.02), 0, 1).astype(np.float32) for c in crops_of(frames, crops)]
    new = placed(frames, results, crops, "oval", 0.15, "ring")
    light = np.array([f[85:95, 115:125].mean() for f in new])
    raw = np.array([r.mean() for r in results])
    assert np.abs(np.diff(light - raw)).max() < 0.2 * np.abs(np.diff(raw)).max()


def test_poisson_agrees_with_opencv(scenes):
    """Against cv2.seamlessClone, which works in 8 bits: the middle of a shifted patch comes out alike."""
    import cv2

    frame = as_bytes([cv2.GaussianBlur(scenes.picture(5), (0, 0), 3)])[0]
    crops = plan_crops(scenes.clip_faces([(120.0, 90.0, 40.0)]), size=82, moving=False)
    (crop,) = crops_of([frame], crops)
    result = np.clip(crop.astype(int) + [40, 10, -30], 0, 255).astype(np.uint8)
    ((new, mask),) = place_faces([frame], [result], crops, Blend("oval", 0.05, "off", "poisson"))
    patch = frame.copy()
    left, top, side = (round(v) for v in crops.windows[0].at(0))
    patch[top : top + side, left : left + side] = cv2.resize(result, (side, side))
    hard = (mask > 0.5).astype(np.uint8) * 255
    x, y, w, h = cv2.boundingRect(hard)
    clone = cv2.seamlessClone(patch, frame, hard, (x + w // 2, y + h // 2), cv2.NORMAL_CLONE)
    middle = slice(75, 105), slice(105, 135)
    assert np.abs(new[middle].astype(int) - frame[middle]).mean() < 4
    assert np.abs(new[middle].astype(int) - clone[middle]).mean() < 5


def test_a_still_is_repeated_for_a_clip_of_results(scenes):
    frame = scenes.picture(1)
    crops = plan_crops(scenes.clip_faces([(80.0, 80.0, 40.0)], [(170.0, 90.0, 40.0)]), size=64)
    one, other = crops_of([frame], crops)
    results = [one * np.float32(1 - 0.1 * t) for t in range(5)] + [other] * 5
    new = placed([frame], results, crops)
    light = [f[75:85, 75:85].mean() for f in new]
    assert len(new) == 5 and (np.diff(light) < 0).all() and (new[0] == frame).all()
    assert all((f[60:120, 140:200] == frame[60:120, 140:200]).all() for f in new)


def test_results_of_another_rate_are_joined_by_time(scenes):
    frames = [np.full((180, 240, 3), 0.5, np.float32)] * 50
    crops = plan_crops(scenes.clip_faces([(120.0, 90.0, 60.0)] * 50), size=64)
    results = [np.full((64, 64, 3), 0.2 + 0.02 * k, np.float32) for k in range(32)]  # 2 s at 16 fps
    notes: list[str] = []
    new = placed(frames, results, crops, fps=16.0, notes=notes)
    shown = [round((f[90, 120, 0] - 0.2) / 0.02) for f in new]
    assert shown == [int(t * 16 / 25 + 1e-6) for t in range(50)]
    assert notes == ["The results at 16 fps were joined by time to 50 frames at 25 fps"]


@pytest.mark.parametrize(
    ("count", "note"), [(49, "held"), (30, "end 0.80 s before"), (60, "last 10 of the 60")]
)
def test_results_too_few_or_too_many(scenes, count, note):
    frames = [np.full((180, 240, 3), 0.5, np.float32)] * 50
    crops = plan_crops(scenes.clip_faces([(120.0, 90.0, 60.0)] * 50), size=64)
    notes: list[str] = []
    new = placed(frames, [np.zeros((64, 64, 3), np.float32)] * count, crops, notes=notes)
    light = np.array([f[90, 120, 0] for f in new])
    assert len(notes) == 1 and note in notes[0]
    assert light[0] < 0.01 and np.abs(np.diff(light)).max() < 0.2, "it jumps"
    assert (light[-1] > 0.49) == (count == 30)


def test_a_mask_limits_what_is_placed(scenes):
    frame = scenes.picture(1)
    crops = plan_crops(scenes.clip_faces([(120.0, 90.0, 60.0)]), size=64)
    mask = np.zeros((1, 180, 240), np.float32)
    mask[:, :, :120] = 1
    (new,) = placed([frame], [np.zeros((64, 64, 3), np.float32)], crops, mask=mask)
    assert (new[:, 120:] == frame[:, 120:]).all() and (new[:, :120] != frame[:, :120]).any()


def test_only_the_face_of_an_edited_clip_is_taken(scenes):
    frames = [scenes.picture(t) for t in range(3)]
    faces = scenes.clip_faces([(120.0, 90.0, 60.0)] * 3)
    crops = plan_crops(faces)
    same = [f for f, _ in replace_faces(frames, frames, crops)]
    assert all((a == b).all() for a, b in zip(same, frames, strict=True))
    edited = [1 - f for f in frames]
    for (new, mask), frame, other in zip(
        replace_faces(frames, edited, crops, Blend("face", 0.1)), frames, edited, strict=True
    ):
        assert (new[mask == 0] == frame[mask == 0]).all() and (mask > 0).mean() < 0.2
        assert np.abs(new - other)[mask == 1].max() < 1e-5


def test_overshoot_of_the_picture_survives_outside(scenes):
    frame = scenes.picture(1)
    frame[0, 0], frame[40, 90] = 1.2, -0.1
    crops = plan_crops(scenes.clip_faces([(120.0, 90.0, 60.0)]), size=64)
    ((new, mask),) = place_faces([frame], [np.zeros((64, 64, 3), np.float32)], crops, Blend("face", 0.05))
    assert (new[mask == 0] == frame[mask == 0]).all()


def nan(size=64):
    return np.full((size, size, 3), np.nan, np.float32)


def grey(*shape):
    return np.full(shape, 0.5, np.float32)


BAD = {
    "no results": (lambda f: [], {}, "the batch is empty"),
    "one person's results": (lambda f: [grey(64, 64, 3)] * 6, {}, "6 results do not fit the crops"),
    "odd number": (lambda f: [grey(64, 64, 3)] * 7, {}, "7 results do not fit the crops"),
    "oblong": (lambda f: [grey(64, 80, 3)] * 12, {}, r"result 1 does not fit: its shape is \[64, 80, 3\]"),
    "NaN": (lambda f: [grey(64, 64, 3)] * 5 + [nan()] * 7, {}, r"result \d+ is not usable: it holds NaN"),
    "mask of another size": (
        lambda f: [grey(64, 64, 3)] * 12,
        {"mask": np.ones((1, 9, 9), np.float32)},
        "it is 1 of 9 x 9, the picture is 6 of 240 x 180",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_results_are_named(scenes, case):
    results, more, expected = BAD[case]
    frames = [scenes.picture(t) for t in range(6)]
    crops = plan_crops(scenes.clip_faces(*PATHS), size=64)
    with pytest.raises(TroupeError, match=expected):
        placed(frames, results(frames), crops, **more)


def test_another_picture_is_refused(scenes):
    crops = plan_crops(scenes.clip_faces(*PATHS), size=64)
    results = [grey(64, 64, 3)] * 12
    for base, expected in (
        ([], "no picture to place onto"),
        ([scenes.picture()] * 5, "it has 5 frame"),
        ([scenes.picture(0, 90, 90)] * 6, "frame 1 is 90x90, the crops are of 240x180"),
    ):
        with pytest.raises(TroupeError, match=expected):
            placed(base, results, crops)
    with pytest.raises(TroupeError, match="other proportions"):
        list(replace_faces([scenes.picture()] * 6, [grey(100, 100, 3)] * 6, crops))
    with pytest.raises(TroupeError, match="edited frame 1 is not usable"):
        list(replace_faces([scenes.picture()] * 6, [np.full((180, 240, 3), np.nan)] * 6, crops))


@pytest.mark.parametrize(
    "blend", [("star",), ("oval", 0.9), ("oval", 0.1, "sky"), ("oval", 0.1, "off", "glue")]
)
def test_unknown_words_are_named(blend):
    with pytest.raises(TroupeError):
        Blend(*blend)


def test_it_stops_when_asked(scenes):
    frames = [scenes.picture(t) for t in range(6)]
    crops = plan_crops(scenes.clip_faces(*PATHS), size=64)
    told = []

    def stop(done, total):
        told.append((done, total))
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        placed(frames, crops_of(frames, crops), crops, "oval", 0.1, "ring", progress=stop)
    assert told == [(1, 12), (2, 12), (3, 12)]


def test_the_edge_of_a_face_leaves_room_for_a_mouth_that_opens(scenes):
    """The picture's mouth is shut, the result's may not be: its chin lies inside the mask, the brow gets no room."""
    frame = scenes.picture(1)
    shut, opened = scenes.face(120, 90, 80), scenes.face(120, 90, 80, jaw=0.12)
    crops = plan_crops(scenes.clip_faces([(120, 90, 80)]), size=128)
    results = [np.zeros_like(crop) for crop in crops_of([frame], crops)]
    ((_, mask),) = place_faces([frame], results, crops, Blend("face", 0.02))
    assert opened.landmarks[152, 1] > shut.landmarks[152, 1] + 9
    x, y = opened.landmarks[152, :2]
    assert mask[int(y) - 1, int(x)] > 0.9
    x, y = shut.landmarks[10, :2]
    assert mask[int(y) - 5, int(x)] == 0
