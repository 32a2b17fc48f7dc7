"""The packets in which Epic's Live Link Face app streams a face, and JSON lines that say the same in words.

One packet is one frame, all numbers big-endian::

    uint8            6, the version
    int32, bytes     the device's id, UTF-8 behind its length (the app sends 36 characters of a UUID)
    int32, bytes     the subject's name, which Unreal lists
    int32, float32   frame of the day, and the part of a frame beyond it
    int32, int32     frames per second, numerator and denominator
    uint8            number of values: 61, or 0 (some versions: nothing from here on) while no face is seen
    float32 * 61     weights, then yaw, pitch and roll of the head and of each eye in radians

Sources: Unreal Engine's ``AppleARKitLiveLinkSource.cpp``, which both sends and receives this (versions before 6 had a
timecode for the frame time), its ``EARFaceBlendShape``, which orders the values (jaw and mouth left before right,
unlike the app's CSV), and readers of real packets: github.com/JimWest/PyLiveLinkFace, github.com/think-biq/LLV. Angles
have the signs that ``live_link`` measured in the app's recordings. The head's position has no place in a packet.
"""

from __future__ import annotations

import json
import re
import socket
import struct
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from time import monotonic, sleep
from typing import TextIO
from uuid import uuid4

import numpy as np

from ..errors import TroupeError
from ..progress import Progress, report
from .face_motion import BLENDSHAPES, HEAD, INDEX, FaceMotion, frame_count
from .live_link import EYES, SHAPES, TURNS, eye_angles, head_turns

PORT = 11111
VERSION = 6
DAY = 86400
FASTEST = 240  # frames per second
MAX_NAME = 255  # bytes: what fits the receiver's buffer

_SWAPPED = {"JawLeft": "JawRight", "MouthLeft": "MouthRight"}
_SWAPPED |= {b: a for a, b in _SWAPPED.items()}
VALUES = (*(_SWAPPED.get(n, n) for n in SHAPES), *TURNS, *EYES)
_ORDER = np.array([INDEX[n[0].lower() + n[1:]] for n in VALUES[: len(SHAPES)]])
_TIME = struct.Struct(">ifii")
_BLOCK = struct.Struct(f">{len(VALUES)}f")


@dataclass(frozen=True, eq=False)
class Packet:
    """One frame as it travels.

    Attributes:
        values: float32 ``[61]`` in the order of ``VALUES``; ``None`` while no face is seen.
        frame, subframe: Frames since midnight, and the part of a frame (0 to 1) beyond that.
        rate: Frames per second.
        subject, device: Who it is, and what sends it.
    """

    values: np.ndarray | None
    frame: int
    subframe: float
    rate: Fraction
    subject: str
    device: str

    @classmethod
    def of(
        cls,
        blendshapes: np.ndarray,
        head: np.ndarray,
        seconds: float,
        rate: Fraction,
        subject: str,
        device: str,
    ) -> Packet:
        """A face at a time of the day.

        Args:
            blendshapes: float ``[52]`` as ``BLENDSHAPES``.
            head: float ``[6]`` as ``HEAD``; its last three values are left out.
            seconds: Since midnight; goes on from 0 after a day.
            rate: Frames per second.
            subject, device: See the class.
        """
        shapes, pose = np.asarray(blendshapes)[None], np.asarray(head)[None]
        values = np.concatenate([shapes[0, _ORDER], head_turns(pose)[0], eye_angles(shapes)[0]])
        at = round(seconds % DAY * rate.numerator / rate.denominator, 4)  # whole frames stay whole
        frame = int(at)
        return cls(values.astype(np.float32), frame, float(np.float32(at - frame)), rate, subject, device)

    @property
    def seconds(self) -> float:
        """Time of the day."""
        return (self.frame + self.subframe) * self.rate.denominator / self.rate.numerator

    @property
    def blendshapes(self) -> np.ndarray:
        """float32 ``[52]`` as ``BLENDSHAPES``; zeros while no face is seen."""
        out = np.zeros(len(BLENDSHAPES), np.float32)
        if self.values is not None:
            out[_ORDER] = self.values[: len(SHAPES)]
        return out

    @property
    def head(self) -> np.ndarray:
        """float32 ``[6]`` as ``HEAD``, the position 0; zeros while no face is seen."""
        out = np.zeros(len(HEAD), np.float32)
        if self.values is not None:
            yaw, pitch, roll = np.degrees(self.values[len(SHAPES) : len(SHAPES) + 3])
            out[:3] = pitch, -yaw, roll
        return out

    def encode(self) -> bytes:
        """The bytes of one datagram."""
        names = b"".join(struct.pack(">i", len(n)) + n for n in (self.device.encode(), self.subject.encode()))
        time = _TIME.pack(self.frame, self.subframe, self.rate.numerator, self.rate.denominator)
        values = b"\0" if self.values is None else bytes([len(VALUES)]) + _BLOCK.pack(*self.values.tolist())
        return bytes([VERSION]) + names + time + values

    @classmethod
    def decode(cls, data: bytes) -> Packet:
        """What ``encode`` or the app wrote.

        Raises:
            TroupeError: if these bytes are no such packet, or one of another version.
        """
        if not data or data[0] != VERSION:
            raise _foreign(f"its version is {data[0]}, known is {VERSION}" if data else "it is empty")
        try:
            device, at = _name(data, 1)
            subject, at = _name(data, at)
            frame, subframe, numerator, denominator = _TIME.unpack_from(data, at)
            at += _TIME.size
            count = data[at] if at < len(data) else 0
            if count not in (0, len(VALUES)):
                raise _foreign(f"it has {count} values, expected {len(VALUES)}")
            values = np.array(_BLOCK.unpack_from(data, at + 1), np.float32) if count else None
        except struct.error:
            raise _foreign(f"it ends after {len(data)} bytes") from None
        if numerator <= 0 or denominator <= 0 or not np.isfinite(subframe):
            raise _foreign(f"its frame rate is {numerator}/{denominator}, its part of a frame {subframe}")
        if values is not None and not np.isfinite(values).all():
            raise _foreign("it has values that are not numbers")
        return cls(values, frame, subframe, Fraction(numerator, denominator), subject, device)


def _foreign(why: str) -> TroupeError:
    return TroupeError("This is not a Live Link Face packet", why, "Send it in the app's ARKit mode")


def _name(data: bytes, at: int) -> tuple[str, int]:
    """A name behind its length at ``at``, and where it ends."""
    (size,) = struct.unpack_from(">i", data, at)
    text = data[at + 4 : at + 4 + size] if 0 <= size <= len(data) else None
    if text is None or len(text) != size:
        raise _foreign(f"a name of {size} bytes does not fit into {len(data)}")
    try:
        return text.decode(), at + 4 + size
    except UnicodeDecodeError:
        raise _foreign("a name in it is not UTF-8 text") from None


def check_subject(name: str) -> str:
    """``name`` if it can travel as a subject.

    Raises:
        TroupeError: if it is empty or too long.
    """
    size = len(name.encode(errors="replace"))
    if not 0 < size <= MAX_NAME or not name.isprintable():
        raise TroupeError(
            f"The subject name '{name[:40]}' cannot be sent",
            f"it has {size} bytes, 1 to {MAX_NAME} printable ones are possible",
            "Use a short name such as Troupe",
        )
    return name


_ADDRESS = re.compile(r"udp://(?P<host>\[[^\]]+\]|[^\[\]:/\s]+)(?::(?P<port>\d{1,5}))?/?")


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of ``udp://host[:port]``; the port is 11111 unless given, IPv6 stands in brackets.

    Raises:
        TroupeError: if it is no such address.
    """
    match = _ADDRESS.fullmatch(text.strip())
    port = int(match["port"] or PORT) if match else 0
    if match is None or not 0 < port < 65536:
        raise TroupeError(
            f"'{text}' is no address to send to",
            "it must be udp:// with a host and, if you like, a port of 1 to 65535",
            f"Write udp://127.0.0.1:{PORT}",
        )
    return match["host"].strip("[]"), port


class LiveLinkSender:
    """Sends frames to Unreal, or whoever reads the app's packets. Never waits: what the network refuses is lost.

    Args:
        address: ``udp://host[:port]``.
        rate: Frames per second, told in every packet.
        subject: The name to choose in Unreal.
        day: Seconds since midnight of time 0; by the first frame and this machine's clock unless given.

    Attributes:
        sent, lost: Packets that left, and that the network refused.

    Raises:
        TroupeError: if the address is wrong or has no such host.
    """

    def __init__(self, address: str, rate: Fraction, subject: str = "Troupe", day: float | None = None):
        host, port = parse_address(address)
        try:
            family, kind, _, _, self._to = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
            self._socket = socket.socket(family, kind)
        except (OSError, UnicodeError) as e:
            reason = getattr(e, "strerror", None) or str(e)
            raise TroupeError(f"Cannot send to '{address}'", reason, "Check the host's name") from None
        self._socket.setblocking(False)
        nothing = (np.zeros(len(BLENDSHAPES)), np.zeros(len(HEAD)))
        self._packet = Packet.of(*nothing, 0.0, rate, check_subject(subject), str(uuid4()).upper())
        self._day = day
        self.sent = self.lost = 0

    def write(self, seconds: float, blendshapes: np.ndarray, head: np.ndarray) -> None:
        """Send one frame: ``[52]`` and ``[6]`` at ``seconds`` from the start."""
        if self._day is None:
            now = datetime.now()
            midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
            self._day = (now - midnight).total_seconds() - seconds
        who = self._packet
        self._packet = Packet.of(blendshapes, head, self._day + seconds, who.rate, who.subject, who.device)
        try:
            self._socket.sendto(self._packet.encode(), self._to)
            self.sent += 1
        except OSError:  # a full buffer, an unplugged cable: the next frame is worth more than this one
            self.lost += 1

    def close(self) -> None:
        """No face any more, then no packets any more."""
        with self._socket as last:
            try:
                last.sendto(replace(self._packet, values=None).encode(), self._to)
            except OSError:
                pass

    def __enter__(self) -> LiveLinkSender:
        return self

    def __exit__(self, *error) -> None:
        self.close()


class JsonLinesWriter:
    """Frames as lines of JSON: a header with the channels' names, then time and values of each frame.

    ``{"format": "troupe-live", "version": 1, "fps": 30.0, "channels": [58 names]}``, then
    ``{"time": 0.0333, "values": [58 numbers]}``, each line written at once.
    """

    def __init__(self, file: TextIO, rate: Fraction):
        self._file = file
        names = [*BLENDSHAPES, *HEAD]
        self._line({"format": "troupe-live", "version": 1, "fps": float(rate), "channels": names})

    def write(self, seconds: float, blendshapes: np.ndarray, head: np.ndarray) -> None:
        """One frame: ``[52]`` and ``[6]`` at ``seconds`` from the start."""
        values = np.concatenate([blendshapes, head]).astype(np.float64).round(5).tolist()
        self._line({"time": round(seconds, 5), "values": values})

    def _line(self, data: dict) -> None:
        self._file.write(json.dumps(data, separators=(",", ":"), allow_nan=False) + "\n")
        self._file.flush()

    def __enter__(self) -> JsonLinesWriter:
        return self

    def __exit__(self, *error) -> None:
        pass  # the file is the caller's


def play(
    motion: FaceMotion,
    address: str,
    subject: str = "Troupe",
    fps: float = 60.0,
    progress: Progress | None = None,
) -> int:
    """Send a motion in real time, frame by frame.

    Args:
        motion: What to play.
        address, subject: See ``LiveLinkSender``.
        fps: Frames per second that are sent, up to 240.
        progress: Called with every frame; what it raises ends the playing.

    Returns:
        How many frames left this machine.

    Raises:
        TroupeError: if address, subject or rate cannot be used.
    """
    if not 0 < fps <= FASTEST:
        raise TroupeError(
            f"The frame rate {fps} is out of range", f"it must lie in 0 to {FASTEST}", "Use 30 or 60"
        )
    count = frame_count(motion.duration, fps)
    shapes, head = motion.sample(np.arange(count) / fps)
    with LiveLinkSender(address, Fraction(fps).limit_denominator(1001), subject) as sender:
        begin = monotonic()
        for i in range(count):
            report(progress, i + 1, count)
            sleep(max(0.0, begin + i / fps - monotonic()))
            sender.write(i / fps, shapes[i], head[i])
        return sender.sent
