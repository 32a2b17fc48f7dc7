"""The help pages in the real editor's own help panel: each shows its picture, which is there and not blank."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytestmark = [pytest.mark.host, pytest.mark.browser]

ROOT = Path(__file__).resolve().parents[2]
NODES = sorted(json.loads((ROOT / "tests" / "nodes" / "object_info.json").read_text("utf-8")))
LONG = 60_000
SHOWN = ("TroupeDetectFaces", "TroupeMotionFromTimeline", "TroupeLayeredGuider")
PLACE = """kind => { app.graph.clear(); const node = LiteGraph.createNode(kind); node.pos = [500, 300];
    app.graph.add(node); app.canvas.ds.scale = 1; app.canvas.ds.offset = [0, 0]; app.canvas.selectNode(node); }"""
# Each page as the editor fetches it, and the picture below the pack's docs, loaded as the panel does.
PICTURES = """async kinds => Promise.all(kinds.map(async kind => {
    const base = `/extensions/ComfyUI-Troupe/docs/`, page = await fetch(base + kind + '.md');
    const place = (await page.text()).match(/!\\[[^\\]]*\\]\\(([^)]+)\\)/)?.[1], image = new Image();
    image.src = base + place;
    try { await image.decode(); } catch { return [kind, 0]; }
    return [kind, image.naturalWidth]; }))"""


def test_every_page_has_its_picture(comfy, page):
    found = dict(page.evaluate(PICTURES, NODES))
    assert found == dict.fromkeys(NODES, 900)


def test_the_help_panel_shows_it(comfy, page, screenshots):
    """Opened as a user does: the node is selected, and the button above it pressed. One page after the other."""
    for kind in SHOWN:
        page.evaluate(PLACE, kind)
        button = page.get_by_test_id("info-button")
        button.wait_for(timeout=LONG)
        button.click(timeout=LONG)
        picture = page.locator(f"img[src$='/docs/pictures/{kind}.webp']")
        picture.wait_for(timeout=LONG)
        page.wait_for_function("i => i.complete", arg=picture.element_handle(), timeout=LONG)
        seen = picture.evaluate("i => [i.naturalWidth, i.clientWidth, i.parentElement.clientWidth, i.alt]")
        assert seen[0] == 900 and 200 <= seen[1] <= seen[2], seen
        assert len(seen[3]) > 15
        page.screenshot(path=str(screenshots / f"{comfy.host.name}_help_{kind}.png"))
