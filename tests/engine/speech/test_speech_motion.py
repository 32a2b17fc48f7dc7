"""Speech to a face: live as a whole, whatever the sound; emotion and persona where they belong and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.engine.errors import TroupeError
from troupe.engine.motion.face_motion import BLENDSHAPES, INDEX
from troupe.engine.motion.presets import preset_pose
from troupe.engine.speech.animate import SpeechAnimator, listened, speech_motion
from troupe.engine.speech.channels import spread
from troupe.engine.speech.conditions import EMOTIONS
from troupe.engine.speech.emotion import HEARD, EmotionTrack
from troupe.engine.speech.live import LiveAnimator
from troupe.engine.speech.persona import Persona
from troupe.engine.speech.phones import PHONES
from troupe.engine.speech.stream import SETTINGS, hear

RATE = 16000
STILL = Persona(head=0, gaze=0, blink_rate=0, brow_rate=0)


def babble(seconds: float, rate: int = RATE, seed: int = 0) -> np.ndarray:
    """Syllables of a voice that goes up and down, float32 ``[S]``; the same at any rate."""
    t = np.arange(round(seconds * rate)) / rate
    hertz = 130 + 30 * np.sin(2 * np.pi * 0.6 * t + seed) + 8 * np.sin(2 * np.pi * 2.1 * t)
    phase = 2 * np.pi * np.cumsum(hertz) / rate
    out = sum(np.sin(n * phase) / n**1.2 for n in range(1, 15))
    gate = np.clip(np.sin(2 * np.pi * 2 * t), 0, 1) * (np.sin(2 * np.pi * 0.2 * t + seed) > -0.6)
    return (0.15 * out * gate).astype(np.float32)


def run(weights, sound, cuts=(), **options):
    animator = SpeechAnimator(weights=weights, **options)
    edges = [0, *sorted(cuts), len(sound)]
    parts = [animator.push(sound[a:b]) for a, b in zip(edges, edges[1:])] + [animator.flush()]
    return tuple(np.concatenate(both) for both in zip(*parts))


# --- live and whole -------------------------------------------------------------------------------------------


@settings(max_examples=12, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 3 * RATE), max_size=15),
    setting=st.sampled_from(list(SETTINGS)),
    emotion=st.sampled_from([None, "happy:0.7@1-2; sad@2-"]),
)
def test_pieces_give_the_whole(random_weights, cuts, setting, emotion):
    sound = babble(3.0)[: 3 * RATE - 77]
    options = {"setting": setting, "emotion": emotion, "persona": "friendly", "seed": 4}
    whole, pieces = (run(random_weights, sound, c, **options) for c in ((), cuts))
    assert len(whole[0]) == 150 and whole[0].shape == (150, 52) and whole[1].shape == (150, 6)
    np.testing.assert_allclose(pieces[0], whole[0], atol=1e-5)
    np.testing.assert_allclose(pieces[1], whole[1], atol=1e-5)
    motion, _ = speech_motion(sound, RATE, 50, weights=random_weights, **options)
    np.testing.assert_allclose(motion.blendshapes, whole[0], atol=1e-5)
    np.testing.assert_allclose(motion.head, whole[1], atol=1e-5)


@pytest.mark.parametrize("setting", SETTINGS)
def test_rows_come_with_the_promised_delay_and_know_no_more(random_weights, setting):
    sound = babble(2.0)
    animator = SpeechAnimator(setting=setting, weights=random_weights)
    rows, shapes = 0, []
    for n in range(100):
        made, _ = animator.push(sound[n * 320 : (n + 1) * 320])
        rows += len(made)
        shapes.append(made)
        if rows:
            assert (n + 1) / 50 - (rows - 1) / 50 == pytest.approx(animator.delay)
    other = sound.copy()
    other[RATE:] = 0
    cut = int((1 - animator.delay) * 50) + 1
    np.testing.assert_allclose(
        run(random_weights, other, setting=setting)[0][:cut], np.concatenate(shapes)[:cut], atol=1e-5
    )


def test_any_frame_rate_shows_the_same_in_time(random_weights):
    sound = babble(2.5)
    fine, _ = speech_motion(sound, RATE, 50, weights=random_weights)
    for fps in (24, 29.97, 30, 60, 100):
        motion, _ = speech_motion(sound, RATE, fps, weights=random_weights)
        assert motion.fps == fps and len(motion) == round(2.5 * fps)
        shapes, head = fine.sample(np.arange(len(motion)) / fps)
        np.testing.assert_allclose(motion.blendshapes, shapes, atol=1e-5)
        np.testing.assert_allclose(motion.head, head, atol=1e-4)


def test_the_live_stream_is_the_same(random_weights):
    sound = babble(3.0)
    live = LiveAnimator(SpeechAnimator(seed=2, setting="quality", weights=random_weights), RATE, 30)
    frames = [live.push(sound[i : i + 1000]) for i in range(0, len(sound), 1000)] + [live.finish()]
    motion, _ = speech_motion(sound, RATE, 30, seed=2, weights=random_weights)
    shapes = np.concatenate([f.blendshapes for f in frames])
    assert len(shapes) == len(motion) == 90
    np.testing.assert_allclose(shapes, motion.blendshapes, atol=1e-4)
    np.testing.assert_allclose(np.concatenate([f.head for f in frames]), motion.head, atol=1e-3)


def test_long_sound_takes_no_more_memory(random_weights):
    animator = SpeechAnimator("happy:0.5@0-30; sad:0.2@30-", "friendly", weights=random_weights)

    def kept() -> int:
        arrays = [v for v in vars(animator).values() if isinstance(v, np.ndarray)]
        return sum(a.size for a in arrays)

    sound, sizes = babble(2.0), []
    for _ in range(30):
        animator.push(sound)
        sizes.append(kept())
    assert max(sizes[1:]) == min(sizes[1:])


# --- mouth, emotion, persona ----------------------------------------------------------------------------------


def test_the_mouth_is_the_networks(random_weights):
    sound = babble(2.0)
    shapes, _ = run(random_weights, sound, setting="quality")
    mouth = spread(hear(sound, setting="quality", weights=random_weights).channels)
    np.testing.assert_allclose(shapes[:, HEARD], mouth[:, HEARD], atol=1e-5)
    assert shapes[:, HEARD].std(0).max() > 0.05


def test_the_text_reaches_the_network(random_weights):
    sound, tokens = babble(2.0), np.arange(1, 20)
    plain, told = (speech_motion(sound, RATE, 50, t, weights=random_weights)[0] for t in (None, tokens))
    assert np.abs(plain.blendshapes - told.blendshapes).max() > 1e-3
    np.testing.assert_array_equal(plain.head, told.head)
    again, _ = speech_motion(sound, RATE, 50, "  ", weights=random_weights)
    np.testing.assert_array_equal(again.blendshapes, plain.blendshapes)


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_emotions_reach_the_whole_face(random_weights, emotion):
    shapes, head = run(
        random_weights, np.zeros(3 * RATE, np.float32), emotion=f"{emotion}:0.6", persona=STILL
    )
    pose, held = preset_pose(emotion, 0.6)
    rest = np.flatnonzero(~HEARD & ~np.char.startswith(np.array(BLENDSHAPES), "noseSneer"))
    np.testing.assert_allclose(shapes[-1, rest], pose[rest], atol=1e-5)
    np.testing.assert_allclose(head[-1], held, atol=1e-5)
    for name in (
        "mouthSmile",
        "mouthDimple",
        "mouthFrown",
    ):  # sides differ as the pose's do, but for closed lips
        left, right = (shapes[-1, INDEX[name + side]] for side in ("Left", "Right"))
        wanted = pose[INDEX[name + "Left"]] - pose[INDEX[name + "Right"]]
        if 0.01 < min(left, right) and max(left, right) < 0.99:
            assert 0.35 * abs(wanted) - 1e-5 <= abs(left - right) <= abs(wanted) + 1e-5
            assert (left - right) * wanted >= 0
    assert np.abs(head[0]).max() < 0.1  # it comes over the face


def test_an_emotion_may_be_exchanged_live(random_weights):
    animator = SpeechAnimator("happy", STILL, weights=random_weights)
    before, _ = animator.push(np.zeros(2 * RATE, np.float32))
    animator.emotion = EmotionTrack.parse("surprised")
    after, _ = animator.push(np.zeros(2 * RATE, np.float32))
    brow, cheek = INDEX["browInnerUp"], INDEX["cheekSquintLeft"]
    assert before[-1, brow] < 0.1 < 0.5 < before[-1, cheek]
    assert after[-1, brow] > 0.8 and after[-1, cheek] < 0.01
    assert np.abs(np.diff(np.concatenate([before, after])[:, brow])).max() < 0.06


def test_asymmetry_favours_a_side_and_leaves_lids_and_closing_lips(random_weights):
    plain, left = (run(random_weights, babble(1.5), persona=Persona(asymmetry=a))[0] for a in (0, 0.6))
    for name, gain in (
        ("mouthSmile", 0.21),
        ("browOuterUp", 0.21),
        ("mouthPress", 0),
        ("eyeBlink", 0),
        ("jawOpen", 0),
    ):
        sides = [name] if name in INDEX else [name + "Left", name + "Right"]
        for side, sign in zip(sides, (1, -1)):
            np.testing.assert_allclose(
                left[:, INDEX[side]],
                np.clip(plain[:, INDEX[side]] * (1 + sign * gain), 0, 1),
                atol=1e-5,
                err_msg=side,
            )


def test_personas_reach_network_and_rules(random_weights):
    sound = babble(4.0)
    plain, friendly = (
        speech_motion(sound, RATE, 50, persona=p, weights=random_weights)[0] for p in (None, "friendly")
    )
    assert friendly.column("cheekSquintLeft").min() > plain.column("cheekSquintLeft").max()
    assert np.abs(plain.column("mouthFunnel") - friendly.column("mouthFunnel")).max() > 1e-4
    seeded, _ = speech_motion(sound, RATE, 50, seed=1, weights=random_weights)
    np.testing.assert_array_equal(seeded.blendshapes[:, HEARD], plain.blendshapes[:, HEARD])
    assert not np.array_equal(seeded.head, plain.head)


# --- sound of all kinds ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 96000, 192000])
def test_sound_of_any_rate_is_heard_alike(rate):
    low = 0.2 * np.sin(2 * np.pi * 300 * np.arange(rate) / rate)
    sound, notes = listened(low, rate)
    expected = 0.2 * np.sin(2 * np.pi * 300 * np.arange(RATE) / RATE)
    assert abs(len(sound) - RATE) <= 1 and sound.dtype == np.float32 and not notes
    np.testing.assert_allclose(sound[200 : RATE - 200], expected[200 : RATE - 200], atol=2e-3)


def test_integers_and_channels_are_heard_alike():
    sound = babble(0.5)
    plain, _ = listened(sound, RATE)
    for made in (
        (sound * 32768).astype(np.int16), (sound * 2.0**31).astype(np.int32), sound.astype(np.float64),
        np.stack([sound] * 6), np.stack([2 * sound, 0 * sound]), ((sound * 128).round() + 128).astype(np.uint8),
    ):  # fmt: skip
        heard, notes = listened(made, RATE)
        np.testing.assert_allclose(heard, plain, atol=1e-4 if made.dtype != np.uint8 else 5e-3)
        assert not notes


def broken(sound):
    sound = sound.copy()
    sound[100:110] = np.nan
    sound[200] = np.inf
    return sound


@pytest.mark.parametrize(
    "change, says",
    [
        (broken, "11 samples"), (lambda s: s * 40, "times full scale"), (lambda s: s * 0, "silent"),
        (lambda s: np.clip(s * 20, -1, 1), "clipped"), (lambda s: np.stack([s, -s]), "channel 1"),
        (lambda s: np.random.default_rng(0).normal(0, 0.1, len(s)), "No voice"), (lambda s: s[:100], "No voice"),
    ],
)  # fmt: skip
def test_odd_sound_is_used_and_remarked_on(random_weights, change, says):
    sound = change(babble(1.0))
    motion, notes = speech_motion(sound, RATE, weights=random_weights)
    assert says in " ".join(notes) and np.isfinite(motion.blendshapes).all()
    assert len(motion) == max(1, round(30 * np.shape(sound)[-1] / RATE))


def test_good_sound_is_not_remarked_on(random_weights):
    assert speech_motion(babble(2.0, 48000), 48000, weights=random_weights)[1] == ()
    assert "can hardly be told" in listened(babble(1.0, 6000), 6000)[1][0]


@pytest.mark.parametrize(
    "sound, rate, says",
    [
        (np.zeros(0), RATE, "empty"), (np.zeros((2, 0)), RATE, "empty"), (np.full(RATE, np.nan), RATE, "not numbers"),
        (np.zeros(RATE), 3999, "3999"), (np.zeros(RATE), 192001, "192001"), (np.zeros(RATE), 16000.5, "16000.5"),
        (np.zeros(RATE), float("nan"), "nan"), (np.zeros((RATE, 2)), RATE, "Transpose"), (np.zeros((1, 1, 9)), RATE, "shape"),
        (np.zeros(4000 * 7201, np.int8), 4000, "7201 seconds"), (np.zeros(9, bool), RATE, "type"),
        (np.array(["a"]), RATE, "type"), (np.zeros(()), RATE, "shape"), (np.zeros(9, complex), RATE, "type"),
    ],
)  # fmt: skip
def test_sound_that_is_none_is_refused(random_weights, sound, rate, says):
    with pytest.raises(TroupeError, match=says):
        speech_motion(sound, rate, weights=random_weights)


@pytest.mark.parametrize(
    "options, says",
    [
        ({"setting": "best"}, "default, quality"), ({"emotion": "hapy"}, "happy"), ({"persona": "nice"}, "friendly"),
        ({"fps": 0}, "frame rate"), ({"fps": 1e6}, "frame rate"), ({"text": [0, 1]}, "phones"),
        ({"text": [len(PHONES)]}, "phones"), ({"text": "hello", "language": "klingon"}, "klingon"),
    ],
)  # fmt: skip
def test_options_that_make_no_sense_are_refused(random_weights, options, says):
    with pytest.raises(TroupeError, match=says):
        speech_motion(babble(0.2), RATE, weights=random_weights, **options)


def test_progress_is_told_and_may_stop(random_weights):
    told = []
    speech_motion(babble(21.0), RATE, weights=random_weights, progress=lambda *a: told.append(a))
    assert told == [(1, 3), (2, 3), (3, 3)]

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        speech_motion(babble(1.0), RATE, weights=random_weights, progress=stop)
