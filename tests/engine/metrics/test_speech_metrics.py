"""Metrics of speech motion: known answers, and what must hold for any motion."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.engine.errors import TroupeError
from troupe.engine.metrics import speech as metrics
from troupe.engine.motion.face_motion import BLENDSHAPES, FaceMotion
from troupe.engine.motion.face_motion import INDEX as SHAPE
from troupe.engine.speech.channels import CHANNELS, INDEX, MOUTH_SHAPES, spread

FPS = 50.0


def babble(seconds: float, seed: int = 0, shut: bool = True) -> np.ndarray:
    """Channels of a mouth that opens at random and presses its lips now and then."""
    rng = np.random.default_rng(seed)
    frames = int(seconds * FPS)
    channels = np.zeros((frames, len(CHANNELS)), np.float32)
    keys = np.arange(0, frames + 12, 6)
    for name, size in (("jawOpen", 0.5), ("mouthFunnel", 0.4), ("mouthSmile", 0.3)):
        channels[:, INDEX[name]] = np.interp(np.arange(frames), keys, rng.uniform(0.15, 1, len(keys)) * size)
    if shut:
        for at in range(20, frames - 20, 40):
            channels[at : at + 4, INDEX["mouthClose"]] = channels[at : at + 4, INDEX["jawOpen"]]
            channels[at : at + 4, INDEX["mouthPress"]] = 0.35
    return channels


def motion(channels: np.ndarray, fps: float = FPS) -> FaceMotion:
    return FaceMotion(spread(channels), np.zeros((len(channels), 6)), fps)


def late(values: np.ndarray, frames: int) -> np.ndarray:
    return np.concatenate([np.repeat(values[:1], frames, 0), values])[: len(values)]


def test_a_motion_against_itself_is_perfect():
    scores = metrics.compare(motion(babble(8)), motion(babble(8)))
    assert scores.lmd == scores.nmse == scores.mae == 0
    assert scores.lag == pytest.approx(0, abs=1e-9) and scores.aperture_correlation == pytest.approx(1)
    assert scores.closure_recall == scores.closure_precision == 1
    assert scores.jerk == scores.reference_jerk > 0 and scores.seconds == 8
    assert len(metrics.report(scores)) == 10 and any(
        "closure recall" in line for line in metrics.report(scores)
    )


def test_lmd_is_the_mean_over_27_shapes_and_nothing_else():
    reference, mine = np.zeros((10, 52)), np.zeros((10, 52))
    mine[:, SHAPE["jawOpen"]] = 0.3
    mine[:, SHAPE["browInnerUp"]] = 1.0
    mine[:, SHAPE["tongueOut"]] = 1.0
    assert metrics.lmd(mine, reference) == pytest.approx(0.09 / 27)
    assert {BLENDSHAPES[i] for i in metrics._MOUTH} == set(MOUTH_SHAPES)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_the_mean_pose_scores_one_and_still_channels_do_not_count(seed: int):
    reference = babble(6, seed)
    mean = np.repeat(reference.mean(0, keepdims=True), len(reference), 0)
    assert metrics.nmse(mean, reference) == pytest.approx(1, abs=1e-5)
    wrong_where_still = reference.copy()
    wrong_where_still[:, INDEX["tongueOut"]] = 1.0
    assert metrics.nmse(wrong_where_still, reference) == 0
    assert np.isnan(metrics.nmse(mean, mean))


@pytest.mark.parametrize("frames", [0, 1, 3, 5, -4])
def test_lag_is_the_delay_in_frames_of_30(frames: int):
    opening = babble(20)[:, INDEX["jawOpen"]]
    smooth = np.convolve(opening, np.hanning(9) / np.hanning(9).sum(), "same")
    delayed = late(smooth, frames) if frames >= 0 else late(smooth[::-1], -frames)[::-1]
    assert metrics.lag_error(delayed, smooth, FPS) == pytest.approx(abs(frames) * 30 / 50, abs=0.12)


def test_lag_of_a_still_mouth_is_the_worst_and_of_a_still_reference_unknown():
    opening = babble(6)[:, INDEX["jawOpen"]]
    assert metrics.lag_error(np.zeros_like(opening), opening, FPS) == 10
    assert np.isnan(metrics.lag_error(opening, np.zeros_like(opening), FPS))


def test_closures_that_are_missed_and_invented():
    reference, blind = babble(10), babble(10, shut=False)
    count = len(metrics.pressed_runs(reference))
    assert count == 12
    recall, precision = metrics.closures(blind, reference, FPS)
    assert recall == 0 and np.isnan(precision)
    recall, precision = metrics.closures(reference, blind, FPS)
    assert np.isnan(recall) and precision == 0
    assert metrics.closures(late(reference, 2), reference, FPS) == (1, 1)
    recall, precision = metrics.closures(late(reference, 15), reference, FPS)
    assert recall < 0.3 and precision == 0


def test_closures_read_blendshapes_as_channels():
    reference, mine = babble(10), late(babble(10), 4)
    assert metrics.closures(spread(mine), spread(reference), FPS) == metrics.closures(mine, reference, FPS)


def test_silence_leaves_out_the_moments_around_speech():
    opening, silent = np.zeros(200), np.zeros(200, bool)
    silent[50:150] = True
    opening[~silent], opening[50:57], opening[144:150] = 0.4, 0.3, 0.3
    assert metrics.silence_aperture(opening, silent, FPS) == 0
    opening[100] = 0.85
    assert metrics.silence_aperture(opening, silent, FPS) == pytest.approx(0.85 / 84)
    assert np.isnan(metrics.silence_aperture(opening, np.zeros(200, bool), FPS))


def test_jerk_of_a_cubic_is_its_third_derivative():
    t = np.arange(100) / FPS
    values = np.stack([2 * t**3, -2 * t**3], 1)
    assert metrics.jerk(values, FPS) == pytest.approx(12, rel=1e-6)
    assert metrics.jerk(np.ones((50, 3)), FPS) == 0


def test_drift_sees_a_pose_that_creeps_and_a_range_that_shrinks():
    steady = np.tile(babble(10), (18, 1))
    assert metrics.drift(steady).pose < 1e-3 and metrics.drift(steady).range < 1e-3
    creeping = steady.copy()
    creeping[:, INDEX["mouthSmile"]] += np.linspace(0, 0.3, len(steady))
    assert metrics.drift(creeping).pose > 0.5
    shrinking = steady * np.linspace(1, 0.4, len(steady))[:, None]
    assert metrics.drift(shrinking).range > 0.3


@settings(max_examples=15, deadline=None)
@given(st.sampled_from([25.0, 29.97, 60.0]), st.integers(0, 100))
def test_frame_rates_do_not_matter_much(fps: float, seed: int):
    channels = babble(6, seed, shut=False)
    other = metrics.resampled(channels, FPS, fps, int(6 * fps))
    scores = metrics.compare(motion(other, fps), motion(channels))
    assert scores.nmse < 0.05 and scores.lag < 0.2


def test_too_short_or_unequal_input_is_refused():
    with pytest.raises(TroupeError, match="share 0.20 seconds"):
        metrics.compare(motion(babble(0.2)), motion(babble(4)))
    with pytest.raises(TroupeError, match="sound"):
        metrics.compare_sound(motion(babble(4)), np.zeros(1600))
    with pytest.raises(ValueError, match="same shape"):
        metrics.nmse(np.zeros((3, 4)), np.zeros((4, 4)))
    with pytest.raises(ValueError, match="NaN"):
        metrics.lmd(np.full((3, 52), np.nan), np.zeros((3, 52)))


class TestAgainstSound:
    @pytest.fixture(scope="class")
    def sound(self) -> np.ndarray:
        """Syllables at random times, and two seconds of silence."""
        rng = np.random.default_rng(3)
        envelope = (
            np.interp(np.arange(12 * 16000), np.arange(0, 12 * 16000 + 2400, 2400), rng.random(81)) ** 2
        )
        envelope[4 * 16000 : 6 * 16000] = 0
        return (rng.standard_normal(len(envelope)) * envelope * 0.2).astype(np.float32)

    def opening(self, sound: np.ndarray) -> np.ndarray:
        level = np.sqrt((sound.reshape(-1, 320) ** 2).mean(1))
        return np.convolve(level, np.ones(3) / 3, "same") * 2

    def test_a_mouth_that_follows_beats_one_that_does_not(self, sound: np.ndarray):
        channels = np.zeros((600, len(CHANNELS)), np.float32)
        channels[:, INDEX["jawOpen"]] = self.opening(sound)
        good = metrics.compare_sound(motion(late(channels, 3)), sound)
        assert good.loudness_correlation > 0.6 > 0.4 > good.mismatched_correlation
        assert good.loudness_shift == pytest.approx(0.06, abs=0.03)
        assert good.silence_aperture < 0.01 and np.isnan(good.drift) and good.seconds == 12
        bad = metrics.compare_sound(motion(channels[::-1]), sound)
        assert bad.loudness_correlation < 0.5 and bad.silence_aperture > 0.05

    def test_closures_are_counted(self, sound: np.ndarray):
        assert metrics.compare_sound(motion(babble(12)), sound).closures_per_second == pytest.approx(14 / 12)

    def test_sound_that_says_nothing(self, sound: np.ndarray):
        """Silence and a steady tone correlate with nothing; the whole of silence is silent."""
        quiet = metrics.compare_sound(motion(babble(12)), np.zeros_like(sound))
        assert quiet.loudness_correlation == quiet.mismatched_correlation == 0
        assert quiet.silence_aperture == pytest.approx(
            float((babble(12)[:, INDEX["jawOpen"]] - babble(12)[:, INDEX["mouthClose"]]).mean()), abs=1e-5
        )
        tone = 0.3 * np.sin(np.arange(len(sound)) * 0.2)
        assert np.isnan(metrics.compare_sound(motion(babble(12)), tone).silence_aperture)

    def test_drift_is_told_from_a_minute_on(self, sound: np.ndarray):
        long = np.tile(sound, 6)
        assert np.isnan(metrics.compare_sound(motion(babble(59.9)), long).drift)
        channels = babble(60.0)
        channels[:, INDEX["mouthSmile"]] = np.linspace(0, 0.5, len(channels))
        assert metrics.compare_sound(motion(channels), long).drift > 1

    @settings(max_examples=40, deadline=None)
    @given(st.integers(1, 40), st.floats(1, 120), st.floats(0, 4))
    def test_any_length_and_rate_is_judged_or_refused(
        self, sound: np.ndarray, frames: int, fps: float, seconds: float
    ):
        mine = motion(babble(frames / FPS), fps)
        for judge in (
            lambda: metrics.compare_sound(mine, sound[: int(seconds * 16000)]),
            lambda: metrics.compare(mine, motion(babble(max(seconds, 0.02)))),
            lambda: metrics.compare(motion(babble(max(seconds, 0.02))), mine),
        ):
            try:
                scores = judge()
            except TroupeError as error:
                assert "0.5 are needed" in str(error) and min(frames / fps, seconds) < 0.52
                continue
            assert 0 < scores.seconds <= max(seconds, 0.02) + 1 / fps + 0.02
            assert len(metrics.report(scores)) >= 8
