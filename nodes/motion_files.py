"""Nodes that read, write and draw motions."""

from __future__ import annotations

from comfy_api.latest import io, ui

from ..host import folders
from . import sockets

SUFFIXES = (".csv", ".json", ".npz")
# The drawn face that shows a motion: pixels, frames a second at most, seconds at most.
SKETCH, SKETCH_FPS, SKETCH_SECONDS = 224, 25.0, 60.0


class LoadMotion(io.ComfyNode):
    """A motion from a file."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeLoadMotion",
            display_name="Load Motion",
            category="Troupe/motion",
            description="Reads a face motion: a Live Link Face recording (CSV), or one saved by Troupe (CSV, JSON, NPZ).",
            inputs=[
                io.Combo.Input(
                    "file",
                    options=folders.motion_files(SUFFIXES),
                    tooltip="A .csv, .json or .npz file in ComfyUI's input folder, or one that Save Motion wrote. "
                    "Press R after adding files.",
                ),
            ],
            outputs=[sockets.Motion.Output(display_name="motion"), io.Float.Output(display_name="seconds")],
        )

    @classmethod
    def validate_inputs(cls, file):
        return sockets.valid(lambda: folders.input_file(file, SUFFIXES)) if file is not None else True

    @classmethod
    def fingerprint_inputs(cls, file):
        path = folders.input_file(file, SUFFIXES).stat()
        return f"{path.st_mtime_ns} {path.st_size}"

    @classmethod
    def execute(cls, file) -> io.NodeOutput:
        from ..engine.motion.files import load_motion

        motion = load_motion(folders.input_file(file, SUFFIXES))
        return io.NodeOutput(motion, motion.duration)


class SaveMotion(io.ComfyNode):
    """A motion to a file."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeSaveMotion",
            display_name="Save Motion",
            category="Troupe/motion",
            description="Writes a motion into ComfyUI's output folder, for Load Motion, Blender, Unreal or an editor.",
            inputs=[
                sockets.Motion.Input("motion", tooltip="The motion to write."),
                io.String.Input(
                    "filename_prefix",
                    default=f"{folders.MOTION_FOLDER}/Troupe",
                    tooltip="Name within the output folder, a number is added. Files in motion/ appear in Load Motion.",
                ),
                io.Combo.Input(
                    "format",
                    options=[suffix[1:] for suffix in SUFFIXES],
                    default="csv",
                    tooltip="csv: as Live Link Face writes it, for other programs. json: readable. npz: exact and small. "
                    "Usual: csv.",
                ),
            ],
            outputs=[],
            is_output_node=True,
        )

    @classmethod
    def validate_inputs(cls, filename_prefix):
        return (
            sockets.valid(lambda: folders.check_prefix(filename_prefix))
            if filename_prefix is not None
            else True
        )

    @classmethod
    def execute(cls, motion, filename_prefix, format) -> io.NodeOutput:
        from ..engine.motion.files import save_motion

        path, subfolder = folders.output_file(filename_prefix, f".{format}")
        save_motion(motion, path)
        saved = "/".join(filter(None, (subfolder.replace("\\", "/"), path.name)))
        return io.NodeOutput(ui=ui.PreviewText(f"{saved}\n{len(motion)} frames, {motion.duration:.2f} s"))


class PlotMotion(io.ComfyNode):
    """A motion as curves over time."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupePlotMotion",
            display_name="Plot Motion",
            category="Troupe/motion",
            description="Draws what moves when: the strongest expressions and the head, over time, and plays them on a drawn face.",
            inputs=[
                sockets.Motion.Input("motion", tooltip="The motion to draw."),
                io.Int.Input(
                    "width",
                    default=960,
                    min=320,
                    max=4096,
                    tooltip="Width of the picture, pixels. Usual: 960.",
                ),
                io.Int.Input(
                    "height",
                    default=540,
                    min=240,
                    max=4096,
                    tooltip="Height of the picture, pixels. Usual: 540.",
                ),
            ],
            outputs=[io.Image.Output(display_name="image")],
            is_output_node=True,  # it shows what it drew
        )

    @classmethod
    def execute(cls, motion, width, height) -> io.NodeOutput:
        from ..engine.motion.edit import trim
        from ..engine.motion.plot import plot_motion
        from ..engine.motion.sketch import sketch
        from ..host.progress import NodeProgress
        from ..host.showing import SmallVideo, motion_ui
        from ..host.tensors import rate, to_image

        image = to_image(plot_motion(motion, width=width, height=height))
        progress = NodeProgress()
        fps = min(motion.fps, SKETCH_FPS)
        played = trim(motion, end=min(motion.duration, SKETCH_SECONDS)).resample(fps)
        with SmallVideo(SKETCH, SKETCH, rate(fps)) as small:
            for i, frame in enumerate(sketch(played, SKETCH), 1):
                small.add(frame)
                progress(i, len(played))
        shown = {"troupe_video": [small.ui()], "troupe_motion": [motion_ui(motion, "motion")]}
        return io.NodeOutput(image, ui=shown)
