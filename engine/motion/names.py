"""Names users may write: blendshapes, head channels, presets, beats; and what a misspelt one gets."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

import numpy as np

from ..errors import TroupeError
from .face_motion import BLENDSHAPES, HEAD, INDEX

# Shapes that exist on both sides, without the side: "mouthSmile" stands for both of them.
PAIRS = tuple(n[:-4] for n in BLENDSHAPES if n.endswith("Left") and n not in ("jawLeft", "mouthLeft"))
CHANNELS = (*BLENDSHAPES, *PAIRS, *HEAD)


def _plain(name: str) -> str:
    return re.sub(r"[\s_\-]", "", name).lower()


def find_name(name: str, known: Iterable[str], what: str, aliases: dict[str, str] | None = None) -> str:
    """The known name that ``name`` means; case, blanks, ``_`` and ``-`` do not matter.

    Args:
        name: What the user wrote.
        known: Names to choose from.
        what: What it should be, for the message (``"preset"``).
        aliases: Further spellings and the names they mean.

    Raises:
        TroupeError: naming near matches if nothing fits.
    """
    table = {_plain(k): v for k, v in (aliases or {}).items()} | {_plain(k): k for k in known}
    plain = _plain(str(name))
    if plain in table:
        return table[plain]
    near = list(dict.fromkeys(table[m] for m in difflib.get_close_matches(plain, table, 4, 0.6)))[:3]
    names = list(known)
    some = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    raise TroupeError(
        f"Unknown {what} '{name}'",
        f"known are {some}",
        "Perhaps " + " or ".join(f"'{n}'" for n in near) + " is meant" if near else "Use one of these",
    )


def channel_pose(values: dict[str, float | tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    """Weights by channel name as arrays.

    Args:
        values: Channel name to value. A name in ``PAIRS`` sets both sides; a pair of values is (left, right).

    Returns:
        float32 ``[52]`` blendshapes and ``[6]`` head.
    """
    shapes, head = np.zeros(len(BLENDSHAPES), np.float32), np.zeros(len(HEAD), np.float32)
    for name, value in values.items():
        if name in HEAD:
            head[HEAD.index(name)] = value
        elif name in INDEX:
            shapes[INDEX[name]] = value
        else:
            left, right = value if isinstance(value, tuple) else (value, value)
            shapes[INDEX[name + "Left"]], shapes[INDEX[name + "Right"]] = left, right
    return shapes, head


def match_columns(
    found: list[str], needed: tuple[str, ...], optional: tuple[str, ...], label: str
) -> dict[str, int]:
    """Where each known column is; case does not matter.

    Args:
        found: Column names of a file.
        needed, optional: Names that must and may be there.
        label: How to call the file in messages.

    Raises:
        TroupeError: naming what is missing, unknown (with what it may be meant to be) or there twice.
    """
    known = {n.lower(): n for n in (*needed, *optional)}
    at: dict[str, int] = {}
    unknown = []
    for i, name in enumerate(found):
        right = known.get(name.lower())
        if right is None:
            unknown.append(name)
        elif right in at:
            raise TroupeError(
                f"{label} has the column {right} twice", f"columns {at[right] + 1} and {i + 1}", "Remove one"
            )
        else:
            at[right] = i
    missing = [n for n in needed if n not in at]
    if not missing and not unknown:
        return at
    hints, left = [], [n for n in (*missing, *optional) if n not in at]
    for name in unknown[:5]:
        near = difflib.get_close_matches(name.lower(), [n.lower() for n in left], 1, 0.7)
        if near:
            hints.append(f"'{name[:40]}' is perhaps {known[near[0]]}")
    why = [
        f"{what}: {', '.join(repr(n[:40]) for n in names[:6])}{f' and {len(names) - 6} more' * (len(names) > 6)}"
        for what, names in (("missing", missing), ("unknown", unknown))
        if names
    ]
    raise TroupeError(
        f"The columns of {label} are not those of a face motion",
        "; ".join(why),
        ("; ".join(hints) if hints else "Add or remove them") + ", or export the file again",
    )
