"""What can be said about who speaks, and ``troupe measure``."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..engine.drive import parse_drive
from ..engine.drive_speech import Voice
from ..engine.errors import TroupeError
from ..engine.video import read_audio
from .shared import say

VOICE = ("text", "language", "emotion", "persona", "seed")
MEASURE = """\
Against a recording: aperture in silence, closed lips, smoothness, how the mouth goes with the loudness (beside the same
sound moved in time). Against another motion of the same sound: distance, lag, closed lips found and invented.

examples:
  troupe measure anna.csv --against anna.wav
  troupe measure mine.csv --against reference.csv
"""


def voice_options(parser: argparse._ActionsContainer, action: type[argparse.Action] | None = None) -> None:
    """Text, language, emotion, persona and seed of a recording that drives."""
    how = {"action": action} if action else {}
    add = parser.add_argument
    add(
        "--text",
        metavar="TEXT",
        help="what is said, or a .txt of it; may hold tags: '[happy 0.7] Hello! [/happy]'",
        **how,
    )
    add("--language", metavar="NAME", help="of the text (default english)", **how)
    add("--emotion", metavar="WHAT", help="'happy:0.6', 'happy:0.6@0-2; sad:0.4@2-' (default neutral)", **how)
    add(
        "--persona",
        metavar="WHO",
        help="neutral, professional, friendly, calm, or a .yaml or .json file",
        **how,
    )
    add("--seed", type=int, metavar="N", help="which blinks, glances and nods (default 0)", **how)


def voice_of(options: dict) -> Voice | None:
    """Takes what belongs to the voice out of a role's options; ``None`` if nothing does."""
    given = {name: options.pop(name) for name in VOICE if options.get(name) is not None}
    for name in VOICE:
        options.pop(name, None)
    return Voice(**given) if given else None


def measure_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("motion", metavar="MOTION", help="a motion file, or a recording that drives")
    add("--against", metavar="FILE", required=True, help="a recording, or another motion")


def _measure(options: argparse.Namespace) -> None:
    """``troupe measure``."""
    from ..engine.drive import open_drives
    from ..engine.metrics.speech import compare, compare_sound, report
    from ..engine.speech.animate import listened

    drive, other = parse_drive(options.motion), parse_drive(options.against)
    if other.kind not in ("speech", "motion"):
        raise TroupeError(
            f"'{options.against}' cannot be compared with",
            f"it is a {other.kind}",
            "Use a recording (.wav) or a motion file",
        )
    motion = open_drives([drive]).motions[0]
    if other.kind == "speech":
        sound = read_audio(Path(other.path))
        scores = compare_sound(motion, listened(sound.samples, sound.rate)[0])
    else:
        scores = compare(motion, open_drives([other]).motions[0])
    for line in report(scores):
        say(line, options)
