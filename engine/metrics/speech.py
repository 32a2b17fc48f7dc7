"""How well a mouth follows speech: one motion against another, and against its sound.

Distances to a reference are no better than the reference. Where that is the rule-based teacher of our own training
they say how well its rules were learned, not how people speak.

LMD (``lmd``) is the mean squared error over the 27 jaw and mouth weights of ARKit and all frames. A mouth that stays
shut scores well on it, hence ``nmse``: squared error over the variance of the reference, so that its own mean pose scores
1. The lag error is the distance between the openings of two mouths in time, and has nothing to do with Wav2Lip's LSE.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from ..errors import TroupeError
from ..motion.face_motion import INDEX, FaceMotion
from ..speech.channels import CHANNELS, MOUTH_SHAPES, aperture
from ..speech.channels import INDEX as CHANNEL
from ..speech.features import MEL_FPS, log_mel, loudness

LAG_FPS, LAG_REACH, LAG_WINDOW, LAG_HOP = 30.0, 10, 2.0, 1.0  # frames/s, frames, seconds, seconds
LAG_SMALLEST_STD = 0.03
SHUT, PRESSED, NEAR = 0.06, 0.15, 0.04  # aperture, mouthPress, seconds
QUIET, SILENT = 7.0, -13.0  # nepers of power under the loudest, and at all, that count as silence
VARIES = 1e-6  # variance of a channel that counts in nMSE
_MOUTH = [INDEX[n] for n in MOUTH_SHAPES]


@dataclass(frozen=True)
class Against:
    """One motion against a reference.

    Attributes:
        lmd: Mean squared error over the 27 jaw and mouth weights.
        mae: Mean absolute error over them.
        nmse: Squared error over the reference's variance, over the weights that vary; 1 is a constant.
        aperture_correlation: Of how far the mouths are open.
        lag: Mean distance in time, frames of 30 a second; NaN if no window moves enough.
        closure_recall, closure_precision: Of lips that touch; NaN where there are none.
        jerk, reference_jerk: See ``jerk``.
        seconds: What was compared.
    """

    lmd: float
    mae: float
    nmse: float
    aperture_correlation: float
    lag: float
    closure_recall: float
    closure_precision: float
    jerk: float
    reference_jerk: float
    seconds: float


def compare(motion: FaceMotion, reference: FaceMotion) -> Against:
    """A motion against a reference, at the reference's frame rate, over the time that both have.

    Raises:
        TroupeError: if they share less than half a second.
    """
    seconds = min(motion.duration, reference.duration)
    if seconds < 0.5:
        raise TroupeError(
            "The two motions cannot be compared",
            f"they share {seconds:.2f} seconds, at least 0.5 are needed",
            "Use longer motions of the same sound",
        )
    fps = reference.fps
    theirs = reference.blendshapes[: max(1, int(round(seconds * fps)))]
    mine = resampled(motion.blendshapes, motion.fps, fps, len(theirs))
    recall, precision = closures(mine, theirs, fps)
    return Against(
        lmd=lmd(mine, theirs),
        mae=float(np.abs(mine[:, _MOUTH] - theirs[:, _MOUTH]).mean()),
        nmse=nmse(mine[:, _MOUTH], theirs[:, _MOUTH]),
        aperture_correlation=_correlation(aperture(mine), aperture(theirs)),
        lag=lag_error(aperture(mine), aperture(theirs), fps),
        closure_recall=recall,
        closure_precision=precision,
        jerk=jerk(mine[:, _MOUTH], fps),
        reference_jerk=jerk(theirs[:, _MOUTH], fps),
        seconds=len(theirs) / fps,
    )


@dataclass(frozen=True)
class AgainstSound:
    """One motion against the sound it should follow. Loudness says little about which mouth belongs to a voice: judge
    the correlation only beside that of the same sound shifted.

    Attributes:
        silence_aperture: See ``silence_aperture``; NaN if the sound is never silent.
        loudness_correlation: Of opening and loudness, at the best shift of at most 0.3 s.
        loudness_shift: That shift in seconds, positive if the mouth is late.
        mismatched_correlation: The same with the sound moved by other times, on average.
        closures_per_second: Lips that touch.
        jerk: See ``jerk``.
        drift: See ``drift``, of the pose; NaN under a minute.
        seconds: What was compared.
    """

    silence_aperture: float
    loudness_correlation: float
    loudness_shift: float
    mismatched_correlation: float
    closures_per_second: float
    jerk: float
    drift: float
    seconds: float


def compare_sound(motion: FaceMotion, samples: np.ndarray) -> AgainstSound:
    """A motion against its sound.

    Args:
        motion: Starting with the sound.
        samples: ``[S]`` at 16 kHz.

    Raises:
        TroupeError: if they share less than half a second.
    """
    loud = loudness(log_mel(samples))
    seconds = min(motion.duration, len(loud) / MEL_FPS)
    if seconds < 0.5:
        raise TroupeError(
            "The motion and the sound cannot be compared",
            f"they share {seconds:.2f} seconds, at least 0.5 are needed",
            "Use longer ones",
        )
    frames = max(1, int(seconds * motion.fps))
    shapes = motion.blendshapes[:frames]
    loud = resampled(loud[:, None], MEL_FPS, motion.fps, frames)[:, 0]
    peak = np.percentile(loud, 95)
    silent = loud < max(peak - QUIET, SILENT)
    loud, opening = np.maximum(loud, peak - QUIET), aperture(shapes)
    best, shift = best_correlation(opening, loud, motion.fps)
    others = [best_correlation(opening, np.roll(loud, frames * k // 6), motion.fps)[0] for k in range(1, 6)]
    return AgainstSound(
        silence_aperture=silence_aperture(opening, silent, motion.fps),
        loudness_correlation=best,
        loudness_shift=shift,
        mismatched_correlation=float(np.mean(others)),
        closures_per_second=len(pressed_runs(shapes)) / seconds,
        jerk=jerk(shapes[:, _MOUTH], motion.fps),
        drift=drift(shapes[:, _MOUTH]).pose if seconds >= 60 else float("nan"),
        seconds=seconds,
    )


def best_correlation(
    course: np.ndarray, reference: np.ndarray, fps: float, reach: float = 0.3
) -> tuple[float, float]:
    """Highest correlation of two courses ``[T]`` over shifts of at most ``reach`` seconds, and its shift in seconds,
    positive where ``course`` comes later."""
    _check(course[:, None], reference[:, None])
    n, most = len(course), min(int(reach * fps), len(course) // 2)
    scores = {
        s: _correlation(course[max(s, 0) : n + min(s, 0)], reference[max(-s, 0) : n - max(s, 0)])
        for s in range(-most, most + 1)
    }
    best = max(scores, key=scores.__getitem__)
    return scores[best], best / fps


def report(scores: object) -> list[str]:
    """Scores (a dataclass of numbers) as lines of text, for people."""
    return [f"{f.name.replace('_', ' '):<22} {getattr(scores, f.name):.4g}" for f in fields(scores)]


def resampled(values: np.ndarray, fps: float, to_fps: float, frames: int) -> np.ndarray:
    """Rows ``[T, K]`` at another frame rate, by time: ``[frames, K]``; the last row is held."""
    if fps == to_fps and len(values) >= frames:
        return values[:frames]
    at = np.minimum(np.arange(frames) * fps / to_fps, len(values) - 1)
    low = np.floor(at).astype(int)
    share = (at - low)[:, None]
    high = np.minimum(low + 1, len(values) - 1)
    return values[low] * (1 - share) + values[high] * share


def lmd(values: np.ndarray, reference: np.ndarray) -> float:
    """Mean squared error over the 27 jaw and mouth weights of blendshapes ``[T, 52]`` and all frames."""
    _check(values, reference)
    return float(np.mean((values[:, _MOUTH].astype(np.float64) - reference[:, _MOUTH]) ** 2))


def nmse(values: np.ndarray, reference: np.ndarray) -> float:
    """Squared error over the reference's variance about its mean, both summed over what varies: 1 - R squared.

    Args:
        values, reference: ``[T, K]``. Channels that the reference leaves still do not count.

    Returns:
        0 for the reference itself, 1 for its mean; NaN if nothing varies.
    """
    _check(values, reference)
    varies = reference.var(0) > VARIES
    if not varies.any():
        return float("nan")
    theirs = reference[:, varies].astype(np.float64)
    return float(((values[:, varies] - theirs) ** 2).mean(0).sum() / theirs.var(0).sum())


def lag_error(opening: np.ndarray, reference: np.ndarray, fps: float) -> float:
    """Mean distance in time between two openings ``[T]``, in frames of 30 a second.

    For every 2 seconds, each second, the shift of at most 10 frames at which their correlation is highest (between
    frames by a parabola). Windows in which the reference hardly moves do not count.

    Returns:
        Mean of the absolute shifts; NaN if no window counts.
    """
    _check(opening[:, None], reference[:, None])
    frames = int(len(reference) / fps * LAG_FPS)
    mine, theirs = (resampled(v[:, None], fps, LAG_FPS, frames)[:, 0] for v in (opening, reference))
    size, hop = int(LAG_WINDOW * LAG_FPS), int(LAG_HOP * LAG_FPS)
    shifts = [
        abs(_shift(mine[at : at + size], theirs[at : at + size]))
        for at in range(0, frames - size + 1, hop)
        if theirs[at : at + size].std() >= LAG_SMALLEST_STD
    ]
    return float(np.mean(shifts)) if shifts else float("nan")


def _shift(mine: np.ndarray, theirs: np.ndarray) -> float:
    """By how many frames ``mine`` comes after ``theirs``, at best correlation; the full reach if nothing moves."""
    if mine.std() < 1e-6:
        return float(LAG_REACH)
    reach, n = LAG_REACH, len(mine)
    scores = [
        _correlation(mine[max(s, 0) : n + min(s, 0)], theirs[max(-s, 0) : n - max(s, 0)])
        for s in range(-reach, reach + 1)
    ]
    best = int(np.argmax(scores))
    if 0 < best < 2 * reach:
        before, here, after = scores[best - 1 : best + 2]
        bend = before - 2 * here + after
        return best - reach + (0.5 * (before - after) / bend if bend < 0 else 0.0)
    return float(best - reach)


def closures(values: np.ndarray, reference: np.ndarray, fps: float) -> tuple[float, float]:
    """Recall and precision of lips that touch (p, b, m).

    A closure is a run of frames in which mouthPress is at least 0.15 and the aperture under 0.06. One of the reference
    is found if the mouth opens less than 0.06 within 40 ms of the middle of its run. One of the motion is right if its
    middle lies within 40 ms of a run of the reference.

    Args:
        values, reference: Channels ``[T, 18]`` or blendshapes ``[T, 52]``.
        fps: Frames a second.

    Returns:
        Recall and precision; NaN where the reference or the motion has no closure.
    """
    _check(values, reference)
    near = max(1, round(NEAR * fps))
    open_by, theirs = aperture(values), pressed_runs(reference)
    found = [open_by[max(m - near, 0) : m + near + 1].min() < SHUT for m in ((a + b) // 2 for a, b in theirs)]
    covered = np.zeros(len(reference), bool)
    for a, b in theirs:
        covered[max(a - near, 0) : b + near + 1] = True
    right = [covered[(a + b) // 2] for a, b in pressed_runs(values)]
    return tuple(float(np.mean(hits)) if hits else float("nan") for hits in (found, right))


def pressed_runs(values: np.ndarray) -> list[tuple[int, int]]:
    """First and last frame of each stretch in which the lips are pressed together."""
    if values.shape[1] == len(CHANNELS):
        press = values[:, CHANNEL["mouthPress"]]
    else:
        press = values[:, [INDEX["mouthPressLeft"], INDEX["mouthPressRight"]]].mean(1)
    return _runs((press >= PRESSED) & (aperture(values) < SHUT))


def _runs(mask: np.ndarray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2])]


def silence_aperture(opening: np.ndarray, silent: np.ndarray, fps: float) -> float:
    """Mean opening ``[T]`` in silence ``[T]`` (bool), leaving out the 150 ms after speech and before it, in which a mouth
    may still shut and already open; NaN if no frame is left."""
    _check(opening[:, None], silent[:, None])
    reach = int(np.ceil(0.15 * fps))
    speech = np.concatenate([np.zeros(reach, bool), ~silent, np.zeros(reach, bool)])
    near = np.convolve(speech, np.ones(2 * reach + 1), "valid") > 0.5
    return float(opening[~near].mean()) if (~near).any() else float("nan")


def jerk(values: np.ndarray, fps: float) -> float:
    """Mean size of the third derivative of ``[T, K]``, per second cubed; compare at the same frame rate only."""
    return (
        float(np.abs(np.diff(values.astype(np.float64), 3, axis=0)).mean() * fps**3)
        if len(values) > 3
        else 0.0
    )


@dataclass(frozen=True)
class Drift:
    """How the style of a motion changes from its first to its last third.

    Attributes:
        pose: Largest change of a channel's mean, in its standard deviations.
        range: Largest change of a channel's standard deviation, as a share of it.
    """

    pose: float
    range: float


def drift(values: np.ndarray) -> Drift:
    """Change of style over a long motion ``[T, K]``: of the mean and the spread of each channel that moves.

    Use at least a minute, best of speech that repeats: what is said moves the means, too.
    """
    third = len(values) // 3
    spread = values.std(0)
    moves = spread > 1e-3
    if not third or not moves.any():
        return Drift(0.0, 0.0)
    first, last, spread = values[:third, moves], values[-third:, moves], spread[moves]
    return Drift(
        float((np.abs(last.mean(0) - first.mean(0)) / spread).max()),
        float((np.abs(last.std(0) - first.std(0)) / spread).max()),
    )


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's; 0 if either does not move."""
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 1e-12 else 0.0


def _check(values: np.ndarray, reference: np.ndarray) -> None:
    if values.shape != reference.shape or not len(values):
        raise ValueError(
            f"need two of the same shape and not empty, got {values.shape} and {reference.shape}"
        )
    if not (np.isfinite(values).all() and np.isfinite(reference).all()):
        raise ValueError("values hold NaN or infinite numbers")
