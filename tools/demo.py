"""What ``make demo`` runs: the people of a picture speak in turn and act, and a contact sheet of it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from troupe.cli import SIZE
from troupe.cli import main as troupe
from troupe.engine.errors import TroupeError
from troupe.engine.faces import find_faces, require_faces
from troupe.engine.render.warp import MIN_EYE_DISTANCE
from troupe.engine.video import load_picture

ROOT = Path(__file__).resolve().parent.parent
ASSETS = ROOT / "assets"
# What each plays from left to right, over and over: what they say and how, and what they do besides.
PARTS = (
    ("--drive", f"{ASSETS / 'speech.wav'}", "--persona", "friendly", "--emotion", "happy:0.5@0-4", "--drive", f"{ASSETS / 'demo_1.txt'}"),
    ("--drive", f"{ASSETS / 'reply.wav'}@4.7", "--persona", "professional", "--drive", f"{ASSETS / 'demo_2.txt'}"),
)  # fmt: skip


def run(picture: str, drive: str | None, output: Path) -> int:
    """Animate, write ``demo.mp4`` and ``demo_sheet.png`` into ``output``, and return the exit code."""
    faces = require_faces(find_faces(load_picture(picture, max_side=SIZE)), Path(picture).name)
    # Somebody small in the background must not keep the others from acting; if all are, ``animate`` says so.
    near = [track.person for track in faces if track.first.eye_distance >= MIN_EYE_DISTANCE]
    roles = []
    for turn, person in enumerate(near or [track.person for track in faces]):
        roles += ["--face", str(person), *(("--drive", drive) if drive else PARTS[turn % len(PARTS)])]
    output.mkdir(parents=True, exist_ok=True)
    files = ["-o", str(output / "demo.mp4"), "--sheet", str(output / "demo_sheet.png")]
    return troupe(["animate", picture, *roles, *files])


def main() -> int:
    parser = argparse.ArgumentParser(description="Let the people of a picture speak and act.")
    parser.add_argument("picture")
    parser.add_argument("--drive", help="drives every face instead of the demo's parts")
    parser.add_argument("--output", type=Path, default=Path("output"), help="folder (default: output)")
    given = parser.parse_args()
    try:
        return run(given.picture, given.drive, given.output)
    except TroupeError as e:
        print(e, file=sys.stderr)  # noqa: T201
        return 1


if __name__ == "__main__":
    sys.exit(main())
