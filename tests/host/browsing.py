"""What the browser tests share: the real editor, opened, run, and looked at."""

from __future__ import annotations

import shutil
import time

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
READY = "() => window.app && app.graph && app.extensionManager && LiteGraph.registered_node_types.TroupeWarpRender"
UNKNOWN = "() => app.graph.nodes.filter(n => !(n.type in LiteGraph.registered_node_types)).map(n => n.type)"
FIT = """() => { const b = app.graph.nodes.map(n => n.boundingRect ?? n.getBounding());
    const x0 = Math.min(...b.map(r => r[0])), x1 = Math.max(...b.map(r => r[0] + r[2]));
    const y0 = Math.min(...b.map(r => r[1])), y1 = Math.max(...b.map(r => r[1] + r[3]));
    const c = app.canvas, side = 70, w = c.canvas.clientWidth - side, h = c.canvas.clientHeight; // beside the sidebar
    c.ds.scale = Math.min(w / (x1 - x0 + 160), h / (y1 - y0 + 240));
    c.ds.offset[0] = (side + w / 2) / c.ds.scale - (x0 + x1) / 2; c.ds.offset[1] = h / c.ds.scale / 2 - (y0 + y1) / 2;
    c.setDirty(true, true); }"""
OVERLAPS = """() => { const b = app.graph.nodes.map(n => [n.type, ...(n.boundingRect ?? n.getBounding())]); const found = [];
    for (let i = 0; i < b.length; i++) for (let j = i + 1; j < b.length; j++) {
        const [p, ax, ay, aw, ah] = b[i], [q, bx, by, bw, bh] = b[j];
        if (ax < bx + bw && bx < ax + aw && ay < by + bh && by < ay + ah) found.push(p + ' / ' + q); }
    return found; }"""


def run_with_one_click(page, comfy, seconds: float = 300) -> dict:
    """Press Run and wait; the history of what ran."""
    before = set(comfy.json("/history"))
    page.evaluate("() => app.queuePrompt(0, 1)")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        new = {i: h for i, h in comfy.json("/history").items() if i not in before}
        if new:
            return next(iter(new.values()))
        page.wait_for_timeout(300)
    raise AssertionError("it did not end in time")


def use_renderer(page, vue: bool) -> None:
    """Nodes 2.0 (Vue) or the classic canvas; editors that have only the latter take no notice."""
    page.evaluate("async v => await app.extensionManager.setting.set('Comfy.VueNodes.Enabled', v)", vue)
    page.wait_for_timeout(500)
