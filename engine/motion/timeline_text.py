"""Reading and writing timelines as text and JSON.

Text: items separated by ``;`` or line ends, ``#`` starts a comment. Times are seconds::

    happy 0.8 @0.5-2.0 ease_out       name [value] @start[-end] [curve] [attack=s] [release=s]
    blink @1.2                        a beat without an end plays at its own speed
    pitch 10 @1-2                     head channels: pitch yaw roll in degrees, x y z in eye distances
    jawOpen 0 @0, 0.4 @0.5 ease_out, 0 @1      keyframes: value @time [curve], separated by commas
    idle 0.5   seed 3   fps 25   length 8      settings; also "idle on" and "idle off"

JSON, all keys but a name and a time optional::

    {"format": "troupe-timeline", "version": 1, "fps": 25, "duration": 8, "seed": 3, "idle": 0.5,
     "items": [{"name": "happy", "value": 0.8, "start": 0.5, "end": 2.0, "curve": "ease_out",
                "attack": 0.35, "release": 0.35}],
     "tracks": [{"name": "jawOpen", "keyframes": [{"time": 0, "value": 0},
                                                  {"time": 0.5, "value": 0.4, "curve": "ease_out"}]}]}
"""

from __future__ import annotations

import difflib
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import TroupeError
from .face_motion import HEAD
from .timeline import Item, Key, Timeline, Track, check_item, check_track

FORMAT = "troupe-timeline"
MAX_CHARACTERS = 2_000_000
SETTINGS = ("idle", "seed", "fps", "length")
EXAMPLE = "happy 0.8 @0.5-2.0 ease_out; blink @1.2"

_TOKEN = re.compile(
    r"(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?:s\b)?|(?P<word>[^\W\d]\w*)|(?P<mark>[@,=–-])|(?P<bad>\S)"
)


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    column: int


def parse(text: str) -> Timeline:
    """A timeline from text or JSON, see the module.

    Raises:
        TroupeError: naming the item, its line and column, and the remedy.
    """
    if len(text) > MAX_CHARACTERS:
        raise TroupeError(
            "The timeline is too long",
            f"it has {len(text)} characters, at most {MAX_CHARACTERS} are possible",
            "Split it",
        )
    if not text.strip():
        raise TroupeError("The timeline is empty", "there is no text", f"Write '{EXAMPLE}', say")
    return _from_json(text) if text.lstrip()[0] in "{[" else _from_text(text)


def read(path: str | Path) -> Timeline:
    """A timeline from a UTF-8 file.

    Raises:
        TroupeError: if it cannot be read or is not a timeline.
    """
    path = Path(path)
    try:
        if path.stat().st_size > 4 * MAX_CHARACTERS:
            raise TroupeError(f"The timeline '{path.name}' is too large", "it has more than 8 MB", "Split it")
        return parse(path.read_text("utf-8-sig"))
    except UnicodeDecodeError as e:
        raise TroupeError(
            f"'{path.name}' is not a timeline", f"byte {e.start} is not UTF-8 text", "Save it as UTF-8 text"
        ) from None
    except OSError as e:
        raise TroupeError(
            f"Cannot read the timeline '{path}'", e.strerror or str(e), "Check the path"
        ) from None


# --- text ------------------------------------------------------------------------------------------------------


class _Reader:
    """The tokens of one item, and errors that say where."""

    def __init__(self, text: str, number: int, line: int, column: int):
        begin = column + len(text) - len(text.lstrip()) + 1
        self.label = f"Item {number} ('{text.strip()[:60]}', line {line}, column {begin})"
        self.tokens = [
            _Token(m.lastgroup or "", m[m.lastgroup], column + m.start() + 1) for m in _TOKEN.finditer(text)
        ]
        self.at = 0

    def peek(self, kind: str = "", text: str = "") -> bool:
        """Whether the next token is there and is as asked."""
        if self.at >= len(self.tokens):
            return False
        token = self.tokens[self.at]
        return (not kind or token.kind == kind) and (not text or token.text == text)

    def take(self) -> _Token:
        self.at += 1
        return self.tokens[self.at - 1]

    def accept(self, text: str) -> bool:
        found = self.peek("mark", text)
        self.at += found
        return found

    def fail(self, wanted: str) -> TroupeError:
        if self.at < len(self.tokens):
            token = self.tokens[self.at]
            why = f"{wanted} expected, '{token.text}' found in column {token.column}"
        else:
            why = f"{wanted} expected, but it ends there"
        return TroupeError(f"{self.label} cannot be read", why, f"Write it like '{EXAMPLE}'")

    def number(self, wanted: str) -> float:
        """A number with an optional minus."""
        sign = -1.0 if self.accept("-") else 1.0
        if not self.peek("number"):
            raise self.fail(wanted)
        return sign * float(self.take().text)

    def is_number(self) -> bool:
        return self.peek("number") or self.peek("mark", "-")


def _from_text(text: str) -> Timeline:
    items: list[Item] = []
    tracks: list[Track] = []
    settings: dict[str, Any] = {}
    number = 0
    for line, content in enumerate(text.splitlines(), 1):
        column = 0
        for part in content.partition("#")[0].split(";"):
            if part.strip():
                number += 1
                _read_item(_Reader(part, number, line, column), items, tracks, settings)
            column += len(part) + 1
    if not number:
        raise TroupeError("The timeline is empty", "there are only comments", f"Write '{EXAMPLE}', say")
    return Timeline(tuple(items), tuple(tracks), **settings)


def _read_item(reader: _Reader, items: list[Item], tracks: list[Track], settings: dict[str, Any]) -> None:
    if not reader.peek("word"):
        raise reader.fail("a name")
    name = reader.take().text
    if name.lower() in SETTINGS and not reader.peek("mark", "@"):
        key = name.lower()
        if key in settings:
            raise TroupeError(
                f"{reader.label}: '{key}' is set twice", "it can have one value", "Remove one of them"
            )
        settings[key] = _read_setting(reader, key)
        return
    keys = [_read_key(reader, name)]
    if not reader.peek("mark", ","):
        items.append(check_item(keys[0], reader.label))
        return
    while reader.accept(","):
        if reader.at < len(reader.tokens):
            keys.append(_read_key(reader, name))
    if any(k.end is not None or k.attack is not None or k.release is not None for k in keys):
        raise TroupeError(
            f"{reader.label}: a keyframe has an end, an attack or a release",
            "items separated by commas are keyframes, which have one time each",
            "Separate items by ';'",
        )
    track = Track(name, tuple(Key(k.start, k.value, k.curve) for k in keys))
    tracks.append(check_track(track, reader.label))


def _read_setting(reader: _Reader, key: str) -> float | int:
    switch = {"on": 1.0, "off": 0.0}
    if key == "idle" and reader.peek("word") and reader.tokens[reader.at].text.lower() in switch:
        value = switch[reader.take().text.lower()]
    else:
        value = reader.number("a number" + (", on or off" if key == "idle" else ""))
    if reader.at < len(reader.tokens):
        raise reader.fail("nothing more")
    if key == "seed":
        return _seed(value, reader.label)
    return value


def _seed(value: Any, label: str) -> int:
    if not (
        isinstance(value, (int, float)) and value == value and 0 <= value < 2**64 and value == int(value)
    ):
        raise TroupeError(
            f"{label}: the seed {value} is not possible", "it must be a whole number from 0", "Use 0"
        )
    return int(value)


def _read_key(reader: _Reader, name: str) -> Item:
    """``[value] @start[-end] [curve] [attack=s] [release=s]``."""
    value = reader.number("a value") if reader.is_number() else None
    if not reader.accept("@"):
        raise reader.fail("'@' and a time in seconds")
    start = reader.number("a time in seconds")
    end = None
    if reader.accept("-") or reader.accept("–"):
        end = reader.number("an end in seconds")
    if value is None:
        if name.lower() in HEAD:
            raise TroupeError(
                f"{reader.label}: '{name}' has no value",
                "head channels need one: degrees for pitch, yaw and roll, eye distances for x, y and z",
                f"Write '{name} 8 @{start:g}'",
            )
        value = 1.0
    more: dict[str, Any] = {}
    while reader.peek("word"):
        word = reader.take().text
        if not reader.accept("="):
            key, got = "curve", word
        elif word in ("attack", "release"):
            key, got = word, reader.number("a number of seconds")
        else:
            raise TroupeError(
                f"{reader.label}: unknown setting '{word}='", "known are attack= and release=", "Remove it"
            )
        if key in more:
            raise TroupeError(
                f"{reader.label}: two values for its {key}", f"'{got}' is the second", "Remove one"
            )
        more[key] = got
    if reader.at < len(reader.tokens) and not reader.peek("mark", ","):
        raise reader.fail("';' or a curve")
    return Item(name, start, end, value, **more)


def _number(value: float) -> str:
    return repr(float(value)).removesuffix(".0")


def _moment(value: float, start: float, curve: str, end: float | None = None) -> str:
    until = "" if end is None else "-" + _number(end)
    return f"{_number(value)} @{_number(start)}{until}" + ("" if curve == "ease_in_out" else " " + curve)


def to_text(timeline: Timeline) -> str:
    """Text that parses to an equal timeline."""
    out = []
    for key in SETTINGS:
        value = getattr(timeline, key)
        if value != getattr(Timeline, key):
            out.append(f"{key} {value if key == 'seed' else _number(value)}")
    for i in timeline.items:
        text = f"{i.name} {_moment(i.value, i.start, i.curve, i.end)}"
        for key in ("attack", "release"):
            if getattr(i, key) is not None:
                text += f" {key}={_number(getattr(i, key))}"
        out.append(text)
    for t in timeline.tracks:
        keys = [_moment(k.value, k.time, k.curve) for k in t.keys]
        out.append(f"{t.name} {', '.join(keys)}" + ("," if len(keys) == 1 else ""))
    return "; ".join(out) or "idle 1"


# --- JSON ------------------------------------------------------------------------------------------------------

_TOP = ("format", "version", "fps", "duration", "seed", "idle", "items", "tracks")
_ITEM = ("name", "value", "start", "end", "curve", "attack", "release")


def _fields(data: Any, known: tuple[str, ...], needed: tuple[str, ...], label: str) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise TroupeError(f"{label} is not a JSON object", f"it is {data!r:.60}", 'Write {"name": ...}')
    for key in data:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            raise TroupeError(
                f"{label} has an unknown key '{key}'",
                f"known are {', '.join(known)}",
                f"Perhaps '{near[0]}' is meant" if near else "Remove it",
            )
    for key in needed:
        if key not in data:
            raise TroupeError(f"{label} has no '{key}'", f"it needs {', '.join(needed)}", "Add it")
    for key, value in data.items():
        wanted = (
            str
            if key in ("name", "curve", "format")
            else list
            if key in ("items", "tracks", "keyframes")
            else None
        )
        right = isinstance(value, wanted) if wanted else type(value) in (int, float)
        if not right and not (value is None and key not in needed):
            kind = "text" if wanted is str else "a list" if wanted is list else "a number"
            raise TroupeError(f"{label}: '{key}' is not {kind}", f"it is {value!r:.60}", f"Give {kind}")
    return {k: v for k, v in data.items() if v is not None}


def _whole(digits: str) -> int | float:
    """A whole number; infinity if it is larger than any float, where Python would refuse to read or to show it."""
    number = float(digits)
    return int(digits) if math.isfinite(number) else number


def _from_json(text: str) -> Timeline:
    try:
        data = json.loads(text, parse_int=_whole, parse_constant=lambda name: name)
    except (json.JSONDecodeError, RecursionError) as e:
        where = (
            f"line {e.lineno}, column {e.colno}: {e.msg}"
            if isinstance(e, json.JSONDecodeError)
            else "nested too deeply"
        )
        raise TroupeError("The timeline is not valid JSON", where, "Correct it there") from None
    top = _fields(data, _TOP, (), "The timeline")
    if top.get("format", FORMAT) != FORMAT or top.get("version", 1) != 1:
        raise TroupeError(
            "This JSON is not a timeline",
            f"it says format '{top.get('format', FORMAT)}', version {top.get('version', 1)}",
            f"Use format '{FORMAT}', version 1",
        )
    items, tracks = [], []
    for n, entry in enumerate(top.get("items", ()), 1):
        label = f"Item {n}"
        values = _fields(entry, _ITEM, ("name", "start"), label)
        if values["name"].lower() in HEAD and "value" not in values:
            raise TroupeError(
                f"{label} ('{values['name']}') has no 'value'", "head channels need one", "Add it"
            )
        items.append(check_item(Item(**values), f"{label} ('{values['name']}')"))
    for n, entry in enumerate(top.get("tracks", ()), 1):
        label = f"Track {n}"
        values = _fields(entry, ("name", "keyframes"), ("name", "keyframes"), label)
        label = f"{label} ('{values['name']}')"
        fields = ("time", "value", "curve")
        keys = (
            Key(**_fields(k, fields, fields[:2], f"{label}, keyframe {m}"))
            for m, k in enumerate(values["keyframes"], 1)
        )
        tracks.append(check_track(Track(values["name"], tuple(keys)), label))
    if not items and not tracks and not top.keys() & {"duration", "idle"}:
        raise TroupeError("The timeline is empty", "it has no items and no tracks", "Add an item")
    settings = {k: top[k] for k in ("fps", "idle") if k in top}
    return Timeline(
        tuple(items),
        tuple(tracks),
        seed=_seed(top.get("seed", 0), "The timeline"),
        length=top.get("duration"),
        **settings,
    )


def to_json(timeline: Timeline) -> str:
    """JSON that parses to an equal timeline."""
    data: dict[str, Any] = {"format": FORMAT, "version": 1}
    data |= {"fps": timeline.fps, "duration": timeline.length, "seed": timeline.seed, "idle": timeline.idle}
    data["items"] = [{k: v for k in _ITEM if (v := getattr(item, k)) is not None} for item in timeline.items]
    data["tracks"] = [
        {"name": t.name, "keyframes": [{"time": k.time, "value": k.value, "curve": k.curve} for k in t.keys]}
        for t in timeline.tracks
    ]
    return json.dumps({k: v for k, v in data.items() if v is not None}, indent=1)
