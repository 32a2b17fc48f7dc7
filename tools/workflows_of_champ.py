"""The example workflow of Champ: a picture moves like a body."""

from __future__ import annotations

from workflow_builder import Group, Workflow, node
from workflow_parts import detect, saved

CHAMP = "champ/denoising_unet.pth"
VAE = "vae-ft-mse-840000-ema-pruned.safetensors"
VISION = "clip_vit_l_14_image_variations.bin"
FPS, SECONDS = 25.0, 3.0
VAE_SOURCE = "https://huggingface.co/stabilityai/sd-vae-ft-mse-original/resolve/main/"

NOTE = f"""## A picture moves like a body

The person in a picture waves, walks, or does what somebody did in a recording. *Body Maps* renders the moving body over the
picture as depth, normals, body parts and skeleton; Champ draws the person anew after them, frame by frame. Choose a picture that
shows a whole person in *Load Image* and press **Run**.

**Another move:** *Body Move, move*. **A real one:** *Load Body Motion* in its place: results of 4D-Humans, files of AMASS or AIST++.

**Where the body stands:** its eyes are put over those of the face. The best is the picture's own body: run 4D-Humans on the
picture, load its result with a second *Load Body Motion*, and wire it to *Body Maps, reference*: shape and place are its then.

**Your own SMPL body:** *Load Body Model* on *Body Maps, body_model*. Without one the stand-in figure moves.

**Longer:** as long as you like; it is made in windows of 24 frames that overlap by 4.

### What it needs
A GPU, and these files in ComfyUI's `models` folder:

| folder | file |
|---|---|
| `diffusion_models` | the seven files of [Champ](https://huggingface.co/fudan-generative-ai/champ) |
| `vae` | [{VAE}](https://huggingface.co/stabilityai/sd-vae-ft-mse-original) |
| `clip_vision` | the image encoder of [SD Image Variations](https://huggingface.co/lambdalabs/sd-image-variations-diffusers) |

Champ's are `denoising_unet.pth`, saved as `{CHAMP}`, and beside it `motion_module.pth`, `reference_unet.pth` and the four
`guidance_encoder_` files. The image encoder is `image_encoder/pytorch_model.bin`, saved as `{VISION}`.

### Good to know
- **Too little memory:** a smaller size in *Body Maps*, or *Champ Conditioning, window* 16.
- **KSampler** instead of *SamplerCustomAdvanced*: euler, sgm_uniform, 20 steps, cfg 3.5.
- **Every node has a help page:** right-click it, *Node Info*.
"""


def a_body_dances() -> Workflow:
    """A body by formula, its maps, and a picture that follows."""
    picture = ("picture", "IMAGE")
    offered = {"name": VAE, "url": VAE_SOURCE + VAE, "directory": "vae"}
    champ = node("champ", "TroupeLoadChamp", denoising_unet=CHAMP, wide=400)
    vae = node("vae", "VAELoader", vae_name=VAE, models=[offered], wide=400)
    vision = node("vision", "CLIPVisionLoader", clip_name=VISION, wide=400)
    whole = node(
        "picture", "LoadImage", image="whole_person.png", title="Load Image (a whole person)", wide=400
    )
    move = node("move", "TroupeBodyMove", move="wave", seconds=SECONDS, fps=FPS, wide=400)
    maps = node(
        "maps",
        "TroupeBodyMaps",
        motion=("move", "motion"),
        image=picture,
        faces=("faces", "faces"),
        width=512,
        height=768,
    )
    see = node("see", "CLIPVisionEncode", clip_vision=("vision", "CLIP_VISION"), image=picture, crop="none")
    scene = node(
        "scene",
        "TroupeChampConditioning",
        champ=("champ", "champ"),
        vae=("vae", "VAE"),
        image=picture,
        clip_vision_output=("see", "CLIP_VISION_OUTPUT"),
        **{kind: ("maps", kind) for kind in ("depth", "normal", "semantic", "skeleton")},
    )
    guider = node(
        "guider",
        "CFGGuider",
        model=("champ", "model"),
        positive=("scene", "positive"),
        negative=("scene", "negative"),
        cfg=3.5,
    )
    sample = node(
        "sample",
        "SamplerCustomAdvanced",
        noise=("noise", "NOISE"),
        guider=("guider", "GUIDER"),
        sampler=("sigmas", "sampler"),
        sigmas=("sigmas", "sigmas"),
        latent_image=("scene", "latent"),
    )
    faces = detect("faces", "picture", picture, max_faces=1)
    sampling = [
        [guider],
        [node("noise", "RandomNoise", noise_seed=42)],
        [node("sigmas", "TroupeTrailingSigmas", steps=20)],
        [sample],
    ]
    video = [
        [node("decode", "VAEDecode", samples=("sample", "output"), vae=("vae", "VAE"))],
        [node("create", "CreateVideo", images=("decode", "IMAGE"), fps=("maps", "fps"))],
        [saved("save", ("create", "VIDEO"), "champ")],
    ]
    return Workflow(
        "champ_a_body_dances",
        NOTE,
        [
            Group("1 Picture and move", [[vision], [whole], [move]]),
            Group(
                "2 Models, and the body over the picture",
                [[None, champ], [None, vae], [None, see], [faces, maps]],
            ),
            Group("3 What Champ shall show", [[scene]]),
            Group("4 Sampling", sampling),
            Group("5 Video", video),
        ],
        (480, 900),
        above=(("champ", "model"), ("vae", "VAE")),
    )


WORKFLOWS = (a_body_dances,)
