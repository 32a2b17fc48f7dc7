"""An alignment as text for other programs: JSON by word, and SubRip subtitles."""

from __future__ import annotations

import json

from .align import AlignedWord, Alignment

LINE = 42  # characters, the usual length of a line
PAUSE = 0.6  # seconds of silence that end a line
LONGEST = 6.0  # seconds


def words_json(alignment: Alignment) -> str:
    """A list with ``text``, ``start``, ``end`` (seconds) and ``confidence`` of each word that is said."""
    words = [
        {
            "text": w.text,
            "start": round(w.start, 3),
            "end": round(w.end, 3),
            "confidence": round(w.confidence, 3),
        }
        for w in alignment.words
        if w.said
    ]
    return json.dumps(words, ensure_ascii=False, indent=1)


def subtitles(alignment: Alignment) -> str:
    """SubRip (.srt): lines of at most 42 characters and 6 seconds that end at pauses."""
    lines: list[list[AlignedWord]] = []
    for word in alignment.words:
        if not word.said:
            continue
        line = lines[-1] if lines else None
        fits = line is not None and len(_text(line)) + 1 + len(word.text) <= LINE
        if fits and word.start - line[-1].end < PAUSE and word.end - line[0].start <= LONGEST:
            line.append(word)
        else:
            lines.append([word])
    return "\n".join(
        f"{i}\n{_stamp(line[0].start)} --> {_stamp(line[-1].end)}\n{_text(line)}\n"
        for i, line in enumerate(lines, 1)
    )


def _text(line: list[AlignedWord]) -> str:
    return " ".join(word.text for word in line)


def _stamp(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    return (
        f"{milliseconds // 3_600_000:02}:{milliseconds // 60_000 % 60:02}:"
        f"{milliseconds // 1000 % 60:02},{milliseconds % 1000:03}"
    )
