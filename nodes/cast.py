"""Nodes that give each face its drive and render the cast."""

from __future__ import annotations

from comfy_api.latest import InputImpl, Types, io

from ..engine.cast import REGIONS
from . import sockets
from .sockets import ADVANCED

RESTS = ("auto", "relative", "keep")


def frame_count(seconds: float, fps: float, drives: list[float], audio: dict | None) -> int:
    """How many frames to render: what was asked for, else as long as the sound, else as long as the longest drive."""
    if not seconds and audio is not None:
        seconds = audio["waveform"].shape[-1] / audio["sample_rate"]
    return max(1, round((seconds or max(drives)) * fps))


class AssignRole(io.ComfyNode):
    """A face and its drive, added to a cast."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeAssignRole",
            display_name="Assign Role",
            category="Troupe/cast",
            description="Says which face of the picture is driven by what. Chain one for each face.",
            inputs=[
                sockets.person_input(
                    "face", "Which face of the picture, counted from the left. 1 is the leftmost."
                ),
                io.MultiType.Input(
                    "drive",
                    types=[sockets.Motion, sockets.Expression, sockets.Speech, sockets.Body],
                    tooltip="What this face plays: a motion (any renderer), an expression (Wan), speech (Wan, Hallo) or a "
                    "body motion (Body Maps).",
                ),
                io.Combo.Input(
                    "region",
                    options=[r for r in REGIONS if r != "body"],
                    default="full",
                    tooltip="What the drive may change: the face, lips or eyes alone, the head with its turning, or all. "
                    "Usual: full.",
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=3.0,
                    step=0.05,
                    tooltip="0 holds the face still, 1 plays the drive as it is, more exaggerates. Usual: 1.",
                ),
                io.Combo.Input(
                    "rest",
                    options=list(RESTS),
                    default="auto",
                    tooltip="How the drive meets the expression in the picture. auto: a grin gives way as the drive "
                    "becomes active. relative: the drive's first frame is the picture as it is. keep: the drive is "
                    "added on top. Usual: auto.",
                    extra_dict=ADVANCED,
                ),
                sockets.Cast.Input(
                    "cast",
                    optional=True,
                    tooltip="The roles so far, from another Assign Role. Leave open for the first.",
                ),
            ],
            outputs=[sockets.Cast.Output(display_name="cast")],
        )

    @classmethod
    def execute(cls, face, drive, region, strength, rest, cast=None) -> io.NodeOutput:
        from ..engine.cast import Cast, Role

        role = Role(face, drive, region=region, strength=strength, rest=rest)
        return io.NodeOutput((cast or Cast()).plus(role))


class WarpRender(io.ComfyNode):
    """The picture acts: warped frame by frame, without a diffusion model."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeWarpRender",
            display_name="Warp Render",
            category="Troupe/render",
            description="Animates the faces of one picture by warping it. Runs on any machine, no GPU and no model.",
            inputs=[
                io.Image.Input("image", tooltip="The picture to animate, one."),
                sockets.Cast.Input("cast", tooltip="Who plays what, from Assign Role."),
                sockets.fps_input(
                    "Frames per second of the result. Drives keep their own timing. Usual: 25."
                ),
                io.Float.Input(
                    "seconds",
                    default=0.0,
                    min=0.0,
                    max=600.0,
                    step=0.1,
                    tooltip="Length of the result. 0 takes the length of the audio, or without audio of the longest drive; "
                    "shorter drives hold their last frame.",
                ),
                sockets.Faces.Input(
                    "faces",
                    optional=True,
                    tooltip="From Detect Faces on this picture. Left open, they are found here.",
                ),
                io.Audio.Input(
                    "audio",
                    optional=True,
                    tooltip="Sound for the video. It sets the length unless 'seconds' does.",
                ),
            ],
            outputs=[io.Image.Output(display_name="frames"), io.Video.Output(display_name="video")],
            is_output_node=True,  # it shows what it made
        )

    @classmethod
    def execute(cls, image, cast, fps, seconds, faces=None, audio=None) -> io.NodeOutput:
        from ..engine.render.warp import render_cast
        from ..host.clips import clip_of_image, preview_of, same_frames
        from ..host.detect import detect
        from ..host.progress import NodeProgress
        from ..host.showing import SmallVideo, motion_ui
        from ..host.sound import to_audio
        from ..host.tensors import empty_frames, put_frame, rate, single

        picture = single(image, "image")
        if faces is None:
            faces = detect(clip_of_image(image, fps))
        same_frames(image, faces)
        count = frame_count(seconds, fps, [role.drive.duration for role in cast], audio)
        frames, room = empty_frames(count, *picture.shape[:2])
        progress = NodeProgress()
        sound = None if audio is None else to_audio(audio)
        with SmallVideo(*picture.shape[:2], rate(fps), sound) as small:
            for t, frame in enumerate(render_cast(picture, faces, cast, fps, count)):
                put_frame(room, t, frame)
                small.add(frame)
                if progress.due():
                    progress.show(preview_of(frame))
                progress(t + 1, count)
        video = Types.VideoComponents(images=room, audio=audio, frame_rate=rate(fps))
        motions = [motion_ui(role.drive, f"face {role.face}") for role in cast]
        shown = {"troupe_video": [small.ui()], "troupe_motion": motions}
        return io.NodeOutput(frames, InputImpl.VideoFromComponents(video), ui=shown)
