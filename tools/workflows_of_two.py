"""The example workflows of two people in one picture, each with a part of their own. They need no GPU."""

from __future__ import annotations

import workflow_notes as notes
from workflow_builder import Group, Node, Workflow, node
from workflow_notes import CORE_FACES
from workflow_parts import faces, media, role, saved, sources

PICTURE = ("media", "image")

LEFT = """# The one on the left: she looks over, catches the wink, cannot believe it, laughs, and is back in the camera.
length 6; idle 0.5; seed 3

blink @0.5
eyeLookOutLeft 0 @0.5, 0.75 @0.7 ease_out, 0.35 @1.3, 0.35 @4.6, 0 @4.85 ease_out   # the eyes go first ...
eyeLookInRight 0 @0.5, 0.75 @0.7 ease_out, 0.35 @1.3, 0.35 @4.6, 0 @4.85 ease_out
yaw 0 @0.6, 17 @1.25, 17 @4.65, 0 @5.4                                              # ... then the head
browOuterUp 0.5 @1.3-2.1
surprised 0.95 @2.35-3.35 ease_out attack=0.2 release=0.3
laugh @3.2-5.6
happy 0.7 @4.9-6.1 release=0.1   # the photograph grins: so the end meets the beginning
blink @4.7"""

RIGHT = """# The one on the right: feels looked at, turns slowly, winks without a smile, and then smiles after all.
length 6; idle 0.5; seed 11

blink @1.0
eyeLookOutRight 0 @1.0, 0.75 @1.2 ease_out, 0.35 @1.9, 0.35 @4.8, 0 @5.05 ease_out
eyeLookInLeft 0 @1.0, 0.75 @1.2 ease_out, 0.35 @1.9, 0.35 @4.8, 0 @5.05 ease_out
yaw 0 @1.1, -16 @1.8, -16 @4.85, 0 @5.6
wink @2.05-2.85
browOuterUp 0.5 @3.0-3.7
happy 1.0 @3.3-5.6 ease_out
mouthSmile 0.6 @3.3-5.6 ease_out
nod 0.6 @4.0
blink @4.9"""


def own_picture() -> Node:
    """Lies there to be wired."""
    return node("own", "LoadImage", title="Load Image (your own picture)", image="", wide=360)


def parts_and_roles(left: str, right: str) -> Group:
    """A timeline for each of them, and who plays it."""

    def part(side: str, timeline: str) -> Node:
        title = f"The part of the {side} one"
        return node(side, "TroupeMotionFromTimeline", title=title, timeline=timeline, wide=560)

    roles = [
        role("left_role", 1, ("left", "motion"), title="Assign Role (left)"),
        role("right_role", 2, ("right", "motion"), "left_role", title="Assign Role (right)"),
    ]
    return Group("2 · What each one does", [[[part("left", left), part("right", right)], roles]])


def acts() -> Group:
    render = node(
        "render",
        "TroupeWarpRender",
        image=PICTURE,
        cast=("right_role", "cast"),
        faces=("faces", "faces"),
        wide=400,
    )
    return Group("3 · The picture acts", [[render, saved("save", ("render", "video"), "two_people")]])


def two_drives() -> Workflow:
    """Two timelines, two faces."""
    people = [[media("two_people.png"), own_picture()], faces("faces", PICTURE)]
    return Workflow(
        "two_people_two_drives",
        notes.TWO_DRIVES,
        [Group("1 · A picture and who is in it", [people]), parts_and_roles(LEFT, RIGHT), acts()],
        (400, 480),
        above=(PICTURE, ("faces", "faces")),
    )


def faces_by_core() -> Workflow:
    """The same, with the faces found by ComfyUI's own detector."""
    load = node(
        "load", "LoadMediaPipeFaceLandmarker", model_name=CORE_FACES, models=sources(CORE_FACES), wide=360
    )
    find = node(
        "find",
        "MediaPipeFaceLandmarker",
        face_detection_model=("load", "FACE_DETECTION_MODEL"),
        image=PICTURE,
        detector_variant="both",
        num_faces=16,
        wide=360,
    )
    seen = node(
        "faces", "TroupeDetectFaces", image=PICTURE, face_landmarks=("find", "face_landmarks"), wide=360
    )
    people = [[media("two_people.png"), own_picture()], load, find, seen]
    left = "happy 0.9 @0.3-2 ease_out; blink @1.5; surprised @2.4-3.6; length 4"
    right = "frown 0.6 @0.2-1.5; blink @1.2; nod @1.8; happy 0.9 @2.4-3.8 ease_out; length 4"
    return Workflow(
        "two_people_faces_by_core",
        notes.FACES_BY_CORE,
        [Group("1 · A picture and who is in it", [people]), parts_and_roles(left, right), acts()],
        (400, 480),
        above=(PICTURE, ("faces", "faces")),
    )


WORKFLOWS = (two_drives, faces_by_core)
