"""Live sound to frames: the same for any pieces, and whatever happens to them on the way."""

from __future__ import annotations

import os
import threading
import time
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.engine.errors import TroupeError
from troupe.engine.speech.animate import SpeechAnimator, speech_motion
from troupe.engine.speech.live import FADE, Frames, LiveAnimator
from troupe.engine.speech.live_input import BUFFER, PATIENCE, Inlet, run_live


class Meter:
    """A face that tells time and loudness: head pitch is the row's second, jawOpen the level of its 20 ms."""

    def __init__(self, lookahead: int = 2):
        self.lookahead, self.delay = lookahead, (lookahead + 1) / 50
        self.rest, self.row, self.samples = np.zeros(0, np.float32), 0, 0

    def push(self, samples):
        self.samples += len(samples)
        self.rest = np.concatenate([self.rest, samples])
        count = max(0, len(self.rest) // 320 - self.lookahead)
        return self.rows(count)

    def rows(self, count):
        shapes, head = np.zeros((count, 52), np.float32), np.zeros((count, 6), np.float32)
        blocks = self.rest[: count * 320].reshape(count, 320)
        shapes[:, 24] = np.abs(blocks).mean(1)
        head[:, 0] = (self.row + np.arange(count)) / 50
        self.rest, self.row = self.rest[count * 320 :], self.row + count
        return shapes, head

    def flush(self):
        count = len(self.rest) // 320
        return self.rows(count)


def stream(rate=16000, fps=30, **options) -> LiveAnimator:
    return LiveAnimator(Meter(), rate, fps, **options)


def joined(*parts: Frames) -> Frames:
    return Frames(*(np.concatenate([getattr(p, k) for p in parts]) for k in ("times", "blendshapes", "head")))


def noise(seconds: float, rate: int = 16000, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, round(seconds * rate)).astype(np.float32)


def level(frames: Frames, begin: float, end: float) -> np.ndarray:
    return frames.blendshapes[(frames.times >= begin) & (frames.times < end), 24]


# --- the same for any pieces ------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 4000), min_size=1, max_size=30),
    st.sampled_from([8000, 16000, 44100]),
    st.sampled_from([24, 30, 50, 60, Fraction(30000, 1001), 90]),
    st.sampled_from([("s16le", 1), ("s16le", 2), ("f32le", 1), ("f32le", 3)]),
)
def test_any_pieces_give_the_same_frames(cuts, rate, fps, how):
    """Pieces of any number of bytes, samples cut in two among them."""
    format, channels = how
    sound = np.repeat(noise(0.5, rate)[:, None], channels, 1)
    data = ((sound * 32767).astype("<i2") if format == "s16le" else sound.astype("<f4")).tobytes()
    options = {"rate": rate, "fps": fps, "format": format, "channels": channels}
    whole = stream(**options)
    expected = joined(whole.push(data), whole.finish())
    live, parts, at = stream(**options), [], 0
    for cut in [*cuts, len(data)]:
        parts.append(live.push(data[at : at + cut]))
        at += cut
    frames = joined(*parts, live.finish())
    assert np.array_equal(frames.times, expected.times)
    assert np.array_equal(frames.blendshapes, expected.blendshapes)
    assert np.array_equal(frames.head, expected.head)
    assert live.tally.heard == pytest.approx(0.5, abs=1e-3) and live.tally.gaps == 0


@pytest.mark.parametrize("rate", [4000, 8000, 16000, 22050, 48000, 192000])
@pytest.mark.parametrize("fps", [25, 30, 60, Fraction(30000, 1001)])
def test_frames_come_in_time_and_number(rate, fps):
    live = stream(rate, fps)
    frames = joined(live.push(noise(3.0, rate)), live.finish())
    assert len(frames) == round(3 * Fraction(fps)) == live.tally.frames
    np.testing.assert_allclose(frames.times, np.arange(len(frames)) / float(fps), atol=1e-9)
    inner = frames.times < 2.97  # the last row is held
    np.testing.assert_allclose(frames.head[inner, 0], frames.times[inner], atol=1e-5)


def test_arrays_and_bytes_are_the_same_sound():
    sound = (noise(1) * 32767).astype("<i2")
    a, b, c = stream(), stream(format="f32le"), stream(channels=2)
    frames = [
        joined(a.push(sound.tobytes()), a.finish()),
        joined(b.push(sound.astype(np.float32) / 32768), b.finish()),
        joined(c.push(np.repeat(sound[:, None].astype(np.float32) / 32768, 2, 1)), c.finish()),
    ]
    for other in frames[1:]:
        np.testing.assert_array_equal(other.blendshapes, frames[0].blendshapes)


@pytest.mark.parametrize("setting", ["default", "quality"])
def test_the_pack_s_own_face_live_and_whole(setting, random_weights):
    """The real animator, with weights of no training: pieces of any length give what the whole recording gives."""
    rng = np.random.default_rng(5)
    sound = noise(4.0) * np.repeat(rng.random(20), 3200).astype(np.float32)
    motion, _ = speech_motion(sound, 16000, 30, setting=setting, emotion="happy:0.5", weights=random_weights)
    animator = SpeechAnimator("happy:0.5", setting=setting, weights=random_weights)
    live, at, parts = LiveAnimator(animator, 16000, 30), 0, []
    while at < len(sound):
        size = int(rng.integers(1, 2000))
        parts.append(live.push(sound[at : at + size]))
        at += size
    frames = joined(*parts, live.finish())
    assert len(frames) == len(motion) == 120
    np.testing.assert_allclose(frames.blendshapes, motion.blendshapes, atol=1e-5)
    np.testing.assert_allclose(frames.head, motion.head, atol=1e-4)


# --- how late ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
@pytest.mark.parametrize(("lookahead", "chunk"), [(2, 0.04), (3, 0.02), (2, 0.02), (2, 0.03), (0, 0.01)])
@pytest.mark.parametrize("fps", [30, 60, 25, 50])
def test_no_frame_is_later_than_the_arithmetic_says(rate, lookahead, chunk, fps):
    """Measured piece by piece: the formula is an upper bound, and a tight one."""
    live = LiveAnimator(Meter(lookahead), rate, fps)
    latest, piece = 0.0, round(chunk * rate)
    for n in range(1, round(4 / chunk)):
        frames = live.push(np.zeros(piece, np.float32))
        if len(frames):
            latest = max(latest, n * piece / rate - frames.times[0])
    promised = live.worst_case_latency(chunk)
    assert latest <= promised + 1e-6
    assert latest > promised - 0.003


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
def test_both_settings_stay_below_a_tenth_of_a_second(rate):
    compute = 0.004
    assert LiveAnimator(Meter(2), rate, 30).worst_case_latency(0.04, compute) < 0.1
    assert LiveAnimator(Meter(3), rate, 30).worst_case_latency(0.02, compute) < 0.1
    assert LiveAnimator(Meter(2), rate, 60).worst_case_latency(0.02, compute) < 0.1


# --- what happens on the way ------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.sets(st.integers(1, 48), max_size=20), st.booleans())
def test_dropped_pieces_leave_the_rest_in_its_place(dropped, twice):
    """Every piece says when it was recorded: holes are filled, repeats are left out, times stay true."""
    sound, live = noise(1.0), stream()
    parts = []
    for n in range(50):
        if n not in dropped:
            for _ in range(1 + twice):
                parts.append(live.push(sound[n * 320 : (n + 1) * 320], at=1000 + n * 0.02))
    frames = joined(*parts, live.finish())
    assert len(frames) == 30
    np.testing.assert_allclose(frames.head[:-2, 0], frames.times[:-2], atol=1e-5)
    tally = live.tally
    assert tally.missing == pytest.approx(len(dropped) * 0.02, abs=1e-4)
    assert tally.gaps == sum(n - 1 not in dropped for n in dropped)
    assert tally.late == pytest.approx((50 - len(dropped)) * 0.02 * twice, abs=1e-4)
    rows = Meter()
    whole = np.concatenate([rows.push(sound)[0], rows.flush()[0]])[:, 24]
    for n in range(1, 47):  # a frame at a time between two rows that were both heard is what it always was
        at = frames.times * 50
        near = np.flatnonzero((at >= n) & (at < n + 1))
        if not {n, n + 1} & dropped and len(near):
            mix = at[near] - n
            np.testing.assert_allclose(
                frames.blendshapes[near, 24], whole[n] * (1 - mix) + whole[n + 1] * mix, atol=1e-4
            )


def test_a_hole_fades_out_and_is_then_silent():
    live = stream(fps=50)
    first = live.push(noise(1.0), at=0.0)
    frames = joined(first, live.push(noise(1.0, seed=1), at=2.0), live.finish())
    assert level(frames, 0.9, 1.0).min() > 0.2
    fading = level(frames, 1.0, 1.0 + FADE)
    assert (np.diff(fading) < 0).all() and fading[0] > 0.15
    assert not level(frames, 1.0 + FADE + 0.02, 1.98).any()
    assert level(frames, 2.02, 3.0).min() > 0.2
    assert live.tally.gaps == 1 and live.tally.missing == pytest.approx(1.0)


def test_made_up_silence_in_steps_is_that_at_once():
    sound = noise(0.5)
    steps, once = stream(), stream()
    parts = [steps.push(sound), *(steps.silence(0.02) for _ in range(40)), steps.push(sound), steps.finish()]
    expected = joined(once.push(sound), once.silence(0.8), once.push(sound), once.finish())
    frames = joined(*parts)
    np.testing.assert_array_equal(frames.times, expected.times)
    np.testing.assert_allclose(frames.blendshapes, expected.blendshapes, atol=1e-6)
    assert steps.tally.gaps == once.tally.gaps == 1


def test_sound_whose_place_was_filled_is_left_out():
    live = stream()
    live.push(noise(1.0), at=0.0)
    live.silence(0.5, now=1.5)
    live.push(noise(0.5), at=1.0)  # the burst that makes up for the hold-up
    live.push(noise(0.5), at=1.5)
    live.finish()
    assert live.position == pytest.approx(2.0) and live.tally.late == pytest.approx(0.5)


def test_a_clock_that_drifts_is_followed():
    """A recorder 0.1 % slow for ten minutes: 0.6 s, put right in small steps."""
    live = stream()
    for n in range(30_000):
        live.push(np.zeros(320, np.float32), at=n * 0.02 * 1.001)
    assert live.position == pytest.approx(600.6, abs=0.05)
    assert live.tally.missing == pytest.approx(0.6, abs=0.05) and live.tally.late == 0


def test_a_clock_that_starts_anew_and_one_that_jumps():
    live = stream()
    live.push(noise(1.0), at=5000.0)
    live.push(noise(1.0), at=0.0)
    assert live.position == 2.0 and live.tally.late == 0
    frames = joined(live.push(noise(1.0), at=86400.0), live.finish())
    assert live.position == pytest.approx(86402)
    assert frames.times[-1] == pytest.approx(86402 - 1 / 30, abs=0.02)
    assert live.tally.frames < 200, "nobody waits for a day of silence"
    assert (np.diff(frames.times) > 0).all()


def test_broken_samples():
    sound = noise(1.0)
    sound[100:200], sound[300] = np.nan, np.inf
    live = stream(format="f32le")
    frames = joined(live.push(sound.tobytes()), live.push(np.full(16000, 1e30, np.float32)), live.finish())
    assert np.isfinite(frames.blendshapes).all() and frames.blendshapes.max() <= 1
    assert live.tally.broken == 101


def test_no_sound_gives_no_frames():
    assert len(stream().finish()) == 0
    live = stream()
    assert len(live.push(b"")) == len(live.push(b"\1")) == len(live.finish()) == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rate": 3999}, "rate 3999"), ({"rate": 192001}, "4000 to 192000"), ({"rate": float("nan")}, "rate nan"),
        ({"fps": 0}, "frame rate 0"), ({"fps": 1e9}, "1 to 1000"), ({"channels": 0}, "channels 0"),
        ({"channels": 65}, "1 to 64"), ({"format": "mp3"}, "s16le, f32le"),
    ],
)  # fmt: skip
def test_what_cannot_be(options, said):
    with pytest.raises(TroupeError, match=said):
        stream(**options)


def test_a_piece_of_another_shape():
    with pytest.raises(TroupeError, match=r"\[10, 3\], expected \[samples, 2\]"):
        stream(channels=2).push(np.zeros((10, 3)))


@pytest.mark.slow
def test_an_hour_needs_no_more_memory_than_a_minute():
    live, sound, rng = stream(), np.zeros(3200, np.float32), np.random.default_rng(0)
    tracemalloc.start()
    sizes, frames = [], 0
    for n in range(5 * 3600):
        frames += len(live.silence(0.2) if rng.random() < 0.05 else live.push(sound))
        if n in (5 * 60, 5 * 3600 - 1):
            sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert frames == pytest.approx(3600 * 30, abs=5) and live.position == pytest.approx(3600)
    assert live.tally.gaps > 500
    assert sizes[1] - sizes[0] < 100_000, "bytes"


# --- from a pipe ------------------------------------------------------------------------------------------------


class Collected:
    def __init__(self):
        self.frames, self.when = [], []

    def write(self, seconds, blendshapes, head):
        self.frames.append((seconds, blendshapes[24], head[0]))
        self.when.append(time.monotonic())


def from_pipe(feed, pace=False, **options) -> tuple[Collected, LiveAnimator]:
    """What comes of what ``feed(write, collected)`` puts into a pipe."""
    out, into = os.pipe()
    collected, live = Collected(), stream(tolerance=0.1, **options)

    def speak():
        try:
            feed(lambda data: os.write(into, data), collected)
        finally:
            os.close(into)

    speaker = threading.Thread(target=speak)
    speaker.start()
    try:
        run_live(live, out, collected, pace=pace)
    finally:
        speaker.join(10)
        os.close(out)
    return collected, live


def hold_up(write, collected, until: int):
    """A second of sound, nothing until there are so many frames, and another second at once."""
    loud = (np.full(16000, 0.5) * 32767).astype("<i2").tobytes()
    write(loud)
    patience = time.monotonic() + 60
    while len(collected.frames) < until and time.monotonic() < patience:
        time.sleep(0.01)
    write(loud)


def test_a_pipe_gives_what_pieces_give():
    data = (noise(5.0) * 32767).astype("<i2").tobytes()
    collected, live = from_pipe(lambda write, _: write(data))
    whole = stream()
    expected = joined(whole.push(data), whole.finish())
    assert [f[0] for f in collected.frames] == expected.times.tolist()
    np.testing.assert_array_equal([f[1] for f in collected.frames], expected.blendshapes[:, 24])
    assert live.tally.gaps == 0 and live.tally.late == 0


def test_a_pipe_without_sound():
    collected, _ = from_pipe(lambda *_: None)
    assert collected.frames == []


def test_a_speaker_who_falls_silent_shuts_the_mouth():
    """Frames go on; what then comes all at once is too late, since its place has been filled."""
    collected, live = from_pipe(lambda write, seen: hold_up(write, seen, 60))
    tally = live.tally
    assert tally.gaps >= 1 and tally.missing > 0.9 and tally.late > 0.5
    opening = np.array([f[1] for f in collected.frames])
    assert opening[5:25].min() > 0.4 and opening[36:50].max() < 0.01
    assert (np.diff([f[0] for f in collected.frames]) > 0).all()


def test_a_synthesiser_that_pauses_loses_nothing():
    collected, live = from_pipe(lambda write, seen: hold_up(write, seen, 60), pace=True)
    tally = live.tally
    assert tally.heard == pytest.approx(2.0) and tally.late == 0 and tally.missing > 0.8
    opening = np.array([f[1] for f in collected.frames])
    assert (opening > 0.4).sum() == pytest.approx(60, abs=6) and (opening < 0.01).any()


def test_sound_in_bursts_is_held_back_until_its_time():
    data = (noise(1.0) * 32767).astype("<i2").tobytes()
    collected, live = from_pipe(lambda write, _: write(data), pace=True)
    assert live.tally.late == 0 and len(collected.frames) == 30
    took = collected.when[-1] - collected.when[0]
    assert took > 0.8, "frames of a second come within a second"


def test_when_nobody_reads_the_pipe_waits():
    out, into = os.pipe()
    inlet = Inlet(out, 1000, 100)
    data = np.random.default_rng(0).integers(0, 256, 200_000).astype(np.uint8).tobytes()
    writer = threading.Thread(target=lambda: (os.write(into, data), os.close(into)))
    writer.start()
    got, rng = b"", np.random.default_rng(1)
    while part := inlet.read(int(rng.integers(1, 1500)), 10):
        assert len(part) <= 1000
        got += part
    writer.join(10)
    os.close(out)
    assert got == data and BUFFER > PATIENCE


def test_a_pipe_that_breaks():
    folder = os.open(".", os.O_RDONLY)  # reading a folder is an error
    with pytest.raises(TroupeError, match="cannot be read"):
        run_live(stream(), folder, Collected())
    os.close(folder)
