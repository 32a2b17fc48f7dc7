"""Write the English locale from the nodes' schemas, and name the translations that have fallen behind.

    python tools/make_locales.py SCHEMAS [--translated]

``SCHEMAS`` is a server's answer to ``/object_info``, or ``tests/nodes/object_info.json``; the same schemas give the
same bytes. ``locales/en`` is written anew; ``ko`` and ``zh`` are people's work: what they lack, what they have too
much, and the nodes whose English has changed since they were translated are named. ``--translated`` notes that they
have been brought up to date.

A text with a character that the editor's translator (vue-i18n) takes for syntax stays out of the English locale: older
editors fail on it in tooltips, newer ones show an escaped one as it is written. Left out, the schema's own is shown.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCALES = ROOT / "locales"
TRANSLATED = ROOT / "tests" / "nodes" / "locales_translated.json"
LANGUAGES = ("ko", "zh")
SYNTAX = re.compile(r"[@{}|]")
SEPARATOR = "\n"  # in no id: ids hold dots


def key(name: str) -> str:
    """An id as the editor looks it up."""
    return name.replace(".", "_")


def texts(node: dict) -> dict:
    """What the editor shows of one node, in the form of ``nodeDefs.json``; ``node`` as in ``/object_info`` or in the
    tests' snapshot of it."""
    if "input" in node:
        sections = [node["input"].get(kind, {}) for kind in ("required", "optional")]
        inputs = {
            name: dict(spec[1]) if len(spec) > 1 else {} for part in sections for name, spec in part.items()
        }
        names = node["output_name"]
        tooltips = node.get("output_tooltips") or [None] * len(names)
    else:
        inputs, names = node["inputs"], [name for name, _ in node["outputs"]]
        tooltips = [None] * len(names)

    def shown(name: str, tooltip: str | None) -> dict:
        return {"name": name, "tooltip": tooltip} if tooltip else {"name": name}

    return {
        "display_name": node["display_name"],
        "description": node["description"],
        "inputs": {
            key(i): shown(spec.get("display_name") or i, spec.get("tooltip")) for i, spec in inputs.items()
        },
        "outputs": {str(i): shown(*pair) for i, pair in enumerate(zip(names, tooltips, strict=True))},
    }


def english(schemas: dict) -> dict[str, dict]:
    """All English texts of the pack by file (``nodeDefs``, ``main``), syntax characters included."""
    ours = {name: schemas[name] for name in sorted(schemas) if name.startswith("Troupe")}
    categories = sorted({part for node in ours.values() for part in node["category"].split("/")})
    return {
        "nodeDefs": {key(name): texts(node) for name, node in ours.items()},
        "main": {"nodeCategories": {part: part for part in categories}},
    }


def flat(tree: dict, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text with its path, the parts of which ``SEPARATOR`` parts."""
    for name, value in tree.items():
        below = f"{path}{SEPARATOR}{name}" if path else name
        if isinstance(value, dict):
            yield from flat(value, below)
        else:
            yield below, value


def speakable(tree: dict) -> dict:
    """The tree without the texts that the translator would misread."""
    kept = {name: speakable(v) if isinstance(v, dict) else v for name, v in tree.items()}
    return {name: v for name, v in kept.items() if isinstance(v, dict) or not SYNTAX.search(v)}


def digests(files: dict[str, dict]) -> dict[str, str]:
    """A short digest of each node's English: what its translations were made from."""
    return {
        name: hashlib.sha256(json.dumps(node, sort_keys=True).encode()).hexdigest()[:12]
        for name, node in files["nodeDefs"].items()
    }


def write(path: Path, data: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def behind(files: dict[str, dict]) -> list[str]:
    """What is missing in the translations or too much, and which nodes have changed since."""
    said = []
    for language in LANGUAGES:
        for name, wanted in files.items():
            path = LOCALES / language / f"{name}.json"
            there = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
            have, want = (dict(flat(tree)) for tree in (there, wanted))
            for word, keys in (
                ("lacks", want.keys() - have.keys()),
                ("has too much", have.keys() - want.keys()),
            ):
                said += [f"{language}/{name}.json {word} {k.replace(SEPARATOR, '.')}" for k in sorted(keys)]
    noted = json.loads(TRANSLATED.read_text()) if TRANSLATED.exists() else {}
    said += [
        f"the English of {n} has changed" for n, digest in digests(files).items() if noted.get(n) != digest
    ]
    return said


def main() -> int:
    """0, or 1 when the translations have fallen behind."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("schemas", type=Path, help="/object_info of a server with the pack, as JSON")
    parser.add_argument("--translated", action="store_true", help="the translations are up to date with it")
    arguments = parser.parse_args()
    files = english(json.loads(arguments.schemas.read_text(encoding="utf-8")))
    for name, tree in files.items():
        write(LOCALES / "en" / f"{name}.json", speakable(tree))
    if arguments.translated:
        write(TRANSLATED, digests(files))
    said = behind(files)
    sys.stdout.write("".join(f"{line}\n" for line in said))
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
