"""Faces through a clip: a full search now and then, and in between each person is followed by their last place."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from . import search
from .detector import TILE, Backend
from .track import Seen, Tracker, looks_of
from .types import Face

_FULL_SECONDS, _COARSE_SECONDS = 3.2, 0.8  # how often newcomers are looked for: small ones, larger ones
_AGAIN_SECONDS = 9.6  # how often also where nothing has changed
_CONFIRM_SECONDS = 0.2  # how often the detector checks that what is followed still is a face
_DOUBT = 0.72  # confidence under which (profiles, hands before the face) every frame is checked
_CLEAR = 0.8  # confidence of faces seen from the front
_STEADY = 0.012  # face sizes a doubtful mesh may move when looked at again: a mesh that slips off creeps on
_LOOK_FOR_SECONDS = 1.5  # how long somebody lost is looked for nearby in every frame


class ClipReader:
    """Give it every frame of a clip in order; ``tracker`` then holds the persons.

    Args:
        backend: The face model.
        fps: Frames per second, ``None`` if unknown.
        min_size, min_confidence: As in ``find_faces``.
    """

    def __init__(self, backend: Backend, fps: float | None, min_size: float, min_confidence: float):
        self.backend, self.min_size, self.min_confidence = backend, min_size, min_confidence
        self.tracker = Tracker(fps)
        self.memory = search.Memory()
        self.frame = 0
        self.largest_rejected = 0.0

    def read(self, image: np.ndarray) -> None:
        """One more frame, uint8 ``[H, W, 3]``."""
        seen = self._followed(image)
        found = self._newcomers(image, [s.face for s in seen])
        small = [f.size for f in found if f.size < self.min_size]
        self.largest_rejected = max([self.largest_rejected, *small])
        found = [f for f in found if f.size >= self.min_size]
        if self.frame or found or seen:
            seen += [Seen(f, looks_of(image, f)) for f in found]
        self.tracker.update(self.frame, seen)
        self.frame += 1

    def _every(self, seconds: float) -> bool:
        return self.frame % max(1, round(seconds * self.tracker.fps)) == 0

    def _followed(self, image: np.ndarray) -> list[Seen]:
        """Persons of the frame before, then those lost a moment ago where nobody else is; one per place."""
        seen: list[Seen] = []
        persons = list(enumerate(self.tracker.persons))
        for index, person in sorted(persons, key=lambda p: -p[1].last):
            away = self.frame - person.last
            if away > _LOOK_FOR_SECONDS * self.tracker.fps:
                break
            here = person.expected(self.frame, self.tracker.fps)
            face = self._follow(image, person.face, here) if away == 1 else None
            if face is None:
                face = self._look_for(image, person.face, here, [s.face for s in seen])
            if face is None or face.size < 0.8 * self.min_size:
                continue
            rival = next((s for s in seen if search.same_place(s.face, face)), None)
            if rival is None:
                seen.append(Seen(face, looks_of(image, face), index))
            else:  # two were led to one face: let the tracker decide whose it is by place and looks
                seen[seen.index(rival)] = replace(rival, follows=None)
        return seen

    def _follow(self, image: np.ndarray, last: Face, here: np.ndarray) -> Face | None:
        _, _, size, angle = search.place_of(last)
        x, y, *_ = search.place_of(last)
        shift = here - last.centre
        face = search.mesh_at(image, self.backend, x + shift[0], y + shift[1], size, angle)
        if face is not None and math.dist(face.centre, here) > 0.15 * size:
            face = search.mesh_at(image, self.backend, *search.place_of(face))  # look again, centred
        if face is None or face.confidence < 0.5 or not search.plausible(face):
            return None
        if not 0.6 < face.size / last.size < 1.67:
            return None
        sure = last.confidence
        if self._every(_CONFIRM_SECONDS) or last.confidence < _DOUBT:
            sure = search.confirm(image, self.backend, face, search.CONFIRM_AT[2:3])
            if min(sure, last.confidence) < _CLEAR:  # one look does for a clear face
                sure = search.confirm(image, self.backend, face)
            if sure < 0.6 * self.min_confidence:  # lenient: the profile of a known face is still that face
                return None
        return self._steady(image, replace(face, confidence=sure))

    def _steady(self, image: np.ndarray, face: Face) -> Face | None:
        """The face, unless it is doubtful and its mesh does not stay where it is."""
        if face.confidence >= _DOUBT:
            return face
        again = search.mesh_at(image, self.backend, *search.place_of(face))
        if again is None:
            return None
        moved = np.linalg.norm(again.landmarks[:, :2] - face.landmarks[:, :2], axis=1).mean()
        return face if moved < _STEADY * face.size else None

    def _look_for(self, image: np.ndarray, last: Face, here: np.ndarray, known: list[Face]) -> Face | None:
        """Somebody near where they should be and nobody known is: one detector look at the neighbourhood."""
        _, _, size, angle = search.place_of(last)
        side = 4.5 * size
        tile, back = search.crop(image, here[0], here[1], side, angle, TILE)
        for c in sorted(self.backend.detect(tile), key=lambda c: -c.score):
            x, y = search.apply(back, c.x, c.y)
            c = replace(c, x=x, y=y, size=c.size * side / TILE, angle=angle + c.angle)
            if any(search.taken(c, face) for face in known):
                continue
            face = search.face_at(image, self.backend, c, self.min_confidence)
            if face is not None and 0.6 < face.size / last.size < 1.67:
                return self._steady(image, face)
        return None

    def _newcomers(self, image: np.ndarray, known: list[Face]) -> list[Face]:
        if self._every(_AGAIN_SECONDS):
            self.memory.clear()
        if self._every(_FULL_SECONDS):
            effort = search.Effort(self.min_size, 400)
        elif self._every(_COARSE_SECONDS):
            effort = search.Effort(2.5 * self.min_size, 100)
        else:
            return []
        return search.faces_in(image, self.backend, effort, self.min_confidence, known, self.memory)
