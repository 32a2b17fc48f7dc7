"""Makes the data: speech that machines speak, heard as log-mel, and the face the teacher makes of it.

    python -m training.speech data OUT [--hours 20] [--flite-hours 4] [--seed 0] [--jobs 1] [--quick]

Needs Debian's ``libespeak-ng1`` and ``flite``, better with the word lists that ``corpus`` names; downloads nothing.
Each file ``OUT/<part>/NNN.safetensors`` holds, utterance after utterance,

    mel            float16 [N, 40]  log-mel frames of ``engine.speech.features``, 100 a second, gain not controlled
    target         float16 [M, 18]  what the face does, 50 frames a second; N = 2 M; row m is the face at m / 50 s
    phone          uint8   [M]      the sound at m / 50 s, an index into ``PHONES``
    offsets        int64   [U + 1]  first frame (of 50 a second) of each utterance
    tokens         uint8   [K]      the sounds of each utterance's text, without pauses
    token_offsets  int64   [U + 1]

and as metadata ``utterances``, a JSON list with the voice, language, source and text of each. The same seed on the same
versions of the synthesisers and word lists makes the same files. Files that are there are kept, so it can be resumed.

Parts: ``train``; ``dev`` (voices of the training, other sentences); ``voices`` (eight voice variants held out); ``de``
``es`` ``fr`` ``ja`` (languages held out, in the held-out voices); ``slt`` (a held-out voice made of recordings).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from troupe.engine.speech.features import BANDS, RATE, log_mel
from troupe.engine.speech.phones import PHONES

from . import corpus, flite, synth
from .negatives import negative
from .teacher import FPS, Segment, labels, teach

STEP = RATE // FPS
HELD_OUT_VARIANTS = ("m5", "f3", "klatt3", "steph", "Andrea", "max", "adam", "linda")
# espeak-ng's voice variants, without whisper, robots and effects, and without near twins of those held out
# (steph2, steph3, the RicishayMax).
VARIANTS = (
    "", "Alex", "Alicia", "Annie", "AnxiousAndy", "Denis", "Diogo", "Gene", "Gene2", "Henrique", "Hugo", "Jacky", "Lee",
    "Marco", "Mario", "Michael", "Mike", "Nguyen", "anika", "antonio", "aunty", "belinda", "benjamin", "boris", "caleb",
    "david", "ed", "edward", "edward2", "f1", "f2", "f4", "f5", "grandma", "grandpa", "gustave", "iven", "iven2", "iven3",
    "iven4", "john", "kaukovalta", "klatt", "klatt2", "klatt4", "klatt5", "klatt6", "m1", "m2", "m3", "m4", "m6", "m7",
    "m8", "marcelo", "michel", "miguel", "norbert", "pablo", "paul", "pedro", "quincy", "rob", "robert", "sandro",
    "shelby", "travis", "victor", "zac",
)  # fmt: skip
_WEIGHTS = {"en": 5.0, "ko": 2.0, "zh": 2.0, "hi": 1.3, "ca": 0.6}  # how often a language is drawn; others 1
NEGATIVES = 0.08  # share of utterances
SHARD_SECONDS = 600.0
LONGEST, SHORTEST = 14.0, 0.35  # seconds of speech


@dataclass(frozen=True)
class Part:
    """One part of the data: who speaks what, how much of it."""

    name: str
    seconds: float
    languages: tuple[str, ...]
    variants: tuple[str, ...]
    flite: tuple[str, ...] = ()
    flite_share: float = 0.0
    negatives: float = 0.0
    test: bool = True


@dataclass(frozen=True, eq=False)
class Utterance:
    mel: np.ndarray
    target: np.ndarray
    phone: np.ndarray
    tokens: np.ndarray
    about: dict[str, str]


def parts(hours: float, flite_hours: float, quick: bool) -> list[Part]:
    """What ``make`` makes of so many hours of espeak-ng and flite for training."""
    test = 40.0 if quick else 900.0
    total = 3600 * (hours + flite_hours)
    share = flite_hours / max(hours + flite_hours, 1e-9)
    held = [Part(name, test, (name,), HELD_OUT_VARIANTS) for name in corpus.HELD_OUT]
    return [
        Part("dev", test, corpus.TRAINED, VARIANTS, flite.VOICES, share, NEGATIVES),
        Part("voices", 2 * test, corpus.TRAINED, HELD_OUT_VARIANTS),
        *held,
        Part("slt", test, ("en",), (), (flite.HELD_OUT_VOICE,), 1.0),
        Part("train", total, corpus.TRAINED, VARIANTS, flite.VOICES, share, NEGATIVES, test=False),
    ]


def _resampled(pcm: np.ndarray, rate: int) -> np.ndarray:
    from scipy.signal import resample_poly

    common = np.gcd(rate, RATE)
    return resample_poly(pcm, RATE // common, rate // common).astype(np.float32)


def _effort(pcm: np.ndarray, frames: int) -> np.ndarray:
    """How much the mouth moves: more where it is louder than usual in its utterance. ``[M]``, 0.82 to 1.18."""
    power = np.convolve((pcm.reshape(frames, STEP) ** 2).mean(1), np.hanning(25) / 12, "same") + 1e-9
    spoken = power > power.max() * 1e-3
    away = 10 * np.log10(power / power[spoken].mean())
    return 1.0 + 0.18 * np.tanh(away / 8.0)


def _around(rng: np.random.Generator, longest: float) -> np.ndarray:
    """Silence before or after speech; now and then another sound instead."""
    if rng.random() < 0.1:
        return negative(rng, int(RATE * rng.uniform(0.4, 1.5)))[0]
    return np.zeros(int(RATE * rng.uniform(0.1, longest)), np.float32)


def _loudness_course(rng: np.random.Generator, samples: int) -> np.ndarray:
    """A gain that wanders by some decibels, about once a second."""
    keys = max(3, int(samples / RATE) + 2)
    decibels = np.interp(np.arange(samples), np.linspace(0, samples, keys), rng.uniform(-5, 5, keys))
    return (10 ** (decibels / 20)).astype(np.float32)


def utterance(
    rng: np.random.Generator, pcm: np.ndarray, segments: list[Segment], about: dict[str, str], wander: bool
) -> Utterance:
    """Speech at 16 kHz and its sounds as one utterance between silences."""
    if wander:
        pcm = pcm * _loudness_course(rng, len(pcm))
    pcm = pcm * (0.5 / max(float(np.abs(pcm).max()), 1e-4))
    before, after = _around(rng, 0.7), _around(rng, 0.9)
    late = len(before) / RATE
    pcm = np.concatenate([before, pcm, after])
    frames = len(pcm) // STEP
    pcm = pcm[: frames * STEP]
    moved = [
        replace(s, start=s.start + late, end=s.end + late, shut=s.shut + late, release=s.release + late)
        for s in segments
    ]
    target = teach(moved, frames, _effort(pcm, frames))
    tokens = np.array([s.phone for s in segments], np.uint8)
    return Utterance(log_mel(pcm), target, labels(moved, frames), tokens, about)


def _espeak_utterance(rng: np.random.Generator, part: Part, espeak: synth.Espeak) -> Utterance | None:
    weights = np.array([_WEIGHTS.get(name, 1.0) for name in part.languages])
    name = str(rng.choice(part.languages, p=weights / weights.sum()))
    voice, variant = str(rng.choice(corpus.LANGUAGES[name].voices)), str(rng.choice(part.variants))
    text = corpus.sentence(rng, name, test=part.test)
    spoken = espeak.say(
        text, voice + ("+" + variant if variant else ""), rate=int(np.clip(rng.normal(168, 28), 105, 245)),
        pitch=int(rng.integers(12, 89)), range_=int(rng.integers(5, 96)), wordgap=int(rng.choice([0, 0, 0, 0, 1, 3, 8])),
    )  # fmt: skip
    segments = synth.segments(spoken, voice)
    about = {"voice": variant, "language": voice, "source": "espeak-ng", "text": text}
    return _checked(rng, spoken, spoken.rate, segments, about, part)


def _flite_utterance(rng: np.random.Generator, part: Part) -> Utterance | None:
    voice, text = str(rng.choice(part.flite)), corpus.sentence(rng, "en", test=part.test)
    spoken = flite.say(text, voice, stretch=rng.uniform(0.75, 1.4), pitch=rng.uniform(0.8, 1.3))
    segments = flite.segments(spoken)
    # In training the tape runs faster or slower: a longer or shorter throat, and more people than there are voices.
    rate = spoken.rate if part.test else int(round(spoken.rate * rng.uniform(0.86, 1.18) / 100)) * 100
    speed = rate / spoken.rate
    segments = [
        replace(s, start=s.start / speed, end=s.end / speed, shut=s.shut / speed, release=s.release / speed)
        for s in segments
    ]
    about = {"voice": voice, "language": "en-us", "source": "flite", "text": text}
    return _checked(rng, spoken, rate, segments, about, part)


def _checked(
    rng: np.random.Generator,
    spoken: synth.Spoken,
    rate: int,
    segments: list[Segment],
    about: dict[str, str],
    part: Part,
) -> Utterance | None:
    seconds = len(spoken.pcm) / rate
    if not SHORTEST < seconds < LONGEST or not segments or not np.abs(spoken.pcm).max() > 0.01:
        return None
    return utterance(
        rng, _resampled(spoken.pcm, rate), segments, about, wander=not part.test or rng.random() < 0.5
    )


def _negative_utterance(rng: np.random.Generator) -> Utterance:
    frames = int(FPS * rng.uniform(2.5, 6))
    pcm, kind = negative(rng, frames * STEP)
    about = {"voice": kind, "language": "", "source": "negative", "text": ""}
    return Utterance(
        log_mel(pcm), teach([], frames), np.zeros(frames, np.uint8), np.zeros(0, np.uint8), about
    )


def _utterances(part: Part, rng: np.random.Generator, seconds: float) -> Iterator[Utterance]:
    espeak = synth.Espeak() if part.variants else None
    made = 0.0
    while made < seconds:
        kind = rng.random()
        if kind < part.negatives:
            one = _negative_utterance(rng)
        elif espeak is None or rng.random() < part.flite_share:
            one = _flite_utterance(rng, part)
        else:
            one = _espeak_utterance(rng, part, espeak)
        if one is not None:
            made += len(one.target) / FPS
            yield one


def write_shard(path: Path, utterances: list[Utterance]) -> None:
    """One file, whole or not at all."""
    from safetensors.numpy import save_file

    def joined(name: str, kind: type) -> np.ndarray:
        return np.ascontiguousarray(np.concatenate([getattr(u, name) for u in utterances]).astype(kind))

    def offsets(name: str) -> np.ndarray:
        return np.cumsum([0, *(len(getattr(u, name)) for u in utterances)]).astype(np.int64)

    tensors = {
        "mel": joined("mel", np.float16),
        "target": joined("target", np.float16),
        "phone": joined("phone", np.uint8),
    }
    tensors |= {
        "tokens": joined("tokens", np.uint8),
        "offsets": offsets("target"),
        "token_offsets": offsets("tokens"),
    }
    about = json.dumps([u.about for u in utterances], ensure_ascii=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".part")
    save_file(tensors, half, {"utterances": about, "phones": " ".join(PHONES), "bands": str(BANDS)})
    os.replace(half, path)


def _make_shard(job: tuple[Path, Part, int, int, float]) -> Path:
    path, part, seed, number, seconds = job
    rng = np.random.default_rng([seed, sum(part.name.encode()), number])
    write_shard(path, list(_utterances(part, rng, seconds)))
    return path


def make(
    out: Path,
    *,
    hours: float = 20.0,
    flite_hours: float = 4.0,
    seed: int = 0,
    jobs: int = 1,
    quick: bool = False,
) -> list[Path]:
    """Makes all files that are not there yet.

    Args:
        out: Folder.
        hours, flite_hours: How much speech for training.
        seed: Of chance.
        jobs: Processes. Every file is made by a process of its own: espeak-ng remembers what it said before.
        quick: Two minutes for training and less for the rest, for tests.
    """
    if quick:
        hours, flite_hours = 100 / 3600, 20 / 3600
    todo, paths = [], []
    for part in parts(hours, flite_hours, quick):
        count = max(1, round(part.seconds / SHARD_SECONDS))
        for number in range(count):
            path = out / part.name / f"{number:03d}.safetensors"
            paths.append(path)
            if not path.is_file():
                todo.append((path, part, seed, number, part.seconds / count))
    context = multiprocessing.get_context("spawn")
    with context.Pool(jobs, maxtasksperchild=1) as pool:
        for _ in pool.imap_unordered(_make_shard, todo):
            pass
    about = {
        "seed": seed, "hours": hours, "flite_hours": flite_hours, "quick": quick, "phones": list(PHONES),
        "words": {name: corpus.word_source(name) for name in corpus.LANGUAGES},
        "held_out": {"variants": HELD_OUT_VARIANTS, "languages": corpus.HELD_OUT, "flite": flite.HELD_OUT_VOICE},
    }  # fmt: skip
    (out / "data.json").write_text(json.dumps(about, indent=1) + "\n", "utf-8")
    return paths


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("out", type=Path, help="folder to fill")
    parser.add_argument("--hours", type=float, default=20.0, help="of espeak-ng for training (%(default)s)")
    parser.add_argument("--flite-hours", type=float, default=4.0, help="of flite for training (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="processes (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="a few minutes in all, for tests")


def run(args: argparse.Namespace) -> None:
    """The command."""
    make(
        args.out,
        hours=args.hours,
        flite_hours=args.flite_hours,
        seed=args.seed,
        jobs=args.jobs,
        quick=args.quick,
    )


if __name__ == "__main__":
    _parser = argparse.ArgumentParser(description="Makes the training data of the speech network.")
    add_arguments(_parser)
    run(_parser.parse_args())
