"""Help pictures of the nodes that make, change, show and store motions."""

from __future__ import annotations

import tempfile
from pathlib import Path

import help_stage as stage
import numpy as np
from help_card import (
    BLUE,
    EDGE,
    FAINT,
    GAP,
    GREEN,
    INK,
    NORMAL,
    ORANGE,
    PINK,
    SMALL,
    WIDTH,
    YELLOW,
    Card,
    Curve,
    columns,
    cut_off,
)
from help_pixels import INSIDE, tiles
from help_stage import heads, times_of

from troupe.engine.cast import Role
from troupe.engine.motion import FaceMotion, edit
from troupe.engine.motion.files import save_motion
from troupe.engine.motion.from_video import motion_from_track
from troupe.engine.motion.plot import plot_motion
from troupe.engine.motion.presets import EMOTIONS, PRESETS
from troupe.engine.motion.sketch import sketch
from troupe.engine.video.sync import Part, sync_report

WRITTEN = ("happy 0.8 @0.5-2.2", "blink @1.2", "surprised @2.6-3.8", "yaw 0 @2, 12 @3.2, 0 @4.5")


def lines_of(motion: FaceMotion, names: dict[str, tuple]) -> list[Curve]:
    """Channels of a motion as curves, each with its colour."""
    return [Curve(name, times_of(motion), motion.column(name), colour) for name, colour in names.items()]


def sketches(motion: FaceMotion, times: tuple[float, ...], size: int = 400) -> list[np.ndarray]:
    return list(sketch(stage.at(motion, times), size))


def motion_from_preset() -> Card:
    others = [name for name in PRESETS if name not in EMOTIONS and name != "wink_right"]
    *lefts, side = columns(4)
    top, row = EDGE + 2 * (side + GAP), 214
    card = Card(round(top + -(-len(others) // 4) * row + EDGE - 6))
    tiles(card, heads(stage.acted([Role(1, stage.poses(EMOTIONS))])), EMOTIONS, EDGE, 4, side)
    for i, (name, drawn) in enumerate(zip(others, sketch(stage.poses(others), 416), strict=True)):
        x, y = lefts[i % 4], top + i // 4 * row
        card.photo(drawn[56:411], (x, y, side, 170))
        card.text(x + side / 2, y + 188, name, SMALL, INK, "mm")
    return card


def written(card: Card, lines: tuple[str, ...], top: float) -> float:
    """Lines of a text on a plate; where it ends."""
    high = len(lines) * 38 + 24
    card.plate((EDGE, top, INSIDE, high), (22, 23, 26))
    for i, line in enumerate(lines):
        card.text(EDGE + 18, top + 12 + i * 38, line, NORMAL, YELLOW)
    return top + high + GAP


def marks(card: Card, times: tuple[float, ...], seconds: float, top: float, high: float) -> None:
    """Where in a chart the faces below it are."""
    for t in times:
        x = EDGE + t / seconds * INSIDE
        card.line([(x, top), (x, top + high)], INK, 2)


def over_time(card: Card, curves: list[Curve], seconds: float, times: tuple[float, ...], top: float) -> float:
    """A chart with marks at some moments; where it ends."""
    card.chart(curves, (EDGE, top, INSIDE, 224), (0, seconds))
    marks(card, times, seconds, top + 40, 150)
    return top + 224 + GAP


def moments(card: Card, frames: list[np.ndarray], times: tuple[float, ...], top: float) -> None:
    *_, side = columns(4)
    tiles(card, frames, [f"{t:g} s" for t in times], top, 4, side)


def motion_from_timeline() -> Card:
    motion, times = stage.score("; ".join(WRITTEN), 4.6), (1.0, 1.35, 2.4, 3.2)
    *_, side = columns(4)
    card = Card(round(EDGE + 176 + GAP + 224 + GAP + side + EDGE))
    y = written(card, WRITTEN, EDGE)
    names = {"mouthSmileLeft": BLUE, "eyeBlinkLeft": GREEN, "jawOpen": ORANGE}
    yaw = Curve("yaw / 20", times_of(motion), motion.head[:, 1] / 20, PINK)
    y = over_time(card, [*lines_of(motion, names), yaw], 4.6, times, y)
    moments(card, heads(stage.played(motion, times)), times, y)
    return card


def clip_motion() -> FaceMotion:
    return motion_from_track(stage.clip_faces().person(1), stage.clip()[1])


def motion_from_video() -> Card:
    frames, fps = stage.clip()
    motion, times = clip_motion(), (0.15, 1.2, 2.2, 4.2)
    *_, side = columns(4)
    card = Card(round(EDGE + 2 * side + 224 + 2 * GAP + EDGE))
    moments(card, [frames[round(t * fps)][20:430, 51:461] for t in times], times, EDGE)
    names = {"mouthSmileLeft": BLUE, "jawOpen": ORANGE, "browInnerUp": GREEN}
    y = over_time(card, lines_of(motion, names), motion.duration, times, EDGE + side + GAP)
    tiles(card, heads(stage.played(motion, times)), [""] * 4, y, 4, side)
    return card


def edit_motion() -> Card:
    talk = stage.score("jawOpen 0 @0, 0.7 @0.3, 0.1 @0.55, 0.9 @0.9, 0.2 @1.2, 0.5 @1.5, 0 @2")
    rough = talk.blendshapes.copy()
    rough += np.random.default_rng(1).normal(0, 0.09, (len(rough), 1)).astype(np.float32)
    tracked = FaceMotion(rough.clip(0, 1), talk.head, talk.fps)
    other = stage.score("jawOpen 0 @0, 0.8 @1, 0 @2")
    changes = {
        "mouth 0.5": (
            talk,
            edit.scale(talk, dict.fromkeys(("mouth", "jaw", "cheeks", "nose", "tongue"), 0.5)),
        ),
        "speed 2": (talk, FaceMotion(talk.blendshapes, talk.head, 2 * talk.fps)),
        "delay 1": (talk, edit.delay(talk, 1)),
        "smooth 0.15": (tracked, edit.smooth(tracked, 0.15)),
        "loop 4": (talk, edit.loop(talk, 4)),
        "crossfade 0.5": (talk, edit.crossfade(talk, other, 0.5)),
    }
    *lefts, wide = columns(2, 28)
    card = Card(EDGE + 3 * 214 + 10)
    for i, (name, (before, after)) in enumerate(changes.items()):
        x, y = lefts[i % 2], EDGE + i // 2 * 214
        card.text(x, y, name, NORMAL)
        lines = [
            Curve("", times_of(m), m.column("jawOpen"), c, w)
            for m, c, w in ((before, FAINT, 3), (after, ORANGE, 4))
        ]
        card.chart(lines, (x, y + 38, wide, 154), (0, 4), names=False)
    card.text(WIDTH - EDGE, EDGE + 4, "after", SMALL, ORANGE, "ra")
    card.text(WIDTH - EDGE - 78, EDGE + 4, "before", SMALL, FAINT, "ra")
    return card


def plot_motion_card() -> Card:
    plotted = plot_motion(stage.score("; ".join(WRITTEN)), top=5, width=1266, height=780)
    high = INSIDE * 780 / 1266
    card = Card(round(high + 2 * EDGE))
    card.photo(plotted, (EDGE, EDGE, INSIDE, high))
    for y, words in ((EDGE + 250, "expressions"), (EDGE + high - 90, "the head")):
        card.tag(WIDTH - EDGE - 160, y, words)
    return card


def recording(
    card: Card, name: str, lines: list[str], box: tuple[float, float, float, float], note: str = ""
) -> None:
    """A file: its name, and how it begins, cut off at the edge."""
    x, y, wide, high = box
    card.plate(box, (22, 23, 26))
    card.text(x + 16, y + 12, name, NORMAL, YELLOW)
    card.text(x + wide - 16, y + 16, note, SMALL, FAINT, "ra")
    for i, line in enumerate(lines):
        card.text(x + 16, y + 54 + i * 33, cut_off(line, wide - 32), SMALL, FAINT)


def files(motion: FaceMotion) -> dict[str, tuple[list[str], int]]:
    """How a motion's files begin, and how many bytes they have."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("csv", "json", "npz"):
            path = save_motion(motion, Path(folder) / f"motion.{kind}")
            text = path.read_text("utf-8").splitlines()[:4] if kind != "npz" else []
            found[kind] = text, path.stat().st_size
    return found


def load_motion() -> Card:
    motion, times = clip_motion(), (0.15, 1.2, 2.2, 4.2)
    *_, side = columns(4)
    card = Card(round(EDGE + 164 + 56 + 224 + GAP + side + EDGE))
    text, _ = files(motion)["csv"]
    recording(card, "recording.csv", text[:3], (EDGE, EDGE, INSIDE, 164))
    card.arrow(WIDTH / 2, EDGE + 170, 44, down=True)
    names = {"mouthSmileLeft": BLUE, "jawOpen": ORANGE, "browInnerUp": GREEN}
    y = over_time(card, lines_of(motion, names), motion.duration, times, EDGE + 164 + 56)
    moments(card, sketches(motion, times), times, y)
    return card


def save_motion_card() -> Card:
    motion = clip_motion()
    card = Card(EDGE + 190 + 56 + 148 + GAP + 190 + GAP + 64 + EDGE)
    names = {"mouthSmileLeft": BLUE, "jawOpen": ORANGE, "browInnerUp": GREEN}
    card.chart(lines_of(motion, names), (EDGE, EDGE, INSIDE, 190), (0, motion.duration))
    card.arrow(WIDTH / 2, EDGE + 196, 44, down=True)
    y = EDGE + 190 + 56
    notes = {"csv": "Unreal, Blender, tables", "json": "to read", "npz": "exact and small"}
    for (kind, (text, size)), high in zip(files(motion).items(), (148, 190, 64)):
        words = f"{notes[kind]}, {size / 1000:.0f} kB"
        recording(card, f"Troupe_00001.{kind}", text[: (high - 50) // 33], (EDGE, y, INSIDE, high), words)
        y += high + GAP
    return card


def export_live_link() -> Card:
    motion = clip_motion()
    card = Card(410)
    names = {"jawOpen": ORANGE, "mouthSmileLeft": BLUE}
    card.chart(lines_of(motion, names), (EDGE, 84, 400, 270), (0, motion.duration))
    card.text(EDGE + 200, 50, "the motion", NORMAL, INK, "mm")
    card.arrow(EDGE + 416, 220, 150, colour=GREEN)
    card.text(EDGE + 490, 176, "60 packets", SMALL, INK, "mm")
    card.text(EDGE + 490, 262, "a second", SMALL, INK, "mm")
    side = 270
    card.photo(sketches(motion, (2.2,))[0], (WIDTH - EDGE - side, 84, side, side), "Troupe")
    card.text(WIDTH - EDGE - side / 2, 50, "Unreal, Blender", NORMAL, INK, "mm")
    return card


def sync_check() -> Card:
    parts = [
        Part("drive", "drive.mp4", 4.6, 25, 115),
        Part("drive", "audio", 4.6, by_time=True),
        Part("output", "frames", 81 / 25, 25, 81),
    ]
    lines, warnings = sync_report(parts, 16)
    card = Card(EDGE + 3 * 62 + 300)
    left, scale = EDGE + 150, (INSIDE - 150) / 4.8
    for i, (part, colour) in enumerate(zip(parts, (BLUE, PINK, ORANGE))):
        y = EDGE + i * 62
        card.text(EDGE, y + 23, part.name, NORMAL, INK, "lm")
        card.plate((left, y, part.seconds * scale, 46), colour)
        words = f"{part.seconds:.2f} s" + (f", {part.frames} frames, {part.fps:g} fps" if part.fps else "")
        card.text(left + 14, y + 23, words, SMALL, (0, 0, 0), "lm")
    end = left + parts[2].seconds * scale
    card.line([(end, EDGE), (end, EDGE + 176)], INK, 2)
    y = EDGE + 3 * 62 + 10
    for line in lines[-1:]:
        y = card.paragraph(EDGE, y, f"{line}  (model_fps)", INSIDE, SMALL, FAINT) + 4
    for warning in warnings:
        card.dot(EDGE + 9, y + 15, 8, ORANGE)
        y = card.paragraph(EDGE + 30, y, warning, INSIDE - 30) + 8
    return card


SCENES = {
    "TroupeEditMotion": edit_motion,
    "TroupeExportLiveLink": export_live_link,
    "TroupeLoadMotion": load_motion,
    "TroupeMotionFromPreset": motion_from_preset,
    "TroupeMotionFromTimeline": motion_from_timeline,
    "TroupeMotionFromVideo": motion_from_video,
    "TroupePlotMotion": plot_motion_card,
    "TroupeSaveMotion": save_motion_card,
    "TroupeSyncCheck": sync_check,
}
