"""The pack's own picture, clip and speech, so that the first workflows need no files."""

from __future__ import annotations

from pathlib import Path

from comfy_api.latest import InputImpl, io

ASSETS = Path(__file__).resolve().parent.parent / "assets"
PICTURES = (".png", ".jpg")
CLIPS = (".mp4",)
SOUNDS = (".wav",)
NO_PICTURE = ("icon", "readme")


def bundled(suffixes: tuple[str, ...]) -> list[str]:
    """Names of the bundled files of a kind."""
    return sorted(
        f.name for f in ASSETS.iterdir() if f.suffix in suffixes and not f.stem.startswith(NO_PICTURE)
    )


class ExampleMedia(io.ComfyNode):
    """A bundled picture and a bundled clip."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeExampleMedia",
            display_name="Example Picture and Clip",
            category="Troupe",
            description="A picture and a clip that come with Troupe, to try things. Replace by Load Image and Load Video.",
            inputs=[
                io.Combo.Input(
                    "picture", options=bundled(PICTURES), tooltip="The picture that 'image' gives out."
                ),
                io.Combo.Input("clip", options=bundled(CLIPS), tooltip="The clip that 'video' gives out."),
            ],
            outputs=[io.Image.Output(display_name="image"), io.Video.Output(display_name="video")],
        )

    @classmethod
    def execute(cls, picture, clip) -> io.NodeOutput:
        import numpy as np
        from PIL import Image

        from ..host.folders import resolve
        from ..host.tensors import to_image

        pixels = np.asarray(Image.open(resolve(ASSETS, picture)).convert("RGB"))
        return io.NodeOutput(to_image(pixels), InputImpl.VideoFromFile(str(resolve(ASSETS, clip))))


class ExampleSpeech(io.ComfyNode):
    """A bundled recording."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeExampleSpeech",
            display_name="Example Speech",
            category="Troupe",
            description="A spoken sentence that comes with Troupe, to try things. Replace by Load Audio.",
            inputs=[
                io.Combo.Input("speech", options=bundled(SOUNDS), tooltip="The recording that is given out."),
            ],
            outputs=[io.Audio.Output(display_name="audio")],
        )

    @classmethod
    def execute(cls, speech) -> io.NodeOutput:
        from ..engine.video import read_audio
        from ..host.folders import resolve
        from ..host.sound import audio_of

        return io.NodeOutput(audio_of(read_audio(resolve(ASSETS, speech))))
