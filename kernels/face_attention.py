"""Attention of latent tokens to the drives of the faces they belong to, without a dense mask.

Every token of a latent frame sees some of the roles of that frame: its own face's, everybody's, or nobody's.
The tokens that see the same roles form a group; a group attends to the keys of just these roles. Which tokens
form which group does not depend on the denoising step or the block: a ``FacePlan`` holds it, made once and used in
all blocks. ``face_attention`` is the way in; ``face_attention_torch`` is the plain form,
``face_attention_triton`` its Triton twin.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

MOST_ROLES = 16
# Added to the logit of a key that does not count. It vanishes in the softmax, and every float type can say it.
# Boolean masks are avoided on purpose: some implementations of attention add them instead of masking.
NOT_COUNTED = -30000.0
# Gathering a token and putting its result back takes about as long as attending to this many keys.
GATHER_KEYS = 256


@dataclass(frozen=True, eq=False)
class Group:
    """Tokens that see the same roles.

    Attributes:
        roles: Which, ascending.
        counts: How many keys of each are taken, ``None`` for all.
        bias: float32 ``[F, 1, 1, sum(counts)]``, 0 or ``NOT_COUNTED``, where frames differ in how many keys
            count; otherwise ``None``.
        frames: int64 ``[F]``, the latent frames that have such tokens; ``None`` for all.
        tokens: int64 ``[F * n]``, these tokens' rows of the flattened ``[T * N]``, ``n`` in each frame (frames with
            fewer are filled up with others); ``None`` for all tokens.
        kept: int64, which of ``tokens`` are the group's own; ``None`` for all.
        rows: int64, ``tokens[kept]``: where the results go.
    """

    roles: tuple[int, ...]
    counts: tuple[int, ...] | None = None
    bias: Tensor | None = None
    frames: Tensor | None = None
    tokens: Tensor | None = None
    kept: Tensor | None = None
    rows: Tensor | None = None


@dataclass(frozen=True, eq=False)
class FacePlan:
    """Who attends to what in one model call; make it with ``FacePlan.of`` and use it in every block.

    Attributes:
        roles: How many roles there are.
        groups: The groups; one without ``tokens`` if all tokens see the same roles.
        blind: int64, rows of the flattened ``[T * N]`` that see nothing, ``None`` if there are none; where all
            tokens see the same, the latent frames in which no key counts.
        seen: int32 ``[T, N]``, bit r set where the token sees a key of role r; ``None`` for all.
        order: int32 ``[T, N]``, each frame's tokens ordered by what they see; ``None`` if all see the same.
        lens: int32 ``[T, R]``, how many keys count; ``None`` for all.
        longest: The largest of ``lens``, 0 without.
    """

    roles: int
    groups: tuple[Group, ...]
    blind: Tensor | None = None
    seen: Tensor | None = None
    order: Tensor | None = None
    lens: Tensor | None = None
    longest: int = 0

    @classmethod
    def of(
        cls,
        seen: Tensor | np.ndarray | None,
        lens: Tensor | np.ndarray | None,
        roles: int,
        device: torch.device | str = "cpu",
    ) -> FacePlan:
        """Group the tokens.

        Args:
            seen: Integers ``[T, N]``, bit r set where a token of a latent frame sees role r; ``None``: all see all.
            lens: Integers ``[T, R]``, how many of a role's keys count, the first ones; ``None``: all.
            roles: R, 1 to 16.
            device: Where the attention will run.

        Raises:
            ValueError: on shapes that do not fit, or bits of roles that do not exist.
        """
        seen, lens = _integers(seen, "seen", 2), _integers(lens, "lens", 2)
        _check_plan(seen, lens, roles)
        longest = 0 if lens is None else int(lens.max(initial=0))
        kept = None if lens is None else torch.from_numpy(lens.astype(np.int32)).to(device)
        everybody = (1 << roles) - 1
        if seen is None or (seen == seen.flat[0]).all():
            value = everybody if seen is None else int(seen.flat[0])
            groups, blind = _one_group(value, lens, device)
            all_seen = None
            if seen is not None and value != everybody:
                all_seen = torch.from_numpy(seen.astype(np.int32)).to(device)
            return cls(roles, groups, blind=blind, seen=all_seen, lens=kept, longest=longest)
        if lens is not None:
            # A role without a key is a role not seen.
            seen = seen & ((lens > 0) << np.arange(roles)).sum(1)[:, None]
        order = np.argsort(seen, axis=1, kind="stable")
        blind = np.flatnonzero(seen == 0)
        return cls(
            roles,
            _groups(seen, order, lens, device),
            torch.from_numpy(blind).to(device) if len(blind) else None,
            torch.from_numpy(seen.astype(np.int32)).to(device),
            torch.from_numpy(order.astype(np.int32)).to(device),
            kept,
            longest,
        )

    @property
    def one_group(self) -> bool:
        """Whether all tokens see the same roles, some at least."""
        return len(self.groups) == 1 and self.groups[0].tokens is None


def face_attention(
    q: Tensor, k: Tensor, v: Tensor, plan: FacePlan, *, heads: int, impl: str = "auto"
) -> Tensor:
    """Softmax attention of each token over the union of the keys of all roles it sees.

    Args:
        q: ``[B, T, N, C]`` queries: B guidance passes, N tokens in each of T latent frames, C = heads * head size.
        k, v: ``[T, R, S, C]`` keys and values of R roles for each latent frame, shared by the passes.
        plan: ``FacePlan.of(seen, lens, R, q.device)``.
        heads: Number of heads.
        impl: ``torch``, ``triton``, or ``auto``: Triton on CUDA where it works and has something to gain.

    Returns:
        ``[B, T, N, C]`` in the type of ``q``; exactly zero where a token sees no key.

    Raises:
        ValueError: on shapes that do not fit each other or the plan.
    """
    _check_call(q, k, v, plan, heads)
    if impl not in ("auto", "torch", "triton"):
        raise ValueError(f"impl must be auto, torch or triton, got {impl!r}")
    if impl == "triton" or (impl == "auto" and _triton_pays(q, plan, heads)):
        from .face_attention_triton import face_attention_triton

        return face_attention_triton(q, k, v, plan, heads=heads)
    return face_attention_torch(q, k, v, plan, heads=heads)


def face_attention_torch(q: Tensor, k: Tensor, v: Tensor, plan: FacePlan, *, heads: int) -> Tensor:
    """``face_attention`` in plain torch: gather each group's tokens, attend, put the results back.

    Where most tokens are of one group, all tokens attend as that group does, without a gather, and only the others
    are gathered and put over it.
    """
    if not plan.groups:
        return torch.zeros_like(q)
    if plan.one_group:
        out = _attend(q, k, v, plan.groups[0], heads).reshape(q.shape)
        return out if plan.blind is None else out.index_fill_(1, plan.blind, 0)
    base = base_group(plan, q, k)
    flat = q.flatten(1, 2)
    if base is None:
        out = torch.zeros_like(flat, memory_format=torch.contiguous_format)
    else:
        out = _attend(q, k, v, base, heads).reshape(flat.shape)
        if plan.blind is not None:
            out.index_fill_(1, plan.blind, 0)
    for group in plan.groups:
        if group is base:
            continue
        frames = len(k) if group.frames is None else len(group.frames)
        mine = flat.index_select(1, group.tokens).unflatten(1, (frames, -1))
        found = _attend(mine, k, v, group, heads).reshape(len(q), -1, q.shape[-1])
        out.index_copy_(1, group.rows, found if group.kept is None else found.index_select(1, group.kept))
    return out.view(q.shape)


def base_group(plan: FacePlan, q: Tensor, k: Tensor) -> Group | None:
    """The group that all tokens can be taken for in less time than gathering its own takes."""
    largest = max(plan.groups, key=lambda g: len(g.rows))
    if largest.frames is not None:
        return None
    keys = sum(largest.counts) if largest.counts else len(largest.roles) * k.shape[2]
    others = q.shape[1] * q.shape[2] - len(largest.rows)
    return largest if others * keys < len(largest.rows) * GATHER_KEYS else None


def _attend(q: Tensor, k: Tensor, v: Tensor, group: Group, heads: int) -> Tensor:
    """``q [B, F, n, C]`` on the group's keys: ``[B * F, n, heads, C / heads]``."""
    passes = len(q)

    def by_head(x: Tensor) -> Tensor:  # [B * F, heads, n, C / heads]
        return x.flatten(0, 1).unflatten(-1, (heads, -1)).transpose(1, 2)

    k, v = (by_head(_keys(x, group).expand(passes, -1, -1, -1)) for x in (k, v))
    bias = group.bias
    if bias is not None:
        bias = bias.to(q.dtype).repeat(passes, 1, 1, 1)
    return F.scaled_dot_product_attention(by_head(q), k, v, attn_mask=bias).transpose(1, 2)


def _keys(x: Tensor, group: Group) -> Tensor:
    """The keys (or values) ``[T, R, S, C]`` that a group sees: ``[F, keys, C]``."""
    if group.frames is not None:
        x = x.index_select(0, group.frames)
    if group.counts is None and len(group.roles) == x.shape[1]:
        return x.flatten(1, 2)
    counts = group.counts or (x.shape[2],) * len(group.roles)
    return torch.cat([x[:, r, :n] for r, n in zip(group.roles, counts, strict=True)], 1)


def _triton_pays(q: Tensor, plan: FacePlan, heads: int) -> bool:
    if not q.is_cuda or not plan.groups or (plan.one_group and plan.groups[0].bias is None):
        return False  # one group without a bias is one call of torch's own fused attention
    if find_spec("triton") is None:
        return False
    from .face_attention_triton import works_on

    return works_on(q.device, q.dtype, q.shape[-1] // heads)


def _one_group(
    value: int, lens: np.ndarray | None, device: torch.device | str
) -> tuple[tuple[Group, ...], Tensor | None]:
    """The group of everybody, and the frames in which it has no key."""
    group = _group(value, lens, device)
    if group is None:
        return (), None
    if lens is None:
        return (group,), None
    blind = np.flatnonzero(lens[:, list(group.roles)].max(1) == 0)
    return (group,), torch.from_numpy(blind).to(device) if len(blind) else None


def _groups(
    seen: np.ndarray, order: np.ndarray, lens: np.ndarray | None, device: torch.device | str
) -> tuple[Group, ...]:
    """One group per distinct value of ``seen`` but 0."""

    def placed(array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(device)

    frames_all, tokens_all = seen.shape
    ranked = np.take_along_axis(seen, order, 1)
    groups = []
    for value in np.unique(seen[seen != 0]).tolist():
        # In the order by value a group's tokens stand together: where they begin, and how many, in each frame.
        first = (ranked < value).sum(1)
        many = (ranked == value).sum(1)
        frames = np.flatnonzero(many)
        places = first[frames, None] + np.arange(many.max())
        own = places < (first + many)[frames, None]
        tokens = order[frames[:, None], places.clip(max=tokens_all - 1)] + frames[:, None] * tokens_all
        group = _group(value, None if lens is None else lens[frames], device)
        groups.append(
            replace(
                group,
                frames=None if len(frames) == frames_all else placed(frames),
                tokens=placed(tokens.ravel()),
                kept=None if own.all() else placed(np.flatnonzero(own)),
                rows=placed(tokens[own]),
            )
        )
    return tuple(groups)


def _group(value: int, lens: np.ndarray | None, device: torch.device | str) -> Group | None:
    """What sees the roles of ``value``'s bits; ``lens [F, R]`` of its frames. ``None`` without a key."""
    roles = [r for r in range(MOST_ROLES) if value >> r & 1 and (lens is None or lens[:, r].any())]
    if not roles:
        return None
    if lens is None:
        return Group(tuple(roles))
    mine = lens[:, roles]
    counts = tuple(mine.max(0).tolist())
    bias = None
    if (mine != mine[0]).any():
        here = [np.arange(n) < mine[:, i, None] for i, n in enumerate(counts)]
        values = np.where(np.concatenate(here, 1), 0, NOT_COUNTED).astype(np.float32)
        bias = torch.from_numpy(values[:, None, None]).to(device)
    return Group(tuple(roles), counts, bias)


def _integers(values: Tensor | np.ndarray | None, name: str, dimensions: int) -> np.ndarray | None:
    if values is None:
        return None
    array = np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values)
    if array.ndim != dimensions or array.dtype.kind not in "iu" or array.size == 0:
        raise ValueError(f"{name} must be a table of integers, got {array.dtype} {list(array.shape)}")
    return array.astype(np.int64)


def _check_plan(seen: np.ndarray | None, lens: np.ndarray | None, roles: int) -> None:
    if not 1 <= roles <= MOST_ROLES:
        raise ValueError(f"roles must lie in 1 to {MOST_ROLES}, got {roles}")
    if seen is not None and (seen.min() < 0 or seen.max() >> roles):
        raise ValueError(f"seen has bits beyond the {roles} role(s): {seen.min()} to {seen.max()}")
    if lens is not None and (lens.shape[1] != roles or lens.min() < 0):
        raise ValueError(f"lens must be [T, {roles}] and not negative, got {list(lens.shape)}")
    if seen is not None and lens is not None and len(seen) != len(lens):
        raise ValueError(f"seen has {len(seen)} latent frames, lens {len(lens)}")


def _check_call(q: Tensor, k: Tensor, v: Tensor, plan: FacePlan, heads: int) -> None:
    if q.ndim != 4 or k.ndim != 4 or k.shape != v.shape or len(k) != q.shape[1] or k.shape[-1] != q.shape[-1]:
        raise ValueError(
            f"expected q [B, T, N, C] and k, v [T, R, S, C], got {list(q.shape)}, {list(k.shape)}, {list(v.shape)}"
        )
    if not (q.dtype == k.dtype == v.dtype) or heads < 1 or q.shape[-1] % heads:
        raise ValueError(
            f"{heads} heads do not fit {q.dtype} {list(q.shape)} on {k.dtype} keys, {v.dtype} values"
        )
    if k.shape[1] != plan.roles or plan.longest > k.shape[2]:
        raise ValueError(
            f"the plan is for {plan.roles} roles of up to {plan.longest} keys, got {list(k.shape)}"
        )
    for name in ("seen", "lens"):
        table = getattr(plan, name)
        wanted = tuple(q.shape[1:3]) if name == "seen" else (q.shape[1], plan.roles)
        if table is not None and tuple(table.shape) != wanted:
            raise ValueError(f"the plan's {name} is {list(table.shape)}, this call needs {list(wanted)}")
