"""The speech network in PyTorch, as it is trained: sound to the motion of jaw, lips, cheeks and tongue.

Causal gated convolutions after WaveNet (van den Oord et al. 2016, arXiv 1609.03499) hear the sound and name its phones;
a decoder of the same blocks makes the motion, steered through FiLM (Perez et al. 2018, arXiv 1709.07871) by emotion and
persona. Where the text is known, forward attention (Zhang et al. 2018, arXiv 1807.06736) follows its phones as the
forward pass of a hidden Markov model does, so that no later sound is needed. ``network_numpy`` runs the same weights
frame by frame.

Row ``t`` of every output is made when the sound up to ``(t + 1) / 50`` seconds is there.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import attend
from .layout import HALVING, TAPS, NetworkConfig
from .phones import SIL
from .weights import SpeechWeights


def taps(x: Tensor, dilation: int, count: int = TAPS) -> Tensor:
    """``x [B, T, C]`` beside its own past (zeros before the beginning), oldest first: ``[B, T, count * C]``."""
    past = F.pad(x, (0, 0, (count - 1) * dilation, 0))
    return torch.cat([past[:, i * dilation : i * dilation + x.shape[1]] for i in range(count)], -1)


class Block(nn.Module):
    """Gated dilated causal convolution with a residual, optionally modulated before the gate.

    The gate is WaveNet's, its ``tanh(v / 2) / 2`` written as ``sigmoid(v) - 1/2``: one function for both halves.
    """

    def __init__(self, width: int, dilation: int, depth: int):
        super().__init__()
        self.dilation = dilation
        self.taps = nn.Linear(TAPS * width, 2 * width)
        self.out = nn.Linear(width, width)
        nn.init.normal_(self.out.weight, std=4 * (width * depth) ** -0.5)  # the gate gives about a quarter

    def forward(self, x: Tensor, film: Tensor | None = None) -> Tensor:
        gate = self.taps(taps(x, self.dilation))
        if film is not None:
            scale, shift = film.chunk(2, -1)
            gate = gate * (1 + scale) + shift
        value, opening = torch.sigmoid(gate).chunk(2, -1)
        return x + self.out((value - 0.5) * opening)


class SpeechNetwork(nn.Module):
    """Features at 100 Hz to channels and phones at 50 Hz; everything causal."""

    def __init__(self, config: NetworkConfig | None = None):
        super().__init__()
        self.config = c = config or NetworkConfig()
        depth = len(c.dilations) + len(c.decoder_dilations)
        self.stem = nn.Linear(TAPS * c.bands, c.width)
        self.halve = nn.Linear(2 * HALVING * c.width, c.width)
        self.trunk = nn.ModuleList(Block(c.width, d, depth) for d in c.dilations)
        self.phone_head = nn.Linear(c.width, c.phones)
        self.token = nn.Embedding(c.phones, c.token_width)
        self.no_text = nn.Parameter(torch.zeros(c.context))
        self.join = nn.Linear(c.width + c.context, c.decoder_width)
        self.condition = nn.Linear(c.condition, c.hidden)
        self.film = nn.Linear(c.hidden, len(c.decoder_dilations) * 4 * c.decoder_width)
        self.decoder = nn.ModuleList(Block(c.decoder_width, d, depth) for d in c.decoder_dilations)
        self.heads = nn.Linear(c.decoder_width, len(c.lookaheads) * c.channels)
        nn.init.normal_(self.film.weight, std=0.02)
        nn.init.zeros_(self.film.bias)
        nn.init.constant_(self.heads.bias, -3.0)  # faces move little

    def hear(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """``[B, 2M, bands]`` to what the trunk makes of it ``[B, M, width]`` and log-probabilities of phones
        ``[B, M, phones]``."""
        x = F.silu(self.stem(taps(features, 1)))
        pairs = x.reshape(x.shape[0], -1, 2 * x.shape[-1])
        x = F.silu(self.halve(taps(pairs, 1, HALVING)))
        for block in self.trunk:
            x = block(x)
        return x, F.log_softmax(self.phone_head(x).float(), -1)

    def move(self, heard: Tensor, context: Tensor | None, condition: Tensor) -> Tensor:
        """Trunk ``[B, M, width]``, context ``[B, M, context]`` (None without text) and condition ``[B, M, 12]`` to
        channels ``[B, M, lookaheads, channels]`` in 0..1."""
        if context is None:
            context = self.no_text.expand(*heard.shape[:2], -1)
        x = self.join(torch.cat([heard, context.to(heard.dtype)], -1))
        films = self.film(torch.tanh(self.condition(condition))).chunk(len(self.decoder), -1)
        for block, film in zip(self.decoder, films):
            x = block(x, film)
        out = self.heads(x).float()
        return torch.sigmoid(out.unflatten(-1, (len(self.config.lookaheads), self.config.channels)))

    def context(self, phones: Tensor, tokens: Tensor, lengths: Tensor, start: Tensor | None = None) -> Tensor:
        """What the text says where the sound is: ``[B, M, context]``, see ``attend``."""
        heard = phones.detach().exp().cpu().numpy()
        told = [None if x is None else x.cpu().numpy() for x in (tokens, lengths, start)]
        attention, agreement = attend(heard, told[0], told[1], self.config.sharpness, told[2])
        attention, agreement = torch.from_numpy(attention).to(phones), torch.from_numpy(agreement).to(phones)
        table = self.token(tokens)
        near = torch.cat(
            [table, shifted(table, -1, self.token.weight[SIL]), shifted(table, 1, self.token.weight[SIL])], -1
        )
        return torch.cat([attention @ near, agreement[..., None]], -1)

    def forward(
        self,
        features: Tensor,
        condition: Tensor,
        tokens: Tensor | None = None,
        lengths: Tensor | None = None,
        start: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Channels and phones of whole recordings.

        Args:
            features: ``[B, 2M, bands]``.
            condition: ``[B, M, 12]``; row t is that of frame t - phone_delay.
            tokens: int64 ``[B, K]`` phones of the text, no silences; with ``lengths [B]`` how many of each row count.
                Rows of length 0 are without text.
            start: float ``[B, K]`` where in the text the sound may begin (weights); before its first phone if None or zero.

        Returns:
            ``[B, M, lookaheads, channels]`` and log-probabilities ``[B, M, phones]``.
        """
        heard, phones = self.hear(features)
        context = None
        if tokens is not None:
            given = (lengths > 0)[:, None, None]
            context = torch.where(
                given, self.context(phones, tokens, lengths.clamp(min=1), start), self.no_text
            )
        return self.move(heard, context, condition), phones


def build(weights: SpeechWeights) -> SpeechNetwork:
    """The network with trained weights, float32, ready to run."""
    network = SpeechNetwork(weights.config)
    network.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in weights.tensors.items()})
    return network.eval().requires_grad_(False)


def shifted(table: Tensor, by: int, edge: Tensor) -> Tensor:
    """``table [B, K, D]`` moved by one place along K, ``edge [D]`` coming in."""
    edge = edge.expand(table.shape[0], 1, -1)
    return torch.cat([edge, table[:, :-1]], 1) if by > 0 else torch.cat([table[:, 1:], edge], 1)
