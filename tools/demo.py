"""What ``make demo`` runs: a picture acts, every face of it from a timeline of its own, and a contact sheet of the result."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from troupe.cli import main as troupe
from troupe.engine.errors import TroupeError
from troupe.engine.faces import find_faces, require_faces
from troupe.engine.video.picture import load_picture, save_picture
from troupe.engine.video.sheet import contact_sheet

ROOT = Path(__file__).resolve().parent.parent
TIMELINES = (ROOT / "assets" / "demo_1.txt", ROOT / "assets" / "demo_2.txt")


def run(picture: str, drive: str | None, output: Path) -> int:
    """Animate, write ``demo.mp4`` and ``demo_sheet.png`` into ``output``, and return the exit code."""
    people = len(require_faces(find_faces(load_picture(picture)), Path(picture).name))
    clip, sheet = output / "demo.mp4", output / "demo_sheet.png"
    output.mkdir(parents=True, exist_ok=True)
    roles = []
    for person in range(1, people + 1):
        roles += ["--face", str(person), "--drive", drive or str(TIMELINES[(person - 1) % 2])]
    code = troupe(["animate", picture, *roles, "-o", str(clip)])
    if code:
        return code
    save_picture(sheet, contact_sheet(clip, count=12))
    print(f"The video:         {clip}\nA few frames of it: {sheet}")  # noqa: T201
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Animate a picture with the demo's timelines.")
    parser.add_argument("picture")
    parser.add_argument("--drive", help="drives every face instead of the demo's timelines")
    parser.add_argument("--output", type=Path, default=Path("output"), help="folder (default: output)")
    given = parser.parse_args()
    try:
        return run(given.picture, given.drive, given.output)
    except TroupeError as e:
        print(e, file=sys.stderr)  # noqa: T201
        return 1


if __name__ == "__main__":
    sys.exit(main())
