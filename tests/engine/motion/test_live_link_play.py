"""A motion played over the network, frame by frame."""

from __future__ import annotations

import socket

import numpy as np
import pytest

from troupe.engine.errors import TroupeError
from troupe.engine.motion import FaceMotion
from troupe.engine.motion.live_link_udp import Packet, play


@pytest.fixture
def listener():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        s.settimeout(5)
        yield s


def ramp(seconds: float = 0.3, fps: float = 30.0) -> FaceMotion:
    frames = round(seconds * fps)
    shapes = np.tile(np.linspace(0, 1, frames, dtype=np.float32)[:, None], (1, 52))
    return FaceMotion(shapes, np.zeros((frames, 6), np.float32), fps)


def test_every_frame_arrives_in_order(listener):
    motion, seen = ramp(), []
    sent = play(
        motion,
        f"udp://127.0.0.1:{listener.getsockname()[1]}",
        "Anna",
        30.0,
        lambda done, of: seen.append(done),
    )
    packets = [Packet.decode(listener.recv(4096)) for _ in range(sent + 1)]
    assert sent == len(motion) and seen == list(range(1, sent + 1))
    assert {p.subject for p in packets} == {"Anna"}
    np.testing.assert_allclose(np.stack([p.blendshapes for p in packets[:-1]]), motion.blendshapes, atol=1e-6)
    assert packets[-1].values is None, "the face is gone at the end"
    times = [p.seconds for p in packets[:-1]]
    np.testing.assert_allclose(np.diff(times), 1 / 30, atol=2e-3)


def test_another_rate_is_by_time(listener):
    sent = play(ramp(), f"udp://127.0.0.1:{listener.getsockname()[1]}", fps=60.0)
    assert sent == 18


def test_an_interrupt_ends_it(listener):
    def stop(done, of):
        if done == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        play(ramp(), f"udp://127.0.0.1:{listener.getsockname()[1]}", progress=stop)
    values = [Packet.decode(listener.recv(4096)).values for _ in range(3)]
    assert values[0] is not None and values[2] is None


@pytest.mark.parametrize(
    ("address", "fps", "words"),
    [
        ("http://x", 30, "no address"),
        ("udp://127.0.0.1", 0, "frame rate"),
        ("udp://127.0.0.1", 999, "frame rate"),
    ],
)
def test_what_cannot_be(address, fps, words):
    with pytest.raises(TroupeError, match=words):
        play(ramp(), address, fps=fps)
