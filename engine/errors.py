"""The one error users meet: what went wrong, why, and what to do about it."""

from __future__ import annotations


class TroupeError(Exception):
    """An error in the user's input or set-up, in three parts.

    Args:
        what: What could not be done, naming the input (``"No face found in 'party.jpg'"``).
        why: The cause with its values (``"the largest candidate is 11 px wide, the minimum is 24"``).
        remedy: What the user can do (``"Use a larger picture or crop closer to the face."``).
    """

    def __init__(self, what: str, why: str, remedy: str):
        self.what, self.why, self.remedy = what.rstrip("."), why.rstrip("."), remedy.rstrip(".")
        super().__init__(f"{self.what}: {self.why}. {self.remedy}.")


# ComfyUI shows an error's full path to users: "troupe.TroupeError" says enough.
TroupeError.__module__ = "troupe"
