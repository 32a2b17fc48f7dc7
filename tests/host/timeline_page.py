"""The real editor with one Motion from Timeline, as the tests handle it: what it says, and the hands of a user.

Nothing waits for a time: ``until`` waits for what is to come, ``settled`` until nothing moves any more.
"""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

NODE = "(window.troupeNode?.() ?? app.graph.nodes.find(n => n.type === 'TroupeMotionFromTimeline'))"
EDITOR = f"({NODE}?.troupeTimeline)"
READY = """() => LiteGraph.registered_node_types.TroupeMotionFromTimeline
    && app.extensionManager?.workflow?.activeWorkflow?.changeTracker"""
TEXT = """# she hears it
happy 0.8 @0.5-2.0 ease_out   # a smile ; and more
jawOpen 0 @1, 0.5 @2 ease_out, 0 @3
blink @3.5; yaw 0 @1, -12 @2.5, 0 @4
"""
START = """async ([vue, palette, text, size]) => {
    window.troupeNode = undefined;
    await app.extensionManager.setting.set('Comfy.VueNodes.Enabled', vue);
    await app.extensionManager.setting.set('Comfy.ColorPalette', palette);
    if (app.canvas.graph !== app.rootGraph) app.canvas.setGraph(app.rootGraph ?? app.graph);
    app.graph.clear();
    app.graph.id = crypto.randomUUID();  // as a workflow has it; else each undo gives another one, and other sizes
    app.graph.extra = {...app.graph.extra, workflowRendererVersion: vue ? 'Vue-corrected' : 'LG'};
    const node = LiteGraph.createNode('TroupeMotionFromTimeline');
    node.pos = [420, 60];
    app.graph.add(node);
    if (text !== null) node.widgets[0].value = text;
    if (size) node.setSize(size);
    app.canvas.ds.scale = 1.25;
    app.canvas.ds.offset = [60, 60];
    app.canvas.setDirty(true, true);
    const tracker = app.extensionManager.workflow.activeWorkflow.changeTracker;
    (tracker.captureCanvasState ?? tracker.checkState).call(tracker);
}"""
# Counts drawings in which the editor has stayed where and what it is.
STILL = f"""() => {{ const e = {EDITOR}; if (!e?.root.isConnected || !e.root.getClientRects().length) return false;
    const r = e.root.getBoundingClientRect(), read = e.wired || e.source.widget.value === e.text;
    const now = [r.x, r.y, r.width, r.height, e.scale, e.start, e.doc.entries.length, read].join();
    window.troupeStill = window.troupeStill?.now === now ? {{now, times: window.troupeStill.times + 1}} : {{now, times: 0}};
    return read && window.troupeStill.times >= 5; }}"""


def sound_file(path: Path, seconds: float) -> None:
    """A tone that swells; its loudest sample is 20000."""
    rate = 8000
    t = np.arange(int(seconds * rate)) / rate
    loud = (np.sin(2 * np.pi * 220 * t) * np.abs(np.sin(2 * t)) * 20000).astype("<i2")
    with wave.open(str(path), "wb") as f:
        f.setnchannels(1)
        f.setsampwidth(2)
        f.setframerate(rate)
        f.writeframes(loud.tobytes())


class Editor:
    """A page with one Motion from Timeline; ``until`` and everything built on it fail with what there is instead."""

    def __init__(self, page, vue: bool, shots: Path, name: str):
        self.page, self.vue, self.shots, self.name = page, vue, shots, name
        self.mouse, self.keys = page.mouse, page.keyboard

    def start(self, text: str | None = None, palette: str = "dark", size: list | None = None) -> None:
        self.page.evaluate(START, [self.vue, palette, text, size])
        self.settled()

    def js(self, expression: str):
        """A value of the page; ``e`` is the editor, ``n`` its node."""
        return self.page.evaluate(f"() => {{ const n = {NODE}, e = {EDITOR}; return {expression}; }}")

    def until(self, condition: str, seconds: float = 30, arg=None) -> None:
        """Waits for a condition on ``e``, ``n`` and ``arg``."""
        script = f"arg => {{ const n = {NODE}, e = {EDITOR}; return {condition}; }}"
        try:
            self.page.wait_for_function(script, arg=arg, timeout=1000 * seconds)
        except Exception as error:
            if "Timeout" not in str(error):
                raise
            there = f"{self.text[:200]!r}, {self.things()[:12]}"
            raise AssertionError(f"never: {condition} ({arg!r:.200}); there is {there}") from None

    def settled(self) -> None:
        self.page.evaluate("() => { window.troupeStill = null; }")
        self.page.wait_for_function(STILL, timeout=60_000, polling="raf")

    @property
    def text(self) -> str:
        return self.js("n.widgets[0].value")

    def wait_text(self, text: str) -> None:
        self.until("n?.widgets[0].value === arg && e.text === arg", arg=text)

    def things(self) -> list[str]:
        """All things in sight, as they are said."""
        return self.js("[...e.root.querySelectorAll('[data-id]')].map(g => g.ariaLabel)")

    def names(self) -> list[str]:
        return self.js("e.doc.entries.filter(x => x.keys).map(x => x.name)")

    def chosen(self) -> list[str]:
        return self.js("e.things.map(t => t.entry.name + ' ' + t.key.start)")

    def part(self, selector: str):
        return self.page.locator(".troupe-timeline").locator(selector)

    def field(self, name: str):
        return self.part(f"label:has-text('{name}') input").first

    @property
    def area(self):
        """The text field that users see."""
        return self.page.locator(
            "[data-node-id] textarea" if self.vue else "textarea.comfy-multiline-input"
        ).first

    def spot(self, said: str, part: str = "key") -> tuple[float, float]:
        """The middle of a part of a thing on the screen."""
        parts = self.part(f"[data-id][aria-label^='{said}'] [data-part={part}]")
        box = parts.last.bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def pixels(self, seconds: float) -> float:
        """On the screen."""
        return seconds * self.js("e.scale * e.view.zoom")

    def press(self, said: str, part: str = "key", held: str | None = None) -> None:
        if held:
            self.keys.down(held)
        self.mouse.click(*self.spot(said, part))
        if held:
            self.keys.up(held)

    def pull(self, x: float, y: float, dx: float, dy: float = 0, held: str | None = None) -> None:
        """Press at a point, lead it somewhere, let go."""
        self.mouse.move(x, y)
        self.mouse.down()
        if held:
            self.keys.down(held)
        self.mouse.move(x + dx / 2, y + dy / 2, steps=3)
        self.mouse.move(x + dx, y + dy, steps=3)
        if held:
            self.keys.up(held)
        self.mouse.up()

    def drag(self, said: str, part: str, seconds: float = 0, dy: float = 0, held: str | None = None) -> str:
        """Drags a thing and waits until the text says so; gives the text."""
        before = self.text
        self.pull(*self.spot(said, part), self.pixels(seconds), dy, held)
        self.until("e.text !== arg && n.widgets[0].value === e.text && !e.view.frozen", arg=before)
        return self.text

    def step(self, text: str, back: bool = True) -> None:
        """A step of the editor's own undo or redo, by its keys; what is there then is ``text``, and the focus in the tracks."""
        self.keys.press("Control+z" if back else "Control+Shift+z")
        self.wait_text(text)
        self.until("e.root.isConnected && e.root.contains(document.activeElement)")
        self.settled()

    def shoot(self, what: str) -> None:
        self.page.screenshot(path=str(self.shots / f"{self.name}_{what}.png"))
