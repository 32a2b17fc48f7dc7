"""Nodes that read a drive in the form the Wan adapters want: expressions from clips, speech from sound."""

from __future__ import annotations

from comfy_api.latest import io

from . import sockets

OUTPUTS = 4
READERS = ("FantasyTalking", "Hallo")


class LoadExpressionEncoder(io.ComfyNode):
    """The network that sees an expression."""

    @classmethod
    def define_schema(cls):
        from ..host.folders import PATCH_FOLDERS, model_files

        return io.Schema(
            node_id="TroupeLoadExpressionEncoder",
            display_name="Load Expression Encoder",
            category="Troupe/wan",
            description="Loads PD-FGC, which turns a face into the expression that FantasyPortrait follows.",
            inputs=[
                io.Combo.Input(
                    "encoder",
                    options=model_files(*PATCH_FOLDERS),
                    tooltip="pd_fpg.pth, or FantasyPortrait's single safetensors file, which holds the encoder too. "
                    "From ComfyUI's models/model_patches or models/diffusion_models.",
                ),
            ],
            outputs=[sockets.Encoder.Output(display_name="encoder")],
        )

    @classmethod
    def execute(cls, encoder) -> io.NodeOutput:
        from ..host.encoders import LoadedEncoder
        from ..host.folders import PATCH_FOLDERS, model_file

        return io.NodeOutput(LoadedEncoder.of(model_file(encoder, *PATCH_FOLDERS)))


class ExtractExpression(io.ComfyNode):
    """Everybody's expression over a clip, one output for each person."""

    @classmethod
    def define_schema(cls):
        def scale(name: str, what: str) -> io.Float.Input:
            return io.Float.Input(
                name,
                default=1.0,
                min=0.0,
                max=3.0,
                step=0.05,
                tooltip=f"How much of {what} is carried over. 0 leaves it out, 1 is as seen. Usual: 1.",
            )

        return io.Schema(
            node_id="TroupeExtractExpression",
            display_name="Extract Expression",
            category="Troupe/wan",
            description="Reads the expression and head pose of each person in a clip, for faces animated by Wan.",
            inputs=[
                sockets.Encoder.Input("encoder", tooltip="From Load Expression Encoder."),
                sockets.Faces.Input("faces", tooltip="From Detect Faces on this clip."),
                io.Video.Input("video", optional=True, tooltip="The clip that drives. This or 'image'."),
                io.Image.Input("image", optional=True, tooltip="The clip as pictures. This or 'video'."),
                sockets.person_input(
                    "first_person",
                    "Whom the first output is for, counted from the left; the next ones follow. Usual: 1.",
                ),
                scale("head", "the turning of the head"),
                scale("eyes", "the gaze and the lids"),
                scale("emotion", "the feeling in the whole face"),
                scale("mouth", "the mouth"),
            ],
            outputs=[
                *(
                    sockets.Expression.Output(id=f"person_{i + 1}", display_name=f"person {i + 1}")
                    for i in range(OUTPUTS)
                ),
                io.String.Output(display_name="notes"),
                io.Audio.Output(display_name="audio"),
            ],
        )

    @classmethod
    def execute(
        cls, encoder, faces, first_person, head, eyes, emotion, mouth, video=None, image=None
    ) -> io.NodeOutput:
        from comfy_execution.graph_utils import ExecutionBlocker

        from ..engine.errors import TroupeError
        from ..host.clips import choose_clip
        from ..host.encoders import encode_persons

        clip = choose_clip(image, video, faces.fps or 25.0, needed=True)
        found = encode_persons(encoder, clip, faces, range(first_person, first_person + OUTPUTS))
        outputs, notes = [], []
        for embeds in found.values():
            if isinstance(embeds, TroupeError):
                outputs.append(ExecutionBlocker(str(embeds)))  # an error for those who use this output
            else:
                outputs.append(embeds.scaled(head, eyes, emotion, mouth))
                notes += embeds.notes
        report = "\n".join(notes) or "Every person was seen in every frame."
        return io.NodeOutput(*outputs, report, clip.audio)


class EncodeSpeech(io.ComfyNode):
    """Sound as a speech encoder hears it."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeEncodeSpeech",
            display_name="Encode Speech",
            category="Troupe/wan",
            description="Turns a recording of speech into a drive for faces animated by Wan with FantasyTalking, or by "
            "Hallo.",
            inputs=[
                io.AudioEncoder.Input(
                    "audio_encoder", tooltip="wav2vec2-base-960h, from ComfyUI's Load Audio Encoder."
                ),
                io.Audio.Input("audio", tooltip="The speech to speak along with."),
                io.Float.Input(
                    "seconds",
                    default=0.0,
                    min=0.0,
                    max=600.0,
                    step=0.01,
                    tooltip="Cuts the sound, or pads it with silence, to this length. 0 keeps it as it is.",
                ),
                # Optional and last: workflows from before there was a choice go on.
                io.Combo.Input(
                    "reader",
                    options=list(READERS),
                    default=READERS[0],
                    optional=True,
                    tooltip="Who speaks along: FantasyTalking (Apply Cast) or Hallo (Hallo Render). Each hears in its own "
                    "way. Usual: FantasyTalking.",
                ),
            ],
            outputs=[sockets.Speech.Output(display_name="speech")],
        )

    @classmethod
    def execute(cls, audio_encoder, audio, seconds, reader=READERS[0]) -> io.NodeOutput:
        from ..host.encoders import encode_audio, encode_audio_by_frames

        encode = encode_audio_by_frames if reader == "Hallo" else encode_audio
        return io.NodeOutput(encode(audio_encoder, audio, seconds or None))
