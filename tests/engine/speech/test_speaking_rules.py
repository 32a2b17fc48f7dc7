"""Blinks, brows, gaze and head while somebody speaks: as often as the persona says, at their moments, and smooth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.engine.motion.face_motion import BLENDSHAPES, INDEX
from troupe.engine.motion.presets import preset_pose
from troupe.engine.speech.conditions import EMOTIONS
from troupe.engine.speech.emotion import HEARD
from troupe.engine.speech.listener import STRESSES, Listener, bump, minimum_jerk
from troupe.engine.speech.persona import PERSONAS, Persona
from troupe.engine.speech.prosody import FORCE, PITCH, SPEAKING, VOICED
from troupe.engine.speech.rules import RuleState

FPS = 50
PLAIN = Persona()
STILL = Persona(head=0, gaze=0, blink_rate=0, brow_rate=0)


def talk(seconds: float, seed: int = 0) -> np.ndarray:
    """Prosody of phrases of 2 to 5 s with pauses between: four syllables a second, every fourth or so stressed."""
    rng, out = np.random.default_rng(seed), []
    while sum(map(len, out)) < seconds * FPS:
        for _ in range(int(rng.integers(8, 20))):
            stress = rng.random() < 0.25
            rows = np.zeros((int(rng.integers(10, 16)), 4), np.float32)
            rows[:, SPEAKING] = 1
            part = slice(2, len(rows) - 1)
            rows[part, VOICED] = 1
            shape = np.hanning(len(rows) - 1)[1:-1]
            rows[part, FORCE] = rng.normal(-0.3, 0.2) + shape * (0.6 + 1.0 * stress)
            rows[part, PITCH] = rng.normal(-0.2, 0.2) + shape * 1.6 * stress
            out.append(rows)
        out.append(np.zeros((int(rng.integers(15, 60)), 4), np.float32))
    return np.concatenate(out)[: round(seconds * FPS)]


def act(prosody, persona=PLAIN, seed=0, emotion: str | None = None, weight=1.0):
    mixes = np.zeros((len(prosody), len(EMOTIONS)), np.float32)
    if emotion:
        mixes[:, EMOTIONS.index(emotion)] = weight
    return RuleState(persona, seed).step(prosody, mixes)


def column(shapes, name):
    return shapes[:, INDEX[name]]


def onsets(values, level):
    return np.flatnonzero((values[1:] >= level) & (values[:-1] < level)) + 1


TALK = talk(900)
SILENCE = np.zeros((900 * FPS, 4), np.float32)
SHAPES, HEAD = act(TALK)
MOMENTS = [m for listener in [Listener()] for m in map(listener.step, TALK.tolist())]
STRESSED = np.array([m.stress for m in MOMENTS])


def test_rules_keep_to_their_shapes_and_ranges():
    for persona in PERSONAS.values():
        for emotion in (None, "angry"):
            shapes, head = act(TALK[:3000], persona, emotion=emotion)
            assert shapes.shape == (3000, 52) and head.shape == (3000, 6)
            assert shapes.dtype == head.dtype == np.float32
            assert shapes.min() >= 0 and shapes.max() <= 1 and not shapes[:, HEARD].any()
            assert np.isfinite(head).all()
    mouth = [i for i, n in enumerate(BLENDSHAPES) if n.startswith(("mouth", "jaw", "tongue", "cheekPuff"))]
    assert not SHAPES[:, mouth].any()


def test_the_first_row_is_rest():
    for seed in range(8):
        shapes, head = act(TALK[:50], seed=seed)
        assert shapes[0].max() < 1e-3 and np.abs(head[0]).max() < 1e-2
        assert np.abs(head[:5]).max() < 0.2


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 600), max_size=20), seed=st.integers(-(2**63), 2**63))
def test_the_same_in_any_pieces_and_deaf_to_the_future(cuts, seed):
    rows = TALK[:600].copy()
    edges = [0, *sorted(cuts), 600]
    state, mixes = RuleState(PLAIN, seed), np.full((600, 8), 0.1, np.float32)
    parts = [state.step(rows[a:b], mixes[a:b]) for a, b in zip(edges, edges[1:])]
    whole = RuleState(PLAIN, seed).step(rows, mixes)
    for i in range(2):
        np.testing.assert_allclose(np.concatenate([p[i] for p in parts]), whole[i], atol=1e-6)
    rows[300:] = 0
    other = RuleState(PLAIN, seed).step(rows, mixes)
    for i in range(2):
        np.testing.assert_array_equal(other[i][:300], whole[i][:300])


def test_seeds_and_amounts():
    again, other = act(TALK[:1500]), act(TALK[:1500], seed=1)
    assert np.array_equal(again[0], SHAPES[:1500]) and not np.array_equal(other[0], SHAPES[:1500])
    shapes, head = act(TALK[:1500], STILL)
    assert not head.any()
    assert not shapes[:, [i for i, n in enumerate(BLENDSHAPES) if not n.startswith("noseSneer")]].any()
    # One amount does not change what the others do.
    calmer = act(TALK[:1500], replace(PLAIN, head=0.0))[0]
    np.testing.assert_array_equal(column(calmer, "browInnerUp"), column(SHAPES[:1500], "browInnerUp"))


# --- blinks ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0, 8, 17, 30])
@pytest.mark.parametrize("rows", [TALK, SILENCE], ids=["speech", "silence"])
def test_blinks_come_as_often_as_the_persona_says(rows, rate):
    lid = column(act(rows, replace(PLAIN, blink_rate=rate), seed=3)[0], "eyeBlinkLeft")
    assert len(onsets(lid, 0.5)) / (len(rows) / FPS / 60) == pytest.approx(rate, rel=0.17, abs=0.01)


def test_blinks_are_quick_whole_and_of_both_eyes():
    lid = column(act(TALK, replace(PLAIN, gaze=0.0))[0], "eyeBlinkLeft")
    np.testing.assert_array_equal(lid, column(act(TALK, replace(PLAIN, gaze=0.0))[0], "eyeBlinkRight"))
    begin, shut = onsets(lid, 0.1), onsets(lid, 0.99)
    assert len(begin) == len(shut) > 200 and begin[0] > 0.7 * FPS
    assert (shut - begin).max() <= 4  # 80 ms down
    ends = np.flatnonzero((lid[1:] < 0.1) & (lid[:-1] >= 0.1)) + 1
    assert 0.2 <= np.median(ends - begin[: len(ends)]) / FPS <= 0.4
    assert np.sort(np.diff(begin))[len(begin) // 10] > FPS  # few are double


def test_blinks_prefer_the_ends_of_phrases():
    silence = np.array([m.silence for m in MOMENTS])
    pause = (silence > 0) & (silence < 0.35)
    begin = onsets(column(SHAPES, "eyeBlinkLeft"), 0.3)
    assert pause[begin].mean() > 2.5 * pause.mean()


# --- brows ----------------------------------------------------------------------------------------------------


def test_stresses_are_those_of_the_sound_and_not_too_many():
    spoken = TALK[:, SPEAKING].sum() / FPS
    assert 0.6 * STRESSES < (STRESSED > 0).sum() / spoken < 1.2 * STRESSES
    assert STRESSED.max() <= 1 and STRESSED[STRESSED > 0].min() >= 0.3
    high = np.array([TALK[max(0, i - 6) : i + 6, PITCH].max() > 0.7 for i in range(len(TALK))])
    assert high[STRESSED > 0].mean() > 2 * high[TALK[:, VOICED] > 0].mean()


def test_nobody_stresses_a_monotone_or_silence():
    flat = np.tile(np.array([1, 0, 0, 1], np.float32), (3000, 1))
    for rows in (flat, SILENCE[:3000]):
        listener = Listener()
        assert sum(listener.step(row).stress > 0 for row in rows.tolist()) <= 2


@pytest.mark.parametrize("rate", [0, 5, 10, 16])
def test_brows_rise_at_stresses_as_often_as_the_persona_says(rate):
    brow = column(act(TALK, replace(PLAIN, brow_rate=rate))[0], "browOuterUpLeft")
    begin = onsets(brow, 0.08)
    minutes = TALK[:, SPEAKING].sum() / FPS / 60
    assert len(begin) / minutes == pytest.approx(rate, rel=0.3, abs=0.01)
    cue = (STRESSED > 0) | np.array([m.begins for m in MOMENTS])
    assert all(cue[max(0, i - 10) : i + 1].any() for i in begin)
    assert brow.max() < 0.7


def test_who_frowns_does_not_raise_the_brows():
    calm, angry = (column(act(TALK, emotion=e)[0], "browOuterUpLeft") for e in (None, "angry"))
    assert angry.max() < 0.5 * calm.max()


# --- gaze -----------------------------------------------------------------------------------------------------


def gaze(shapes):
    return column(shapes, "eyeLookOutLeft") - column(shapes, "eyeLookInLeft")


def test_eyes_are_mostly_on_the_viewer_and_jump():
    shapes = act(TALK, replace(PLAIN, head=0.0))[0]
    x = gaze(shapes)
    assert 0.75 < (np.abs(x) < 0.1).mean() < 0.97  # looks at who listens, but does not stare
    assert np.abs(x).max() < 0.6
    np.testing.assert_allclose(
        x, column(shapes, "eyeLookInRight") - column(shapes, "eyeLookOutRight"), atol=1e-6
    )
    moving = np.abs(np.diff(x)) > 1e-6
    assert moving.mean() < 0.12  # still between jumps
    runs = np.diff(np.flatnonzero(np.diff(np.r_[0, moving, 0])))[::2]
    assert runs.max() <= 6


def test_eyes_stay_where_they_look_while_the_head_turns():
    x, yaw = gaze(SHAPES), HEAD[:, 1]
    still = act(TALK, replace(PLAIN, head=0.0))[0]
    turned = x - gaze(still)
    assert np.corrcoef(turned, yaw)[0, 1] < -0.99


# --- head -----------------------------------------------------------------------------------------------------


def jerk(values):
    return np.abs(np.diff(values, 3, axis=0)).max(0) * FPS**3


@pytest.mark.parametrize("name", PERSONAS)
def test_head_and_brows_move_without_a_jerk(name):
    persona = PERSONAS[name]
    shapes, head = act(TALK, persona, seed=5)
    assert jerk(head[:, :3]).max() < 16_000 * persona.head  # degrees per cubic second: a brisk nod
    assert np.abs(np.diff(head[:, :3], axis=0)).max() * FPS < 45 * persona.head
    assert np.abs(head[:, :3]).max() < 13 * persona.head and np.abs(head[:, 3:]).max() < 0.06
    brows = shapes[:, [INDEX[n] for n in ("browInnerUp", "browOuterUpLeft", "browOuterUpRight")]]
    assert jerk(brows).max() < 5_000 * persona.range


def test_head_is_alive_while_speaking_and_calmer_in_silence():
    speed = np.sqrt((np.diff(HEAD[:, :3], axis=0) ** 2).sum(1)) * FPS
    quiet = np.array([m.silence for m in MOMENTS])[1:]
    spoken = speed[quiet == 0].mean()
    assert 3 < spoken < 12  # degrees a second; people who talk to a camera have 5 to 20
    silent = np.sqrt((np.diff(act(SILENCE)[1][:, :3], axis=0) ** 2).sum(1)) * FPS
    assert 0.3 < silent.mean() < 0.35 * spoken
    assert (HEAD[:, :3].std(0) > 0.6).all()


def test_heads_nod_at_stresses():
    at = np.flatnonzero(STRESSED > 0.6)
    at = at[(at > FPS) & (at < len(HEAD) - FPS)]
    before, after = HEAD[at, 0], np.stack([HEAD[at + k, 0] for k in range(8, 18)]).mean(0)
    shuffled = np.random.default_rng(0).integers(FPS, len(HEAD) - FPS, len(at))
    chance = np.stack([HEAD[shuffled + k, 0] for k in range(8, 18)]).mean(0) - HEAD[shuffled, 0]
    assert (after - before).mean() > chance.mean() + 0.4


def test_nothing_drifts_in_ten_minutes():
    minutes = HEAD[: 10 * 60 * FPS, :3].reshape(10, -1, 3)
    assert np.abs(minutes.mean(1)).max() < 1.2
    assert minutes.std(1).max() / minutes.std(1).min(0).min() < 4
    brow = column(SHAPES, "browInnerUp")[: 10 * 60 * FPS].reshape(10, -1).mean(1)
    assert np.ptp(brow) < 0.03


# --- emotions and personas ------------------------------------------------------------------------------------


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_emotions_show_on_the_rest_of_the_face(emotion):
    shapes, head = act(SILENCE[:500], STILL, emotion=emotion, weight=0.5)
    pose, held = preset_pose(emotion, 0.5)
    rest = np.flatnonzero(~HEARD & np.array([not n.startswith("noseSneer") for n in BLENDSHAPES]))
    np.testing.assert_allclose(shapes[-1, rest], pose[rest], atol=1e-6)
    np.testing.assert_allclose(head[-1], held, atol=1e-6)
    wide = act(SILENCE[:500], replace(STILL, range=1.5), emotion=emotion, weight=0.5)[0]
    np.testing.assert_allclose(wide[-1, rest], np.minimum(1.5 * pose[rest], 1), atol=1e-6)


def test_a_smile_shows_around_the_eyes():
    shapes, _ = act(SILENCE[:100], replace(STILL, smile=0.5))
    assert column(shapes, "cheekSquintLeft")[-1] == pytest.approx(0.12, abs=1e-3)


def test_wide_eyes_still_blink():
    shapes, _ = act(TALK, emotion="fearful")
    lid, wide = column(shapes, "eyeBlinkLeft"), column(shapes, "eyeWideLeft")
    assert lid.max() == pytest.approx(1, abs=1e-3) and wide[lid > 0.99].max() < 0.02 < 0.8 < wide.max()


def test_the_sad_move_less():
    moves = {
        e: np.abs(np.diff(act(TALK[:15000], emotion=e)[1][:, :3], axis=0)).mean()
        for e in ("sad", "happy", "angry")
    }
    plain = np.abs(np.diff(HEAD[:15000, :3], axis=0)).mean()
    assert moves["sad"] < 0.75 * plain and moves["angry"] > moves["happy"] > 1.05 * plain


# --- courses --------------------------------------------------------------------------------------------------


def test_courses_begin_and_end_at_rest():
    assert minimum_jerk(0) == 0 and minimum_jerk(1) == 1 and minimum_jerk(0.5) == 0.5
    course = np.array(bump(0.2, 0.1, 0.4))
    assert course[0] == course[-1] == 0 and course.max() == 1 and len(course) == 36
    assert jerk(course) < 60 / 0.2**3 * 1.3
