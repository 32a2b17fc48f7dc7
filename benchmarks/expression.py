"""How fast the expression encoder is in batches, beside one face at a time as the reference implementation runs it.

    python benchmarks/expression.py [--faces 64]

The full-size network with random weights on random 224x224 crops, float32, same run: on the processor, and on the
GPU where there is one (copies to it and back are counted). The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))
from common import finish, per_second, say

from troupe.engine.wan.expression import CPU_BATCH, ExpressionEncoder
from troupe.engine.wan.pdfgc import PDFGC, SIDE

BATCHES = {"cpu": (1, CPU_BATCH), "cuda": (1, 4, 16, 64)}


def features(encoder: ExpressionEncoder, crops: np.ndarray, device: str, batch: int) -> Iterator[np.ndarray]:
    """A first batch that only warms up, then the features of every crop."""
    yield encoder.encode_crops(crops[:batch], device, batch)
    for start in range(0, len(crops), batch):
        yield from encoder.encode_crops(crops[start : start + batch], device, batch)


def measure(encoder: ExpressionEncoder, crops: np.ndarray, device: str) -> dict[str, object]:
    """Faces per second by batch size, and the best batch against one at a time."""
    encoder.module.to(device)
    rates = {}
    for batch in BATCHES[device]:
        rates[batch] = per_second(lambda b=batch: features(encoder, crops, device, b))
        say(
            f"{device}, {batch:2} at a time: {rates[batch]['median']:.1f} faces/s "
            f"({rates[batch]['worst']:.1f} to {rates[batch]['best']:.1f})"
        )
    medians = {batch: rate["median"] for batch, rate in rates.items()}
    best = max(list(medians)[1:], key=medians.get)
    return {
        "name": torch.cuda.get_device_name() if device == "cuda" else f"{torch.get_num_threads()} threads",
        **{f"batch_{batch}": rate for batch, rate in rates.items()},
        "best_batch": best,
        "ratio": medians[best] / medians[1],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faces", type=int, default=64, help="crops to encode, 64 or more for the GPU")
    faces = parser.parse_args().faces
    torch.manual_seed(0)
    encoder = ExpressionEncoder(PDFGC().eval())
    crops = np.random.default_rng(0).integers(0, 256, (faces, SIDE, SIDE, 3), np.uint8)
    figures: dict[str, object] = {"benchmark": "expression", "faces": faces, "torch": torch.__version__}
    if hasattr(os, "getloadavg"):
        figures["load_before"] = os.getloadavg()[0]
    for device in ("cpu", *(["cuda"] if torch.cuda.is_available() else [])):
        figures[device] = measure(encoder, crops, device)
    if "cuda" not in figures:
        say("No GPU here: the processor alone was measured.")
    finish(figures)


if __name__ == "__main__":
    main()
