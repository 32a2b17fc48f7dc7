"""The timeline editor in the real frontend, in both renderers: text and tracks in step, by mouse, keys and typing.

Screenshots go to ``TROUPE_SCREENSHOTS``, if set, else to pytest's temporary folder.
"""

from __future__ import annotations

import re

import pytest

from troupe.engine.motion.timeline import Timeline

from . import timeline_page

pytestmark = [pytest.mark.host, pytest.mark.browser]
PRIMITIVE = "app.graph.nodes.find(x => x.type === 'PrimitiveStringMultiline')"
FOCUS = "document.activeElement.ariaLabel"


@pytest.fixture(params=["classic", "nodes2"])
def editor(request, page, comfy, screenshots, browsing):
    page.wait_for_function(timeline_page.READY, timeout=90_000)
    yield timeline_page.Editor(
        page, request.param == "nodes2", screenshots, f"timeline_{comfy.host.name}_{request.param}"
    )
    # These are settings of the server, which the tests after these share.
    browsing.use_renderer(page, False)
    page.evaluate("() => app.extensionManager.setting.set('Comfy.ColorPalette', 'dark')")


def test_by_mouse_and_keys(editor):
    """Times, values, curves, snapping, several at once, undo, and the whole again by keys alone."""
    text = timeline_page.TEXT
    editor.start(text)
    editor.shoot("tracks")
    # One key at a time. It sticks to the tenth, nothing else is touched; with Alt it goes anywhere.
    once = editor.drag("jawOpen key, 0.5", "key", 0.52)
    assert once == text.replace("0.5 @2", "0.5 @2.5")
    twice = editor.drag("jawOpen key, 0.5", "key", 0, -6)
    value = float(re.search(r"([\d.]+) @2.5 ease_out", twice)[1])
    assert 0.5 < value < 1 and value * 20 == pytest.approx(round(value * 20))
    # ComfyUI's own undo makes the node anew; the place and the focus stay.
    editor.step(once)
    editor.step(text)
    editor.step(once, back=False)
    assert editor.chosen() == ["jawOpen 2.5"]
    assert "@0.5-3 ease_out   # a smile ; and more" in editor.drag("happy", "end", 1)
    assert "happy 0.8 @1-3.5 ease_out" in editor.drag("happy", "body", 0.5)
    assert 0 < float(re.search(r"happy ([\d.]+)", editor.drag("happy", "body", 0, 12))[1]) < 0.8
    # A block sticks to the key of another track, though that is not on a tenth.
    odd = editor.drag("blink", "body", 0.137, held="Alt")
    at = float(re.search(r"blink @([\d.]+)", odd)[1])
    assert not (at * 10).is_integer()
    end = float(re.search(r"@1-([\d.]+) ease_out", editor.text)[1])
    assert f"@1-{at:g} ease_out" in editor.drag("happy", "end", at - end + 0.02)

    # Curve, value and ramps in the fields.
    editor.press("jawOpen key, 0.5")
    editor.field("Value").fill("0.33")
    editor.field("Value").press("Enter")
    editor.part(".fields select").select_option("bounce")
    editor.until("e.text.includes('0.33 @2.5 bounce, 0 @3')")
    editor.press("happy", "body")
    editor.field("Attack").fill("0.2")
    editor.field("Attack").press("Enter")
    editor.until("e.text.includes('ease_out attack=0.2   # a smile')")
    editor.field("Attack").fill("")
    editor.field("Attack").press("Enter")
    editor.until("e.text.includes('ease_out   # a smile')")
    # A new key where a line is pressed twice.
    x, y = editor.spot("jawOpen key, 0 at 3")
    editor.mouse.dblclick(x + editor.pixels(1), y - 10)
    editor.until(r"/0 @3, 0\.\d+ @4\n/.test(e.text)")

    # Several: a box over empty room, Shift and a press, moved and removed together.
    editor.start(text)
    (x0, y0), (x1, _) = editor.spot("jawOpen key, 0 at 1"), editor.spot("jawOpen key, 0 at 3")
    top = editor.spot("jawOpen key, 0.5")[1] - 5  # a box that ends below the track above
    editor.pull(x1 + 15, y0 + 4, x0 - 15 - (x1 + 15), top - (y0 + 4))
    assert editor.chosen() == ["jawOpen 1", "jawOpen 2", "jawOpen 3"]
    editor.pull(x1 + 15, y0 + 4, -30, -12)
    assert editor.chosen() == ["jawOpen 3"]
    editor.press("jawOpen key, 0.5")
    editor.press("jawOpen key, 0 at 3", held="Shift")
    editor.press("happy", "body", held="Shift")
    assert editor.chosen() == ["happy 0.5", "jawOpen 2", "jawOpen 3"]
    editor.shoot("several")
    moved = text.replace("@0.5-2.0", "@1-2.5").replace("0.5 @2 ease_out, 0 @3", "0.5 @2.5 ease_out, 0 @3.5")
    assert editor.drag("happy", "body", 0.5) == moved
    editor.keys.press("Delete")
    kept = moved.replace("happy 0.8 @1-2.5 ease_out", "").replace("0 @1, 0.5 @2.5 ease_out, 0 @3.5", "0 @1,")
    editor.wait_text(kept)
    editor.step(moved)
    assert editor.js("app.graph.nodes.length") == 1

    # Keys alone: Tab to a thing, arrows move it, Enter edits, Ctrl+D and Delete, + Add.
    editor.start(text)
    editor.js("e.buttons.fit.focus()")
    editor.keys.press("Tab")
    assert editor.js(FOCUS).startswith("happy, 0.8")
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "Shift+ArrowRight"):
        editor.keys.press(key)
    editor.until("e.text.includes('happy 0.85 @1.7-3.2 ease_out')")
    editor.keys.press("Enter")
    editor.keys.type("0.4")
    editor.keys.press("Enter")
    editor.until("e.text.includes('happy 0.4 @1.7-3.2 ease_out')")
    editor.keys.press("Escape")
    assert editor.js(FOCUS).startswith("happy, 0.4")
    editor.keys.press("Control+d")
    editor.until("e.text.includes('happy 0.4 @3.2-4.7 ease_out')")
    assert editor.js(FOCUS).startswith("happy, 0.4, 3.2")
    editor.keys.press("Delete")
    editor.until("e.text.split('happy').length === 2")
    assert "# a smile ; and more" in editor.text and editor.js("app.graph.nodes.length") == 1
    editor.js("e.buttons.fit.focus()")
    for key in ("Tab", "Space", "Tab", "Space", "Tab"):  # Space keeps what Tab leaves
        editor.keys.press(key)
    assert len(editor.chosen()) == 3
    editor.js("e.buttons.add.focus()")
    editor.keys.press("Enter")
    editor.keys.type("pitch")
    editor.shoot("menu")
    editor.keys.press("Enter")
    editor.until("e.text.endsWith('pitch 0 @0, 8 @0.5, 0 @1\\n')")
    editor.keys.press("ArrowUp")
    editor.until("e.text.includes('pitch 0 @0, 9 @0.5, 0 @1')")
    Timeline.parse(editor.text)


def test_the_properties_panel_leaves_it_alone(editor):
    """ComfyUI's panel of the selected node, which gives the widgets that it shows its own width."""
    setting = "app.extensionManager.setting.{}('Comfy.RightSidePanel.IsOpen'{})"
    if editor.js(setting.format("get", "")) is None:
        pytest.skip("this editor has no such panel")
    editor.start(timeline_page.TEXT)
    wide = editor.js("e.root.offsetWidth")
    editor.page.evaluate("async () => await " + setting.format("set", ", true"))
    try:
        editor.js("app.canvas.selectNode(n)")
        panel = editor.page.get_by_test_id("properties-panel")
        panel.get_by_text("idle", exact=True).wait_for()
        editor.settled()
        editor.shoot("panel")
        assert editor.js("e.root.offsetWidth") == wide
        assert panel.get_by_text("tracks", exact=True).count() == 0
    finally:
        editor.page.evaluate("async () => await " + setting.format("set", ", false"))


def test_what_is_written_is_what_is_saved(editor):
    """Typing, mistakes, clipboard, queue, save and load, copies of the node, wires, subgraphs."""
    editor.start("happy @1-2")
    editor.area.click()
    editor.keys.press("Control+End")
    editor.keys.type("; nod @3")
    editor.until("e.doc.entries.length === 2")
    editor.keys.type("\nsmlie 0.4 @2")
    mistake = editor.part(".mistake")
    editor.until("!e.mistake.hidden && e.text.endsWith('smlie 0.4 @2')")
    assert mistake.locator("u").inner_text() == "smlie"
    assert "Line 2, column 1" in mistake.inner_text() and "'smile'" in mistake.inner_text()
    assert editor.names() == ["happy", "nod"], "the last good state stays"
    assert editor.part("xpath=self::*[contains(@class, 'stale')]").count() == 1
    editor.shoot("mistake")
    mistake.click()
    editor.keys.type("smile")  # the wrong word is selected in the text
    editor.wait_text("happy @1-2; nod @3\nsmile 0.4 @2")
    assert mistake.is_hidden() and editor.names() == ["happy", "nod", "smile"]

    # What is selected goes through the clipboard as text, to the playhead.
    editor.press("nod", "body")
    editor.press("smile", "body", held="Shift")
    editor.keys.press("Control+c")
    editor.keys.press("Escape")
    editor.keys.press("Home")
    editor.keys.press("Control+v")
    editor.until("e.doc.entries.length === 5")
    assert (
        editor.text == "happy @1-2; nod @3\nsmile 0.4 @2\nnod 1 @1\nsmile 0.4 @0"
        and len(editor.chosen()) == 2
    )

    # Queue, save, load: the text is all there is.
    editor.start(timeline_page.TEXT)
    changed = editor.drag("jawOpen key, 0.5", "key", 0.5)
    saved = editor.js("app.graph.serialize()")
    (node,) = saved["nodes"]
    assert node["widgets_values"] == [changed, 0, 25, 1, 0]
    (sent,) = editor.page.evaluate("async () => Object.values((await app.graphToPrompt()).output)")
    assert sent["inputs"] == {"timeline": changed, "seconds": 0, "fps": 25, "idle": 1, "seed": 0}
    editor.js("n.widgets[0].value = 'nod @1'")
    editor.until("e.doc.entries.length === 1")
    editor.page.evaluate("ui => app.loadGraphData(ui)", saved)
    editor.wait_text(changed)
    editor.settled()
    assert any("jawOpen key, 0.5 at 2.5" in said for said in editor.things())
    # Every copy of the node has its own editor.
    editor.js("(app.canvas.selectNode(n), app.canvas.copyToClipboard(), app.canvas.pasteFromClipboard())")
    editor.until(
        "app.graph.nodes.length === 2 && app.graph.nodes.every(x => x.troupeTimeline?.root.isConnected)"
    )
    texts = editor.js(
        "(app.graph.nodes[1].troupeTimeline.commit('nod @1'), app.graph.nodes.map(x => [x.widgets[0].value, x.troupeTimeline.text]))"
    )
    assert texts == [[changed, changed], ["nod @1", "nod @1"]]

    # A text over a wire is edited where it is set.
    editor.start(timeline_page.TEXT)
    editor.js(
        """(() => { const s = LiteGraph.createNode('PrimitiveStringMultiline'); s.pos = [0, 60]; app.graph.add(s);
        s.widgets[0].value = 'nod @1'; s.connect(0, n, n.inputs.findIndex(i => i.name === 'timeline')); })()"""
    )
    editor.until("e.text === 'nod @1'")
    editor.settled()
    editor.press("nod", "body")
    editor.keys.press("ArrowRight")
    editor.until(f"{PRIMITIVE}.widgets[0].value === 'nod @1.1'")
    assert editor.text == timeline_page.TEXT
    editor.js(
        """(() => { const s = LiteGraph.createNode('StringConcatenate'); s.pos = [0, 400]; app.graph.add(s);
        s.connect(0, n, n.inputs.findIndex(i => i.name === 'timeline')); })()"""
    )
    editor.until("e.wired && e.doc.entries.length === 0")
    assert "over a wire" in editor.part(".mistake").inner_text()

    # In a subgraph.
    editor.start(timeline_page.TEXT)
    editor.page.evaluate(
        f"""() => {{ const c = app.canvas; c.selectNode({timeline_page.NODE}); const {{subgraph}} = c.graph.convertToSubgraph(c.selectedItems);
        c.openSubgraph ? c.openSubgraph(subgraph, app.graph.nodes.find(n => n.subgraph)) : c.setGraph(subgraph);
        window.troupeNode = () => [...app.rootGraph.subgraphs.values()].at(-1).nodes[0]; }}"""
    )
    editor.until("e?.root.getClientRects().length")
    editor.page.evaluate(
        f"() => {{ const n = {timeline_page.NODE}; app.canvas.ds.scale = 1; app.canvas.ds.offset = [100 - n.pos[0], 60 - n.pos[1]]; app.canvas.setDirty(true, true); }}"
    )
    editor.settled()
    editor.press("jawOpen key, 0.5")
    editor.keys.press("ArrowRight")
    editor.until("n.widgets[0].value.includes('0.5 @2.1 ease_out')")


def test_sound_length_and_size(editor, comfy):
    """The waveform at once and after a run; a long timeline, a huge one, a larger node, an empty one; light and dark."""
    timeline_page.sound_file(comfy.base / "input" / "tone.wav", 6)
    comfy.forget()  # a node whose result is kept is not asked for its peaks
    editor.start("happy @1-2; nod @3")
    editor.js(
        """(() => { const load = LiteGraph.createNode('LoadAudio'); load.pos = [0, 60]; app.graph.add(load);
        const w = load.widgets.find(w => w.name === 'audio');
        if (!w.options.values.includes('tone.wav')) w.options.values.push('tone.wav');
        w.value = 'tone.wav';
        load.connect(0, n, n.inputs.findIndex(i => i.name === 'audio')); })()"""
    )
    editor.until("e.sound?.seconds > 5.9 && e.root.querySelectorAll('.wave .peaks').length === 1")
    assert editor.js("e.seconds") == pytest.approx(6, abs=0.05)
    editor.settled()
    editor.shoot("sound")
    editor.js(
        """(() => { const plot = LiteGraph.createNode('TroupePlotMotion'); plot.pos = [1100, 60]; app.graph.add(plot);
        n.connect(0, plot, 0); e.heard.now = null; e.heard.heard = 'run';
        const view = LiteGraph.createNode('PreviewImage'); view.pos = [1500, 60]; app.graph.add(view); plot.connect(0, view, 0);
        app.queuePrompt(0, 1); })()"""
    )
    editor.until("e.heard.ran?.peaks.length", seconds=120)
    ran = editor.js("e.heard.ran")
    assert ran["seconds"] == pytest.approx(6, abs=0.01) and 2 <= len(ran["peaks"]) <= 1000
    assert max(ran["peaks"]) == pytest.approx(20000 / 32768, abs=0.02)

    # A minute: nearer by the wheel at a time, along by the bar, and back.
    editor.start(
        "; ".join(f"happy 0.6 @{i}-{i + 0.8}; blink @{i}.4; yaw 3 @{i}-{i + 0.9}" for i in range(60)), "light"
    )
    assert len(editor.things()) == 180 and editor.part(".along").is_hidden()
    editor.shoot("minute")
    x, y = editor.spot("happy, 0.6, 30 to", "body")
    editor.mouse.click(x, y)  # Nodes 2.0 gives the wheel to what has the focus
    editor.keys.down("Alt")
    editor.mouse.wheel(0, -900)
    editor.keys.up("Alt")
    editor.until("e.scale > 40 && e.start > 20 && e.start < 30")
    editor.settled()
    assert editor.js("app.canvas.ds.scale") == 1.25, "the canvas does not zoom with it"
    assert abs(editor.spot("happy, 0.6, 30 to", "body")[0] - x) < 30, "what is under the pointer stays there"
    editor.shoot("nearer")
    thumb = editor.part(".along .thumb").bounding_box()
    editor.pull(thumb["x"] + thumb["width"] / 2, thumb["y"] + 4, -2000)
    editor.until("e.start === 0 && !e.fitted")
    editor.part("button[aria-label='Show all of it']").click()
    editor.until("e.fitted && e.root.querySelectorAll('[data-id]').length === 180")

    # Five thousand items: shown, selected and changed together, and a mistake in them is marked.
    huge = "; ".join(f"happy 0.5 @{i * 0.7:.2f}-{i * 0.7 + 0.6:.2f}" for i in range(5000))
    editor.start(huge)
    editor.until("e.doc.entries.length === 5000 && e.root.querySelector('.crowd')")
    editor.page.locator(".troupe-timeline .scroll").click(position={"x": 300, "y": 70})
    editor.keys.press("Control+a")
    editor.keys.press("ArrowRight")
    editor.until("e.text.startsWith('happy 0.5 @0.1-0.7; ')", seconds=60)
    editor.shoot("huge")
    assert len(Timeline.parse(editor.text).items) == 5000
    editor.js("n.widgets[0].value = e.text + '; hapy @1'")
    editor.until("!e.mistake.hidden", seconds=60)
    assert editor.part(".mistake u").inner_text() == "hapy"

    # The node is made larger; it begins empty.
    editor.start("", "light")
    editor.shoot("empty")
    before = editor.part("xpath=self::*").bounding_box()
    x, y = editor.page.evaluate(
        f"""() => {{ const n = {timeline_page.NODE}, b = document.querySelector('[data-node-id]')?.getBoundingClientRect();
        const o = app.canvas.ds.offset, s = app.canvas.ds.scale, c = app.canvas.canvas.getBoundingClientRect();
        return b ? [b.right - 5, b.bottom - 5] : [c.x + (n.pos[0] + n.size[0] + o[0]) * s - 4, c.y + (n.pos[1] + n.size[1] + o[1]) * s - 4]; }}"""
    )
    editor.pull(x, y, 150, 80)
    editor.until("e.root.getBoundingClientRect().width > arg", arg=before["width"] + 120)
    editor.settled()
    after = editor.part("xpath=self::*").bounding_box()
    assert after["y"] + after["height"] > before["y"] + before["height"] + 60, "the text may take the room"
    editor.part("button[aria-label^='Add a feeling']").click()
    editor.keys.type("smile")
    editor.keys.press("Enter")
    editor.wait_text("smile 0.8 @0-2")
    editor.start(timeline_page.TEXT, "light")
    editor.press("happy", "body")
    editor.shoot("light")
