"""Weights of no training, as large as real ones, so that every path of the speech network matters."""

from __future__ import annotations

import numpy as np
import pytest

from troupe.engine.speech.layout import NetworkConfig, shapes
from troupe.engine.speech.weights import SpeechWeights


class _Brief(SpeechWeights):
    def __repr__(self) -> str:  # failing tests print their fixtures
        return "random_weights"


@pytest.fixture(scope="session")
def random_weights() -> SpeechWeights:
    rng = np.random.default_rng(0)
    tensors = {}
    for name, shape in shapes(NetworkConfig()).items():
        size = 0.7 if name == "token.weight" else (1.5 / np.sqrt(shape[1]) if len(shape) > 1 else 0.1)
        tensors[name] = rng.normal(0, size, shape).astype(np.float32)
    return _Brief(NetworkConfig(), tensors, {})
