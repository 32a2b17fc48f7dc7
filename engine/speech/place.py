"""A script's tags in time: emotions and beats where the words they belong to are said."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..motion.timeline import Item, Timeline
from .align import Alignment
from .conditions import EMOTIONS
from .emotion import EmotionTrack, emotion_mix
from .script import Script, Span, mixed

HOLD = 0.8  # seconds that an emotion lasts into the pause behind its last word


@dataclass(frozen=True, eq=False)
class Placed:
    """What the tags do, and when.

    Attributes:
        emotion: The emotions over time; ``None`` if the script names none that is said.
        timeline: Beats and other expressions, to be laid over the face (``Timeline.motion``); ``None`` if there are none.
        notes: Tags whose words are not said, one sentence each.
    """

    emotion: EmotionTrack | None
    timeline: Timeline | None
    notes: tuple[str, ...] = ()


def place(script: Script, alignment: Alignment) -> Placed:
    """Put a script's tags where their words are said.

    An emotion begins with its first word that is said, and lasts to the next word after it (``HOLD`` seconds into a
    longer pause). A beat begins with the next word that is said, after the last one where the last one ends. Tags
    around words that are not said are left out, and named.

    Args:
        script: The tags.
        alignment: Of ``script.text``.
    """
    timed: list[tuple[Span, float, float]] = []
    notes: list[str] = []
    for span in script.spans:
        start, end = alignment.begins(span.start), alignment.ended(span.end)
        if start is None or end is None or end <= start:
            inside = " ".join(script.text[span.start : span.end].split())[:40]
            notes.append(f"[{span.name}] is left out: '{inside}' is not said.")
            continue
        following = alignment.begins(span.end)
        timed.append((span, start, min(end + HOLD, alignment.seconds if following is None else following)))
    items = [Item(s.name, a, b, s.value) for s, a, b in timed if s.name not in EMOTIONS]
    for cue in script.cues:
        at = alignment.begins(cue.at)
        at = alignment.ended(cue.at) if at is None else at
        if at is None:
            notes.append(f"[{cue.name}] is left out: nothing of the text is said.")
        else:
            items.append(Item(cue.name, at, value=cue.value))
    items.sort(key=lambda item: item.start)
    return Placed(_track(timed), Timeline(tuple(items), idle=0.0) if items else None, tuple(notes))


def _track(timed: list[tuple[Span, float, float]]) -> EmotionTrack | None:
    """Emotions that hold from moment to moment."""
    timed = [t for t in timed if t[0].name in EMOTIONS]
    if not timed:
        return None
    times = sorted({0.0, *(t for _, *both in timed for t in both)})
    mixes = [emotion_mix(mixed(s for s, a, b in timed if a <= time < b)) for time in times]
    return EmotionTrack(np.array(times), np.stack(mixes), np.ones(len(times), bool))
