"""Example workflows are readable: every node lies in a group, wires run beside nodes and seldom cross."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "example_workflows"
NAMES = sorted(p.stem for p in FOLDER.glob("*.json"))
SLOT, TITLE, MOST = 20, 30, 6  # pixels of the classic editor; crossings
FEW = [name for name in NAMES if not name.startswith("wan_")]  # nodes; those of Wan have thirty and more


def load(name: str) -> dict:
    return json.loads((FOLDER / f"{name}.json").read_text())


def wires(flow: dict) -> list[tuple[list, np.ndarray]]:
    """Each link and the points of the way it is drawn on, through its reroutes."""
    nodes = {n["id"]: n for n in flow["nodes"]}
    dots = {r["id"]: r for r in flow["extra"].get("reroutes", [])}
    last = {e["id"]: e["parentId"] for e in flow["extra"].get("linkExtensions", [])}
    found = []
    for link in flow["links"]:
        number, source, output, target, slot, _ = link
        a, b = nodes[source], nodes[target]
        between, dot = [], last.get(number)
        while dot:
            assert number in dots[dot]["linkIds"]
            between.insert(0, dots[dot]["pos"])
            dot = dots[dot].get("parentId")
        start = [a["pos"][0] + a["size"][0], a["pos"][1] + (output + 0.7) * SLOT]
        end = [b["pos"][0], b["pos"][1] + (slot + 0.7) * SLOT]
        corners = np.array([start, *between, end], float)
        found.append((link, corners if between else spline(corners)))
    return found


def spline(ends: np.ndarray) -> np.ndarray:
    """A link without reroutes: out to the right, and in from the left."""
    pull = np.array([np.linalg.norm(ends[1] - ends[0]) / 4, 0])
    t = np.linspace(0, 1, 33)[:, None]
    a, b, c, d = ends[0], ends[0] + pull, ends[1] - pull, ends[1]
    return (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * d


def cross(p: np.ndarray, q: np.ndarray) -> bool:
    """Whether two lines of points meet."""
    a, b = p[:-1, None], p[1:, None]
    c, d = q[None, :-1], q[None, 1:]

    def side(o, x, y):
        return (x - o)[..., 0] * (y - o)[..., 1] - (x - o)[..., 1] * (y - o)[..., 0]

    apart = side(a, b, c) * side(a, b, d), side(c, d, a) * side(c, d, b)
    return bool(((apart[0] < 0) & (apart[1] < 0)).any())


def dense(points: np.ndarray) -> np.ndarray:
    """Points at most some pixels apart."""
    parts = [np.linspace(a, b, max(2, int(np.linalg.norm(b - a) / 8))) for a, b in zip(points, points[1:])]
    return np.concatenate(parts)


@pytest.mark.parametrize("name", NAMES)
def test_every_node_lies_in_one_group(name):
    flow = load(name)
    for node in flow["nodes"]:
        (x, y), (w, h) = node["pos"], node["size"]
        inside = [
            g["title"]
            for g in flow["groups"]
            for gx, gy, gw, gh in [g["bounding"]]
            if gx <= x and x + w <= gx + gw and gy <= y - TITLE and y + h <= gy + gh
        ]
        assert len(inside) == (node["type"] != "MarkdownNote"), f"{node['type']} lies in {inside}"


@pytest.mark.parametrize("name", NAMES)
def test_no_wire_runs_behind_a_node_it_does_not_belong_to(name):
    flow = load(name)
    for link, points in wires(flow):
        if points[-1][0] < points[0][0]:
            continue  # goes back to a node below: short, and seen at both ends
        x, y = dense(points).T
        for node in flow["nodes"]:
            if node["id"] in (link[1], link[3]):
                continue
            (left, top), (w, h) = node["pos"], node["size"]
            behind = (left < x) & (x < left + w) & (top - TITLE < y) & (y < top + h)
            assert not behind.any(), f"{link} runs behind {node['type']} {node['id']}"


@pytest.mark.parametrize("name", FEW)
def test_wires_seldom_cross(name):
    """Those that begin at one output, or end at one node, meet there anyway."""
    flow = load(name)
    pairs = [
        (p[0], q[0])
        for p, q in combinations(wires(flow), 2)
        if p[0][1:3] != q[0][1:3] and p[0][3] != q[0][3] and cross(p[1], q[1])
    ]
    assert len(pairs) <= MOST, f"{len(pairs)} of {len(flow['links'])}: {pairs}"
