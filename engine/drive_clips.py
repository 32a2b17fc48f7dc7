"""Clips as drives: everybody in them is found once, whoever drives what."""

from __future__ import annotations

from pathlib import Path

from .errors import TroupeError
from .faces import Faces, find_faces, require_faces
from .motion import FaceMotion
from .motion.from_video import motion_from_track
from .progress import Progress, report
from .video.read import VideoReader

_FIT_SHARE = 0.2  # of a clip's time that the fit takes, beside finding the faces


class Clips:
    """Clips read for their faces, each once."""

    def __init__(self, seconds: float | None, model_path: str | Path | None, progress: Progress | None):
        self._seconds, self._model_path, self._progress = seconds, model_path, progress
        self._read: dict[Path, tuple[Faces, float]] = {}
        self._motions: dict[tuple[Path, int], FaceMotion] = {}
        self.sound: Path | None = None
        self.notes: list[str] = []

    def motion(self, path: Path, person: int) -> FaceMotion:
        """What a person of a clip does; 1 is the leftmost."""
        if path not in self._read:
            self._read[path] = self._find(path)
        if (path, person) not in self._motions:
            faces, fps = self._read[path]
            track = _person(faces, person, path)
            self._motions[path, person] = motion_from_track(track, fps, self._part(faces.frames))
        return self._motions[path, person]

    def _find(self, path: Path) -> tuple[Faces, float]:
        """Everybody in a clip; its frames are streamed, only landmarks are kept."""
        with VideoReader(path) as clip:
            if self._seconds is not None:
                most = max(2, round(self._seconds * clip.rate))
                frames, total = _first(clip, most), min(most, clip.frame_count or most)
            else:
                frames, total = clip, clip.frame_count

            def found(done: int, _: int) -> None:
                report(self._progress, done, max(round(total * (1 + _FIT_SHARE)), done))

            faces = find_faces(frames, fps=clip.fps, model_path=self._model_path, progress=found)
            if faces.frames < 2:
                raise TroupeError(
                    f"'{path.name}' cannot drive a face",
                    "it has a single frame, nothing moves in it",
                    "Use a longer clip",
                )
            require_faces(faces, f"the clip '{path.name}'")
            self.notes.extend(clip.notes)
            if clip.has_audio and self.sound is None:
                self.sound = path
            return faces, clip.fps

    def _part(self, frames: int) -> Progress:
        """The fit's progress as the rest of the clip's."""

        def fitted(done: int, total: int) -> None:
            whole = round(frames * (1 + _FIT_SHARE))
            report(self._progress, frames + (whole - frames) * done // max(total, 1), whole)

        return fitted


def _first(frames, count: int):
    for i, frame in enumerate(frames, 1):
        yield frame
        if i == count:
            return


def _person(faces: Faces, number: int, path: Path):
    if number <= len(faces):
        return faces.person(number)
    count = len(faces)
    raise TroupeError(
        f"Person {number} of the clip '{path.name}' does not exist",
        f"{count} {'person was' if count == 1 else 'persons were'} found, numbered from the left",
        f"Use '{path.name}#1' or another number up to {count}",
    )
