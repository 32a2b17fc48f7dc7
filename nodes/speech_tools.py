"""Nodes around speech: a motion sent to other programs, and judged."""

from __future__ import annotations

from comfy_api.latest import io, ui

from . import sockets


class ExportLiveLink(io.ComfyNode):
    """A motion to a program that listens, in real time."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeExportLiveLink",
            display_name="Export Live Link",
            category="Troupe/motion",
            description="Plays a motion to Unreal, Blender or whatever listens to Live Link Face, in real time over the "
            "network. For a file use Save Motion.",
            inputs=[
                sockets.Motion.Input("motion", tooltip="The motion to play."),
                io.String.Input(
                    "address",
                    default="udp://127.0.0.1:11111",
                    tooltip="Where it goes: udp://host:port. Nothing is sent anywhere else. Usual: udp://127.0.0.1:11111, "
                    "this computer.",
                ),
                io.String.Input(
                    "subject",
                    default="Troupe",
                    tooltip="The name under which the other program lists this face.",
                ),
                sockets.fps_input("Frames per second that are sent. Usual: 60.", default=60.0),
            ],
            outputs=[],
            is_output_node=True,
        )

    @classmethod
    def validate_inputs(cls, address, subject):
        from ..engine.motion.live_link_udp import check_subject, parse_address

        def check() -> None:
            if address is not None:
                parse_address(address)
            if subject is not None:
                check_subject(subject)

        return sockets.valid(check)

    @classmethod
    def fingerprint_inputs(cls, **_):
        return float("nan")  # it is sent anew with every run

    @classmethod
    def execute(cls, motion, address, subject, fps) -> io.NodeOutput:
        from ..engine.motion.live_link_udp import play
        from ..host.progress import NodeProgress

        sent = play(motion, address, subject, fps, progress=NodeProgress())
        return io.NodeOutput(
            ui=ui.PreviewText(f"{sent} frames to {address} as '{subject}', {motion.duration:.2f} s")
        )


class MeasureMotion(io.ComfyNode):
    """How well a mouth follows speech."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeMeasureMotion",
            display_name="Measure Motion",
            category="Troupe/speech",
            description="Compares a motion with its sound, or with another motion of the same sound: lag, closed lips, "
            "silence, smoothness.",
            inputs=[
                sockets.Motion.Input("motion", tooltip="The motion to judge."),
                io.Audio.Input("audio", optional=True, tooltip="The sound it should follow."),
                sockets.Motion.Input(
                    "reference", optional=True, tooltip="A motion of the same sound to compare with."
                ),
            ],
            outputs=[io.String.Output(display_name="report")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, motion, audio=None, reference=None) -> io.NodeOutput:
        from ..engine.errors import TroupeError
        from ..engine.metrics.speech import compare, compare_sound, report
        from ..engine.speech.animate import listened
        from ..host.sound import to_audio

        if audio is None and reference is None:
            raise TroupeError(
                "Nothing to compare the motion with",
                "'audio' and 'reference' are open",
                "Connect one of them",
            )
        lines = []
        if audio is not None:
            sound = to_audio(audio)
            lines += [
                "against the sound",
                *report(compare_sound(motion, listened(sound.samples, sound.rate)[0])),
            ]
        if reference is not None:
            lines += ["against the other motion", *report(compare(motion, reference))]
        text = "\n".join(lines)
        return io.NodeOutput(text, ui=ui.PreviewText(text))
