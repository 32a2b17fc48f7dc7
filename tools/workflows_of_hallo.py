"""The example workflow of Hallo: a portrait speaks."""

from __future__ import annotations

from workflow_builder import Group, Workflow, node
from workflow_notes import WAV2VEC
from workflow_parts import faces, media, role, saved

HALLO = "hallo/net.pth"
ARCFACE = "auraface/glintr100.onnx"
VAE = "vae-ft-mse-840000-ema-pruned.safetensors"
VAE_SOURCE = "https://huggingface.co/stabilityai/sd-vae-ft-mse-original/resolve/main/"

NOTE = f"""## A portrait speaks

The face in the picture says what is heard: lips, expression and head follow the voice. Hallo draws it anew at 25 frames per
second, clip after clip, each beginning where the one before ended, so the recording may be as long as you like. Press **Run**.

**Your own picture:** *Load Image* in the place of *Example Picture and Clip*. **Your own voice:** *Load Audio* in the place of *Example
Speech*; the voice alone, without music.

**Several faces:** an *Encode Speech* and an *Assign Role* for each, chained by *cast*.

**How strongly:** *lip_weight*, *face_weight* and *pose_weight* for where speech acts, *speech_scale* for how closely it is followed.

### What it needs
A GPU, and these files in ComfyUI's `models` folder:

| folder | file |
|---|---|
| `model_patches` | *net.pth* of [Hallo](https://huggingface.co/fudan-generative-ai/hallo), saved as `{HALLO}` |
| `vae` | [{VAE}](https://huggingface.co/stabilityai/sd-vae-ft-mse-original) |
| `audio_encoders` | *model.safetensors* of [wav2vec2](https://huggingface.co/facebook/wav2vec2-base-960h), saved as `{WAV2VEC}` |
| `face_encoders` | *glintr100.onnx* of [AuraFace](https://huggingface.co/fal/AuraFace-v1), saved as `{ARCFACE}` |

### Good to know
- **Without AuraFace:** remove *Encode Identity*; the picture alone then says who it is.
- **A quick look:** *steps* 15. **Too little memory:** *size* 384, or *clip_frames* 12.
- **Every node has a help page:** right-click it, *Node Info*.
"""


def a_portrait_speaks() -> Workflow:
    """One face, one voice."""
    picture, sound = ("media", "image"), ("sound", "audio")
    offered = {"name": VAE, "url": VAE_SOURCE + VAE, "directory": "vae"}
    who = node(
        "who", "TroupeEncodeIdentity", encoder=ARCFACE, image=picture, faces=("faces", "faces"), wide=360
    )
    sound_of = node("sound", "TroupeExampleSpeech", speech="speech.wav", wide=400)
    ears = node("ears", "AudioEncoderLoader", audio_encoder_name=WAV2VEC, wide=400)
    hear = node(
        "speech", "TroupeEncodeSpeech", audio_encoder=("ears", "AUDIO_ENCODER"), audio=sound, reader="Hallo"
    )
    load = node("hallo", "TroupeLoadHallo", checkpoint=HALLO, wide=400)
    vae = node("vae", "VAELoader", vae_name=VAE, models=[offered], wide=400)
    render = node(
        "render",
        "TroupeHalloRender",
        model=("hallo", "model"),
        hallo=("hallo", "hallo"),
        vae=("vae", "VAE"),
        image=picture,
        cast=("role", "cast"),
        seed=42,
        faces=("faces", "faces"),
        identity=("who", "identity"),
        audio=sound,
        wide=400,
    )
    return Workflow(
        "hallo_a_portrait_speaks",
        NOTE,
        [
            Group("1 Picture", [[media("portrait.png"), [faces("faces", picture), who]]]),
            Group("2 Voice", [[[ears, sound_of], [hear, role("role", 1, ("speech", "speech"))]]]),
            Group("3 Models", [[[load, vae]]]),
            Group("4 Video", [[render, saved("save", ("render", "video"), "hallo")]]),
        ],
        (480, 900),
        above=(picture, ("faces", "faces")),
    )


WORKFLOWS = (a_portrait_speaks,)
