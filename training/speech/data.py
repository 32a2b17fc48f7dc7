"""Makes the data: speech that machines speak, heard as log-mel, and the face the teacher makes of it.

    python -m training.speech data OUT [--hours 20] [--flite-hours 5] [--festival-hours 6] [--seed 0] [--jobs 1] [--quick]

Needs Debian's ``libespeak-ng1`` and ``flite``, better with the word lists that ``corpus`` names and the voices that
``festival`` names; downloads nothing. Each file ``OUT/<part>/NNN.safetensors`` holds, utterance after utterance,

    mel            float16 [N, 40]  log-mel frames of ``engine.speech.features``, 100 a second, gain not controlled
    target         float16 [M, 18]  what the face does, 50 frames a second; N = 2 M; row m is the face at m / 50 s
    phone          uint8   [M]      the sound at m / 50 s, an index into ``PHONES``
    offsets        int64   [U + 1]  first frame (of 50 a second) of each utterance
    tokens         uint8   [K]      the sounds of each utterance's text, without pauses
    token_offsets  int64   [U + 1]

and as metadata ``utterances``, a JSON list with the voice, language, source and text of each. The same seed on the same
versions of the synthesisers and word lists makes the same files. Files that are there are kept, so it can be resumed.

Parts: ``train``; ``dev`` (voices of the training, other sentences); ``voices`` (eight voice variants held out); ``de``
``es`` ``fr`` ``ja`` (languages held out, in the held-out voices); ``slt`` and ``ph`` (held-out voices made of
recordings, English and Czech; ``ph`` where festival has it).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from troupe.engine.speech import espeak
from troupe.engine.speech.phones import PHONES

from . import corpus, festival, flite
from .utterances import Part, Utterance, speak

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
NEGATIVES = 0.08  # share of utterances
SHARD_SECONDS = 1800.0
_FESTIVAL_FIRST = 500


def parts(hours: float, flite_hours: float, festival_hours: float, quick: bool) -> list[Part]:
    """What ``make`` makes of so many hours of each synthesiser for training."""
    test = 40.0 if quick else 900.0
    share = flite_hours / max(hours + flite_hours, 1e-9)
    everybody = {"languages": corpus.TRAINED, "variants": VARIANTS, "flite": flite.VOICES}
    everybody |= {"flite_share": share, "negatives": NEGATIVES}
    found = [
        Part("dev", test, **everybody),
        Part("voices", 2 * test, corpus.TRAINED, HELD_OUT_VARIANTS),
        *[Part(name, test, (name,), HELD_OUT_VARIANTS) for name in corpus.HELD_OUT],
        Part("slt", test, flite=(flite.HELD_OUT_VOICE,), flite_share=1.0),
    ]
    voices = festival.installed()
    if festival.HELD_OUT_VOICE in voices:
        found.append(Part("ph", test, festival=(festival.HELD_OUT_VOICE,)))
    found.append(Part("train", 3600 * (hours + flite_hours), **everybody, test=False))
    voices = tuple(v for v in voices if v != festival.HELD_OUT_VOICE)
    if voices and festival_hours > 0:
        found.append(Part("train", 3600 * festival_hours, festival=voices, test=False, first=_FESTIVAL_FIRST))
    return found


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
        "tokens": joined("tokens", np.uint8),
        "offsets": offsets("target"),
        "token_offsets": offsets("tokens"),
    }
    about = json.dumps([u.about for u in utterances], ensure_ascii=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".part")
    save_file(tensors, half, {"utterances": about})  # one entry: several come in any order
    os.replace(half, path)


@dataclass(frozen=True)
class Job:
    """One file to make."""

    path: Path
    part: Part
    number: int
    seconds: float
    seed: int


def _make_shard(job: Job) -> None:
    espeak.restart()  # it remembers what it said before
    rng = np.random.default_rng([job.seed, *job.part.name.encode(), job.number])
    write_shard(job.path, speak(job.part, rng, job.seconds))


def make(
    out: Path,
    *,
    hours: float = 20.0,
    flite_hours: float = 5.0,
    festival_hours: float = 6.0,
    seed: int = 0,
    jobs: int = 1,
    quick: bool = False,
) -> list[Path]:
    """Makes all files that are not there yet.

    Args:
        out: Folder.
        hours, flite_hours, festival_hours: How much of each for training.
        seed: Of chance.
        jobs: Processes at a time.
        quick: Two minutes for training and less for the rest, for tests.

    Returns:
        All files, new and old.
    """
    if quick:
        hours, flite_hours, festival_hours = 80 / 3600, 20 / 3600, 20 / 3600
    todo, paths = [], []
    for part in parts(hours, flite_hours, festival_hours, quick):
        count = max(1, round(part.seconds / SHARD_SECONDS))
        for number in range(part.first, part.first + count):
            path = out / part.name / f"{number:03d}.safetensors"
            paths.append(path)
            if not path.is_file():
                todo.append(Job(path, part, number, part.seconds / count, seed))
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(_make_shard, todo))
    about = {
        "seed": seed,
        "hours": {"espeak-ng": hours, "flite": flite_hours, "festival": festival_hours},
        "quick": quick,
        "phones": PHONES,
        "languages": corpus.TRAINED,
        "words": {name: corpus.word_source(name) for name in corpus.LANGUAGES},
        "voices": {"espeak-ng": VARIANTS, "flite": flite.VOICES, "festival": festival.installed()},
        "held_out": {
            "languages": corpus.HELD_OUT,
            "espeak-ng": HELD_OUT_VARIANTS,
            "flite": flite.HELD_OUT_VOICE,
            "festival": festival.HELD_OUT_VOICE,
        },
    }
    (out / "data.json").write_text(json.dumps(about, indent=1) + "\n", "utf-8")
    return paths


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("out", type=Path, help="folder to fill")
    parser.add_argument("--hours", type=float, default=20.0, help="of espeak-ng for training (%(default)s)")
    parser.add_argument("--flite-hours", type=float, default=5.0, help="of flite (%(default)s)")
    parser.add_argument(
        "--festival-hours", type=float, default=6.0, help="of festival, if there (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="processes (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="a few minutes in all, for tests")


def run(args: argparse.Namespace) -> None:
    """The command."""
    make(
        args.out,
        hours=args.hours,
        flite_hours=args.flite_hours,
        festival_hours=args.festival_hours,
        seed=args.seed,
        jobs=args.jobs,
        quick=args.quick,
    )


if __name__ == "__main__":
    _parser = argparse.ArgumentParser(description="Makes the training data of the speech network.")
    add_arguments(_parser)
    run(_parser.parse_args())
