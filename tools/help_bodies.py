"""Help pictures of the nodes for bodies and Champ. Bodies and maps are the engine's own, nothing is generated."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import help_stage as stage
import numpy as np
from help_card import (
    BLUE,
    EDGE,
    FAINT,
    INK,
    LARGE,
    NORMAL,
    ORANGE,
    PLATE,
    SMALL,
    WIDTH,
    YELLOW,
    Card,
    Curve,
    columns,
)
from help_wan import file_of
from help_wires import Node, ours, put, wire

from troupe.engine.body.figure import stand_in
from troupe.engine.body.maps import MAPS, BodyMaps, body_maps
from troupe.engine.body.motion import BodyMotion
from troupe.engine.body.moves import MOVES, body_move
from troupe.engine.body.place import place
from troupe.engine.refnet.schedule import sigmas
from troupe.engine.refnet.windows import open_windows

NAMES = {"depth": "depth", "normal": "normal", "semantic_map": "semantic", "dwpose": "skeleton"}
GROUND = (26, 28, 31)


@cache
def motion(move: str, seconds: float = 2.0) -> BodyMotion:
    return body_move(move, seconds, 25.0)


def seen(
    moved: BodyMotion, moments: Sequence[float], width: int, height: int, **how: object
) -> list[BodyMaps]:
    """Maps at these moments (0 the first frame, 1 the last) of a motion that is placed whole."""
    placed = place(moved, stand_in(), width, height, **how)
    return list(body_maps(placed.at(np.array(moments) * (len(placed) - 1), 1.0), stand_in()))


def picture(maps: BodyMaps, kind: str) -> np.ndarray:
    """A kind of map as a picture, on a ground that is a little lighter than black."""
    pixels = getattr(maps, kind)
    pixels = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, 2)
    empty = pixels.max(-1, keepdims=True) == 0
    ground = empty if kind == "dwpose" else empty & (maps.mask[..., None] == 0)
    return np.where(ground, np.array(GROUND, np.uint8), pixels)


def load_body_model() -> Card:
    card = Card(560)
    *places, wide = columns(4)
    for x, kind, at in zip(places, ("normal", "normal", "semantic_map", "depth"), (0.0, 0.12, 0.12, 0.12)):
        (maps,) = seen(motion("turn"), [at], 400, 600)
        card.photo(picture(maps, kind), (x, EDGE, wide, 300), NAMES[kind])
    file_of(card, EDGE, 400, 430, "smpl", "SMPL_NEUTRAL.npz")
    card.text(EDGE, 500, "or the stand-in figure", NORMAL, FAINT)
    card.arrow(EDGE + 446, 442, 60)
    put(card, ours("TroupeLoadBodyModel", 560, 390, 312))
    return card


def load_body_motion() -> Card:
    card = Card(440)
    card.plate((EDGE, EDGE, 330, 56), (22, 23, 26))
    card.text(EDGE + 16, EDGE + 28, "input/dance.npz", SMALL, YELLOW, "lm")
    card.arrow(EDGE + 346, EDGE + 28, 60)
    *places, wide = columns(6, 10)
    moved = motion("wave", 3.0)
    for i, (x, maps) in enumerate(zip(places, seen(moved, np.linspace(0, 0.9, 6), 280, 560))):
        card.photo(picture(maps, "normal"), (x, 110, wide, 300), f"{0.54 * i:.1f} s")
    return card


def body_move_card() -> Card:
    card = Card(1010)
    for row, move in enumerate(MOVES):
        top = EDGE + row * 240
        card.text(EDGE, top + 112, move, LARGE, INK, "lm")
        *places, wide = columns(5, 10, left=180)
        shown = seen(motion(move), np.linspace(0.1, 0.9, 5), 280, 460)
        for x, maps in zip(places, shown):
            card.photo(picture(maps, "normal"), (x, top, wide, 224))
    return card


def body_maps_card() -> Card:
    pixels = stage.picture()
    high, wide = (side // 8 * 8 for side in pixels.shape[:2])
    face = stage.faces().person(1).first
    maps = seen(motion("wave"), [0.6], wide, high, at=face)[0]
    inside = maps.mask[..., None] > 0
    cut = pixels[:high, :wide]
    over = np.where(inside, 0.65 * maps.normal + 0.35 * cut, cut).astype(np.uint8)
    card = Card(620)
    card.photo(np.maximum(over, maps.dwpose), (EDGE, EDGE, 420, 560), "over the picture")
    for i, kind in enumerate(MAPS):
        x, y = 468 + i % 2 * 206, EDGE + i // 2 * 286
        card.photo(picture(maps, kind), (x, y, 198, 274), NAMES[kind])
    return card


def load_champ() -> Card:
    card = Card(776)
    card.plate((EDGE, EDGE, 480, 380), (22, 23, 26))
    card.text(EDGE + 16, EDGE + 14, "models/diffusion_models/champ", SMALL, FAINT)
    parts = ("denoising_unet", "motion_module", "reference_unet")
    encoders = [f"guidance_encoder_{kind}" for kind in ("depth", "normal", "semantic_map", "dwpose")]
    for i, part in enumerate((*parts, *encoders)):
        card.text(EDGE + 16, EDGE + 60 + 44 * i, f"{part}.pth", SMALL, YELLOW if i == 0 else INK)
    card.arrow(EDGE + 150, 416, 36, down=True)
    load = ours("TroupeLoadChamp", EDGE, 464, 300)
    sampler = Node("KSampler", (("model", "MODEL"), ("positive", "CONDITIONING")), (), 520, 440, 252)
    scene = ours(
        "TroupeChampConditioning", 520, 590, 352, inputs=("champ", "vae", "image"), outputs=("positive",)
    )
    wire(card, load, "model", sampler, "model")
    wire(card, load, "champ", scene, "champ")
    put(card, load, sampler, scene)
    return card


def champ_conditioning() -> Card:
    card = Card(690)
    card.photo(stage.picture(), (EDGE, EDGE, 230, 290), "image")
    face = stage.faces().person(1).first
    *places, wide = columns(4, 10, left=300)
    maps = seen(motion("wave"), (0.1, 0.3, 0.5, 0.7), 480, 608, at=face)
    for x, one, kind in zip(places, maps, MAPS):
        card.photo(picture(one, kind), (x, EDGE, wide, 290), NAMES[kind])
    card.text(EDGE, 346, "64 frames in windows of 24 that overlap by 4", NORMAL)
    scale = (WIDTH - 2 * EDGE) / 64
    for i, window in enumerate(open_windows(64, 24, 4)):
        x, y = EDGE + window[0] * scale, 400 + 62 * i
        card.plate((x, y, len(window) * scale, 48), (BLUE, ORANGE, BLUE)[i], radius=6)
        words = f"{window[0] + 1} to {window[-1] + 1}"
        card.text(x + len(window) * scale / 2, y + 24, words, SMALL, (0, 0, 0), "mm")
    card.plate((EDGE, 604, WIDTH - 2 * EDGE, 52), PLATE)
    card.text(WIDTH / 2, 630, "mixed where they overlap, at every step", SMALL, INK, "mm")
    return card


def trailing_sigmas() -> Card:
    card = Card(430)
    noise = sigmas(20).numpy()
    steps = np.arange(len(noise))
    curves = [
        Curve("noise", steps, noise / np.sqrt(1 + noise**2), ORANGE),
        Curve("picture", steps, 1 / np.sqrt(1 + noise**2), BLUE),
    ]
    card.chart(curves, (EDGE, EDGE, WIDTH - 2 * EDGE, 372), (0, 20), (0, 1.02), unit=" steps", step=5)
    return card


SCENES = {
    "TroupeLoadBodyModel": load_body_model,
    "TroupeLoadBodyMotion": load_body_motion,
    "TroupeBodyMove": body_move_card,
    "TroupeBodyMaps": body_maps_card,
    "TroupeLoadChamp": load_champ,
    "TroupeChampConditioning": champ_conditioning,
    "TroupeTrailingSigmas": trailing_sigmas,
}
