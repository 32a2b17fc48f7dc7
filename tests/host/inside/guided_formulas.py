"""What layered guidance computes inside a ComfyUI (its folder is the argument), and which passes it runs."""

from guided import (
    CALLS,
    LAYERS_KEY,
    LOG,
    MODEL,
    NEGATIVE,
    PLAIN,
    POSITIVE,
    RESULTS,
    SHAPE,
    TOLERANCE,
    cond,
    ksampler,
    layered,
    passes,
    patched,
    portrait,
    random,
    report,
    run,
    same,
    speech,
    stock,
    text,
    watched,
)

# The host is found and told its arguments by the import above.
# isort: split
import comfy.context_windows
import comfy.model_base
import torch
from comfy_extras import nodes_custom_sampler

from troupe.engine.guidance import Guidance, flow_sigmas
from troupe.host.guider import add_layered_cfg


def check_formulas():
    """One step from noise ends at the guided prediction: it is the sum of single passes that the formula says."""
    single = {
        name: run(stock(MODEL, 1.0, cond(sign, layers)), 1)
        for name, sign, layers in (
            ("N", -1, (0.0, 0.0)), ("Nas", -1, (1.0, 1.0)), ("Ns", -1, (0.0, 1.0)), ("P", 1, (0.0, 0.0)),
            ("Ps", 1, (0.0, 1.0)), ("Pa", 1, (1.0, 0.0)), ("Pas", 1, (1.0, 1.0)),
        )
    }  # fmt: skip
    n, nas, ns, p, ps, pa, pas = (single[k] for k in ("N", "Nas", "Ns", "P", "Ps", "Pa", "Pas"))
    cases = {
        "two passes": ((text(), portrait()), ps + 4 * (pas - ps)),
        "three passes": ((text(5.0), portrait()), ns + 5 * (ps - ns) + 4 * (pas - ps)),
        "four passes": ((text(5.0), portrait(), speech()), n + 5 * (p - n) + 4 * (pa - p) + 3 * (pas - pa)),
        "adapters in every pass": ((text(5.0),), nas + 5 * (pas - nas)),
        "equal scales": ((text(4.0), portrait()), ns + 4 * (pas - ns)),
        "no layers": ((), pas),
        "a layer left out": ((text(), speech(0.0)), pa),
    }
    for name, (layers, want) in cases.items():
        same(f"formula: {name}", run(layered(MODEL, *layers), 1), want, TOLERANCE)


def check_text_alone_is_stock():
    model = watched(PLAIN)
    for cfg, rows in ((5.0, "P+N"), (1.0, "P"), (0.0, "N")):
        got = run(layered(model, text(cfg)))
        assert passes() == [rows] * 4, passes()
        same(f"stock cfg {cfg:g}", got, run(stock(PLAIN, cfg)), TOLERANCE)
    LOG.clear()
    got = run(layered(model, text(5.0), portrait(), speech(1.0)))
    assert passes() == ["P+N"] * 4
    same("layers the model lacks", got, run(stock(PLAIN, 5.0)), TOLERANCE)
    assert [m for m in LOG if "no guidance by" in m] == [
        "Troupe: no guidance by portrait, there is no role with portrait"
    ]
    one = patched(PLAIN, ("portrait",))
    run(layered(one, text(), portrait(), speech()), 1)
    assert passes() == ["Pas+Ps"], passes()


def check_which_passes_run():
    """Everything a step needs is one call of the model."""

    def expect(*layers, want, model=MODEL, steps=10):
        run(layered(model, *layers), steps)
        assert passes() == want, f"{passes()}, not {want}"

    two, one = "Pas+Ps", "Pas"
    expect(text(), portrait(), want=[two] * 10)
    expect(text(), portrait(end=0.5), want=[two] * 5 + [one] * 5)
    expect(text(), portrait(start=0.2, end=0.4), want=[one] * 2 + [two] * 2 + [one] * 6)
    expect(text(), portrait(every=2), want=[two, one] * 4 + [two] * 2)
    expect(text(), portrait(every=2, every_until=1.0), want=[two, one] * 5)
    expect(text(), portrait(every=3), want=[two, one, one, two, one, one, two, one, two, two])
    expect(text(5.0), portrait(end=0.5), want=["Pas+Ps+Ns"] * 5 + ["Pas+Ns"] * 5)
    expect(text(5.0), portrait(every=2), want=["Pas+Ps+Ns", "Ps+Ns"] * 4 + ["Pas+Ps+Ns"] * 2)
    expect(text(5.0), portrait(), speech(), want=["Pas+Pa+P+N"] * 10)
    expect(
        text(5.0, end=0.3),
        speech(every=2),
        want=["Pas+Pa+Na", "Pa+Na", "Pas+Pa+Na", "Pas"] + ["Pas+Pa", "Pas"] * 2 + ["Pas+Pa"] * 2,
    )


def check_reuse_is_close():
    full = run(layered(MODEL, text(), portrait()), 20)
    without = run(layered(MODEL, text(), portrait(1.0)), 20)
    for every in (2, 3):
        got = run(layered(MODEL, text(), portrait(every=every)), 20)
        RESULTS[f"every {every}, share of no guidance's error"] = (
            (got - full).norm() / (without - full).norm()
        ).item()
        assert (got - full).norm() < 0.35 * (without - full).norm()


def check_regions():
    mask = torch.zeros(1, 64, 96)
    mask[:, :, :48] = 1
    sample = lambda **more: run(layered(MODEL, text(), portrait(**more)), 1)  # noqa: E731
    everywhere, nowhere = sample(), sample(scale=1.0)
    same("region: all of it", sample(region=torch.ones(1, 64, 96)), everywhere, TOLERANCE)
    same("region: none of it", sample(region=torch.zeros(1, 64, 96)), nowhere, TOLERANCE)
    got = sample(region=mask)
    same("region: inside", got[..., :6], everywhere[..., :6], TOLERANCE)
    same("region: outside", got[..., 6:], nowhere[..., 6:], TOLERANCE)
    run(layered(MODEL, text(5.0, region=mask), portrait(5.0, region=mask)), 1)
    assert passes() == ["Pas+Ns"]


def check_ksampler():
    for cfg, layers in ((1.0, (portrait(),)), (5.0, (text(9.0, every=2), portrait(end=0.5)))):
        got = ksampler(add_layered_cfg(MODEL, Guidance(layers)), 8, cfg)
        ran = passes()
        of = layers if layers[0].name == "text" else (text(), *layers)
        named = [text(cfg, every=la.every) if la.name == "text" else la for la in of]
        same(f"KSampler with cfg {cfg:g}", got, run(layered(MODEL, *named), 8))
        assert passes() == ran
    same(
        "KSampler, text alone",
        ksampler(add_layered_cfg(PLAIN, Guidance()), cfg=5.0),
        ksampler(PLAIN, cfg=5.0),
        TOLERANCE,
    )
    twice = add_layered_cfg(add_layered_cfg(MODEL, Guidance((portrait(9.0),))), Guidance((portrait(),)))
    same("the later one counts", ksampler(twice), run(layered(MODEL, text(), portrait())))


def check_other_guiders():
    model = add_layered_cfg(MODEL, Guidance((portrait(),)))
    basic = nodes_custom_sampler.Guider_Basic(model)
    basic.set_conds(POSITIVE)
    same("BasicGuider", run(basic), run(layered(MODEL, text(), portrait())))
    dual = nodes_custom_sampler.Guider_DualCFG(model)
    dual.set_conds(POSITIVE, POSITIVE, NEGATIVE)
    dual.set_cfg(3.0, 2.0)
    LOG.clear()
    run(dual)
    assert len(CALLS[0]) == 3 and [m for m in LOG if "Guider_DualCFG" in m] == [
        "Troupe: no layered guidance: the guider is a Guider_DualCFG, which guides in its own way"
    ]
    same(
        "a guider on a layered model",
        run(layered(model, text(), portrait(2.0))),
        run(layered(MODEL, text(), portrait(2.0))),
    )


def check_one_by_one():
    """No free memory: each pass alone, the same result."""
    together = run(layered(MODEL, text(5.0), portrait(), speech()))
    memory = comfy.model_base.BaseModel.memory_required
    comfy.model_base.BaseModel.memory_required = lambda *a, **k: 1 << 60
    try:
        same("no free memory", run(layered(MODEL, text(5.0), portrait(), speech())), together, 5e-4)
    finally:
        comfy.model_base.BaseModel.memory_required = memory
    assert len(CALLS) == 16 and all(len(rows) == 1 for rows in CALLS)


def check_areas_and_batches():
    left, right = torch.zeros(1, 64, 96), torch.ones(1, 64, 96)
    left[..., :40] = 1
    many = [
        *cond(1, mask=left, mask_strength=0.7),
        *cond(1, mask=right, strength=0.5),
        *cond(1, start_percent=0.5),
    ]
    same(
        "masks, strengths and ranges of conditions",
        run(layered(PLAIN, text(5.0), positive=many)),
        run(stock(PLAIN, 5.0, many)),
        TOLERANCE,
    )
    noise = random(2, *SHAPE[1:], seed=5)
    both = run(layered(MODEL, text(), portrait(every=2)), noise=noise)
    same("two clips", both[1:], run(layered(MODEL, text(), portrait(every=2)), noise=noise[1:]), TOLERANCE)


def check_context_windows():
    def windowed(model):
        model = model.clone()
        model.model_options["context_handler"] = comfy.context_windows.IndexListContextHandler(
            comfy.context_windows.get_matching_context_schedule("standard_static"),
            comfy.context_windows.get_matching_fuse_method("pyramid"), context_length=4, context_overlap=2, dim=2,
        )  # fmt: skip
        return model

    noise = random(1, 16, 7, 8, 12, seed=6)
    same(
        "windows",
        run(layered(windowed(PLAIN), text(5.0)), noise=noise),
        run(stock(windowed(PLAIN), 5.0), noise=noise),
        TOLERANCE,
    )
    run(layered(windowed(MODEL), text(), portrait(every=2)), noise=noise)
    windows = len(CALLS) // 4
    assert windows > 1 and passes() == (["Pas+Ps"] * windows + ["Pas"] * windows) * 2, passes()


def check_heun():
    same(
        "heun is stock's",
        run(layered(PLAIN, text(5.0)), sampler="heun"),
        run(stock(PLAIN, 5.0), sampler="heun"),
        TOLERANCE,
    )
    run(layered(MODEL, text(), portrait(every=2)), 4, "heun")
    # A step's second call has the next step's noise level, and belongs to it.
    assert passes() == ["Pas+Ps", "Pas", "Pas", "Pas+Ps", "Pas+Ps", "Pas", "Pas"], passes()
    for name in ("dpm_2", "dpmpp_2m", "euler_ancestral", "uni_pc", "res_multistep"):
        assert torch.isfinite(run(layered(MODEL, text(5.0), portrait(every=2)), 6, name)).all(), name


def check_functions_of_other_nodes():
    seen = []

    def after(args):
        seen.append(args)
        return args["denoised"] * 0.5 + args["cond_denoised"] * 0.5

    model = MODEL.clone()
    model.set_model_sampler_post_cfg_function(after)
    run(layered(model, text(), portrait(every=2)), 4)
    stocks = set(post_arguments())
    for i, args in enumerate(seen):
        assert set(args) == stocks, (set(args), stocks)
        pair = args["uncond_denoised"] + args["cond_scale"] * (
            args["cond_denoised"] - args["uncond_denoised"]
        )
        same(f"post-CFG arguments, step {i}", args["denoised"], pair, TOLERANCE)
        layers = [c[0]["model_conds"][LAYERS_KEY].cond[0].tolist() for c in (args["cond"], args["uncond"])]
        assert layers == [[1, 1], [0, 1]] and args["sigma"][0] == flow_sigmas(4)[i]
    assert len(seen) == 4
    for kind in ("set_model_sampler_post_cfg_function", "set_model_sampler_pre_cfg_function"):
        for cfg in (5.0, 1.0):
            model = PLAIN.clone()
            change = before if "pre" in kind else after
            getattr(model, kind)(change)
            if "pre" in kind and cfg == 1.0:
                continue  # stock hands on a prediction of zeros, we hand on pairs only
            same(f"{kind}, cfg {cfg:g}", run(layered(model, text(cfg))), run(stock(model, cfg)), TOLERANCE)
    for cfg in (5.0, 1.0):
        same(
            f"CFG++ {cfg:g}",
            run(layered(PLAIN, text(cfg)), sampler="euler_cfg_pp"),
            run(stock(PLAIN, cfg), sampler="euler_cfg_pp"),
            TOLERANCE,
        )
    model = MODEL.clone()
    model.set_model_sampler_cfg_function(lambda args: 1 / 0)
    model.set_model_sampler_pre_cfg_function(lambda args: 1 / 0)
    LOG.clear()
    run(layered(model, text(5.0), portrait()))
    assert (
        sum("sampler_cfg_function is not used" in m for m in LOG)
        == 1
        == sum("steps of two passes" in m for m in LOG)
    )


def before(args):
    out = args["conds_out"]
    return [out[1] + 0.8 * (out[0] - out[1]).flip(-1), out[1]]


def post_arguments():
    found = {}
    model = PLAIN.clone()
    model.set_model_sampler_post_cfg_function(lambda args: found.update(args) or args["denoised"])
    run(stock(model, 5.0), 1)
    return found


report(globals())
