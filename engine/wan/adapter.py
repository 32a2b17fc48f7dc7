"""Adapters for a Wan DiT, read from the files they are published in.

adapter = load_adapter("fantasyportrait_model.ckpt")
adapter.windows(expression, frames=81, fps=25)
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ..checkpoint import check_keys, listed, load_checkpoint, load_strict
from ..errors import TroupeError
from ..speech.embeds import SpeechEmbeds
from .embeds import ExpressionEmbeds
from .portrait import PortraitProjection
from .talking import TalkingProjection
from .windows import Windows

# Where a block's projections stand, in the official spelling and in repackaged files.
BRANCHES = {
    "portrait": re.compile(
        r"ip_adapter\.blocks\.(\d+)\.cross_attn\.(?:processor\.)?ip_adapter_single_stream_([kv])_proj\.weight"
    ),
    "talking": re.compile(
        r"(?:audio_processor\.)?blocks\.(\d+)\.cross_attn\.(?:processor\.)?([kv])_proj\.weight"
    ),
}
PROJECTIONS = {"portrait": PortraitProjection, "talking": TalkingProjection}
DRIVES = {"portrait": ExpressionEmbeds, "talking": SpeechEmbeds}
# Groups of a repackaged file that belong to something else.
ELSEWHERE = ("pd_fpg.",)


@dataclass(frozen=True, eq=False)
class Adapter:
    """What lets a DiT follow a drive.

    Attributes:
        kind: ``portrait`` (FantasyPortrait) or ``talking`` (FantasyTalking).
        name: Of the file.
        projection: From a drive to tokens; float32.
        keys, values: For each block, from tokens to keys and values of its branch, ``[dim, ctx]``, as in the file.
    """

    kind: str
    name: str
    projection: nn.Module
    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]

    @property
    def dim(self) -> int:
        """Width of the DiT."""
        return self.keys[0].shape[0]

    @property
    def context_dim(self) -> int:
        """Width of the tokens."""
        return self.keys[0].shape[1]

    @property
    def depth(self) -> int:
        """Blocks of the DiT."""
        return len(self.keys)

    @torch.inference_mode()
    def windows(
        self,
        drive: ExpressionEmbeds | SpeechEmbeds,
        frames: int,
        fps: float,
        device: torch.device | str = "cpu",
    ) -> Windows:
        """The drive over a clip of ``frames`` frames at ``fps``, as each latent frame sees it."""
        return self.projection.windows(drive, frames, fps, torch.device(device))


def load_adapter(path: str | Path) -> Adapter:
    """Read an adapter; which one it is, is seen from its keys.

    FantasyPortrait: the official ``.ckpt`` or a flat safetensors file. FantasyTalking: likewise.

    Raises:
        TroupeError: if the file is no adapter, incomplete or damaged, naming the keys.
    """
    path = Path(path)
    tensors = load_checkpoint(path)
    kind = next((k for k, rule in BRANCHES.items() if any(rule.fullmatch(n) for n in tensors)), None)
    if kind is None:
        groups = sorted({name.split(".")[0] for name in tensors})
        raise TroupeError(
            f"The file {path.name!r} is no portrait adapter",
            f"it holds {listed(groups)}; an adapter has 'ip_adapter.blocks...' (FantasyPortrait) or "
            "'audio_processor.blocks...' (FantasyTalking)",
            "Choose fantasyportrait_model or fantasytalking_model",
        )
    tensors = {n: t for n, t in tensors.items() if not n.startswith(ELSEWHERE)}
    pairs = {n: BRANCHES[kind].fullmatch(n) for n in tensors}
    branch = {n: (int(m[1]), m[2]) for n, m in pairs.items() if m}
    rest = {n: t for n, t in tensors.items() if n not in branch}
    if kind == "talking":
        rest = without_base_weights(rest, path.name)
    keys, values = branch_weights(branch, tensors, path.name)
    projection = PROJECTIONS[kind]()
    load_strict(projection, rest, path.name)
    return Adapter(kind, path.name, projection.eval().requires_grad_(False), keys, values)


def without_base_weights(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """FantasyTalking's processor group may hold weights of the base model, too; they are not used."""
    base = sorted(n for n in tensors if n.startswith(("audio_processor.", "blocks.")))
    if base:
        logging.info(
            "Troupe: %s holds %d weights of the base model, not used: %s", name, len(base), listed(base)
        )
    return {n: t for n, t in tensors.items() if n not in base}


def branch_weights(
    branch: dict[str, tuple[int, str]], tensors: dict[str, Tensor], name: str
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Keys' and values' projections in the order of the blocks.

    Raises:
        TroupeError: if one is missing, of another shape than the others, or damaged.
    """
    found = {where: tensors[n] for n, where in branch.items()}
    depth = 1 + max(block for block, _ in found)
    shape = tuple(next(iter(found.values())).shape)
    spelled = {(block, part): f"blocks.{block}.{part}_proj" for block in range(depth) for part in "kv"}
    check_keys({spelled[w]: t for w, t in found.items()}, dict.fromkeys(spelled.values(), shape), name)
    return tuple(tuple(found[block, part] for block in range(depth)) for part in "kv")


def check_fits(adapter: Adapter, dim: int, depth: int, model_name: str) -> None:
    """Raise a ``TroupeError`` unless the adapter is made for a DiT of this width and depth."""
    if (adapter.dim, adapter.depth) != (dim, depth):
        raise TroupeError(
            f"The adapter {adapter.name!r} does not fit {model_name}",
            f"it is made for a model of width {adapter.dim} with {adapter.depth} blocks, this one has width {dim} "
            f"and {depth} blocks",
            "Use it with Wan 2.1 I2V 14B, or an adapter made for this model",
        )
