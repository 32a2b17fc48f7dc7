"""Sizes and tensors of the speech network, known without PyTorch."""

from __future__ import annotations

from dataclasses import dataclass

from .channels import CHANNELS
from .conditions import CONDITION
from .features import BANDS
from .phones import PHONES

VERSION = 1  # of the layout below and of what goes in and out; weights of another version are refused
TAPS = 3  # of every convolution but the one that halves the rate
HALVING = 2  # pairs of frames that one looks at


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the network.

    Attributes:
        bands, phones, channels, condition: Widths of what goes in and out.
        width, dilations: The trunk, which hears.
        decoder_width, decoder_dilations: The decoder, which moves.
        token_width: Embedding of one phone of the text.
        hidden: Hidden layer between condition and FiLM.
        lookaheads: For each output head, how many frames of 20 ms it may wait: row t shows frame t - lookahead.
        phone_delay: The same for the phones that are heard, and for the condition's own time.
        sharpness: How far the attention trusts the heard phones (exponent on their probabilities).
    """

    bands: int = BANDS
    phones: int = len(PHONES)
    channels: int = len(CHANNELS)
    condition: int = CONDITION
    width: int = 112
    dilations: tuple[int, ...] = (1, 2, 4, 8, 1, 2, 4)
    decoder_width: int = 80
    decoder_dilations: tuple[int, ...] = (1, 2, 4)
    token_width: int = 32
    hidden: int = 32
    lookaheads: tuple[int, ...] = (2, 3)
    phone_delay: int = 2
    sharpness: float = 0.6

    @property
    def context(self) -> int:
        """Width of what the text gives: this, the next and the last phone, and how well they fit the sound."""
        return 3 * self.token_width + 1


def shapes(config: NetworkConfig) -> dict[str, tuple[int, ...]]:
    """Every tensor of the network by its name, and its shape (products are ``[out, in]``)."""
    c = config
    found: dict[str, tuple[int, ...]] = {}

    def linear(name: str, inputs: int, outputs: int) -> None:
        found[name + ".weight"], found[name + ".bias"] = (outputs, inputs), (outputs,)

    linear("stem", TAPS * c.bands, c.width)
    linear("halve", 2 * HALVING * c.width, c.width)
    linear("phone_head", c.width, c.phones)
    linear("join", c.width + c.context, c.decoder_width)
    linear("condition", c.condition, c.hidden)
    linear("film", c.hidden, len(c.decoder_dilations) * 4 * c.decoder_width)
    linear("heads", c.decoder_width, len(c.lookaheads) * c.channels)
    for name, width, count in (
        ("trunk", c.width, len(c.dilations)),
        ("decoder", c.decoder_width, len(c.decoder_dilations)),
    ):
        for i in range(count):
            linear(f"{name}.{i}.taps", TAPS * width, 2 * width)
            linear(f"{name}.{i}.out", width, width)
    found["token.weight"] = (c.phones, c.token_width)
    found["no_text"] = (c.context,)
    return found
