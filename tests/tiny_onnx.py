"""Small ONNX files written byte by byte, so that tests need no package of ONNX.

``tiny_arcface`` is made of the layers of an IResNet, the network of glintr100.onnx: convolution, norm, PReLU, a sum,
and a linear layer with a norm behind it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

FLOAT, INT, INTS = 1, 2, 7  # kinds of attributes


def number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def chunk(field: int, content: bytes | str) -> bytes:
    content = content.encode() if isinstance(content, str) else content
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while True:
        out.append(value & 0x7F | (0x80 if value > 0x7F else 0))
        value >>= 7
        if not value:
            return bytes(out)


def attribute(name: str, value: float | int | Sequence[int]) -> bytes:
    if isinstance(value, float):
        content = _varint(2 << 3 | 5) + struct.pack("<f", value) + number(20, FLOAT)
    elif isinstance(value, int):
        content = number(3, value) + number(20, INT)
    else:
        content = b"".join(number(8, v) for v in value) + number(20, INTS)
    return chunk(5, chunk(1, name) + content)


def layer(kind: str, inputs: Sequence[str], output: str, **attributes) -> bytes:
    content = b"".join(chunk(1, name) for name in inputs) + chunk(2, output) + chunk(3, output)
    return chunk(1, content + chunk(4, kind) + b"".join(attribute(n, v) for n, v in attributes.items()))


def weight(name: str, values: np.ndarray) -> bytes:
    dims = b"".join(number(1, size) for size in values.shape)
    raw = np.ascontiguousarray(values, "<f4").tobytes()
    return chunk(5, dims + number(2, 1) + chunk(8, name) + chunk(9, raw))


def value(field: int, name: str, shape: Sequence[int | str]) -> bytes:
    dims = b"".join(chunk(1, chunk(2, s) if isinstance(s, str) else number(1, s)) for s in shape)
    return chunk(field, chunk(1, name) + chunk(2, chunk(1, number(1, 1) + chunk(2, dims))))


def model(parts: Sequence[bytes]) -> bytes:
    graph = b"".join(parts) + chunk(2, "tiny")
    return number(1, 7) + chunk(7, graph) + chunk(8, chunk(1, "") + number(2, 11))


def arcface_weights(width: int, seed: int = 0) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(seed)
    sizes = {"conv1": (4, 3, 16, 16), "conv2": (4, 4, 3, 3), "slope": (4, 1, 1), "linear": (width, 196)}
    out = {
        name: draw.normal(0, 1 / np.sqrt(max(1, np.prod(shape[1:]))), shape).astype(np.float32)
        for name, shape in sizes.items()
    }
    for name, channels in (("bn1", 4), ("bn2", width)):
        for part, low, high in (("g", 0.5, 1.5), ("b", -1, 1), ("m", -0.5, 0.5), ("v", 0.5, 1.5)):
            out[f"{name}.{part}"] = draw.uniform(low, high, channels).astype(np.float32)
    out["bias"] = draw.normal(0, 1, width).astype(np.float32)
    return out


def tiny_arcface(path: Path, width: int = 512, seed: int = 0) -> dict[str, np.ndarray]:
    """Write a network that reads ``[batch, 3, 112, 112]`` and answers ``[batch, width]``; returns its weights."""
    weights = arcface_weights(width, seed)
    norms = {n: [f"{n}.{part}" for part in "gbmv"] for n in ("bn1", "bn2")}
    parts = [
        value(11, "input.1", ["None", 3, 112, 112]),
        value(12, "1333", ["None", width]),
        *(weight(name, values) for name, values in weights.items()),
        layer("Conv", ["input.1", "conv1"], "a", kernel_shape=[16, 16], strides=[16, 16]),
        layer("BatchNormalization", ["a", *norms["bn1"]], "b", epsilon=1e-5),
        layer("PRelu", ["b", "slope"], "c"),
        layer("Conv", ["c", "conv2"], "d", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        layer("Add", ["d", "a"], "e"),
        layer("Flatten", ["e"], "f", axis=1),
        layer("Gemm", ["f", "linear", "bias"], "g", alpha=1.0, beta=1.0, transB=1),
        layer("BatchNormalization", ["g", *norms["bn2"]], "1333", epsilon=1e-5),
    ]
    path.write_bytes(model(parts))
    return weights


def tiny_detector(path: Path) -> None:
    """A network that answers with a map instead of an embedding."""
    weights = arcface_weights(8)
    parts = [
        value(11, "input.1", ["None", 3, 112, 112]),
        value(12, "out", ["None", 4, 7, 7]),
        weight("conv1", weights["conv1"]),
        layer("Conv", ["input.1", "conv1"], "out", kernel_shape=[16, 16], strides=[16, 16]),
    ]
    path.write_bytes(model(parts))
