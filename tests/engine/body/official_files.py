"""Small bodies in the layouts of published files, and pickles as Python 2 wrote them.

Nothing here is anybody's body: the numbers are random.
"""

from __future__ import annotations

import struct

import numpy as np

PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)


def smpl_arrays(vertices: int = 50, betas: int = 10, seed: int = 0) -> dict[str, np.ndarray]:
    """Random arrays under SMPL's names and of its shapes, but for the number of vertices."""
    rng = np.random.default_rng(seed)
    weights = rng.random((vertices, 24)) ** 8
    regressor = rng.random((24, vertices)) * (rng.random((24, vertices)) < 0.2)
    regressor[:, 0] += 0.1
    tree = np.array([PARENTS, range(24)])
    tree[0, 0] = 2**32 - 1
    return {
        "v_template": rng.normal(size=(vertices, 3)),
        "shapedirs": rng.normal(size=(vertices, 3, betas)) * 0.01,
        "posedirs": rng.normal(size=(vertices, 3, 207)) * 0.01,
        "J_regressor": regressor / regressor.sum(1, keepdims=True),
        "weights": weights / weights.sum(1, keepdims=True),
        "kintree_table": tree.astype(np.uint32),
        "f": rng.integers(0, vertices, (90, 3)).astype(np.uint32),
    }


class Chumpy:
    """Stands for ``chumpy.ch.Ch`` in what is to be written."""

    def __init__(self, array: np.ndarray):
        self.array = array


class Chosen:
    """Stands for ``chumpy.reordering.Select``: a part of a chumpy array."""

    def __init__(self, array: np.ndarray):
        self.array = array


class Columns:
    """Stands for SciPy's ``csc_matrix``."""

    def __init__(self, array: np.ndarray):
        self.array = array


def official(arrays: dict[str, np.ndarray], protocol: int = 2) -> bytes:
    """The official pickle of these arrays: chumpy arrays, a sparse regressor, and texts beside them."""
    content = dict(arrays, bs_type="lrotmin", bs_style="lbs", J=np.zeros((24, 3)))
    content["shapedirs"] = Chumpy(arrays["shapedirs"])
    content["v_template"] = Chosen(arrays["v_template"])
    content["J_regressor"] = Columns(arrays["J_regressor"])
    content["weights_prior"] = Chumpy(arrays["weights"])
    return python2(content, protocol)


def python2(value, protocol: int = 2) -> bytes:
    """A pickle as Python 2 wrote it, whose texts are bytes without an encoding; protocol 0 or 2."""
    return (b"\x80\x02" if protocol == 2 else b"") + (_two if protocol == 2 else _zero)(value) + b"."


def _two(value) -> bytes:
    """Protocol 2: binary."""
    if value is None:
        return b"N"
    if isinstance(value, bool):
        return b"\x88" if value else b"\x89"
    if isinstance(value, int):
        return (
            b"J" + struct.pack("<i", value) if abs(value) < 2**31 else b"\x8a\x08" + struct.pack("<q", value)
        )
    if isinstance(value, float):
        return b"G" + struct.pack(">d", value)
    if isinstance(value, (str, bytes)):
        data = value.encode("latin-1") if isinstance(value, str) else value
        return (
            b"U" + bytes([len(data)]) + data
            if len(data) < 256
            else b"T" + struct.pack("<I", len(data)) + data
        )
    if isinstance(value, tuple):
        return b"(" + b"".join(map(_two, value)) + b"t"
    if isinstance(value, list):
        return b"](" + b"".join(map(_two, value)) + b"e"
    if isinstance(value, dict):
        return b"}(" + b"".join(_two(k) + _two(v) for k, v in value.items()) + b"u"
    return _object(value, _two, b"\x81")


def _zero(value) -> bytes:
    """Protocol 0: text."""
    if value is None:
        return b"N"
    if isinstance(value, bool):
        return b"I01\n" if value else b"I00\n"
    if isinstance(value, int):
        return b"I%d\n" % value if abs(value) < 2**31 else b"L%dL\n" % value
    if isinstance(value, float):
        return b"F" + repr(value).encode() + b"\n"
    if isinstance(value, (str, bytes)):
        data = value.encode("latin-1") if isinstance(value, str) else value
        return b"S" + repr(data)[1:].encode() + b"\n"
    if isinstance(value, tuple):
        return b"(" + b"".join(map(_zero, value)) + b"t"
    if isinstance(value, list):
        return b"(l" + b"".join(_zero(v) + b"a" for v in value)
    if isinstance(value, dict):
        return b"(d" + b"".join(_zero(k) + _zero(v) + b"s" for k, v in value.items())
    return _object(value, _zero, None)


def _object(value, write, new: bytes | None) -> bytes:
    """Arrays, and objects with a state: made by ``new`` (protocol 2), or by Python 2's reconstructor."""

    def named(module: str, name: str) -> bytes:
        return f"c{module}\n{name}\n".encode()

    if isinstance(value, np.ndarray):
        array = np.ascontiguousarray(value)
        kind, order = array.dtype.str[1:], array.dtype.str[0]
        start = named("numpy.core.multiarray", "_reconstruct") + b"(" + named("numpy", "ndarray")
        start += write((0,)) + write(b"b") + b"tR"
        of = (
            named("numpy", "dtype")
            + write((kind, 0, 1))
            + b"R"
            + write((3, order, None, None, None, -1, -1, 0))
            + b"b"
        )
        return (
            start + b"(" + write(1) + write(value.shape) + of + write(False) + write(array.tobytes()) + b"tb"
        )
    if isinstance(value, Chumpy):
        module, name, state = "chumpy.ch", "Ch", {"x": value.array, "_status": "new"}
    elif isinstance(value, Chosen):
        module, name = "chumpy.reordering", "Select"
        whole = Chumpy(np.concatenate([value.array.ravel(), [0.0, 0.0]]))
        picked = np.arange(value.array.size)
        state = {"a": whole, "idxs": picked, "preferred_shape": value.array.shape}
    else:
        from scipy.sparse import csc_matrix

        module, name, m = "scipy.sparse.csc", "csc_matrix", csc_matrix(value.array)
        state = {"_shape": m.shape, "data": m.data, "indices": m.indices, "indptr": m.indptr, "format": "csc"}
    made = (
        named(module, name) + b")" + new
        if new
        else named("copy_reg", "_reconstructor")
        + b"("
        + named(module, name)
        + named("__builtin__", "object")
        + b"NtR"
    )
    return made + write(state) + b"b"


def hmr_frame(
    rng: np.random.Generator, persons: int = 1, size: tuple[int, int] = (512, 768), number: int = 0
) -> dict:
    """A frame as Champ's scripts save what 4D-Humans measured, turning slowly with ``number``."""
    from scipy.spatial.transform import Rotation

    turn = Rotation.from_rotvec(np.array([0, 0.1 * number, 0])) * Rotation.from_rotvec([np.pi, 0, 0])
    body = Rotation.from_rotvec(np.full((23, 3), 0.02 * number)).as_matrix()
    smpls = {
        "global_orient": np.tile(turn.as_matrix(), (persons, 1, 1, 1)).astype(np.float32),
        "body_pose": np.tile(body, (persons, 1, 1, 1)).astype(np.float32),
        "betas": rng.normal(size=(persons, 10)).astype(np.float32),
    }
    places = [np.array([0.01 * number + p, 0.2, 40.0 + number], np.float32) for p in range(persons)]
    return {
        "verts": [np.zeros((7, 3), np.float32)] * persons,
        "cam_t": places,
        "render_res": np.array(size, np.float32),
        "smpls": smpls,
        "scaled_focal_length": np.array(5000 / 256 * max(size), np.float32),
    }
