"""Nodes for the finished clip: its look, and whether everything in it runs at one speed."""

from __future__ import annotations

from comfy_api.latest import io, ui

from ..engine.video.looks import LOOKS, MAX_STRENGTH
from . import sockets


class Look(io.ComfyNode):
    """A finished picture or clip with another look."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeLook",
            display_name="Look",
            category="Troupe/composite",
            description="Gives a picture or clip a look: sharper, with more contrast, or as photograph, anime or cartoon. "
            "No model is needed.",
            inputs=[
                io.Image.Input("image", tooltip="The picture or frames."),
                io.Combo.Input(
                    "look",
                    options=list(LOOKS),
                    default="sharpen",
                    tooltip="sharpen and contrast work on lightness; realistic brings texture and calm colours; anime smooth "
                    "shading and thin lines; cartoon flat colours and bold lines.",
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=MAX_STRENGTH,
                    step=0.05,
                    tooltip="0 changes nothing, 1 is the look, more exaggerates. Usual: 1.",
                ),
            ],
            outputs=[io.Image.Output(display_name="image")],
        )

    @classmethod
    def execute(cls, image, look, strength) -> io.NodeOutput:
        from ..engine.video.looks import apply_look
        from ..host.pictures import Pictures
        from ..host.progress import NodeProgress
        from ..host.tensors import check_image, empty_frames, put_frame

        check_image(image, "image")
        if strength == 0:
            return io.NodeOutput(image)
        progress = NodeProgress()
        out, room = empty_frames(*image.shape[:3])
        for t, frame in enumerate(Pictures(image)):
            put_frame(room, t, apply_look(frame, look, strength))
            progress(t + 1, len(image))
        return io.NodeOutput(out)


class SyncCheck(io.ComfyNode):
    """Frame rates and lengths side by side, with warnings where they do not fit."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeSyncCheck",
            display_name="Sync Check",
            category="Troupe/composite",
            description="Names the frame rates and lengths of drive, model and output, and warns where they differ.",
            inputs=[
                io.Video.Input("video", optional=True, tooltip="The clip that drives."),
                io.Audio.Input(
                    "audio", optional=True, tooltip="The sound that drives, or that the video gets."
                ),
                io.MultiType.Input(
                    "drive",
                    types=[sockets.Motion, sockets.Expression, sockets.Speech],
                    optional=True,
                    tooltip="A motion, expression or speech.",
                ),
                io.Image.Input("image", optional=True, tooltip="The frames that came out."),
                io.Video.Input(
                    "result",
                    optional=True,
                    tooltip="The finished video, which brings its own rate. In the place of 'image' or beside it.",
                ),
                sockets.fps_input("Frames per second at which 'image' is shown. Usual: 25."),
                io.Float.Input(
                    "model_fps",
                    default=0.0,
                    min=0.0,
                    max=120.0,
                    step=0.01,
                    tooltip="Frames per second that the model makes: 16 for Wan 2.1, 25 for FantasyPortrait and most talking "
                    "heads. Usual: 0, no model.",
                ),
            ],
            outputs=[io.String.Output(display_name="report"), io.Boolean.Output(display_name="in_sync")],
            is_output_node=True,
        )

    @classmethod
    def execute(
        cls, fps, model_fps, video=None, audio=None, drive=None, image=None, result=None
    ) -> io.NodeOutput:
        from ..engine.video.sync import sync_report
        from ..host.sync import sync_parts

        lines, warnings = sync_report(sync_parts(video, audio, drive, image, fps, result), model_fps)
        told = [f"WARNING: {w}" for w in warnings] or ["in step: rates and lengths fit together"]
        text = "\n".join([*lines, *told])
        return io.NodeOutput(text, not warnings, ui=ui.PreviewText(text))
