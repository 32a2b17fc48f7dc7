"""Turns a training run into the weights that ship: averaged, rounded, scored, with their card.

python -m training.speech export RUN DATA [--to engine/speech/trained/speech.safetensors] [--precision float16|int8]
"""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path

import torch

from troupe.engine.speech.network import build
from troupe.engine.speech.weights import PRECISIONS, SHIPPED, SpeechWeights, rounded, save_weights

from .evaluate import evaluate
from .train import Plan

ABOUT = {
    "name": "Troupe speech to face",
    "licence": "Apache-2.0",
    "what": "Log-mel of speech, emotion, persona and optionally the phones of the text to 18 channels of jaw, lips, "
    "cheeks and tongue at 50 frames a second.",
    "taught_by": "A rule-based face (training/speech/teacher.py) over speech that machines spoke. No face was measured "
    "and no recording of a person was used but those inside the synthesisers' voices. All scores are distances to that "
    "teacher.",
}


def export(
    run: Path, data: Path, to: Path, seconds: float = 600.0, precision: str = "float16"
) -> dict[str, object]:
    """Writes weights and card.

    Args:
        run: Folder of a training run.
        data: What it was trained on.
        to: Ends in ``.safetensors``.
        seconds: Of each part to score it on.
        precision: Of the file, one of ``PRECISIONS``.

    Returns:
        The scores.
    """
    saved = torch.load(run / "checkpoint.pt", map_location="cpu", weights_only=True)
    tensors = {k: v.float().numpy() for k, v in saved["average"].items()}
    weights = SpeechWeights(Plan(**saved["plan"]).config, tensors, {})
    scores = evaluate(build(rounded(weights, precision)), data, seconds)
    about = ABOUT | {
        "training": saved["plan"]
        | {"step": saved["step"], "torch": torch.__version__, "machine": platform.machine()},
        "data": json.loads((data / "data.json").read_text("utf-8")),
        "scored_seconds_of_each_part": seconds,
        "scores": scores,
    }
    save_weights(to, weights.tensors, weights.config, about, precision)
    return scores


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("run", type=Path, help="folder that 'train' filled")
    parser.add_argument("data", type=Path, help="folder that 'data' made")
    parser.add_argument("--to", type=Path, default=SHIPPED, help="%(default)s")
    parser.add_argument(
        "--seconds", type=float, default=600.0, help="of each part for its scores (%(default)s)"
    )
    parser.add_argument(
        "--precision", choices=PRECISIONS, default="float16", help="of the file (%(default)s)"
    )
    parser.add_argument("--threads", type=int, default=1)


def run(args: argparse.Namespace) -> None:
    """The command."""
    torch.set_num_threads(args.threads)
    export(args.run, args.data, args.to, args.seconds, args.precision)
