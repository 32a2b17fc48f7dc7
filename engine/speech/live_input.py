"""Sound from a pipe to frames for a writer, at the pace of the speaker."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Protocol

import numpy as np

from ..errors import TroupeError
from .live import Frames, LiveAnimator

PATIENCE = 0.2  # seconds without sound after which silence is made up
TICK = 0.02  # and in what steps
ARRIVAL = 0.1  # seconds that pieces from a pipe may come early or late
BUFFER = 2.0  # seconds of sound that may wait


class Writer(Protocol):
    """Who takes the frames."""

    def write(self, seconds: float, blendshapes: np.ndarray, head: np.ndarray) -> None:
        """One frame: ``[52]`` and ``[6]`` at ``seconds`` from the start."""


class Inlet:
    """A ring of bytes that a thread fills from a pipe; when it is full, the pipe waits.

    Args:
        pipe: File descriptor to read from.
        capacity: Bytes that may wait.
        piece: Bytes that are asked for at once.
    """

    def __init__(self, pipe: int, capacity: int, piece: int):
        self._pipe, self._piece = pipe, piece
        self._ring = bytearray(capacity)
        self._begin = self._size = 0
        self._ended: str | None = None  # the error, if it was one
        self._change = threading.Condition()
        threading.Thread(target=self._fill, name="troupe-inlet", daemon=True).start()

    def read(self, limit: int, timeout: float) -> bytes | None:
        """Up to ``limit`` bytes; ``b""`` at the end, ``None`` if nothing has come for ``timeout`` seconds.

        Raises:
            TroupeError: if the pipe cannot be read.
        """
        with self._change:
            if not self._change.wait_for(lambda: self._size or self._ended is not None, timeout):
                return None
            if not self._size and self._ended:
                raise TroupeError("The sound cannot be read", self._ended, "Check what writes it")
            count = min(limit, self._size)
            data = bytes(self._ring[self._begin : self._begin + count])
            data += self._ring[: count - len(data)]
            self._begin, self._size = (self._begin + count) % len(self._ring), self._size - count
            self._change.notify_all()
            return data

    def _fill(self) -> None:
        end = ""
        while True:
            try:
                data = os.read(self._pipe, min(self._piece, len(self._ring)))
            except OSError as e:
                data, end = b"", e.strerror or str(e)
            with self._change:
                if not data:
                    self._ended = end
                    self._change.notify_all()
                    return
                room = len(self._ring) - len(data)
                self._change.wait_for(lambda room=room: self._size <= room)
                at = (self._begin + self._size) % len(self._ring)
                first = min(len(data), len(self._ring) - at)
                self._ring[at : at + first] = data[:first]
                self._ring[: len(data) - first] = data[first:]
                self._size += len(data)
                self._change.notify_all()


def run_live(
    live: LiveAnimator,
    pipe: int,
    writer: Writer,
    *,
    pace: bool = False,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Write a face for the sound of a pipe until it ends.

    A microphone's sound comes as it is spoken: it is used at once, when it stops coming silence is made up, and what
    then comes too late is left out. Sound from a speech synthesiser or a file comes in bursts: with ``pace`` it is
    used no faster than it is spoken, and nothing of it is left out.

    Args:
        live: The stream; make it with ``tolerance=ARRIVAL``.
        pipe: File descriptor of raw sound in the stream's format.
        writer: Who takes the frames.
        pace: Hold sound back until it is its time.
        clock, sleep: The time, in seconds.

    Raises:
        TroupeError: if the pipe cannot be read.
    """
    second = round(1 / live.duration(b"\0"))  # bytes
    piece = max(1, round(TICK * second))
    inlet = Inlet(pipe, round(BUFFER * second), piece)

    def write(frames: Frames) -> None:
        for frame in zip(frames.times.tolist(), frames.blendshapes, frames.head, strict=True):
            writer.write(*frame)

    while (data := inlet.read(piece, PATIENCE)) is None:
        pass  # who speaks has not begun
    start = last = clock()
    stalled = wait = False
    while data != b"":
        now = clock()
        if data is None:
            write(live.silence(now - last, now))
            stalled = wait = True
        else:
            write(live.push(data, now - live.duration(data) if stalled and not pace else None))
            wait = False
        last = now
        if pace and (ahead := start + live.position - clock()) > 0:
            sleep(ahead)
        data = inlet.read(piece if pace else round(BUFFER * second), TICK if wait else PATIENCE)
    write(live.finish())
