"""``troupe live``: sound from a pipe, a face to Unreal or to whoever reads lines."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING

from ..engine.errors import TroupeError
from .shared import remark
from .speech import script_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..engine.speech.live import LiveAnimator
    from ..engine.speech.live_input import Writer

LIVE = """\
Reads raw sound (no header) and writes a face: jaw, lips, cheeks and tongue follow the sound, blinks, brows, gaze and
head follow its melody by rule. Where it goes is
  udp://HOST[:PORT]   packets of the Live Link Face app, which Unreal and others read (port 11111 unless given)
  -                   lines of JSON on standard output: a header with the names, then {"time": ..., "values": [...]}

A microphone's sound is used as it comes; when it stops coming the mouth shuts, and what comes too late is left out.
Sound that comes in bursts, from a speech synthesiser or a file, wants --pace: it is held back until it is its time.

examples:
  arecord -t raw -f S16_LE -r 16000 -c 1 | troupe live --input - --to udp://127.0.0.1:11111 --persona friendly
  ffmpeg -loglevel error -i speech.wav -f s16le -ac 1 -ar 16000 - | troupe live --input - --to - > face.jsonl
  ffmpeg -loglevel error -i speech.wav -f s16le -ac 1 -ar 16000 - | troupe live --input - --pace --to udp://10.0.0.7
"""


def live_options(parser: argparse.ArgumentParser) -> None:
    """What can be said to ``troupe live``."""
    add = parser.add_argument
    add(
        "--input",
        metavar="FILE",
        required=True,
        help="raw sound: - for standard input, or a file, pipe or device",
    )
    add("--to", metavar="WHERE", required=True, help="udp://HOST[:PORT], or - for lines of JSON")
    sound = parser.add_argument_group("the sound").add_argument
    sound(
        "--rate",
        type=int,
        default=16000,
        metavar="HZ",
        help="samples a second, 4000 to 192000 (default 16000)",
    )
    sound("--channels", type=int, default=1, metavar="N", help="default 1; more are averaged")
    sound("--format", choices=("s16le", "f32le"), default="s16le", help="of a sample (default s16le)")
    sound("--pace", action="store_true", help="the sound comes in bursts: use it no faster than it is spoken")
    face = parser.add_argument_group("the face").add_argument
    face("--fps", type=float, default=30.0, metavar="RATE", help="frames per second (default 30)")
    face(
        "--emotion",
        metavar="MIX",
        help="happy:0.6, happy:0.6+surprised:0.2, or timed: happy:0.6@0-2; sad:0.4@2-",
    )
    face(
        "--persona",
        default="neutral",
        metavar="NAME",
        help="professional, friendly, calm, neutral, or a file",
    )
    face("--text", metavar="TEXT", help="what will be said, if that is known, or a .txt of it; without tags")
    face("--language", default="english", metavar="NAME", help="of the text (default english)")
    face("--setting", choices=("default", "quality"), default="default", help="quality waits 20 ms longer")
    face("--seed", type=int, default=0, metavar="N", help="of blinks and glances (default 0)")
    face("--subject", default="Troupe", metavar="NAME", help="how Unreal lists the face (default Troupe)")


def _live(options: argparse.Namespace) -> None:
    from ..engine.speech.animate import SpeechAnimator
    from ..engine.speech.live import LiveAnimator
    from ..engine.speech.live_input import ARRIVAL, TICK, run_live

    face = options.emotion, options.persona, options.seed, options.setting
    animator = SpeechAnimator(*face, _tokens(options.text, options.language))
    sound = {"channels": options.channels, "format": options.format, "tolerance": ARRIVAL}
    live = LiveAnimator(animator, options.rate, options.fps, **sound)
    with _input(options.input) as pipe, _writer(options, live.fps) as writer:
        latest = 1000 * live.worst_case_latency(TICK)
        remark([f"the face follows the sound by at most {latest:.0f} ms and the time to compute"], options)
        run_live(live, pipe, writer, pace=options.pace)
    remark(_summary(live, getattr(writer, "lost", 0)), options)


def _tokens(text: str | None, language: str) -> tuple[int, ...] | None:
    """The sounds that will be heard."""
    from ..engine.speech.phones import language_of, phonemise
    from ..engine.speech.script import parse_script

    language_of(language)
    if text is None:
        return None
    script = parse_script(script_text(text))
    if script.spans or script.cues or script.pauses:
        raise TroupeError(
            "The text of a live stream has tags",
            "nobody knows yet when its words will be said",
            "Leave the tags out; --emotion takes times, too",
        )
    return phonemise(script.text, language).classes


def _summary(live: LiveAnimator, lost: int) -> Iterator[str]:
    tally = live.tally
    yield f"{tally.frames} frames of {tally.heard:.1f} s of sound; a piece took {1000 * tally.slowest:.1f} ms at most"
    if tally.gaps:
        yield f"{tally.missing:.1f} s without sound, {tally.gaps} times"
    if tally.late:
        yield f"{tally.late:.1f} s of sound came too late and were left out; sound that comes in bursts wants --pace"
    if tally.broken:
        yield f"{tally.broken} samples were no numbers; is the format right?"
    if lost:
        yield f"{lost} packets were refused by the network"


@contextmanager
def _input(name: str) -> Iterator[int]:
    """The file descriptor to read sound from."""
    if name == "-":
        if sys.stdin is None or sys.stdin.isatty():
            raise TroupeError(
                "There is no sound to read",
                "--input - reads standard input, which is a terminal",
                "Pipe raw sound into it, as 'troupe live --help' shows",
            )
        yield sys.stdin.fileno()
        return
    try:
        pipe = os.open(name, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except OSError as e:
        raise TroupeError(f"Cannot read '{name}'", e.strerror or str(e), "Check the path") from None
    try:
        yield pipe
    finally:
        os.close(pipe)


def _writer(options: argparse.Namespace, rate: Fraction) -> Writer:
    """Who takes the frames, as a context."""
    from ..engine.motion.live_link_udp import JsonLinesWriter, LiveLinkSender

    if options.to == "-":
        return JsonLinesWriter(sys.stdout, rate)
    return LiveLinkSender(options.to, rate, options.subject)
