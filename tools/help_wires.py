"""Nodes and wires for the help pictures, with the names and types that the pack's snapshot holds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from help_card import COLOURS, INK, LINE, PLATE, SMALL, Card, Colour

ROOT = Path(__file__).resolve().parent.parent
NODES = json.loads((ROOT / "tests" / "nodes" / "object_info.json").read_text("utf-8"))
TITLE, ROW = 44, 38
OTHER: Colour = (170, 170, 170)  # the editor's colour of a type it does not know
TYPES: dict[str, Colour] = {
    "CLIP": (255, 213, 0), "CLIP_VISION": (168, 218, 220), "CONDITIONING": (255, 169, 49), "IMAGE": (100, 181, 246),
    "LATENT": (255, 156, 249), "MASK": (129, 199, 132), "MODEL": (179, 157, 219), "VAE": (255, 110, 110),
    "SIGMAS": (205, 255, 205), "SAMPLER": (236, 180, 180), "GUIDER": (102, 255, 255), "NOISE": (176, 176, 176),
}  # fmt: skip

Slots = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Node:
    """A node on the card: its slots, and where it stands."""

    title: str
    inputs: Slots
    outputs: Slots
    x: float
    y: float
    wide: float
    widgets: tuple[tuple[str, str], ...] = ()
    ours: bool = False

    @property
    def high(self) -> float:
        rows = max(len(self.inputs), len(self.outputs))
        return TITLE + ROW * rows + (ROW + 8) * len(self.widgets) + 10

    def slot(self, name: str, out: bool) -> tuple[float, float, Colour]:
        """Where a slot is, and its colour."""
        slots = self.outputs if out else self.inputs
        row = [n for n, _ in slots].index(name)
        y = self.y + TITLE + ROW * (row + 0.5)
        return self.x + (self.wide if out else 0), y, TYPES.get(slots[row][1], OTHER)


def ours(
    kind: str,
    x: float,
    y: float,
    wide: float,
    *,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] | None = None,
    **widgets: str,
) -> Node:
    """A node of the pack; only the named slots are drawn (all outputs, if none is named)."""
    spec = NODES[kind]
    missing = [n for n in (*inputs, *widgets) if n not in spec["inputs"]]
    assert not missing, f"{kind} has no {missing}"
    ins = [(n, spec["inputs"][n]["type"].split(",")[0]) for n in inputs]
    outs = [(n, t) for n, t in spec["outputs"] if outputs is None or n in outputs]
    return Node(spec["display_name"], ins, outs, x, y, wide, tuple(widgets.items()), ours=True)


def put(card: Card, *nodes: Node) -> None:
    """Draws nodes: the title, slots, widgets."""
    for node in nodes:
        card.plate((node.x, node.y, node.wide, node.high), PLATE, LINE)
        card.plate((node.x, node.y, node.wide, TITLE), COLOURS[0] if node.ours else (66, 70, 78))
        card.text(node.x + 16, node.y + TITLE / 2, node.title, SMALL, (0, 0, 0) if node.ours else INK, "lm")
        for out, slots in ((False, node.inputs), (True, node.outputs)):
            for name, _ in slots:
                x, y, colour = node.slot(name, out)
                card.dot(x, y, 9, colour)
                card.text(x + (-16 if out else 16), y, name, SMALL, INK, "rm" if out else "lm")
        y = node.y + TITLE + ROW * max(len(node.inputs), len(node.outputs)) + 4
        for name, value in node.widgets:
            card.plate((node.x + 10, y, node.wide - 20, ROW), (30, 32, 36), LINE, 8)
            card.text(node.x + 22, y + ROW / 2, name, SMALL - 2, (168, 174, 184), "lm")
            card.text(node.x + node.wide - 22, y + ROW / 2, value, SMALL - 2, INK, "rm")
            y += ROW + 8


def wire(card: Card, one: Node, out: str, other: Node, name: str) -> None:
    """A wire in its type's colour, bent as in the editor."""
    x0, y0, colour = one.slot(out, True)
    x1, y1, _ = other.slot(name, False)
    bend = max(24.0, abs(x1 - x0) / 2)
    points = []
    for i in range(25):
        t = i / 24
        a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
        points.append(
            (a * x0 + b * (x0 + bend) + c * (x1 - bend) + d * x1, a * y0 + (b * y0 + c * y1) + d * y1)
        )
    card.line(points, colour, 5)
