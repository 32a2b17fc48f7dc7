"""What the widgets say: Korean and Chinese have each text that the code says, whole, and nothing else.

Runs the modules in Node.js, or in headless Chromium where that is not installed.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest

from .conftest import LIB, modules_page

WEB = LIB.parent
SCRIPTS = {"ko": "[\uac00-\ud7a3]", "zh": "[\u4e00-\u9fff]"}
SPOKEN = re.compile(r"\bsay\(\s*(\"(?:[^\"\\]|\\.)*\")")
BODY = """
const tables = {ko: (await load("words_ko.js")).default, zh: (await load("words_zh.js")).default};
const {say, language} = await load("words.js");
const asked = (locale, ...given) => {
  globalThis.app = {extensionManager: {setting: {get: (id) => (id === "Comfy.Locale" ? locale : undefined)}}};
  return say(...given);
};
const outside = [language(), say("Find faces")];
const face = ["Face {face} of {count}", {face: 1, count: 2}];
return {
  tables, outside,
  said: Object.fromEntries(["en", "ko", "zh", "fr", undefined].map((l) => [String(l), asked(l, ...face)])),
  unknown: asked("ko", "Nobody has translated {this}", {this: "one"}),
  without: asked("ko", "Face {face}"),
  marked: asked("ko", "Face {face}", {face: "$& {face}"}),
};
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> dict:
    """What ``BODY`` returns."""
    if shutil.which("node"):
        folder = tmp_path_factory.mktemp("words")
        (folder / "package.json").write_text('{"type": "module"}')
        for path in LIB.glob("words*.js"):
            shutil.copy(path, folder)
        body = f"const run = async (load) => {{ {BODY} }};\n"
        body += 'console.log(JSON.stringify(await run((name) => import("./" + name))));'
        (folder / "ask.js").write_text(body)
        done = subprocess.run(
            ["node", "ask.js"], cwd=folder, capture_output=True, encoding="utf-8", timeout=60
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
    with modules_page() as page:
        return page.evaluate(f"async () => {{ const load = (name) => import('/' + name); {BODY} }}")


def spoken() -> set[str]:
    """Each text that the widgets' code passes to ``say`` as it stands there."""
    code = [p.read_text() for p in (*WEB.glob("*.js"), *LIB.glob("*.js"))]
    return {json.loads(text) for each in code for text in SPOKEN.findall(each)}


def named(text: str) -> list[str]:
    return sorted(re.findall(r"\{(\w+)\}", text))


def test_the_editors_language_is_spoken(told):
    assert told["said"] == {
        "en": "Face 1 of 2",
        "ko": "얼굴 1/2",
        "zh": "人脸 1/2",
        "fr": "Face 1 of 2",
        "undefined": "Face 1 of 2",
    }
    assert told["outside"] == ["en", "Find faces"]


def test_what_is_not_translated_is_said_in_english(told):
    assert told["unknown"] == "Nobody has translated one"


def test_values_are_put_in_as_they_are(told):
    assert told["marked"] == "얼굴 $& {face}"
    assert told["without"] == "얼굴 {face}"


@pytest.mark.parametrize("language", SCRIPTS)
def test_each_table_holds_what_the_code_says(told, language):
    table = set(told["tables"][language])
    assert sorted(spoken() - table) == [], "to be translated"
    assert sorted(table - spoken()) == [], "no longer said"


@pytest.mark.parametrize("language", SCRIPTS)
def test_translations_are_whole_and_in_their_language(told, language):
    table = told["tables"][language]
    assert {english for english, said in table.items() if named(said) != named(english)} == set()
    words = {english: re.sub(r"\{\w+\}", "", said) for english, said in table.items()}
    assert {english for english, said in words.items() if not re.search(SCRIPTS[language], said)} == set()
    numbers = re.compile(r"\d+(?:\.\d+)?")
    assert {
        e for e, said in table.items() if not set(numbers.findall(e)) <= set(numbers.findall(said))
    } == set()


def test_a_key_stands_once_in_a_table():
    for language in SCRIPTS:
        keys = re.findall(
            r"^  (\"(?:[^\"\\]|\\.)*\"):", (LIB / f"words_{language}.js").read_text(), re.MULTILINE
        )
        assert len(keys) == len(set(keys)) > 50
