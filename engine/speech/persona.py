"""Personas: how somebody speaks, apart from what is felt, as a handful of numbers.

The network learned ``articulation``, ``range`` and ``smile``; the others set the rules for blinks, brows, gaze and head.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from ..errors import TroupeError
from ..motion.names import find_name

# What each number may be: the first three as far as the network has been trained.
RANGES: dict[str, tuple[float, float]] = {
    "articulation": (0.5, 1.5), "range": (0.4, 1.6), "smile": (0.0, 1.0), "asymmetry": (-1.0, 1.0),
    "blink_rate": (0.0, 60.0), "brow_rate": (0.0, 40.0), "head": (0.0, 2.0), "gaze": (0.0, 2.0),
}  # fmt: skip
MAX_LENGTH = 20_000  # characters
_MAX_NAME = 80
_HOW = "Write for example 'name: anna', 'range: 1.2', 'blink_rate: 20' on lines of their own"


@dataclass(frozen=True)
class Persona:
    """A way of speaking.

    Attributes:
        name: For messages.
        articulation: How far jaw and lips move with the speech, 0.5 to 1.5; lips still close where they must.
        range: How strongly emotions and brows show, 0.4 to 1.6.
        smile: A smile underneath everything, 0 to 1.
        asymmetry: -1 to 1: above 0 the left side of the face moves more, below 0 the right one.
        blink_rate: Blinks a minute, 0 to 60.
        brow_rate: Raised brows per minute of speech, 0 to 40.
        head: Amount of head motion, 0 to 2.
        gaze: Amount of eye motion, 0 to 2.

    Raises:
        TroupeError: if a value is no number or out of range.
    """

    name: str = "neutral"
    articulation: float = 1.0
    range: float = 1.0
    smile: float = 0.0
    asymmetry: float = 0.0
    blink_rate: float = 17.0
    brow_rate: float = 10.0
    head: float = 1.0
    gaze: float = 1.0

    def __post_init__(self):
        if not isinstance(self.name, str) or not 0 < len(self.name.strip()) <= _MAX_NAME:
            raise TroupeError(
                f"The persona's name {str(self.name)[:_MAX_NAME]!r} is not valid",
                f"it must be text of at most {_MAX_NAME} characters",
                "Write it in quotes",
            )
        for key, (low, high) in RANGES.items():
            value = getattr(self, key)
            number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
            if not number or not low <= value <= high:
                raise TroupeError(
                    f"The persona '{self.name}' has {key} {value!r}",
                    f"it must be a number in {low:g} to {high:g}",
                    f"Use {getattr(Persona, key):g} or leave it out",
                )
            object.__setattr__(self, key, float(value))

    def vector(self) -> np.ndarray:
        """float32 ``[4]`` for the network: articulation - 1, range - 1, smile, and 0 in reserve."""
        return np.array([self.articulation - 1, self.range - 1, self.smile, 0.0], np.float32)

    def to_dict(self) -> dict[str, str | float]:
        """What ``persona_from`` reads."""
        return asdict(self)


PERSONAS: dict[str, Persona] = {
    p.name: p
    for p in (
        Persona(),
        # Clear and composed, to a camera: precise lips, few brows, a steady head, hardly a smile.
        Persona("professional", 1.1, 0.8, 0.08, 0.05, 15.0, 7.0, 0.75, 0.7),
        # Warm and lively: a smile, much brow and head, one side ahead of the other.
        Persona("friendly", 1.05, 1.25, 0.35, 0.15, 19.0, 16.0, 1.25, 1.1),
        # Slow to move: small mouth, few blinks and brows.
        Persona("calm", 0.85, 0.7, 0.12, 0.08, 12.0, 5.0, 0.55, 0.7),
    )
}
_FIELDS = tuple(f.name for f in fields(Persona))
_ALIASES = {"default": "neutral", "plain": "neutral", "business": "professional", "warm": "friendly"}


def persona_from(values: Mapping[str, object], label: str = "The persona") -> Persona:
    """A persona of values by name; what is left out is as in ``neutral``.

    Args:
        values: Some of the attributes of ``Persona``.
        label: How to call it in messages.

    Raises:
        TroupeError: on anything unknown, listing what is known, or out of range.
    """
    if not isinstance(values, Mapping):
        raise TroupeError(
            f"{label} is not valid",
            f"it must hold names and values ({', '.join(_FIELDS)})",
            _HOW,
        )
    if not values:
        raise TroupeError(f"{label} is empty", f"known are {', '.join(_FIELDS)}", _HOW)
    for key in values:
        if key not in _FIELDS:
            raise TroupeError(
                f"{label} has the unknown entry '{str(key)[:40]}'",
                f"known are {', '.join(_FIELDS)}",
                _HOW,
            )
    return Persona(**{"name": "custom", **values})


def parse_persona(text: str, label: str = "The persona") -> dict[str, object]:
    """The entries of a persona written as YAML or JSON, for ``persona_from``.

    Raises:
        TroupeError: if the text cannot be read, or is no valid persona.
    """
    if len(text) > MAX_LENGTH:
        raise TroupeError(f"{label} cannot be read", f"it is longer than {MAX_LENGTH} characters", _HOW)
    try:
        values = json.loads(text) if text.lstrip().startswith("{") else _yaml(text)
    except (ValueError, RecursionError) as error:  # JSON's errors are such, too
        raise TroupeError(f"{label} cannot be read", " ".join(str(error).split())[:200], _HOW) from None
    persona_from(values, label)
    return values


def load_persona(name_or_path: str | Path) -> Persona:
    """A built-in persona by name, or one from a YAML or JSON file.

    Raises:
        TroupeError: if there is no such persona (listing them) or file, it cannot be read, or holds anything unknown
            or out of range.
    """
    path = Path(name_or_path).expanduser()
    if path.suffix.lower() not in (".yaml", ".yml", ".json"):
        return PERSONAS[find_name(str(name_or_path), PERSONAS, "persona", _ALIASES)]
    label = f"The persona '{path.name}'"
    try:
        with path.open("rb") as file:
            text = file.read(4 * MAX_LENGTH).decode("utf-8-sig")
    except (OSError, ValueError) as error:  # no such file; or no text, or a zero byte in the name
        why = getattr(error, "strerror", None) or str(error)
        raise TroupeError(
            f"{label} cannot be read", why, f"Use {', '.join(PERSONAS)}, or a text file"
        ) from None
    return persona_from({"name": path.stem[:_MAX_NAME], **parse_persona(text, label)}, label)


_EXPONENT = re.compile(r"[-+]?[0-9.]*[0-9]e[-+]?[0-9]+", re.IGNORECASE)


def _yaml(text: str) -> object:
    try:
        import yaml
    except ImportError as error:
        raise TroupeError(
            "A persona in YAML cannot be read",
            str(error),
            "Install it with 'pip install pyyaml', or use JSON",
        ) from None
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(error) from None
    if not isinstance(values, dict):
        return values
    # YAML 1.1 takes 1e-3 for text: an exponent there needs a dot and a sign.
    return {k: float(v) if isinstance(v, str) and _EXPONENT.fullmatch(v) else v for k, v in values.items()}
