"""Layered guidance beside a ComfyUI's caches (its folder is the argument), and what runs leave behind."""

from guided import (
    CALLS,
    LOG,
    MODEL,
    PLAIN,
    acts,
    differ,
    ksampler,
    layered,
    passes,
    patched,
    portrait,
    report,
    run,
    same,
    stock,
    text,
)

# The host is found and told its arguments by the import above.
# isort: split
import gc
import re
from functools import partial

import comfy.model_management
import psutil
import torch
from comfy_extras import nodes_easycache

from troupe.engine.guidance import Guidance
from troupe.host.guider import GUIDANCE_KEY, Run, add_layered_cfg

STEPS = 20
THRESHOLD = 0.6  # this little model changes faster than a trained one


def cached(model, node=nodes_easycache.EasyCacheNode, threshold=THRESHOLD):
    return node.execute(model, threshold, 0.0, 1.0, False).result[0]


def restless(strength):
    """An effect of the portrait that jumps from step to step: not worth caching."""

    def effect(x, layers, sigma):
        return (
            acts(x, layers, sigma) + strength * torch.sin(400 * sigma) * layers[:, 0, None, None, None, None]
        )

    return effect


def steps_of(name):
    return [i for i, rows in enumerate(CALLS) if rows == [name]]


def evaluations(*layers, model):
    """How often each pass ran, and what EasyCache says it skipped."""
    LOG.clear()
    out = run(layered(model, *layers), STEPS)
    assert all(len(rows) == 1 for rows in CALLS)
    (skipped,) = [int(m[1]) for m in (re.search(r"EasyCache - skipped (\d+)/", line) for line in LOG) if m]
    return {name: len(steps_of(name)) for name in {rows[0] for rows in CALLS}}, skipped, out


def check_easycache_for_each_layer():
    """What the portrait's cache does depends on the portrait alone; the text's goes on as if it was not there.

    The portrait has next to no weight, so that both runs take the same way.
    """
    layers = (text(), portrait(1e-4))
    calm, skipped, _ = evaluations(*layers, model=patched(cached(PLAIN)))
    wild, skipped_wild, _ = evaluations(*layers, model=patched(cached(PLAIN), effect=restless(30.0)))
    assert calm["Ps"] == wild["Ps"] < STEPS, (calm, wild)
    assert calm["Pas"] < wild["Pas"], (calm, wild)
    assert (skipped, skipped_wild) == (STEPS - calm["Pas"], STEPS - wild["Pas"])


def check_easycache_off_and_alone():
    """A threshold of 0 skips nothing and changes nothing; one pass behaves as in stock."""
    counts, skipped, out = evaluations(text(5.0), portrait(), model=patched(cached(PLAIN, threshold=0.0)))
    assert counts == {"Pas": STEPS, "Ps": STEPS, "Ns": STEPS} and skipped == 0
    same("EasyCache without effect", out, run(layered(MODEL, text(5.0), portrait()), STEPS), 5e-4)
    model = patched(cached(PLAIN))
    counts, skipped, out = evaluations(text(), model=model)
    assert 0 < skipped == STEPS - counts["Pas"]
    same("EasyCache on one pass", out, run(stock(model, 1.0), STEPS))


def check_easycache_with_reuse():
    model = patched(cached(PLAIN))
    counts, _, out = evaluations(text(), portrait(every=2, end=0.5), model=model)
    assert counts["Ps"] <= STEPS // 4 and counts["Pas"] < STEPS, counts
    assert torch.isfinite(out).all()


def check_lazycache_before_and_after():
    node = nodes_easycache.LazyCacheNode
    guidance = Guidance((portrait(),))
    full = ksampler(add_layered_cfg(MODEL, guidance), STEPS, 5.0)
    found = {}
    for name, model in {
        "before": add_layered_cfg(cached(MODEL, node), guidance),
        "after": cached(add_layered_cfg(MODEL, guidance), node),
    }.items():
        LOG.clear()
        found[name] = ksampler(model, STEPS, 5.0)
        (skipped,) = [
            int(m[1]) for m in (re.search(r"LazyCache - skipped (\d+)/", line) for line in LOG) if m
        ]
        assert 0 < skipped == STEPS - len(CALLS), (skipped, len(CALLS))
    same("LazyCache before or after", found["before"], found["after"])
    differ("LazyCache acts", found["before"], full)
    plain = stock(cached(add_layered_cfg(MODEL, guidance), node), 5.0)
    guider = layered(cached(MODEL, node), text(5.0), portrait())
    same("LazyCache on the guider", run(guider, STEPS), run(plain, STEPS))


def runs_alive():
    gc.collect()
    return [o for o in gc.get_objects() if isinstance(o, Run)]


def interrupted(work):
    def callback(step, *_):
        if step == 3:
            raise comfy.model_management.InterruptProcessingException

    try:
        work(callback=callback)
    except comfy.model_management.InterruptProcessingException:
        return
    raise AssertionError("not interrupted")


def check_interrupt():
    for model in (MODEL, patched(cached(PLAIN))):
        guider = layered(model, text(5.0), portrait(every=3))
        want = run(guider, 8)
        interrupted(partial(run, guider, 8))
        assert not runs_alive() and GUIDANCE_KEY not in guider.model_options["transformer_options"]
        same("after an interrupt", run(guider, 8), want)


def check_failure():
    def fails(x, layers, sigma):
        if sigma < 0.9:
            raise RuntimeError("no more")
        return acts(x, layers, sigma)

    model = add_layered_cfg(patched(PLAIN, effect=fails), Guidance((portrait(every=2),)))
    try:
        ksampler(model, 8)
    except RuntimeError as error:
        assert str(error) == "no more"
    else:
        raise AssertionError("did not fail")
    assert not runs_alive()


def check_ten_runs():
    """The same bytes, nothing left behind."""
    for model in (MODEL, patched(cached(PLAIN))):
        guider = layered(model, text(5.0), portrait(every=2))
        patch = add_layered_cfg(model, Guidance((portrait(every=2),)))
        want, tensors, memory = None, [], []
        for _ in range(10):
            got = torch.cat([run(guider, 6), ksampler(patch, 6, 5.0)])
            want = got if want is None else want
            same("ten runs", got, want)
            assert not runs_alive()
            del got
            tensors.append(sum(isinstance(o, torch.Tensor) for o in gc.get_objects()))
            memory.append(psutil.Process().memory_info().rss / 2**20)
        assert len(set(tensors[1:])) == 1, tensors
        assert memory[-1] - memory[3] < 8, memory


def check_a_call_outside_of_sampling():
    """Somebody who calls a prepared guider's prediction by himself gets one, without reuse."""
    guider = layered(MODEL, text(), portrait(every=2))
    found = []

    def callback(*_):
        of_run = guider.model_options["transformer_options"]
        options = {"transformer_options": {k: v for k, v in of_run.items() if k != GUIDANCE_KEY}}
        found.append(guider.predict_noise(torch.ones(1, 16, 3, 8, 12), torch.tensor([0.5]), options))

    run(guider, 2, callback=callback)
    assert passes() == ["Pas+Ps", "Pas+Ps", "Pas", "Pas+Ps"], passes()
    same("calls outside of sampling", found[0], found[1])


report(globals())
