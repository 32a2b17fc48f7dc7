"""Help pictures of the nodes that work on pictures: faces, masks, crops, looks, joins and the warp."""

from __future__ import annotations

from collections.abc import Sequence

import help_stage as stage
import numpy as np
from help_card import BLUE, EDGE, FAINT, GAP, GREEN, INK, ORANGE, SMALL, WIDTH, Card, Curve, columns
from help_stage import PEOPLE, heads
from PIL import Image, ImageDraw

from troupe.engine.cast import Role
from troupe.engine.faces import draw_faces, find_faces
from troupe.engine.faces.regions import region_masks
from troupe.engine.motion.sketch import sketch
from troupe.engine.video.composite import (
    Blend,
    crossfade,
    cut_faces,
    join_windows,
    measure_drift,
    place_faces,
    plan_crops,
    replace_faces,
)
from troupe.engine.video.looks import LOOKS, apply_look

INSIDE = WIDTH - 2 * EDGE


def larger(pixels: np.ndarray, times: int) -> np.ndarray:
    """For finer lines in it."""
    size = (pixels.shape[1] * times, pixels.shape[0] * times)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


def tiles(
    card: Card, pictures: Sequence[np.ndarray], names: Sequence[str], top: float, in_row: int, high: float
) -> None:
    """Pictures with their names, row by row."""
    *lefts, wide = columns(in_row)
    for i, (pixels, name) in enumerate(zip(pictures, names, strict=True)):
        card.photo(pixels, (lefts[i % in_row], top + i // in_row * (high + GAP), wide, high), name)


def detect_faces() -> Card:
    high = INSIDE * 480 / 768
    card = Card(round(high + 2 * EDGE))
    pixels = larger(stage.picture(PEOPLE), 2)
    card.photo(
        draw_faces(pixels, find_faces(pixels), landmarks=False), (EDGE, EDGE, INSIDE, high), "count: 2"
    )
    return card


def draw_faces_card() -> Card:
    pixels = larger(stage.picture(), 2)
    drawn = draw_faces(pixels, find_faces(pixels))
    wide = (INSIDE - 72) / 2
    card = Card(round(wide + 2 * EDGE))
    for x, picture in ((EDGE, pixels), (WIDTH - EDGE - wide, drawn)):
        card.photo(picture[60:860, 112:912], (x, EDGE, wide, wide))
    card.arrow(EDGE + wide + 14, EDGE + wide / 2, 44)
    return card


def assign_role() -> Card:
    drive = stage.score("surprised 1 @0-2; yaw 18 @0-2; roll 12 @0-2").sample(np.array([1.0]))
    drive = stage.FaceMotion(*(part.astype(np.float32) for part in drive), 1.0)
    regions = ("lips", "eyes", "face", "head")
    acted = [stage.acted([Role(1, drive, region)])[0] for region in regions]
    shown = [next(sketch(drive, 512)), *heads([stage.picture(), *acted])]
    names = ["the drive", "the picture", *(f"region: {r}" for r in regions)]
    *_, side = columns(3)
    card = Card(round(2 * side + GAP + 2 * EDGE))
    tiles(card, shown, names, EDGE, 3, side)
    return card


def face_masks() -> Card:
    regions = ("face", "lips", "eyes", "head", "body", "full")
    shown = []
    for region in regions:
        mask = region_masks(stage.faces().person(1), region, *stage.picture().shape[:2])[0]
        shown.append((stage.picture() * (0.13 + 0.87 * mask[..., None])).round().astype(np.uint8))
    card = Card(2 * 320 + GAP + 2 * EDGE)
    tiles(card, shown, regions, EDGE, 3, 320)
    return card


def cut() -> tuple:
    """Where the two faces are cut, and both crops."""
    crops = plan_crops(stage.faces(PEOPLE), size=400)
    return crops, next(iter(cut_faces([stage.picture(PEOPLE)], crops)))


def with_squares(crops) -> np.ndarray:
    """The picture, three times as large, with the square of each crop."""
    out = Image.fromarray(larger(stage.picture(PEOPLE), 3))
    for window, colour in zip(crops.windows, (BLUE, ORANGE)):
        x, y, side = (3 * v for v in window.at(0))
        ImageDraw.Draw(out).rectangle((x, y, x + side, y + side), outline=colour, width=12)
    return np.asarray(out)


SIDE, WIDER = 222, 548  # of a crop, and of the picture beside the crops


def crop_faces() -> Card:
    crops, faces = cut()
    card = Card(2 * SIDE + GAP + 2 * EDGE)
    high = WIDER * 480 / 768
    card.photo(with_squares(crops), (EDGE, EDGE + (2 * SIDE + GAP - high) / 2, WIDER, high))
    card.arrow(EDGE + WIDER + 14, card.height / 2, 46)
    for i, face in enumerate(faces):
        y = EDGE + i * (SIDE + GAP)
        card.photo(face, (WIDTH - EDGE - SIDE, y, SIDE, SIDE))
        card.number(WIDTH - EDGE - SIDE, y, i + 1)
    return card


def place_faces_card() -> Card:
    crops, faces = cut()
    edited = [apply_look(face, "cartoon", 1.3) for face in faces]
    placed, _ = next(iter(place_faces([stage.picture(PEOPLE)], edited, crops, Blend())))
    card = Card(2 * SIDE + GAP + 2 * EDGE)
    for i, face in enumerate(edited):
        y = EDGE + i * (SIDE + GAP)
        card.photo(face, (EDGE, y, SIDE, SIDE))
        card.number(EDGE, y, i + 1)
    card.arrow(EDGE + SIDE + 14, card.height / 2, 46)
    high = WIDER * 480 / 768
    card.photo(placed, (WIDTH - EDGE - WIDER, (card.height - high) / 2, WIDER, high))
    return card


def replace_faces_card() -> Card:
    acted = stage.played(stage.score("surprised 1 @0-2"), [1.0])[0]
    edited = apply_look(acted, "cartoon", 1.3)
    crops = plan_crops(stage.faces(), margin=0.3)
    result, _ = next(iter(replace_faces([stage.picture()], [edited], crops, Blend())))
    *lefts, wide = columns(3, 44)
    high = wide * 640 / 512
    card = Card(round(high + 2 * EDGE))
    for x, pixels, name in zip(lefts, (stage.picture(), edited, result), ("image", "edited", "result")):
        card.photo(pixels, (x, EDGE, wide, high), name)
    card.text(lefts[1] - 22, card.height / 2, "+", 40, FAINT, "mm")
    card.text(lefts[2] - 22, card.height / 2, "=", 40, FAINT, "mm")
    return card


def look() -> Card:
    head = stage.picture()[70:410, 86:426]
    *_, side = columns(3)
    card = Card(round(2 * side + GAP + 2 * EDGE))
    tiles(card, [head, *(apply_look(head, name) for name in LOOKS)], ["the picture", *LOOKS], EDGE, 3, side)
    return card


def two_clips() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """24 frames each, square and of one size: the portrait smiling, and the driving clip."""
    first = heads(stage.played(stage.score("happy 1 @0-4"), np.linspace(0.4, 1.4, 24)))
    frames = stage.clip()[0][20:44, 20:430, 51:461]
    return first, [np.asarray(Image.fromarray(f).resize((400, 400))) for f in frames]


def crossfade_clips() -> Card:
    first, second = two_clips()
    joined = list(crossfade(first, second, 12))
    *lefts, side = columns(5, 10)
    card = Card(round(EDGE + 2 * 56 + 30 + side + 44 + EDGE))
    scale = INSIDE / len(joined)
    for row, (name, start, colour) in enumerate((("first", 0, BLUE), ("second", 12, ORANGE))):
        card.plate((EDGE + start * scale, EDGE + row * 56, 24 * scale, 46), colour)
        card.text(EDGE + start * scale + 16, EDGE + row * 56 + 23, name, SMALL, (0, 0, 0), "lm")
    for at in (12, 24):
        card.line([(EDGE + at * scale, EDGE - 8), (EDGE + at * scale, EDGE + 120)], INK, 2)
    card.text(EDGE + 18 * scale, EDGE + 23, "frames: 12", SMALL, (0, 0, 0), "mm")
    y = EDGE + 2 * 56 + 30
    for x, frame in zip(lefts, (4, 14, 18, 21, 31)):
        card.photo(joined[frame], (x, y, side, side))
        card.text(x + side / 2, y + side + 22, f"frame {frame}", SMALL, FAINT, "mm")
    return card


def drifted(frame: np.ndarray) -> np.ndarray:
    """As a model's next window may look: a little brighter, warmer and nearer."""
    high, wide = frame.shape[:2]
    moved = Image.fromarray(frame).resize((wide, high), Image.Resampling.BICUBIC, (9, 7, wide - 3, high - 5))
    return (np.asarray(moved) * (1.16, 1.07, 0.94) + (6, 4, 2)).clip(0, 255).astype(np.uint8)


def join_windows_card() -> Card:
    acting = stage.score("happy 0.8 @0-2; surprised 0.9 @1.6-3; yaw 0 @0, 8 @1.5, -6 @3")
    frames = heads(stage.played(acting, np.arange(40) / 16))
    first, second = frames[:24], [drifted(f) for f in frames[16:]]
    drift = measure_drift(first, second, 8)
    joined = list(join_windows(first, second, 8, drift))
    *_, side = columns(3)
    card = Card(round(EDGE + side + 20 + 196 + EDGE))
    names = ("first", "second, as it came", "second, joined")
    tiles(card, (first[-1], second[7], joined[28]), names, EDGE, 3, side)
    light = lambda clip: np.array([frame.mean() for frame in clip])  # noqa: E731
    curves = [
        Curve("first", np.arange(24), light(first), BLUE),
        Curve("second", np.arange(16, 40), light(second), ORANGE),
        Curve("joined", np.arange(40), light(joined), GREEN, 7),
    ]
    low, high = light(joined).min() - 3, light(second).max() + 3
    box = (EDGE, EDGE + side + 20, INSIDE, 196)
    card.chart([curves[2], *curves[:2]], box, (0, 39), (low, high), unit=" frames", step=13)
    card.text(WIDTH - EDGE, box[1] + 17, "brightness", SMALL, FAINT, "rm")
    return card


def warp_render() -> Card:
    moments = {
        "surprised": "surprised 1 @0-2",
        "yaw, wink": "wink @0.5-1.5; yaw -13 @0-2",
        "sad": "sad 1 @0-2; pitch 7 @0-2",
    }
    drives = [stage.score(text).sample(np.array([1.0])) for text in moments.values()]
    motion = stage.FaceMotion(*(np.concatenate(p).astype(np.float32) for p in zip(*drives)), 1.0)
    shown = [f[20:420] for f in (stage.picture(), *stage.acted([Role(1, motion)]))]
    *_, wide = columns(2)
    card = Card(round(2 * wide * 0.78 + GAP + 2 * EDGE))
    tiles(card, shown, ["the picture", *moments], EDGE, 2, wide * 0.78)
    return card


def example_media() -> Card:
    frames, fps = stage.clip()
    card = Card(round(EDGE + 356 + GAP + 199 + EDGE))
    portrait = 356 * 512 / 640
    card.photo(stage.picture()[:, :], (EDGE, EDGE, portrait, 356), "portrait.png")
    people = WIDTH - 2 * EDGE - portrait - GAP
    card.photo(stage.picture(PEOPLE), (EDGE + portrait + GAP, EDGE, people, 356), "two_people.png")
    moments = [frames[round(t * fps)][20:430, 51:461] for t in (0.1, 0.9, 2.3, 4.2)]
    tiles(card, moments, ["drive.mp4", "", "", ""], EDGE + 356 + GAP, 4, 199)
    return card


SCENES = {
    "TroupeAssignRole": assign_role,
    "TroupeCropFaces": crop_faces,
    "TroupeCrossfadeClips": crossfade_clips,
    "TroupeDetectFaces": detect_faces,
    "TroupeDrawFaces": draw_faces_card,
    "TroupeExampleMedia": example_media,
    "TroupeFaceMasks": face_masks,
    "TroupeJoinWindows": join_windows_card,
    "TroupeLook": look,
    "TroupePlaceFaces": place_faces_card,
    "TroupeReplaceFaces": replace_faces_card,
    "TroupeWarpRender": warp_render,
}
