"""Nodes that put clips one after the other."""

from __future__ import annotations

from comfy_api.latest import io, ui

from ..engine.video.joins import CURVES
from . import sockets
from .reports import reports


class CrossfadeClips(io.ComfyNode):
    """One clip melting into the next."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeCrossfadeClips",
            display_name="Crossfade Clips",
            category="Troupe/composite",
            description="Puts two clips one after the other with a crossfade between them.",
            inputs=[
                io.Image.Input("first", tooltip="The clip that comes first."),
                io.Image.Input("second", tooltip="The clip that follows, of the same size and frame rate."),
                io.Int.Input(
                    "frames",
                    default=12,
                    min=0,
                    max=1000,
                    tooltip="Frames of both clips that overlap; the result is that much shorter than both together. 0 is a "
                    "plain cut. Usual: 12, half a second.",
                ),
                io.Combo.Input(
                    "curve",
                    options=list(CURVES),
                    default="smooth",
                    tooltip="smooth eases in and out, linear is even. Usual: smooth.",
                ),
                sockets.fps_input("Frames per second of both clips; the sound is joined by it. Usual: 25."),
                io.Audio.Input(
                    "first_audio", optional=True, tooltip="The first clip's sound, if it has any."
                ),
                io.Audio.Input(
                    "second_audio", optional=True, tooltip="The second clip's sound, if it has any."
                ),
            ],
            outputs=[io.Image.Output(display_name="image"), io.Audio.Output(display_name="audio")],
        )

    @classmethod
    def execute(cls, first, second, frames, curve, fps, first_audio=None, second_audio=None) -> io.NodeOutput:
        from ..engine.video.composite import crossfade
        from ..engine.video.sound_joins import crossfade_sound
        from ..host.pictures import Pictures
        from ..host.progress import NodeProgress
        from ..host.sound import audio_of, to_audio
        from ..host.tensors import check_image

        check_image(first, "first")
        check_image(second, "second")
        given = {"first_audio": first_audio, "second_audio": second_audio}
        sounds = [None if sound is None else to_audio(sound, name) for name, sound in given.items()]
        mixed = crossfade(Pictures(first), Pictures(second), frames, curve, progress=NodeProgress())
        count = len(first) + len(second) - frames
        image = strung(mixed, count, first)
        sound = crossfade_sound(*sounds, (len(first) - frames) / fps, frames / fps, count / fps)
        return io.NodeOutput(image, None if sound is None else audio_of(sound))


def strung(clip, count: int, like):
    """An IMAGE of frames that come one by one, in the size of another."""
    from ..host.tensors import empty_frames, put_frame

    out, room = empty_frames(max(count, 1), *like.shape[1:3])
    for t, frame in enumerate(clip):
        put_frame(room, t, frame)
    return out


class JoinWindows(io.ComfyNode):
    """Windows of a long video, without a jump between them."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeJoinWindows",
            display_name="Join Windows",
            category="Troupe/composite",
            description="Joins two windows of a long video where they overlap: measures how far colours and place drifted "
            "and removes it. Chain one for each further window.",
            inputs=[
                io.Image.Input("first", tooltip="The video so far."),
                io.Image.Input(
                    "second", tooltip="The next window, of the same size, begun from the end of the first."
                ),
                io.Int.Input(
                    "overlap",
                    default=8,
                    min=0,
                    max=1000,
                    tooltip="Last frames of the first that are the first frames of the second. 0: it just goes on. Usual: the "
                    "number of frames the window was begun from.",
                ),
                io.Boolean.Input(
                    "match_colour",
                    default=True,
                    tooltip="Bring the second window's colours and contrast to the first's. Usual: on.",
                ),
                io.Boolean.Input(
                    "match_position",
                    default=True,
                    tooltip="Undo shift, zoom and turn between both. Off measures only. Usual: on.",
                ),
            ],
            outputs=[io.Image.Output(display_name="image"), io.String.Output(display_name="report")],
            **reports(),
        )

    @classmethod
    def execute(cls, first, second, overlap, match_colour, match_position) -> io.NodeOutput:
        from ..engine.video.composite import join_windows, measure_drift
        from ..host.pictures import Pictures
        from ..host.progress import NodeProgress
        from ..host.tensors import check_image

        check_image(first, "first")
        check_image(second, "second")
        one, other = Pictures(first), Pictures(second)
        drift = measure_drift(one, other, overlap, colour=match_colour, position=match_position)
        joined = join_windows(one, other, overlap, drift, progress=NodeProgress())
        image = strung(joined, len(first) + len(second) - overlap, first)
        return io.NodeOutput(image, drift.report(), ui=ui.PreviewText(drift.report()))
