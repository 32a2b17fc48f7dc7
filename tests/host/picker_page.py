"""The real editor with the cast picker, as the tests handle it: what is on its screen, and the hands of a user."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORKFLOW = ROOT / "example_workflows" / "two_people_two_drives.json"
READY = "() => window.app && app.graph && app.extensionManager && LiteGraph.registered_node_types.TroupeWarpRender"
DETECT, LEFT, RIGHT = "4", "7", "8"

HELPERS = """() => {
    window.troupe = {
        node: id => app.graph.getNodeById(id) ?? app.graph.getNodeById(Number(id)),
        widget: (id, name) => troupe.node(id).widgets.find(w => w.name === name),
        picker: id => troupe.widget(id, 'cast_picker').element,
        faces: id => troupe.picker(id).querySelectorAll('.face').length,
        said: id => troupe.picker(id).querySelector('.said').textContent,
        chosen: id => Number(troupe.picker(id).querySelector('[aria-checked=true][data-person]')?.dataset.person),
        capture: () => { const t = app.extensionManager.workflow.activeWorkflow.changeTracker;
            t.captureCanvasState ? t.captureCanvasState() : t.checkState(); },
        look: (ids, scale = 0.9) => { const b = ids.map(i => troupe.node(i)), c = app.canvas; c.ds.scale = scale;
            c.ds.offset[0] = 60 / scale - Math.min(...b.map(n => n.pos[0]));
            c.ds.offset[1] = 90 / scale - Math.min(...b.map(n => n.pos[1])); c.setDirty(true, true); },
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
SENT = "async () => (await app.graphToPrompt()).output"


def ready(page) -> None:
    page.wait_for_function(READY, timeout=90_000)
    page.evaluate(
        "v => app.extensionManager.setting.set('Comfy.VueNodes.Enabled', v)", page.renderer == "nodes2"
    )
    page.evaluate("() => app.extensionManager.setting.set('Comfy.ColorPalette', 'dark')")
    page.evaluate(HELPERS)


def open_workflow(page, ui: dict) -> None:
    """Open it with the pickers' nodes side by side in view, whatever its layout is."""
    for node in ui["nodes"]:
        if str(node["id"]) in (DETECT, LEFT, RIGHT):
            node["pos"] = [3000 + 420 * (DETECT, LEFT, RIGHT).index(str(node["id"])), 0]
    page.evaluate("ui => app.loadGraphData(ui)", ui)
    look(page)
    page.wait_for_function("() => document.querySelectorAll('.troupe-picker').length >= 3")
    page.wait_for_timeout(400)


def look(page, *nodes: str) -> None:
    page.evaluate("ids => troupe.look(ids)", list(nodes or (DETECT, LEFT, RIGHT)))
    page.wait_for_timeout(500)


def picker(page, node: str):
    """The picker of a node, to be clicked in."""
    handle = page.evaluate_handle("id => troupe.picker(id)", node).as_element()
    assert handle.is_visible(), f"the picker of node {node} is not in sight"
    return handle


def find(page, node: str = LEFT) -> None:
    """Press the picker's button and wait for the boxes."""
    picker(page, node).query_selector("button:text('Find faces')").click()
    page.wait_for_function(
        "id => troupe.faces(id) > 0 && !troupe.said(id).startsWith('Looking') && !/older|Find the/.test(troupe.said(id))",
        arg=node,
        timeout=60_000,
    )
    page.wait_for_timeout(300)


def click_face(page, node: str, person: int) -> None:
    """Press the middle of a face's box, as a hand would: through the screen."""
    box = picker(page, node).query_selector(f'[data-person="{person}"] rect.glow').bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_timeout(250)


def face_of(page, node: str) -> int:
    return page.evaluate("id => troupe.widget(id, 'face').value", node)


def said(page, node: str) -> str:
    return page.evaluate("id => troupe.said(id)", node)


def wait_said(page, node: str, part: str) -> None:
    try:
        page.wait_for_function(
            "([id, part]) => troupe.said(id).includes(part)", arg=[node, part], timeout=30_000
        )
    except Exception as error:
        raise AssertionError(f"node {node} says {said(page, node)!r}, not {part!r}") from error


def show(detect_output: dict, page, node: str = DETECT) -> None:
    """What the server would send when Detect Faces has run."""
    page.evaluate(
        """async ([node, output]) => { const { api } = await import('/scripts/api.js');
            api.dispatchCustomEvent('executed', { node, display_node: node, prompt_id: 'x', output }); }""",
        [node, detect_output],
    )
    page.wait_for_timeout(400)


def step(page, way: str) -> None:
    """One step of the editor's undo or redo."""
    page.evaluate("way => app.extensionManager.workflow.activeWorkflow.changeTracker[way]()", way)
    page.wait_for_timeout(1200)
    look(page)
