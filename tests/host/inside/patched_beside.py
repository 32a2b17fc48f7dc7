"""The patch beside all else that a MODEL can meet (a ComfyUI's folder is the argument), and what runs leave behind."""

from patched import (
    BASE,
    DIM,
    LAYERS,
    MODEL,
    PORTRAIT,
    RESULTS,
    branch,
    differ,
    random,
    report,
    same,
    sample,
    wan,
)

# The host is found and told its arguments by the import above.
# isort: split
import weakref

import comfy.ldm.wan.model
import comfy.model_management
import torch

from troupe.engine.errors import TroupeError
from troupe.host import wan_patch
from troupe.host.adapters import portrait_model
from troupe.host.memory import unload_above
from troupe.host.wan_patch import apply_branches


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


report(globals())
