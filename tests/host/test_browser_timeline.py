"""The timeline editor in the real frontend, in both renderers: text and tracks in step, by mouse, keys and typing.

Screenshots go to ``TROUPE_SCREENSHOTS``, if set, else to pytest's temporary folder.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
import wave
from pathlib import Path

import numpy as np
import pytest

from troupe.engine.motion.timeline import Timeline

pytestmark = [pytest.mark.host, pytest.mark.browser]

NODE = "TroupeMotionFromTimeline"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
READY = """() => window.app && app.graph && LiteGraph.registered_node_types.TroupeMotionFromTimeline
    && app.extensionManager?.workflow?.activeWorkflow?.changeTracker"""
TEXT = """# she hears it
happy 0.8 @0.5-2.0 ease_out   # a smile ; and more
jawOpen 0 @1, 0.5 @2 ease_out, 0 @3
blink @3.5; yaw 0 @1, -12 @2.5, 0 @4
"""
START = """async ([vue, palette, text]) => {
    await app.extensionManager.setting.set('Comfy.VueNodes.Enabled', vue);
    await app.extensionManager.setting.set('Comfy.ColorPalette', palette);
    app.graph.clear();
    app.graph.id = crypto.randomUUID();  // as a workflow has it; else each undo gives another one, and other sizes
    app.graph.extra = {...app.graph.extra, workflowRendererVersion: vue ? 'Vue-corrected' : 'LG'};
    const node = LiteGraph.createNode('TroupeMotionFromTimeline');
    node.pos = [420, 60];
    app.graph.add(node);
    if (text) node.widgets[0].value = text;
    app.canvas.ds.scale = 1.25;
    app.canvas.ds.offset = [60, 60];
    app.canvas.setDirty(true, true);
    const tracker = app.extensionManager.workflow.activeWorkflow.changeTracker;
    (tracker.captureCanvasState ?? tracker.checkState).call(tracker);
}"""
FIND = "(app.graph.nodes.find(n => n.type === 'TroupeMotionFromTimeline'))"


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if not CHROMIUM:
        pytest.skip("no chromium found")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


class Editor:
    """A page with one Motion from Timeline."""

    def __init__(self, page, vue: bool, shots: Path, name: str):
        self.page, self.vue, self.shots, self.name = page, vue, shots, name

    def start(self, text: str | None = None, palette: str = "dark") -> None:
        self.page.evaluate(START, [self.vue, palette, text])
        self.page.wait_for_function(f"() => {FIND}?.troupeTimeline?.root.getClientRects().length")
        self.page.wait_for_timeout(600)

    @property
    def text(self) -> str:
        return self.page.evaluate(f"() => {FIND}.widgets[0].value")

    @property
    def area(self):
        """The text field that users see."""
        return self.page.locator(
            "[data-node-id] textarea" if self.vue else "textarea.comfy-multiline-input"
        ).first

    def things(self) -> list[str]:
        return self.page.evaluate(
            "() => [...document.querySelectorAll('.troupe-timeline [data-id]')].map(g => g.ariaLabel)"
        )

    def thing(self, said: str):
        return self.page.locator(f".troupe-timeline [data-id][aria-label^='{said}']")

    def spot(self, said: str, part: str = "key") -> tuple[float, float]:
        """The middle of a part of a thing on the screen."""
        box = self.thing(said).locator(f"[data-part={part}]").last.bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def drag(self, said: str, part: str, dx: float, dy: float = 0, held: str | None = None) -> None:
        x, y = self.spot(said, part)
        mouse = self.page.mouse
        mouse.move(x, y)
        mouse.down()
        if held:
            self.page.keyboard.down(held)
        for i in range(1, 6):
            mouse.move(x + dx * i / 5, y + dy * i / 5)
        if held:
            self.page.keyboard.up(held)
        mouse.up()
        self.page.wait_for_timeout(150)

    def pixels(self, seconds: float) -> float:
        """Pixels on the screen."""
        return seconds * self.page.evaluate(
            f"() => {FIND}.troupeTimeline.scale * {FIND}.troupeTimeline.view.zoom"
        )

    def wait_text(self, text: str) -> None:
        self.page.wait_for_function(f"text => {FIND}?.widgets[0].value === text", arg=text, timeout=8000)

    def undo(self, back: bool = True) -> None:
        self.page.keyboard.press("Control+z" if back else "Control+Shift+z")
        self.page.wait_for_timeout(500)

    def shoot(self, what: str) -> None:
        self.page.screenshot(path=str(self.shots / f"{self.name}_{what}.png"))


@pytest.fixture(params=["classic", "nodes2"])
def editor(request, browser, comfy, tmp_path):
    shots = Path(os.environ.get("TROUPE_SCREENSHOTS") or tmp_path)
    shots.mkdir(parents=True, exist_ok=True)
    page = browser.new_page(viewport={"width": 1500, "height": 900})
    page.goto(comfy.url)
    page.wait_for_function(READY, timeout=90_000)
    yield Editor(page, request.param == "nodes2", shots, f"timeline_{comfy.host.name}_{request.param}")
    page.close()


def test_keys_and_blocks_are_dragged_and_the_text_follows(editor):
    editor.start(TEXT)
    editor.shoot("tracks")
    editor.drag("jawOpen key, 0.5", "key", editor.pixels(0.52), 0)
    assert editor.text == TEXT.replace("0.5 @2", "0.5 @2.5")  # snapped to the tenth, nothing else touched
    editor.drag("jawOpen key, 0.5", "key", 0, -6)
    value = float(re.search(r"([\d.]+) @2.5 ease_out", editor.text)[1])
    assert 0.5 < value < 1 and value * 20 == pytest.approx(round(value * 20))
    editor.drag("happy", "end", editor.pixels(1))
    assert "@0.5-3 ease_out   # a smile ; and more" in editor.text
    editor.drag("happy", "body", editor.pixels(0.5))
    assert "happy 0.8 @1-3.5 ease_out" in editor.text
    editor.drag("happy", "body", 0, 12)
    assert 0 < float(re.search(r"happy ([\d.]+)", editor.text)[1]) < 0.8
    editor.drag("blink", "body", editor.pixels(0.137), held="Alt")
    assert not (float(re.search(r"blink @([\d.]+)", editor.text)[1]) * 10).is_integer()
    Timeline.parse(editor.text)


def test_undo_goes_through_comfyui_and_keeps_the_place(editor):
    editor.start(TEXT)
    editor.drag("jawOpen key, 0.5", "key", editor.pixels(0.5))
    once = editor.text
    editor.drag("yaw key, -12", "key", 0, 5)
    twice = editor.text
    assert len({TEXT, once, twice}) == 3
    editor.undo()
    editor.wait_text(once)
    editor.undo()  # the focus is still in the editor, though undo has made the node anew
    editor.wait_text(TEXT)
    editor.undo(back=False)
    editor.wait_text(once)
    assert any("jawOpen key, 0.5 at 2.5" in said for said in editor.things())


def test_keyboard_alone(editor):
    editor.start(TEXT)
    editor.page.evaluate(f"() => {FIND}.troupeTimeline.buttons.fit.focus()")
    editor.page.keyboard.press("Tab")
    assert editor.page.evaluate("() => document.activeElement.ariaLabel").startswith("happy, 0.8")
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "Shift+ArrowRight"):
        editor.page.keyboard.press(key)
    assert "happy 0.85 @1.7-3.2 ease_out" in editor.text
    editor.shoot("chosen")
    editor.page.keyboard.press("Control+d")
    editor.page.wait_for_timeout(200)
    assert "happy 0.85 @3.2-4.7 ease_out" in editor.text
    assert editor.page.evaluate("() => document.activeElement.ariaLabel").startswith("happy, 0.85, 3.2")
    editor.page.keyboard.press("Delete")
    editor.page.wait_for_timeout(200)
    assert editor.text.count("happy") == 1 and "# a smile ; and more" in editor.text
    assert editor.page.evaluate("() => app.graph.nodes.length") == 1, "Delete must not remove the node"
    editor.page.evaluate(f"() => {FIND}.troupeTimeline.buttons.add.focus()")
    editor.page.keyboard.press("Enter")
    editor.page.keyboard.type("pitch")
    editor.shoot("menu")
    editor.page.keyboard.press("Enter")
    editor.page.wait_for_timeout(200)
    assert editor.text.endswith("pitch 0 @0, 8 @0.5, 0 @1\n")
    editor.page.keyboard.press("ArrowUp")
    assert "pitch 0 @0, 9 @0.5, 0 @1" in editor.text


def test_typing_moves_the_tracks_and_a_mistake_is_marked(editor):
    editor.start("happy @1-2")
    editor.area.click()
    editor.page.keyboard.press("Control+End")
    editor.page.keyboard.type("; nod @3")
    editor.page.wait_for_timeout(500)
    assert [said.split(",")[0] for said in editor.things()] == ["happy", "nod"]
    editor.page.keyboard.type("\nsmlie 0.4 @2")
    editor.page.wait_for_timeout(500)
    mistake = editor.page.locator(".troupe-timeline .mistake")
    assert mistake.is_visible() and mistake.locator("u").inner_text() == "smlie"
    assert "Line 2, column 1" in mistake.inner_text() and "'smile'" in mistake.inner_text()
    assert [said.split(",")[0] for said in editor.things()] == ["happy", "nod"], "the last good state stays"
    assert editor.page.locator(".troupe-timeline.stale").count() == 1
    editor.shoot("mistake")
    assert editor.text == "happy @1-2; nod @3\nsmlie 0.4 @2"
    mistake.click()
    editor.page.keyboard.type("smile")  # the wrong word is selected in the text
    editor.page.wait_for_timeout(500)
    assert editor.text == "happy @1-2; nod @3\nsmile 0.4 @2" and mistake.is_hidden()
    assert len(editor.things()) == 3


def test_fields_and_double_click(editor):
    editor.start(TEXT)
    editor.page.mouse.click(*editor.spot("jawOpen key, 0.5"))
    field = editor.page.locator(".troupe-timeline .fields label", has_text="Value").locator("input")
    field.fill("0.33")
    field.press("Enter")
    editor.page.locator(".troupe-timeline .fields select").select_option("bounce")
    assert "0.33 @2 bounce, 0 @3" in editor.text
    x, y = editor.spot("jawOpen key, 0 at 3")
    editor.page.mouse.dblclick(x + editor.pixels(1), y - 10)
    editor.page.wait_for_timeout(300)
    key = re.search(r"0 @3, ([\d.]+) @4\n", editor.text)
    assert key and float(key[1]) > 0.2, editor.text
    length = editor.page.locator(".troupe-timeline label", has_text="Length").locator("input")
    length.fill("12")
    length.press("Enter")
    assert editor.text.endswith("\nlength 12\n")


def test_what_is_saved_is_the_text(editor, comfy):
    """Queue, save, reload, copy: the text is all there is, and every copy has its own editor."""
    editor.start(TEXT)
    editor.drag("jawOpen key, 0.5", "key", editor.pixels(0.5))
    changed = editor.text
    saved = editor.page.evaluate("() => app.graph.serialize()")
    (node,) = saved["nodes"]
    assert node["widgets_values"] == [changed, 0, 25, 1, 0]
    sent = editor.page.evaluate("async () => (await app.graphToPrompt()).output")
    (inputs,) = (n["inputs"] for n in sent.values())
    assert inputs == {"timeline": changed, "seconds": 0, "fps": 25, "idle": 1, "seed": 0}
    editor.page.evaluate("ui => app.loadGraphData(ui)", json.loads(json.dumps(saved)))
    editor.page.wait_for_timeout(1200)
    assert editor.text == changed and any("jawOpen key, 0.5 at 2.5" in said for said in editor.things())
    editor.page.evaluate(
        f"() => {{ app.canvas.selectNode({FIND}); app.canvas.copyToClipboard(); app.canvas.pasteFromClipboard(); }}"
    )
    editor.page.wait_for_timeout(1200)
    texts = editor.page.evaluate(
        "() => { const n = app.graph.nodes; n[1].troupeTimeline.commit('nod @1'); return n.map(x => [x.widgets[0].value, x.troupeTimeline.text]); }"
    )
    assert texts == [[changed, changed], ["nod @1", "nod @1"]]


def test_inside_a_subgraph_and_resized(editor):
    editor.start(TEXT)
    editor.page.evaluate(
        "() => { app.canvas.ds.scale = 1; app.canvas.ds.offset = [0, 60]; app.canvas.setDirty(true, true); }"
    )
    editor.page.wait_for_timeout(500)
    before = editor.page.locator(".troupe-timeline").bounding_box()
    x, y = editor.page.evaluate(
        f"""() => {{ const n = {FIND}, b = document.querySelector('[data-node-id]')?.getBoundingClientRect(), o = app.canvas.ds.offset;
        return b ? [b.right - 5, b.bottom - 5] : [n.pos[0] + n.size[0] + o[0] - 4, n.pos[1] + n.size[1] + o[1] - 4]; }}"""
    )
    editor.page.mouse.move(x, y)
    editor.page.mouse.down()
    editor.page.mouse.move(x + 75, y + 40, steps=3)
    editor.page.mouse.move(x + 150, y + 80, steps=3)
    editor.page.mouse.up()
    editor.page.wait_for_timeout(700)
    box = editor.page.locator(".troupe-timeline").bounding_box()
    assert box["width"] > before["width"] + 120 and box["height"] >= before["height"], (before, box)
    assert box["y"] + box["height"] > before["y"] + before["height"] + 60, (
        before,
        box,
    )  # the text may take the room
    editor.shoot("resized")
    editor.page.evaluate(
        f"() => {{ const c = app.canvas; c.selectNode({FIND}); const {{subgraph}} = c.graph.convertToSubgraph(c.selectedItems);"
        " c.openSubgraph ? c.openSubgraph(subgraph, app.graph.nodes.find(n => n.subgraph)) : c.setGraph(subgraph); }"
    )
    editor.page.wait_for_timeout(1500)
    inner = "[...app.rootGraph.subgraphs.values()][0].nodes[0]"
    editor.page.wait_for_function(f"() => {inner}.troupeTimeline.root.getClientRects().length", timeout=8000)
    editor.page.evaluate(
        f"() => {{ const n = {inner}; app.canvas.ds.scale = 1; app.canvas.ds.offset = [100 - n.pos[0], 60 - n.pos[1]]; }}"
    )
    editor.page.wait_for_timeout(600)
    x, y = editor.spot("jawOpen key, 0.5")
    editor.page.mouse.click(x, y)
    editor.page.keyboard.press("ArrowRight")
    assert "0.5 @2.1 ease_out" in editor.page.evaluate(f"() => {inner}.widgets[0].value")


def test_a_text_over_a_wire_is_edited_where_it_is_set(editor):
    editor.start(TEXT)
    editor.page.evaluate(
        f"""() => {{ const n = {FIND}, s = LiteGraph.createNode('PrimitiveStringMultiline'); s.pos = [0, 60]; app.graph.add(s);
        s.widgets[0].value = 'nod @1'; s.connect(0, n, n.inputs.findIndex(i => i.name === 'timeline')); }}"""
    )
    editor.page.wait_for_timeout(900)
    assert [said.split(",")[0] for said in editor.things()] == ["nod"]
    editor.page.mouse.click(*editor.spot("nod", "body"))
    editor.page.keyboard.press("ArrowRight")
    primitive = "app.graph.nodes.find(n => n.type === 'PrimitiveStringMultiline')"
    assert editor.page.evaluate(f"() => {primitive}.widgets[0].value") == "nod @1.1"
    assert editor.text == TEXT
    editor.page.evaluate(
        f"""() => {{ const n = {FIND}, s = LiteGraph.createNode('StringConcatenate'); s.pos = [0, 400]; app.graph.add(s);
        s.connect(0, n, n.inputs.findIndex(i => i.name === 'timeline')); }}"""
    )
    editor.page.wait_for_timeout(900)
    assert editor.things() == []
    assert "over a wire" in editor.page.locator(".troupe-timeline .mistake").inner_text()


def sound_file(path: Path, seconds: float) -> None:
    rate = 8000
    t = np.arange(int(seconds * rate)) / rate
    loud = (np.sin(2 * np.pi * 220 * t) * np.abs(np.sin(2 * t)) * 20000).astype("<i2")
    with wave.open(str(path), "wb") as f:
        f.setnchannels(1)
        f.setsampwidth(2)
        f.setframerate(rate)
        f.writeframes(loud.tobytes())


def test_the_sound_is_drawn_at_once_and_after_a_run(editor, comfy):
    sound_file(comfy.base / "input" / "tone.wav", 6)
    comfy.forget()  # a node whose result is kept is not asked for its peaks
    editor.start("happy @1-2; nod @3")
    editor.page.evaluate(
        f"""() => {{ const load = LiteGraph.createNode('LoadAudio'); load.pos = [0, 60]; app.graph.add(load);
        const w = load.widgets.find(w => w.name === 'audio');
        if (!w.options.values.includes('tone.wav')) w.options.values.push('tone.wav');
        w.value = 'tone.wav';
        load.connect(0, {FIND}, {FIND}.inputs.findIndex(i => i.name === 'audio')); }}"""
    )
    editor.page.wait_for_function(f"() => {FIND}.troupeTimeline.sound?.seconds > 5.9", timeout=15_000)
    editor.page.wait_for_timeout(500)
    assert editor.page.locator(".troupe-timeline .wave .peaks").count() == 1
    assert editor.page.evaluate(f"() => {FIND}.troupeTimeline.seconds") == pytest.approx(6, abs=0.05)
    editor.shoot("sound")
    editor.page.evaluate(
        f"""() => {{ const n = {FIND}; const plot = LiteGraph.createNode('TroupePlotMotion'); plot.pos = [1100, 60]; app.graph.add(plot);
        n.connect(0, plot, 0); n.troupeTimeline.sound = null; n.troupeTimeline.heard = 'run';
        const view = LiteGraph.createNode('PreviewImage'); view.pos = [1500, 60]; app.graph.add(view); plot.connect(0, view, 0);
        app.queuePrompt(0, 1); }}"""
    )
    deadline = time.monotonic() + 120
    while not editor.page.evaluate(f"() => {FIND}.troupeTimeline.ran?.peaks.length ?? 0"):
        assert time.monotonic() < deadline, comfy.log[-2000:]
        editor.page.wait_for_timeout(300)
    ran = editor.page.evaluate(f"() => {FIND}.troupeTimeline.ran")
    assert ran["seconds"] == pytest.approx(6, abs=0.01) and 2 <= len(ran["peaks"]) <= 1000
    assert max(ran["peaks"]) == pytest.approx(20000 / 32768, abs=0.02)


def test_light_theme(editor):
    editor.start(TEXT, palette="light")
    editor.page.mouse.click(*editor.spot("happy", "body"))
    editor.page.wait_for_timeout(400)
    editor.shoot("light")
    assert "happy" in editor.page.locator(".troupe-timeline .fields b").inner_text()
