"""The modules of the timeline editor, called from Python: in Node.js, or in headless Chromium where that is not installed."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

LIB = Path(__file__).resolve().parents[2] / "web" / "lib"
MODULES = {
    "text": "timeline_text.js", "edit": "timeline_edit.js", "names": "timeline_names.js", "shape": "timeline_shape.js",
    "select": "timeline_select.js", "rows": "timeline_rows.js",
}  # fmt: skip
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
LOOP = """
import readline from "node:readline";
const rl = readline.createInterface({input: process.stdin});
for await (const line of rl) {
  const [body, argument] = JSON.parse(line);
  let answer;
  try { answer = {out: await new Function("m", "a", body)(m, argument)}; } catch (e) { answer = {thrown: String(e.stack)}; }
  process.stdout.write(JSON.stringify(answer) + "\\n");
}
"""


class Node:
    """The modules in Node.js, one process for all calls."""

    def __init__(self, folder: Path):
        (folder / "package.json").write_text('{"type": "module"}')
        for path in LIB.glob("timeline_*.js"):
            shutil.copy(path, folder)
        imports = "".join(f'import * as {k} from "./{v}";\n' for k, v in MODULES.items())
        (folder / "loop.js").write_text(f"{imports}const m = {{{', '.join(MODULES)}}};\n{LOOP}")
        self.process = subprocess.Popen(
            ["node", str(folder / "loop.js")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def __call__(self, body: str, argument: object):
        self.process.stdin.write(json.dumps([body, argument]) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert "thrown" not in answer, f"{argument!r}: {answer}"
        return answer.get("out")


@contextmanager
def modules_page() -> Iterator[Page]:
    """An empty page in headless Chromium that can import the modules of ``web/lib`` as ``/name.js``."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="neither Node.js nor Playwright is installed"
    )
    if not CHROMIUM:
        pytest.skip("neither Node.js nor chromium was found")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()

        def serve(route):
            path = LIB / route.request.url.rsplit("/", 1)[1]
            text, kind = (
                (path.read_text(), "text/javascript") if path.suffix else ("<html></html>", "text/html")
            )
            route.fulfill(body=text, content_type=kind)

        page.route("http://troupe.test/**", serve)
        page.goto("http://troupe.test/page")
        yield page
        browser.close()


@pytest.fixture(scope="module")
def js(tmp_path_factory):
    """Calls a function body of ``m`` (the modules by name) and ``a`` (its argument)."""
    if shutil.which("node"):
        node = Node(tmp_path_factory.mktemp("modules"))
        yield node
        node.process.stdin.close()
        node.process.wait(10)
        return
    with modules_page() as page:
        pairs = ", ".join(f'{k}: await import("/{v}")' for k, v in MODULES.items())
        page.evaluate(f"async () => {{ window.m = {{{pairs}}}; }}")
        yield lambda body, argument: page.evaluate(f"a => {{ {body} }}", argument)
