"""Makes the pictures of the help pages, ``web/docs/pictures``, one for each node.

    python tools/make_help_pictures.py [NODE ...]

All of them without names. Everything in them is made by the engine from the bundled pictures, clip and speech, the
wires from the pack's interface (``tests/nodes/object_info.json``); the same inputs give the same bytes. Needs the pack
(``pip install -e .``), Pillow 10.1 or newer, and espeak-ng for one picture.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import help_bodies
import help_hallo
import help_pixels
import help_scores
import help_speech
import help_wan
from help_card import Card

FOLDER = Path(__file__).resolve().parent.parent / "web" / "docs" / "pictures"
SCENES: dict[str, Callable[[], Card]] = {
    **help_pixels.SCENES,
    **help_scores.SCENES,
    **help_speech.SCENES,
    **help_wan.SCENES,
    **help_bodies.SCENES,
    **help_hallo.SCENES,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes the pictures of the help pages.")
    parser.add_argument("nodes", nargs="*", metavar="NODE", help="such as TroupeLook; all without any")
    named = parser.parse_args().nodes
    if unknown := set(named) - set(SCENES):
        parser.error(f"no picture of {', '.join(sorted(unknown))}; known are {', '.join(sorted(SCENES))}")
    FOLDER.mkdir(exist_ok=True)
    for name in named or sorted(SCENES):
        SCENES[name]().save(FOLDER / f"{name}.webp")


if __name__ == "__main__":
    main()
