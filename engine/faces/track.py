"""Who is who from frame to frame: faces in, persons out.

Each frame's faces are given to the persons known so far at the least total cost (Hungarian), where cost is the
distance from where the person should be by now, the change of size and the change of looks. Persons who are not
seen keep their place for a while, so that they are met again after a crossing or behind a post; after that only
their looks can bring them back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .types import Face, FaceTrack

_REACH = 0.8  # face sizes a person may be off the expected place from one frame to the next
_REACH_PER_SECOND = 4.0  # and more the longer they were out of sight
_REACH_MOST = 3.0
_FORGET = 2.0  # seconds out of sight after which the place says nothing any more
# Differences of looks, mean over the cells. Within a person they are under 6 from frame to frame and under 8 to
# the running mean, rarely over 12 in a whole clip; between people in one dim scene 9 to 13, else 20 and more.
_ALIKE = 11.0  # a lost person is recognised anywhere
_STRANGER = 17.0  # nobody is taken for the same person, not even in the same place: a cut
_SAME = 8.0, 12.0  # two pieces of the clip show one person: anywhere, and where the first would be by then
_LOOKS_SCALE = 12.0  # costs as much as one face size of distance
_LOYALTY = 0.3  # what it costs to take the face found by following a person away from that person
_GHOST_SECONDS = 0.2


@dataclass(frozen=True, eq=False)
class Seen:
    """A face in the current frame: its looks (see ``looks_of``) and the person it was followed from, if any."""

    face: Face
    looks: np.ndarray | None = None
    follows: int | None = None


@dataclass(eq=False)
class Person:
    """One person while a clip is read."""

    faces: dict[int, Face] = field(default_factory=dict)
    looks: np.ndarray | None = None  # running mean
    latest: np.ndarray | None = None
    samples: list[np.ndarray] = field(default_factory=list)  # looks now and then, for the median
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(2))
    last: int = 0

    @property
    def face(self) -> Face:
        return self.faces[self.last]

    def expected(self, frame: int, fps: float) -> np.ndarray:
        """Centre expected in a frame: the velocity dies out over a quarter of a second out of sight."""
        seconds = (frame - self.last) / fps
        travelled = 0.25 * (1 - np.exp(-seconds / 0.25)) * fps
        return np.array(self.face.centre) + self.velocity * travelled

    def add(self, frame: int, seen: Seen) -> None:
        """Note where the person is in ``frame``."""
        if self.faces:
            step = (np.array(seen.face.centre) - self.face.centre) / max(frame - self.last, 1)
            self.velocity = 0.5 * self.velocity + 0.5 * step
        if seen.looks is not None:
            self.looks = seen.looks if self.looks is None else 0.9 * self.looks + 0.1 * seen.looks
            self.latest = seen.looks
            if len(self.faces) % 5 == 0 and len(self.samples) < 100:
                self.samples.append(seen.looks)
        self.faces[frame], self.last = seen.face, frame


class Tracker:
    """Feed it every frame in order with ``update``; ask ``tracks`` at the end.

    Args:
        fps: Frames per second of the clip (25 where unknown): all memory is in seconds.
    """

    def __init__(self, fps: float | None = None):
        self.fps = float(fps or 25.0)
        self.persons: list[Person] = []

    def update(self, frame: int, seen: Sequence[Seen]) -> None:
        """Assign the faces of one frame to persons; those nobody claims become new persons."""
        from scipy.optimize import linear_sum_assignment

        owner: dict[int, int] = {}
        if seen and self.persons:
            cost = np.array([[self._cost(i, s, frame) for s in seen] for i in range(len(self.persons))])
            rows, columns = linear_sum_assignment(np.where(np.isfinite(cost), cost, 1e3))
            owner = {c: r for r, c in zip(rows, columns, strict=True) if np.isfinite(cost[r, c])}
        for j, one in enumerate(seen):
            if j not in owner:
                self.persons.append(Person())
                owner[j] = len(self.persons) - 1
            self.persons[owner[j]].add(frame, one)

    def _cost(self, index: int, seen: Seen, frame: int) -> float:
        person = self.persons[index]
        away = (frame - person.last) / self.fps
        unlike = 0.0
        if person.looks is not None and seen.looks is not None:
            known = person.latest if frame - person.last == 1 else person.looks
            unlike = float(np.abs(known - seen.looks).mean())
        if away > _FORGET:
            return 2.0 + unlike / _LOOKS_SCALE if person.looks is not None and unlike < _ALIKE else np.inf
        size = max(person.face.size, seen.face.size)
        distance = float(np.linalg.norm(person.expected(frame, self.fps) - seen.face.centre)) / size
        growth = abs(np.log(seen.face.size / person.face.size))
        loyal = seen.follows == index
        late = max(0.0, away - 1 / self.fps)
        far = distance > min(_REACH + _REACH_PER_SECOND * late, _REACH_MOST)
        if unlike > _STRANGER or (not loyal and (far or growth > 0.7 + late)):
            return np.inf
        return distance + 0.7 * growth + unlike / _LOOKS_SCALE - (_LOYALTY if loyal else 0.0)

    def tracks(self, frames: int, max_faces: int) -> tuple[FaceTrack, ...]:
        """``people`` as tracks."""
        return tuple(FaceTrack(i + 1, tuple(f)) for i, f in enumerate(self.people(frames, max_faces)))

    def people(self, frames: int, max_faces: int) -> list[list[Face | None]]:
        """Each person's faces by frame, persons left to right by where each is first seen. Ends the tracking.

        Ghosts (seen for less than 0.2 s of a longer clip) are dropped; of more than ``max_faces`` persons, those
        seen longest and largest are kept.
        """
        enough = min(max(1, round(_GHOST_SECONDS * self.fps)), max(1, frames // 2))
        self.persons = [p for p in self.persons if len(p.faces) >= enough]
        self._join()
        real = sorted(self.persons, key=lambda p: -sum(f.size for f in p.faces.values()))
        chosen = sorted(real[:max_faces], key=lambda p: p.faces[min(p.faces)].centre[0])
        self.persons = []  # long clips: nobody but the caller holds on to the faces
        return [[p.faces.get(t) for t in range(frames)] for p in chosen]

    def _join(self) -> None:
        """Make one person of pieces that never overlap in time and look alike, likest first: whoever came out
        of hiding half covered was taken for somebody new."""
        while True:
            pairs = [
                (unlike, a, b)
                for i, a in enumerate(self.persons)
                for b in self.persons[i + 1 :]
                if (unlike := self._unlike(a, b)) is not None
            ]
            if not pairs:
                return
            _, a, b = min(pairs, key=lambda pair: pair[0])
            a.faces.update(b.faces)
            a.samples += b.samples
            a.last = max(a.last, b.last)
            self.persons.remove(b)

    def _unlike(self, a: Person, b: Person) -> float | None:
        """How much the looks of two pieces differ, ``None`` if they cannot be one person."""
        if not (a.samples and b.samples) or a.faces.keys() & b.faces.keys():
            return None
        unlike = float(np.abs(np.median(a.samples, 0) - np.median(b.samples, 0)).mean())
        early, late = sorted((a, b), key=lambda p: min(p.faces))
        begin = min(late.faces)
        near = False
        if early.last < begin and (begin - early.last) / self.fps < _FORGET:
            size = max(early.face.size, late.faces[begin].size)
            away = np.linalg.norm(early.expected(begin, self.fps) - late.faces[begin].centre)
            near = bool(away < _REACH_MOST * size)
        return unlike if unlike < _SAME[near] else None


def looks_of(image: np.ndarray, face: Face) -> np.ndarray:
    """How the head looks: float32 ``[6, 6, 3]`` Lab means over an upright square of 1.2 face sizes, without the
    mean lightness, which flashes and shade change."""
    import cv2

    from .search import crop, place_of

    x, y, size, angle = place_of(face)
    pixels, _ = crop(image, x, y, 1.2 * size, angle, 24)
    lab = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB)
    looks = cv2.resize(lab, (6, 6), interpolation=cv2.INTER_AREA).astype(np.float32)
    looks[..., 0] -= looks[..., 0].mean()
    return looks
