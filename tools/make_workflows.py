"""Makes the example workflows in ``example_workflows``: what the editor opens and what the API runs.

    python tools/make_workflows.py SCHEMAS NEWER

SCHEMAS is what a server answers on ``/object_info``: its address, or a file. Take the oldest ComfyUI that is
supported, with this pack installed: newer ones fill in what they have added. NEWER is the same of a newer one (0.23 or
later), for core's nodes that the oldest lacks. The same schemas give the same bytes.
``tools/workflow_pictures.py`` makes the thumbnails.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import workflow_notes as notes
import workflows_of_champ as champ
import workflows_of_hallo as hallo
import workflows_of_two as two
import workflows_of_videos as videos
import workflows_without_models as small
from workflow_builder import Builder, Group, Node, Workflow, node, read_schemas, write
from workflow_notes import PORTRAIT, TALKING, TEXT, VAE, VISION, WAN, WAV2VEC
from workflow_parts import detect, role, sources

FOLDER = Path(__file__).resolve().parent.parent / "example_workflows"

FPS = 25.0
PROMPT = "People look into the camera, natural light, the camera does not move."
NEGATIVE = "blurred, distorted faces, subtitles, still picture"


def extract(key: str, clip: tuple[str, str], faces: str, **inputs) -> Node:
    more = {"encoder": ("encoder", "encoder"), "faces": (faces, "faces"), "video": clip}
    return node(key, "TroupeExtractExpression", **more, **inputs)


def models(*more: list[Node], speech: bool = False) -> Group:
    adapters = (PORTRAIT, TALKING) if speech else (PORTRAIT,)
    load = node(
        "wan",
        "TroupeLoadWanPortraitModel",
        model=WAN,
        adapter=PORTRAIT,
        speech_adapter=TALKING if speech else "none",
        models=sources(WAN, *adapters),
        wide=400,
    )
    rows = [
        [load],
        [node("shift", "ModelSamplingSD3", model=("wan", "model"), shift=5.0, wide=400)],
        [
            node(
                "encoder",
                "TroupeLoadExpressionEncoder",
                encoder=PORTRAIT,
                models=sources(PORTRAIT),
                wide=400,
            )
        ],
        [node("clip", "CLIPLoader", clip_name=TEXT, type="wan", models=sources(TEXT), wide=400)],
        [node("vision", "CLIPVisionLoader", clip_name=VISION, models=sources(VISION), wide=400)],
        [node("vae", "VAELoader", vae_name=VAE, models=sources(VAE), wide=400)],
    ]
    return Group("1 Models", [*rows, *more])


def scene(picture: tuple[str, str], cast: str, **inputs) -> Group:
    """The cast on the model, and all that the first frame and the prompt give."""
    apply = node(
        "apply",
        "TroupeApplyCast",
        model=("shift", "MODEL"),
        cast=(cast, "cast"),
        faces=("picture_faces", "faces"),
        fps=FPS,
        **inputs,
    )
    fit = node("fit", "TroupeFitPicture", image=picture, length=("apply", "length"))
    positive = node("positive", "CLIPTextEncode", title="Prompt", clip=("clip", "CLIP"), text=PROMPT)
    negative = node(
        "negative",
        "CLIPTextEncode",
        title="Negative prompt",
        clip=("clip", "CLIP"),
        text=NEGATIVE,
    )
    see = node(
        "see", "CLIPVisionEncode", clip_vision=("vision", "CLIP_VISION"), image=("fit", "image"), crop="none"
    )
    video = node(
        "video",
        "WanImageToVideo",
        positive=("positive", "CONDITIONING"),
        negative=("negative", "CONDITIONING"),
        vae=("vae", "VAE"),
        clip_vision_output=("see", "CLIP_VISION_OUTPUT"),
        start_image=("fit", "image"),
        **{name: ("fit", name) for name in ("width", "height", "length")},
    )
    return Group("4 Cast, prompt and size", [[apply, positive], [fit, negative], [see, video]])


def layered_guider(**scales: float) -> Group:
    """SamplerCustomAdvanced and what it takes."""
    guider = node(
        "guider",
        "TroupeLayeredGuider",
        model=("apply", "model"),
        positive=("video", "positive"),
        negative=("video", "negative"),
        **scales,
    )
    sample = node(
        "sample",
        "SamplerCustomAdvanced",
        noise=("noise", "NOISE"),
        guider=("guider", "guider"),
        sampler=("euler", "SAMPLER"),
        sigmas=("sigmas", "sigmas"),
        latent_image=("video", "latent"),
    )
    rows = [
        [guider],
        [node("noise", "RandomNoise", noise_seed=42)],
        [node("euler", "KSamplerSelect", sampler_name="euler")],
        [node("sigmas", "TroupeFlowSigmas", steps=30, shift=5.0)],
        [sample],
    ]
    return Group("5 Sampling", rows)


def layered_cfg(**scales: float) -> Group:
    """Plain KSampler."""
    guided = node("guided", "TroupeLayeredCFG", model=("apply", "model"), **scales)
    sample = node(
        "sample",
        "KSampler",
        model=("guided", "model"),
        positive=("video", "positive"),
        negative=("video", "negative"),
        latent_image=("video", "latent"),
        seed=42,
        steps=30,
        cfg=1.0,
        sampler_name="euler",
        scheduler="simple",
    )
    return Group("5 Sampling", [[guided], [sample]])


def result(samples: tuple[str, str], sound: tuple[str, str], name: str) -> Group:
    """The video with its sound."""
    decode = node("decode", "VAEDecode", samples=samples, vae=("vae", "VAE"))
    create = node("create", "CreateVideo", images=("decode", "IMAGE"), fps=("apply", "fps"), audio=sound)
    save = node(
        "save", "SaveVideo", video=("create", "VIDEO"), filename_prefix=f"video/troupe_{name}", wide=400
    )
    return Group("6 Video", [[decode], [create], [save]])


def one_face() -> Workflow:
    clip, picture = ("media", "video"), ("media", "image")
    inputs = [
        [node("media", "TroupeExampleMedia", picture="portrait.png", clip="drive.mp4", wide=360)],
        [detect("picture_faces", "picture", picture, wide=360)],
        [detect("clip_faces", "clip", clip, max_faces=1, wide=360)],
    ]
    play = [
        [extract("expression", clip, "clip_faces")],
        [role("role", 1, ("expression", "person 1"))],
    ]
    return Workflow(
        "wan_one_face_from_a_clip",
        notes.ONE_FACE,
        [
            models(),
            Group("2 Picture and clip", inputs),
            Group("3 Who plays what", play),
            scene(picture, "role"),
            layered_guider(),
            result(("sample", "output"), ("expression", "audio"), "wan_one_face"),
        ],
    )


def three_faces() -> Workflow:
    picture = ("picture", "IMAGE")
    people = [
        [node("picture", "LoadImage", image="three_people.png", title="Load Image (three people)", wide=360)],
        [detect("picture_faces", "picture", picture, wide=360)],
    ]
    rows, cast = [], None
    for i, side in enumerate(("left", "middle", "right"), 1):
        clip = (f"clip_{i}", "VIDEO")
        rows.append(
            [
                node(clip[0], "LoadVideo", file=f"clip_{i}.mp4", title=f"Load Video ({side} face)"),
                detect(f"faces_{i}", f"clip {i}", clip, max_faces=1),
                extract(f"expression_{i}", clip, f"faces_{i}"),
                role(
                    f"role_{i}", i, (f"expression_{i}", "person 1"), cast, title=f"Assign Role ({side} face)"
                ),
            ]
        )
        cast = f"role_{i}"
    return Workflow(
        "wan_three_faces_three_clips",
        notes.THREE_FACES,
        [
            models(),
            Group("2 Picture", people),
            Group("3 A clip for each face", rows),
            scene(picture, cast, encoder=("encoder", "encoder"), image=picture),
            layered_guider(),
            result(("sample", "output"), ("expression_1", "audio"), "wan_three_faces"),
        ],
    )


def two_people() -> Workflow:
    clip, picture = ("clip_of_two", "VIDEO"), ("media", "image")
    media = node("media", "TroupeExampleMedia", picture="two_people.png", clip="drive.mp4", wide=360)
    inputs = [
        [
            media,
            node(
                "clip_of_two", "LoadVideo", file="two_people.mp4", title="Load Video (two people)", wide=360
            ),
        ],
        [
            detect("picture_faces", "picture", picture, wide=360),
            detect("clip_faces", "clip", clip, max_faces=2, wide=360),
        ],
    ]
    play = [
        [extract("expression", clip, "clip_faces")],
        [role("left", 1, ("expression", "person 1"), title="Assign Role (left)")],
        [role("right", 2, ("expression", "person 2"), "left", title="Assign Role (right)")],
    ]
    return Workflow(
        "wan_two_people_from_one_clip",
        notes.TWO_PEOPLE,
        [
            models(),
            Group("2 Picture and clip", inputs),
            Group("3 Who plays what", play),
            scene(picture, "right"),
            layered_cfg(),
            result(("sample", "LATENT"), ("expression", "audio"), "wan_two_people"),
        ],
    )


def speech() -> Workflow:
    clip, picture = ("media", "video"), ("media", "image")
    recording = node("recording", "LoadAudio", audio="speech.wav", title="Load Audio (speech)", wide=360)
    inputs = [
        [node("media", "TroupeExampleMedia", picture="portrait.png", clip="drive.mp4", wide=360), recording],
        [
            detect("picture_faces", "picture", picture, wide=360),
            detect("clip_faces", "clip", clip, max_faces=1, wide=360),
        ],
    ]
    mouthless = "Extract Expression (without the mouth)"
    hear = node(
        "speech", "TroupeEncodeSpeech", audio_encoder=("ears", "AUDIO_ENCODER"), audio=("recording", "AUDIO")
    )
    play = [
        [extract("expression", clip, "clip_faces", mouth=0.0, title=mouthless)],
        [role("face", 1, ("expression", "person 1"), title="Assign Role (expression)")],
        [hear],
        [role("lips", 1, ("speech", "speech"), "face", region="lips", title="Assign Role (lips)")],
    ]
    ears = node("ears", "AudioEncoderLoader", audio_encoder_name=WAV2VEC, wide=400)
    return Workflow(
        "wan_expression_and_speech",
        notes.SPEECH,
        [
            models([ears], speech=True),
            Group("2 Picture, clip and speech", inputs),
            Group("3 Who plays what", play),
            scene(picture, "lips"),
            layered_guider(speech_scale=4.0),
            result(("sample", "output"), ("recording", "AUDIO"), "wan_expression_and_speech"),
        ],
    )


WORKFLOWS = (
    one_face,
    three_faces,
    two_people,
    speech,
    *small.WORKFLOWS,
    *two.WORKFLOWS,
    *videos.WORKFLOWS,
    *champ.WORKFLOWS,
    *hallo.WORKFLOWS,
)


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the example workflows.")
    parser.add_argument(
        "schemas", help="address of a ComfyUI server, or a file with what /object_info answers"
    )
    parser.add_argument("newer", help="the same of a newer ComfyUI, for nodes that the first lacks")
    given = parser.parse_args()
    schemas = {**read_schemas(given.newer), **read_schemas(given.schemas)}
    for make in WORKFLOWS:
        workflow = make()
        builder = Builder(workflow, schemas)
        write(FOLDER / f"{workflow.name}.json", builder.ui())
        write(FOLDER / "api" / f"{workflow.name}.json", builder.api())
        print(f"{workflow.name}: {len(builder.nodes)} nodes, {len(builder.links)} links")  # noqa: T201


if __name__ == "__main__":
    main()
