"""Nodes that put adapters and a cast on a Wan image-to-video model."""

from __future__ import annotations

from comfy_api.latest import io

from . import sockets
from .sockets import ADVANCED

WEIGHT_TYPES = ("default", "fp8_e4m3fn", "fp8_e4m3fn_fast", "fp8_e5m2")
NO_ADAPTER = "none"


def adapter_input(name: str, tooltip: str, *first: str) -> io.Combo.Input:
    from ..host.folders import PATCH_FOLDERS, model_files

    return io.Combo.Input(name, options=[*first, *model_files(*PATCH_FOLDERS)], tooltip=tooltip)


class LoadWanPortraitModel(io.ComfyNode):
    """The diffusion model and its adapters in one step."""

    @classmethod
    def define_schema(cls):
        from ..host.folders import model_files

        return io.Schema(
            node_id="TroupeLoadWanPortraitModel",
            display_name="Load Wan Portrait Model",
            category="Troupe/wan",
            description="Loads a Wan image-to-video model together with the adapter that lets its faces follow a drive.",
            inputs=[
                io.Combo.Input(
                    "model",
                    options=model_files("diffusion_models"),
                    tooltip="Wan 2.1 I2V 14B (480P or 720P), from models/diffusion_models.",
                ),
                io.Combo.Input(
                    "weight_dtype",
                    options=list(WEIGHT_TYPES),
                    default="default",
                    tooltip="How the model's weights are held. fp8 halves the memory and loses a little. Usual: default.",
                    extra_dict=ADVANCED,
                ),
                adapter_input(
                    "adapter", "FantasyPortrait's adapter, from models/model_patches or diffusion_models."
                ),
                adapter_input(
                    "speech_adapter",
                    "FantasyTalking's adapter, for faces that speech drives. 'none' if there are none.",
                    NO_ADAPTER,
                ),
                io.Float.Input(
                    "memory",
                    default=-1.0,
                    min=-1.0,
                    max=100.0,
                    step=0.5,
                    tooltip="Billions of the model's parameters that may stay on the GPU; the others are brought in when "
                    "needed. -1: ComfyUI decides, 7: half of a 14B model, 0: none, slowest and least memory. Usual: -1.",
                ),
            ],
            outputs=[io.Model.Output(display_name="model")],
        )

    @classmethod
    def execute(cls, model, weight_dtype, adapter, speech_adapter, memory) -> io.NodeOutput:
        from ..host.adapters import add_adapters
        from ..host.folders import PATCH_FOLDERS, model_file
        from ..host.loading import load_diffusion_model
        from ..host.memory import cap_weights

        loaded = load_diffusion_model(model_file(model, "diffusion_models"), weight_dtype)
        names = [name for name in (adapter, speech_adapter) if name != NO_ADAPTER]
        loaded = add_adapters(loaded, [model_file(name, *PATCH_FOLDERS) for name in names])
        return io.NodeOutput(cap_weights(loaded, memory))


class LoadPortraitAdapter(io.ComfyNode):
    """An adapter for a MODEL that is there already."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeLoadPortraitAdapter",
            display_name="Load Portrait Adapter",
            category="Troupe/wan",
            description="Gives a Wan image-to-video model, from any loader, the adapter that lets its faces follow a drive.",
            inputs=[
                io.Model.Input(
                    "model", tooltip="Wan 2.1 I2V 14B from any loader: fp8, GGUF, with LoRA, compiled."
                ),
                adapter_input(
                    "adapter",
                    "FantasyPortrait's (for expressions) or FantasyTalking's (for speech); which one is seen from the file. "
                    "Chain two nodes for both.",
                ),
            ],
            outputs=[io.Model.Output(display_name="model")],
        )

    @classmethod
    def execute(cls, model, adapter) -> io.NodeOutput:
        from ..host.adapters import add_adapters
        from ..host.folders import PATCH_FOLDERS, model_file

        return io.NodeOutput(add_adapters(model, [model_file(adapter, *PATCH_FOLDERS)]))


class ApplyCast(io.ComfyNode):
    """The cast in the model: whoever samples it now animates these faces."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeApplyCast",
            display_name="Apply Cast",
            category="Troupe/wan",
            description="Lets the faces of a picture follow their drives when this model samples. Works with any sampler.",
            inputs=[
                io.Model.Input(
                    "model",
                    tooltip="With its adapters, from Load Wan Portrait Model or Load Portrait Adapter.",
                ),
                sockets.Cast.Input("cast", tooltip="Who plays what, from Assign Role."),
                sockets.Faces.Input(
                    "faces", tooltip="From Detect Faces on the picture that becomes the video."
                ),
                io.Float.Input(
                    "fps",
                    default=0.0,
                    min=0.0,
                    max=120.0,
                    step=0.01,
                    tooltip="Frames per second of the video. Drives are joined by time. 0 takes the first drive's own.",
                ),
                io.Combo.Input(
                    "regions",
                    options=["tracked", "fixed"],
                    default="tracked",
                    tooltip="tracked: each face's part of the picture follows its head. fixed: one box for each face, "
                    "as in the published code. Matters for two or more faces. Usual: tracked.",
                    extra_dict=ADVANCED,
                ),
                io.Combo.Input(
                    "background",
                    options=["all", "none"],
                    default="all",
                    tooltip="What belongs to nobody sees everybody's drive (as the adapter was trained), or none. Usual: all.",
                    extra_dict=ADVANCED,
                ),
                io.Float.Input(
                    "start",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="Where in the schedule the drives begin to act. Usual: 0.",
                    extra_dict=ADVANCED,
                ),
                io.Float.Input(
                    "end",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="Where in the schedule the drives cease to act. Usual: 1.",
                    extra_dict=ADVANCED,
                ),
                sockets.Encoder.Input(
                    "encoder",
                    optional=True,
                    tooltip="Needed if a motion (a preset, a timeline) drives a face: its preview is encoded.",
                ),
                io.Image.Input(
                    "image", optional=True, tooltip="The picture; needed if a motion drives a face."
                ),
            ],
            outputs=[
                io.Model.Output(display_name="model"),
                io.Float.Output(display_name="fps"),
                io.Int.Output(display_name="length"),
                io.String.Output(display_name="report"),
            ],
        )

    @classmethod
    def execute(
        cls, model, cast, faces, fps, regions, background, start, end, encoder=None, image=None
    ) -> io.NodeOutput:
        import logging

        from ..host.casting import Staging, common_fps, common_length, describe, stage
        from ..host.previews import preview_encoder
        from ..host.wan_patch import apply_branches

        fps = common_fps(cast, fps)
        staging = Staging(faces, fps, tracked=regions == "tracked", background=background == "all")
        encode = preview_encoder(encoder, image, faces) if encoder is not None and image is not None else None
        branches = stage(model, cast, staging, encode)
        length = common_length(cast, fps)
        report = describe(cast, fps, length)
        logging.info("Troupe: %s", report)
        return io.NodeOutput(apply_branches(model, branches, start, end), fps, length, report)


class FitPicture(io.ComfyNode):
    """A picture in a size that the model can make, and the numbers that go with it."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeFitPicture",
            display_name="Fit Picture",
            category="Troupe/wan",
            description="Scales a picture to what a video model can make: sides in multiples of 16, 4k + 1 frames.",
            inputs=[
                io.Image.Input("image", tooltip="The picture that becomes the video."),
                io.Int.Input(
                    "width",
                    default=832,
                    min=16,
                    max=4096,
                    step=16,
                    tooltip="Together with the height: how many pixels the result may have. Its shape stays the picture's.",
                ),
                io.Int.Input(
                    "height",
                    default=480,
                    min=16,
                    max=4096,
                    step=16,
                    tooltip="Together with the width: how many pixels the result may have.",
                ),
                io.Int.Input(
                    "length",
                    default=81,
                    min=1,
                    max=4097,
                    tooltip="Frames wanted; made 4k + 1, downwards. Connect Apply Cast's length to take the drives' own.",
                ),
                io.Int.Input(
                    "max_length",
                    default=81,
                    min=1,
                    max=4097,
                    tooltip="The most frames; longer ones are cut. Raise it when you sample with context windows. Usual: 81.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="image"),
                io.Int.Output(display_name="width"),
                io.Int.Output(display_name="height"),
                io.Int.Output(display_name="length"),
                io.String.Output(display_name="report"),
            ],
        )

    @classmethod
    def execute(cls, image, width, height, length, max_length) -> io.NodeOutput:
        import logging

        from ..engine.wan.sizes import fit_length, fit_size
        from ..host.tensors import check_image, scale_and_crop

        check_image(image, "image")
        own = (image.shape[2], image.shape[1])
        size, frames = fit_size(*own, width * height), fit_length(length, max_length)
        report = (
            f"{own[0]} x {own[1]} became {size[0]} x {size[1]} (multiples of 16, cut evenly at the edges), "
            f"{length} frames became {frames} (4k + 1, at most {max_length})"
        )
        logging.info("Troupe: %s", report)
        return io.NodeOutput(scale_and_crop(image[:1], *size), *size, frames, report)
