"""Which face does what, from the options of a command in their order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..engine.cast import Cast, Role
from ..engine.errors import TroupeError
from ..engine.motion.edit import add
from ..engine.motion.face_motion import FaceMotion

_PLACE = {"region", "rest"}


def assign(script: Iterable[tuple[str, object]]) -> list[dict]:
    """Who does what, from the options in their order.

    Returns:
        One dictionary per role with ``face``, ``drive`` and the role's other options.

    Raises:
        ValueError: if a face has no drive, or there is none at all.
    """
    everybody: dict = {}
    roles: list[dict] = []
    named = 0
    for name, value in script:
        if name == "face":
            named = value
            roles.append({"face": value})
        elif name != "drive":
            (roles[-1] if roles else everybody)[name] = value
        elif roles and "drive" not in roles[-1]:
            roles[-1]["drive"] = value
        else:
            roles.append({"face": named or len(roles) + 1, "drive": value})
    if not roles:
        raise ValueError("no --drive was given")
    for role in roles:
        if "drive" not in role:
            raise ValueError(f"--face {role['face']} has no --drive after it")
    first: dict[int, dict] = {}
    for role in roles:  # a further drive of a face takes its place
        for name in _PLACE & first.setdefault(role["face"], role).keys():
            role.setdefault(name, first[role["face"]][name])
    return [{**everybody, **role} for role in roles]


def layered(roles: Iterable[Role]) -> Cast:
    """One role for each face: several drives of a face are added up, each at its own strength.

    Where the drives are no motions yet, the first one stands for all.

    Raises:
        TroupeError: if a face's drives differ in region or rest.
    """
    faces: dict[int, list[Role]] = {}
    for role in roles:
        faces.setdefault(role.face, []).append(role)
    return Cast.of(_sum(layers) for layers in faces.values())


def _sum(layers: list[Role]) -> Role:
    first, *others = layers
    for role in others:
        if (role.region, role.rest) != (first.region, first.rest):
            raise TroupeError(
                f"The drives of face {first.face} differ in region or rest",
                f"'{first.region}' and '{first.rest}' are followed by '{role.region}' and '{role.rest}'",
                "Give --region and --rest after the first drive of a face only",
            )
    if not others or not isinstance(first.drive, FaceMotion):
        return first
    total = add(first.drive, first.drive, first.strength - 1)
    for role in others:
        total = add(total, role.drive, role.strength)
    return replace(first, drive=total, strength=1.0)
