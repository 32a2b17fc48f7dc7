"""The example workflows that put videos together: faces replaced, windows joined, looks. They run anywhere."""

from __future__ import annotations

import workflow_notes as notes
from workflow_builder import Group, Node, Workflow, node
from workflow_parts import detect, faces, media, parts, role, saved

OVERLAP = 8  # frames that two windows share


def face_in_a_clip() -> Workflow:
    """Somebody in a clip says something else; only the face is replaced."""
    frames, sound = ("parts", "images"), ("says", "audio")
    first = node("first", "ImageFromBatch", title="First frame", image=frames, batch_index=0, length=1)
    clip = [
        [media("portrait.png"), parts(), first],
        [None, detect("clip_faces", "clip", ("media", "video"), max_faces=1)],
    ]
    own = node(
        "own", "TroupeMotionFromVideo", title="Motion from Video (its own)", faces=("clip_faces", "faces")
    )
    says = node(
        "says",
        "TroupeMotionFromSpeech",
        title="Motion from Speech (new words)",
        audio=("sound", "audio"),
        emotion="happy",
        persona="friendly",
        seconds=4.6,
        seed=3,
    )
    both = node(
        "both",
        "TroupeEditMotion",
        title="Edit Motion (its own head, a new mouth)",
        motion=("own", "motion"),
        mouth=0.0,
        second=("says", "motion"),
        combine="add",
        amount=1.3,
    )
    render = node(
        "render",
        "TroupeWarpRender",
        title="Warp Render (in the place of your model)",
        image=("first", "IMAGE"),
        cast=("role", "cast"),
        faces=("first_faces", "faces"),
        wide=400,
    )
    replace = node(
        "replace",
        "TroupeReplaceFaces",
        image=frames,
        edited=("render", "frames"),
        faces=("clip_faces", "faces"),
        edge="face",
        colour_match="ring",
        wide=400,
    )
    create = node("create", "CreateVideo", images=("replace", "image"), fps=("parts", "fps"), audio=sound)
    return Workflow(
        "replace_the_face_in_a_clip",
        notes.FACE_IN_A_CLIP,
        [
            Group("1 The clip and its face", clip),
            Group(
                "2 What the face does now",
                [
                    [None, own, both],
                    [node("sound", "TroupeExampleSpeech", speech="speech.wav"), says],
                ],
            ),
            Group(
                "3 The whole picture, made anew",
                [
                    [role("role", 1, ("both", "motion"), rest="relative"), render],
                    [faces("first_faces", ("first", "IMAGE"), title="Detect Faces (first frame)")],
                ],
            ),
            Group(
                "4 Only the face is taken",
                [[replace, create, saved("save", ("create", "VIDEO"), "face_in_a_clip")]],
            ),
        ],
        (400, 760),
        above=(frames, ("first", "IMAGE"), ("clip_faces", "faces")),
    )


def crop_and_place() -> Workflow:
    """Each face through a model for one face, and back."""
    picture = ("media", "image")
    crop = node(
        "crop", "TroupeCropFaces", image=picture, faces=("faces", "faces"), person=0, size=512, margin=0.6
    )
    rows = []
    for number, (side, preset) in enumerate((("left", "surprised"), ("right", "happy"))):
        one = node(
            f"{side}_crop",
            "ImageFromBatch",
            title=f"Crop of the {side} one",
            image=("crop", "crops"),
            batch_index=number,
            length=1,
        )
        act = node(
            f"{side}_motion",
            "TroupeMotionFromPreset",
            title=f"Motion ({side})",
            preset=preset,
            intensity=0.7,
            seed=number,
        )
        play = role(f"{side}_role", 1, (act.key, "motion"), title=f"Assign Role ({side})")
        seen = faces(f"{side}_faces", (one.key, "IMAGE"), title=f"Detect Faces ({side} crop)")
        model = node(
            side,
            "TroupeWarpRender",
            title=f"Warp Render ({side}, for your model)",
            image=(one.key, "IMAGE"),
            cast=(play.key, "cast"),
            faces=(seen.key, "faces"),
            wide=360,
        )
        rows.append([[act, one], [play, seen], model])
    together = node(
        "together",
        "TroupeCrossfadeClips",
        title="Results one after the other",
        first=("left", "frames"),
        second=("right", "frames"),
        frames=0,
    )
    place = node(
        "place",
        "TroupePlaceFaces",
        image=picture,
        results=("together", "image"),
        where=("crop", "where"),
        wide=400,
    )
    create = node("create", "CreateVideo", images=("place", "image"), fps=25.0)
    return Workflow(
        "several_faces_through_a_model",
        notes.CROP_AND_PLACE,
        [
            Group("1 Picture and faces", [[media("two_people.png"), faces("faces", picture)]]),
            Group("2 Cut out", [[crop]]),
            Group("3 Your model, one face at a time", rows),
            Group("4 Put back", [[together, place]]),
            Group("5 Video", [[create, saved("save", ("create", "VIDEO"), "several_faces")]]),
        ],
        (400, 760),
        above=(picture, ("crop", "where"), ("left_crop", "IMAGE")),
    )


def long_video() -> Workflow:
    """Two windows of one shot joined, and the next shot faded in."""
    picture, sound = ("media", "image"), ("sound", "audio")
    window = 65
    acting = [
        [media("portrait.png"), faces("faces", picture)],
        [
            node("sound", "TroupeExampleSpeech", speech="speech.wav", wide=360),
            node("speak", "TroupeMotionFromSpeech", audio=sound, emotion="happy", seed=4),
        ],
    ]
    render = node(
        "render",
        "TroupeWarpRender",
        title="Warp Render (in the place of your model)",
        image=picture,
        cast=("role", "cast"),
        faces=("faces", "faces"),
        audio=sound,
    )

    def cut(key: str, title: str, begin: int, length: int) -> Node:
        return node(
            key, "ImageFromBatch", title=title, image=("render", "frames"), batch_index=begin, length=length
        )

    drift = node(
        "drift",
        "TroupeLook",
        title="Look (drift, as models have it)",
        image=("two", "IMAGE"),
        look="contrast",
        strength=0.6,
    )
    join = node(
        "join", "TroupeJoinWindows", first=("one", "IMAGE"), second=("drift", "image"), overlap=OVERLAP
    )
    fit = node(
        "fit",
        "ImageScale",
        title="Next shot, in the size of this one",
        image=("parts", "images"),
        upscale_method="lanczos",
        width=512,
        height=640,
        crop="center",
    )
    fade = node(
        "fade",
        "TroupeCrossfadeClips",
        first=("join", "image"),
        second=("fit", "IMAGE"),
        first_audio=sound,
        second_audio=("parts", "audio"),
    )
    create = node("create", "CreateVideo", images=("fade", "image"), fps=25.0, audio=("fade", "audio"))
    return Workflow(
        "long_video_from_windows",
        notes.LONG_VIDEO,
        [
            Group("1 Picture and speech", acting),
            Group("2 One long shot", [[role("role", 1, ("speak", "motion")), render]]),
            Group(
                "3 Its windows",
                [
                    [cut("one", "Window 1", 0, window)],
                    [cut("two", "Window 2", window - OVERLAP, 4096), drift],
                ],
            ),
            Group("4 Join, then fade", [[join, None, fade], [parts(), fit]]),
            Group("5 Video", [[create, saved("save", ("create", "VIDEO"), "long_video")]]),
        ],
        (400, 700),
        above=(picture, ("faces", "faces")),
    )


def looks() -> Workflow:
    """A finished clip with two looks, side by side."""
    frames = ("parts", "images")

    def look(key: str, name: str, source: tuple[str, str], strength: float = 1.0) -> Node:
        return node(key, "TroupeLook", title=f"Look ({name})", image=source, look=name, strength=strength)

    beside = node(
        "beside",
        "ImageStitch",
        title="Both side by side",
        image1=("sharp", "image"),
        image2=("cartoon", "image"),
    )
    create = node(
        "create", "CreateVideo", images=("beside", "IMAGE"), fps=("parts", "fps"), audio=("parts", "audio")
    )
    check = node(
        "check", "TroupeSyncCheck", video=("media", "video"), image=("beside", "IMAGE"), model_fps=25.0
    )
    clearer = [look("contrast", "contrast", frames, 0.8), look("sharp", "sharpen", ("contrast", "image"))]
    return Workflow(
        "finish_a_video_with_a_look",
        notes.LOOKS,
        [
            Group("1 Your clip", [[media("portrait.png"), parts()]]),
            Group("2 Looks", [clearer, [None, look("cartoon", "cartoon", frames)]]),
            Group(
                "3 Compare, check, save",
                [[beside, create, saved("save", ("create", "VIDEO"), "looks")], [None, check]],
            ),
        ],
        (400, 620),
        above=(("parts", "audio"), ("parts", "fps")),
    )


WORKFLOWS = (face_in_a_clip, crop_and_place, long_video, looks)
