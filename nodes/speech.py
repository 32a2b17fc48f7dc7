"""Nodes that make faces speak: from a recording, with its text, an emotion and a persona."""

from __future__ import annotations

from comfy_api.latest import io, ui

from ..engine.speech.conditions import EMOTIONS
from ..engine.speech.persona import PERSONAS, RANGES
from ..engine.speech.phones import LANGUAGES, language_of
from . import sockets
from .reports import reports

MAX_SECONDS = 3600.0


def language_input() -> io.Combo.Input:
    return io.Combo.Input(
        "language",
        options=list(LANGUAGES),
        default="english",
        tooltip="Of the text; the sound itself may be in any language. Usual: english.",
    )


def _readable(text: str | None, language: str | None) -> bool | str:
    """Whether the tags of a text are right and its language is known; what comes over a link is None."""
    from ..engine.speech.script import parse_script

    def check() -> None:
        if language is not None:
            language_of(language)
        if text is not None:
            parse_script(text)

    return sockets.valid(check)


class MotionFromSpeech(io.ComfyNode):
    """A face that speaks what is heard."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeMotionFromSpeech",
            display_name="Motion from Speech",
            category="Troupe/speech",
            description="Makes a face speak along with a recording, with an emotion and a persona. Needs no GPU and no "
            "download.",
            inputs=[
                io.Audio.Input("audio", tooltip="The recording: one voice, without music."),
                io.Combo.Input(
                    "emotion",
                    options=list(EMOTIONS),
                    default="neutral",
                    tooltip="How the speaker feels. For emotions that change connect Emotion Track. Usual: neutral.",
                ),
                io.Float.Input(
                    "intensity",
                    default=0.6,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="How strongly the emotion shows. Usual: 0.6.",
                ),
                io.Combo.Input(
                    "persona",
                    options=list(PERSONAS),
                    default="neutral",
                    tooltip="How the speaker is: articulation, smile, blinks, head. For your own connect Persona. "
                    "Usual: neutral.",
                ),
                io.String.Input(
                    "text",
                    default="",
                    multiline=True,
                    tooltip="What is said, if you have it: makes noisy recordings clearer. May hold tags such as "
                    "[happy 0.7] ... [/happy] and [nod]. Needs espeak-ng. Usual: empty.",
                ),
                language_input(),
                sockets.fps_input("Frames per second of the motion. Usual: 30.", default=30.0),
                io.Float.Input(
                    "start",
                    default=0.0,
                    min=0.0,
                    max=MAX_SECONDS,
                    step=0.05,
                    tooltip="Seconds before the recording begins; the face listens until then. Usual: 0.",
                ),
                io.Float.Input(
                    "seconds",
                    default=0.0,
                    min=0.0,
                    max=MAX_SECONDS,
                    step=0.05,
                    tooltip="Length of the whole: after its words the face listens. 0 ends with the recording. Usual: 0.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFF,
                    control_after_generate=False,
                    tooltip="Which blinks, glances and nods. Give two people different ones.",
                ),
                sockets.Emotion.Input(
                    "emotion_track", optional=True, tooltip="In the place of 'emotion': emotions that change."
                ),
                sockets.Persona.Input(
                    "own_persona", optional=True, tooltip="In the place of 'persona': one of your own."
                ),
            ],
            outputs=[
                sockets.Motion.Output(display_name="motion"),
                io.Audio.Output(display_name="audio"),
                io.String.Output(display_name="report"),
            ],
        )

    @classmethod
    def validate_inputs(cls, text, language):
        return _readable(text if text and text.strip() else None, language)

    @classmethod
    def execute(
        cls,
        audio,
        emotion,
        intensity,
        persona,
        text,
        language,
        fps,
        start,
        seconds,
        seed,
        emotion_track=None,
        own_persona=None,
    ) -> io.NodeOutput:
        from ..engine.drive_speech import Recording, Voice, few_channels, placed, spoken
        from ..engine.speech.emotion import EmotionTrack
        from ..host.progress import NodeProgress
        from ..host.sound import audio_of, to_audio

        if emotion_track is None and emotion != "neutral":
            emotion_track = EmotionTrack.constant({emotion: intensity})
        voice = Voice(
            text=text.strip() or None,
            language=language,
            emotion=emotion_track,
            persona=own_persona or persona,
            seed=seed,
        )
        recording = Recording(to_audio(audio), start)
        if seconds:
            recording = recording.until(seconds, "The recording")
        motion, notes = spoken(recording, voice, fps, seconds or recording.seconds, progress=NodeProgress())
        heard = audio_of(few_channels(placed(recording, motion.duration)))
        return io.NodeOutput(motion, heard, "\n".join(notes) or "Nothing to remark.")


class EmotionTrack(io.ComfyNode):
    """Emotions over time."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeEmotionTrack",
            display_name="Emotion Track",
            category="Troupe/speech",
            description="Writes down what a speaker feels when.",
            inputs=[
                io.String.Input(
                    "emotions",
                    default="happy:0.6@0-2; surprised:0.5@2-3.5; neutral@3.5-",
                    multiline=True,
                    tooltip="One or several of name:weight@start-end, parted by ';' or lines; '+' mixes. Names: "
                    + ", ".join(EMOTIONS)
                    + ".",
                ),
            ],
            outputs=[sockets.Emotion.Output(display_name="emotion_track")],
        )

    @classmethod
    def validate_inputs(cls, emotions):
        from ..engine.speech.emotion import EmotionTrack as Track

        return sockets.valid(lambda: Track.parse(emotions)) if emotions is not None else True

    @classmethod
    def execute(cls, emotions) -> io.NodeOutput:
        from ..engine.speech.emotion import EmotionTrack as Track

        return io.NodeOutput(Track.parse(emotions))


class Persona(io.ComfyNode):
    """A way of speaking."""

    @classmethod
    def define_schema(cls):
        from ..engine.speech.persona import Persona as Plain

        plain, what = (
            Plain(),
            {
                "articulation": "How far jaw and lips move. Lips still close where they must.",
                "range": "How strongly emotions and brows show.",
                "smile": "A smile underneath everything.",
                "asymmetry": "Above 0 the left side of the face moves more, below 0 the right.",
                "blink_rate": "Blinks a minute.",
                "brow_rate": "Raised brows per minute of speech.",
                "head": "How much the head moves.",
                "gaze": "How much the eyes wander.",
            },
        )
        return io.Schema(
            node_id="TroupePersona",
            display_name="Persona",
            category="Troupe/speech",
            description="How somebody speaks, apart from what is felt. Starts from a persona of the pack or from text.",
            inputs=[
                *(
                    io.Float.Input(
                        name,
                        default=getattr(plain, name),
                        min=low,
                        max=high,
                        step=0.05 if high <= 2 else 1.0,
                        tooltip=f"{what[name]} Usual: {getattr(plain, name):g}.",
                    )
                    for name, (low, high) in RANGES.items()
                ),
                io.String.Input(
                    "yaml",
                    default="",
                    multiline=True,
                    tooltip="A persona as YAML or JSON ('smile: 0.3' and so on, one a line). Its entries rule over the "
                    "numbers above. Usual: empty.",
                ),
            ],
            outputs=[sockets.Persona.Output(display_name="persona")],
        )

    @classmethod
    def validate_inputs(cls, yaml):
        from ..engine.speech.persona import parse_persona

        return sockets.valid(lambda: parse_persona(yaml)) if yaml and yaml.strip() else True

    @classmethod
    def execute(cls, yaml, **numbers) -> io.NodeOutput:
        from ..engine.speech.persona import parse_persona, persona_from

        written = parse_persona(yaml) if yaml.strip() else {}
        return io.NodeOutput(persona_from({**numbers, **written}))


class AlignText(io.ComfyNode):
    """When each word is said."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeAlignText",
            display_name="Align Text",
            category="Troupe/speech",
            description="Finds when each word of a text is said in a recording, and says where the two differ.",
            inputs=[
                io.Audio.Input("audio", tooltip="The recording."),
                io.String.Input(
                    "text",
                    default="",
                    multiline=True,
                    tooltip="What is said, with or without tags such as [happy 0.7] ... [/happy] and [nod]. Needs espeak-ng.",
                ),
                language_input(),
            ],
            outputs=[
                io.String.Output(display_name="words"),
                io.String.Output(display_name="subtitles"),
                io.String.Output(display_name="report"),
                sockets.Emotion.Output(display_name="emotion_track"),
            ],
            **reports(),
        )

    @classmethod
    def validate_inputs(cls, text, language):
        return _readable(text, language)

    @classmethod
    def execute(cls, audio, text, language) -> io.NodeOutput:
        from ..engine.speech.align import align
        from ..engine.speech.animate import listened
        from ..engine.speech.emotion import EmotionTrack as Track
        from ..engine.speech.features import RATE
        from ..engine.speech.place import place
        from ..engine.speech.script import parse_script
        from ..engine.speech.subtitles import subtitles, words_json
        from ..host.progress import NodeProgress
        from ..host.sound import to_audio

        sound, script = to_audio(audio), parse_script(text)
        heard, remarks = listened(sound.samples, sound.rate)
        alignment = align(heard, RATE, script.text, language, progress=NodeProgress())
        tags = place(script, alignment)
        notes = [
            f"{alignment.share_said:.0%} of the words are said.",
            *remarks,
            *map(str, alignment.mismatches),
            *tags.notes,
        ]
        report = "\n".join(notes)
        return io.NodeOutput(
            words_json(alignment),
            subtitles(alignment),
            report,
            tags.emotion or Track.constant({}),
            ui=ui.PreviewText(report),
        )
