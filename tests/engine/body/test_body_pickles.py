"""The pickle reader: right where it reads, and nothing ever runs."""

from __future__ import annotations

import collections
import os
import pickle
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.engine.body.pickles import Record, read_pickle
from troupe.engine.body.values import as_array, read_npy
from troupe.engine.errors import TroupeError

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4) | st.tuples(inner, inner)
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(plain, st.integers(0, 5))
def test_plain_values_come_back(value, protocol):
    assert read_pickle(pickle.dumps(value, protocol), "x") == value


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from("? b u2 >i4 <i8 f2 >f4 f8 S3 U2".split()),
    st.lists(st.integers(0, 4), max_size=4),
    st.integers(0, 5),
    st.booleans(),
)
def test_arrays_come_back(kind, shape, protocol, columns_first):
    rng = np.random.default_rng(0)
    array = (rng.random(shape) * 100).astype(kind)
    array = np.asfortranarray(array) if columns_first else array
    out = read_pickle(pickle.dumps({"a": array, "again": [array, array]}, protocol), "x")
    for one in (out["a"], *out["again"]):
        assert one.dtype == array.dtype and np.array_equal(one, array)


@pytest.mark.parametrize("protocol", range(6))
def test_what_body_files_hold(protocol):
    from scipy.sparse import csc_matrix

    matrix = np.arange(12.0).reshape(3, 4) * (np.arange(4) > 1)
    content = {
        "scalar": np.float32(2.5),
        "zero-d": np.array(3.0),
        "objects": np.array([{"x": np.arange(3)}, None], object),
        "sparse": csc_matrix(matrix),
        "ordered": collections.OrderedDict(a=1),
    }
    out = read_pickle(pickle.dumps(content, protocol), "x")
    assert out["scalar"] == 2.5 and out["zero-d"] == 3 and out["ordered"] == {"a": 1}
    assert out["objects"].shape == (2,) and np.array_equal(out["objects"][0]["x"], [0, 1, 2])
    assert isinstance(out["sparse"], Record) and np.array_equal(as_array(out["sparse"]), matrix)


class Runs:
    """What a malicious pickle is made of: it asks its reader to call something."""

    def __init__(self, what, *args):
        self.what, self.args = what, args

    def __reduce__(self):
        return self.what, self.args


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("place", ["alone", "deep", "state", "key"])
def test_nothing_runs(tmp_path, protocol, place):
    trace = tmp_path / "it-ran"
    for what, args in (
        (os.system, (f"touch '{trace}'",)),
        (eval, (f"open({str(trace)!r}, 'w')",)),
        (open, (str(trace), "w")),
    ):
        evil = Runs(what, *args)
        value = {
            "alone": evil,
            "deep": {"a": [(1, evil)]},
            "state": np.array([evil], object),
            "key": {evil: 1},
        }[place]
        data = pickle.dumps(value, protocol)
        with pytest.raises(TroupeError, match="could run code") as error:
            read_pickle(data, "The body 'evil.pkl'")
        assert "evil.pkl" in str(error.value)
    assert not trace.exists()


def test_known_names_are_not_called_with_what_they_do_not_take():
    """Names of packages that are let in are never looked up, and calls of them are refused."""
    for data in (
        b"cchumpy.utils\nrow\n(S'touch it-ran'\ntR.",
        b"cscipy.sparse.os\nsystem\n(S'touch it-ran'\ntR.",
        b"cnumpy\ndtype\n(S'evil'\ntR.",
        b"cnumpy\ndtype\n(S'V99999999999'\ntR.",
        b"cnumpy\nndarray\n((I999999999\ntS'b'\ntR.",
        b"cnumpy.core.multiarray\nscalar\n(I1\nI2\ntR.",
        b"c_codecs\nencode\n(S'x'\nS'rot13'\ntR.",
        b"ccollections\nOrderedDict\n((lI1\natR.",
        b"ccopy_reg\n_reconstructor\n(I1\nI2\nNtR.",
    ):
        with pytest.raises(TroupeError, match="damaged or of an unknown kind"):
            read_pickle(data, "x")


def test_sizes_that_a_file_only_claims_take_no_memory():
    huge = 2**62
    shape = pickle.dumps(np.zeros(3), 2).replace(
        b"K\x03\x85", b"\x8a\x08" + struct.pack("<q", huge) + b"\x85"
    )
    for data in (
        b"\x80\x04\x8e" + struct.pack("<Q", huge) + b"abc",
        b"\x80\x02T" + struct.pack("<I", 2**32 - 1) + b"abc",
        b"\x80\x02(r" + struct.pack("<I", 2**32 - 1) + b"t",
        b"I" + b"9" * 5000 + b"\n.",
        shape,
        pickle.dumps(list(range(2000)), 0)[:-200],
    ):
        with pytest.raises(TroupeError):
            read_pickle(data, "x")


def test_lists_that_hold_each_other_are_not_unfolded():
    inner = [1.0] * 10
    for _ in range(30):
        inner = [inner] * 10
    assert as_array(read_pickle(pickle.dumps({"a": inner}, 2), "x")["a"]) is None
    loop: list = []
    loop.append(loop)
    assert as_array(read_pickle(pickle.dumps(loop, 4), "x")) is None


def test_sparse_matrices_that_lie_are_none():
    good = {
        "_shape": (2, 3), "data": np.ones(2), "indices": np.array([0, 1]), "indptr": np.array([0, 1, 1, 2]),
        "format": "csc",
    }  # fmt: skip
    assert as_array(Record("scipy.sparse.csc.csc_matrix", good)).tolist() == [[1, 0, 0], [0, 0, 1]]
    for change in (
        {"_shape": (2, 10**9)}, {"_shape": (0, 3)}, {"indices": np.array([0, 5])}, {"indices": np.array([-1, 0])},
        {"indptr": np.array([0, 1, 2])}, {"indptr": np.array([0, 3, 1, 2])}, {"data": np.ones(9)}, {"format": "coo"},
        {"data": None}, {"_shape": "two"},
    ):  # fmt: skip
        assert as_array(Record("scipy.sparse.csc.csc_matrix", {**good, **change})) is None, change


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_pickles_are_errors_and_nothing_else(data):
    content = {"a": np.arange(4.0), "b": [1, (2, "x")], "c": np.array([{"d": 1}], object)}
    whole = bytearray(pickle.dumps(content, data.draw(st.integers(0, 5))))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    whole = whole[: data.draw(st.integers(1, len(whole)))]
    try:
        read_pickle(bytes(whole), "x")
    except TroupeError:
        pass


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60))
def test_noise_is_an_error_and_nothing_else(noise):
    for read in (read_pickle, read_npy):
        try:
            read(noise, "x")
        except TroupeError:
            pass


def test_npy(tmp_path):
    for array in (np.arange(6.0).reshape(2, 3), np.array({"a": 1}), np.array([{"a": 1}, {"b": 2}], object)):
        path = tmp_path / "x.npy"
        np.save(path, array, allow_pickle=True)
        out = read_npy(path.read_bytes(), "x")
        assert out.shape == array.shape and out.tolist() == array.tolist()
    np.save(path, np.array(Runs(os.system, "true"), object), allow_pickle=True)
    with pytest.raises(TroupeError, match="could run code"):
        read_npy(path.read_bytes(), "x")
    with pytest.raises(TroupeError, match="not a whole NPY"):
        read_npy(b"\x93NUMPY\x01\x00", "x")
