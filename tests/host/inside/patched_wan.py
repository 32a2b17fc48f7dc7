"""Run inside a ComfyUI: the patch on a tiny Wan model that ComfyUI itself loads and samples.

python patched_wan.py COMFYUI [CHECK ...]
"""

import json
import sys
import weakref

HOST, *CHOSEN = sys.argv[1:]
sys.path.insert(0, HOST)
sys.argv = ["patched_wan", "--cpu"]
import comfy.options  # noqa: E402

comfy.options.enable_args_parsing()

import comfy.context_windows  # noqa: E402
import comfy.model_management  # noqa: E402
import comfy.sample  # noqa: E402
import comfy.samplers  # noqa: E402
import comfy.sd  # noqa: E402
import torch  # noqa: E402
from comfy.model_patcher import ModelPatcher  # noqa: E402

from troupe.engine.errors import TroupeError  # noqa: E402
from troupe.engine.wan.adapter import Adapter  # noqa: E402
from troupe.engine.wan.branch import BranchInput  # noqa: E402
from troupe.host import wan_patch  # noqa: E402
from troupe.host.adapters import BranchWeights, LoadedAdapter, portrait_model  # noqa: E402
from troupe.host.memory import unload_above  # noqa: E402
from troupe.host.wan_patch import CastBranch, apply_branches  # noqa: E402

DIM, LAYERS, CTX, WINDOW = 256, 3, 64, 9
CPU = torch.device("cpu")
RESULTS = {}


def random(*shape, seed, gain=1.0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator) * gain


def wan_state(dim=DIM, layers=LAYERS, in_dim=36, image=True):
    """A Wan model's weights under the official names."""
    sd, seed = {}, [0]

    def linear(name, out, inner, *kernel):
        seed[0] += 1
        size = inner
        for k in kernel:
            size *= k
        sd[f"{name}.weight"] = random(out, inner, *kernel, seed=seed[0], gain=size**-0.5)
        sd[f"{name}.bias"] = random(out, seed=1000 + seed[0], gain=0.02)

    linear("patch_embedding", dim, in_dim, 1, 2, 2)
    linear("text_embedding.0", dim, 4096)
    linear("text_embedding.2", dim, dim)
    linear("time_embedding.0", dim, 256)
    linear("time_embedding.2", dim, dim)
    linear("time_projection.1", dim * 6, dim)
    for i in range(layers):
        for part, names in (("self_attn", "qkvo"), ("cross_attn", "qkvo")):
            for name in names:
                linear(f"blocks.{i}.{part}.{name}", dim, dim)
            for name in ("norm_q", "norm_k"):
                sd[f"blocks.{i}.{part}.{name}.weight"] = torch.ones(dim)
        if image:
            for name in ("k_img", "v_img"):
                linear(f"blocks.{i}.cross_attn.{name}", dim, dim)
            sd[f"blocks.{i}.cross_attn.norm_k_img.weight"] = torch.ones(dim)
        sd[f"blocks.{i}.norm3.weight"], sd[f"blocks.{i}.norm3.bias"] = torch.ones(dim), torch.zeros(dim)
        linear(f"blocks.{i}.ffn.0", 2 * dim, dim)
        linear(f"blocks.{i}.ffn.2", dim, 2 * dim)
        sd[f"blocks.{i}.modulation"] = random(1, 6, dim, seed=5000 + i, gain=0.3)
    linear("head.head", 64, dim)
    sd["head.modulation"] = random(1, 2, dim, seed=7000, gain=0.3)
    if image:
        for name, size in (("img_emb.proj.0", 1280), ("img_emb.proj.4", dim)):
            sd[f"{name}.weight"], sd[f"{name}.bias"] = torch.ones(size), torch.zeros(size)
        linear("img_emb.proj.1", 1280, 1280)
        linear("img_emb.proj.3", dim, 1280)
    return sd


def wan(dtype=None, **kind):
    options = {} if dtype is None else {"dtype": dtype}
    return comfy.sd.load_diffusion_model_state_dict(wan_state(**kind), model_options=options)


def adapter(kind="portrait", seed=1):
    weights = [random(DIM, CTX, seed=seed + i, gain=CTX**-0.5 * 2) for i in range(2 * LAYERS)]
    made = Adapter(kind, "tiny", torch.nn.Identity(), tuple(weights[::2]), tuple(weights[1::2]))
    return LoadedAdapter(made, ModelPatcher(BranchWeights(made), CPU, CPU))


PORTRAIT, TALKING = adapter(), adapter("talking", 50)


def branch(roles=1, frames=3, seed=9, seen=None, strengths=None, loaded=PORTRAIT, tokens=None, calls=None):
    tokens = random(frames, roles, WINDOW, CTX, seed=seed) if tokens is None else tokens

    def prepare(latents, rows, columns):
        assert latents == len(tokens), (latents, len(tokens))
        if calls is not None:
            calls.append((latents, rows, columns))
        return BranchInput(tokens, None, strengths or (1.0,) * tokens.shape[1], seen)

    return CastBranch(loaded, prepare)


def cond(seed, batch=1, height=8, width=12, frames=3):
    return [[random(batch, 20, 4096, seed=seed), {
        "concat_latent_image": random(batch, 16, frames, height, width, seed=3),
        "concat_mask": torch.ones(batch, 1, frames, height, width),
        "clip_vision_output": Vision(),
    }]]  # fmt: skip


class Vision:
    penultimate_hidden_states = random(1, 257, 1280, seed=4)


def sample(model, frames=3, steps=3, cfg=3.0, height=8, width=12, batch=1, seed=0, sampler="euler"):
    latent = torch.zeros(batch, 16, frames, height, width)
    noise = random(batch, 16, frames, height, width, seed=seed)
    positive, negative = (cond(s, 1, height, width, frames) for s in (11, 12))
    return comfy.sample.sample(
        model, noise, steps, cfg, sampler, "simple", positive, negative, latent, seed=seed, disable_pbar=True
    )


def apart(a, b):
    return (a - b).abs().max().item()


def same(name, a, b, tolerance=0.0):
    RESULTS[name] = apart(a, b)
    assert RESULTS[name] <= tolerance, f"{name}: {RESULTS[name]} > {tolerance}"


def differ(name, a, b, least=1e-2):
    RESULTS[name] = apart(a, b)
    assert RESULTS[name] > least, f"{name}: only {RESULTS[name]}"


MODEL = wan()
BASE = sample(MODEL)


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


def check_lora():
    def patches():
        out = {}
        for i in range(LAYERS):
            for j, name in enumerate("qko"):
                down, up = random(4, DIM, seed=60 + i + j), random(DIM, 4, seed=70 + i + j, gain=0.02)
                out[f"diffusion_model.blocks.{i}.cross_attn.{name}.weight"] = ("diff", (up @ down,))
        return out

    before = MODEL.clone()
    before.add_patches(patches(), 0.5)
    before = apply_branches(before, [branch()])
    after = apply_branches(MODEL, [branch()])
    after.add_patches(patches(), 0.5)
    one, other = sample(before), sample(after)
    same("LoRA before and after", one, other)
    differ("LoRA acts", one, sample(apply_branches(MODEL, [branch()])))


def check_other_packs():
    """A pack that replaces cross_attn.forward, as attention-guidance packs do: the branch stays, in either order."""

    def replace(model):
        dit = model.get_model_object("diffusion_model")
        for i in range(LAYERS):
            attention = dit.blocks[i].cross_attn

            def forward(x, context, context_img_len=None, transformer_options=None, self=attention, **kwargs):
                q = self.norm_q(self.q(x))
                k, v = self.norm_k(self.k(context)), self.v(context)
                out = comfy.ldm.wan.model.optimized_attention(q, k, v, heads=self.num_heads)
                return self.o(out * 1.25)

            model.add_object_patch(f"diffusion_model.blocks.{i}.cross_attn.forward", forward)
        return model

    alone = sample(replace(MODEL.clone()))
    after = sample(replace(apply_branches(MODEL, [branch()])))
    before = sample(apply_branches(replace(MODEL.clone()), [branch()]))
    same("other pack before or after", after, before)
    differ("the branch beside another pack", after, alone)

    def double(model):  # a pack that patches the very same forward
        for i in range(LAYERS):
            name = f"diffusion_model.blocks.{i}.cross_attn.o.forward"
            earlier = model.get_model_object(name)
            model.add_object_patch(name, lambda x, earlier=earlier: earlier(x) * 1.1)
        return model

    differ(
        "the same forward, before",
        sample(apply_branches(double(MODEL.clone()), [branch()])),
        sample(double(MODEL.clone())),
    )
    differ(
        "the same forward, after",
        sample(double(apply_branches(MODEL, [branch()]))),
        sample(double(MODEL.clone())),
    )


def check_types():
    for dtype in (torch.float8_e4m3fn, torch.float8_e5m2, torch.bfloat16, torch.float16):
        model = wan(dtype)
        out = sample(apply_branches(model, [branch()]))
        assert torch.isfinite(out).all(), dtype
        differ(f"{dtype}", out, sample(model))


def check_offload():
    patched = apply_branches(MODEL, [branch()])
    whole = sample(patched)
    model = wan()
    comfy.model_management.load_models_gpu([model])
    size = model.loaded_size()
    freed = unload_above(model, size // 3)
    assert freed > 0 and model.loaded_size() < size, (freed, size)
    model = apply_branches(model, [branch()])
    same("most weights offloaded", sample(model), whole)


def check_compile():
    from comfy_api.torch_helpers import set_torch_compile_wrapper

    plain = sample(apply_branches(MODEL, [branch()]))
    for keys in (["diffusion_model"], [f"diffusion_model.blocks.{i}" for i in range(LAYERS)]):
        torch._dynamo.reset()
        model = apply_branches(MODEL, [branch()])
        set_torch_compile_wrapper(model, backend="aot_eager", keys=keys)
        same(
            f"compiled {keys[0]}",
            sample(model, steps=2),
            sample(apply_branches(MODEL, [branch()]), steps=2),
            2e-3,
        )
    assert torch.isfinite(plain).all()


def check_refusals():
    def refused(model, *words):
        try:
            portrait_model(model)
        except TroupeError as error:
            assert all(w in str(error) for w in words), str(error)
        else:
            raise AssertionError("accepted")

    refused(wan(in_dim=16, image=False), "text-to-video", "16 channels")
    from troupe.engine.wan.adapter import check_fits

    try:
        check_fits(PORTRAIT.adapter, 1536, 30, "WAN21")
    except TroupeError as error:
        assert "1536" in str(error) and str(DIM) in str(error), str(error)
    else:
        raise AssertionError("another width was accepted")


def check_interrupt_leaves_nothing():
    patched = apply_branches(MODEL, [branch()])
    want = sample(patched)
    runs = []
    begin = wan_patch.WanPatch.begin

    def spy(self, *args):
        run = begin(self, *args)
        runs.append((weakref.ref(run), run.branches[0][1]))
        return run

    wan_patch.WanPatch.begin = spy
    model = patched.clone()
    model.set_model_unet_function_wrapper(interrupting(2))
    try:
        sample(model)
    except comfy.model_management.InterruptProcessingException:
        pass
    else:
        raise AssertionError("not interrupted")
    finally:
        wan_patch.WanPatch.begin = begin
    assert runs[0][0]() is None, "the run outlives its end"
    assert not runs[0][1]._kept and wan_patch.ACTIVE.call is None
    same("after an interrupt", sample(patched), want)


def interrupting(at):
    count = [0]

    def wrapper(apply, args):
        count[0] += 1
        if count[0] == at:
            raise comfy.model_management.InterruptProcessingException
        return apply(args["input"], args["timestep"], **args["c"])

    return wrapper


def check_out_of_memory():
    patched = apply_branches(MODEL, [branch()])

    def wrapper(apply, args):
        raise comfy.model_management.OOM_EXCEPTION("CUDA out of memory. Tried to allocate 99 GiB")

    model = patched.clone()
    model.set_model_unet_function_wrapper(wrapper)
    try:
        sample(model)
    except TroupeError as error:
        assert "9 frames" in str(error) and "memory" in str(error), str(error)
    else:
        raise AssertionError("no error")
    differ("after running out of memory", sample(patched), BASE)


def check_ten_runs():
    import psutil

    patched = apply_branches(MODEL, [branch()])
    first, sizes = sample(patched), []
    for _ in range(10):
        assert torch.equal(sample(patched), first)
        sizes.append(psutil.Process().memory_info().rss / 2**20)
    RESULTS["MB over ten runs"] = sizes[-1] - sizes[1]
    assert sizes[-1] - sizes[1] < 30, sizes


CHECKS = {n[6:]: f for n, f in list(globals().items()) if n.startswith("check_")}
with torch.inference_mode():
    for name in CHOSEN or CHECKS:
        CHECKS[name]()
sys.stdout.write(json.dumps({"ran": CHOSEN or list(CHECKS), "results": RESULTS}) + "\n")
