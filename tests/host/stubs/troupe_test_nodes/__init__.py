"""Nodes that only the tests load: inputs that no well-behaved node would give, and a look at what the server holds."""

import dataclasses
import gc
import importlib
import json
import sys
import tempfile
from pathlib import Path

import comfy.clip_vision
import comfy.controlnet
import comfy.model_management
import torch
from aiohttp import web
from comfy.patcher_extension import WrappersMP
from comfy_api.latest import ComfyExtension, io
from server import PromptServer

KINDS = ("nan", "bytes", "alpha", "one_pixel", "no_frames", "wide", "grey", "clip", "black")


def broken(kind: str) -> torch.Tensor:
    if kind == "nan":
        return torch.full((1, 64, 64, 3), float("nan"))
    if kind == "bytes":
        return torch.full((1, 64, 64, 3), 255.0)
    shapes = {
        "alpha": (1, 64, 64, 4),
        "one_pixel": (1, 1, 1, 3),
        "no_frames": (0, 64, 64, 3),
        "wide": (1, 8, 10000, 3),
        "grey": (1, 256, 256, 3),
        "clip": (3, 128, 128, 3),
        "black": (1, 256, 256, 3),
    }
    return torch.full(shapes[kind], 0.0 if kind == "black" else 0.5)


class TestImage(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeTestImage",
            category="tests",
            inputs=[io.Combo.Input("kind", options=list(KINDS))],
            outputs=[io.Image.Output()],
        )

    @classmethod
    def execute(cls, kind) -> io.NodeOutput:
        return io.NodeOutput(broken(kind))


SOUNDS = (
    "silence",
    "noise",
    "chords",
    "empty",
    "nan",
    "two",
    "flat",
    "too_long",
    "hour",
    "too_slow",
    "ultrasonic",
)


def odd_sound(kind: str) -> dict:
    rate = {"too_slow": 2000, "ultrasonic": 384_000, "too_long": 4000, "hour": 4000}.get(kind, 16000)
    seconds = {"too_long": 7201, "hour": 3600, "empty": 0}.get(kind, 2)
    shape = {"two": (2, 1), "flat": (1,)}.get(kind, (1, 1))
    wave = torch.zeros(*shape, seconds * rate)
    if kind == "noise":
        wave = 0.1 * torch.randn(wave.shape, generator=torch.Generator().manual_seed(0))
    elif kind == "nan":
        wave[..., 100] = float("nan")
    elif kind == "chords":
        time = torch.arange(rate) / rate
        chords = ((262, 330, 392), (175, 220, 262))
        parts = [sum(torch.sin(6.2832 * f * n * time) / n for f in c for n in (1, 2, 3)) for c in chords]
        wave = 0.1 * torch.cat([p * torch.exp(-time) for p in parts])[None, None]
    return {"waveform": wave, "sample_rate": rate}


class TestSound(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeTestSound",
            category="tests",
            inputs=[io.Combo.Input("kind", options=list(SOUNDS))],
            outputs=[io.Audio.Output()],
        )

    @classmethod
    def execute(cls, kind) -> io.NodeOutput:
        return io.NodeOutput(odd_sound(kind))


class TestSink(io.ComfyNode):
    """Ends a graph at any value."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeTestSink",
            category="tests",
            inputs=[io.AnyType.Input("value")],
            outputs=[],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, value) -> io.NodeOutput:
        return io.NodeOutput()


class TestCoreLandmarks(io.ComfyNode):
    """Our faces in the form in which core's own detector gives its."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeTestCoreLandmarks",
            category="tests",
            inputs=[io.Custom("TROUPE_FACES").Input("faces")],
            outputs=[io.Custom("FACE_LANDMARKS").Output()],
        )

    @classmethod
    def execute(cls, faces) -> io.NodeOutput:
        def entry(face):
            xyz = face.landmarks.copy()
            return {
                "landmarks_xy": xyz[:, :2],
                "landmarks_3d": xyz,
                "blendshapes": {},
                "score": face.confidence,
            }

        frames = [[entry(f) for f in reversed(faces.at(t)) if f is not None] for t in range(faces.frames)]
        return io.NodeOutput(
            {"frames": frames, "image_size": (faces.height, faces.width), "connection_sets": {}}
        )


class TestRate(io.ComfyNode):
    """An expression with each frame ``times`` times, ``rate`` times as fast: with both alike nothing changes in time."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeTestRate",
            category="tests",
            inputs=[
                io.Custom("TROUPE_EXPRESSION").Input("expression"),
                io.Int.Input("times", default=1),
                io.Float.Input("rate", default=1.0),
            ],
            outputs=[io.Custom("TROUPE_EXPRESSION").Output()],
        )

    @classmethod
    def execute(cls, expression, times, rate) -> io.NodeOutput:
        frames = {name: getattr(expression, name).repeat(times, 0) for name in ("features", "boxes")}
        return io.NodeOutput(dataclasses.replace(expression, **frames, fps=expression.fps * rate))


class TestOutOfMemory(io.ComfyNode):
    """A MODEL that runs out of memory in the given call of a run: Wan in its last block, others at once.

    There is no GPU in tests. ``allocator`` is the error of PyTorch's allocator, ``cuda`` that of a CUDA call.
    """

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeTestOutOfMemory",
            category="tests",
            inputs=[
                io.Model.Input("model"),
                io.Int.Input("call", default=1),
                io.Combo.Input("kind", options=["allocator", "cuda"]),
            ],
            outputs=[io.Model.Output()],
        )

    @classmethod
    def execute(cls, model, call, kind) -> io.NodeOutput:
        calls = []

        def block(args, extra):
            calls.append(None)
            if len(calls) != call:
                return extra["original_block"](args)
            if kind == "cuda":
                raise torch.AcceleratorError("CUDA error: out of memory")
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 99.00 GiB.\nMore lines.")

        def around(executor, *args, **kwargs):
            return block(None, {"original_block": lambda _: executor(*args, **kwargs)})

        model = model.clone()
        blocks = getattr(model.get_model_object("diffusion_model"), "blocks", None)
        if blocks is None:
            model.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "troupe_test", around)
        else:
            model.set_model_patch_replace(block, "dit", "double_block", len(blocks) - 1)
        return io.NodeOutput(model)


class TestVision(io.ComfyNode):
    """What CLIP Vision Encode gives, of any width, without the encoder's work."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeTestVision",
            category="tests",
            inputs=[io.Int.Input("width", default=768), io.Int.Input("pictures", default=1)],
            outputs=[io.ClipVisionOutput.Output()],
        )

    @classmethod
    def execute(cls, width, pictures) -> io.NodeOutput:
        seen = comfy.clip_vision.Output()
        seen["image_embeds"] = torch.randn(pictures, width, generator=torch.Generator().manual_seed(3))
        return io.NodeOutput(seen)


class TestControl(io.ComfyNode):
    """A conditioning with a ControlNet, as Apply ControlNet leaves it."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeTestControl",
            category="tests",
            inputs=[io.Conditioning.Input("conditioning")],
            outputs=[io.Conditioning.Output()],
        )

    @classmethod
    def execute(cls, conditioning) -> io.NodeOutput:
        control = comfy.controlnet.ControlBase()
        return io.NodeOutput([[tokens, {**more, "control": control}] for tokens, more in conditioning])


class TestConditioning(io.ComfyNode):
    """What a text encoder gives."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeTestConditioning",
            category="tests",
            inputs=[],
            outputs=[io.Conditioning.Output()],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        return io.NodeOutput([[torch.zeros(1, 77, 768), {}]])


class TestChampOutOfMemory(io.ComfyNode):
    """Champ that runs out of memory once, in its denoising net or its reference net."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeTestChampOutOfMemory",
            category="tests",
            inputs=[
                io.Model.Input("model"),
                io.Custom("TROUPE_CHAMP").Input("champ"),
                io.Combo.Input("where", options=["sampler", "scene"]),
            ],
            outputs=[io.Model.Output(), io.Custom("TROUPE_CHAMP").Output()],
        )

    @classmethod
    def execute(cls, model, champ, where) -> io.NodeOutput:
        net = champ.reference.model if where == "scene" else model.get_model_object("diffusion_model").unet

        def hook(module, inputs):
            handle.remove()
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 99.00 GiB.\nMore lines.")

        handle = net.conv_in.register_forward_pre_hook(hook)
        return io.NodeOutput(model, champ)


KEPT: dict = {}


def pack_module(name: str):
    """A module of the pack, under whatever name ComfyUI gave it."""
    known = next(n for n in sys.modules if n.endswith(".engine.errors"))
    return importlib.import_module(known.removesuffix("engine.errors") + name)


@PromptServer.instance.routes.post("/troupe_test/lack")
async def lack(request):
    """Lets the pack do without espeak-ng or its speech weights, or have them again; one thing at a time."""
    what = (await request.json())["what"]
    espeak, weights = pack_module("engine.speech.espeak"), pack_module("engine.speech.weights")
    espeak.restart()
    weights._shipped.cache_clear()
    espeak._candidates, weights.SHIPPED = KEPT.setdefault("own", (espeak._candidates, weights.SHIPPED))
    if what == "espeak":
        espeak._candidates = lambda: [("libnothing-of-that-name.so", None)]
    elif what != "nothing":
        card = json.loads(weights.SHIPPED.with_suffix(".json").read_text())
        copy = Path(tempfile.mkdtemp()) / weights.SHIPPED.name
        if what == "version":
            card["version"] = 99
        if what != "weights":
            copy.write_bytes(weights.SHIPPED.read_bytes()[: -1 if what == "damaged" else None])
            copy.with_suffix(".json").write_text(json.dumps(card))
        weights.SHIPPED = copy
    return web.json_response({"lacks": what})


@PromptServer.instance.routes.get("/troupe_test/held")
async def held(request):
    """Which models are loaded, how many bytes live tensors take, and how many adapters' runs are alive."""
    gc.collect()
    tensors, runs = {}, 0
    for each in gc.get_objects():
        if type(each) in (torch.Tensor, torch.nn.Parameter) and not each.is_meta:
            tensors[each.untyped_storage().data_ptr()] = each.untyped_storage().nbytes()
        runs += type(each).__name__ == "BranchRun"
    loaded = [m.model for m in comfy.model_management.current_loaded_models if m.model is not None]
    names = sorted(type(patcher.model).__name__ for patcher in loaded)
    return web.json_response({"loaded": names, "bytes": sum(tensors.values()), "runs": runs})


CHAMP = (TestVision, TestControl, TestConditioning, TestChampOutOfMemory)


class TestExtension(ComfyExtension):
    async def get_node_list(self):
        return [TestImage, TestSound, TestSink, TestCoreLandmarks, TestRate, TestOutOfMemory, *CHAMP]


async def comfy_entrypoint():
    return TestExtension()
