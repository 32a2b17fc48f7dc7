"""The cast picker inside subgraphs, in the real editor, in both renderers."""

from __future__ import annotations

import pytest

from . import picker_page as kit

pytestmark = [pytest.mark.host, pytest.mark.browser]

DETECT, LEFT, RIGHT, BOTH = kit.DETECT, kit.LEFT, kit.RIGHT, kit.BOTH
session, editor = kit.session, kit.editor


def enter(editor, host: str) -> None:
    """Into a subgraph through one of its nodes, and bring what is in it into view."""
    editor.call(
        """host => { app.canvas.setGraph(app.rootGraph ?? app.graph); const node = troupe[host];
            app.canvas.openSubgraph(node.subgraph, node); const inside = node.subgraph.nodes;
            const kinds = { 4: ['TroupeDetectFaces', ''], 7: ['TroupeAssignRole', 'left'], 8: ['TroupeAssignRole', 'right'] };
            troupe.node = id => inside.find(n => n.type === kinds[id][0] && n.title.includes(kinds[id][1])); }""",
        host,
    )
    editor.until("host => app.canvas.graph === troupe[host].subgraph", host)
    editor.look()
    editor.until("ids => ids.every(id => troupe.picker(id).isConnected)", [DETECT, *BOTH])
    editor.rest()


def test_in_a_subgraph(editor):
    """The roles and Detect Faces moved into a subgraph, with the face of one role promoted to its outside."""
    editor.change(
        """ids => { const made = app.graph.convertToSubgraph(new Set(ids.map(troupe.node))); troupe.host = made.node;
            const role = made.subgraph.nodes.find(n => n.title.includes('right'));
            const input = made.subgraph.addInput('who', 'INT');
            input.connect(role.inputs.find(i => i.widget?.name === 'face'), role); }""",
        [DETECT, *BOTH],
    )
    editor.until("() => troupe.host.widgets.some(w => w.name === 'who')")
    enter(editor, "host")
    editor.find()
    assert editor.faces() == [2, 2, 2]
    editor.pick(LEFT, 2)
    editor.pick(RIGHT, 1)
    editor.shoot("subgraph")
    assert editor.call("() => troupe.host.widgets.find(w => w.name === 'who').value") == 1
    roles = [n for n in editor.sent().values() if n["class_type"] == "TroupeAssignRole"]
    assert {n["_meta"]["title"]: n["inputs"]["face"] for n in roles} == {
        "Assign Role (left)": 2,
        "Assign Role (right)": 1,
    }
    assert "older" not in editor.said(LEFT)


# Two uses of one subgraph, the second on another picture, with all else as the first has it.
TWICE = """ids => { const graph = app.graph, made = graph.convertToSubgraph(new Set(ids.map(troupe.node)));
    const create = (type, x) => { const n = LiteGraph.createNode(type); graph.add(n); n.pos = [x, -5000]; return n; };
    const first = troupe.first = made.node, second = troupe.second = create(made.subgraph.id, 1000);
    const media = troupe.node('2'), other = troupe.other = create('TroupeExampleMedia', 0);
    other.widgets.find(w => w.name === 'picture').value = 'portrait.png';
    const render = graph.nodes.find(n => n.type === 'TroupeWarpRender'), again = create('TroupeWarpRender', 2000);
    const link = id => graph.links.get(id);
    first.inputs.forEach((input, i) => { if (input.link === null) return; const { origin_id, origin_slot } = link(input.link);
        const from = graph.getNodeById(origin_id); (from === media ? other : from).connect(origin_slot, second, i); });
    first.outputs.forEach((output, i) => (output.links ?? []).forEach(id => second.connect(i, again, link(id).target_slot)));
    other.connect(0, again, 0); }"""


def test_used_twice(comfy, editor, browsing):
    """Each use of a subgraph shows the faces of its own picture, and before it has looked those of the other."""
    editor.change(TWICE, [DETECT, *BOTH])
    enter(editor, "first")
    editor.find()
    assert editor.faces() == [2, 2, 2] and editor.said(RIGHT) == ""
    enter(editor, "second")
    assert editor.faces() == [2, 2, 2], "what there is is better than nothing"
    editor.says(DETECT, "older picture")
    editor.find()
    assert editor.faces() == [1, 1, 1]
    editor.says(RIGHT, "Face 2 is not there")
    editor.shoot("second_use")
    enter(editor, "first")
    assert editor.faces() == [2, 2, 2], "the faces of the other use"
    assert editor.said(RIGHT) == ""
    # A whole run looks in both; what the other use has found since is its own.
    editor.change("() => { troupe.other.widgets.find(w => w.name === 'picture').value = 'two_people.png'; }")
    done = browsing.run_with_one_click(editor.page, comfy)
    assert done["status"]["status_str"] == "success", done["status"]
    enter(editor, "second")
    assert editor.faces() == [2, 2, 2] and "older" not in editor.said(DETECT)
    # Changed again, from within.
    editor.change("() => { troupe.other.widgets.find(w => w.name === 'picture').value = 'portrait.png'; }")
    editor.says(DETECT, "older picture")
    editor.find()
    assert editor.faces() == [1, 1, 1]
    enter(editor, "first")
    assert editor.faces() == [2, 2, 2] and "older" not in editor.said(DETECT)
