"""What ``speech.py`` measures of live speech: compute and latency, beside PyTorch as it is usually run; long streams."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import psutil
import torch
from speech_sounds import Passage

from troupe.engine.metrics.speech import closures
from troupe.engine.motion.face_motion import INDEX
from troupe.engine.motion.presets import preset_pose
from troupe.engine.speech.animate import SpeechAnimator
from troupe.engine.speech.channels import CHANNEL_FPS, MOUTH_SHAPES, aperture, shut, spread
from troupe.engine.speech.conditions import CONDITION, EMOTIONS, conditioned
from troupe.engine.speech.features import (
    BANDS,
    FFT,
    HIGHEST,
    HOP,
    LOWEST,
    RATE,
    SILENCE,
    WINDOW,
    GainControl,
    mel_filters,
)
from troupe.engine.speech.layout import HALVING, TAPS
from troupe.engine.speech.live import LiveAnimator
from troupe.engine.speech.network import SpeechNetwork, build
from troupe.engine.speech.persona import PERSONAS
from troupe.engine.speech.stream import SETTINGS, SpeechStream
from troupe.engine.speech.weights import SpeechWeights

CHUNK = 0.040
REPEATS = 3
Push = Callable[[np.ndarray], Any]


class WindowedTorch:
    """The named alternative: torchaudio's mel and the same network in PyTorch, run without carried state over its whole
    receptive field for every piece of sound."""

    def __init__(self, network: SpeechNetwork, head: int):
        import torchaudio

        self._network, self._head, c = network, head, network.config
        back = 1 + HALVING - 1 + (TAPS - 1) * (sum(c.dilations) + sum(c.decoder_dilations))
        self._mel = torchaudio.transforms.MelSpectrogram(
            RATE, FFT, WINDOW, HOP, LOWEST, HIGHEST, n_mels=BANDS, center=False, mel_scale="htk"
        )
        self._mel.mel_scale.fb = torch.from_numpy(
            mel_filters().T
        ).float()  # its own are triangles in Hz, not in mel
        self._power = float((self._mel.spectrogram.window**2).sum())
        self._rest = torch.zeros(WINDOW - HOP)
        self._gain, self._plain = GainControl(), torch.zeros(1, back + 1, CONDITION)
        silent = GainControl().push(np.full((1, BANDS), np.log(SILENCE), np.float32))
        self._features = np.repeat(silent, 2 * (back + 1), 0)

    @torch.no_grad()
    def push(self, samples: np.ndarray) -> np.ndarray:
        """Whole frames of 20 ms to their channels ``[n, 18]``."""
        sound = torch.cat([self._rest, torch.from_numpy(samples)])
        self._rest = sound[len(samples) :]
        edge = (FFT - WINDOW) // 2  # the window sits in the middle of the transform
        mel = torch.log(self._mel(torch.nn.functional.pad(sound, (edge, edge))) / self._power + SILENCE)
        new = self._gain.push(mel.T.numpy())
        self._features = np.concatenate([self._features, new])
        rows = len(new) // 2
        self._features = self._features[-2 * (self._plain.shape[1] + rows - 1) :]
        given = self._plain[:, :1].expand(1, len(self._features) // 2, -1)
        made, _ = self._network(torch.from_numpy(self._features)[None], given)
        return made[0, -rows:, self._head].numpy()

    @torch.no_grad()
    def whole(self, sound: np.ndarray) -> None:
        """A whole recording at once, as fast as it goes."""
        mel = torch.log(self._mel(torch.from_numpy(sound)) / self._power + SILENCE)
        features = torch.from_numpy(GainControl().push(mel.T.numpy()))
        rows = len(features) // 2
        self._network(features[None, : 2 * rows], torch.zeros(1, rows, CONDITION))


def chunk_times(push: Push, sound: np.ndarray, chunk: float) -> np.ndarray:
    """Seconds that each piece of a sound takes."""
    size, took = round(chunk * RATE), []
    for start in range(0, len(sound) - size + 1, size):
        piece = sound[start : start + size]
        before = time.perf_counter()
        push(piece)
        took.append(time.perf_counter() - before)
    return np.array(took)


def cost(open_one: Callable[[], Push], sound: np.ndarray, chunk: float) -> dict[str, float]:
    """Milliseconds per second of sound, and percentiles of a piece's: of the repeat in the middle, and the extremes.

    ``cpu_ms_per_second`` counts the time that the processor was ours, which matters where others use it, too.
    """
    chunk_times(open_one(), sound[: 2 * RATE], chunk)
    before = time.thread_time()
    runs = sorted((chunk_times(open_one(), sound, chunk) for _ in range(REPEATS)), key=np.sum)
    busy = time.thread_time() - before
    middle, per_second = 1000 * runs[REPEATS // 2], [float(1000 * r.mean() / chunk) for r in runs]
    p50, p95, p99 = (float(p) for p in np.percentile(middle, (50, 95, 99)))
    return {
        "ms_per_second": per_second[REPEATS // 2], "cpu_ms_per_second": 1000 * busy / REPEATS / (len(sound) / RATE), "best": per_second[0], "worst": per_second[-1],
        "p50_ms": p50, "p95_ms": p95, "p99_ms": p99, "max_ms": float(middle.max()),
    }  # fmt: skip


def speeds(weights: SpeechWeights, said: Passage, seconds: float) -> dict[str, dict[str, float]]:
    """Both classes, both settings, with and without text, in pieces of 40 ms and those of the setting; the alternative."""
    sound, found = said.sound[: int(seconds * RATE)], {}
    for setting, how in SETTINGS.items():
        for chunk in sorted({CHUNK, how.chunk}):
            for text in (False, True) if said.tokens is not None else (False,):
                tokens = said.tokens if text else None
                name = f"{setting}, {1000 * chunk:.0f} ms" + (", text" if text else "")
                found["animator, " + name] = cost(
                    lambda s=setting, t=tokens: SpeechAnimator(setting=s, tokens=t, weights=weights).push,
                    sound,
                    chunk,
                )
                found["stream, " + name] = cost(
                    lambda s=setting, t=tokens: SpeechStream(setting=s, tokens=t, weights=weights).push,
                    sound,
                    chunk,
                )
    network = build(weights)
    found["torch over its window, default, 40 ms"] = cost(
        lambda: WindowedTorch(network, 0).push, sound, CHUNK
    )
    return found


def offline(weights: SpeechWeights, said: Passage, seconds: float) -> dict[str, float]:
    """Milliseconds per second of a recording that is there as a whole: the stream, and PyTorch at once."""
    sound, network, found = said.sound[: int(seconds * RATE)], build(weights), {}
    for name, work in (
        ("stream", lambda: SpeechStream(setting="quality", weights=weights).push(sound)),
        ("torch at once", lambda: WindowedTorch(network, 1).whole(sound)),
    ):
        work()
        runs = []
        for _ in range(REPEATS):
            before = time.perf_counter()
            work()
            runs.append(1000 * (time.perf_counter() - before) / seconds)
        found[name] = sorted(runs)[REPEATS // 2]
    return found


def same_as_torch(weights: SpeechWeights, said: Passage) -> float:
    """Largest difference of channels between the stream and the alternative over 5 s, but for the first 2, in which they
    start from other pasts: that both do the same work."""
    sound = said.sound[: 5 * RATE]
    size, torch_one = round(CHUNK * RATE), WindowedTorch(build(weights), 0)
    theirs = np.concatenate([torch_one.push(sound[i : i + size]) for i in range(0, len(sound), size)])
    ours = SpeechStream(weights=weights).push(sound).channels
    settled = int(2 * CHANNEL_FPS)
    return float(np.abs(ours - shut(theirs[len(theirs) - len(ours) :]))[settled:].max())


def latency(weights: SpeechWeights, speed: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Worst case in milliseconds by arithmetic, with the measured 99th percentile of a piece's compute.

    ``rows``: of a 50 Hz row, from its own moment; rows and pieces end together, so of a piece of 40 ms a row waits 20
    at most. ``30 fps`` and ``60 fps``: of frames that lie between rows. ``any pieces``: as rows, were the pieces not
    whole rows: lookahead, row, and a whole piece.
    """
    found = {}
    for setting, how in SETTINGS.items():
        compute = speed[f"animator, {setting}, {1000 * how.chunk:.0f} ms"]["p99_ms"]

        def live(fps: int, s: str = setting) -> LiveAnimator:
            return LiveAnimator(SpeechAnimator(setting=s, weights=weights), RATE, fps)

        found[setting] = {
            "lookahead": 1000 * how.lookahead / CHANNEL_FPS, "chunk": 1000 * how.chunk, "compute_p99": compute,
            "rows": 1000 * live(50).worst_case_latency(how.chunk) + compute,
            "30 fps": 1000 * live(30).worst_case_latency(how.chunk) + compute,
            "60 fps": 1000 * live(60).worst_case_latency(how.chunk) + compute,
            "any pieces": 1000 * ((how.lookahead + 1) / CHANNEL_FPS + how.chunk) + compute,
        }  # fmt: skip
    return found


def by_pass(live: LiveAnimator, said: Passage, passes: int) -> Iterator[np.ndarray]:
    """The passage over and over in pieces of 40 ms: blendshapes ``[T, 52]`` of each time, as soon as they are there."""
    size = round(CHUNK * RATE)
    pieces = range(0, len(said.sound) - size + 1, size)
    length = int(len(pieces) * CHUNK * CHANNEL_FPS)
    rows, count = [], 0
    for _ in range(passes):
        for start in pieces:
            rows.append(live.push(said.sound[start : start + size]).blendshapes)
            count += len(rows[-1])
            if count >= length:
                joined = np.concatenate(rows)
                yield joined[:length]
                rows, count = [joined[length:]], count - length
    yield np.concatenate([*rows, live.finish().blendshapes])[:length]


def jerk_percentiles(opening: np.ndarray) -> np.ndarray:
    """95th and 99th percentile of the third difference of an opening at 50 frames a second."""
    return np.percentile(np.abs(np.diff(opening, 3)), (95, 99))


def long_stream(weights: SpeechWeights, said: Passage, passes: int) -> dict[str, object]:
    """A passage of speech over and over through the live animator, as fast as it goes.

    The teacher does the same every time, so what the mouth's mean and deviation change by, in any shape, against the
    first time is drift of style. Blinks, brows and gaze follow chance: theirs stands beside it. Memory is the
    process's own (RSS), which may settle for the first 5 passes; so have a process of its own for it (``alone``).
    """
    persona, mix = PERSONAS["friendly"], np.zeros(len(EMOTIONS), np.float32)
    mix[EMOTIONS.index("happy")] = 0.4
    live = LiveAnimator(SpeechAnimator("happy:0.4", persona, weights=weights), RATE, 50)
    process, started = psutil.Process(os.getpid()), time.perf_counter()
    style, memory, first, rows = [], [], None, None
    for rows in by_pass(live, said, passes):
        first = rows if first is None else first
        style.append((rows.mean(0), rows.std(0)))
        memory.append(process.memory_info().rss / 2**20)
    took = time.perf_counter() - started
    mouth = [INDEX[n] for n in MOUTH_SHAPES]
    rest = [i for i in range(len(INDEX)) if i not in mouth]
    settled = min(5, passes) - 1
    found: dict[str, object] = {
        "minutes": passes * len(said.sound) / RATE / 60, "ms_per_second": 1000 * took / (passes * len(said.sound) / RATE),
        "memory_mb": {"after_5_passes": memory[settled], "at_the_end": memory[-1], "growth": memory[-1] - memory[settled]},
    }  # fmt: skip
    for kind, at in (("mean", 0), ("deviation", 1)):
        change = np.abs(np.array([s[at] for s in style]) - style[0][at])
        found[f"drift_of_{kind}"] = {
            "mouth": float(change[:, mouth].max()),
            "rest": float(change[:, rest].max()),
        }
    if said.target is not None:
        wanted = spread(conditioned(said.target[: len(rows)], np.concatenate([mix, persona.vector()])))
        theirs = jerk_percentiles(aperture(wanted))
        for name, some in (("first", first), ("last", rows)):
            ratio = jerk_percentiles(aperture(some)) / theirs
            recall, precision = closures(some, wanted, CHANNEL_FPS)
            found[name + "_pass"] = {
                "jerk_p95": ratio[0], "jerk_p99": ratio[1], "closure_recall": recall, "closure_precision": precision,
            }  # fmt: skip
    return found


def alone(work: Callable[..., Any], *given: object) -> Any:
    """What work gives in a process of its own, where no memory that others freed hides what it takes."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *given).result()


def swaps(weights: SpeechWeights, said: Passage, seconds: float) -> dict[str, dict[str, float]]:
    """Emotions through the whole animator: how far the shapes that the emotion's pose names move, against the pose."""
    sound, settled = said.sound[: int(seconds * RATE)], int(2 * CHANNEL_FPS)

    def face(emotion: str | None) -> np.ndarray:
        return SpeechAnimator(emotion, setting="quality", weights=weights).push(sound)[0][settled:]

    plain, found = face(None), {}
    for name in EMOTIONS[1:]:
        made, pose = face(name), preset_pose(name)[0].copy()
        pose[[INDEX["jawOpen"], INDEX["mouthClose"]]] = 0.0  # the opening belongs to speech
        moved, named = (made - plain).mean(0), np.abs(pose) >= 0.1
        found[name] = {
            "named_shapes": int(named.sum()), "table": float(pose[named].mean()), "moved": float(moved[named].mean()),
            "largest_error": float(np.abs(moved - pose)[named].max()),
            "aperture_change": float(np.abs(aperture(made) - aperture(plain)).mean()),
        }  # fmt: skip
    return found
