"""Adapters of a Wan DiT: FantasyPortrait's and FantasyTalking's, in what they have in common.

Each is a projection of its drive to tokens, windows of these for each latent frame, and for every block of the DiT
one weight for the keys and one for the values. ``load_adapter`` knows by a file's keys which of both it is.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ..checkpoint import check_keys, listed, load_checkpoint
from ..errors import TroupeError
from ..speech.embeds import SpeechEmbeds
from .embeds import ExpressionEmbeds
from .portrait import PortraitProjection, portrait_windows
from .talking import TalkingProjection, check_encoder, talking_windows
from .windows import Windows


@dataclass(frozen=True, eq=False)
class Format:
    """What files of one kind of adapter look like.

    Attributes:
        drive: The type that drives it.
        group: Name of the branch's weights in the official file.
        branch: Name of a branch weight, in the block's number and ``k`` or ``v``.
        pattern: All spellings of ``branch``.
        marks: What names of this kind alone hold.
        beside: Groups of other models that may lie in the same file.
        projection: The module for a file's tensors, on the meta device.
        windows: From the projection and a drive to windows.
    """

    drive: type
    group: str
    branch: str
    pattern: re.Pattern[str]
    marks: re.Pattern[str]
    beside: tuple[str, ...]
    projection: Callable[[Mapping[str, Tensor]], nn.Module]
    windows: Callable[..., Windows]


def _spellings(group: str, weight: str) -> re.Pattern[str]:
    """With and without the group's name and ``.processor``: as published, flat, and repackaged."""
    return re.compile(rf"(?:{group}\.)?blocks\.(\d{{1,3}})\.cross_attn\.(?:processor\.)?{weight}\.weight")


FORMATS = {
    "portrait": Format(
        drive=ExpressionEmbeds,
        group="ip_adapter",
        branch="ip_adapter.blocks.{}.cross_attn.processor.ip_adapter_single_stream_{}_proj.weight",
        pattern=_spellings("ip_adapter", "ip_adapter_single_stream_([kv])_proj"),
        marks=re.compile(
            r"^ip_adapter\.blocks\.|^(mouth|emo)_proj_model\.|^proj_model\.(headpose|eye|emo|mouth)_proj\."
            r"|ip_adapter_single_stream"
        ),
        beside=("pd_fpg.",),
        projection=PortraitProjection.shaped_like,
        windows=portrait_windows,
    ),
    "talking": Format(
        drive=SpeechEmbeds,
        group="audio_processor",
        branch="audio_processor.blocks.{}.cross_attn.processor.{}_proj.weight",
        pattern=_spellings("audio_processor", "([kv])_proj"),
        marks=re.compile(r"^audio_processor\.|^proj_model\.proj\.|cross_attn\.(processor\.)?[kv]_proj\."),
        beside=(),
        projection=TalkingProjection.shaped_like,
        windows=talking_windows,
    ),
}
# Weights of the DiT itself: the reference saves the branch by the DiT's own state, and they may come along.
_OF_THE_DIT = re.compile(
    r"(patch_embedding|text_embedding|time_embedding|time_projection|head|img_emb|"
    r"blocks\.\d+\.(self_attn|cross_attn\.(q|k|v|o|k_img|v_img|norm_q|norm_k|norm_k_img)|ffn|norm\d|modulation))(\.|$)"
)


@dataclass(frozen=True, eq=False)
class Adapter:
    """A loaded adapter.

    Attributes:
        kind: ``portrait`` (driven by ``ExpressionEmbeds``) or ``talking`` (by ``SpeechEmbeds``).
        name: The file's.
        projection: float32, on the CPU.
        keys: ``[dim, ctx]`` for each block, in the file's own type; no bias.
        values: Likewise.
        notes: What a user should know, one sentence each.
    """

    kind: str
    name: str
    projection: nn.Module
    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    notes: tuple[str, ...] = ()

    @property
    def dim(self) -> int:
        """Width of the DiT it is made for."""
        return self.keys[0].shape[0]

    @property
    def depth(self) -> int:
        """Blocks of the DiT it is made for."""
        return len(self.keys)

    @property
    def context_dim(self) -> int:
        """Width of its tokens."""
        return self.keys[0].shape[1]

    @torch.no_grad()
    def windows(
        self,
        drive: ExpressionEmbeds | SpeechEmbeds,
        frames: int,
        fps: float,
        device: torch.device | str = "cpu",
    ) -> Windows:
        """A drive's tokens as each latent frame of a clip sees them, joined by time.

        Args:
            drive: An expression for a portrait adapter, speech for a talking one.
            frames: Of the clip, ``4 (L - 1) + 1`` for L latent frames.
            fps: Of the clip.
            device: Where the projection runs and the result lies; the adapter itself stays on the CPU.

        Returns:
            float32 windows ``[L, S, ctx]``.

        Raises:
            TroupeError: for another drive, another speech encoder, or a clip that cannot be.
        """
        how = FORMATS[self.kind]
        if not isinstance(drive, how.drive):
            raise TroupeError(
                f"The {self.kind} adapter {self.name!r} cannot follow {type(drive).__name__}",
                f"it is driven by {how.drive.__name__}",
                "Give this drive to an adapter of the other kind, or use another drive",
            )
        if isinstance(drive, SpeechEmbeds):
            check_encoder(drive, self.projection.inputs, self.name)
        placed = {name: weight.to(device) for name, weight in self.projection.named_parameters()}

        def project(x: Tensor) -> Tensor:
            return functional_call(self.projection, placed, x)

        return how.windows(project, drive, frames, fps, device)


def load_adapter(path: str | Path) -> Adapter:
    """Load FantasyPortrait's or FantasyTalking's adapter, whichever the file is.

    Both are read in the official nested pickle (weights only), flat, and repackaged, in any float type.

    Raises:
        TroupeError: if the file is neither, or lacks or holds more than it should, naming the keys.
    """
    path = Path(path)
    tensors = load_checkpoint(path)
    kind = _kind_of(tensors, path.name)
    how = FORMATS[kind]
    extra = sorted(key for key in tensors if _is_of_the_dit(key, how))
    for key in (*extra, *(k for k in list(tensors) if k.startswith(how.beside))):
        del tensors[key]
    _check_types(tensors, path.name)

    names = _branch_names(tensors, how)
    projection = how.projection(tensors)
    shapes = {key: tuple(t.shape) for key, t in projection.state_dict().items()}
    branch = [name for pair in names for name in pair]
    check_keys(tensors, shapes | dict.fromkeys(branch, _branch_shape(tensors, branch, shapes)), path.name)

    projection.load_state_dict({key: tensors[key].float() for key in shapes}, assign=True)
    projection.requires_grad_(False).eval()
    keys, values = (tuple(tensors[pair[i]] for pair in names) for i in (0, 1))
    return Adapter(kind, path.name, projection, keys, values, _notes(extra, path.name))


def check_fits(adapter: Adapter, dim: int, depth: int, model_name: str) -> None:
    """Raise a ``TroupeError`` unless the adapter is made for a DiT of this width and number of blocks."""
    if (adapter.dim, adapter.depth) != (dim, depth):
        raise TroupeError(
            f"The adapter {adapter.name!r} does not fit the model {model_name}",
            f"it is made for a model of width {adapter.dim} with {adapter.depth} blocks, "
            f"this one has width {dim} and {depth} blocks",
            "Load Wan 2.1 I2V 14B (width 5120, 40 blocks), the model these adapters are made for",
        )


def _kind_of(tensors: Mapping[str, Tensor], name: str) -> str:
    """``portrait`` or ``talking``; a file that looks like both or neither is refused."""
    kinds = [k for k, how in FORMATS.items() if any(how.marks.search(key) for key in tensors)]
    if len(kinds) == 1:
        return kinds[0]
    groups = listed(sorted({key.partition(".")[0] for key in tensors}))
    encoder = any(key.startswith("headpose_embed.") for key in tensors)
    raise TroupeError(
        f"The file {name!r} is {'two adapters in one' if kinds else 'no adapter'}",
        f"it holds the groups {groups}; FantasyPortrait (portrait) has proj_model, mouth_proj_model, "
        "emo_proj_model and ip_adapter, FantasyTalking (talking) has proj_model and audio_processor",
        "This is the expression encoder, for Load Expression Encoder: choose the adapter's file"
        if encoder
        else "Choose a file of one of these two kinds",
    )


def _is_of_the_dit(key: str, how: Format) -> bool:
    group, _, inner = key.partition(".")
    return group == how.group and _OF_THE_DIT.match(inner) is not None


def _check_types(tensors: Mapping[str, Tensor], name: str) -> None:
    wrong = [f"{key} is {t.dtype}" for key, t in sorted(tensors.items()) if not t.is_floating_point()]
    if wrong:
        raise TroupeError(
            f"The checkpoint {name!r} cannot be used",
            f"its weights are no floating-point numbers: {listed(wrong)}",
            "Use a version in fp32, fp16, bf16 or fp8",
        )


def _branch_names(tensors: Mapping[str, Tensor], how: Format) -> list[tuple[str, str]]:
    """The file's own names of each block's key and value weight; the official name where one is missing."""
    found: dict[tuple[int, str], str] = {}
    for key in sorted(tensors):
        if match := how.pattern.fullmatch(key):
            found.setdefault((int(match[1]), match[2]), key)  # a second spelling of the same stays unexpected
    depth = max((block for block, _ in found), default=0) + 1
    return [tuple(found.get((i, which), how.branch.format(i, which)) for which in "kv") for i in range(depth)]


def _branch_shape(
    tensors: Mapping[str, Tensor], branch: list[str], shapes: Mapping[str, tuple[int, ...]]
) -> tuple[int, int]:
    """``(dim, ctx)``: dim is that of most blocks, so that an error names the others; ctx is the projection's."""
    widths = [len(tensors[name]) for name in branch if name in tensors and tensors[name].ndim]
    return max(widths, key=widths.count, default=0), shapes["proj_model.norm.weight"][0]


def _notes(extra: list[str], name: str) -> tuple[str, ...]:
    if not extra:
        return ()
    note = f"{name} holds weights of the model itself, which are not used: {listed(extra)}."
    logging.getLogger(__name__).info(note)
    return (note,)
