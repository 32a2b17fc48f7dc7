"""Ways for the wires of a workflow: one that would run behind nodes is led around them, in a lane above or below.

Pixels are the classic editor's; Nodes 2.0 differs by a few.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

Box = tuple[float, float, float, float]  # left, top (of the title), right, bottom
Point = tuple[float, float]

SLOT, TITLE = 20, 30
LANE, BESIDE, STEP, BELOW = (
    26,
    22,
    8,
    40,
)  # between lanes; from a node to where a wire turns; between such turns
FAR = 160  # from here on a wire turns twice, as one long curve would swing out behind the nodes beside it
SAMPLES = 48


@dataclass(frozen=True)
class Wire:
    """A link: its number, the node and output it comes from, the node it goes to, and where both slots are."""

    number: int
    source: tuple[int, int]
    target: int
    start: Point
    end: Point


def slot_at(pos: list[int], wide: int, slot: int, output: bool) -> Point:
    """Where a slot is drawn."""
    return pos[0] + (wide if output else 0), pos[1] + (slot + 0.7) * SLOT


def curve(start: Point, end: Point) -> Iterator[Point]:
    """Points of the curve that the editor draws from one slot to another."""
    (x0, y0), (x1, y1) = start, end
    pull = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5 / 4
    for i in range(SAMPLES + 1):
        t = i / SAMPLES
        a, b, c, d = (1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t**2, t**3
        yield a * x0 + b * (x0 + pull) + c * (x1 - pull) + d * x1, a * y0 + b * y0 + c * y1 + d * y1


def hidden(wire: Wire, source: int, boxes: dict[int, Box]) -> bool:
    """Whether a wire that is drawn as it comes runs behind a node that it does not belong to."""
    others = [box for node, box in boxes.items() if node not in (source, wire.target)]
    return any(
        left < x < right and top < y < bottom
        for x, y in curve(wire.start, wire.end)
        for left, top, right, bottom in others
    )


def lanes_needed(wires: list[Wire], boxes: dict[int, Box]) -> dict[tuple[int, int], list[Wire]]:
    """The wires that would be hidden, by the output they come from."""
    found: dict[tuple[int, int], list[Wire]] = {}
    for wire in wires:
        forward = wire.end[0] - wire.start[0] > 3 * BESIDE  # the others turn back beside their own nodes
        if forward and hidden(wire, wire.source[0], boxes):
            found.setdefault(wire.source, []).append(wire)
    return found


def reroutes(
    lanes: dict[tuple[int, int], list[Wire]], above: list[tuple[int, int]], boxes: dict[int, Box], top: float
):
    """The editor's reroutes, and for each wire the last it goes through.

    Outputs in ``above`` get lanes from ``top`` on downwards, the others below all nodes that they pass.
    """
    points, ends = [], {}
    # Below, the shorter ones lie further in, so that they do not cross the longer ones.
    spans = {source: max(w.end[0] for w in wires) - wires[0].start[0] for source, wires in lanes.items()}
    below = sorted((source for source in lanes if source not in above), key=spans.get)

    def add(x: float, y: float, wires: list[Wire], before: int | None) -> int:
        parent = {} if before is None else {"parentId": before}
        points.append({"id": len(points) + 1, **parent, "pos": [x, y], "linkIds": [w.number for w in wires]})
        return len(points)

    taken: list[tuple[float, float, float]] = []  # from, to and height of the lanes below
    for source in [*(s for s in above if s in lanes), *below]:
        wires = lanes[source]
        start = wires[0].start
        if source in above:
            place = above.index(source)
            y = top + place * LANE
        else:
            last = max(w.end[0] for w in wires)
            y = BELOW + max(box[3] for box in boxes.values() if box[0] < last and start[0] < box[2])
            while any(x0 < last and start[0] < x1 and abs(y - other) < LANE for x0, x1, other in taken):
                y += LANE / 2
            place = len(taken)
            taken.append((start[0], last, y))
        turn = BESIDE + place % 4 * STEP
        at = None
        if abs(y - start[1]) > FAR:
            at = add(start[0] + turn, start[1] + (LANE if y > start[1] else -LANE), wires, at)
        begin = add(start[0] + turn, y, wires, at)
        for wire in wires:
            x, end = wire.end[0] - turn, wire.end[1]
            at = add(x, y, [wire], begin)
            if abs(y - end) > FAR:
                at = add(x, end + (LANE if y > end else -LANE), [wire], at)
            ends[wire.number] = at
    return points, ends
