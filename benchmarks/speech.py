"""How well and how fast speech becomes a face, beside trivial answers and beside PyTorch.

    python benchmarks/speech.py [--data DIR] [--seconds 180] [--minutes 10] [--quick]

On held-out voices, languages and recorded voices, in sentences that training never saw: made here by espeak-ng, flite
and festival as far as they are installed (as ``python -m training.speech data`` makes them, from the same seeds), or
read from that command's folder with ``--data``. All distances are to the training's own rule-based teacher, no face was
measured. Speed is that of one thread of the processor. The last line is one JSON object; ``--minutes 60`` is an hour's
stream.
"""

from __future__ import annotations

import os

os.environ.update(
    OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1"
)  # before numpy is imported

import argparse
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))
from common import finish, say
from speech_live import alone, latency, long_stream, offline, same_as_torch, speeds, swaps
from speech_sounds import HELD_OUT, held_out, negatives, passage, words

from troupe.engine.speech.network import SpeechNetwork, build
from troupe.engine.speech.weights import SpeechWeights, load_weights
from troupe.training.speech.batches import read_part
from troupe.training.speech.evaluate import figures, noise_scores, read_parts

# nMSE, lag in frames of 30 a second, and recall and precision of closures that each part should reach.
AIMS = {
    "voices": (0.40, 0.5, 0.90), "de": (0.45, None, None), "es": (0.45, None, None), "fr": (0.45, None, None),
    "ja": (0.45, None, None), "slt": (0.70, 1.0, 0.70), "ph": (0.70, 1.0, 0.70),
}  # fmt: skip
STILL, MUTE, NOISY, SWAPPED = 0.04, 0.06, 0.60, 0.03  # openings, nMSE in noise, change of opening
INTACT = 0.03  # how many closures an emotion or a persona may cost, as a share
PER_SECOND, PIECE, LATE = 10.0, 1.0, 100.0  # milliseconds
COLUMNS = ("nmse", "lmd", "lag", "closure_recall", "closure_precision", "silence_aperture", "jerk")
WAYS = ("quality", "default", "text", "noise", "noise_text", "constant", "shut", "loudness")


def shown(value: object) -> str:
    """A figure in eight columns."""
    return f"{value:8.4g}" if isinstance(value, float | int) else "       -"


def tell_parts(found: dict[str, dict]) -> None:
    """One line for every part and way to answer."""
    say(
        " " * 19
        + "".join(f"{name.replace('closure_', '').replace('silence_', 'quiet ')[:9]:>10}" for name in COLUMNS)
    )
    for part in (p for p in HELD_OUT if p in found):
        for way in (w for w in WAYS if w in found[part]):
            say(f"{part:7}{way:12}" + "".join(f"  {shown(found[part][way][c])}" for c in COLUMNS))


def tell_conditions(found: dict[str, dict]) -> None:
    """What emotions and personas do."""
    for name, row in found["conditions"].items():
        say(f"{name:28} shift {row['largest_shift']:.3f} (off by {row['shift_error']:.3f} at most), opening changed by "
            f"{row['aperture_change']:.3f}, closures {shown(row['closure_recall']).strip()} found, "
            f"{shown(row['closure_precision']).strip()} right")  # fmt: skip


class Checks:
    """What was aimed for beside what was measured."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, object]] = {}

    def most(self, name: str, value: float | None, limit: float | None) -> None:
        """A figure that should not be above its limit."""
        if value is not None and limit is not None:
            self.found[name] = {"value": value, "at_most": limit, "met": bool(value <= limit)}

    def least(self, name: str, value: float | None, limit: float | None) -> None:
        """A figure that should not be below its limit."""
        if value is not None and limit is not None:
            self.found[name] = {"value": value, "at_least": limit, "met": bool(value >= limit)}


def check_accuracy(checks: Checks, found: dict[str, dict]) -> None:
    """Everything about where the lips are."""
    for part, (error, lag, closed) in AIMS.items():
        if part in found:
            row = found[part]["quality"]
            checks.most(f"{part}: nMSE", row["nmse"], error)
            checks.most(f"{part}: lag", row["lag"], lag)
            checks.least(f"{part}: closure recall", row["closure_recall"], closed)
            checks.least(f"{part}: closure precision", row["closure_precision"], closed)
            checks.most(f"{part}: silence aperture", row["silence_aperture"], STILL)
    if "voices" in found:
        noise, text = (found["voices"][way]["nmse"] for way in ("noise", "noise_text"))
        checks.most("voices in noise: nMSE", noise, NOISY)
        checks.most("voices in noise: nMSE with text, against without", text, noise)
    for name, opening in found["mute"].items():
        checks.most(f"mute, {name}: aperture", opening, MUTE)
    for name, row in found.get("conditions", {}).items():
        checks.most(f"{name}: change of aperture", row["aperture_change"], SWAPPED)
        for what in ("closure_recall", "closure_precision"):
            before = found["conditions"]["plain"][what]
            checks.least(
                f"{name}: {what.replace('_', ' ')}", row[what], None if before is None else before - INTACT
            )


def check_speed(checks: Checks, found: dict[str, dict]) -> None:
    """Everything about time."""
    for name, row in found["speed"].items():
        if name.startswith("animator") and "40 ms" in name:
            checks.most(f"{name}: ms per second of sound", row["ms_per_second"], PER_SECOND)
            checks.most(f"{name}: 95th percentile of a piece, ms", row["p95_ms"], PIECE)
    for setting, row in found["latency_ms"].items():
        checks.most(f"{setting}: worst latency of a frame at 30 fps, ms", row["30 fps"], LATE)


def accuracy(args: argparse.Namespace, network: SpeechNetwork) -> dict[str, dict]:
    """Figures of the held-out parts, of noise and of what is no speech."""
    seconds, names = (15.0, ("voices", "de", "slt")) if args.quick else (args.seconds, HELD_OUT)
    if args.data:
        parts = {name: part for name, part in read_parts(args.data).items() if name in names}
        train, missing = read_part(args.data / "train", files=1), {}
        missing |= {name: f"{args.data} has none" for name in names if name not in parts}
    else:
        parts, missing = held_out(seconds, names)
        train = parts.pop("train", [])
    for name, why in missing.items():
        say(f"'{name}' is not measured: {why}")
    found = figures(network, parts, train, negatives(12.0 if args.quick else 150.0), seconds)
    found["not_measured"] = missing
    tell_parts(found)
    if parts:
        tell_conditions(found)
    for name, opening in found["mute"].items():
        say(f"{name:28} opening {opening:.3f}")
    return found


def in_time(args: argparse.Namespace, weights: SpeechWeights) -> dict[str, dict]:
    """Compute, latency, long streams and emotions through the whole animator."""
    said = passage(12.0 if args.quick else 60.0)
    span = 6.0 if args.quick else 30.0
    say(f"One thread, {said.source}; load average {os.getloadavg()[0]:.1f}")
    found = {"speed": speeds(weights, said, span), "offline_ms_per_second": offline(weights, said, span)}
    for name, row in found["speed"].items():
        say(f"{name:40} {row['ms_per_second']:6.2f} ms per second of sound ({row['best']:.2f} to {row['worst']:.2f}, "
            f"processor {row['cpu_ms_per_second']:.2f}); a piece "
            f"{row['p50_ms']:.2f}, 95 of 100 in {row['p95_ms']:.2f}, 99 in {row['p99_ms']:.2f} ms")  # fmt: skip
    say(
        "whole recordings: "
        + ", ".join(f"{k} {v:.2f} ms per second" for k, v in found["offline_ms_per_second"].items())
    )
    found["difference_to_torch"] = same_as_torch(weights, said)
    found["latency_ms"] = latency(weights, found["speed"])
    for setting, row in found["latency_ms"].items():
        say(f"{setting:8} worst latency: " + ", ".join(f"{k} {v:.1f}" for k, v in row.items()) + " ms")
    found["long"] = alone(long_stream, weights, said, 3 if args.quick else args.minutes)
    for name, row in found["long"].items():
        say(
            f"{name:20} {row if isinstance(row, float) else ', '.join(f'{k} {v:.4g}' for k, v in row.items())}"
        )
    found["emotions"] = swaps(weights, said, span)
    for name, row in found["emotions"].items():
        say(f"{name:14} its {row['named_shapes']} shapes move by {row['moved']:.3f} (pose {row['table']:.3f}, off by "
            f"{row['largest_error']:.3f} at most), opening changed by {row['aperture_change']:.3f}")  # fmt: skip
    if said.target is not None:
        found["sound_in_noise"] = noise_scores(build(weights), said.utterances)
        for kind, rows in found["sound_in_noise"].items():
            say(f"10 dB over {kind:7} nMSE {rows['sound']['nmse']:.3f}, with text {rows['text']['nmse']:.3f}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of 'python -m training.speech data'")
    parser.add_argument("--weights", type=Path, help="a .safetensors file; the pack's own if not given")
    parser.add_argument("--seconds", type=float, default=180.0, help="of each part (%(default)s)")
    parser.add_argument("--minutes", type=int, default=10, help="of the long stream (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="little of everything, to see that it runs")
    args = parser.parse_args()
    torch.set_num_threads(1)
    weights = load_weights(args.weights)
    found = accuracy(args, build(weights)) | in_time(args, weights)
    checks = Checks()
    check_accuracy(checks, found)
    check_speed(checks, found)
    missed = [name for name, row in checks.found.items() if not row["met"]]
    say(
        f"{len(checks.found) - len(missed)} of {len(checks.found)} aims reached; not: {', '.join(missed) or 'none'}"
    )
    finish({"benchmark": "speech", "weights": weights.card["sha256"], "precision": weights.card["precision"], "words": words(),
            "load_average": os.getloadavg()[0], "aims": checks.found, **found})  # fmt: skip


if __name__ == "__main__":
    main()
