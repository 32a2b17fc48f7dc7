"""The patch on a Wan model (a ComfyUI's folder is the argument): roles, batches, windows, and what is as it was without."""

from patched import BASE, CTX, MODEL, TALKING, WINDOW, branch, differ, random, report, same, sample

# The host is found and told its arguments by the import above.
# isort: split
import comfy.context_windows
import comfy.model_management
import comfy.model_patcher
import torch

from troupe.host import wan_patch
from troupe.host.wan_patch import apply_branches


def check_rest_is_the_base_model():
    same("no roles", sample(apply_branches(MODEL, [])), BASE)
    same("strength 0", sample(apply_branches(MODEL, [branch(strengths=(0.0,))])), BASE, 0.0)
    same("outside its range", sample(apply_branches(MODEL, [branch()], 0.99999, 1.0)), BASE)
    differ("with a role", sample(apply_branches(MODEL, [branch()])), BASE)
    same("the base model afterwards", sample(MODEL), BASE)


def check_faces():
    tokens = random(3, 3, WINDOW, CTX, seed=21)
    seen = torch.tensor([1, 2, 4, 7]).repeat(3, 6).to(torch.int32)  # 24 tokens in a frame
    out = sample(apply_branches(MODEL, [branch(tokens=tokens, seen=seen)]))
    order = [2, 0, 1]
    bits = torch.zeros_like(seen)
    for new, old in enumerate(order):
        bits |= ((seen >> old) & 1) << new
    permuted = sample(apply_branches(MODEL, [branch(tokens=tokens[:, order], seen=bits)]))
    same("the cast in another order", permuted, out, 2e-4)
    alone = sample(apply_branches(MODEL, [branch(tokens=tokens[:, :1])]))
    single = sample(apply_branches(MODEL, [branch(tokens=tokens[:, :1], seen=torch.ones_like(seen))]))
    same("one face with a territory everywhere", single, alone, 0.0)
    half = sample(apply_branches(MODEL, [branch(tokens=tokens[:, :1], strengths=(0.5,))]))
    differ("half strength", half, alone)


def check_both_adapters():
    both = sample(apply_branches(MODEL, [branch(), branch(seed=10, loaded=TALKING)]))
    other = sample(apply_branches(MODEL, [branch(seed=10, loaded=TALKING), branch()]))
    same("order of adapters", both, other, 2e-4)
    differ("second adapter", both, sample(apply_branches(MODEL, [branch()])))


def check_again_replaces():
    first = apply_branches(MODEL, [branch(seed=30)])
    second = apply_branches(first, [branch(seed=31)])
    want = sample(apply_branches(MODEL, [branch(seed=31)]))
    same("a second cast", sample(second), want)
    same("a cast taken off", sample(apply_branches(second, [])), BASE)
    differ("the first still works", sample(first), want)


def check_batches_and_calls():
    patched = apply_branches(MODEL, [branch()])
    together = sample(patched)
    with one_at_a_time():
        same("cond and uncond apart", sample(patched), together, 2e-4)
    two = sample(patched, batch=2)
    same("two videos at once", two[:1], sample(patched), 2e-4)
    same("an odd size", sample(patched, height=7, width=9), sample(patched, height=7, width=9))
    calls = []
    sample(apply_branches(MODEL, [branch(calls=calls)]), height=7, width=9)
    assert calls == [(3, 4, 5)], calls


class one_at_a_time:
    """As if memory allowed only one pass at a time."""

    places = (comfy.model_patcher.ModelPatcher, comfy.model_management)  # newer and older versions ask here

    def __enter__(self):
        self.kept = [(p, p.get_free_memory) for p in self.places if hasattr(p, "get_free_memory")]
        for place, _ in self.kept:
            place.get_free_memory = lambda *args, **kwargs: (1, 1) if True in args or kwargs else 0

    def __exit__(self, *_):
        for place, function in self.kept:
            place.get_free_memory = function


def check_keys_and_values_kept_or_not():
    patched = apply_branches(MODEL, [branch()])
    kept = sample(patched)
    share, wan_patch.KEEP_SHARE = wan_patch.KEEP_SHARE, -1.0
    try:
        same("keys and values made anew", sample(patched), kept)
    finally:
        wan_patch.KEEP_SHARE = share


def check_context_windows():
    """Tokens follow the window: a clip of two windows is each window sampled with its own tokens."""
    frames = 9
    tokens = random(frames, 1, WINDOW, CTX, seed=40)
    seen = []
    run = wan_patch.BranchRun.__call__

    def spy(self, block, query, at):
        seen.append(at)
        assert query.shape[1] == len(at)
        return run(self, block, query, at)

    wan_patch.BranchRun.__call__ = spy
    try:
        handler = comfy.context_windows.IndexListContextHandler(
            context_schedule=comfy.context_windows.get_matching_context_schedule("standard_static"),
            fuse_method=comfy.context_windows.get_matching_fuse_method("pyramid"),
            context_length=5, context_overlap=2, dim=2,
        )  # fmt: skip
        model = apply_branches(MODEL, [branch(tokens=tokens)])
        model.model_options["context_handler"] = handler
        comfy.context_windows.create_prepare_sampling_wrapper(model)
        out = sample(model, frames=frames, steps=2)
    finally:
        wan_patch.BranchRun.__call__ = run
    assert torch.isfinite(out).all()
    starts = sorted({at for at in seen})
    assert len(starts) > 1 and {f for at in starts for f in at} == set(range(frames)), starts
    assert all(list(at) == list(range(at[0], at[0] + len(at))) for at in starts), starts
    other = tokens.clone()
    other[-1] += 5.0
    changed = apply_branches(MODEL, [branch(tokens=other)])
    changed.model_options["context_handler"] = handler
    late = sample(changed, frames=frames, steps=1)
    early = sample_like(tokens, handler, frames)
    same("windows before the change", late[:, :, 0], early[:, :, 0], 1e-4)
    differ("windows after the change", late[:, :, -1], early[:, :, -1])


def sample_like(tokens, handler, frames):
    model = apply_branches(MODEL, [branch(tokens=tokens)])
    model.model_options["context_handler"] = handler
    return sample(model, frames=frames, steps=1)


report(globals())
