"""Who is driven by what: a ``Cast`` is a tuple of ``Role``s, each a face of the source picture and its drive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .errors import TroupeError

REGIONS = ("face", "lips", "eyes", "head", "body", "full")


@dataclass(frozen=True, eq=False)
class Role:
    """One face of the source picture and what drives it.

    Attributes:
        face: Number of the face, 1 is the leftmost.
        drive: A ``FaceMotion``, for diffusion ``ExpressionEmbeds`` or ``SpeechEmbeds``, or a ``BodyMotion`` for guidance
            maps. Renderers refuse what they cannot play.
        region: Part of the picture the drive may change, one of ``REGIONS``.
        strength: 0 switches the role off, 1 is as driven, more exaggerates.
        rest: How the drive's neutral meets the picture's own expression, see ``engine.render.rest``:
            ``auto`` (the picture's grin gives way as the drive becomes active), ``relative`` (the drive's
            first frame is the picture as it is), ``keep`` (the drive is added to the picture's expression).
    """

    face: int
    drive: object
    region: str = "full"
    strength: float = 1.0
    rest: str = "auto"

    def __post_init__(self):
        if self.face < 1:
            raise TroupeError(
                f"Face {self.face} does not exist",
                "faces are numbered from 1, left to right",
                "Use 1 for the leftmost face",
            )
        if self.region not in REGIONS:
            raise TroupeError(
                f"Unknown region '{self.region}'", f"known are {', '.join(REGIONS)}", "Choose one of these"
            )
        if not 0 <= self.strength <= 10:
            raise TroupeError(
                f"Strength {self.strength} of face {self.face} is out of range",
                "it must lie in 0 to 10",
                "Use 1 for the drive as it is",
            )
        if self.rest not in ("auto", "relative", "keep"):
            raise TroupeError(
                f"Unknown rest mode '{self.rest}'", "known are auto, relative, keep", "Use auto"
            )


@dataclass(frozen=True, eq=False)
class Cast:
    """Roles in ascending order of their face; a face has at most one drive of each kind."""

    roles: tuple[Role, ...] = ()

    @classmethod
    def of(cls, roles: Iterable[Role]) -> Cast:
        """Order roles by face.

        Raises:
            TroupeError: if a face has two drives of the same kind.
        """
        ordered = tuple(sorted(roles, key=lambda r: r.face))
        taken = set()
        for role in ordered:
            kind = type(role.drive)
            if (role.face, kind) in taken:
                raise TroupeError(
                    f"Face {role.face} has two drives",
                    f"both are of the kind {kind.__name__}; it can follow one of a kind",
                    "Give the second drive another face, or mix the motions first",
                )
            taken.add((role.face, kind))
        return cls(ordered)

    def plus(self, role: Role) -> Cast:
        """This cast and one more role."""
        return Cast.of((*self.roles, role))

    def __len__(self) -> int:
        return len(self.roles)

    def __iter__(self) -> Iterator[Role]:
        return iter(self.roles)
