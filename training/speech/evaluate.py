"""How well a speech network does on the parts of the data: against the teacher, and beside trivial answers.

    python -m training.speech evaluate DATA WEIGHTS [--out scores.json] [--seconds 600]

All distances are to our own rule-based teacher. Noise is made on log-mel frames, as in training; where the sound itself is
at hand, ``noise_scores`` adds other noise to that.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

from troupe.engine.metrics.speech import closures, jerk, lag_error, lmd, nmse, silence_aperture
from troupe.engine.speech.channels import CHANNEL_FPS, CHANNELS, aperture, shut, spread
from troupe.engine.speech.conditions import CONDITION, EMOTIONS, conditioned
from troupe.engine.speech.features import RATE, decibels, log_mel, loudness, normalise
from troupe.engine.speech.network import SpeechNetwork, build
from troupe.engine.speech.persona import PERSONAS
from troupe.engine.speech.phones import SIL
from troupe.engine.speech.weights import load_weights

from . import utterances as maker
from .augment import logs, noise_like, powers, speech_level
from .batches import Utterance, read_part
from .teacher import REST

PARTS = ("dev", "voices", "de", "es", "fr", "ja", "slt", "ph")
NOISE = 10.0  # decibels under the speech
Predict = Callable[[Utterance], np.ndarray]


@torch.no_grad()
def predicted(
    network: SpeechNetwork,
    mel: np.ndarray,
    head: int,
    tokens: np.ndarray | None = None,
    condition: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Channels ``[M, 18]`` and log-probabilities of phones ``[M, phones]`` of one recording, row m at frame m; what
    lies beyond its end is silence.

    Args:
        mel: ``[2M, BANDS]``.
        head: Which lookahead.
        tokens: Phones of its text.
        condition: ``[12]``; plain speech if None.
    """
    config = network.config
    late = max(config.lookaheads[head], config.phone_delay)
    silence = np.repeat(mel[-1:].astype(np.float32), 2 * late, 0)
    features = torch.from_numpy(normalise(np.concatenate([mel.astype(np.float32), silence])))[None]
    rows = features.shape[1] // 2
    given = (
        torch.zeros(1, rows, CONDITION)
        if condition is None
        else torch.from_numpy(condition).expand(1, rows, -1)
    )
    text = ()
    if tokens is not None and len(tokens):
        text = (torch.from_numpy(tokens.astype(np.int64))[None], torch.tensor([len(tokens)]))
    device = network.no_text.device
    made, phones = network(features.to(device), given.to(device), *(t.to(device) for t in text))
    first, count = config.lookaheads[head], len(mel) // 2
    named = phones[0, config.phone_delay : config.phone_delay + count]
    return shut(made[0, first : first + count, head].cpu().numpy()), named.cpu().numpy()


def scores(made: np.ndarray, target: np.ndarray) -> dict[str, float | None]:
    """Channels against the teacher's, ``[T, 18]`` both."""
    shapes, theirs = spread(made), spread(target)
    recall, precision = closures(made, target, CHANNEL_FPS)
    openings = aperture(made), aperture(target)
    still = openings[0].std() < 1e-6
    found = {
        "nmse": nmse(shapes, theirs), "lmd": lmd(shapes, theirs), "lag": lag_error(*openings, CHANNEL_FPS),
        "aperture_correlation": 0.0 if still else float(np.corrcoef(*openings)[0, 1]),
        "closure_recall": recall, "closure_precision": precision,
        "jerk": jerk(made, CHANNEL_FPS) / jerk(target, CHANNEL_FPS),  # of the teacher's
    }  # fmt: skip
    return {name: number(value, 5) for name, value in found.items()}


def number(value: float, digits: int) -> float | None:
    """Rounded; None, which JSON knows, where there is nothing to measure."""
    return None if np.isnan(value) else round(float(value), digits)


def by_channel(made: np.ndarray, target: np.ndarray) -> dict[str, float]:
    """Squared error over variance of each channel that moves."""
    error, variance = ((made - target) ** 2).mean(0), target.var(0)
    return {n: round(float(error[i] / variance[i]), 3) for i, n in enumerate(CHANNELS) if variance[i] > 1e-5}


def over(utterances: list[Utterance], predict: Predict) -> tuple[np.ndarray, np.ndarray]:
    """Predicted and true channels of all utterances, one after the other."""
    target = np.concatenate([u.target.astype(np.float32) for u in utterances])
    return np.concatenate([predict(u) for u in utterances]), target


def spoken(utterances: list[Utterance], seconds: float) -> list[Utterance]:
    """The first utterances with speech, about so many seconds of them."""
    chosen, length = [], 0.0
    for one in utterances:
        if one.about["source"] != "negative" and length < seconds:
            chosen.append(one)
            length += len(one.target) / CHANNEL_FPS
    return chosen


def noisy(mel: np.ndarray, seed: int) -> np.ndarray:
    """Noise of random colour ``NOISE`` decibels under the speech."""
    mel = mel.astype(np.float32)[None]
    scale = np.exp(speech_level(mel) - decibels(NOISE))[:, None, None]
    return logs(powers(mel) + scale * noise_like(mel, np.random.default_rng(seed)))[0]


def pink(white: np.ndarray) -> np.ndarray:
    """White noise ``[S]`` made pink, deviation 1."""
    spectrum = np.fft.rfft(white) * np.maximum(np.arange(len(white) // 2 + 1), 100) ** -0.5
    noise = np.fft.irfft(spectrum, len(white))
    return noise / noise.std()


def under(sound: np.ndarray, noise: np.ndarray, phone: np.ndarray, down: float = NOISE) -> np.ndarray:
    """A sound ``[S]`` over noise ``[S]`` so many decibels down, by their power while somebody speaks (``phone [M]``)."""
    spoken = np.repeat(phone != SIL, -(-len(sound) // len(phone)))[: len(sound)]
    scale = np.sqrt((sound[spoken] ** 2).mean() / max((noise[spoken] ** 2).mean(), 1e-12) / 10 ** (down / 10))
    return sound + scale * noise


def noise_scores(network: SpeechNetwork, utterances: list[maker.Utterance]) -> dict[str, dict[str, object]]:
    """In noise that is added to the sound itself: white, pink, and three of the other voices at a time.

    Args:
        network: To judge.
        utterances: With their ``sound``, at least four.
    """

    def noise(kind: str, at: int) -> np.ndarray:
        length = len(utterances[at].sound)
        white = np.random.default_rng(at).standard_normal(length)
        if kind == "voices":
            others = [utterances[(at + k) % len(utterances)].sound for k in (1, 2, 3)]
            return sum(np.resize(o / np.sqrt((o**2).mean() + 1e-9), length) for o in others)
        return pink(white) if kind == "pink" else white

    found = {}
    for kind in ("white", "pink", "voices"):
        mels = {id(u): log_mel(under(u.sound, noise(kind, i), u.phone)) for i, u in enumerate(utterances)}
        found[kind] = {
            name: scores(
                *over(
                    utterances,
                    lambda u, m=mels, t=t: predicted(network, m[id(u)], 1, u.tokens if t else None)[0],
                )
            )
            for name, t in (("sound", False), ("text", True))
        }
    return found


def _loud_rows(mel: np.ndarray) -> np.ndarray:
    """Loudness around each frame of 50 a second, from 180 ms before to 60 ms after: ``[M, 13]``."""
    loud = loudness(mel)
    loud = np.maximum(loud - np.percentile(loud, 95), -12.0)
    padded = np.pad(loud, (18, 8), mode="edge")
    rows = np.lib.stride_tricks.sliding_window_view(padded, 25)[: len(loud) : 2, ::2]
    return np.concatenate([rows, np.ones((len(rows), 1))], 1)


def baselines(train: list[Utterance]) -> dict[str, Predict]:
    """Answers that know nothing of phones: the mean pose, a shut mouth, and a linear map of the loudness."""
    some = spoken(train, 1200.0)
    target = np.concatenate([u.target.astype(np.float32) for u in some])
    rows = np.concatenate([_loud_rows(u.mel) for u in some])
    weights = np.linalg.solve(rows.T @ rows + 1e-2 * np.eye(rows.shape[1]), rows.T @ target)
    mean = target.mean(0)
    return {
        "constant": lambda u: np.repeat(mean[None], len(u.target), 0),
        "shut": lambda u: np.repeat(REST[None], len(u.target), 0),
        "loudness": lambda u: np.clip(_loud_rows(u.mel) @ weights, 0, 1).astype(np.float32),
    }


def quick_scores(
    network: SpeechNetwork, utterances: list[Utterance], seconds: float = 240.0
) -> dict[str, float]:
    """A few figures on the first utterances of a part, for the log of training."""
    some = spoken(utterances, seconds)
    found: dict[str, float | None] = {}
    for name, head, text in (("default", 0, False), ("quality", 1, False), ("text", 1, True)):
        made, target = over(
            some, lambda u, h=head, t=text: predicted(network, u.mel, h, u.tokens if t else None)[0]
        )
        result = scores(made, target)
        found[name] = result["nmse"]
        if name == "quality":
            found |= {k: result[k] for k in ("lag", "closure_recall", "closure_precision")}
            found["by_channel"] = round(float(np.mean(list(by_channel(made, target).values()))), 4)
    return found


def part_scores(
    network: SpeechNetwork, utterances: list[Utterance], trivial: dict[str, Predict]
) -> dict[str, object]:
    """Everything on one part: both settings, with text, in noise, and the trivial answers."""

    def predict(u: Utterance, head: int = 1, text: bool = False, noise: bool = False) -> np.ndarray:
        mel = noisy(u.mel, len(u.mel)) if noise else u.mel
        return predicted(network, mel, head, u.tokens if text else None)[0]

    ways: dict[str, Predict] = {
        "default": partial(predict, head=0), "quality": predict, "text": partial(predict, text=True),
        "noise": partial(predict, noise=True), "noise_text": partial(predict, text=True, noise=True), **trivial,
    }  # fmt: skip
    found: dict[str, object] = {}
    silent = np.concatenate([u.phone == SIL for u in utterances])
    for name, way in ways.items():
        made, target = over(utterances, way)
        still = silence_aperture(aperture(made), silent, CHANNEL_FPS)
        found[name] = scores(made, target) | {"silence_aperture": number(still, 4)}
        if name == "quality":
            found["by_channel"] = by_channel(made, target)
            found["silence_aperture"] = found[name]["silence_aperture"]
    heard = [predicted(network, u.mel, 1)[1].argmax(1) == u.phone for u in utterances]
    found["phones_right"] = round(float(np.concatenate(heard).mean()), 4)
    return found


def mute_sounds(seed: int = 0) -> dict[str, np.ndarray]:
    """Sounds over which a mouth stays shut, 4 s each."""
    rng, t = np.random.default_rng(seed), np.arange(4 * RATE) / RATE
    found = {"zeros": np.zeros(len(t))}
    for hertz in (110, 220, 440, 1000, 3000):
        found[f"tone {hertz} Hz"] = 0.2 * np.sin(2 * np.pi * hertz * t)
    white = rng.standard_normal(len(t))
    for level in (-50, -30, -15):
        found[f"white {level} dB"] = white * 10 ** (level / 20)
        found[f"pink {level} dB"] = pink(white) * 10 ** (level / 20)
    return found


def mute_scores(network: SpeechNetwork, utterances: list[Utterance]) -> dict[str, float]:
    """Mean opening over sounds that are no speech, those of the data by kind."""
    kinds: dict[str, list[np.ndarray]] = {}
    for one in utterances:
        if one.about["source"] == "negative":
            kinds.setdefault("data: " + one.about["voice"], []).append(
                aperture(predicted(network, one.mel, 1)[0])
            )
    for name, sound in mute_sounds().items():
        kinds[name] = [aperture(predicted(network, log_mel(sound), 1)[0])]
    return {name: round(float(np.concatenate(found).mean()), 4) for name, found in sorted(kinds.items())}


def condition_scores(
    network: SpeechNetwork, utterances: list[Utterance]
) -> dict[str, dict[str, float | None]]:
    """What emotions and personas change: the shift of each channel beside that of the rule, the opening, closures.

    Closures are looked for once the rule's own shift is taken away, as some emotions press the lips all the time.
    """
    given = {"plain": np.zeros(CONDITION, np.float32)}
    given |= {name: np.eye(CONDITION, dtype=np.float32)[i] for i, name in enumerate(EMOTIONS) if i}
    given["happy 0.5"] = 0.5 * given["happy"]
    given["happy 0.5 + surprised 0.5"] = 0.5 * given["happy"] + 0.5 * given["surprised"]
    persona = np.eye(CONDITION, dtype=np.float32)[len(EMOTIONS) :]
    given |= {
        "articulation 1.3": 0.3 * persona[0],
        "articulation 0.7": -0.3 * persona[0],
        "smile 0.5": 0.5 * persona[2],
    }
    given |= {name: one.vector() @ persona for name, one in PERSONAS.items() if name != "neutral"}
    given["friendly, happy 0.6"] = given["friendly"] + 0.6 * given["happy"]
    plain, target = over(utterances, lambda u: predicted(network, u.mel, 1)[0])
    found = {}
    for name, vector in given.items():
        made, _ = over(utterances, lambda u, v=vector: predicted(network, u.mel, 1, condition=v)[0])
        wanted = conditioned(target, vector[None])
        moved, rule = (made - plain).mean(0), (wanted - target).mean(0)
        gain = 1.0 + vector[len(EMOTIONS)]
        recall, precision = closures(made - (wanted - target), target, CHANNEL_FPS)
        change = aperture(made) - gain * aperture(plain)
        found[name] = {
            "largest_shift": float(np.abs(rule).max()), "shift_error": float(np.abs(moved - rule).max()),
            "aperture_change": float(np.abs(change).mean()), "aperture_shift": float(change.mean()),
            "closure_recall": recall, "closure_precision": precision, "nmse": nmse(spread(made), spread(wanted)),
        }  # fmt: skip
    return {name: {k: number(v, 4) for k, v in row.items()} for name, row in found.items()}


def figures(
    network: SpeechNetwork,
    parts: dict[str, list[Utterance]],
    train: list[Utterance],
    negatives: list[Utterance],
    seconds: float = 600.0,
) -> dict[str, object]:
    """All figures of utterances.

    Args:
        network: To judge.
        parts: By name; emotions and personas are tried on ``voices``, or on the first if that is not there.
        train: What the trivial answers may learn from; without it they are left out.
        negatives: Some that are no speech.
        seconds: How much of each part.
    """
    trivial = baselines(train) if train else {}
    found: dict[str, object] = {
        n: part_scores(network, spoken(p, seconds), trivial) for n, p in parts.items()
    }
    found["mute"] = mute_scores(network, negatives)
    if parts:
        some = parts.get("voices") or next(iter(parts.values()))
        found["conditions"] = condition_scores(network, spoken(some, min(seconds, 240.0)))
    return found


def read_parts(data: Path) -> dict[str, list[Utterance]]:
    """The parts of a data folder that are there."""
    return {name: read_part(data / name) for name in PARTS if (data / name).is_dir()}


def evaluate(network: SpeechNetwork, data: Path, seconds: float = 600.0) -> dict[str, object]:
    """All figures, on so many seconds of each part of the data."""
    parts = read_parts(data)
    return figures(network, parts, read_part(data / "train", files=1), parts["dev"], seconds)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("data", type=Path, help="folder that 'data' made")
    parser.add_argument(
        "weights", type=Path, nargs="?", help="a .safetensors file; the pack's own if not given"
    )
    parser.add_argument("--out", type=Path, help="JSON file for the scores; else they are printed")
    parser.add_argument("--seconds", type=float, default=600.0, help="of each part (%(default)s)")
    parser.add_argument("--threads", type=int, default=1)


def run(args: argparse.Namespace) -> None:
    """The command."""
    torch.set_num_threads(args.threads)
    found = evaluate(build(load_weights(args.weights)), args.data, args.seconds)
    text = json.dumps(found, indent=1)
    if args.out:
        args.out.write_text(text + "\n", "utf-8")
    else:
        print(text)  # noqa: T201
