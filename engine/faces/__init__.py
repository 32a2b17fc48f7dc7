"""Find, track, align and mask faces. The one way in is ``find_faces(frames)``."""

from .find import find_faces, require_faces
from .types import Face, Faces, FaceTrack

__all__ = ["Face", "FaceTrack", "Faces", "find_faces", "require_faces"]
