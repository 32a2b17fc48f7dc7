"""Nodes of Champ: a picture moves like a body, whose maps guide every frame."""

from __future__ import annotations

from pathlib import PurePath

from comfy_api.latest import io

from . import sockets
from .sockets import ADVANCED

MAPS = {
    "depth": "How far each point of the body is: near is white, black where there is none.",
    "normal": "Which way the body's surface looks, as colours.",
    "semantic": "A colour for each part of the body.",
    "skeleton": "The skeleton as DWPose and OpenPose draw it.",
}
FOLDERS = ("diffusion_models", "model_patches")
MOST_WINDOW = 32  # frames that the motion modules know


def champ_models() -> list[str]:
    """Files that could be Champ's denoising net."""
    from ..host.folders import model_files

    return [name for name in model_files(*FOLDERS) if "denoising_unet" in PurePath(name).name]


class LoadChamp(io.ComfyNode):
    """All of Champ's files at once."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeLoadChamp",
            display_name="Load Champ",
            category="Troupe/champ",
            description="Loads Champ, which lets the person in a picture move like a body. Its files lie in one folder.",
            inputs=[
                io.Combo.Input(
                    "denoising_unet",
                    options=champ_models(),
                    tooltip="Champ's denoising_unet, in models/diffusion_models or model_patches. motion_module, "
                    "reference_unet and guidance_encoder files are taken from the same folder.",
                )
            ],
            outputs=[io.Model.Output(display_name="model"), sockets.Champ.Output(display_name="champ")],
        )

    @classmethod
    def execute(cls, denoising_unet) -> io.NodeOutput:
        from ..host.champ import load_champ
        from ..host.folders import model_file

        return io.NodeOutput(*load_champ(model_file(denoising_unet, *FOLDERS)))


class ChampConditioning(io.ComfyNode):
    """Picture and maps for a sampler."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeChampConditioning",
            display_name="Champ Conditioning",
            category="Troupe/champ",
            description="What Champ shall show: the picture, and maps of a body for every frame. For KSampler or Layered "
            "Guider.",
            inputs=[
                sockets.Champ.Input("champ", tooltip="From Load Champ."),
                io.Vae.Input("vae", tooltip="A VAE of Stable Diffusion 1.5. Usual: sd-vae-ft-mse."),
                io.Image.Input("image", tooltip="The picture whose person moves, one."),
                io.ClipVisionOutput.Input(
                    "clip_vision_output",
                    tooltip="The picture through CLIP Vision Encode, crop none, with the CLIP ViT-L/14 image encoder.",
                ),
                io.Int.Input(
                    "width",
                    default=0,
                    min=0,
                    max=2048,
                    step=8,
                    tooltip="Width of the video, pixels. 0 takes the width of the maps. Usual: 512.",
                ),
                io.Int.Input(
                    "height",
                    default=0,
                    min=0,
                    max=2048,
                    step=8,
                    tooltip="Height of the video, pixels. 0 takes the height of the maps. Usual: 768.",
                ),
                io.Int.Input(
                    "window",
                    default=24,
                    min=1,
                    max=MOST_WINDOW,
                    tooltip="Frames that are made together. Longer videos are made in windows. Usual: 24.",
                ),
                io.Int.Input(
                    "overlap",
                    default=4,
                    min=0,
                    max=MOST_WINDOW - 1,
                    tooltip="Frames that two windows have in common. More is smoother and slower. Usual: 4.",
                ),
                io.Combo.Input(
                    "ends",
                    options=["open", "loop"],
                    default="open",
                    tooltip="open: the last window ends with the video. loop: it goes over into the first, as in the "
                    "published code, for videos that run in a circle. Usual: open.",
                    extra_dict=ADVANCED,
                ),
                io.Combo.Input(
                    "fade",
                    options=["soft", "even"],
                    default="soft",
                    tooltip="How windows are mixed where they overlap. soft: one hands over to the next. even: the mean of "
                    "both, as in the published code. Usual: soft.",
                    extra_dict=ADVANCED,
                ),
                io.Combo.Input(
                    "fit",
                    options=["crop", "stretch"],
                    default="crop",
                    tooltip="What happens to a picture or maps of another shape than the video. crop: cut evenly. stretch: "
                    "distorted, as in the published code. Usual: crop.",
                    extra_dict=ADVANCED,
                ),
                *(
                    io.Image.Input(name, optional=True, tooltip=f"{what} A batch, one for each frame.")
                    for name, what in MAPS.items()
                ),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive"),
                io.Conditioning.Output(display_name="negative"),
                io.Latent.Output(display_name="latent"),
                io.String.Output(display_name="report"),
            ],
        )

    @classmethod
    def execute(
        cls,
        champ,
        vae,
        image,
        clip_vision_output,
        width,
        height,
        window,
        overlap,
        ends,
        fade,
        fit,
        **maps,
    ) -> io.NodeOutput:
        from ..host.champ import Plan, condition

        plan = Plan(width, height, window, overlap, ends == "loop", fade, fit)
        there = {name: maps[name] for name in MAPS if maps.get(name) is not None}
        return io.NodeOutput(*condition(champ, vae, image, clip_vision_output, there, plan))


class TrailingSigmas(io.ComfyNode):
    """The schedule of the published code."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeTrailingSigmas",
            display_name="Trailing Sigmas",
            category="Troupe/champ",
            description="The steps that Champ is published with, and its sampler, for SamplerCustomAdvanced.",
            inputs=[
                io.Int.Input("steps", default=20, min=1, max=1000, tooltip="How many steps. Usual: 20."),
            ],
            outputs=[
                io.Sigmas.Output(display_name="sigmas"),
                io.Sampler.Output(display_name="sampler"),
            ],
        )

    @classmethod
    def execute(cls, steps) -> io.NodeOutput:
        from ..engine.refnet.schedule import sigmas
        from ..host.refnet import exact_sampler

        return io.NodeOutput(sigmas(steps), exact_sampler())
