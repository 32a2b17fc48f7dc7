"""What the example workflows are made with, and what their notes say about it."""

from __future__ import annotations

WAN = "wan2.1_i2v_480p_14B_fp8_scaled.safetensors"
PORTRAIT = "Wan2_1_FantasyPortrait_fp16.safetensors"
TALKING = "fantasytalking_fp16.safetensors"
TEXT = "umt5_xxl_fp8_e4m3fn_scaled.safetensors"
VISION = "clip_vision_h.safetensors"
VAE = "wan_2.1_vae.safetensors"
WAV2VEC = "wav2vec2-base-960h.safetensors"  # saved under this name by the user: its source calls it model.safetensors
LANDMARKER = "face_landmarker.task"
CORE_FACES = "mediapipe_face_fp32.safetensors"  # for core's own detector

COMFY_ORG = "https://huggingface.co/Comfy-Org/Wan_2.1_ComfyUI_repackaged/resolve/main/split_files/"
KIJAI = "https://huggingface.co/Kijai/WanVideo_comfy/resolve/main/"
MEDIAPIPE = "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/"
SOURCES = {
    WAN: ("diffusion_models", COMFY_ORG + "diffusion_models/"),
    PORTRAIT: ("model_patches", KIJAI + "FantasyPortrait/"),
    TALKING: ("model_patches", KIJAI),
    TEXT: ("text_encoders", COMFY_ORG + "text_encoders/"),
    VISION: ("clip_vision", COMFY_ORG + "clip_vision/"),
    VAE: ("vae", COMFY_ORG + "vae/"),
    LANDMARKER: ("mediapipe", MEDIAPIPE),
    CORE_FACES: ("detection", "https://huggingface.co/Comfy-Org/mediapipe/resolve/main/detection/"),
}


def note(text: str, *more: tuple[str, str], after: str = "") -> str:
    """A workflow's own words, then what all of them share; ``more`` are rows of the table of files."""
    rows = "".join(f"| `{folder}` | {file} |\n" for folder, file in more)
    return text.strip() + SHARED.format(more=rows, after=after and f"\n{after}\n")


SHARED = f"""

### What it needs
A GPU, and these files in ComfyUI's `models` folder:

| folder | file |
|---|---|
| `diffusion_models` | [{WAN}](https://huggingface.co/Comfy-Org/Wan_2.1_ComfyUI_repackaged) |
| `text_encoders` | [{TEXT}](https://huggingface.co/Comfy-Org/Wan_2.1_ComfyUI_repackaged) |
| `clip_vision` | [{VISION}](https://huggingface.co/Comfy-Org/Wan_2.1_ComfyUI_repackaged) |
| `vae` | [{VAE}](https://huggingface.co/Comfy-Org/Wan_2.1_ComfyUI_repackaged) |
| `model_patches` | [{PORTRAIT}](https://huggingface.co/Kijai/WanVideo_comfy) |
{{more}}{{after}}
### Good to know
- **Too little memory:** *Load Wan Portrait Model, memory* 7 or 0 (slower), or smaller numbers in *Fit Picture*.
- **Faster:** *portrait_every* 2 or 3 saves a fifth or a quarter of the passes and changes little; 4-step LoRAs work.
- **Longer than 81 frames:** add *Wan Context Windows* behind *Apply Cast* and raise *Fit Picture, max_length*.
- **Every node has a help page:** right-click it, *Node Info*.
"""

ONE_FACE = note("""## One face from a clip

The face in the picture takes over what the face in the clip does: expression, gaze and the turning of the head. Wan 2.1
draws it anew, frame by frame, with FantasyPortrait. Press **Run**; the video appears in *Save Video*.

**Your own picture:** add *Load Image* and drag its IMAGE onto *Detect Faces (picture)* and *Fit Picture*.

**Your own clip:** add *Load Video* and drag its VIDEO onto *Detect Faces (clip)* and *Extract Expression*. It begins
best with a calm face seen from the front.

**More or less of it:** *Layered Guider, portrait_scale* (4 is usual), or single parts in *Extract Expression*.
""")

THREE_FACES = note("""## Three faces, three clips

Each face of the picture follows a clip of its own. Choose a picture with three faces in *Load Image* and the clips in the
three *Load Video*, then press **Run**. Faces count from the left; *Detect Faces (picture)* shows the numbers.

The clips are joined by time, whatever their frame rates; the shortest sets the length. The sound is that of the first.

**A preset in the place of a clip:** add *Motion from Preset* and drag its motion onto *drive* of the third *Assign Role*.
*Apply Cast* has the encoder and the picture already, which it takes to see what the preset would look like. Then remove
the third clip with its nodes.

**More faces:** one more row, and its *Assign Role* at the end of the chain. Faces without a role follow nobody.

**Small faces:** each should be at least 64 pixels wide in the video, or it has too little room to act.
""")

TWO_PEOPLE = note("""## Two people from one clip

A clip of two people onto a picture of two people: the left one plays the left one, the right one the right one. Choose
your clip in *Load Video* and press **Run**.

*Detect Faces (clip)* follows both through the clip and keeps them apart; *Extract Expression* gives each an output of its
own. **To swap the parts** exchange the two wires at *Assign Role*.

The clip may show more people: *max_faces* 2 keeps the two largest. Further faces in the picture follow nobody.

This one samples with the plain *KSampler*: *Layered CFG* adds the guidance by expression, and KSampler's own cfg is that
by the prompt. A cfg of 1 makes two passes a step, more makes three.
""")

SPEECH = note(
    """## Expression from a clip, lips from speech

One face with two roles: the clip gives gaze, feeling and the turning of the head (FantasyPortrait), the recording moves
the lips (FantasyTalking). Choose a recording in *Load Audio* (the pack's `assets/speech.wav`, say) and press **Run**.

*Extract Expression* leaves the clip's mouth out (*mouth* 0), so that the two do not quarrel over the lips. The shorter of
clip and recording sets the length.

**Better lips:** raise *speech_scale*; 3 to 7 is usual. While it equals *portrait_scale* both share one pass, two a step in
all; different numbers make three.

**Speech alone:** remove the clip's *Assign Role* and its nodes, and set *region* of the other one to *full*.
""",
    ("model_patches", f"[{TALKING}](https://huggingface.co/Kijai/WanVideo_comfy)"),
    ("audio_encoders", f"`{WAV2VEC}`"),
    after="The last one is `model.safetensors` of [wav2vec2-base-960h]"
    f"(https://huggingface.co/facebook/wav2vec2-base-960h), saved as `{WAV2VEC}`.",
)

IN_TURN = """
## Two people talk in turn

The one on the left speaks first, the one on the right answers; who does not speak listens. Press **Run**. It needs no GPU,
no model and no files.

**Your own picture:** *Load Image* in the place of *Example Picture and Clip*.

**Your own recordings:** *Load Audio* in the place of *Example Speech*, one for each speaker. *start* says when the second one
begins, *seconds* how long the whole lasts (the same for both).

**How they speak:** *emotion* and *persona*; for emotions that change connect *Emotion Track*. If you have the words, write them into
*text*, with tags such as `[happy 0.7] Hello! [/happy] [nod]` (needs espeak-ng).

**With Wan:** the motions go into *Apply Cast* as they are.
"""

WITH_FEELING = """
## Speak with emotion and persona

A recording moves the face; what is felt changes as it is said, and a persona says how. Press **Run**. It needs no GPU, no
model and no files.

**Emotions:** *Emotion Track*, one line each: `name:weight@start-end`.

**Persona:** *Persona* has the numbers; remove it to take one of the pack's own in *Motion from Speech, persona*.

**The text,** if you have it, makes noisy recordings clearer and takes tags at the words they belong to. Put this into *text* and remove
*Emotion Track* (needs espeak-ng):

`[happy 0.7] Good evening. [/happy] Tonight every face [nod] in the picture has a part to play.`

*Measure Motion* says how well the lips follow the sound.
"""

BY_HAND = """
## Write a motion and export it

Draw what the face does on the tracks of *Motion from Timeline*, over the waveform of the sound. Press **Run** to see it
plotted, on a drawn face and on the picture. It needs no GPU, no model and no files.

**Draw:** *Add* puts a feeling, gesture or blendshape at the playhead; drag blocks and keys; double-click a line for a key. The
text above says the same and is what is saved.

**Keep it:** *Save Motion* writes the CSV of Live Link Face into `output/motion`, for Blender, Unreal and *Load Motion*.

**Send it:** *Export Live Link* is asleep, as it plays in real time: select it, press Ctrl+M, and let the other program listen on
port 11111.
"""

FACE_IN_A_CLIP = """
## Replace the face in a clip

The person in the clip says something else: brows, eyes and head are the clip's own, the mouth follows a new recording.
Of the picture that is made anew only the face is put over the clip; all else stays as it was filmed. Press **Run**. It needs
no GPU, no model and no files.

**Your own clip:** *Load Video* in the place of *Example Picture and Clip*.

**Your own model** in the place of *Warp Render*: anything that makes the whole picture anew, frame by frame: Wan with *Apply Cast*,
a video-to-video KSampler. Its IMAGE goes to *Replace Faces, edited*. *Warp Render* knows only the first frame, so keep to clips that
move little.

**The edge:** *edge* face is the face alone; take head or oval when the head moves, too.
"""

CROP_AND_PLACE = """
## Several faces through a model that wants one

*Crop Faces* cuts a square around each face, each goes through a model of its own, *Place Faces* puts the results back with a soft
edge. Press **Run**. It needs no GPU, no model and no files.

**Your own model** in the place of both *Warp Render*: whatever takes a square picture of one face, such as an image-to-video KSampler
or a talking-head pack. The size of its result does not matter, the number of frames must be the same for both.

**A model for single pictures** (a KSampler with denoise, a face restorer): wire *Crop Faces* to it and its result to *Place Faces*;
the rows between are not needed.

**A clip** in the place of the picture: *Get Video Components* gives its frames to *Detect Faces*, *Crop Faces* and *Place Faces*;
cut one *person* at a time.

**Wrong colours?** *colour_match* ring. **A visible edge?** *blend* poisson.
"""

LONG_VIDEO = """
## A long video from windows

Models make a few seconds at a time. *Join Windows* puts two windows together that share their last and first frames: it
measures how far colours and place have drifted, takes that away and says so. *Crossfade Clips* leads over to the next shot. Press
**Run**. It needs no GPU, no model and no files.

**Your own windows:** everything up to *Window 1* and *Window 2* stands for your model: begin its second window from the last *overlap*
frames of the first, and connect both to *Join Windows*. *Look (drift)* only makes something to correct: leave it out.

**More windows:** chain another *Join Windows*; each is corrected to the first.

**The sound** is put under the whole: keep that of the long shot, not of the windows.
"""

LOOKS = """
## Finish a video with a look

The same clip with two looks, side by side: clearer (more contrast, then sharper), and drawn as a cartoon. Press **Run**. It needs
no GPU, no model and no files.

**Keep the one you like:** wire its *Look* straight to *Create Video*.

**Your own clip:** *Load Video* in the place of *Example Picture and Clip*, or wire the frames of your model straight to *Look*. The
sound of the clip comes along.

**Other looks:** anime and realistic, in *look*. *strength* 0 is the clip as it was.

**On faces alone:** *Crop Faces*, *Look*, *Place Faces*.

*Sync Check* warns when clip, model and result differ in speed or length. Its *model_fps* is what your model makes: 16 for Wan 2.1.
"""

ONE_PERSON = """
## One person from a clip

A clip moves the face in a picture. Press **Run**: *Warp Render* plays what it makes, the video appears in *Save Video*. It
needs no GPU, no model and no files.

**Your own picture:** *Load Image* in the place of *Example Picture and Clip*. With several people in it, click the one who acts in
*Assign Role* or *Detect Faces*.

**Your own clip:** *Load Video* on *Motion from Video, video*. If it has sound, the result has it, too.

**More or less of it:** *strength* in *Assign Role*.
"""

TWO_DRIVES = """## Two people, two drives

Each face plays its own part. Press **Run**: the result appears in *Save Video*.

Faces are numbered from the left: *Detect Faces* shows who is who. Each *Assign Role* gives one of them a motion; chain as many as there are faces.

**Write your own parts** in the two timelines, as in

`happy 0.8 @0.5-2 ease_out; blink @1.2; nod @3`

**Your own picture:** choose it in *Load Image*, then drag its IMAGE output onto *Detect Faces › image* and *Warp Render › image*.

A part can also come from a preset, a clip or a file: any MOTION fits."""

FACES_BY_CORE = """## Faces found by ComfyUI itself

As *Two people, two drives*, but the faces are found by ComfyUI's own detector (0.23 and newer), so **no mediapipe package is needed**.

Its model, `mediapipe_face_fp32.safetensors`, is offered for download when you open this workflow; it goes into `models/detection`. Then press **Run**.

**Your own picture:** choose it in *Load Image*, then drag its IMAGE output onto the **image** input of *Detect Face Landmarks*, *Detect Faces* and *Warp Render*."""
