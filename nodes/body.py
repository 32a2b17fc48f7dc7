"""Nodes of bodies: models, motions, and the maps that guide Champ."""

from __future__ import annotations

from comfy_api.latest import io

from . import sockets

MOST_FRAMES = 100_000


class LoadBodyModel(io.ComfyNode):
    """Who moves."""

    @classmethod
    def define_schema(cls):
        from ..host.body import body_models

        return io.Schema(
            node_id="TroupeLoadBodyModel",
            display_name="Load Body Model",
            category="Troupe/body",
            description="Loads an SMPL body. The stand-in figure comes with the pack and needs no licence.",
            inputs=[
                io.Combo.Input(
                    "body_model",
                    options=body_models(),
                    tooltip="An SMPL file (npz, or the official pkl, which is read without running it) in models/smpl, or "
                    "the stand-in figure.",
                )
            ],
            outputs=[sockets.BodyModel.Output(display_name="body_model")],
        )

    @classmethod
    def execute(cls, body_model) -> io.NodeOutput:
        from ..host.body import load_body_model

        return io.NodeOutput(load_body_model(body_model))


class LoadBodyMotion(io.ComfyNode):
    """How a body moves."""

    @classmethod
    def define_schema(cls):
        from ..host.body import body_motions

        return io.Schema(
            node_id="TroupeLoadBodyMotion",
            display_name="Load Body Motion",
            category="Troupe/body",
            description="Reads how a body moves: results of 4D-Humans, AMASS or AIST++ files, or the body of a picture.",
            inputs=[
                io.Combo.Input(
                    "file",
                    options=body_motions(),
                    tooltip="An .npz, .npy or .pkl file in ComfyUI's input folder, or a folder there with the .npy files of "
                    "4D-Humans. Press R after adding files.",
                ),
                sockets.fps_input(
                    "Frames per second of files that do not say theirs (4D-Humans): that of the clip. Usual: 30.",
                    default=30.0,
                ),
                sockets.person_input(
                    "person", "Which person, where 4D-Humans saw several in a frame. Usual: 1."
                ),
                io.Int.Input(
                    "first",
                    default=1,
                    min=1,
                    max=MOST_FRAMES,
                    tooltip="The first frame that is taken, counted from 1. Usual: 1.",
                ),
                io.Int.Input(
                    "frames",
                    default=0,
                    min=0,
                    max=MOST_FRAMES,
                    tooltip="How many frames are taken. 0 takes all. Usual: 0.",
                ),
            ],
            outputs=[
                sockets.Body.Output(display_name="motion"),
                io.Float.Output(display_name="seconds"),
                io.Float.Output(display_name="fps"),
            ],
        )

    @classmethod
    def validate_inputs(cls, file):
        from ..host.body import motion_path

        return sockets.valid(lambda: motion_path(file)) if file is not None else True

    @classmethod
    def fingerprint_inputs(cls, file, **_):
        from ..host.body import fingerprint, motion_path

        return fingerprint(motion_path(file))

    @classmethod
    def execute(cls, file, fps, person, first, frames) -> io.NodeOutput:
        from ..host.body import load_motion, motion_path

        motion = load_motion(motion_path(file), fps, person, first, frames)
        return io.NodeOutput(motion, motion.duration, motion.fps)


class BodyMove(io.ComfyNode):
    """A movement by formula."""

    @classmethod
    def define_schema(cls):
        from ..engine.body.moves import MOVES

        return io.Schema(
            node_id="TroupeBodyMove",
            display_name="Body Move",
            category="Troupe/body",
            description="Makes a simple body motion without any recording, to try things: sway, wave, walk or turn.",
            inputs=[
                io.Combo.Input(
                    "move",
                    options=list(MOVES),
                    tooltip="What the body does. sway: from foot to foot. wave: one hand. walk: on the spot. turn: once about.",
                ),
                io.Float.Input(
                    "seconds",
                    default=3.0,
                    min=0.1,
                    max=600.0,
                    step=0.1,
                    tooltip="How long. Usual: 3.",
                ),
                sockets.fps_input("Frames per second. Usual: 25."),
            ],
            outputs=[sockets.Body.Output(display_name="motion")],
        )

    @classmethod
    def execute(cls, move, seconds, fps) -> io.NodeOutput:
        from ..engine.body.moves import body_move

        return io.NodeOutput(body_move(move, seconds, fps))


class BodyMaps(io.ComfyNode):
    """Guidance maps of a moving body, over a picture."""

    @classmethod
    def define_schema(cls):
        from ..host.body import ALIGNS

        return io.Schema(
            node_id="TroupeBodyMaps",
            display_name="Body Maps",
            category="Troupe/body",
            description="Renders a body motion as depth, normals, body parts and skeleton, placed over a picture: what "
            "Champ and ControlNet models read.",
            inputs=[
                io.MultiType.Input(
                    "motion",
                    types=[sockets.Body, sockets.Cast],
                    tooltip="From Load Body Motion or Body Move, or a cast whose roles are driven by body motions.",
                ),
                io.Combo.Input(
                    "align",
                    options=list(ALIGNS),
                    default="auto",
                    tooltip="Where the body stands. reference: where the picture's body stands. face: its eyes at the "
                    "face's. clip: where it stood in its own clip. whole: seen whole. auto: the first of these that is "
                    "known. Usual: auto.",
                ),
                sockets.person_input(
                    "face", "Which face of the picture the body has, from the left. Usual: 1."
                ),
                io.Float.Input(
                    "travel",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="How much the body moves about in the picture. 1: as measured, 0: it stays in its place. Usual: 1.",
                ),
                io.Int.Input(
                    "smooth",
                    default=1,
                    min=0,
                    max=100,
                    tooltip="How often the motion is smoothed; measured ones tremble. 0: not at all. Usual: 1.",
                ),
                io.Float.Input(
                    "fps",
                    default=0.0,
                    min=0.0,
                    max=120.0,
                    step=0.01,
                    tooltip="Frames per second of the maps. 0 takes the motion's own. Usual: 0.",
                ),
                io.Int.Input(
                    "length",
                    default=0,
                    min=0,
                    max=MOST_FRAMES,
                    tooltip="How many frames at most. 0: the whole motion. Usual: 0.",
                ),
                io.Int.Input(
                    "width",
                    default=0,
                    min=0,
                    max=4096,
                    step=8,
                    tooltip="Width of the maps, pixels. 0 takes the picture's, in steps of 8. Usual: 512.",
                ),
                io.Int.Input(
                    "height",
                    default=0,
                    min=0,
                    max=4096,
                    step=8,
                    tooltip="Height of the maps, pixels. 0 takes the picture's, in steps of 8. Usual: 768.",
                ),
                sockets.BodyModel.Input(
                    "body_model",
                    optional=True,
                    tooltip="From Load Body Model. Left open, the stand-in figure moves.",
                ),
                io.Image.Input(
                    "image", optional=True, tooltip="The picture that the maps lie over; it gives their size."
                ),
                sockets.Faces.Input(
                    "faces",
                    optional=True,
                    tooltip="From Detect Faces on the picture, to place the body by a face.",
                ),
                sockets.Body.Input(
                    "reference",
                    optional=True,
                    tooltip="The picture's own body, measured by 4D-Humans: its shape and place are taken over.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="depth"),
                io.Image.Output(display_name="normal"),
                io.Image.Output(display_name="semantic"),
                io.Image.Output(display_name="skeleton"),
                io.Mask.Output(display_name="mask"),
                io.Float.Output(display_name="fps"),
                io.String.Output(display_name="report"),
            ],
            is_output_node=True,  # it shows what it rendered
        )

    @classmethod
    def execute(
        cls,
        motion,
        align,
        face,
        travel,
        smooth,
        fps,
        length,
        width,
        height,
        body_model=None,
        image=None,
        faces=None,
        reference=None,
    ) -> io.NodeOutput:
        import logging

        from ..engine.body.figure import stand_in
        from ..host import body as host
        from ..host.progress import NodeProgress
        from ..host.showing import SmallVideo
        from ..host.tensors import check_image, rate, scale_and_crop, to_uint8

        if image is not None:
            check_image(image, "image")
        model = body_model or stand_in()
        players = host.bodies_of(motion, face)
        setting = host.Setting(align, travel, smooth, fps, length, width, height)
        own = None if image is None else (image.shape[2], image.shape[1])
        motions, where = host.placed(players, model, setting, own, faces, reference)
        motion = motions[0]
        width, height, count = motion.camera.width, motion.camera.height, len(motion)
        room = host.MapRoom(count, height, width)
        picture = None if image is None else to_uint8(scale_and_crop(image[:1], width, height))[0]
        progress = NodeProgress()
        with SmallVideo(height, width, rate(motion.fps)) as small:

            def show(t, maps):
                frame = host.overlay(maps, picture)
                small.add(frame)
                if progress.due():
                    progress.show(frame)
                progress(t + 1, count)

            host.render(motions, model, room, show)
        who = model.name if len(motions) == 1 else f"{len(motions)} times {model.name}"
        report = f"{count} frames at {motion.fps:g} fps, {width} x {height}, {who}: {where}"
        logging.info("Troupe: %s", report)
        return io.NodeOutput(
            *room.images.values(), room.mask, motion.fps, report, ui={"troupe_video": [small.ui()]}
        )
