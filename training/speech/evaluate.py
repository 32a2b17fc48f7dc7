"""How well a speech network does on the parts of the data: against the teacher, and beside trivial answers."""

from __future__ import annotations

import numpy as np
import torch

from troupe.engine.speech.channels import JAW_OPEN, MOUTH_CLOSE
from troupe.engine.speech.conditions import CONDITION
from troupe.engine.speech.features import normalise
from troupe.engine.speech.network import SpeechNetwork

from .batches import Utterance


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
    device = network.heads.weight.device
    made, phones = network(features.to(device), given.to(device), *(t.to(device) for t in text))
    first, count = config.lookaheads[head], len(mel) // 2
    named = phones[0, config.phone_delay : config.phone_delay + count]
    return made[0, first : first + count, head].cpu().numpy(), named.cpu().numpy()


def unexplained(made: np.ndarray, target: np.ndarray, least: float = 1e-5) -> np.ndarray:
    """Squared error over variance by channel ``[18]``; NaN where the target's variance is under ``least``."""
    variance = target.var(0)
    error = ((made - target) ** 2).mean(0)
    return np.where(variance > least, error / np.maximum(variance, least), np.nan)


def quick_scores(network: SpeechNetwork, utterances: list[Utterance], most: int = 50) -> dict[str, float]:
    """A few figures on the first utterances of a part, for the log of training."""
    scores: dict[str, float] = {}
    spoken = [u for u in utterances if u.about["source"] != "negative"][:most]
    target = np.concatenate([u.target.astype(np.float32) for u in spoken])
    phone = np.concatenate([u.phone for u in spoken])
    for name, head, text in (("40ms", 0, False), ("60ms", 1, False), ("60ms_text", 1, True)):
        both = [predicted(network, u.mel, head, u.tokens if text else None) for u in spoken]
        made = np.concatenate([b[0] for b in both])
        scores[f"nmse_{name}"] = round(float(np.nanmean(unexplained(made, target))), 4)
    apertures = [x[:, JAW_OPEN] - x[:, MOUTH_CLOSE] for x in (made, target)]
    scores["aperture_r"] = round(float(np.corrcoef(*apertures)[0, 1]), 4)
    scores["phones"] = round(float((np.concatenate([b[1] for b in both]).argmax(1) == phone).mean()), 4)
    return scores
