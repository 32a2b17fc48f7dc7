"""The editor speaks English, Korean and Chinese: each language says all that the nodes' schemas say, and no more."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SNAPSHOT = json.loads((ROOT / "tests" / "nodes" / "object_info.json").read_text())
RENEW = "run tools/make_locales.py, translate what it names, then run it with --translated"
SCRIPTS = {"ko": "[\uac00-\ud7a3]", "zh": "[\u4e00-\u9fff]"}
SAME = {"Troupe", "wan", "champ", "hallo", "YAML", "yaml"}  # names that are written alike in every language
NAME_WIDTH = (
    20  # of "portrait_region", the longest English input names, and a bit; a full-width letter counts two
)


def load_tool():
    spec = importlib.util.spec_from_file_location("make_locales", ROOT / "tools" / "make_locales.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TOOL = load_tool()
WANTED = TOOL.english(SNAPSHOT)


def locale(language: str, file: str) -> dict:
    return json.loads((ROOT / "locales" / language / f"{file}.json").read_text(encoding="utf-8"))


def pairs(language: str):
    """Each English text with its translation and its path, where there are both."""
    for file, tree in WANTED.items():
        there = dict(TOOL.flat(locale(language, file)))
        for path, text in TOOL.flat(tree):
            if path in there:
                yield path.split(TOOL.SEPARATOR), text, there[path]


@pytest.mark.parametrize("file", WANTED)
def test_english_is_what_the_schemas_say(file):
    """The English locale wins over the schema in the editor: an old one would hide a new tooltip."""
    assert locale("en", file) == TOOL.speakable(WANTED[file]), RENEW


@pytest.mark.parametrize("language", TOOL.LANGUAGES)
@pytest.mark.parametrize("file", WANTED)
def test_translations_hold_the_same_texts(language, file):
    there = {path for path, _ in TOOL.flat(locale(language, file))}
    wanted = {path for path, _ in TOOL.flat(WANTED[file])}
    assert sorted(wanted - there) == [] and sorted(there - wanted) == [], RENEW


def test_translations_are_of_the_present_english():
    """A tooltip that says something else now has to be translated again, even if no key and no number changed."""
    noted = json.loads(TOOL.TRANSLATED.read_text())
    now = TOOL.digests(WANTED)
    assert {node for node in now.keys() | noted.keys() if now.get(node) != noted.get(node)} == set(), RENEW


@pytest.mark.parametrize("language", TOOL.LANGUAGES)
def test_translations_are_in_their_language(language):
    plain = [(path, said) for path, _, said in pairs(language) if not re.search(SCRIPTS[language], said)]
    assert [each for each in plain if each[1] not in SAME] == []


def literals(path: list[str], english: str, inputs: dict) -> set[str]:
    """What a translation has to keep of a tooltip or description: numbers, names of programs, files and formats, code
    in brackets, addresses, and the options that it speaks of as options."""
    kept = set(re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?", english))
    kept |= set(re.findall(r"\b\w*[A-Z0-9]\w*[A-Z]\w*\b|\b[A-Z]{2,}\b", english))
    kept |= set(re.findall(r"\[[^\]]+\]|\w+://[\w.:]*\w|(?<=[\s(])\.\w+|\w+(?:[/_.]\w+)+", english))
    options = inputs.get(path[-2], {}).get("options", []) if path[-1] == "tooltip" else []
    options = options if isinstance(options, list) else []
    kept |= {o for o in options if re.search(rf"\b{o}: |Usual: {o}\b|'{o}'", str(english))}
    return kept


@pytest.mark.parametrize("language", TOOL.LANGUAGES)
def test_translations_keep_numbers_options_and_code(language):
    lost = []
    for path, english, said in pairs(language):
        if path[-1] in ("tooltip", "description"):
            inputs = SNAPSHOT[path[0]]["inputs"]
            lost += [(path, each) for each in literals(path, english, inputs) if each not in said]
    assert lost == []


@pytest.mark.parametrize("language", TOOL.LANGUAGES)
def test_inputs_and_nodes_are_called_as_the_editor_shows_them(language):
    """'video' in an English tooltip is the input of that name; its translation says the translated name. A node that
    is named is named as its title says."""
    nodes = locale(language, "nodeDefs")
    titles = sorted((n["display_name"] for n in WANTED["nodeDefs"].values()), key=len, reverse=True)
    translated = {n["display_name"]: nodes[i]["display_name"] for i, n in WANTED["nodeDefs"].items()}
    wrong = []
    for path, english, said in pairs(language):
        if path[-1] not in ("tooltip", "description"):
            continue
        quoted = re.findall(r"'(\w+)'", english)
        inputs = nodes[path[0]]["inputs"]
        wrong += [(path, name) for name in quoted if name in inputs and inputs[name]["name"] not in said]
        rest = english
        for title in (t for t in titles if " " in t and t in rest):
            rest = rest.replace(title, "")
            wrong += [(path, title)] if translated[title] not in said else []
    assert wrong == []


@pytest.mark.parametrize("language", TOOL.LANGUAGES)
def test_nothing_is_read_as_syntax(language):
    """The editor's translator takes these characters for syntax: in older editors such a tooltip is an error."""
    assert [(path, said) for path, _, said in pairs(language) if TOOL.SYNTAX.search(said)] == []


@pytest.mark.parametrize("language", TOOL.LANGUAGES)
def test_names_fit_and_tell_things_apart(language):
    """Input names have the room of the English ones, and no two inputs or outputs of a node are called alike."""
    long = []
    for node, shown in locale(language, "nodeDefs").items():
        for sockets in (shown["inputs"], shown["outputs"]):
            names = [each["name"] for each in sockets.values()]
            assert len(names) == len(set(names)), (node, names)
            long += [(node, n) for n in names if sum(1 + (ord(c) > 0x1100) for c in n) > NAME_WIDTH]
    assert long == []


def test_titles_are_unique():
    for language in TOOL.LANGUAGES:
        titles = [node["display_name"] for node in locale(language, "nodeDefs").values()]
        assert len(titles) == len(set(titles))


def test_the_tool_reads_a_server_answer_and_the_snapshot_alike(tmp_path):
    """In ``/object_info`` a tooltip lies in the second place of an input; dots in ids are underscores in the locale."""
    server = {
        "TroupeA": {
            "display_name": "A",
            "category": "Troupe/faces",
            "description": "Does a.",
            "input": {"required": {"x.y": ["INT", {"tooltip": "An x."}]}, "optional": {"z": ["MASK"]}},
            "output_name": ["out"],
            "output": ["MASK"],
            "output_tooltips": [None],
        },
        "KSampler": {},
    }
    snapshot = {
        "TroupeA": {
            **{k: server["TroupeA"][k] for k in ("display_name", "category", "description")},
            "inputs": {
                "x.y": {"kind": "required", "type": "INT", "tooltip": "An x."},
                "z": {"kind": "optional"},
            },
            "outputs": [["out", "MASK"]],
        }
    }
    read = TOOL.english(server)
    assert read == TOOL.english(snapshot)
    assert read["nodeDefs"]["TroupeA"]["inputs"] == {
        "x_y": {"name": "x.y", "tooltip": "An x."},
        "z": {"name": "z"},
    }
    assert list(read["main"]["nodeCategories"]) == ["Troupe", "faces"]
    server["TroupeA"]["output_tooltips"] = ["A mask."]
    assert TOOL.english(server)["nodeDefs"]["TroupeA"]["outputs"]["0"] == {
        "name": "out",
        "tooltip": "A mask.",
    }


def test_the_tool_writes_the_same_bytes_and_names_what_is_behind(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(TOOL, "LOCALES", tmp_path)
    monkeypatch.setattr(TOOL, "TRANSLATED", tmp_path / "translated.json")
    schemas = ROOT / "tests" / "nodes" / "object_info.json"
    monkeypatch.setattr("sys.argv", ["make_locales.py", str(schemas), "--translated"])
    assert TOOL.main() == 1
    assert "ko/nodeDefs.json lacks TroupeLook.display_name" in capsys.readouterr().out
    for file in WANTED:
        assert (tmp_path / "en" / f"{file}.json").read_bytes() == (
            ROOT / "locales" / "en" / f"{file}.json"
        ).read_bytes()
        for language in TOOL.LANGUAGES:
            TOOL.write(tmp_path / language / f"{file}.json", locale(language, file))
    assert TOOL.main() == 0
    changed = json.loads(schemas.read_text())
    changed["TroupeLook"]["inputs"]["strength"]["tooltip"] += " Really."
    other = tmp_path / "changed.json"
    other.write_text(json.dumps(changed))
    monkeypatch.setattr("sys.argv", ["make_locales.py", str(other)])
    assert TOOL.main() == 1
    assert capsys.readouterr().out == "the English of TroupeLook has changed\n"
