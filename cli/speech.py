"""What can be said about who speaks, and ``troupe measure``."""

from __future__ import annotations

import argparse

from ..engine.drive import parse_drive
from ..engine.drive_speech import Voice, placed, read_recording
from ..engine.errors import TroupeError
from ..engine.video.files import check_input
from .shared import bar, remark, say

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
    if "text" in given:
        given["text"] = script_text(given["text"])
    return Voice(**given) if given else None


def script_text(text: str) -> str:
    """A script, or what is written in the file that it names. Only here: a workflow may not name files.

    Raises:
        TroupeError: if the file cannot be read as text.
    """
    if "\n" in text or not text.strip().lower().endswith(".txt"):
        return text
    path = check_input(text.strip(), "text")
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TroupeError(
            f"The text '{path.name}' cannot be read", str(error)[:200], "Save it as UTF-8"
        ) from None


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
    with bar("Motion", options) as progress:
        played = open_drives([drive], model_path=options.face_model, progress=progress)
    remark(played.notes, options)
    motion = played.motions[0]
    if other.kind == "speech":
        recording = read_recording(other.path, other.start)
        sound = placed(recording, recording.seconds)
        heard, notes = listened(sound.samples, sound.rate)
        remark(notes, options)
        scores = compare_sound(motion, heard)
    else:
        scores = compare(motion, open_drives([other]).motions[0])
    for line in report(scores):
        say(line, options)
