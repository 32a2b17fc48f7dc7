"""The example workflows of acting and speaking that run anywhere, with nothing but what is bundled."""

from __future__ import annotations

import workflow_notes as notes
from workflow_builder import Group, Node, Workflow, node
from workflow_parts import faces, media, role, saved


def one_person() -> Workflow:
    """A clip moves the face in a picture."""
    picture = ("media", "image")
    render = node(
        "render",
        "TroupeWarpRender",
        image=picture,
        cast=("role", "cast"),
        faces=("faces", "faces"),
        audio=("motion", "audio"),
        wide=400,
    )
    return Workflow(
        "one_person_from_a_clip",
        notes.ONE_PERSON,
        [
            Group("1 Picture and clip", [[media("portrait.png"), faces("faces", picture)]]),
            Group(
                "2 What the face does", [[node("motion", "TroupeMotionFromVideo", video=("media", "video"))]]
            ),
            Group("3 Who does it", [[role("role", 1, ("motion", "motion"))]]),
            Group("4 The picture acts", [[render, saved("save", ("render", "video"), "one_person")]]),
        ],
        (400, 480),
        above=(picture, ("faces", "faces")),
    )


def in_turn() -> Workflow:
    """Two people of a picture talk in turn."""
    picture = ("media", "image")
    whole, second = 10.4, 4.9  # seconds

    def speaker(side: str, sound: str, **inputs) -> list[Node]:
        recording = node(
            f"{side}_sound", "TroupeExampleSpeech", speech=sound, title=f"Example Speech ({side})"
        )
        voice = ("audio", (f"{side}_sound", "audio")), ("seconds", whole)
        title = f"Motion from Speech ({side})"
        return [recording, node(side, "TroupeMotionFromSpeech", title=title, **dict(voice), **inputs)]

    speakers = [
        speaker("left", "speech.wav", emotion="happy", intensity=0.5, persona="friendly", seed=1),
        speaker("right", "reply.wav", emotion="neutral", persona="professional", start=second, seed=2),
    ]
    merge = node(
        "merge", "AudioMerge", audio1=("left", "audio"), audio2=("right", "audio"), merge_method="add"
    )
    roles = [
        [role("left_role", 1, ("left", "motion"), title="Assign Role (left)")],
        [None, role("right_role", 2, ("right", "motion"), "left_role", title="Assign Role (right)")],
        [merge],
    ]
    render = node(
        "render",
        "TroupeWarpRender",
        image=picture,
        cast=("right_role", "cast"),
        faces=("faces", "faces"),
        audio=("merge", "AUDIO"),
        wide=400,
    )
    return Workflow(
        "two_people_talk_in_turn",
        notes.IN_TURN,
        [
            Group("1 Picture", [[media("two_people.png"), faces("faces", picture)]]),
            Group("2 Who says what, and when", speakers),
            Group("3 Who is who", roles),
            Group("4 Video", [[render, saved("save", ("render", "video"), "in_turn")]]),
        ],
        (400, 560),
        above=(picture, ("faces", "faces")),
    )


def with_feeling() -> Workflow:
    """One person speaks, with emotions that change and a persona of her own."""
    picture = ("media", "image")
    track = "happy:0.7@0-1.6; surprised:0.7@1.6-3.2; happy:0.9@3.2-"
    voice = [
        [node("sound", "TroupeExampleSpeech", speech="speech.wav")],
        [node("feelings", "TroupeEmotionTrack", emotions=track)],
        [node("persona", "TroupePersona", articulation=1.1, smile=0.15, blink_rate=20.0, head=1.3)],
    ]
    speak = node(
        "speak",
        "TroupeMotionFromSpeech",
        audio=("sound", "audio"),
        emotion_track=("feelings", "emotion_track"),
        own_persona=("persona", "persona"),
        seed=5,
    )
    measure = node("measure", "TroupeMeasureMotion", motion=("speak", "motion"), audio=("sound", "audio"))
    render = node(
        "render",
        "TroupeWarpRender",
        image=picture,
        cast=("role", "cast"),
        faces=("faces", "faces"),
        audio=("speak", "audio"),
        wide=400,
    )
    return Workflow(
        "speak_with_emotion_and_persona",
        notes.WITH_FEELING,
        [
            Group("1 Picture", [[media("portrait.png"), faces("faces", picture)]]),
            Group("2 What is said, felt, and by whom", voice),
            Group("3 How the face says it", [[speak], [measure]]),
            Group("4 Who speaks", [[role("role", 1, ("speak", "motion"))]]),
            Group("5 Video", [[render, saved("save", ("render", "video"), "with_feeling")]]),
        ],
        (400, 620),
        above=(picture, ("faces", "faces")),
    )


TIMELINE = """# To the sentence "Good evening. Tonight every face in the picture has a part to play."
happy 0.7 @0-1.3 ease_out
nod 0.6 @0.15
jawOpen 0 @0.05, 0.3 @0.2, 0.05 @0.4, 0.25 @0.6, 0 @0.85
blink @1.1
browOuterUp 0.8 @1.4-2.6 ease_out
jawOpen 0 @1.35, 0.3 @1.6, 0.05 @1.9, 0.35 @2.2, 0.1 @2.5, 0.3 @2.8, 0 @3.1
yaw 0 @1.3, 12 @2.0, 12 @2.7, 0 @3.3
blink @2.7
happy 0.9 @3.2-4.7 ease_out
jawOpen 0 @3.2, 0.3 @3.5, 0.05 @3.8, 0.3 @4.0, 0 @4.4
wink @4.2"""


def by_hand() -> Workflow:
    """A performance that is drawn, plotted, saved, sent and seen."""
    picture = ("media", "image")
    motion = ("timeline", "motion")
    draw = node("timeline", "TroupeMotionFromTimeline", timeline=TIMELINE, audio=("sound", "audio"), wide=640)
    link = node(
        "link", "TroupeExportLiveLink", title="Export Live Link (Ctrl+M wakes it)", motion=motion, asleep=True
    )
    render = node(
        "render",
        "TroupeWarpRender",
        image=picture,
        cast=("role", "cast"),
        faces=("faces", "faces"),
        audio=("sound", "audio"),
        wide=400,
    )
    plot = node("plot", "TroupePlotMotion", motion=motion, wide=400)
    file = node("file", "TroupeSaveMotion", motion=motion, filename_prefix="motion/troupe_by_hand")
    return Workflow(
        "write_a_motion_and_export_it",
        notes.BY_HAND,
        [
            Group("1 Picture", [[media("portrait.png"), faces("faces", picture)]]),
            Group("2 Draw it", [[node("sound", "TroupeExampleSpeech", speech="speech.wav"), draw]]),
            Group("3 See it, keep it, send it", [[plot], [file], [link]]),
            Group("4 Who plays it", [[role("role", 1, motion)]]),
            Group("5 Video", [[render, saved("save", ("render", "video"), "by_hand")]]),
        ],
        (400, 620),
        above=(picture, ("faces", "faces"), motion),
    )


WORKFLOWS = (one_person, in_turn, with_feeling, by_hand)
