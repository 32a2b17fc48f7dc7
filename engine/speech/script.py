"""Scripts: what is said, with how it is felt and what the face does meanwhile, in brackets.

::

    [happy 0.7] So glad you came! [nod] [/happy]
    [sad 0.4] I had hoped [surprised 0.3] all of you [/surprised] would. [/sad] [pause 0.5] Anyway.

``[emotion value] … [/emotion]`` holds from the first to the last word in between (without a value: 1); tags nest, and
emotions that overlap mix. Other expressions (``[smile 0.5] … [/smile]``) are laid over the face. A beat (``[nod]``,
``[wink 0.8]``) begins with the next word. ``[pause 0.5]`` is silence where the text is spoken by a synthesiser; where a
recording is given, the recording says how long it pauses. ``[/]`` closes the last tag; ``[[`` is a bracket.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import TroupeError
from ..motion.beats import BEATS
from ..motion.names import find_name
from ..motion.presets import ALIASES, EXPRESSIONS
from .conditions import EMOTIONS

MAX_CHARACTERS = 50_000  # an hour of speech
MAX_TAGS = 5_000
MAX_PAUSE = 10.0
PAUSE = "pause"

_KNOWN = (*EMOTIONS, *(n for n in EXPRESSIONS if n not in EMOTIONS), *BEATS, PAUSE)
_ALIASES = ALIASES | {"contempt": "contemptuous", "silence": PAUSE, "break": PAUSE}
_EXAMPLE = "[happy 0.7] Hello! [/happy] [nod]"
_TAG = re.compile(r"\[\[|\[(?P<inside>[^\[\]\n]*)(?P<end>\]?)")
_INSIDE = re.compile(r"\s*(?P<name>[^\W\d][\w -]*?)\s*(?:[:=]?\s*(?P<value>[-+]?[\d.][\w.+-]*))?\s*")


@dataclass(frozen=True)
class Span:
    """An emotion or expression over some text: characters ``start`` to ``end`` (excluded) of ``Script.text``."""

    name: str
    value: float
    start: int
    end: int


@dataclass(frozen=True)
class Cue:
    """A beat before character ``at`` of ``Script.text``."""

    name: str
    value: float
    at: int


@dataclass(frozen=True)
class Pause:
    """Seconds of silence before character ``at`` of ``Script.text``."""

    seconds: float
    at: int


@dataclass(frozen=True)
class Script:
    """A text and what goes with it.

    Attributes:
        text: What is said, tags taken out.
        spans: Emotions and expressions, by where they begin, outer before inner.
        cues, pauses: In order.
    """

    text: str
    spans: tuple[Span, ...] = ()
    cues: tuple[Cue, ...] = ()
    pauses: tuple[Pause, ...] = ()

    def mix_at(self, character: int) -> dict[str, float]:
        """The emotions at a character of ``text``, see ``mixed``."""
        return mixed(s for s in self.spans if s.start <= character < s.end)


def mixed(spans: Iterable[Span]) -> dict[str, float]:
    """Emotions that hold at the same time as one mix: each 0 to 1, together at most 1.

    Inner tags come on top of outer ones; the same emotion again replaces, ``neutral`` calms all that is around it.

    Args:
        spans: Outer before inner; what is no emotion does not count.
    """
    mix: dict[str, float] = {}
    for span in spans:
        if span.name == "neutral":
            mix = {name: value * (1 - span.value) for name, value in mix.items()}
        elif span.name in EMOTIONS:
            mix[span.name] = span.value
    total = max(1.0, sum(mix.values()))
    return {name: value / total for name, value in mix.items() if value > 0}


def parse_script(text: str) -> Script:
    """A script from text with tags, see the module.

    Raises:
        TroupeError: naming line and column of a tag that is unknown, does not close, closes another one, or has a
            value out of range; or if the text is too long or says nothing.
    """
    if len(text) > MAX_CHARACTERS:
        raise TroupeError(
            f"The script has {len(text)} characters", f"at most {MAX_CHARACTERS} are possible", "Split it"
        )
    reader = _Reader(text)
    script = reader.read()
    if not any(c.isalnum() for c in script.text):
        raise TroupeError(
            "The script says nothing",
            "there are no words in it" if not reader.tags else "it has tags but no words",
            f"Write {_EXAMPLE}, say",
        )
    return script


@dataclass(frozen=True)
class _Open:
    name: str
    value: float
    start: int
    place: str


class _Reader:
    """One pass over the text: what is said so far, and the tags that are open."""

    def __init__(self, text: str):
        self._text, self._said, self.tags = text, "", 0
        self._open: list[_Open] = []
        self._spans: list[Span] = []
        self._cues: list[Cue] = []
        self._pauses: list[Pause] = []

    def read(self) -> Script:
        at = 0
        for match in _TAG.finditer(self._text):
            self._say(self._text[at : match.start()])
            at = match.end()
            if match["inside"] is None:
                self._said += "["
            else:
                self._tag(match)
        self._say(self._text[at:])
        if self._open:
            last = self._open[-1]
            raise TroupeError(
                f"The script's tag [{last.name}] at {last.place} never closes",
                "an emotion holds for the text up to its closing tag",
                f"Write [/{last.name}] where it ends",
            )
        spans = sorted(self._spans, key=lambda s: (s.start, -s.end))
        return Script(self._said, tuple(spans), tuple(self._cues), tuple(self._pauses))

    def _say(self, text: str) -> None:
        self._said += text.replace("]]", "]")

    def _place(self, at: int) -> str:
        line = self._text.count("\n", 0, at) + 1
        return f"line {line}, column {at - self._text.rfind(chr(10), 0, at)}"

    def _tag(self, match: re.Match) -> None:
        place = self._place(match.start())
        self.tags += 1
        if self.tags > MAX_TAGS:
            raise TroupeError("The script has too many tags", f"at most {MAX_TAGS} are possible", "Split it")
        inside = match["inside"].strip()
        if not match["end"]:
            raise TroupeError(
                f"The script's tag at {place} has no closing bracket",
                f"it begins '[{inside[:30]}'",
                "Write ']' behind the tag, or '[[' for a bracket that is said",
            )
        if inside.startswith("/"):
            self._close(inside[1:].strip(), place)
            return
        parsed = _INSIDE.fullmatch(inside)
        if not parsed:
            raise TroupeError(
                f"The script's tag [{inside[:40]}] at {place} cannot be read",
                "a tag is a name and perhaps a number",
                f"Write it like {_EXAMPLE}",
            )
        name = self._name(parsed["name"], place)
        self._begin(name, self._value(name, parsed["value"], place), place)

    def _name(self, name: str, place: str) -> str:
        try:
            return find_name(name, _KNOWN, "tag", _ALIASES)
        except TroupeError as e:
            remedy = f"{e.remedy}; '[[' is a bracket that is said"
            raise TroupeError(f"{e.what} at {place} of the script", e.why, remedy) from None

    def _value(self, name: str, text: str | None, place: str) -> float:
        low, high, unit = (0.0, MAX_PAUSE, " seconds") if name == PAUSE else (0.0, 1.0, "")
        if text is None:
            if name == PAUSE:
                raise TroupeError(
                    f"The script's [pause] at {place} has no length", "it needs seconds", "Write [pause 0.5]"
                )
            return 1.0
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise TroupeError(
                f"The value '{text[:20]}' of [{name}] at {place} of the script is not possible",
                f"it must be a number of {low:g} to {high:g}{unit}",
                f"Write [{name} 0.5]",
            )
        return value

    def _begin(self, name: str, value: float, place: str) -> None:
        if name == PAUSE:
            self._pauses.append(Pause(value, len(self._said)))
        elif name in BEATS:
            self._cues.append(Cue(name, value, len(self._said)))
        else:
            self._open.append(_Open(name, value, len(self._said), place))

    def _close(self, name: str, place: str) -> None:
        name = self._name(name, place) if name else ""
        if name in BEATS or name == PAUSE:
            raise TroupeError(
                f"The script's tag [/{name}] at {place} closes nothing",
                f"a {'pause' if name == PAUSE else 'beat'} stands alone",
                f"Write [{name}{' 0.5' * (name == PAUSE)}] without a closing tag",
            )
        if not self._open:
            raise TroupeError(
                f"The script's tag [/{name}] at {place} closes nothing",
                "no emotion is open there",
                f"Write [{name or 'happy'}] where it begins, or remove it",
            )
        last = self._open.pop()
        if name not in ("", last.name):
            raise TroupeError(
                f"The script's tag [/{name}] at {place} closes the wrong one",
                f"[{last.name}] of {last.place} is still open",
                f"Write [/{last.name}] first: tags close in the reverse of their order",
            )
        self._spans.append(Span(last.name, last.value, last.start, len(self._said)))
