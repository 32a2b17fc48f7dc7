"""Keeps mediapipe's start-up chatter (C++ lines on the process's stderr) away from users.

No logging configuration is touched: the file descriptor is redirected while a model opens, and every line that
is not recognised as chatter is written out afterwards.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_CHATTER = re.compile(
    rb"^("
    rb"[IW]\d{4} [\d:.]+ +\d+ .*"  # glog and absl: information and warnings, errors pass
    rb"|INFO: (\[\w+\.cc:\d+\]|Created TensorFlow Lite|Initialized TensorFlow).*"
    rb"|WARNING: (All log messages before absl|Logging before InitGoogle).*"
    rb"|\s*)$"
)
_lock = threading.Lock()


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back stderr inside the block and let through what is not mediapipe's chatter."""
    with _lock, tempfile.TemporaryFile() as held:
        sys.stderr.flush()
        try:
            saved = os.dup(2)
        except OSError:  # no stderr at all (a Windows service, pythonw)
            yield
            return
        try:
            os.dup2(held.fileno(), 2)
            yield
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)
            held.seek(0)
            rest = [line for line in held.read().splitlines() if not _CHATTER.match(line)]
            if rest:
                os.write(2, b"\n".join(rest) + b"\n")
