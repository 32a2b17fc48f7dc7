"""The cast picker in the real editor, in both renderers: faces found, picked by mouse and keyboard, kept by the workflow.

Screenshots go to ``TROUPE_SCREENSHOTS``, if set, else to pytest's temporary folder.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from pathlib import Path

import pytest

pytestmark = [pytest.mark.host, pytest.mark.browser]

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
LIB = "/extensions/ComfyUI-Troupe/lib"


def hands():
    """``picker_page.py`` beside this file (the tests are no package)."""
    spec = importlib.util.spec_from_file_location(
        "troupe_picker_page", Path(__file__).parent / "picker_page.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


kit = hands()
DETECT, LEFT, RIGHT = kit.DETECT, kit.LEFT, kit.RIGHT
WORKFLOW, SENT, OVERFLOWS = kit.WORKFLOW, kit.SENT, kit.OVERFLOWS


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if not CHROMIUM:
        pytest.skip("no chromium found")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(params=["classic", "nodes2"])
def page(browser, comfy, request):
    """The editor in one of its renderers, with the workflow of two people open and nothing run."""
    page = browser.new_page(viewport={"width": 1600, "height": 1000})
    page.faults = []
    page.on(
        "pageerror", lambda e: page.faults.append(f"{e}\n{e.stack}") if "Troupe" in (e.stack or "") else None
    )
    page.on("console", lambda m: page.faults.append(m.text) if m.text.startswith("Troupe") else None)
    page.renderer = request.param
    page.goto(comfy.url)
    kit.ready(page)
    kit.open_workflow(page, json.loads(WORKFLOW.read_text()))
    yield page
    faults = page.faults
    page.close()
    assert not faults, faults


@pytest.fixture
def screenshots(tmp_path):
    folder = Path(os.environ.get("TROUPE_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def shoot(page, comfy, screenshots):
    def shoot(name: str) -> None:
        page.wait_for_timeout(300)
        assert page.evaluate(OVERFLOWS) == [], "a picker is larger than its node"
        page.screenshot(path=str(screenshots / f"picker_{comfy.host.name}_{page.renderer}_{name}.png"))

    return shoot


def test_find_click_and_queue(comfy, page, shoot):
    """Only what leads to Detect Faces is run to find the faces; a click is a plain widget value and what is queued."""
    shoot("before")
    before = set(comfy.json("/history"))
    kit.find(page)
    (job,) = [h for i, h in comfy.json("/history").items() if i not in before]
    assert set(job["prompt"][2]) == {"2", DETECT}
    assert page.evaluate("ids => ids.map(id => troupe.faces(id))", [DETECT, LEFT, RIGHT]) == [2, 2, 2]
    assert [page.evaluate("id => troupe.chosen(id)", n) for n in (LEFT, RIGHT)] == [1, 2]
    shoot("found_dark")
    kit.click_face(page, LEFT, 2)
    assert kit.face_of(page, LEFT) == 2
    assert "Face 2 also has ‘The part of the right one’" in kit.said(page, LEFT)
    kit.click_face(page, RIGHT, 1)
    sent = page.evaluate(SENT)
    assert (sent[LEFT]["inputs"]["face"], sent[RIGHT]["inputs"]["face"]) == (2, 1)
    api = json.loads((ROOT / "example_workflows" / "api" / WORKFLOW.name).read_text())
    for node in (DETECT, LEFT, RIGHT):
        assert set(sent[node]["inputs"]) == set(api[node]["inputs"]), "the picker sends something of its own"
    page.evaluate("() => app.extensionManager.setting.set('Comfy.ColorPalette', 'light')")
    shoot("picked_light")
    page.evaluate("() => app.extensionManager.setting.set('Comfy.ColorPalette', 'dark')")
    assert page.evaluate("() => document.querySelectorAll('.troupe-picker').length") == 3
    assert not page.evaluate(
        "id => troupe.node(id).widgets.some(w => w.name.startsWith('$$canvas-image'))", DETECT
    ), "the picture is shown twice"


def test_detect_faces_lists_the_roles_and_recasts_them(page, shoot):
    kit.find(page, DETECT)
    rows = kit.picker(page, DETECT).query_selector_all(".roles button")
    assert [r.get_attribute("aria-label") for r in rows] == [
        "Face 1, The part of the left one, full, × 1",
        "Face 2, The part of the right one, full, × 1",
    ]
    assert "Select a role" in kit.said(page, DETECT)
    rows[1].click()
    kit.wait_said(page, DETECT, "Click the face of ‘The part of the right one’")
    kit.click_face(page, DETECT, 1)
    assert (kit.face_of(page, LEFT), kit.face_of(page, RIGHT)) == (1, 1)
    page.evaluate(
        "id => { const w = troupe.widget(id, 'strength'); w.value = 0.35; w.callback?.(0.35); troupe.capture(); }",
        RIGHT,
    )
    page.wait_for_function(
        "id => troupe.picker(id).querySelector('.roles').textContent.includes('0.35')", arg=DETECT
    )
    shoot("roles")


def test_keyboard_alone(page, shoot):
    """From the button to a changed role without a mouse."""
    kit.picker(page, LEFT).query_selector("button:text('Find faces')").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("id => troupe.faces(id) === 2", arg=LEFT, timeout=60_000)
    page.wait_for_timeout(300)
    kit.picker(page, LEFT).query_selector('[data-person="1"]').focus()
    active = "() => document.activeElement.getAttribute('aria-label')"
    assert page.evaluate(active).startswith("Face 1 of 2")
    page.keyboard.press("Tab")
    assert page.evaluate(active).startswith("Face 2 of 2")
    shoot("focus_ring")
    page.keyboard.press("Enter")
    assert kit.face_of(page, LEFT) == 2
    page.wait_for_timeout(300)
    assert page.evaluate(active).startswith("Face 2 of 2"), "the focus is lost when a face is picked"
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Space")
    assert kit.face_of(page, LEFT) == 1
    page.keyboard.press("2")
    assert kit.face_of(page, LEFT) == 2
    page.keyboard.press("9")
    assert kit.face_of(page, LEFT) == 2
    row = kit.picker(page, DETECT).query_selector(".roles button")
    row.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("1")
    page.wait_for_timeout(300)
    assert kit.face_of(page, RIGHT) == 1
    page.keyboard.press("Enter")
    page.wait_for_timeout(300)
    assert page.evaluate(active).startswith("Face 1 of 2"), "choosing a role leads on to its face"
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    assert kit.face_of(page, RIGHT) == 2
    assert page.evaluate("() => app.graph.nodes.length") == 10, "a key has reached the editor"


def test_another_picture_and_a_face_that_is_gone(page, shoot):
    kit.find(page)
    assert "older" not in kit.said(page, LEFT)
    page.evaluate(
        "() => { const w = troupe.widget('2', 'picture'); w.value = 'portrait.png'; w.callback?.(w.value); troupe.capture(); }"
    )
    kit.wait_said(page, LEFT, "older picture")
    kit.wait_said(page, DETECT, "older picture")
    shoot("older")
    kit.find(page)
    kit.wait_said(page, RIGHT, "Face 2 is not there: one face was found")
    kit.wait_said(page, DETECT, "Face 2 is not there")
    shoot("face_gone")
    kit.click_face(page, RIGHT, 1)
    assert kit.face_of(page, RIGHT) == 1
    assert "also has" in kit.said(page, RIGHT)
    page.evaluate(
        "() => { const w = troupe.widget('4', 'max_faces'); w.value = 1; w.callback?.(w.value); troupe.capture(); }"
    )
    kit.wait_said(page, LEFT, "older picture")


def test_no_face_and_no_picture_are_said(page, shoot):
    page.evaluate(
        """() => { const n = LiteGraph.createNode('TroupeTestImage'); app.graph.add(n);
            n.widgets[0].value = 'grey'; n.connect(0, troupe.node('4'), 0); troupe.capture(); }"""
    )
    kit.picker(page, LEFT).query_selector("button:text('Find faces')").click()
    kit.wait_said(page, LEFT, "No face found in image")
    kit.wait_said(page, DETECT, "No face found in image")
    shoot("no_face")
    page.evaluate("() => { troupe.node('4').disconnectInput(0); troupe.capture(); }")
    page.wait_for_timeout(300)
    assert "No face" not in kit.said(page, DETECT), "the mistake of a picture that is wired no more"
    kit.picker(page, DETECT).query_selector("button:text('Find faces')").click()
    kit.wait_said(page, DETECT, "neither 'image' nor 'video' is connected")
    page.evaluate(
        """() => { const n = LiteGraph.createNode('LoadImage'); app.graph.add(n); n.widgets[0].value = 'lost.png';
            n.connect(0, troupe.node('4'), 0); troupe.capture(); }"""
    )
    page.wait_for_timeout(300)
    kit.picker(page, DETECT).query_selector("button:text('Find faces')").click()
    kit.wait_said(page, DETECT, "lost.png")
    page.evaluate("() => { troupe.node('2').connect(0, troupe.node('4'), 0); troupe.capture(); }")
    page.wait_for_timeout(300)
    kit.find(page)
    assert page.evaluate("id => troupe.faces(id)", LEFT) == 2, "it does not recover"


def test_a_clip_names_its_frame(page, shoot):
    page.evaluate(
        """() => { const d = troupe.node('4'); d.disconnectInput(0); troupe.node('2').connect(1, d, 1); troupe.capture(); }"""
    )
    page.wait_for_timeout(300)
    kit.find(page)
    assert kit.said(page, DETECT).startswith("Frame 1 of ")
    shoot("clip")


def test_undo_and_redo(page):
    kit.find(page)
    page.evaluate("() => troupe.capture()")  # the nodes have grown with their pictures
    kit.click_face(page, LEFT, 2)
    assert kit.face_of(page, LEFT) == 2
    kit.step(page, "undo")
    assert kit.face_of(page, LEFT) == 1, "a pick is not one step of undo"
    assert page.evaluate("ids => ids.map(id => troupe.faces(id))", [DETECT, LEFT, RIGHT]) == [2, 2, 2]
    assert page.evaluate("id => troupe.chosen(id)", LEFT) == 1
    kit.step(page, "redo")
    assert kit.face_of(page, LEFT) == 2
    kit.click_face(page, RIGHT, 1)
    assert kit.face_of(page, RIGHT) == 1, "after undo the picker on screen belongs to a node that is gone"


def test_copies_saved_workflows_and_a_new_page(page):
    kit.find(page)
    old = json.loads(WORKFLOW.read_text())
    kept = {str(n["id"]): n.get("widgets_values") for n in old["nodes"]}
    saved = page.evaluate("() => app.graph.serialize()")
    now = {str(n["id"]): n.get("widgets_values") for n in saved["nodes"]}
    assert all(now[n] == kept[n] for n in (DETECT, LEFT, RIGHT)), "the picker is kept in the workflow"
    kit.click_face(page, LEFT, 2)
    page.evaluate(
        """id => { app.canvas.selectItems ? app.canvas.selectItems([troupe.node(id)]) : app.canvas.selectNode(troupe.node(id));
            app.canvas.copyToClipboard(); app.canvas.pasteFromClipboard(); troupe.capture(); }""",
        LEFT,
    )
    page.wait_for_timeout(500)
    copies = page.evaluate(
        """() => app.graph.nodes.filter(n => n.type === 'TroupeAssignRole').map(n => [String(n.id),
            n.widgets.filter(w => w.name === 'cast_picker').length, n.widgets.find(w => w.name === 'face').value])"""
    )
    assert len(copies) == 3 and all(c[1] == 1 for c in copies)
    copy = next(c for c in copies if c[0] not in (LEFT, RIGHT))
    assert copy[2] == 2
    kit.look(page, copy[0])
    assert page.evaluate("id => troupe.faces(id)", copy[0]) == 2, "the copy's picker is empty"
    saved = page.evaluate("() => app.graph.serialize()")
    page.reload()
    kit.ready(page)
    kit.open_workflow(page, saved)
    assert [kit.face_of(page, n) for n in (LEFT, RIGHT, copy[0])] == [2, 2, 2]
    if not page.evaluate("id => troupe.faces(id)", LEFT):
        kit.find(page)
    assert page.evaluate("id => troupe.chosen(id)", LEFT) == 2


def test_in_a_subgraph(comfy, page, shoot):
    """The roles and Detect Faces moved into a subgraph: found, picked, and sent."""
    page.evaluate(
        """ids => { const made = app.graph.convertToSubgraph(new Set(ids.map(troupe.node)));
            troupe.host = made.node; troupe.capture(); }""",
        [DETECT, LEFT, RIGHT],
    )
    page.wait_for_timeout(500)
    page.evaluate("() => { app.canvas.openSubgraph(troupe.host.subgraph, troupe.host); }")
    page.wait_for_timeout(700)
    page.evaluate(
        """() => { const kinds = { 4: ['TroupeDetectFaces', ''], 7: ['TroupeAssignRole', 'left'], 8: ['TroupeAssignRole', 'right'] };
            troupe.node = id => troupe.host.subgraph.nodes.find(n => n.type === kinds[id][0] && n.title.includes(kinds[id][1]));
        }"""
    )
    kit.look(page)
    page.wait_for_timeout(800)
    kit.find(page)
    assert page.evaluate("ids => ids.map(id => troupe.faces(id))", [DETECT, LEFT, RIGHT]) == [2, 2, 2]
    kit.click_face(page, LEFT, 2)
    shoot("subgraph")
    sent = page.evaluate(SENT)
    roles = {
        n["_meta"]["title"]: n["inputs"]["face"]
        for n in sent.values()
        if n["class_type"] == "TroupeAssignRole"
    }
    assert roles == {"Assign Role (left)": 2, "Assign Role (right)": 2}
    assert "older" not in kit.said(page, LEFT)


def test_sixteen_small_faces_are_all_met(page, comfy, shoot):
    from PIL import Image

    wide, high = 4000, 2500
    Image.new("RGB", (768, 480), (120, 90, 70)).save(comfy.base / "temp" / "crowd.png")
    people = [
        {
            "person": i + 1,
            "box": [150 + 240 * i, 300 + 1500 * (i % 2), 150 + 240 * i + 90, 300 + 1500 * (i % 2) + 110],
            "frame": 0,
            "seen": 1,
            "colour": "#009eff" if i % 2 else "#ffaa00",
        }
        for i in range(16)
    ]
    image = {"filename": "crowd.png", "subfolder": "", "type": "temp"}
    entry = {"image": image, "width": wide, "height": high, "frames": 1, "frame": 0, "people": people}
    kit.show({"troupe_faces": [entry]}, page)
    assert page.evaluate("id => troupe.faces(id)", LEFT) == 16
    for person in (1, 8, 16, 9):
        kit.click_face(page, LEFT, person)
        assert kit.face_of(page, LEFT) == person
    box = kit.picker(page, LEFT).query_selector('[data-person="3"] rect.glow').bounding_box()
    assert box["width"] < 10, "they are not small"
    page.mouse.click(box["x"] + box["width"] / 2 + 9, box["y"] + box["height"] / 2 + 9)
    assert kit.face_of(page, LEFT) == 3, "a press beside a small face misses it"
    page.wait_for_timeout(300)  # the picture is drawn anew
    page.evaluate("id => troupe.picker(id).querySelector('[data-person=\"3\"]').focus()", LEFT)
    page.keyboard.type("12")
    assert kit.face_of(page, LEFT) == 12
    shoot("sixteen")


def test_the_server_has_lost_the_picture(page):
    kit.find(page)
    found = page.evaluate("() => app.nodeOutputs['4'].troupe_faces[0]")
    found["image"]["filename"] = "swept_away.png"
    kit.show({"troupe_faces": [found]}, page)
    page.evaluate("f => { app.nodeOutputs['4'] = { troupe_faces: [f] }; }", found)
    kit.show({"troupe_faces": [found]}, page)
    kit.wait_said(page, LEFT, "no longer there")
    kit.find(page)
    assert page.evaluate("id => troupe.faces(id)", LEFT) == 2


def test_wired_and_unwired(page):
    """A face that another node computes cannot be picked; a role that leads nowhere says so."""
    kit.find(page)
    page.evaluate(
        """() => { const n = LiteGraph.createNode('TroupeDetectFaces'); n.title = 'Crowd'; app.graph.add(n);
            const role = troupe.node('7'); const slot = role.inputs.findIndex(i => i.name === 'face');
            n.connect(1, role, slot); troupe.capture(); }"""
    )
    kit.wait_said(page, LEFT, "The face is set by ‘Crowd’")
    kit.click_face(page, LEFT, 2)
    assert kit.face_of(page, LEFT) == 1
    page.evaluate("() => { troupe.node('8').disconnectOutput(0); troupe.capture(); }")
    kit.wait_said(page, RIGHT, "No Detect Faces belongs to this role yet")


def test_arithmetic_of_the_browser(page):
    """Which face a press means, what typed digits mean, when two graphs make the same."""
    told = page.evaluate(
        """async lib => { const p = await import(lib + '/face_picture.js'), g = await import(lib + '/graph.js');
        const boxes = [{ person: 1, x: 0, y: 0, width: 200, height: 200 }, { person: 2, x: 90, y: 90, width: 10, height: 10 }];
        const at = (x, y) => p.faceAt(boxes, x, y)?.person ?? null;
        const one = { 1: { class_type: 'A', inputs: { s: 1, b: true } }, 2: { class_type: 'B', inputs: { x: ['1', 0], y: ['1', 1] } } };
        const renamed = { 'q:5': { class_type: 'A', inputs: { b: true, s: 1 } }, 9: { class_type: 'B', inputs: { y: ['q:5', 1], x: ['q:5', 0] } } };
        const other = structuredClone(renamed); other['q:5'].inputs.s = 2;
        const crossed = structuredClone(renamed); crossed[9].inputs.y = ['q:5', 0];
        const loop = { 2: { class_type: 'B', inputs: { x: ['2', 0] } } };
        return {
            at: [at(20, 20), at(95, 95), at(84, 84), at(400, 0)],
            typed: [p.typed(0, 7, 16), p.typed(1, 2, 16), p.typed(1, 2, 3), p.typed(0, 0, 9)],
            same: [renamed, other, crossed, loop, {}].map(o => g.makesTheSame(one, '2', o, '9')),
            part: Object.keys(g.partLeadingTo({ ...one, 3: { class_type: 'C', inputs: { z: ['2', 0], size: [3, 4] } } }, ['2'])),
        }; }""",
        LIB,
    )
    assert told == {
        "at": [1, 2, 2, None],
        "typed": [7, 12, 2, 0],
        "same": [True, False, False, False, False],
        "part": ["1", "2"],
    }
