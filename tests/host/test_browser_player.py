"""The player on Warp Render and Plot Motion in the real editor, in both of its renderers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.host, pytest.mark.browser]

VIDEOS = "() => [...document.querySelectorAll('.troupe-player video')].map(v => [v.readyState, v.paused, v.duration])"


def workflow() -> dict:
    return json.loads((ROOT / "example_workflows" / "two_people_two_drives.json").read_text())


@pytest.mark.parametrize("vue", [False, True], ids=["classic", "nodes2"])
def test_what_was_made_plays_and_can_be_scrubbed(comfy, page, browsing, screenshots, vue):
    if vue and comfy.host.name.endswith("0.8"):
        pytest.skip("this frontend has one renderer")
    browsing.use_renderer(page, vue)
    page.evaluate("ui => app.loadGraphData(ui)", workflow())
    page.wait_for_timeout(1500)
    assert page.evaluate("() => document.querySelector('.troupe-player .hint')?.textContent") == (
        "Run to see the picture act."
    )
    page.evaluate(
        """() => { const motion = app.graph.nodes.find(n => n.type === 'TroupeMotionFromTimeline' || n.type === 'TroupeMotionFromPreset');
        const plot = LiteGraph.createNode('TroupePlotMotion'); app.graph.add(plot);
        plot.pos = [motion.pos[0], motion.pos[1] + 700]; motion.connect(0, plot, 0);
        const save = LiteGraph.createNode('PreviewImage'); app.graph.add(save); save.pos = [plot.pos[0] + 460, plot.pos[1]];
        plot.connect(0, save, 0); }"""
    )
    done = browsing.run_with_one_click(page, comfy)
    assert done["status"]["status_str"] == "success", done["status"]["messages"][-1]
    page.evaluate(browsing.FIT)  # Nodes 2.0 draws only what is seen
    page.wait_for_function(
        "() => [...document.querySelectorAll('.troupe-player video')].filter(v => v.readyState >= 2).length === 2",
        timeout=20_000,
    )
    assert all(not paused for _, paused, _ in page.evaluate(VIDEOS)), "both play by themselves"
    page.screenshot(path=str(screenshots / f"{comfy.host.name}_player_{'nodes2' if vue else 'classic'}.png"))

    # The slider moves the picture and the line in the curves; playing goes on when asked.
    state = page.evaluate(
        """async () => { const root = [...document.querySelectorAll('.troupe-player')].find(r => r.querySelector('select'));
        const range = root.querySelector('input[type=range]'), video = root.querySelector('video');
        const line = root.querySelector('.troupe-cursor'), before = line.getAttribute('x1');
        range.value = Math.floor(range.max / 2); range.dispatchEvent(new Event('input'));
        await new Promise(r => setTimeout(r, 300));
        return [video.paused, video.currentTime, Number(range.max), before, line.getAttribute('x1')]; }"""
    )
    paused, time, most, before, after = state
    assert paused and time == pytest.approx(most / 2 / 25, abs=0.1) and after != before
    playing = page.evaluate(
        """async () => { const root = [...document.querySelectorAll('.troupe-player')].find(r => r.querySelector('select'));
        root.querySelector('button').click(); await new Promise(r => setTimeout(r, 600));
        return !root.querySelector('video').paused; }"""
    )
    assert playing
    # Each role has its curves.
    names = page.evaluate(
        "() => [...document.querySelector('.troupe-player select').options].map(o => o.textContent)"
    )
    assert names == ["face 1", "face 2"]


def test_a_preview_that_is_gone_says_so(page):
    page.evaluate("ui => app.loadGraphData(ui)", workflow())
    page.wait_for_timeout(1000)
    page.evaluate(
        """() => app.graph.nodes.find(n => n.type === 'TroupeWarpRender').onExecuted({troupe_motion: [],
        troupe_video: [{filename: 'gone.mp4', subfolder: '', type: 'temp', width: 64, height: 64, fps: 25, frames: 5}]})"""
    )
    page.wait_for_function(
        "() => document.querySelector('.troupe-player .hint')?.textContent.includes('run again')",
        timeout=10_000,
    )
