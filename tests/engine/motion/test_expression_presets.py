"""Presets name what they show, stay in range, begin and end at rest, and a misspelt one gets a hint."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.engine.errors import TroupeError
from troupe.engine.motion.beats import BEATS
from troupe.engine.motion.face_motion import BLENDSHAPES, HEAD, INDEX
from troupe.engine.motion.names import channel_pose
from troupe.engine.motion.presets import PRESETS, overlay, preset_motion, preset_pose, resolve_name

EXPECTED = {
    "happy": ("mouthSmile", "cheekSquint"), "sad": ("mouthFrown", "browInnerUp"), "angry": ("browDown", "noseSneer"),
    "surprised": ("browOuterUp", "eyeWide"), "fearful": ("browInnerUp", "mouthStretch"),
    "disgusted": ("noseSneer", "mouthUpperUp"), "contemptuous": ("mouthDimple", "mouthSmile"),
    "smile": ("mouthSmile",), "frown": ("mouthFrown",),
    "blink": ("eyeBlink",), "kiss": ("mouthPucker",), "yawn": ("jawOpen",), "laugh": ("mouthSmile", "jawOpen"),
}  # fmt: skip
OPPOSITE = (("mouthSmile", "mouthFrown"), ("eyeWide", "eyeBlink"), ("mouthPucker", "mouthStretch"))


def side(shapes, name):
    return shapes[INDEX[name]] if name in INDEX else max(shapes[INDEX[name + s]] for s in ("Left", "Right"))


@pytest.mark.parametrize("name", PRESETS)
def test_pose_is_in_range_and_linear(name):
    shapes, head = preset_pose(name)
    assert shapes.shape == (52,) and head.shape == (6,) and shapes.dtype == head.dtype == np.float32
    assert shapes.min() >= 0 and shapes.max() <= 1
    assert np.abs(head[:3]).max() <= 12 and np.abs(head[3:]).max() <= 0.15
    half, half_head = preset_pose(name, 0.5)
    np.testing.assert_allclose(half, shapes / 2, atol=1e-6)
    np.testing.assert_allclose(half_head, head / 2, atol=1e-6)
    for a, b in OPPOSITE:
        assert side(shapes, a) * side(shapes, b) < 0.2, f"{name}: {a} fights {b}"
    assert (shapes.any() or head.any()) == (name != "neutral")


@pytest.mark.parametrize("name", EXPECTED)
def test_pose_moves_what_it_names(name):
    shapes, _ = preset_pose(name)
    for shape in EXPECTED[name]:
        assert side(shapes, shape) >= 0.3, f"{name} has no {shape}"


def test_contempt_shows_on_one_corner_of_the_mouth():
    shapes, _ = preset_pose("contemptuous")
    for shape in ("mouthDimple", "mouthSmile"):
        assert shapes[INDEX[shape + "Right"]] > 4 * shapes[INDEX[shape + "Left"]]


def test_wink_shuts_one_eye():
    for name, shut, open_ in (("wink", "Left", "Right"), ("wink_right", "Right", "Left")):
        shapes, _ = preset_pose(name)
        assert shapes[INDEX["eyeBlink" + shut]] == 1 and shapes[INDEX["eyeBlink" + open_]] == 0


@pytest.mark.parametrize("fps", [25, 29.97, 60])
@pytest.mark.parametrize("name", PRESETS)
def test_motion_begins_and_ends_at_rest(name, fps):
    motion = preset_motion(name, seconds=4, fps=fps, idle=False)
    assert len(motion) == round(4 * fps) and motion.fps == fps
    assert not motion.blendshapes[0].any() and not motion.head[0].any()
    assert motion.blendshapes[-1].max() < 0.15 and np.abs(motion.head[-1, :3]).max() < 2.5
    assert (motion.blendshapes.max() > 0.1 or np.abs(motion.head).max() > 1) == (name != "neutral")


def test_idle_keeps_the_face_alive_and_seeded():
    still = preset_motion("happy", seconds=6, fps=25, idle=False)
    assert np.ptp(still.blendshapes[30:100], axis=0).max() < 1e-6
    a, b, c = (preset_motion("happy", seconds=6, fps=25, seed=s) for s in (1, 1, 2))
    assert np.array_equal(a.blendshapes, b.blendshapes) and not np.array_equal(a.blendshapes, c.blendshapes)
    assert np.ptp(a.head[30:100], axis=0)[:3].min() > 0.1
    assert not a.blendshapes[0].any() and not a.head[0].any()


def test_curve_and_attack_shape_the_rise():
    def at(curve, **more):
        return preset_motion("surprised", seconds=3, fps=100, curve=curve, idle=0, **more).column("jawOpen")

    assert at("ease_in", attack=1.0)[50] < at("linear", attack=1.0)[50] < at("ease_out", attack=1.0)[50]
    assert at("linear", attack=0.2)[20] == pytest.approx(0.45, abs=1e-3)
    short = preset_motion("surprised", seconds=0.2, fps=100, idle=False).column("jawOpen")
    assert short.max() > 0.4 and short[0] == 0


def test_beats_fill_a_given_time_in_their_own_way():
    shut = preset_motion("blink", seconds=2, fps=50, idle=False).column("eyeBlinkLeft")
    assert (shut == 1).sum() > 80  # holds
    nods = preset_motion("nod", seconds=4.4, fps=50, idle=False).column("pitch")
    peaks = [
        i for i in range(1, len(nods) - 1) if nods[i] > 6 and nods[i] >= nods[i - 1] and nods[i] > nods[i + 1]
    ]
    assert len(peaks) == 4  # repeats
    yawn = preset_motion("yawn", seconds=5, fps=50, idle=False).column("jawOpen")
    assert 2 < yawn.argmax() / 50 < 4  # stretches
    assert not preset_motion("yawn", seconds=30, fps=10, idle=False).column("jawOpen")[80:].any()


def test_blink_lasts_like_a_blink():
    times = np.arange(0, 1, 0.001)
    lid = BEATS["blink"].sample(times)[0][:, INDEX["eyeBlinkLeft"]]
    closing = (lid > 0.02).argmax(), (lid > 0.98).argmax()
    assert 0.04 <= (closing[1] - closing[0]) / 1000 <= 0.1
    assert 0.04 <= (lid > 0.98).sum() / 1000 <= 0.12
    assert (lid > 0).sum() / 1000 <= 0.4
    at_25 = BEATS["blink"].sample(np.arange(0, 1, 0.04))[0][:, INDEX["eyeBlinkLeft"]]
    assert at_25.max() > 0.98


@pytest.mark.parametrize(
    "wrong, meant",
    [("hapy", "'happy'"), ("surprized", "'surprised'"), ("disgussted", "'disgusted'"), ("blnk", "'blink'")],
)
def test_misspelt_name_gets_a_hint(wrong, meant):
    with pytest.raises(TroupeError) as e:
        preset_pose(wrong)
    assert f"'{wrong}'" in e.value.what and meant in e.value.remedy


def test_names_are_found_however_written():
    assert resolve_name("Happy") == "happy" and resolve_name("wink-right") == "wink_right"
    assert resolve_name("anger") == "angry" and resolve_name("Wink Left") == "wink"
    assert resolve_name("mouth_smile_left", channels=True) == "mouthSmileLeft"
    assert resolve_name("EyeBlink", channels=True) == "eyeBlink"
    with pytest.raises(TroupeError):
        resolve_name("jawOpen")


@pytest.mark.parametrize(
    "more",
    [
        {"intensity": 1.5}, {"intensity": -0.1}, {"intensity": float("nan")}, {"seconds": 0}, {"seconds": float("inf")},
        {"seconds": 1e9}, {"fps": 0}, {"fps": float("nan")}, {"curve": "eas"}, {"attack": -1}, {"release": 1e9},
        {"idle": 5}, {"idle": -1},
    ],
)  # fmt: skip
def test_bad_values_are_refused(more):
    with pytest.raises(TroupeError):
        preset_motion("happy", **({"seconds": 2, "fps": 25} | more))


layers = st.builds(
    lambda seed, amount: (
        (np.random.default_rng(seed).random((3, len(BLENDSHAPES))) * amount).astype(np.float32),
        np.random.default_rng(seed).normal(0, 5, (3, len(HEAD))).astype(np.float32),
    ),
    st.integers(0, 2**32 - 1),
    st.floats(0, 1),
)


@settings(max_examples=30)
@given(layers, layers, layers)
def test_overlay_saturates_and_order_and_grouping_do_not_matter(a, b, c):
    zero = tuple(np.zeros_like(v) for v in a)
    for got, want in zip(overlay(*a, *zero), a, strict=True):
        assert np.array_equal(got, want)
    ab = overlay(*a, *b)
    assert ab[0].min() >= 0 and ab[0].max() <= 1 + 1e-6
    for got, want in zip(ab, overlay(*b, *a), strict=True):
        np.testing.assert_allclose(got, want, atol=1e-5)
    left, right = overlay(*ab, *c), overlay(*a, *overlay(*b, *c))
    others = [i for i, n in enumerate(BLENDSHAPES) if not n.startswith("eyeWide")]
    np.testing.assert_allclose(left[0][:, others], right[0][:, others], atol=1e-5)
    np.testing.assert_allclose(left[1], right[1], atol=1e-4)


def test_a_blink_shuts_wide_eyes():
    wide, blink = (tuple(v[None] for v in channel_pose({n: 1.0})) for n in ("eyeWide", "eyeBlink"))
    shapes, _ = overlay(*wide, *blink)
    assert shapes[0, INDEX["eyeWideLeft"]] == 0 and shapes[0, INDEX["eyeBlinkLeft"]] == 1
