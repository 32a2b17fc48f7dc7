"""Nodes that make motions and edit them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from comfy_api.latest import io

from ..engine.motion.curves import CURVES
from ..engine.motion.face_motion import FaceMotion, frame_count
from ..engine.motion.presets import PRESETS
from . import sockets
from .reports import reports
from .sockets import ADVANCED

if TYPE_CHECKING:
    from ..engine.video import Audio

MAX_SECONDS = 600.0
PEAKS = 1000  # of a waveform
# The inputs of Edit Motion and the engine's groups of blendshapes and head channels that each one scales.
PARTS = {
    "brows": ("brows",),
    "eyes": ("eyes", "gaze"),
    "mouth": ("mouth", "jaw", "cheeks", "nose", "tongue"),
    "head": ("head_rotation", "head_position"),
}
COMBINE = ("mix", "add", "crossfade")


def seconds_input(default: float, minimum: float, tooltip: str) -> io.Float.Input:
    return io.Float.Input("seconds", default=default, min=minimum, max=MAX_SECONDS, step=0.1, tooltip=tooltip)


def faster(motion: FaceMotion, speed: float) -> FaceMotion:
    """The motion at ``speed`` times its pace, in its own frame rate."""
    import numpy as np

    frames = frame_count(motion.duration / speed, motion.fps)
    shapes, head = motion.sample(np.arange(frames) * speed / motion.fps)
    return replace(motion, blendshapes=shapes, head=head)


def waveform_ui(sound: Audio) -> dict:
    """What the timeline editor draws of a sound: its length and the loudest sample of each of at most 1000 parts."""
    import numpy as np

    loud = np.abs(sound.samples).max(axis=0)
    starts = np.unique(np.linspace(0, len(loud), PEAKS, endpoint=False).astype(int))
    peaks = np.maximum.reduceat(loud, starts)
    return {"seconds": round(sound.duration, 4), "peaks": [round(float(peak), 3) for peak in peaks]}


def scale_input(name: str, what: str) -> io.Float.Input:
    return io.Float.Input(
        name,
        default=1.0,
        min=0.0,
        max=3.0,
        step=0.05,
        tooltip=f"How strongly {what}. 0 holds it still, 1 leaves it as it is, 2 doubles it.",
    )


class MotionFromVideo(io.ComfyNode):
    """What a person's face does in a clip."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeMotionFromVideo",
            display_name="Motion from Video",
            category="Troupe/motion",
            description="Reads one person's expressions and head motion from a clip.",
            inputs=[
                io.Video.Input(
                    "video", optional=True, tooltip="The clip that drives. Connect this or 'image'."
                ),
                io.Image.Input(
                    "image", optional=True, tooltip="The clip as a batch of frames. Connect this or 'video'."
                ),
                sockets.fps_input("Frames per second of an image batch; a video brings its own. Usual: 25."),
                sockets.person_input(
                    "person", "Who drives, counted from the left where each is first seen. Usual: 1."
                ),
                sockets.Faces.Input(
                    "faces",
                    optional=True,
                    tooltip="From Detect Faces on this clip. Left open, they are found here; connect it to read several "
                    "persons with one search.",
                ),
            ],
            outputs=[
                sockets.Motion.Output(display_name="motion"),
                io.Audio.Output(display_name="audio"),
                io.Float.Output(display_name="fps"),
            ],
        )

    @classmethod
    def execute(cls, fps, person, video=None, image=None, faces=None) -> io.NodeOutput:
        from ..engine.motion.from_video import motion_from_track
        from ..host.clips import choose_clip
        from ..host.detect import detect
        from ..host.progress import NodeProgress

        clip = choose_clip(image, video, fps, needed=faces is None)
        if faces is None:
            faces = detect(clip, "video" if video is not None else "image")
        motion = motion_from_track(faces.person(person), faces.fps or fps, progress=NodeProgress())
        return io.NodeOutput(motion, clip.audio if clip else None, motion.fps)


class MotionFromPreset(io.ComfyNode):
    """A feeling."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeMotionFromPreset",
            display_name="Motion from Preset",
            category="Troupe/motion",
            description="A feeling that comes over a face and goes again, with blinks and breathing underneath.",
            inputs=[
                io.Combo.Input(
                    "preset",
                    options=list(PRESETS),
                    default="happy",
                    tooltip="The feeling. neutral leaves only the idle motion.",
                ),
                io.Float.Input(
                    "intensity",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="How strong the feeling gets. 0.3 is a hint, 1 is full. Usual: 0.7 to 1.",
                ),
                seconds_input(
                    3.0, 0.1, "Length of the motion. The feeling rises, holds and falls within it. Usual: 3."
                ),
                sockets.fps_input(
                    "Frames per second of the motion. Renderers resample it by time. Usual: 25."
                ),
                io.Combo.Input(
                    "curve",
                    options=list(CURVES),
                    default="ease_in_out",
                    tooltip="How the feeling rises: evenly, slow at first, slow at last, both, or bouncing. Usual: ease_in_out.",
                ),
                sockets.idle_input(),
                sockets.seed_input(),
            ],
            outputs=[sockets.Motion.Output(display_name="motion")],
        )

    @classmethod
    def execute(cls, preset, intensity, seconds, fps, curve, idle, seed) -> io.NodeOutput:
        from ..engine.motion.presets import preset_motion

        motion = preset_motion(preset, intensity, seconds=seconds, fps=fps, curve=curve, idle=idle, seed=seed)
        return io.NodeOutput(motion)


class MotionFromTimeline(io.ComfyNode):
    """Written directions."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeMotionFromTimeline",
            display_name="Motion from Timeline",
            category="Troupe/motion",
            description="A motion from written directions: what happens when.",
            inputs=[
                io.String.Input(
                    "timeline",
                    multiline=True,
                    default="happy 0.8 @0.5-2.5 ease_out; blink @1.2; surprised @3-4",
                    tooltip="What happens when, parted by ; or by lines: a feeling or blendshape, its strength, @start-end "
                    "in seconds, a curve. Example: happy 0.8 @0.5-2.0 ease_out; blink @1.2",
                ),
                seconds_input(0.0, 0.0, "Length of the motion. 0 lasts as long as the directions. Usual: 0."),
                sockets.fps_input(
                    "Frames per second of the motion. Renderers resample it by time. Usual: 25."
                ),
                sockets.idle_input(" Multiplies the idle of the text."),
                sockets.seed_input(" Added to the seed of the text."),
                io.Audio.Input(
                    "audio",
                    optional=True,
                    tooltip="Sound to write to: its waveform is drawn under the tracks, and the motion lasts as long, unless "
                    "'seconds' or the text says otherwise.",
                ),
            ],
            outputs=[sockets.Motion.Output(display_name="motion")],
            **reports(),  # the waveform
        )

    @classmethod
    def validate_inputs(cls, timeline):
        from ..engine.motion.timeline import Timeline

        return sockets.valid(lambda: Timeline.parse(timeline)) if timeline is not None else True

    @classmethod
    def execute(cls, timeline, seconds, fps, idle, seed, audio=None) -> io.NodeOutput:
        from ..engine.motion.timeline import Timeline

        parsed = Timeline.parse(timeline)
        parsed = replace(parsed, idle=min(2.0, parsed.idle * idle), seed=parsed.seed + seed)
        if audio is None:
            return io.NodeOutput(parsed.motion(fps, seconds or None))
        from ..host.sound import to_audio

        sound = to_audio(audio)
        length = seconds or (sound.duration if parsed.length is None else None)
        return io.NodeOutput(parsed.motion(fps, length), ui={"troupe_audio": [waveform_ui(sound)]})


class EditMotion(io.ComfyNode):
    """Strength, timing and mixing of motions."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeEditMotion",
            display_name="Edit Motion",
            category="Troupe/motion",
            description="Changes a motion's strength and timing, or joins it with a second one. Done in the order of the inputs.",
            inputs=[
                sockets.Motion.Input("motion", tooltip="The motion to change."),
                scale_input("brows", "the brows move"),
                scale_input("eyes", "the eyes blink, widen and look around"),
                scale_input("mouth", "mouth, jaw, cheeks and nose move"),
                scale_input("head", "the head turns and shifts"),
                io.Float.Input(
                    "speed",
                    default=1.0,
                    min=0.1,
                    max=10.0,
                    step=0.05,
                    tooltip="2 plays it twice as fast, 0.5 at half the speed. Usual: 1.",
                ),
                io.Float.Input(
                    "delay",
                    default=0.0,
                    min=-60.0,
                    max=60.0,
                    step=0.05,
                    tooltip="Seconds of rest before it begins; negative cuts its beginning off. Usual: 0.",
                ),
                io.Float.Input(
                    "smooth",
                    default=0.0,
                    min=0.0,
                    max=2.0,
                    step=0.01,
                    tooltip="Seconds over which jitter is averaged out. 0 is off, 0.08 calms a tracked motion, 0.2 blurs speech.",
                ),
                io.Boolean.Input(
                    "mirror", default=False, tooltip="Swaps left and right, as in a mirror. Usual: off."
                ),
                io.Float.Input(
                    "loop",
                    default=0.0,
                    min=0.0,
                    max=MAX_SECONDS,
                    step=0.1,
                    tooltip="Repeats it until so many seconds are full, each end blended into the start. 0 is off. Usual: 0.",
                ),
                io.Float.Input(
                    "fps",
                    default=0.0,
                    min=0.0,
                    max=120.0,
                    step=0.01,
                    tooltip="Frames per second of the result, the timing stays. 0 keeps the motion's own. Usual: 0.",
                    extra_dict=ADVANCED,
                ),
                sockets.Motion.Input("second", optional=True, tooltip="A second motion, for 'combine'."),
                io.Combo.Input(
                    "combine",
                    options=list(COMBINE),
                    default="mix",
                    tooltip="What happens with a second motion, if connected. mix: both, blended by 'amount'. add: 'amount' "
                    "of it on top. crossfade: it follows, overlapping by 'amount' seconds. Usual: mix.",
                ),
                io.Float.Input(
                    "amount",
                    default=0.5,
                    min=0.0,
                    max=10.0,
                    step=0.05,
                    tooltip="For mix, the second motion's share 0 to 1; for add, its strength; for crossfade, seconds of overlap.",
                ),
            ],
            outputs=[sockets.Motion.Output(display_name="motion")],
        )

    @classmethod
    def execute(
        cls,
        motion,
        brows,
        eyes,
        mouth,
        head,
        speed,
        delay,
        smooth,
        mirror,
        loop,
        fps,
        combine,
        amount,
        second=None,
    ) -> io.NodeOutput:
        from ..engine.motion import edit

        scales = {"brows": brows, "eyes": eyes, "mouth": mouth, "head": head}
        motion = edit.scale(motion, {part: f for group, f in scales.items() for part in PARTS[group]})
        motion = faster(motion, speed) if speed != 1 else motion
        motion = edit.delay(motion, delay) if delay else motion
        motion = edit.smooth(motion, smooth)
        motion = edit.mirror(motion) if mirror else motion
        motion = edit.loop(motion, loop) if loop else motion
        motion = edit.set_fps(motion, fps) if fps else motion
        if second is not None:
            motion = getattr(edit, combine)(motion, second, amount)
        return io.NodeOutput(motion)
