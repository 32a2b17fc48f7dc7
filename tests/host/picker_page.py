"""The real editor with the cast picker, as the tests handle it: what is on its screen, and the hands of a user.

Nothing waits for a time: after each deed the editor is let come to rest (``Editor.rest``), or a condition is waited for.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WORKFLOW = ROOT / "example_workflows" / "two_people_two_drives.json"
DETECT, LEFT, RIGHT = "4", "7", "8"
BOTH = [LEFT, RIGHT]
PATIENCE = 60_000  # milliseconds that a condition may take on a busy machine

HELPERS = """() => {
    const pause = ms => new Promise(r => setTimeout(r, ms)), frame = () => new Promise(requestAnimationFrame);
    const all = () => [...document.querySelectorAll('.troupe-picker')];
    const loads = p => p.querySelector('.troupe-picture:not([hidden]).loading img') && !p.closest('[hidden]') ? performance.now() : 0;
    const seen = () => JSON.stringify(all().map(p => [p.getBoundingClientRect(), p.outerHTML, loads(p)]));
    window.troupe = {
        node: id => app.graph.getNodeById(id) ?? app.graph.getNodeById(Number(id)),
        widget: (id, name) => troupe.node(id).widgets.find(w => w.name === name),
        set: (id, name, value) => { const w = troupe.widget(id, name); w.value = value; w.callback?.(value); troupe.capture(); },
        picker: id => troupe.widget(id, 'cast_picker').element,
        faces: id => troupe.picker(id).querySelectorAll('.face').length,
        said: id => troupe.picker(id).querySelector('.said').textContent,
        chosen: id => Number(troupe.picker(id).querySelector('[aria-checked=true][data-person]')?.dataset.person),
        focus: () => document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent,
        capture: () => { const t = app.extensionManager.workflow.activeWorkflow.changeTracker;
            t.captureCanvasState ? t.captureCanvasState() : t.checkState(); },
        look: (ids, scale = 0.9) => { const b = ids.map(i => troupe.node(i)), c = app.canvas; c.ds.scale = scale;
            c.ds.offset[0] = 60 / scale - Math.min(...b.map(n => n.pos[0]));
            c.ds.offset[1] = 90 / scale - Math.min(...b.map(n => n.pos[1])); c.setDirty(true, true); },
        rest: async () => { await pause(50);  // longer than the pickers wait before they look at the graph
            for (let last = '', same = 0, n = 0; same < 4; n++) { await frame(); const now = seen();
                same = now === last ? same + 1 : 0; last = now;
                if (n > 1000) throw new Error('the pickers never come to rest'); } },
    };
}"""
# By node, how far a picker reaches below its node, in pixels of the screen.
OVERFLOWS = """() => app.canvas.graph.nodes.filter(n => /Troupe(Detect|Assign)/.test(n.type)).map(n => {
        const picker = n.widgets.find(w => w.name === 'cast_picker').element;
        const parts = [...picker.children].map(p => p.getBoundingClientRect()).filter(r => r.height);
        const c = app.canvas, top = c.canvas.getBoundingClientRect().top;
        const bottom = top + (n.pos[1] + n.size[1] + c.ds.offset[1]) * c.ds.scale;
        return [n.title, Math.round(Math.max(0, ...parts.map(r => r.bottom)) - bottom)];
    }).filter(([, over]) => over > 1)"""
# The editor opens the workflow of the last visit by itself, some time after it can be spoken to.
OPENED = "() => app.graph.nodes.length > 0 && app.extensionManager.workflow?.activeWorkflow?.changeTracker"
DIALOG = ".p-dialog-mask"
UNDER = """([x, y]) => { const e = document.elementFromPoint(x, y);
    return e.closest('.troupe-picker') ? null : `${e.tagName} ${e.className}`; }"""
SAVED = "() => JSON.stringify(app.graph.serialize())"
PALETTE = "name => app.extensionManager.setting.set('Comfy.ColorPalette', name)"
SHOW = """async ([node, output]) => { const { api } = await import('/scripts/api.js');
    app.nodeOutputs[node] = output;
    api.dispatchCustomEvent('executed', { node, display_node: node, prompt_id: 'x', output }); }"""


class Editor:
    """A page with the editor, in one renderer. Faults of the pack's own code are gathered in ``faults``."""

    def __init__(self, page, name: str, screenshots: Path):
        self.page, self.name, self.screenshots, self.faults = page, name, screenshots, []
        page.on("pageerror", lambda e: self.fault(f"{e}\n{e.stack}") if "Troupe" in (e.stack or "") else None)
        page.on("console", lambda m: self.fault(m.text) if m.text.startswith("Troupe") else None)

    def fault(self, text: str) -> None:
        self.faults.append(text)

    def call(self, script: str, argument=None):
        return self.page.evaluate(script, argument)

    def until(self, condition: str, argument=None) -> None:
        self.page.wait_for_function(condition, arg=argument, timeout=PATIENCE)

    def rest(self) -> None:
        """Until nothing moves in the pickers any more."""
        self.call("() => troupe.rest()")

    def open(self, ui: dict | None = None) -> None:
        """Open a workflow, as one that nobody has seen before, with the pickers' nodes side by side and nothing over
        them; the one of two people if none is given."""
        ui = ui or json.loads(WORKFLOW.read_text())
        highest = min(node["pos"][1] for node in ui["nodes"])
        for node in ui["nodes"]:
            if str(node["id"]) in (DETECT, LEFT, RIGHT):
                node["pos"] = [420 * (DETECT, LEFT, RIGHT).index(str(node["id"])), highest - 3000]
        self.call(HELPERS)
        self.call("ui => app.loadGraphData(ui)", {**ui, "id": str(uuid.uuid4())})
        self.look()
        self.until("() => document.querySelectorAll('.troupe-picker').length >= 3")
        self.rest()

    def look(self, *nodes: str) -> None:
        """Bring nodes into view."""
        self.call("ids => troupe.look(ids)", list(nodes or (DETECT, LEFT, RIGHT)))

    def picker(self, node: str):
        """The picker of a node."""
        return self.page.evaluate_handle("id => troupe.picker(id)", node).as_element()

    def press(self, element) -> None:
        """Press the middle of something, as a hand would: through the screen."""
        box = element.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        under = self.call(UNDER, [x, y])
        assert under is None, f"{under} lies over the picker"
        self.page.mouse.click(x, y)
        self.rest()

    def dismiss(self) -> None:
        """Close the dialog in which older editors show mistakes, if there is one."""
        self.rest()
        while self.page.query_selector(DIALOG):
            self.page.keyboard.press("Escape")
            self.until("mask => !document.querySelector(mask + ':not(.p-overlay-mask-leave-active)')", DIALOG)
            self.rest()

    def press_find(self, node: str) -> None:
        self.press(self.picker(node).query_selector("button:text('Find faces')"))

    def find(self, node: str = LEFT) -> None:
        """Press the picker's button and wait for the boxes."""
        self.press_find(node)
        self.until(
            "id => troupe.faces(id) > 0 && !/^Looking|older|Find the/.test(troupe.said(id))",
            node,
        )
        self.rest()

    def pick(self, node: str, person: int) -> None:
        self.press(self.picker(node).query_selector(f'[data-person="{person}"] rect.glow'))

    def key(self, *keys: str) -> str:
        """Press keys one after the other; what has the focus then, as a screen reader would say it."""
        for key in keys:
            self.page.keyboard.press(key)
            self.rest()
        return self.call("() => troupe.focus()")

    def face(self, node: str) -> int:
        return self.call("id => troupe.widget(id, 'face').value", node)

    def faces(self, *nodes: str) -> list[int]:
        """How many boxes the pickers show."""
        return self.call("ids => ids.map(id => troupe.faces(id))", list(nodes or (DETECT, LEFT, RIGHT)))

    def said(self, node: str) -> str:
        return self.call("id => troupe.said(id)", node)

    def says(self, node: str, part: str) -> None:
        """Wait until a picker says so."""
        try:
            self.until("([id, part]) => troupe.said(id).includes(part)", [node, part])
        except Exception as error:
            raise AssertionError(f"node {node} says {self.said(node)!r}, not {part!r}") from error
        self.rest()

    def set(self, node: str, widget: str, value) -> None:
        self.call("([n, w, v]) => troupe.set(n, w, v)", [node, widget, value])
        self.rest()

    def change(self, script: str, argument=None):
        """Change the graph as the editor's own functions do."""
        answer = self.call(script, argument)
        self.call("() => troupe.capture()")
        self.rest()
        return answer

    def show(self, entry: dict, node: str = DETECT) -> None:
        """What the server would send when Detect Faces has run."""
        self.call(SHOW, [node, {"troupe_faces": [entry]}])
        self.rest()

    def step(self, way: str) -> None:
        """One step of the editor's undo or redo."""
        self.call("way => app.extensionManager.workflow.activeWorkflow.changeTracker[way]()", way)
        self.until(
            "ids => ids.every(id => troupe.node(id) && troupe.picker(id).isConnected)", [DETECT, LEFT, RIGHT]
        )
        self.look()
        self.rest()

    def saved(self) -> dict:
        """The workflow as the editor would save it."""
        return json.loads(self.call(SAVED))

    def sent(self) -> dict:
        """The API prompt as the editor would send it."""
        return self.call("async () => (await app.graphToPrompt()).output")

    def shoot(self, name: str) -> None:
        self.rest()
        assert self.call(OVERFLOWS) == [], "a picker is larger than its node"
        self.page.screenshot(path=str(self.screenshots / f"picker_{self.name}_{name}.png"))

    def shoot_light(self, name: str) -> None:
        self.call(PALETTE, "light")
        self.shoot(name)
        self.call(PALETTE, "dark")


@pytest.fixture(scope="module", params=["classic", "nodes2"])
def session(request, browser, comfy, browsing, tmp_path_factory) -> Iterator[Editor]:
    """The editor of a server in one of its renderers; the settings, which the server keeps, are put back.

    Screenshots go to ``TROUPE_SCREENSHOTS``, if set, else to pytest's temporary folder.
    """
    folder = Path(os.environ.get("TROUPE_SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    page = browser.new_page(viewport={"width": 1900, "height": 1000})
    page.goto(comfy.url)
    page.wait_for_function(browsing.READY, timeout=90_000)
    page.wait_for_function(OPENED, timeout=90_000)
    browsing.use_renderer(page, request.param == "nodes2")
    editor = Editor(page, f"{comfy.host.name}_{request.param}", folder)
    editor.call(PALETTE, "dark")
    yield editor
    page.evaluate(PALETTE, "dark")
    browsing.use_renderer(page, False)
    page.close()


@pytest.fixture
def editor(session) -> Iterator[Editor]:
    """The editor with the workflow of two people open and nothing run; afterwards no fault of ours has been seen."""
    session.faults.clear()
    session.open()
    yield session
    session.dismiss()
    session.call(PALETTE, "dark")
    assert not session.faults, session.faults


def crowd(
    count: int, columns: int = 8, wide: int = 4000, high: int = 2500, size: int = 100, colours=()
) -> dict:
    """What Detect Faces tells of ``count`` faces in rows; its picture is to be at ``temp/crowd.png``."""
    people = []
    for i in range(count):
        x = (i % columns + 0.5) * wide / columns - size / 2
        y = 300 + (i // columns) * size * 1.6
        row = {"person": i + 1, "box": [x, y, x + size, y + size * 1.2], "frame": 0, "seen": 1}
        people.append({**row, "colour": colours[i % len(colours)] if colours else "#009eff"})
    image = {"filename": "crowd.png", "subfolder": "", "type": "temp"}
    return {"image": image, "width": wide, "height": high, "frames": 1, "frame": 0, "people": people}
