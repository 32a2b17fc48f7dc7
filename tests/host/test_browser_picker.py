"""The cast picker in the real editor, in both renderers: faces found, picked by mouse and keyboard, kept by the workflow.

One page serves all tests of a renderer; each opens a workflow of its own.
Screenshots go to ``TROUPE_SCREENSHOTS``, if set, else to pytest's temporary folder.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from troupe.engine.faces.draw import COLOURS

from . import picker_page as kit

pytestmark = [pytest.mark.host, pytest.mark.browser]

ROOT = Path(__file__).resolve().parents[2]

DETECT, LEFT, RIGHT, BOTH = kit.DETECT, kit.LEFT, kit.RIGHT, kit.BOTH
session, editor = kit.session, kit.editor


def test_find_pick_and_queue(comfy, editor):
    """Only what leads to Detect Faces is run to find the faces; a click is a plain widget value and what is queued."""
    editor.shoot("before")
    before = set(comfy.json("/history"))
    editor.find()
    (job,) = [h for i, h in comfy.json("/history").items() if i not in before]
    assert set(job["prompt"][2]) == {"2", DETECT}
    assert editor.faces() == [2, 2, 2]
    assert [editor.call("id => troupe.chosen(id)", n) for n in BOTH] == [1, 2]
    editor.shoot("found")
    editor.pick(LEFT, 2)
    assert editor.face(LEFT) == 2
    assert "Face 2 also has ‘The part of the right one’" in editor.said(LEFT)

    # Detect Faces lists the roles, and recasts the one that is selected.
    rows = editor.picker(DETECT).query_selector_all(".roles button")
    assert [r.get_attribute("aria-label") for r in rows] == [
        "Face 2, The part of the left one, full, × 1",
        "Face 2, The part of the right one, full, × 1",
    ]
    assert "Select a role" in editor.said(DETECT)
    editor.press(rows[1])
    assert "Click the face of ‘The part of the right one’" in editor.said(DETECT)
    editor.pick(DETECT, 1)
    assert (editor.face(LEFT), editor.face(RIGHT)) == (2, 1)
    editor.set(RIGHT, "strength", 0.35)
    assert "0.35" in editor.picker(DETECT).query_selector(".roles").text_content()
    editor.shoot_light("picked_light")

    sent = editor.sent()
    assert (sent[LEFT]["inputs"]["face"], sent[RIGHT]["inputs"]["face"]) == (2, 1)
    api = json.loads((ROOT / "example_workflows" / "api" / kit.WORKFLOW.name).read_text())
    for node in (DETECT, LEFT, RIGHT):
        assert set(sent[node]["inputs"]) == set(api[node]["inputs"]), "the picker sends something of its own"
    assert editor.call("() => document.querySelectorAll('.troupe-picker').length") == 3
    twice = """id => troupe.node(id).widgets.some(w => w.name.startsWith('$$canvas-image')) ||
        [...document.querySelectorAll(`[data-node-id="${id}"] .image-preview`)].some(p => p.checkVisibility())"""
    assert not editor.call(twice, DETECT), "the picture is shown twice"


def test_keyboard_alone(editor):
    """From the button to changed roles without a mouse."""
    editor.picker(LEFT).query_selector("button:text('Find faces')").focus()
    editor.page.keyboard.press("Enter")
    editor.until("id => troupe.faces(id) === 2", LEFT)
    editor.rest()
    editor.picker(LEFT).query_selector('[data-person="1"]').focus()
    assert editor.key("Tab").startswith("Face 2 of 2")
    ring = "() => getComputedStyle(document.activeElement.querySelector('.ring')).display"
    assert editor.call(ring) == "block", "who is focused is not seen"
    editor.shoot("focus_ring")
    editor.shoot_light("focus_ring_light")
    assert editor.key("Enter").startswith("Face 2 of 2"), "the focus is lost when a face is picked"
    assert editor.face(LEFT) == 2
    editor.key("ArrowLeft", "Space")
    assert editor.face(LEFT) == 1
    editor.key("2")
    assert editor.face(LEFT) == 2
    editor.key("9")
    assert editor.face(LEFT) == 2
    editor.picker(DETECT).query_selector(".roles button").focus()
    assert editor.key("ArrowDown").startswith("Face 2, The part of the right one")
    outline = "() => getComputedStyle(document.activeElement).outlineStyle"
    assert editor.call(outline) == "solid", "which role is focused is not seen"
    assert editor.key("1").startswith("Face 1, The part of the right one")
    assert editor.face(RIGHT) == 1
    assert editor.key("Enter").startswith("Face 1 of 2"), "choosing a role leads on to its face"
    editor.key("End", "Enter")
    assert editor.face(RIGHT) == 2
    assert editor.call("() => app.graph.nodes.length") == 10, "a key has reached the editor"
    spoken = editor.picker(DETECT).query_selector_all("[role=radiogroup]")
    assert [g.get_attribute("aria-label") for g in spoken] == ["Faces of the picture", "Roles"]


def test_the_picture_changes(editor):
    """Boxes of an older picture, a face that is gone, a clip, a picture that the server has swept away."""
    editor.find()
    assert "older" not in editor.said(LEFT)
    editor.set("2", "picture", "portrait.png")
    editor.says(LEFT, "older picture")
    editor.says(DETECT, "older picture")
    editor.shoot("older")
    editor.find()
    editor.says(RIGHT, "Face 2 is not there: one face was found")
    editor.says(DETECT, "Face 2 is not there")
    editor.shoot("face_gone")
    editor.pick(RIGHT, 1)
    assert editor.face(RIGHT) == 1
    assert "also has" in editor.said(RIGHT)
    editor.set("4", "max_faces", 1)
    editor.says(LEFT, "older picture")
    editor.change(
        "() => { const d = troupe.node('4'); d.disconnectInput(0); troupe.node('2').connect(1, d, 1); }"
    )
    editor.find()
    assert editor.said(DETECT).startswith("Frame 1 of ")
    found = editor.call("() => app.nodeOutputs['4'].troupe_faces[0]")
    found["image"]["filename"] = "swept_away.png"
    editor.show(found)
    editor.says(LEFT, "no longer there")
    editor.find()
    assert editor.faces(LEFT) == [1]


def test_nothing_to_find(comfy, editor):
    """No face, no picture, a file that is lost, a node that does not run: said in the node, and all can be mended."""
    editor.change(
        """() => { const n = LiteGraph.createNode('TroupeTestImage'); app.graph.add(n);
            n.widgets[0].value = 'grey'; n.connect(0, troupe.node('4'), 0); }"""
    )
    editor.press_find(LEFT)
    editor.says(LEFT, "No face found in image")
    editor.says(DETECT, "No face found in image")
    editor.dismiss()
    editor.shoot("no_face")
    editor.change("() => troupe.node('4').disconnectInput(0)")
    assert editor.said(DETECT).startswith("Nothing to look at: connect a picture")
    assert editor.said(LEFT).startswith("Detect Faces has nothing to look at")
    editor.change(
        """() => { const n = LiteGraph.createNode('LoadImage'); app.graph.add(n); n.widgets[0].value = 'lost.png';
            n.connect(0, troupe.node('4'), 0); }"""
    )
    editor.press_find(DETECT)
    editor.says(DETECT, "lost.png")
    editor.change("() => troupe.node('2').connect(0, troupe.node('4'), 0)")
    for mode, word in ((4, "bypassed"), (2, "muted")):
        editor.change("mode => { troupe.node('4').mode = mode; }", mode)
        assert editor.said(DETECT) == f"This node is {word}."
    editor.change("() => { troupe.node('4').mode = 0; troupe.node('7').mode = 4; }")
    assert "nobody plays it" in editor.said(LEFT)
    assert len(editor.picker(DETECT).query_selector_all(".roles button")) == 1
    editor.change("() => { troupe.node('7').mode = 0; }")
    editor.find()
    assert editor.faces() == [2, 2, 2], "it does not recover"

    # One that lies about unwired is marked, and the job runs.
    before = set(comfy.json("/history"))
    editor.change(
        """() => { const n = LiteGraph.createNode('TroupeDetectFaces'); app.graph.add(n); n.pos = [9000, 0];
            for (const each of app.graph.nodes) if (each.type === 'TroupeWarpRender') each.mode = 2; }"""
    )
    editor.call("() => app.queuePrompt(0, 1)")
    editor.until("() => app.ui.lastQueueSize === 0")
    (job,) = [h for i, h in comfy.json("/history").items() if i not in before]
    assert job["status"]["status_str"] == "success", job["status"]


def test_undo_copies_saved_workflows_and_a_new_page(editor, browsing):
    editor.find()
    saved = editor.saved()
    kept = {str(n["id"]): n.get("widgets_values") for n in json.loads(kit.WORKFLOW.read_text())["nodes"]}
    now = {str(n["id"]): n.get("widgets_values") for n in saved["nodes"]}
    assert all(now[n] == kept[n] for n in (DETECT, LEFT, RIGHT)), "the picker is kept in the workflow"
    editor.call("() => troupe.capture()")  # the nodes have grown with their pictures
    editor.pick(LEFT, 2)
    editor.step("undo")
    assert editor.face(LEFT) == 1, "a pick is not one step of undo"
    assert editor.faces() == [2, 2, 2]
    assert editor.call("id => troupe.chosen(id)", LEFT) == 1
    editor.step("redo")
    assert editor.face(LEFT) == 2
    editor.pick(RIGHT, 1)
    assert editor.face(RIGHT) == 1, "after undo the picker on screen belongs to a node that is gone"

    editor.change(
        """id => { app.canvas.selectItems ? app.canvas.selectItems([troupe.node(id)]) : app.canvas.selectNode(troupe.node(id));
            app.canvas.copyToClipboard(); app.canvas.pasteFromClipboard(); }""",
        LEFT,
    )
    editor.until("() => app.graph.nodes.filter(n => n.type === 'TroupeAssignRole').length === 3")
    copies = editor.call(
        """() => app.graph.nodes.filter(n => n.type === 'TroupeAssignRole').map(n => [String(n.id),
            n.widgets.filter(w => w.name === 'cast_picker').length, n.widgets.find(w => w.name === 'face').value])"""
    )
    assert all(c[1] == 1 for c in copies)
    copy = next(c for c in copies if c[0] not in BOTH)
    assert copy[2] == 2
    editor.look(copy[0])
    editor.until("id => troupe.faces(id) === 2", copy[0])

    saved = editor.saved()
    editor.page.reload()
    editor.until(browsing.READY)
    editor.until(kit.OPENED)
    editor.call(kit.HELPERS)
    editor.until("() => document.querySelectorAll('.troupe-picker').length >= 3")
    editor.rest()
    editor.open(saved)
    assert [editor.face(n) for n in (LEFT, RIGHT, copy[0])] == [2, 1, 2]
    editor.find()
    assert editor.call("id => troupe.chosen(id)", LEFT) == 2


def test_wired_otherwise(editor):
    """Through reroutes, past bypassed roles; a face that another node computes, a role that leads nowhere."""
    editor.find()
    editor.change(
        """() => { const graph = app.graph, d = troupe.node('4');
            const r = LiteGraph.createNode('Reroute'); graph.add(r); r.pos = [9000, 0];
            troupe.node('2').connect(0, r, 0); r.connect(0, d, 0);
            const c = LiteGraph.createNode('Reroute'); graph.add(c); c.pos = [9000, 200];
            troupe.node('7').connect(0, c, 0);
            c.connect(0, troupe.node('8'), troupe.node('8').inputs.findIndex(i => i.name === 'cast'));
            const off = LiteGraph.createNode('TroupeAssignRole'); off.title = 'Off'; graph.add(off); off.pos = [9400, 0]; off.mode = 4;
            const end = graph.links.get ? graph.links.get(troupe.node('8').outputs[0].links[0]) : null;
            troupe.node('8').connect(0, off, off.inputs.findIndex(i => i.name === 'cast'));
            off.connect(0, graph.getNodeById(end.target_id), end.target_slot); }"""
    )
    assert editor.faces() == [2, 2, 2]
    assert "older" not in editor.said(DETECT)
    assert len(editor.picker(DETECT).query_selector_all(".roles button")) == 2
    editor.pick(LEFT, 2)
    assert editor.sent()[LEFT]["inputs"]["face"] == 2
    editor.change(
        """() => { const n = LiteGraph.createNode('TroupeDetectFaces'); n.title = 'Crowd'; app.graph.add(n); n.pos = [9000, 900];
            const role = troupe.node('7'); const slot = role.inputs.findIndex(i => i.name === 'face');
            n.connect(1, role, slot); }"""
    )
    editor.says(LEFT, "The face is set by ‘Crowd’")
    editor.pick(LEFT, 1)
    assert editor.face(LEFT) == 2
    editor.change("() => troupe.node('8').disconnectOutput(0)")
    editor.says(RIGHT, "No Detect Faces belongs to this role yet")


def test_crowds_are_all_met(comfy, editor):
    from PIL import Image

    colours = ["#{:02x}{:02x}{:02x}".format(*c) for c in COLOURS]
    face = Image.open(ROOT / "assets" / "portrait.png").convert("RGB").crop((118, 60, 394, 391))

    def show(*crowd):
        entry = kit.crowd(*crowd, colours=colours)
        picture = Image.new("RGB", (768, 480), (120, 90, 70))
        for each in entry["people"]:
            x0, y0, x1, y1 = (round(v * 768 / entry["width"]) for v in each["box"])
            picture.paste(face.resize((max(1, x1 - x0), max(1, y1 - y0))), (x0, y0))
        name = entry["image"]["filename"] = f"crowd_{len(entry['people'])}.png"
        picture.save(comfy.base / "temp" / name)
        editor.show(entry)

    show(1, 1, 4000, 2500, 900)
    assert editor.faces(LEFT) == [1]
    editor.shoot("one")
    show(5, 5, 4000, 2500, 500)
    editor.pick(LEFT, 5)
    editor.shoot("five")
    show(16, 16, 4000, 2500, 110)  # a row of tiny ones
    for person in (1, 8, 16, 9):
        editor.pick(LEFT, person)
        assert editor.face(LEFT) == person
    box = editor.picker(LEFT).query_selector('[data-person="3"] rect.glow').bounding_box()
    assert box["width"] < 12, "they are not small"
    editor.page.mouse.click(box["x"] + box["width"] / 2 + 2, box["y"] + box["height"] / 2 + 11)
    assert editor.face(LEFT) == 3, "a press beside a small face misses it"
    editor.rest()
    editor.shoot("row")
    show(16)
    for person in (10, 2):  # one above the other, nearer than a finger is wide
        editor.press(editor.picker(LEFT).query_selector(f'.marks[data-person="{person}"] .plate'))
        assert editor.face(LEFT) == person, "a press on a number means another face"
    editor.call("id => troupe.picker(id).querySelector('[data-person=\"3\"]').focus()", LEFT)
    editor.call(
        """() => { for (const key of '12')  // at once: on a busy machine a driver's keys may be a second apart
            document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true })); }"""
    )
    editor.rest()
    assert editor.face(LEFT) == 12
    editor.shoot("sixteen")
    editor.shoot_light("sixteen_light")


def test_a_workflow_of_an_older_version(editor):
    """Other widgets in another order: what cannot be a face is said to be none, and picked anew."""
    ui = json.loads(kit.WORKFLOW.read_text())
    for node in ui["nodes"]:
        if str(node["id"]) in BOTH:
            node["widgets_values"] = {LEFT: ["full", 1], RIGHT: [2, "full", "auto", 0.5, "x", "y"]}[
                str(node["id"])
            ]
        if str(node["id"]) == DETECT:
            node["widgets_values"] = [25]
    editor.open(ui)
    editor.find()
    assert editor.faces() == [2, 2, 2]
    editor.says(LEFT, "is not the number of a face")
    assert "NaN" not in editor.picker(DETECT).text_content()
    editor.shoot("older_version")
    editor.pick(LEFT, 1)
    assert editor.sent()[LEFT]["inputs"]["face"] == 1
    assert "not the number" not in editor.said(LEFT)
