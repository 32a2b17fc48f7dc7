"""The shell's way in: ``python -m troupe``, the engine without ComfyUI.

Exit codes: 0 done; 1 something is wrong with what was given, said in one line on stderr; 2 wrong usage;
130 interrupted. Files appear whole or not at all.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..engine.cast import REGIONS, Cast, Role
from ..engine.drive import Drive, Drives, open_drives, parse_drive
from ..engine.errors import TroupeError
from ..engine.faces import Faces, draw_faces, faces_to_json, find_faces, require_faces
from ..engine.motion.files import FORMATS, save_motion
from ..engine.video import (
    Audio,
    AudioReader,
    VideoWriter,
    contact_sheet,
    exact_rate,
    load_picture,
    save_picture,
)
from ..engine.video.files import check_output, replacing
from ..engine.video.picture import MAX_SIDE, PICTURE_SUFFIXES
from ..engine.video.sheet import pick
from ..engine.video.write import VIDEO_SUFFIXES
from .live import LIVE, _live, live_options
from .roles import assign, layered
from .shared import bar, remark, say, version
from .speech import MEASURE, _measure, measure_options, voice_of, voice_options

INTERRUPTED = 130
SIZE = 1280  # longest side of a video unless told otherwise
SHEET_COUNT = 8

_DESCRIPTION = "Make the faces in a picture act."
_EXAMPLES = """\
examples:
  troupe animate me.jpg --drive happy -o me.mp4
  troupe animate me.jpg --drive "happy 0.8 @0.5-2.0 ease_out; blink @1.2" -o me.mp4
  troupe animate two.jpg --face 1 --drive anna.mp4 --face 2 --drive "sad 0.7" -o two.mp4
  troupe animate me.jpg --drive speech.wav --emotion happy:0.5 --persona friendly -o me.mp4
  troupe faces two.jpg
  troupe motion anna.mp4 -o anna.csv
  troupe plot anna.csv
  arecord -t raw -f S16_LE -r 16000 | troupe live --input - --to udp://127.0.0.1:11111

'troupe COMMAND --help' says more.
"""
_ANIMATE = """\
A DRIVE is one of
  a clip              anna.mp4; in a clip of several people anna.mp4#2 is the second from the left
  a recording         speech.wav: the face speaks it; speech.wav@2.5 begins after 2.5 seconds
  a motion file       .csv (Live Link Face), .json, .npz
  a timeline          "happy 0.8 @0.5-2.0 ease_out; blink @1.2", or a .txt or .json file of it
  a preset            happy, "happy 0.8", sad, angry, surprised, ..., wink, nod, laugh, ..., idle
A file of that name comes first, then a preset, then a timeline.

--drive, --strength, --region, --rest and the options of recordings belong to the --face before them. Without --face the drives go to
faces 1, 2, ... from the left, and these options to the drive before them (before the first drive: to all).

The video is as long as its longest clip, recording, motion or timeline; presets last as long. It has the sound of
all recordings among the drives, else that of the first clip.

examples:
  troupe animate me.jpg --drive happy -o me.mp4
  troupe animate me.jpg --drive speech.mp4 --strength 0.8 --rest relative -o me.mp4
  troupe animate two.jpg --drive couple.mp4 --drive couple.mp4#2 -o two.mp4
  troupe animate party.jpg --face 3 --drive laugh --face 1 --drive anna.csv --region lips -o party.mp4
"""

_FACES = "example:\n  troupe faces two.jpg -o drawn.png --json two.json"
_MOTION = "examples:\n  troupe motion anna.mp4 -o anna.csv\n  troupe motion couple.mp4 --face 2 -o her.npz"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: Without the program's name; default the process's own.

    Returns:
        The exit code (see above).
    """
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # leave nothing half-written then either
    try:
        options.run(options)
        sys.stdout.flush()
    except TroupeError as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        return _fail("interrupted", INTERRUPTED)
    except BrokenPipeError:  # the reader of our output has gone, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


def _fail(text: str, code: int = 1) -> int:
    """One line on stderr."""
    sys.stderr.write(f"troupe: error: {' '.join(text.split())}\n")
    return code


# --- what can be said ------------------------------------------------------------------------------------------


class _InOrder(argparse.Action):
    """Keeps an option's place among the others: which face a drive belongs to depends on it."""

    def __call__(self, parser, namespace, values, option_string=None):
        namespace.script = [*getattr(namespace, "script", ()), (self.dest, values)]


def _parser() -> argparse.ArgumentParser:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "troupe", description=_DESCRIPTION, epilog=_EXAMPLES, formatter_class=plain
    )
    parser.add_argument("--version", action="version", version=f"troupe {version()}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for run, add_options, about, epilog in (
        (_animate, _animate_options, "make a video in which the faces of a picture act", _ANIMATE),
        (_faces, _faces_options, "find the faces of a picture, numbered from the left", _FACES),
        (_motion, _motion_options, "write a drive's motion to a file", _MOTION),
        (_plot, _plot_options, "draw a motion over time", "example:\n  troupe plot anna.csv -o anna.png"),
        (_measure, measure_options, "judge how a motion follows speech", MEASURE),
        (_live, live_options, "make a face speak while the sound comes in", LIVE),
    ):
        told = {"help": about, "description": about.capitalize() + ".", "epilog": epilog}
        command = commands.add_parser(run.__name__[1:], **told, formatter_class=plain, allow_abbrev=False)
        command.set_defaults(run=run, parser=command)
        add_options(command)
        add = command.add_argument
        if run is not _live:
            add(
                "--face-model",
                metavar="FILE",
                help="face_landmarker.task (default: looked for in $TROUPE_MODELS)",
            )
        add("--quiet", action="store_true", help="no progress, remarks or summary")
    return parser


def _animate_options(parser: argparse.ArgumentParser) -> None:
    add, kinds = parser.add_argument, ", ".join(VIDEO_SUFFIXES)
    add("picture", metavar="PICTURE")
    add("-o", "--output", metavar="FILE", required=True, help=f"video: {kinds}")
    add = parser.add_argument_group("who does what").add_argument
    add("--face", type=int, metavar="N", action=_InOrder, help="the next drives are for face N from the left")
    add("--drive", metavar="DRIVE", action=_InOrder, help="what drives it (see below)")
    add("--strength", type=float, metavar="X", action=_InOrder, help="0 to 10, 1 is as driven (default)")
    add("--region", choices=REGIONS, action=_InOrder, help="what may move (default full)")
    rest = (
        "the picture's own expression gives way (auto, default), counts as the drive's first frame (relative), "
        "or is added to (keep)"
    )
    add("--rest", choices=("auto", "relative", "keep"), action=_InOrder, help=rest)
    voice_options(parser.add_argument_group("recordings of speech"), _InOrder)
    video = parser.add_argument_group("the video")
    _time_options(video)
    add = video.add_argument
    add("--loop", action="store_true", help="repeat drives that are shorter than the video")
    add("--size", type=int, metavar="PIXELS", help=f"longest side, at most (default {SIZE})")
    add("--sheet", metavar="FILE", help="also write a contact sheet there")
    add = video.add_mutually_exclusive_group().add_argument
    add("--audio", metavar="FILE", help="sound, instead of the recordings' or the first clip's")
    add("--no-audio", action="store_true", help="no sound")


def _faces_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("picture", metavar="PICTURE")
    add("-o", "--output", metavar="FILE", help="drawn picture (default PICTURE_faces.png, here)")
    add("--json", metavar="FILE", help="write the JSON there instead of to standard output")


def _motion_options(parser: argparse.ArgumentParser) -> None:
    add, kinds = parser.add_argument, ", ".join(FORMATS)
    add("drive", metavar="CLIP", help="a clip, or any other drive (see 'troupe animate --help')")
    add("-o", "--output", metavar="FILE", help=f"{kinds} (default CLIP.csv, here)")
    add("--face", type=int, default=1, metavar="N", help="person of the clip, from the left (default 1)")
    _time_options(parser)
    voice_options(parser.add_argument_group("a recording of speech"))


def _plot_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("drive", metavar="MOTION", help="a motion file, or any other drive")
    add("-o", "--output", metavar="FILE", help="picture (default MOTION.png, here)")


def _time_options(parser) -> None:
    add = parser.add_argument
    add("--fps", type=float, metavar="RATE", help="frames per second (default: the drive's, else 25)")
    add("--seconds", type=float, metavar="S", help="length (default: the drive's, else 4)")


# --- the commands ----------------------------------------------------------------------------------------------


def _animate(options: argparse.Namespace) -> None:
    try:
        roles = assign(getattr(options, "script", ()))
    except ValueError as error:
        options.parser.error(str(error))
    # All that can be wrong is looked at before the long work, from the cheap to the dear.
    drives = [parse_drive(role["drive"], voice=voice_of(role)) for role in roles]
    inputs = [Path(options.picture), *(d.path for d in drives), options.audio]
    output = check_output(options.output, VIDEO_SUFFIXES, inputs)
    sheet = check_output(options.sheet, PICTURE_SUFFIXES, inputs) if options.sheet else None
    layers = [Role(**{**role, "drive": drive}) for role, drive in zip(roles, drives, strict=True)]
    acting = layered(layers)
    if options.audio:
        AudioReader(options.audio).close()
    picture, faces = _find(options, SIZE if options.size is None else options.size)
    if len(acting) > len(faces):
        count = f"{len(faces)} face" + "s" * (len(faces) > 1)
        raise TroupeError(
            f"'{Path(options.picture).name}' has too few faces",
            f"there are drives for {len(acting)} and {count}",
            "Leave out drives or use a picture of more people",
        )
    for role in acting:
        faces.person(role.face)
    how = {"fps": options.fps, "seconds": options.seconds, "loop": options.loop}
    played = _play(drives, options, **how)
    cast = layered(replace(role, drive=motion) for role, motion in zip(layers, played.motions, strict=True))
    _render(options, picture, faces, cast, played, output, sheet)


def _render(
    options: argparse.Namespace,
    picture: np.ndarray,
    faces: Faces,
    cast: Cast,
    played: Drives,
    output: Path,
    sheet: Path | None,
) -> None:
    """Draw, encode and say what came of it."""
    from ..engine.render.warp import render_cast

    rate = exact_rate(played.fps)
    count = max(1, round(played.seconds * rate))
    sound = None if options.no_audio else options.audio or played.sound
    shown = dict.fromkeys(pick(count, SHEET_COUNT)) if sheet else {}
    height, width = picture.shape[:2]
    note = {"comment": f"Animated with Troupe {version()}"}
    with (
        bar("Video", options) as progress,
        VideoWriter(output, width, height, rate, audio=sound, metadata=note) as writer,
    ):
        for frame in render_cast(picture, faces, cast, float(rate), count, progress):
            if writer.frames in shown:
                shown[writer.frames] = frame.copy()
            writer.write(frame)
    if sheet:
        times = [i / float(rate) for i in shown]
        save_picture(sheet, contact_sheet(list(shown.values()), count=SHEET_COUNT, times=times))
    remark(writer.notes, options)
    heard = (
        ""
        if sound is None
        else ", with speech"
        if isinstance(sound, Audio)
        else f", sound of {Path(sound).name}"
    )
    say(f"{output}: {width}x{height}, {count} frames, {_pace(played)}{heard}", options)
    if sheet:
        say(f"{sheet}: contact sheet", options)


def _faces(options: argparse.Namespace) -> None:
    inputs = [Path(options.picture)]
    name = options.output or f"{Path(options.picture).stem}_faces.png"
    drawn = check_output(name, PICTURE_SUFFIXES, inputs)
    written = check_output(options.json, (".json",), inputs) if options.json else None
    picture, faces = _find(options)
    save_picture(drawn, draw_faces(picture, faces))
    text = json.dumps(faces_to_json(faces), indent=1)
    text = re.sub(r"\[\s+([-\d.,\s]+?)\s+\]", lambda m: f"[{' '.join(m[1].split())}]", text) + "\n"
    if written is None:
        sys.stdout.write(text)
    else:
        with replacing(written) as temporary:
            temporary.write_text(text, "utf-8")
    remark([f"{drawn}: {len(faces)} drawn"], options)


def _motion(options: argparse.Namespace) -> None:
    drive = parse_drive(options.drive, person=options.face, voice=voice_of(vars(options)))
    output = check_output(options.output or _beside(drive, ".csv"), FORMATS, [drive.path])
    played = _play([drive], options, fps=options.fps, seconds=options.seconds)
    save_motion(played.motions[0], output)
    say(f"{output}: {len(played.motions[0])} frames, {_pace(played)}", options)


def _plot(options: argparse.Namespace) -> None:
    from ..engine.motion.plot import plot_motion

    drive = parse_drive(options.drive)
    output = check_output(options.output or _beside(drive, ".png"), PICTURE_SUFFIXES, [drive.path])
    save_picture(output, plot_motion(_play([drive], options).motions[0]))
    say(str(output), options)


def _play(drives: list[Drive], options: argparse.Namespace, **how) -> Drives:
    """The drives' motion, read with a progress bar; ``how`` as in ``open_drives``."""
    with bar("Drives", options) as progress:
        played = open_drives(drives, **how, model_path=options.face_model, progress=progress)
    remark(played.notes, options)
    return played


# --- what they share -------------------------------------------------------------------------------------------


def _find(options: argparse.Namespace, size: int = MAX_SIDE) -> tuple[np.ndarray, Faces]:
    """The picture and everybody in it, at least one."""
    if not 64 <= size <= MAX_SIDE:
        raise TroupeError(
            f"The size {size} is out of range", f"it must lie in 64 to {MAX_SIDE}", f"Use {SIZE}"
        )
    notes: list[str] = []
    picture = load_picture(options.picture, max_side=size, notes=notes)
    if not getattr(options, "size", None):  # who asks for a size knows of it
        remark(notes, options)
    with bar("Faces", options) as progress:
        faces = find_faces(picture, model_path=options.face_model, progress=progress)
    require_faces(faces, f"'{Path(options.picture).name}'")
    remark(faces.notes, options)
    return picture, faces


def _pace(played: Drives) -> str:
    return f"{played.seconds:.2f} s at {played.fps:.5g} frames/s"


def _beside(drive: Drive, suffix: str) -> str:
    """A default name in the folder one is in."""
    return (drive.path.stem if drive.path else "motion") + suffix
