"""Packets of the Live Link Face app and JSON lines: what goes in comes out, and nothing odd gets through."""

from __future__ import annotations

import io
import json
import socket
import struct
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from troupe.engine.errors import TroupeError
from troupe.engine.motion.face_motion import BLENDSHAPES, HEAD, INDEX
from troupe.engine.motion.live_link import HEADER
from troupe.engine.motion.live_link_udp import (
    VALUES,
    JsonLinesWriter,
    LiveLinkSender,
    Packet,
    check_subject,
    parse_address,
)

RATES = st.sampled_from([Fraction(30), Fraction(60), Fraction(60000, 1001), Fraction(25)])
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=40)
SHAPES = arrays.arrays(np.float32, len(BLENDSHAPES), elements=st.floats(0, 1, width=32))
HEADS = arrays.arrays(np.float32, len(HEAD), elements=st.floats(-90, 90, width=32))
ONE = Packet.of(np.full(52, 0.25), np.zeros(6), 3661.5, Fraction(60), "iPhone", "0" * 36)


def test_the_layout_is_that_of_the_app():
    """Byte for byte as it has been seen on the wire: 312 bytes from a subject 'iPhone'."""
    data = ONE.encode()
    assert len(data) == 312
    assert data[:5] == b"\x06\x00\x00\x00\x24" and data[5:41] == b"0" * 36
    assert data[41:51] == b"\x00\x00\x00\x06iPhone"
    assert struct.unpack(">ifii", data[51:67]) == (219690, 0.0, 60, 1)
    assert data[67] == 61
    assert struct.unpack(">61f", data[68:])[:52] == (0.25,) * 52


def test_the_order_is_unreals_and_not_the_csvs():
    assert len(VALUES) == 61 and sorted(VALUES) == sorted(HEADER[2:])
    assert VALUES[14:24] == (
        "JawForward", "JawLeft", "JawRight", "JawOpen", "MouthClose", "MouthFunnel", "MouthPucker", "MouthLeft",
        "MouthRight", "MouthSmileLeft",
    )  # fmt: skip
    assert VALUES[51:55] == ("TongueOut", "HeadYaw", "HeadPitch", "HeadRoll")
    for name in BLENDSHAPES:
        shapes = np.zeros(52)
        shapes[INDEX[name]] = 1
        values = Packet.of(shapes, np.zeros(6), 0, Fraction(30), "a", "b").values
        assert np.argmax(values[:52]) == VALUES.index(name[0].upper() + name[1:])


@settings(max_examples=60, deadline=None)
@given(SHAPES, HEADS, st.floats(0, 86399), RATES, NAMES, NAMES)
def test_a_face_comes_back(shapes, head, seconds, rate, subject, device):
    packet = Packet.of(shapes, head, seconds, rate, subject, device)
    back = Packet.decode(packet.encode())
    assert np.array_equal(back.values, packet.values)
    assert (back.subject, back.device, back.rate) == (subject, device, rate)
    assert (back.frame, back.subframe) == (packet.frame, packet.subframe) and 0 <= back.subframe <= 1
    assert np.array_equal(back.blendshapes, shapes)
    np.testing.assert_allclose(back.head[:3], head[:3], atol=1e-4)
    assert back.seconds == pytest.approx(seconds, abs=1e-4)
    assert back.encode() == packet.encode()


def test_whole_frames_stay_whole():
    packets = [Packet.of(np.zeros(52), np.zeros(6), i / 30, Fraction(30), "a", "b") for i in range(5000)]
    assert [(p.frame, p.subframe) for p in packets] == [(i, 0.0) for i in range(5000)]


def test_angles_have_the_signs_of_the_apps_recordings():
    """Yaw to the person's left is negative there, and eyes that look left have yaw of the same sign on both sides."""
    shapes = np.zeros(52)
    shapes[[INDEX["eyeLookOutLeft"], INDEX["eyeLookInRight"]]] = 0.5
    values = Packet.of(shapes, np.array([10, 20, -5, 1, 1, 1]), 0, Fraction(30), "a", "b").values
    said = dict(zip(VALUES, values, strict=True))
    turns = [said[n] for n in ("HeadYaw", "HeadPitch", "HeadRoll")]
    np.testing.assert_allclose(turns, np.radians([-20, 10, -5]), rtol=1e-6)
    assert said["LeftEyeYaw"] < 0 and said["RightEyeYaw"] < 0


def test_while_no_face_is_seen():
    empty = Packet(None, 7, 0.0, Fraction(30), "a", "b")
    for data in (empty.encode(), empty.encode()[:-1]):
        back = Packet.decode(data)
        assert back.values is None and back.frame == 7
        assert not back.blendshapes.any() and not back.head.any()


@given(st.integers(0, 311))
def test_a_cut_packet_is_refused(length):
    data = ONE.encode()[:length]
    if length == 67:  # the header alone is a packet without a face
        assert Packet.decode(data).values is None
    else:
        with pytest.raises(TroupeError, match="not a Live Link Face packet"):
            Packet.decode(data)


@settings(max_examples=300)
@given(st.binary(max_size=400), st.booleans())
def test_noise_is_refused_or_read(data, versioned):
    try:
        packet = Packet.decode(b"\x06" + data if versioned else data)
    except TroupeError:
        return
    assert packet.values is None or np.isfinite(packet.values).all()


@given(st.integers(0, 311), st.integers(0, 255))
def test_a_changed_byte_does_no_harm(at, value):
    data = bytearray(ONE.encode())
    data[at] = value
    try:
        assert np.isfinite(Packet.decode(bytes(data)).seconds)
    except TroupeError as e:
        assert "Live Link" in e.what


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("udp://127.0.0.1:11111", ("127.0.0.1", 11111)),
        ("udp://localhost", ("localhost", 11111)),
        ("udp://[::1]:5000/", ("::1", 5000)),
    ],
)
def test_addresses(text, where):
    assert parse_address(text) == where


@pytest.mark.parametrize(
    "text",
    ["", "127.0.0.1:11111", "tcp://a:1", "udp://", "udp://a:0", "udp://a:70000", "udp://a b", "udp://a/b"],
)
def test_what_is_no_address(text):
    with pytest.raises(TroupeError, match="udp://127.0.0.1:11111"):
        parse_address(text)


@pytest.mark.parametrize("name", ["", "a" * 256, "a\nb"])
def test_subjects_that_cannot_travel(name):
    with pytest.raises(TroupeError, match="subject"):
        check_subject(name)


def test_what_is_sent_arrives():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unreal:
        unreal.bind(("127.0.0.1", 0))
        unreal.settimeout(10)
        with LiveLinkSender(
            f"udp://127.0.0.1:{unreal.getsockname()[1]}", Fraction(60), "Ännchen", 86399
        ) as sender:
            for i in range(120):
                sender.write(i / 60, np.full(52, i / 120), np.full(6, i))
        packets = [Packet.decode(unreal.recv(2048)) for _ in range(121)]
    assert (sender.sent, sender.lost) == (120, 0)
    assert {p.subject for p in packets} == {"Ännchen"} and len({p.device for p in packets}) == 1
    assert [p.frame for p in packets[:120]] == [*range(86399 * 60, 86400 * 60), *range(60)]  # past midnight
    np.testing.assert_allclose([p.blendshapes[0] for p in packets[:120]], np.arange(120) / 120, atol=1e-6)
    assert packets[-1].values is None


def test_nobody_listens():
    """Nothing is waited for, and what the network says about it stops nobody."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with LiveLinkSender(f"udp://127.0.0.1:{port}", Fraction(30)) as sender:
        for i in range(50):
            sender.write(i / 30, np.zeros(52), np.zeros(6))
    assert sender.sent + sender.lost == 50


def test_a_host_that_does_not_exist():
    with pytest.raises(TroupeError, match="Cannot send to 'udp://nobody.invalid'"):
        LiveLinkSender("udp://nobody.invalid", Fraction(30))


def test_json_lines():
    file = io.StringIO()
    with JsonLinesWriter(file, Fraction(30)) as writer:
        for i in range(4):
            writer.write(i / 30, np.full(52, 0.125 * i, np.float32), np.full(6, -1.5, np.float32))
    head, *frames = map(json.loads, file.getvalue().splitlines())
    assert head == {"format": "troupe-live", "version": 1, "fps": 30.0, "channels": [*BLENDSHAPES, *HEAD]}
    assert [f["time"] for f in frames] == [0, 0.03333, 0.06667, 0.1]
    assert [f["values"] for f in frames] == [[0.125 * i] * 52 + [-1.5] * 6 for i in range(4)]
