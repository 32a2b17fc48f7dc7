"""Each example workflow as a newcomer meets it: opened in the real editor, run with one click, and looked at.

In both renderers where the editor has them. One page serves all tests of a server. Screenshots go to
``TROUPE_SCREENSHOTS``, if set, else to pytest's temporary folder.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import av
import pytest

pytestmark = [pytest.mark.host, pytest.mark.browser]

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "example_workflows"
MODELS = sorted(p.stem for p in FOLDER.glob("*.json") if p.stem.split("_")[0] in ("wan", "hallo", "champ"))
NEEDS_A_DOWNLOAD = ["two_people_faces_by_core"]
NAMES = sorted({p.stem for p in FOLDER.glob("*.json")} - {*MODELS, *NEEDS_A_DOWNLOAD})
WAIT = 60_000  # milliseconds, for a page on a busy machine
SEND = "async () => (await app.graphToPrompt()).output"
# A player for each node that makes a moving preview, a video in each Save Video.
SHOWN = """() => {
  const ready = (all) => [...all].filter((video) => video.readyState >= 2);
  const has = (type) => app.graph.nodes.filter((node) => node.type === type && node.mode === 0).length;
  const players = ready(document.querySelectorAll('.troupe-player video')).length;
  const videos = ready(document.querySelectorAll('video')).filter((video) => /troupe_\\w+_\\d{5}_/.test(video.src)).length;
  return players >= has('TroupeWarpRender') + has('TroupePlotMotion') && videos >= has('SaveVideo');
}"""
# What is drawn is what was laid out: no box has changed for half a second.
SETTLED = """() => {
  const boxes = JSON.stringify(app.graph.nodes.map((node) => [...node.pos, ...node.size].map(Math.round)));
  const drawn = document.querySelectorAll('[data-node-id]').length;
  const now = `${boxes} ${drawn} ${app.canvas.ds.scale}`;
  if (window.troupeSeen?.now !== now) window.troupeSeen = { now, since: performance.now() };
  return performance.now() - window.troupeSeen.since > 500;
}"""


def read(name: str) -> tuple[dict, dict]:
    """A workflow as the editor opens it and as the API runs it."""
    return json.loads((FOLDER / f"{name}.json").read_text()), json.loads(
        (FOLDER / "api" / f"{name}.json").read_text()
    )


@pytest.fixture(scope="module")
def editor(browser, comfy, browsing):
    """The editor of a server; the settings, which the server keeps, are put back."""
    page = browser.new_page(viewport={"width": 2200, "height": 1100})
    page.goto(comfy.url)
    page.wait_for_function(browsing.READY, timeout=WAIT)
    yield page
    browsing.use_renderer(page, False)
    page.close()


def opened(page, browsing, ui: dict, vue: bool) -> None:
    """The workflow in the editor, in one of its renderers."""
    browsing.use_renderer(page, vue)
    page.evaluate("ui => app.loadGraphData(ui)", ui)
    page.wait_for_function("count => app.graph.nodes.length === count", arg=len(ui["nodes"]), timeout=WAIT)
    page.keyboard.press("Escape")  # newer editors offer missing models first
    assert page.evaluate(browsing.UNKNOWN) in ([], ["MarkdownNote"])
    if vue:
        page.wait_for_function(
            "count => document.querySelectorAll('[data-node-id]').length >= count",
            arg=len(ui["nodes"]),
            timeout=WAIT,
        )


def assert_sends(page, api: dict) -> dict:
    """What the editor sends is what the API twin says (newer ComfyUI adds inputs of its own); gives it."""
    sent = page.evaluate(SEND)
    assert {i: n["class_type"] for i, n in sent.items() if i in api} == {
        i: n["class_type"] for i, n in api.items()
    }
    for i, each in api.items():
        said = {k: sent[i]["inputs"].get(k) for k in each["inputs"]}
        assert said == each["inputs"], f"the editor sends another {each['class_type']} than the API twin"
    return sent


def assert_carries_its_workflow(comfy, done: dict, ui: dict) -> None:
    """The saved video opens as a workflow again."""
    saved = [f for out in done["outputs"].values() for f in out.get("images", []) if f["type"] == "output"]
    (video,) = [f for f in saved if f["filename"].endswith(".mp4")]
    with av.open(str(comfy.path_of(video))) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        kept = json.loads(container.metadata["workflow"])
    assert {n["type"] for n in kept["nodes"]} == {n["type"] for n in ui["nodes"]}


def look(page, browsing, path: Path) -> None:
    """A screenshot of the whole workflow, in which no node covers another."""
    page.evaluate(browsing.FIT)
    page.wait_for_function(SETTLED, timeout=WAIT)
    page.screenshot(path=str(path))
    assert page.evaluate(browsing.OVERLAPS) == []


def saved_and_loaded(page, sent: dict) -> None:
    """The workflow as the editor saves it, opened again, sends the same."""
    saved = page.evaluate("() => app.graph.serialize()")
    page.evaluate("saved => app.loadGraphData(saved)", json.loads(json.dumps(saved)))
    page.wait_for_function("count => app.graph.nodes.length === count", arg=len(saved["nodes"]), timeout=WAIT)
    again = page.evaluate(SEND)
    assert {i: (n["class_type"], n["inputs"]) for i, n in again.items()} == {
        i: (n["class_type"], n["inputs"]) for i, n in sent.items()
    }


@pytest.mark.parametrize(
    "renderer", ["classic", "nodes2"]
)  # one after the other: the second finds it in the cache
@pytest.mark.parametrize("name", NAMES)
def test_workflow_opens_runs_and_shows_what_it_made(comfy, editor, browsing, screenshots, name, renderer):
    if renderer == "nodes2" and comfy.host.name.endswith("0.8"):
        pytest.skip("once is enough: newer servers are tested in this renderer")
    ui, api = read(name)
    opened(editor, browsing, ui, renderer == "nodes2")
    sent = assert_sends(editor, api)
    done = browsing.run_with_one_click(editor, comfy)
    assert done["status"]["status_str"] == "success", done["status"]["messages"][-1]
    assert_carries_its_workflow(comfy, done, ui)
    editor.evaluate(browsing.FIT)  # what is off the screen does not play
    editor.wait_for_function(SHOWN, timeout=WAIT)
    look(editor, browsing, screenshots / f"{comfy.host.name}_{renderer}_{name}.png")
    saved_and_loaded(editor, sent)


@pytest.mark.parametrize("name", [*MODELS, *NEEDS_A_DOWNLOAD])
def test_workflow_with_models_opens_and_says_what_its_api_twin_says(
    comfy, editor, browsing, screenshots, name
):
    """Nobody has the models in a test: the workflow is opened and looked at; other tests run it with small ones."""
    ui, api = read(name)
    if name in NEEDS_A_DOWNLOAD and "MediaPipeFaceLandmarker" not in comfy.json("/object_info"):
        pytest.skip("this ComfyUI has no face detector of its own (it came with 0.23)")
    opened(editor, browsing, ui, False)
    sent = assert_sends(editor, api)
    look(editor, browsing, screenshots / f"{comfy.host.name}_{name}.png")
    saved_and_loaded(editor, sent)


def test_a_mistake_is_shown_in_words(comfy, page, browsing, screenshots):
    """A cast that names a face that is not there: the editor shows our sentence, no stack trace in its place."""
    ui, _ = read("two_people_two_drives")
    next(n for n in ui["nodes"] if n["type"] == "TroupeAssignRole")["widgets_values"][0] = 7
    page.evaluate("ui => app.loadGraphData(ui)", ui)
    done = browsing.run_with_one_click(page, comfy)
    assert done["status"]["status_str"] == "error"
    # Newer editors show it behind a button, older ones at once.
    details = page.get_by_text(re.compile("view details|see errors|does not exist: 2 faces", re.IGNORECASE))
    details.first.click(timeout=20_000)
    told = "() => document.body.innerText.includes('Face 7 does not exist: 2 faces were found')"
    page.wait_for_function(told, timeout=WAIT)
    page.screenshot(path=str(screenshots / f"{comfy.host.name}_mistake.png"))
