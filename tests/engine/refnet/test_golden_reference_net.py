"""The reference nets of Hallo and Champ against the references' tensors: every bank, and what the last block gives."""

from __future__ import annotations

import pytest
import torch

from troupe.engine.checkpoint import subset
from troupe.engine.refnet.load import reference_net

pytestmark = pytest.mark.golden
TOLERANCE = 1e-4


def compare(net, reference, latents: torch.Tensor) -> None:
    out, bank = net(latents, reference["encoder_hidden_states"])
    worst = {"output": (out - reference["output"]).abs().max().item()}
    for name in reference:
        if name.endswith(".bank"):
            ours = bank.of(name.removesuffix(".bank")).flatten(0, 1)
            worst[name] = (ours - reference[name]).abs().max().item()
    assert len(worst) > 1
    assert max(worst.values()) <= TOLERANCE, worst
    assert not reference.unseen


def test_hallo(hallo_tiny, hallo_weights):
    """Two rows of a portrait and two frames before the clip; the token sets go round over the images."""
    reference = hallo_tiny.reference("reference_net")
    net = reference_net(subset(hallo_weights, "reference_unet."), "tiny")
    rows = len(reference["encoder_hidden_states"])
    compare(net, reference, reference["latents"].unflatten(0, (rows, -1)))


def test_champ(champ_tiny, champ_weights):
    """One portrait in two rows."""
    reference = champ_tiny.reference("reference_net")
    net = reference_net(subset(champ_weights, "reference_unet."), "tiny")
    rows = len(reference["encoder_hidden_states"])
    compare(net, reference, reference["latents"][None].expand(rows, -1, -1, -1, -1))
