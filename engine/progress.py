"""How long work reports itself without knowing who listens.

Every long loop of the engine takes ``progress: Progress | None`` and calls ``progress(done, total)``
after each step. A listener may raise to stop the work: the shell raises ``KeyboardInterrupt``,
ComfyUI its own interrupt exception. Loops must leave nothing half-written when that happens.
"""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]


def report(progress: Progress | None, done: int, total: int) -> None:
    """Call ``progress(done, total)`` if somebody listens."""
    if progress is not None:
        progress(done, total)
