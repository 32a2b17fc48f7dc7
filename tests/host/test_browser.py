"""Each example workflow as a newcomer meets it: opened in the real editor, run with one click, and looked at.

Screenshots go to ``TROUPE_SCREENSHOTS``, if set, else to pytest's temporary folder.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

pytestmark = [pytest.mark.host, pytest.mark.browser]

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("one_person_from_a_clip", "two_people_two_drives", "two_people_talk_in_turn")
WAN = sorted(p.stem for p in (ROOT / "example_workflows").glob("wan_*.json"))


@pytest.mark.parametrize("name", NAMES)
def test_workflow_opens_runs_and_shows_its_video(comfy, page, browsing, screenshots, name):
    ui = json.loads((ROOT / "example_workflows" / f"{name}.json").read_text())
    api = json.loads((ROOT / "example_workflows" / "api" / f"{name}.json").read_text())
    page.evaluate("ui => app.loadGraphData(ui)", ui)
    page.wait_for_timeout(1500)
    assert page.evaluate(browsing.UNKNOWN) in ([], ["MarkdownNote"])
    sent = page.evaluate("async () => (await app.graphToPrompt()).output")
    assert {i: (n["class_type"], n["inputs"]) for i, n in sent.items() if i in api} == {
        i: (n["class_type"], n["inputs"]) for i, n in api.items()
    }, "the editor sends another graph than the API twin"
    done = browsing.run_with_one_click(page, comfy)
    assert done["status"]["status_str"] == "success", done["status"]["messages"][-1]
    page.wait_for_timeout(2500)
    page.evaluate(browsing.FIT)
    page.wait_for_timeout(1500)
    page.screenshot(path=str(screenshots / f"{comfy.host.name}_{name}.png"))
    assert page.evaluate(browsing.OVERLAPS) == []
    videos = page.evaluate("() => [...document.querySelectorAll('video')].map(v => [v.src, v.readyState])")
    assert any("troupe_" in src and state >= 2 for src, state in videos), f"no video plays: {videos}"


@pytest.mark.parametrize("name", WAN)
def test_wan_workflow_opens_and_says_what_its_api_twin_says(comfy, page, browsing, screenshots, name):
    """Nobody has the models in a test: the workflow is opened and looked at; ``test_wan_jobs`` runs it."""
    ui = json.loads((ROOT / "example_workflows" / f"{name}.json").read_text())
    api = json.loads((ROOT / "example_workflows" / "api" / f"{name}.json").read_text())
    page.evaluate("ui => app.loadGraphData(ui)", ui)
    page.wait_for_timeout(2500)
    page.keyboard.press("Escape")  # newer editors offer the missing models first
    assert page.evaluate(browsing.UNKNOWN) in ([], ["MarkdownNote"])
    sent = page.evaluate("async () => (await app.graphToPrompt()).output")
    assert {i: n["class_type"] for i, n in sent.items() if i in api} == {
        i: n["class_type"] for i, n in api.items()
    }
    for i, each in api.items():
        said = {k: sent[i]["inputs"].get(k) for k in each["inputs"]}  # newer ComfyUI adds inputs of its own
        assert said == each["inputs"], f"the editor sends another {each['class_type']} than the API twin"
    page.evaluate(browsing.FIT)
    page.wait_for_timeout(2500)
    page.screenshot(path=str(screenshots / f"{comfy.host.name}_{name}.png"))
    assert page.evaluate(browsing.OVERLAPS) == []


def test_a_mistake_is_shown_in_words(comfy, page, browsing, screenshots):
    """A cast that names a face that is not there: the editor shows our sentence, no stack trace in its place."""
    ui = json.loads((ROOT / "example_workflows" / "two_people_two_drives.json").read_text())
    role = next(n for n in ui["nodes"] if n["type"] == "TroupeAssignRole")
    role["widgets_values"][0] = 7
    page.evaluate("ui => app.loadGraphData(ui)", ui)
    done = browsing.run_with_one_click(page, comfy)
    assert done["status"]["status_str"] == "error"
    # Newer editors show it behind a button, older ones at once.
    details = page.get_by_text(re.compile("view details|see errors|does not exist: 2 faces", re.IGNORECASE))
    details.first.click(timeout=20_000)
    page.wait_for_timeout(1500)
    page.screenshot(path=str(screenshots / f"{comfy.host.name}_mistake.png"))
    text = page.evaluate("() => document.body.innerText")
    assert re.search(r"Face 7 does not exist: 2 faces were found", text), text[-1500:]
