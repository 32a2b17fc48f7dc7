"""The real editor in Korean and Chinese: an example workflow's nodes, their inputs and their tooltips are translated."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytestmark = [pytest.mark.host, pytest.mark.browser]

ROOT = Path(__file__).resolve().parents[2]
WORKFLOW = "two_people_two_drives"
LANGUAGES = ("ko", "zh")
SHOWN = """() => app.graph.nodes.filter(n => n.type.startsWith('Troupe')).map(n => ({
    id: n.id, type: n.type, title: n.title,
    inputs: Object.fromEntries((n.inputs ?? []).map(i => [i.name, i.label ?? i.localized_name ?? i.name])),
    outputs: (n.outputs ?? []).map(o => o.label ?? o.localized_name ?? o.name),
    widgets: Object.fromEntries((n.widgets ?? []).map(w => [w.name, w.label ?? w.name]))}))"""
SET = "async l => await app.extensionManager.setting.set('Comfy.Locale', l)"
GET = "() => app.extensionManager.setting.get('Comfy.Locale')"
SAY = "async e => (await import('/extensions/ComfyUI-Troupe/lib/words.js')).say(e)"
WIDGETS = ("Find faces", "Duplicate", "Run to see the picture act.")
# Where the mouse has to be to stand on the title, an input or a widget of a node in the classic renderer.
PLACE = """([type, what, name]) => {
    const n = app.graph.nodes.find(n => n.type === type), c = app.canvas;
    c.ds.scale = 1;
    c.ds.offset[0] = 300 - n.pos[0]; c.ds.offset[1] = 300 - n.pos[1];
    c.setDirty(true, true);
    const w = (n.widgets ?? []).find(w => w.name === name), r = c.canvas.getBoundingClientRect();
    const [x, y] = what === 'title' ? [60, -12] : what === 'widget' ? [n.size[0] / 2, w.last_y + 8]
        : (p => [p[0] - n.pos[0], p[1] - n.pos[1]])(n.getInputPos(n.findInputSlot(name)));
    return [r.left + 300 + x, r.top + 300 + y] }"""


@pytest.fixture
def in_language(page, comfy, browsing):
    """Puts the editor into a language, as a user does who then loads the page again; back to the former afterwards."""
    before = page.evaluate(GET)

    def put(language: str) -> None:
        page.evaluate(SET, language)
        page.reload()
        page.wait_for_function(browsing.READY, timeout=90_000)
        page.wait_for_function(f"l => ({GET})() === l", arg=language)
        ui = workflow()
        page.evaluate("ui => app.loadGraphData(ui)", ui)
        page.wait_for_function("n => app.graph.nodes.length === n", arg=len(ui["nodes"]))

    yield put
    browsing.use_renderer(page, False)
    page.evaluate(SET, before)
    assert page.evaluate(GET) == before


def locale(language: str) -> dict:
    return json.loads((ROOT / "locales" / language / "nodeDefs.json").read_text(encoding="utf-8"))


def test_the_server_sends_all_languages(comfy):
    sent = comfy.json("/i18n")
    for language in ("en", *LANGUAGES):
        assert sent[language]["nodeDefs"].items() >= locale(language).items()
        assert "Troupe" in sent[language]["nodeCategories"]


def workflow() -> dict:
    return json.loads((ROOT / "example_workflows" / f"{WORKFLOW}.json").read_text())


def assert_names_are_translated(page, wanted: dict) -> None:
    """Inputs, widgets and outputs by their names in the language; titles, unless the workflow has its own."""
    given = {str(n["id"]): n["title"] for n in workflow()["nodes"] if n.get("title")}
    nodes = page.evaluate(SHOWN)
    assert {n["type"] for n in nodes} >= {"TroupeDetectFaces", "TroupeAssignRole", "TroupeWarpRender"}
    for node in nodes:
        texts = wanted[node["type"]]
        names = {name: each["name"] for name, each in texts["inputs"].items()}
        assert node["inputs"] == {name: names[name] for name in node["inputs"]}
        widgets = {name: said for name, said in node["widgets"].items() if name in names}
        assert widgets == {name: names[name] for name in widgets} and len(widgets) >= 1
        assert node["outputs"] == [each["name"] for each in texts["outputs"].values()]
        assert node["title"] == given.get(str(node["id"]), texts["display_name"])


def assert_tooltip(page, what: str, name: str | None, wanted: str) -> None:
    """The mouse rests on a part of Assign Role: the editor says the text."""
    x, y = page.evaluate(PLACE, ["TroupeAssignRole", what, name])
    page.mouse.move(x - 2, y - 1)
    page.mouse.move(x, y, steps=3)
    page.wait_for_function("t => document.querySelector('.node-tooltip')?.innerText === t", arg=wanted)


def assert_widgets_speak(page) -> None:
    """The picker's button, the timeline's and the hint of the player say what the table has, and that is not English."""
    for english in WIDGETS:
        said = page.evaluate(SAY, english)
        assert said != english
        page.get_by_text(said, exact=True).first.wait_for()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_workflow_is_in_the_editors_language(comfy, page, browsing, in_language, screenshots, language):
    """In the classic renderer, with its tooltips, and in Nodes 2.0, which draws the names as HTML."""
    in_language(language)
    wanted = locale(language)
    picture = f"{comfy.host.name}_{{}}_{language}.png"
    assert_names_are_translated(page, wanted)
    page.keyboard.press("Escape")
    page.evaluate(browsing.FIT)
    assert_widgets_speak(page)
    page.screenshot(path=str(screenshots / picture.format(WORKFLOW)))

    role = wanted["TroupeAssignRole"]
    assert_tooltip(page, "title", None, role["description"])
    assert_tooltip(page, "input", "drive", role["inputs"]["drive"]["tooltip"])
    assert_tooltip(page, "widget", "strength", role["inputs"]["strength"]["tooltip"])
    page.screenshot(path=str(screenshots / picture.format("tooltip")))

    browsing.use_renderer(page, True)
    if page.evaluate("() => Boolean(LiteGraph.vueNodesMode)"):  # editors before Nodes 2.0 have no such thing
        number = page.evaluate("() => app.graph.nodes.find(n => n.type === 'TroupeAssignRole').id")
        node = page.locator(f"[data-node-id='{number}']").first
        for name in ("drive", "strength", "region"):
            node.get_by_text(role["inputs"][name]["name"], exact=True).first.wait_for()
        page.screenshot(path=str(screenshots / picture.format("nodes2")))
