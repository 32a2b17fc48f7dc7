"""Face attention against a dense mask in float64, against its Triton twin, and what must always hold of it.

Run as a program this file compares the Triton kernel, interpreted on the processor, with the torch form.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.kernels import face_attention as kernel
from troupe.kernels.face_attention import FacePlan, face_attention

TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-6, torch.float16: 2e-3, torch.bfloat16: 2e-2}


def tensors(seed: int, passes=1, frames=2, tokens=7, roles=2, keys=5, heads=2, size=8, dtype=torch.float64):
    """Random queries, keys and values."""
    g = torch.Generator().manual_seed(seed)
    shapes = (passes, frames, tokens), (frames, roles, keys), (frames, roles, keys)
    return tuple(torch.randn(*s, heads * size, generator=g, dtype=torch.float64).to(dtype) for s in shapes)


def dense(q, k, v, seen, lens, heads):
    """The definition: softmax over all keys of all roles, those not seen left out, in float64."""
    (frames, tokens, width), (roles, keys) = q.shape[1:], k.shape[1:3]
    seen = np.full((frames, tokens), -1) if seen is None else seen
    lens = np.full((frames, roles), keys) if lens is None else lens
    mask = (seen[:, :, None] >> np.arange(roles) & 1)[..., None] & (np.arange(keys) < lens[:, None, :, None])
    mask = torch.from_numpy(mask.astype(bool)).reshape(frames, 1, tokens, roles * keys)

    def by_head(x):
        return x.double().reshape(*x.shape[:-3], -1, heads, width // heads).transpose(-2, -3)

    q = q.double().unflatten(-1, (heads, -1)).transpose(2, 3)
    logits = q @ by_head(k).transpose(-1, -2) / (width // heads) ** 0.5
    weights = torch.where(mask, logits, -torch.inf).softmax(-1).nan_to_num(0)
    return (weights @ by_head(v)).transpose(2, 3).flatten(-2)


def run(q, k, v, seen, lens, heads, impl="torch"):
    return face_attention(q, k, v, FacePlan.of(seen, lens, k.shape[1]), heads=heads, impl=impl)


@st.composite
def cases(draw):
    """Sizes, who sees what (from few or many different sets, or no mask at all) and how many keys count."""
    size = dict(
        passes=draw(st.integers(1, 3)), frames=draw(st.integers(1, 5)), tokens=draw(st.integers(1, 23)),
        roles=draw(st.integers(1, 16)), keys=draw(st.integers(1, 9)), heads=draw(st.integers(1, 3)),
        size=draw(st.sampled_from([4, 8, 16])),
    )  # fmt: skip
    seed = draw(st.integers(0, 10**6))
    rng = np.random.default_rng(seed)
    sets = rng.integers(0, 1 << size["roles"], draw(st.integers(1, 6)))
    seen = (
        None if draw(st.booleans()) else rng.choice(sets, (size["frames"], size["tokens"])).astype(np.int32)
    )
    kind = draw(st.sampled_from(["none", "equal", "any"]))
    shape = (1 if kind == "equal" else size["frames"], size["roles"])
    lens = rng.integers(0, size["keys"] + 1, shape).repeat(size["frames"] if kind == "equal" else 1, 0)
    return seed, size, seen, None if kind == "none" else lens


@settings(max_examples=150, deadline=None)
@given(cases())
def test_it_is_attention_with_a_mask(case):
    seed, size, seen, lens = case
    q, k, v = tensors(seed, **size)
    wanted = dense(q, k, v, seen, lens, size["heads"])
    blind = (wanted == 0).all(-1)
    for price in (
        0,
        256,
        10**6,
    ):  # of a gather: every group is gathered, or all but the largest where it pays
        with patch.object(kernel, "GATHER_KEYS", price):
            out = run(q, k, v, seen, lens, size["heads"])
        assert out.shape == q.shape and out.dtype == q.dtype
        assert (out - wanted).abs().max() < 1e-11
        assert (out[blind] == 0).all(), "exactly zero where nothing is seen"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("heads, size", [(1, 128), (3, 64), (5, 40)])
def test_types_and_head_sizes(dtype, heads, size):
    q, k, v = tensors(3, passes=2, frames=3, tokens=30, roles=3, keys=9, heads=heads, size=size, dtype=dtype)
    rng = np.random.default_rng(0)
    seen = rng.choice([0, 1, 2, 4, 7], (3, 30))
    lens = np.array([[2, 9, 9], [9, 9, 0], [9, 3, 9]])
    for s, n in ((seen, None), (seen, lens), (None, lens), (None, None)):
        out = run(q, k, v, s, n, heads)
        assert out.dtype == dtype
        assert (out.double() - dense(q, k, v, s, n, heads)).abs().max() < TOLERANCE[dtype]


@settings(max_examples=40, deadline=None)
@given(cases(), st.randoms(use_true_random=False))
def test_permuting_the_roles_changes_nothing(case, random):
    seed, size, seen, lens = case
    q, k, v = tensors(seed, **size)
    new = random.sample(range(size["roles"]), size["roles"])  # place i of the new order holds role new[i]
    moved = None if seen is None else sum((seen >> r & 1) << i for i, r in enumerate(new))
    other = run(q, k[:, new], v[:, new], moved, None if lens is None else lens[:, new], size["heads"])
    assert (other - run(q, k, v, seen, lens, size["heads"])).abs().max() < 1e-12


@settings(max_examples=40, deadline=None)
@given(
    cases(), st.integers(0, 15), st.sampled_from([torch.float32, torch.bfloat16]), st.sampled_from([0, 256])
)
def test_who_does_not_see_a_role_does_not_notice_it(case, role, dtype, price):
    seed, size, seen, lens = case
    role %= size["roles"]
    q, k, v = tensors(seed, **size, dtype=dtype)
    with patch.object(kernel, "GATHER_KEYS", price):
        isolated(q, k, v, seen, lens, size["heads"], role)


def isolated(q, k, v, seen, lens, heads: int, role: int) -> None:
    """Another drive of ``role`` leaves tokens that do not see it as they were, bit for bit."""
    before = run(q, k, v, seen, lens, heads)
    k, v = k.clone(), v.clone()
    # Keys that do not count (in one frame, where others have more) weigh zero; roles not seen are not even read.
    k[:, role], v[:, role] = k[:, role] * -3, float("nan") if lens is None else v[:, role] * -3
    after = run(q, k, v, seen, lens, heads)
    sees = torch.ones(q.shape[1:3], dtype=torch.bool)
    if seen is not None:
        sees &= torch.from_numpy(seen >> role & 1).bool()
    if lens is not None:
        sees &= torch.from_numpy(lens[:, role, None] > 0)
    assert torch.equal(before[:, ~sees], after[:, ~sees])


def test_three_faces_and_a_background_that_hears_all():
    q, k, v = tensors(1, tokens=12, roles=3, dtype=torch.float32)
    seen = np.tile([7, 1, 1, 7, 2, 2, 7, 4, 4, 7, 7, 7], (2, 1))
    plan = FacePlan.of(seen, None, 3)
    assert sorted(g.roles for g in plan.groups) == [(0,), (0, 1, 2), (1,), (2,)]
    before = face_attention(q, k, v, plan, heads=2)
    v = v.clone()
    v[:, 2] += 1
    changed = (face_attention(q, k, v, plan, heads=2) != before).any(-1).any(1).any(0)
    assert changed.tolist() == (seen[0] & 4 > 0).tolist()


@pytest.mark.parametrize("seen", [None, np.ones((4, 6), np.int32)])
def test_one_face_is_plain_attention_without_gather(seen):
    q, k, v = tensors(2, passes=2, frames=4, tokens=6, roles=1, dtype=torch.float32)
    plan = FacePlan.of(seen, None, 1)
    assert plan.one_group
    out = face_attention(q, k, v, plan, heads=2)
    for b in range(2):
        one = [x.unflatten(-1, (2, -1)).transpose(1, 2) for x in (q[b], k[:, 0], v[:, 0])]
        plain = torch.nn.functional.scaled_dot_product_attention(*one).transpose(1, 2).flatten(2)
        assert torch.allclose(out[b], plain, rtol=0, atol=1e-6)


def test_nothing_seen_gives_zero_and_empty_frames_too():
    q, k, v = tensors(4, frames=3, tokens=5, roles=2, dtype=torch.float16)
    assert not run(q, k, v, np.zeros((3, 5), int), None, 2).any()
    assert not run(q, k, v, None, np.zeros((3, 2), int), 2).any()
    out = run(q, k, v, None, np.array([[5, 5], [0, 0], [0, 2]]), 2)
    assert not out[:, 1].any() and out[:, 0].any() and out[:, 2].any() and out.isfinite().all()


def test_a_plan_is_made_once_and_takes_tensors():
    q, k, v = tensors(5, tokens=9, roles=3)
    seen = np.random.default_rng(0).integers(0, 8, (2, 9))
    lens = np.array([[5, 3, 1], [5, 5, 0]])
    plan = FacePlan.of(torch.from_numpy(seen).int(), torch.from_numpy(lens), 3)
    for scale in (1.0, 0.3):
        out = face_attention(q * scale, k, v, plan, heads=2)
        assert (out - dense(q * scale, k, v, seen, lens, 2)).abs().max() < 1e-12


def test_what_does_not_fit_is_refused():
    q, k, v = tensors(6, roles=2)
    seen = np.ones((2, 7), int)
    for bad in (
        lambda: FacePlan.of(seen * 4, None, 2),
        lambda: FacePlan.of(seen, None, 17),
        lambda: FacePlan.of(seen.astype(float), None, 2),
        lambda: FacePlan.of(seen, np.ones((3, 2), int), 2),
        lambda: FacePlan.of(None, -np.ones((2, 2), int), 2),
        lambda: run(q, k, v, seen[:, :5], None, 2),
        lambda: run(q, k, v, None, np.full((2, 2), 6), 2),
        lambda: run(q, k, v, None, None, 3),
        lambda: run(q, k[:1], v[:1], None, None, 2),
        lambda: run(q, k.float(), v, None, None, 2),
        lambda: face_attention(q, k, v, FacePlan.of(None, None, 3), heads=2),
        lambda: run(q, k, v, None, None, 2, impl="cuda"),
    ):
        with pytest.raises(ValueError):
            bad()


TRITON_CASES = {
    "128 channels, 3 faces": dict(passes=2, frames=2, tokens=140, roles=3, keys=20, heads=1, size=128),
    "64 channels, 97 keys": dict(frames=1, tokens=33, roles=2, keys=97, heads=2, size=64),
    "one token, one role": dict(frames=1, tokens=1, roles=1, keys=1, heads=1, size=64),
    "16 roles": dict(frames=1, tokens=40, roles=16, keys=3, heads=1, size=64),
}


def triton_errors(device: str, dtypes: tuple[torch.dtype, ...]) -> dict[str, float]:
    """Largest difference between the two forms for every case, type and kind of mask; -1 if zeros are not exact."""
    errors = {}
    for name, size in TRITON_CASES.items():
        rng = np.random.default_rng(len(name))
        shape = (size["frames"], size["tokens"])
        some = rng.choice([0, *(1 << np.arange(size["roles"])), (1 << size["roles"]) - 1], shape)
        some[:, 0], constant = 1, np.full(shape, 1)
        lens = rng.integers(0, size["keys"] + 1, (size["frames"], size["roles"]))
        for dtype in dtypes:
            q, k, v = (x.to(device) for x in tensors(1, **size, dtype=dtype))
            for kind, s, n in (
                ("all", None, None), ("seen", some, None), ("lens", None, lens), ("both", some, lens),
                ("constant", constant, lens),
            ):  # fmt: skip
                plan = FacePlan.of(s, n, size["roles"], device)
                one, two = (
                    face_attention(q, k, v, plan, heads=size["heads"], impl=impl).double()
                    for impl in ("torch", "triton")
                )
                zero = torch.equal((one == 0).all(-1), (two == 0).all(-1))
                errors[f"{name}, {dtype}, {kind}"] = float((one - two).abs().max()) if zero else -1.0
    return errors


def check(errors: dict[str, float], dtypes: int) -> None:
    assert len(errors) == len(TRITON_CASES) * 5 * dtypes
    for name, error in errors.items():
        dtype = getattr(torch, name.split("torch.")[1].split(",")[0])
        assert 0 <= error < TOLERANCE[dtype], name


@pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed")
def test_triton_twin_agrees_where_it_is_interpreted():
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, __file__], capture_output=True, text=True, timeout=600, env=environment
    )
    assert done.returncode == 0, done.stderr
    check(json.loads(done.stdout), len(INTERPRETED))


@pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed")
@pytest.mark.parametrize("capability", [80, 86, 90])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_kernel_compiles_for_cards_that_are_not_here(capability, dtype):
    from triton import compile as compile_kernel
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from troupe.kernels.face_attention_triton import _kernel, blocks

    exact, size = dtype == torch.float32, 128
    block, chunk, warps = blocks(dtype, size)
    values = dict.fromkeys(("Q", "K", "V", "OUT"), "*fp32" if exact else "*bf16")
    tables = dict.fromkeys(("SEEN", "ORDER", "LENS"), "*i32")
    numbers = dict.fromkeys(("frames", "tokens", "roles", "keys", "width"), "i32")
    constants = {"HEAD": size, "BLOCK": block, "KEYS": chunk, "EXACT": exact}
    signature = {**values, **tables, "scale": "fp32", **numbers, **dict.fromkeys(constants, "constexpr")}
    compiled = compile_kernel(
        ASTSource(fn=_kernel, signature=signature, constexprs=constants),
        target=GPUTarget("cuda", capability, 32),
        options={"num_warps": warps, "num_stages": 1},
    )
    assert compiled.metadata.shared <= 99 * 1024
    # Multiplied by the tensor cores, except in float32, which they would round.
    assert ("mma" in compiled.asm["ptx"]) is not exact


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: compiled Triton cannot run")
def test_triton_twin_agrees_on_cuda():
    dtypes = (torch.float32, torch.float16, torch.bfloat16)
    check(triton_errors("cuda", dtypes), len(dtypes))


# Triton's interpreter multiplies the bits of bfloat16 instead of their values.
INTERPRETED = (torch.float32, torch.float16)

if __name__ == "__main__":
    sys.stdout.write(json.dumps(triton_errors("cpu", INTERPRETED)))
