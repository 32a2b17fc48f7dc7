"""What ``make demo`` runs: a picture acts, every face of it from a timeline of its own, and a contact sheet of the result."""

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
TIMELINES = (ROOT / "assets" / "demo_1.txt", ROOT / "assets" / "demo_2.txt")


def run(picture: str, drive: str | None, output: Path) -> int:
    """Animate, write ``demo.mp4`` and ``demo_sheet.png`` into ``output``, and return the exit code."""
    faces = require_faces(find_faces(load_picture(picture, max_side=SIZE)), Path(picture).name)
    # Somebody small in the background must not keep the others from acting; if all are, ``animate`` says so.
    near = [track.person for track in faces if track.first.eye_distance >= MIN_EYE_DISTANCE]
    roles = []
    for turn, person in enumerate(near or [track.person for track in faces]):
        roles += ["--face", str(person), "--drive", drive or str(TIMELINES[turn % len(TIMELINES)])]
    output.mkdir(parents=True, exist_ok=True)
    files = ["-o", str(output / "demo.mp4"), "--sheet", str(output / "demo_sheet.png")]
    return troupe(["animate", picture, *roles, *files])


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
