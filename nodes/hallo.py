"""Nodes of Hallo: portraits that speak, by diffusion."""

from __future__ import annotations

from comfy_api.latest import InputImpl, Types, io, ui

from ..engine.video.blend import EDGES, MAX_FEATHER
from . import sockets
from .cast import frame_count
from .sockets import ADVANCED


class LoadHallo(io.ComfyNode):
    """All nets of the published file."""

    @classmethod
    def define_schema(cls):
        from ..host.folders import PATCH_FOLDERS, model_files

        return io.Schema(
            node_id="TroupeLoadHallo",
            display_name="Load Hallo",
            category="Troupe/hallo",
            description="Loads Hallo, which makes a portrait speak along with a recording.",
            inputs=[
                io.Combo.Input(
                    "checkpoint",
                    options=model_files(*PATCH_FOLDERS),
                    tooltip="net.pth of fudan-generative-ai/hallo, or the same as safetensors. From ComfyUI's "
                    "models/model_patches or models/diffusion_models.",
                ),
            ],
            outputs=[io.Model.Output(display_name="model"), sockets.Hallo.Output(display_name="hallo")],
        )

    @classmethod
    def execute(cls, checkpoint) -> io.NodeOutput:
        from ..host.folders import PATCH_FOLDERS, model_file
        from ..host.hallo import LoadedHallo

        return io.NodeOutput(*LoadedHallo.of(model_file(checkpoint, *PATCH_FOLDERS)))


class EncodeIdentity(io.ComfyNode):
    """Who the faces of a picture are."""

    @classmethod
    def define_schema(cls):
        from ..host.folders import FACE_ENCODERS, model_files

        return io.Schema(
            node_id="TroupeEncodeIdentity",
            display_name="Encode Identity",
            category="Troupe/hallo",
            description="Tells Hallo who each face of a picture is, so that it stays itself. Without it Hallo goes by the "
            "picture alone.",
            inputs=[
                io.Combo.Input(
                    "encoder",
                    options=model_files(FACE_ENCODERS),
                    tooltip="glintr100.onnx of fal/AuraFace-v1 (Apache-2.0). From ComfyUI's models/face_encoders or "
                    "models/insightface.",
                ),
                io.Image.Input("image", tooltip="The picture that will speak, one."),
                sockets.Faces.Input(
                    "faces",
                    optional=True,
                    tooltip="From Detect Faces on this picture. Left open, they are found here.",
                ),
            ],
            outputs=[sockets.Identity.Output(display_name="identity")],
        )

    @classmethod
    def execute(cls, encoder, image, faces=None) -> io.NodeOutput:
        from ..engine.refnet.identity import IdentityEncoder, identities_of
        from ..host.folders import FACE_ENCODERS, model_file
        from ..host.tensors import single, to_uint8

        single(image, "image")
        faces = faces_of(image, faces)
        network = IdentityEncoder(model_file(encoder, FACE_ENCODERS))
        return io.NodeOutput(identities_of(network, to_uint8(image[0]), faces))


def faces_of(image, faces):
    """The faces of one picture, found if they are not given."""
    from ..engine.faces import require_faces
    from ..host.clips import clip_of_image, same_frames
    from ..host.detect import detect

    if faces is None:
        return detect(clip_of_image(image, 25.0))
    same_frames(image, faces)
    return require_faces(faces, "image")


def amount(name: str, default: float, highest: float, tooltip: str, **more) -> io.Float.Input:
    return io.Float.Input(
        name, default=default, min=0.0, max=highest, step=0.05, tooltip=tooltip, extra_dict=more or None
    )


class HalloRender(io.ComfyNode):
    """A picture speaks."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeHalloRender",
            display_name="Hallo Render",
            category="Troupe/hallo",
            description="Makes faces of one picture speak, of any length: clip after clip of 25 frames per second, each "
            "beginning where the one before ended.",
            inputs=[
                io.Model.Input("model", tooltip="From Load Hallo."),
                sockets.Hallo.Input("hallo", tooltip="From the same Load Hallo."),
                io.Vae.Input("vae", tooltip="Of Stable Diffusion 1.5, such as vae-ft-mse-840000-ema-pruned."),
                io.Image.Input("image", tooltip="The picture that speaks, one."),
                sockets.Cast.Input(
                    "cast",
                    tooltip="Who speaks, from Assign Role with Encode Speech (reader: Hallo) as the drive.",
                ),
                io.Float.Input(
                    "seconds",
                    default=0.0,
                    min=0.0,
                    max=600.0,
                    step=0.04,
                    tooltip="Length of the result. 0 takes the length of the audio, or without audio of the longest speech.",
                ),
                io.Int.Input(
                    "size",
                    default=512,
                    min=64,
                    max=1024,
                    step=64,
                    tooltip="Side in pixels of the square around each face in which Hallo works. Usual: 512, as trained.",
                ),
                amount(
                    "margin",
                    0.5,
                    4.0,
                    "Room on each side of the face in that square, in sizes of the face. Usual: 0.5: the face fills half.",
                ),
                io.Int.Input(
                    "clip_frames",
                    default=16,
                    min=4,
                    max=30,
                    tooltip="Frames that are made at once. More needs more memory. Usual: 16, as trained.",
                ),
                io.Int.Input(
                    "steps",
                    default=40,
                    min=1,
                    max=1000,
                    tooltip="Steps for each clip, if no sigmas are connected. Usual: 40; 20 for a look.",
                ),
                amount(
                    "portrait_scale",
                    3.5,
                    30.0,
                    "How strongly to keep to the picture. Equal to speech_scale it costs no pass of its own. Usual: 3.5.",
                ),
                amount("speech_scale", 3.5, 30.0, "How strongly to follow the speech. Usual: 3.5."),
                amount(
                    "pose_weight",
                    1.0,
                    3.0,
                    "How far speech moves the head and what is around the face. Usual: 1.",
                ),
                amount("face_weight", 1.0, 3.0, "How far speech moves the face without the lips. Usual: 1."),
                amount("lip_weight", 1.0, 3.0, "How far speech moves the lips. Usual: 1."),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=True,
                    tooltip="Of the noise. Each clip has the next seed, and each face seeds of its own.",
                ),
                io.Combo.Input(
                    "edge",
                    options=list(EDGES),
                    default="oval",
                    tooltip="What is placed back in the picture: an oval or the whole box of the square, or only the face or "
                    "the head. Usual: oval.",
                    extra_dict=ADVANCED,
                ),
                io.Float.Input(
                    "feather",
                    default=0.15,
                    min=0.0,
                    max=MAX_FEATHER,
                    step=0.01,
                    tooltip="Width of the soft edge, as a share of the square. Usual: 0.15.",
                    extra_dict=ADVANCED,
                ),
                sockets.Faces.Input(
                    "faces",
                    optional=True,
                    tooltip="From Detect Faces on this picture. Left open, they are found here.",
                ),
                sockets.Identity.Input(
                    "identity",
                    optional=True,
                    tooltip="From Encode Identity on this picture. Left open, the picture alone says who it is.",
                ),
                io.Audio.Input(
                    "audio",
                    optional=True,
                    tooltip="Sound for the video. It sets the length unless 'seconds' does.",
                ),
                io.Sampler.Input(
                    "sampler", optional=True, tooltip="Another sampler. Left open: DDIM, as published."
                ),
                io.Sigmas.Input(
                    "sigmas",
                    optional=True,
                    tooltip="Another schedule, for this model. Left open: the published one of 'steps'.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="frames"),
                io.Video.Output(display_name="video"),
                io.String.Output(display_name="report"),
            ],
            is_output_node=True,  # it shows what it made
        )

    @classmethod
    def execute(
        cls,
        model,
        hallo,
        vae,
        image,
        cast,
        seconds,
        size,
        margin,
        clip_frames,
        steps,
        portrait_scale,
        speech_scale,
        pose_weight,
        face_weight,
        lip_weight,
        seed,
        edge,
        feather,
        faces=None,
        identity=None,
        audio=None,
        sampler=None,
        sigmas=None,
    ) -> io.NodeOutput:
        from ..engine.refnet.hallo_audio import FPS
        from ..engine.video.composite import Blend
        from ..host.hallo import HalloSettings, film
        from ..host.hallo_checks import remarks
        from ..host.showing import SmallVideo
        from ..host.sound import to_audio
        from ..host.tensors import empty_frames, put_frame, rate, single

        picture = single(image, "image")
        faces = faces_of(image, faces)
        count = frame_count(seconds, FPS, [role.drive.duration for role in cast] or [0.0], audio)
        how = HalloSettings.of(
            size=size,
            margin=margin,
            clip=clip_frames,
            scales=(portrait_scale, speech_scale),
            reach=(pose_weight, face_weight, lip_weight),
            seed=seed,
            steps=steps,
            sampler=sampler,
            schedule=sigmas,
            blend=Blend(edge, feather),
        )
        sound = None if audio is None else to_audio(audio)
        shots = film(model, hallo, vae, picture, cast, faces, count, how, identities=identity)
        frames, room = empty_frames(count, *picture.shape[:2])
        with SmallVideo(*picture.shape[:2], rate(FPS), sound) as small:
            for t, frame in enumerate(shots):
                put_frame(room, t, frame)
                small.add(frame)
        speakers = [role for role in cast if role.strength > 0]
        clips = f"{count} frames in {how.clips(count)} clip(s) of {clip_frames}"
        report = "\n".join([clips, *remarks(speakers, identity, count)])
        video = Types.VideoComponents(images=room, audio=audio, frame_rate=rate(FPS))
        shown = {"troupe_video": [small.ui()], **ui.PreviewText(report).as_dict()}
        return io.NodeOutput(frames, InputImpl.VideoFromComponents(video), report, ui=shown)
