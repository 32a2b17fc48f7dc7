"""Workflows from a short description: what ComfyUI's editor opens and what its API runs, in one go.

Nodes are named by keys, their inputs by name, and places follow from the order: groups from left to right, in each
of them rows of columns. What a node looks like is read from a server's ``/object_info``.
"""

from __future__ import annotations

import json
import urllib.request
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import workflow_wires
from workflow_wires import Wire

WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}
# What the editor adds behind widgets of these kinds and saves with them; the API is not told.
UPLOADS = {"image_upload": ["image"], "video_upload": ["image"], "audio_upload": [None, None]}
# Pixels: of the editor's own drawing, and of what is left free between nodes.
ROW, WIDGET, TEXT, FOOT, TITLE = 20, 24, 150, 16, 30
GAP, COLUMN_GAP, GROUP_GAP, GROUP_TITLE, WIDTH = 56, 60, 70, 50, 320
# What a node shows below its widgets, as a share of its width: pictures, clips of any shape up to 4:5, a player.
PREVIEWS = {
    "LoadImage": 0.85,
    "LoadVideo": 1.0,
    "LoadAudio": 0.125,
    "TroupeDetectFaces": 0.75,
    "SaveVideo": 1.25,
    "TroupeWarpRender": 1.0,
    "TroupeHalloRender": 1.0,
}
# What nodes have grown by: with newer versions of the editor, and with what the pack draws in them.
MORE = {
    "CreateVideo": WIDGET,
    "TroupeExampleMedia": 30,
    "TroupeExampleSpeech": 28,
    "TroupeDetectFaces": 106,
    "TroupeEditMotion": 66,
    "TroupeMotionFromPreset": 50,
    "TroupeMotionFromVideo": 30,
    "TroupeCrossfadeClips": 34,
    "GetVideoComponents": 18,
    "TroupeAssignRole": 270,
    "TroupeWarpRender": 240,
    "TroupeHalloRender": 290,
    "TroupePlaceFaces": 130,
    "TroupeReplaceFaces": 130,
    "TroupeJoinWindows": 150,
    "TroupeSyncCheck": 170,
    "TroupeMeasureMotion": 190,
    "TroupePlotMotion": 350,
    "TroupeMotionFromTimeline": 430,
    "TroupeSaveMotion": 110,
    "TroupeExportLiveLink": 80,
    "TroupeBodyMaps": 350,
}
NOTE = {"color": "#432", "bgcolor": "#653"}


@dataclass(frozen=True)
class Node:
    """A node to be: inputs are values of widgets, or ``(key of a node, name of its output)``."""

    key: str
    kind: str
    inputs: dict[str, Any]
    title: str = ""
    wide: int | None = None
    models: tuple[dict, ...] = ()
    asleep: bool = False  # muted: it does not run until it is woken (Ctrl+M)


@dataclass(frozen=True)
class Group:
    """Nodes in rows of columns under one heading; a list is a stack in one place, None leaves it free."""

    title: str
    rows: list[list[Node | list[Node] | None]]
    colour: str = "#3f789e"


@dataclass(frozen=True)
class Workflow:
    """One example: what its note says, and its groups from left to right."""

    name: str
    note: str
    groups: list[Group]
    note_size: tuple[int, int] = (460, 760)
    lanes: bool = True  # for wires that would run behind nodes
    above: tuple[tuple[str, str], ...] = ()  # outputs whose lane runs above the nodes, not below


def node(
    key: str,
    kind: str,
    *,
    title: str = "",
    wide: int | None = None,
    models: Iterable[dict] = (),
    asleep: bool = False,
    **inputs: Any,
) -> Node:
    return Node(key, kind, inputs, title, wide, tuple(models), asleep)


@dataclass
class Schema:
    """One node's part of ``/object_info``."""

    kind: str
    raw: dict
    inputs: dict[str, tuple[str, dict, bool]] = field(init=False)  # name: type, options, optional

    def __post_init__(self):
        self.inputs = {}
        for part in ("required", "optional"):
            for name, (type_, *rest) in self.raw["input"].get(part, {}).items():
                options = dict(rest[0]) if rest else {}
                if isinstance(type_, list):  # how versions before 0.9 spell a combo
                    type_, options["options"] = "COMBO", type_
                self.inputs[name] = type_, options, part == "optional"

    @property
    def title(self) -> str:
        return self.raw["display_name"] or self.kind

    @property
    def outputs(self) -> list[tuple[str, str]]:
        return list(zip(self.raw["output_name"], self.raw["output"], strict=True))

    @property
    def sockets(self) -> list[str]:
        return [n for n, (type_, *_) in self.inputs.items() if type_ not in WIDGETS]

    @property
    def widgets(self) -> list[str]:
        return [n for n, (type_, *_) in self.inputs.items() if type_ in WIDGETS]

    def value(self, node: Node, name: str) -> Any:
        """What a widget shows; one that is linked keeps its default beneath."""
        type_, options, _ = self.inputs[name]
        given = node.inputs.get(name)
        if given is not None and not isinstance(given, tuple):
            return given
        if "default" in options:
            return options["default"]
        choices = options.get("options") or [""]
        assert type_ == "COMBO" and not _lists_files(name, options), f"{node.key}: {name} needs a value"
        return choices[0]

    def size(self, node: Node) -> tuple[int, int]:
        """As high as the editor draws it, with room for what it shows."""
        texts = sum(bool(self.inputs[n][1].get("multiline")) for n in self.widgets)
        more = sum(self._more(n) for n in self.widgets)
        rows = max(len(self.sockets), len(self.outputs))
        height = rows * ROW + (len(self.widgets) - texts + more) * WIDGET + texts * TEXT + FOOT
        wide = node.wide or WIDTH
        return wide, height + round(wide * PREVIEWS.get(self.kind, 0)) + MORE.get(self.kind, 0)

    def _more(self, name: str) -> int:
        options = self.inputs[name][1]
        uploads = sum(len(v) for k, v in UPLOADS.items() if options.get(k))
        return uploads + bool(options.get("control_after_generate"))

    def widgets_values(self, node: Node) -> list[Any]:
        out = []
        for name in self.widgets:
            out.append(self.value(node, name))
            options = self.inputs[name][1]
            if options.get("control_after_generate"):
                out.append("fixed")
            for kind, values in UPLOADS.items():
                out += values if options.get(kind) else []
        return out


def _stack(cell: Node | list[Node] | None) -> list[Node]:
    return [] if cell is None else [cell] if isinstance(cell, Node) else cell


def _lists_files(name: str, options: dict) -> bool:
    """Whether a combo's choices are the files of the server's folders, which nobody else has."""
    return any(options.get(k) for k in UPLOADS) or name.endswith(("model", "adapter", "encoder", "_name"))


class Builder:
    """Nodes with numbers, places and links, and both spellings of them."""

    def __init__(self, workflow: Workflow, schemas: dict[str, dict]):
        self.workflow = workflow
        self.nodes = [n for g in workflow.groups for row in g.rows for cell in row for n in _stack(cell)]
        self.schemas = {n.kind: Schema(n.kind, schemas[n.kind]) for n in self.nodes}
        self.ids = {n.key: i for i, n in enumerate(self.nodes, 2)}  # the note is 1
        assert len(self.ids) == len(self.nodes), "a key is there twice"
        self.by_key = {n.key: n for n in self.nodes}
        self.links = [self._link(i, *ends) for i, ends in enumerate(self._ends(), 1)]
        self.places, self.boxes = self._layout()

    def schema(self, node: Node) -> Schema:
        return self.schemas[node.kind]

    def slots(self, node: Node) -> list[str]:
        """Inputs in the editor's order: sockets, then widgets."""
        return [*self.schema(node).sockets, *self.schema(node).widgets]

    def _ends(self) -> Iterator[tuple[Node, str, tuple[str, str]]]:
        for n in self.nodes:
            inputs = self.schema(n).inputs
            unknown = set(n.inputs) - set(inputs)
            assert not unknown, f"{n.key} has no input {unknown}"
            for name, (type_, _, optional) in inputs.items():
                source = n.inputs.get(name)
                assert source is not None or optional or type_ in WIDGETS, f"{n.key}: connect {name}"
                if isinstance(source, tuple):
                    yield n, name, source

    def _link(self, number: int, target: Node, name: str, source: tuple[str, str]) -> list:
        """As the editor saves it: number, from node and output, to node and input, type."""
        start = self.by_key[source[0]]
        outputs = self.schema(start).outputs
        names = [output for output, _ in outputs]
        assert source[1] in names, f"{start.key} gives {names}, not {source[1]}"
        index = names.index(source[1])
        type_, wanted = outputs[index][1], self.schema(target).inputs[name][0]
        assert type_ in wanted.split(","), f"{source} is {type_}, {target.key}'s {name} is {wanted}"
        slot = self.slots(target).index(name)
        return [number, self.ids[start.key], index, self.ids[target.key], slot, type_]

    def _layout(self) -> tuple[dict[str, list[int]], list[list[int]]]:
        """Where each node lies, and each group's box."""
        places, boxes = {}, []
        left = self.workflow.note_size[0] + GROUP_GAP
        for group in self.workflow.groups:
            sizes = [[self._room(cell) for cell in row] for row in group.rows]
            columns = [max(s[c][0] for s in sizes if c < len(s)) for c in range(max(map(len, sizes)))]
            y = GROUP_TITLE + TITLE + len(self.workflow.above) * workflow_wires.LANE
            for row, row_sizes in zip(group.rows, sizes):
                for c, cell in enumerate(row):
                    below = y
                    for n in _stack(cell):
                        places[n.key] = [left + sum(columns[:c]) + c * COLUMN_GAP, below]
                        below += self._size(n)[1] + TITLE + GAP
                y += max(h for _, h in row_sizes) + TITLE + GAP
            width = sum(columns) + (len(columns) - 1) * COLUMN_GAP
            boxes.append([left - GAP, 0, width + 2 * GAP, y - TITLE])
            left += width + GROUP_GAP + 2 * GAP
        return places, boxes

    def _size(self, n: Node) -> tuple[int, int]:
        return self.schema(n).size(n)

    def _room(self, cell: Node | list[Node] | None) -> tuple[int, int]:
        """Width and height of what stands in one place."""
        sizes = [self._size(n) for n in _stack(cell)]
        if not sizes:
            return 0, 0
        return max(w for w, _ in sizes), sum(h for _, h in sizes) + (len(sizes) - 1) * (TITLE + GAP)

    def api(self) -> dict:
        """What ``/prompt`` takes: without what is muted, or lies there to be wired."""
        out = {}
        wired = {link[1] for link in self.links}
        for n in self.nodes:
            schema = self.schema(n)
            if n.asleep or (self.ids[n.key] not in wired and not schema.raw["output_node"]):
                continue
            inputs = {name: schema.value(n, name) for name in schema.widgets}
            for name, source in n.inputs.items():
                if isinstance(source, tuple):
                    outputs = [o for o, _ in self.schema(self.by_key[source[0]]).outputs]
                    inputs[name] = [str(self.ids[source[0]]), outputs.index(source[1])]
            ordered = {name: inputs[name] for name in schema.inputs if name in inputs}
            title = {"title": n.title or schema.title}
            out[str(self.ids[n.key])] = {"class_type": n.kind, "inputs": ordered, "_meta": title}
        return out

    def ui(self) -> dict:
        """What the editor opens."""
        flow, size = self.workflow, list(self.workflow.note_size)
        note = {
            "id": 1,
            "type": "MarkdownNote",
            "pos": [0, 0],
            "size": size,
            "flags": {},
            "order": 0,
            "mode": 0,
        }
        note |= {"inputs": [], "outputs": [], "title": "How to use this", "properties": {}}
        nodes = [note | {"widgets_values": [flow.note]} | NOTE]
        nodes += [self._node(n, order) for order, n in enumerate(self.nodes, 1)]
        groups = [
            {"id": i, "title": g.title, "bounding": box, "color": g.colour, "font_size": 24, "flags": {}}
            for i, (g, box) in enumerate(zip(flow.groups, self.boxes), 1)
        ]
        return {
            "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"troupe/{flow.name}")),
            "revision": 0,
            "last_node_id": len(nodes),
            "last_link_id": len(self.links),
            "nodes": nodes,
            "links": self.links,
            "groups": groups,
            "config": {},
            "extra": self._lanes() if flow.lanes else {},
            "version": 0.4,
        }

    def _lanes(self) -> dict:
        """The ways around nodes, as the editor saves them."""
        numbers = {self.ids[n.key]: n for n in self.nodes}
        boxes = {}
        for number, n in numbers.items():
            (x, y), (wide, high) = self.places[n.key], self._size(n)
            boxes[number] = x, y - TITLE, x + wide, y + high
        wires = []
        for link, start, output, target, slot, _ in self.links:
            one, other = numbers[start], numbers[target]
            a = workflow_wires.slot_at(self.places[one.key], self._size(one)[0], output, output=True)
            b = workflow_wires.slot_at(self.places[other.key], 0, slot, output=False)
            wires.append(Wire(link, (start, output), target, a, b))
        found = workflow_wires.lanes_needed(wires, boxes)
        above = [(self.ids[key], self._output(key, name)) for key, name in self.workflow.above]
        points, ends = workflow_wires.reroutes(found, above, boxes, GROUP_TITLE)
        if not points:
            return {}
        extensions = [{"id": link, "parentId": last} for link, last in ends.items()]
        return {"reroutes": points, "linkExtensions": extensions}

    def _output(self, key: str, name: str) -> int:
        return [output for output, _ in self.schema(self.by_key[key]).outputs].index(name)

    def _node(self, n: Node, order: int) -> dict:
        schema, number = self.schema(n), self.ids[n.key]
        incoming = {link[4]: link[0] for link in self.links if link[3] == number}
        inputs, outputs = [], []
        for slot, name in enumerate(self.slots(n)):
            type_, _, optional = schema.inputs[name]
            entry = {"localized_name": name, "name": name, "type": type_}
            if name in schema.widgets:
                entry["widget"] = {"name": name}
            if optional:
                entry["shape"] = 7
            inputs.append(entry | {"link": incoming.get(slot)})
        for index, (name, type_) in enumerate(schema.outputs):
            links = [link[0] for link in self.links if link[1:3] == [number, index]]
            outputs.append({"localized_name": name, "name": name, "type": type_, "links": links or None})
        properties = {"Node name for S&R": n.kind}
        if not n.kind.startswith("Troupe"):
            properties["cnr_id"] = "comfy-core"
        if n.models:
            properties["models"] = list(n.models)
        out = {"id": number, "type": n.kind, "pos": self.places[n.key], "size": list(self._size(n))}
        out |= {
            "flags": {},
            "order": order,
            "mode": 2 if n.asleep else 0,
            "inputs": inputs,
            "outputs": outputs,
        }
        out |= {"properties": properties, "widgets_values": schema.widgets_values(n)}
        return out | ({"title": n.title} if n.title else {})


def read_schemas(where: str) -> dict[str, dict]:
    """``/object_info`` of a server or from a file."""
    if where.startswith(("http://", "https://")):
        with urllib.request.urlopen(where.rstrip("/").removesuffix("/object_info") + "/object_info") as reply:
            return json.load(reply)
    return json.loads(Path(where).read_text("utf-8"))


def write(path: Path, data: dict) -> None:
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", "utf-8")
