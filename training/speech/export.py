"""Turns a training run into the weights that ship: averaged, rounded to float16, scored, with their card.

python -m training.speech export RUN DATA [--to engine/speech/trained/speech.safetensors]
"""

from __future__ import annotations

import argparse
import json
import platform
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from troupe.engine.speech.layout import NetworkConfig
from troupe.engine.speech.network import build
from troupe.engine.speech.weights import SHIPPED, SpeechWeights, save_weights

from .evaluate import evaluate

ABOUT = {
    "name": "Troupe speech to face",
    "licence": "Apache-2.0",
    "what": "Log-mel of speech, emotion, persona and optionally the phones of the text to 18 channels of jaw, lips, "
    "cheeks and tongue at 50 frames a second.",
    "taught_by": "A rule-based face (training/speech/teacher.py) over speech that machines spoke. No face was measured "
    "and no recording of a person was used but those inside the synthesisers' voices. All scores are distances to that "
    "teacher.",
}


def rounded(weights: SpeechWeights) -> SpeechWeights:
    """As they come back from the file."""
    return replace(
        weights, tensors={k: v.astype(np.float16).astype(np.float32) for k, v in weights.tensors.items()}
    )


def export(run: Path, data: Path, to: Path, seconds: float = 600.0) -> dict[str, object]:
    """Writes weights and card.

    Args:
        run: Folder of a training run.
        data: What it was trained on.
        to: Ends in ``.safetensors``.
        seconds: Of each part to score it on.

    Returns:
        The scores.
    """
    saved = torch.load(run / "checkpoint.pt", map_location="cpu", weights_only=True)
    tensors = {k: v.float().numpy() for k, v in saved["average"].items()}
    weights = rounded(SpeechWeights(NetworkConfig(), tensors, {}))
    scores = evaluate(build(weights), data, seconds)
    about = ABOUT | {
        "training": saved["plan"]
        | {"step": saved["step"], "torch": torch.__version__, "machine": platform.machine()},
        "data": json.loads((data / "data.json").read_text("utf-8")),
        "scored_seconds_of_each_part": seconds,
        "scores": scores,
    }
    save_weights(to, weights.tensors, weights.config, about)
    return scores


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("run", type=Path, help="folder that 'train' filled")
    parser.add_argument("data", type=Path, help="folder that 'data' made")
    parser.add_argument("--to", type=Path, default=SHIPPED, help="%(default)s")
    parser.add_argument(
        "--seconds", type=float, default=600.0, help="of each part for its scores (%(default)s)"
    )
    parser.add_argument("--threads", type=int, default=1)


def run(args: argparse.Namespace) -> None:
    """The command."""
    torch.set_num_threads(args.threads)
    export(args.run, args.data, args.to, args.seconds)
