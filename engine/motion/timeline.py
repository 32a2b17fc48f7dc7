"""A score for one face: expressions, beats and keyed channels over time, with the idle layer underneath.

One line of text is enough (``happy 0.8 @0.5-2.0 ease_out; blink @1.2``); the grammar and the JSON form are
described in ``timeline_text``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import TroupeError
from .beats import BEATS
from .curves import apply_curve, check_curve, pulse
from .face_motion import BLENDSHAPES, HEAD, MAX_FPS, FaceMotion, frame_count
from .idle import idle_layer
from .names import channel_pose
from .presets import ATTACK, EXPRESSIONS, RELEASE, overlay, preset_pose, resolve_name, sample_beat

MAX_SECONDS = 3600.0
MAX_ITEMS = 20_000
ITEM_SECONDS = 2.0  # of an expression or channel whose end is not given
DEFAULT_FPS = 25.0


@dataclass(frozen=True)
class Item:
    """Something that is there for a while.

    Attributes:
        name: A preset, a blendshape (``mouthSmile`` is both sides), or a head channel.
        start: Seconds; the face is still at rest there.
        end: Seconds; it is at rest again. ``None``: a beat's own length, else ``ITEM_SECONDS`` after the start.
        value: Intensity or weight in 0..1; degrees (90 at most) or eye distances (5 at most) for the head.
        curve: How it rises.
        attack, release: Seconds of rise and fall; ``None`` is 0.35, or less in short spans.
    """

    name: str
    start: float
    end: float | None = None
    value: float = 1.0
    curve: str = "ease_in_out"
    attack: float | None = None
    release: float | None = None

    @property
    def until(self) -> float:
        """Its end in seconds, given or not."""
        if self.end is not None:
            return self.end
        return self.start + (BEATS[self.name].seconds if self.name in BEATS else ITEM_SECONDS)


@dataclass(frozen=True)
class Key:
    """A value at a time, and the curve by which it is reached from the key before."""

    time: float
    value: float
    curve: str = "ease_in_out"


@dataclass(frozen=True)
class Track:
    """One name through keys in ascending time; the first and the last value are held outside them."""

    name: str
    keys: tuple[Key, ...]


def _bad(label: str, what: str, why: str, remedy: str) -> TroupeError:
    return TroupeError(f"{label}: {what}", why, remedy)


def check_time(value: float, label: str, what: str) -> float:
    """``value`` if it lies in 0..3600 seconds.

    Raises:
        TroupeError: if not; ``label`` says where, ``what`` which time.
    """
    if not 0 <= value <= MAX_SECONDS:
        why = "times count from 0" if value < 0 else f"a timeline lasts at most {MAX_SECONDS:g} seconds"
        raise _bad(label, f"the {what} {value:g} is out of range", why, "Give seconds from 0 to 3600")
    return float(value)


def check_value(name: str, value: float, label: str) -> float:
    """``value`` if ``name`` can take it.

    Raises:
        TroupeError: if it is out of range.
    """
    low, high, unit = 0.0, 1.0, ""
    if name in HEAD:
        high, unit = (90.0, " degrees") if name in HEAD[:3] else (5.0, " eye distances")
        low = -high
    if not low <= value <= high:
        raise _bad(
            label,
            f"the value {value:g} of '{name}' is out of range",
            f"it must lie in {low:g} to {high:g}{unit}",
            "Use 1 for full" if not unit else "Use a smaller value",
        )
    return float(value)


def check_item(item: Item, label: str) -> Item:
    """The item with its name as we spell it.

    Raises:
        TroupeError: starting with ``label`` if anything about it is wrong.
    """
    try:
        name = resolve_name(item.name, channels=True)
        check_curve(item.curve)
    except TroupeError as e:
        raise _bad(label, e.what[0].lower() + e.what[1:], e.why, e.remedy) from None
    check_time(item.start, label, "start")
    if item.end is not None:
        check_time(item.end, label, "end")
        if item.end <= item.start:
            raise _bad(
                label,
                f"it ends at {item.end:g}, not after its start at {item.start:g}",
                "an item needs time",
                f"Write '@{item.start:g}-{item.start + 1:g}', say",
            )
    for what in ("attack", "release"):
        seconds = getattr(item, what)
        if seconds is not None and not 0 <= seconds <= 60:
            raise _bad(
                label, f"the {what} {seconds:g} is out of range", "it must lie in 0 to 60 seconds", "Use 0.35"
            )
    check_value(name, item.value, label)
    return replace(item, name=name)


def check_track(track: Track, label: str) -> Track:
    """The track with its name as we spell it.

    Raises:
        TroupeError: starting with ``label`` if anything about it is wrong.
    """
    if not track.keys:
        raise _bad(label, "it has no keyframes", "a track needs at least one", "Add one or remove the track")
    before = -1.0
    for key in track.keys:
        item = check_item(Item(track.name, key.time, value=key.value, curve=key.curve), label)
        if key.time <= before:
            raise _bad(
                label,
                f"the keyframe at {key.time:g} comes after the one at {before:g}",
                "keyframes must ascend in time",
                "Sort them and give each time once",
            )
        before = key.time
    return replace(track, name=item.name)


@dataclass(frozen=True)
class Timeline:
    """What one face does and when.

    Items and tracks that overlap combine: blendshapes by ``1 - (1 - a)(1 - b)``, which saturates at 1
    whatever the order; head values by their sum (see ``presets.overlay``). Expressions that touch (one ends where another starts)
    flow into each other: the first lets go while the next one rises.

    Attributes:
        items, tracks: What happens.
        idle: Amount of blinks, gaze and breathing underneath, 0 (off) to 2.
        seed: Of the idle layer.
        fps: Frame rate ``motion`` uses if none is asked for.
        length: Seconds; default is the last end of all items and tracks.

    Raises:
        TroupeError: naming the item on anything wrong.
    """

    items: tuple[Item, ...] = ()
    tracks: tuple[Track, ...] = ()
    idle: float = 1.0
    seed: int = 0
    fps: float | None = None
    length: float | None = None

    def __post_init__(self):
        if len(self.items) + len(self.tracks) > MAX_ITEMS:
            raise TroupeError(
                "The timeline is too large",
                f"it has {len(self.items) + len(self.tracks)} items, at most {MAX_ITEMS} are possible",
                "Split it",
            )
        items = (check_item(item, f"Item {n} ('{item.name}')") for n, item in enumerate(self.items, 1))
        tracks = (check_track(t, f"Track {n} ('{t.name}')") for n, t in enumerate(self.tracks, 1))
        object.__setattr__(self, "items", tuple(items))
        object.__setattr__(self, "tracks", tuple(tracks))
        if not 0 <= self.idle <= 2:
            raise TroupeError(
                f"The idle amount {self.idle:g} is out of range", "it must lie in 0 to 2", "Use 1, or off"
            )
        if self.fps is not None and not 0 < self.fps <= MAX_FPS:
            raise TroupeError(
                f"The frame rate {self.fps:g} is out of range", f"it must lie in 0 to {MAX_FPS:g}", "Use 25"
            )
        if self.length is not None:
            check_time(self.length, "Timeline", "length")

    @classmethod
    def parse(cls, text: str) -> Timeline:
        """From one-line text, several lines, or JSON (see ``timeline_text``).

        Raises:
            TroupeError: naming the item, its line and column, and the remedy.
        """
        from .timeline_text import parse

        return parse(text)

    @classmethod
    def load(cls, path: str | Path) -> Timeline:
        """From a text or JSON file (UTF-8).

        Raises:
            TroupeError: if it cannot be read or is not a timeline.
        """
        from .timeline_text import read

        return read(path)

    def to_text(self) -> str:
        """As text that parses to an equal timeline."""
        from .timeline_text import to_text

        return to_text(self)

    def to_json(self) -> str:
        """As JSON that parses to an equal timeline."""
        from .timeline_text import to_json

        return to_json(self)

    @property
    def duration(self) -> float:
        """Seconds: ``length``, or the last end of all items and tracks (0 if there are none)."""
        if self.length is not None:
            return self.length
        ends = [item.until for item in self.items] + [track.keys[-1].time for track in self.tracks]
        return max(ends, default=0.0)

    def motion(self, fps: float | None = None, seconds: float | None = None) -> FaceMotion:
        """Play it.

        Args:
            fps: Frames per second; default the timeline's own, else 25.
            seconds: Length; default ``duration``.

        Raises:
            TroupeError: if it has no length, or one that is out of range.
        """
        fps = (self.fps or DEFAULT_FPS) if fps is None else fps
        seconds = self.duration if seconds is None else seconds
        if not seconds > 0:
            raise TroupeError(
                f"The timeline cannot last {seconds:g} seconds",
                "nothing in it says how long it is",
                "Add an item, or a length such as 'length 5'",
            )
        times = np.arange(frame_count(seconds, fps)) / fps
        shapes = np.zeros((len(times), len(BLENDSHAPES)), np.float32)
        head = np.zeros((len(times), len(HEAD)), np.float32)
        for begin, end, play in self._layers():
            part = slice(*np.searchsorted(times, (begin, end), side="left"))
            if part.start < part.stop:
                shapes[part], head[part] = overlay(shapes[part], head[part], *play(times[part]))
        shapes, head = overlay(shapes, head, *idle_layer(times, self.idle, self.seed))
        return FaceMotion(shapes, head, fps)

    def _layers(self) -> Iterator[tuple]:
        """(begin, end, function of times to blendshapes and head) of every item and track."""
        begins = {}
        for item in self.items:
            if item.name in EXPRESSIONS:
                begins.setdefault(round(item.start, 6), item)
        for item in self.items:
            follower = begins.get(round(item.until, 6)) if item.name in EXPRESSIONS else None
            yield _item_layer(item, follower)
        for track in self.tracks:
            yield 0.0, np.inf, lambda times, track=track: _track_values(track, times)


def _item_layer(item: Item, follower: Item | None) -> tuple:
    begin, end = item.start, item.until
    value = np.float32(item.value)
    if item.name in BEATS:
        length = None if item.end is None else end - begin
        return begin, end, lambda t: tuple(value * v for v in sample_beat(item.name, t - begin, length))
    short = 0.4 * (end - begin)
    attack = min(ATTACK, short) if item.attack is None else item.attack
    release = min(RELEASE, short) if item.release is None else item.release
    if follower is not None:
        end += min(release, follower.until - follower.start)
    pose = _pose(item.name)

    def play(times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        envelope = pulse(times, begin, end, attack, release, item.curve).astype(np.float32)
        return tuple((value * envelope)[:, None] * p for p in pose)

    return begin, end, play


def _pose(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Blendshapes ``[52]`` and head ``[6]`` of any name at value 1."""
    if name in EXPRESSIONS or name in BEATS:
        return preset_pose(name)
    return channel_pose({name: 1.0})


def _track_values(track: Track, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    at = np.array([k.time for k in track.keys])
    value = np.array([k.value for k in track.keys])
    i = np.searchsorted(at, times, side="right")
    out = value[np.clip(i, 0, len(at) - 1)]
    out[i == len(at)] = value[-1]
    for n in range(1, len(at)):
        inside = slice(*np.searchsorted(times, (at[n - 1], at[n])))
        p = apply_curve(track.keys[n].curve, (times[inside] - at[n - 1]) / (at[n] - at[n - 1]))
        out[inside] = value[n - 1] + (value[n] - value[n - 1]) * p
    shapes, head = _pose(track.name)
    return (out[:, None] * shapes).astype(np.float32), (out[:, None] * head).astype(np.float32)
