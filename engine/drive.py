"""What a drive is: from the text that names it to the motion it means.

A drive is, in this order:

1. a file that exists: a motion (``.csv``, ``.npz``, ``.json``), a timeline (``.txt``, ``.json``), a recording of
   speech (``.wav`` and others; ``speech.wav@2.5`` begins after 2.5 seconds), else a clip; ``clip.mp4#2`` takes the
   second person from the left;
2. a preset with an optional intensity: ``happy``, ``happy 0.8``, ``happy:0.8``; or ``idle``, likewise;
3. a timeline: ``happy 0.8 @0.5-2.0 ease_out; blink @1.2``.

So a file without an ending that is called ``happy`` hides the preset of that name; ``happy:1`` names it still.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .drive_clips import Clips
from .drive_speech import Recording, Voice, mixed, read_recording, spoken
from .errors import TroupeError
from .motion import FaceMotion
from .motion.edit import loop as repeat
from .motion.files import load_motion
from .motion.presets import PRESETS, check_intensity, preset_motion, resolve_name
from .motion.timeline import DEFAULT_FPS, Timeline
from .progress import Progress
from .video.audio import Audio
from .video.files import check_input
from .video.rates import MAX_RATE

DEFAULT_SECONDS = 4.0  # of a drive that has no length of its own
MAX_SECONDS = 3600.0

_CLIPS = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".gif", ".mpg", ".mpeg", ".ts", ".wmv", ".flv")
_SOUNDS = (".wav", ".mp3", ".flac", ".ogg", ".opus", ".m4a", ".aac", ".wma", ".aif", ".aiff")
_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".heic", ".avif")
_MOTIONS = (".csv", ".npz")
_NAMED = re.compile(r"(?P<name>[A-Za-z][\w -]*?)\s*[:\s]?\s*(?P<value>-?\d*\.?\d+)?")


@dataclass(frozen=True)
class Drive:
    """What a drive's text means, before anything long is read.

    Attributes:
        text: As the user wrote it.
        kind: ``clip``, ``motion``, ``speech``, ``timeline`` or ``preset``.
        path: The file of a clip, motion or recording.
        person: The person of a clip, 1 is the leftmost.
        preset: Name of the preset.
        intensity: Of the preset, 0..1.
        timeline: The timeline itself.
        start: Seconds of silence before a recording.
        voice: How a recording is spoken.
    """

    text: str
    kind: str
    path: Path | None = None
    person: int = 1
    preset: str = ""
    intensity: float = 1.0
    timeline: Timeline | None = None
    start: float = 0.0
    voice: Voice = Voice()


@dataclass(frozen=True, eq=False)
class Drives:
    """Drives that play together.

    Attributes:
        motions: One per drive, in their order, all at ``fps``.
        fps: Frames per second, ``Fraction`` or float.
        seconds: Length of the whole.
        sound: All recordings among the drives together, else the first clip that has sound.
        notes: Remarks for the user.
    """

    motions: tuple[FaceMotion, ...]
    fps: float
    seconds: float
    sound: Path | Audio | None
    notes: tuple[str, ...]


def parse_drive(text: str, *, person: int = 1, voice: Voice | None = None) -> Drive:
    """What ``text`` means as a drive; files are only looked at, not read.

    Args:
        text: See the module.
        person: Of a clip, if the text does not say.
        voice: For recordings of speech; an error with any other drive.

    Raises:
        TroupeError: if it means nothing, saying what it could be.
    """
    drive = _parsed(text.strip(), person)
    if voice is None or voice == Voice():
        return drive
    if drive.kind != "speech":
        raise TroupeError(
            f"The drive '{drive.text}' speaks no text and has no voice",
            f"it is a {drive.kind}; text, emotion and persona go with a recording of speech",
            "Use a recording (.wav), or leave them out",
        )
    return replace(drive, voice=voice)


def _parsed(text: str, person: int) -> Drive:
    if not text:
        raise TroupeError(
            "The drive is empty", "it must be a clip, a motion file, a timeline or a preset", "Name one"
        )
    path = Path(text).expanduser()
    if _exists(path):
        return _from_file(text, path, person)
    numbered = re.fullmatch(r"(.+)#(\d{1,3})", text)
    if numbered and _exists(Path(numbered[1]).expanduser()):
        return _from_file(text, Path(numbered[1]).expanduser(), int(numbered[2]))
    late = re.fullmatch(r"(.+)@(\d+(?:\.\d+)?)s?", text)
    if late and _exists(Path(late[1]).expanduser()):
        drive = _from_file(text, Path(late[1]).expanduser(), person)
        if drive.kind == "speech":
            _check_range(float(late[2]) or None, "start of the speech", MAX_SECONDS, "0")
            return replace(drive, start=float(late[2]))
        if _looks_like_file(late[1]):
            raise TroupeError(
                f"The drive '{text}' cannot begin late",
                f"it is a {drive.kind}, only recordings of speech have a start",
                f"Write '{late[1]}'",
            )
    name = (numbered or late)[1] if numbered or late else text
    if text[0] not in "{[" and _looks_like_file(name):
        check_input(name, "drive")  # says that it is not there
    return _preset(text) or _timeline(text)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long for a name, or a zero byte: not a file then
        return False


def _looks_like_file(text: str) -> bool:
    suffix = Path(text.partition("#")[0]).suffix.lower()
    return (
        "/" in text or "\\" in text or suffix in (*_CLIPS, *_SOUNDS, *_PICTURES, *_MOTIONS, ".json", ".txt")
    )


def _from_file(text: str, path: Path, person: int) -> Drive:
    path = check_input(path, "drive")
    suffix = path.suffix.lower()
    if suffix in _SOUNDS:
        return Drive(text, "speech", path)
    if suffix in _PICTURES:
        raise TroupeError(
            f"'{path.name}' cannot drive a face",
            "it is a still picture, nothing moves in it",
            f"Use {_what_can_be()}",
        )
    if suffix == ".txt" or (suffix == ".json" and _is_timeline(path)):
        return Drive(text, "timeline", timeline=Timeline.load(path))
    if suffix in (*_MOTIONS, ".json"):
        return Drive(text, "motion", path)
    if person < 1:
        raise TroupeError(f"Person {person} does not exist", "persons count from 1, left to right", "Use #1")
    return Drive(text, "clip", path, person)


def _is_timeline(path: Path) -> bool:
    """Whether a JSON file is a timeline rather than a motion, by the words near its begin."""
    with path.open("rb") as file:
        begin = file.read(1 << 16)
    return b"troupe-motion" not in begin and any(
        w in begin for w in (b"troupe-timeline", b'"items"', b'"tracks"')
    )


def _preset(text: str) -> Drive | None:
    named = _NAMED.fullmatch(text)
    if not named:
        return None
    value = float(named["value"] or 1)
    if named["name"].lower() == "idle":
        return Drive(text, "timeline", timeline=Timeline(idle=value))
    try:
        name = resolve_name(named["name"])
    except TroupeError:
        return None
    return Drive(text, "preset", preset=name, intensity=check_intensity(value, name))


def _timeline(text: str) -> Drive:
    try:
        return Drive(text, "timeline", timeline=Timeline.parse(text))
    except TroupeError:
        if any(mark in text for mark in "@;{["):  # certainly meant as one: its own error says what is wrong
            raise
    remedy = f"Use {_what_can_be()}"
    try:
        resolve_name(_NAMED.fullmatch(text)["name"] if _NAMED.fullmatch(text) else text)
    except TroupeError as error:
        if error.remedy.startswith("Perhaps"):
            remedy = f"{error.remedy}; else use {_what_can_be()}"
    raise TroupeError(f"'{text}' is no drive", "there is no such file, preset or timeline", remedy)


def _what_can_be() -> str:
    return (
        "a clip, a recording of speech (.wav), a motion file (.csv, .json, .npz), a timeline ('happy 0.8 @0.5-2.0; blink @1.2') "
        f"or a preset ({', '.join(PRESETS)}, idle)"
    )


def open_drive(
    drive: str | Drive,
    *,
    fps: float | None = None,
    seconds: float | None = None,
    face: int = 1,
    model_path: str | Path | None = None,
    progress: Progress | None = None,
) -> FaceMotion:
    """The motion that a drive means.

    Args:
        drive: Text (see the module) or its ``Drive``.
        fps: Frames per second; default the drive's own, else 25.
        seconds: Longest to read of a clip or motion; length of a preset or timeline, default 4 or its own.
        face: The person of a clip, if the text does not say; 1 is the leftmost.
        model_path: Face model, see ``find_faces``.
        progress: Called with frames done and in all while a clip is read.

    Raises:
        TroupeError: if the text means nothing, or what it names cannot be used.
    """
    drive = parse_drive(drive, person=face) if isinstance(drive, str) else drive
    only = open_drives([drive], fps=fps, seconds=seconds, model_path=model_path, progress=progress)
    return only.motions[0]


def open_drives(
    drives: Sequence[str | Drive],
    *,
    fps: float | None = None,
    seconds: float | None = None,
    loop: bool = False,
    model_path: str | Path | None = None,
    progress: Progress | None = None,
) -> Drives:
    """Drives that play together, brought to one frame rate and length.

    The rate is that of the first clip or motion, else of the first timeline that has one, else 25. The length is
    that of the longest clip, recording, motion or timeline, else 4 seconds. What is shorter goes on: a preset lasts
    as long as the whole, a timeline's face idles, who has spoken listens, a clip or motion holds its last frame or
    repeats.

    Args:
        drives: Texts or parsed; a clip that several of them name is read once.
        fps, seconds: Instead of the drives' own.
        loop: Repeat what is shorter than the whole.
        model_path, progress: As in ``open_drive``.

    Raises:
        TroupeError: as ``open_drive``, or on a rate or length out of range.
    """
    parsed = [parse_drive(d) if isinstance(d, str) else d for d in drives]
    _check_range(fps, "frame rate", MAX_RATE, "25 or 30")
    _check_range(seconds, "length in seconds", MAX_SECONDS, "the drive's own")
    clips = Clips(seconds, model_path, progress)
    motions: dict[int, FaceMotion] = {}
    recordings: dict[int, Recording] = {}
    for i, drive in enumerate(parsed):
        if drive.kind == "clip":
            motions[i] = clips.motion(drive.path, drive.person)
        elif drive.kind == "motion":
            motions[i] = load_motion(drive.path)
        elif drive.kind == "speech":
            recordings[i] = read_recording(drive.path, drive.start, seconds)
    timelines = [d.timeline for d in parsed if d.timeline is not None]
    own = [m.fps for m in motions.values()] + [t.fps for t in timelines if t.fps]
    fps = fps or next((f for f in own if f <= MAX_RATE), min([*own, DEFAULT_FPS]))
    lengths = [m.duration for m in motions.values()] + [t.duration for t in timelines]
    lengths += [r.seconds for r in recordings.values()]
    seconds = seconds or min(max(lengths, default=0.0), MAX_SECONDS) or DEFAULT_SECONDS
    notes = list(clips.notes)
    for i, recording in recordings.items():
        # Two who speak do not blink together.
        voice = replace(parsed[i].voice, seed=parsed[i].voice.seed + i)
        motions[i], remarks = spoken(recording, voice, fps, seconds, progress)
        notes += [f"{parsed[i].path.name}: {remark}" for remark in remarks]
    for i, drive in enumerate(parsed):
        if i not in motions:
            motions[i] = _written(drive, fps, seconds, loop)
        if loop and motions[i].duration < seconds:
            motions[i] = repeat(motions[i], seconds)
    frames = max(1, round(seconds * fps))
    together = tuple(
        motions[i].resample(fps, min(frames, max(1, round(motions[i].duration * fps))))
        for i in range(len(parsed))
    )
    sound = mixed(list(recordings.values()), frames / fps) if recordings else clips.sound
    return Drives(together, fps, frames / fps, sound, tuple(notes))


def _check_range(value: float | None, what: str, most: float, usual: str) -> None:
    if value is not None and not 0 < value <= most:  # NaN too
        raise TroupeError(
            f"The {what} {value} is out of range", f"it must lie in 0 to {most:g}", f"Use {usual}"
        )


def _written(drive: Drive, fps: float, seconds: float, loop: bool) -> FaceMotion:
    """A preset or timeline as motion."""
    if drive.timeline is None:
        return preset_motion(drive.preset, drive.intensity, seconds=seconds, fps=fps)
    own = drive.timeline.duration
    return drive.timeline.motion(fps, min(own, seconds) if loop and own else seconds)
