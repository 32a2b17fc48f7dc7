"""The help pages in the real editor's own help panel: each shows its picture, in the language that is set."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytestmark = [pytest.mark.host, pytest.mark.browser]

ROOT = Path(__file__).resolve().parents[2]
NODES = sorted(json.loads((ROOT / "tests" / "nodes" / "object_info.json").read_text("utf-8")))
SHOWN = ("TroupeDetectFaces", "TroupeMotionFromTimeline", "TroupeLayeredGuider")
# Each page as the editor fetches it, and the picture below the pack's docs, loaded as the panel does.
PICTURES = """async kinds => Promise.all(kinds.map(async kind => {
    const base = `/extensions/ComfyUI-Troupe/docs/`, page = await fetch(base + kind + '.md');
    const place = (await page.text()).match(/!\\[[^\\]]*\\]\\(([^)]+)\\)/)?.[1], image = new Image();
    image.src = base + place;
    try { await image.decode(); } catch { return [kind, 0]; }
    return [kind, image.naturalWidth]; }))"""
PLACE = """kind => { app.graph.clear(); const node = LiteGraph.createNode(kind); node.pos = [500, 300];
    app.graph.add(node); app.canvas.ds.scale = 1; app.canvas.ds.offset = [0, 0]; app.canvas.selectNode(node); }"""
SPEAK = "async tongue => { await app.extensionManager.setting.set('Comfy.Locale', tongue); }"
LOADED = "image => image.complete && image.naturalWidth === 900"


def open_help(page, kind: str):
    """The picture in the panel, opened as a user does: the node is selected, and the button above it pressed.

    The editor may build that button anew while it is pressed; then it is pressed again.
    """
    from playwright.sync_api import TimeoutError as Late

    picture = page.locator(f"img[src$='/docs/pictures/{kind}.webp']")
    for _ in range(12):
        page.evaluate(PLACE, kind)
        try:
            page.get_by_test_id("info-button").click(timeout=10_000)
            picture.wait_for(timeout=10_000)
            page.wait_for_function(LOADED, arg=picture.element_handle(timeout=10_000), timeout=10_000)
            return picture
        except Late:
            continue
    raise AssertionError(f"the help panel does not show the picture of {kind}")


def test_every_page_has_its_picture(comfy, page):
    assert dict(page.evaluate(PICTURES, NODES)) == dict.fromkeys(NODES, 900)


def test_the_help_panel_shows_it(comfy, page, screenshots):
    for kind in SHOWN:
        shown, room, words = open_help(page, kind).evaluate(
            "i => [i.clientWidth, i.parentElement.clientWidth, i.alt]"
        )
        assert 200 <= shown <= room, "it does not fit the panel"
        assert len(words) > 15
        page.screenshot(path=str(screenshots / f"{comfy.host.name}_help_{kind}.png"))


def test_the_panel_speaks_the_editors_language(comfy, page, browsing, screenshots):
    """A page in the language that is set, with the same picture; English where there is none."""
    page.evaluate(SPEAK, "ko")
    try:
        page.reload()
        page.wait_for_function(browsing.READY, timeout=90_000)
        for kind, words in (
            ("TroupeDetectFaces", "문제가 생기면"),
            ("TroupeLook", "If something goes wrong"),
        ):
            open_help(page, kind)
            page.screenshot(path=str(screenshots / f"{comfy.host.name}_help_ko_{kind}.png"))
            assert page.locator("h2", has_text=words).count() == 1
    finally:
        page.evaluate(SPEAK, "en")
