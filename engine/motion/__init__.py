"""The motion language and all that writes or edits it."""

from .face_motion import BLENDSHAPES, HEAD, FaceMotion

__all__ = ["BLENDSHAPES", "HEAD", "FaceMotion"]
