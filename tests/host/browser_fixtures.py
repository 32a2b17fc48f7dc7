"""Fixtures of the browser tests: Chromium and the editor of a server in it. ``conftest.py`` hands them on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def browser(browsing):
    """A headless Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if not browsing.CHROMIUM:
        pytest.skip("no chromium found")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=browsing.CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser, comfy, browsing):
    """The editor of a server, ready: classic and without its panel, whatever a test before chose."""
    page = browser.new_page(viewport={"width": 2200, "height": 1100})
    page.goto(comfy.url)
    page.wait_for_function(browsing.READY, timeout=90_000)
    browsing.use_renderer(page, False)
    page.evaluate("async () => await app.extensionManager.setting.set('Comfy.RightSidePanel.IsOpen', false)")
    yield page
    page.close()


@pytest.fixture
def screenshots(tmp_path):
    """Where pictures of the editor go: ``TROUPE_SCREENSHOTS``, if set, else pytest's temporary folder."""
    folder = Path(os.environ.get("TROUPE_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
