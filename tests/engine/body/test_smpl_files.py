"""SMPL models from NPZ and from official-looking pickles, and what is refused."""

from __future__ import annotations

import io
import pickle

import numpy as np
import pytest
import torch

from troupe.engine.body.smpl import PARENTS, SMPL_FACE_POINTS
from troupe.engine.body.smpl_files import load_body
from troupe.engine.errors import TroupeError

NAMES = {
    "template": "v_template",
    "shapedirs": "shapedirs",
    "posedirs": "posedirs",
    "regressor": "J_regressor",
}


def same(body, arrays) -> None:
    for field, name in {**NAMES, "weights": "weights"}.items():
        value = getattr(body, field)
        assert value.dtype == torch.float32
        assert np.array_equal(value.numpy(), arrays[name].astype(np.float32)), name
    assert np.array_equal(body.faces.numpy(), arrays["f"]) and body.parents == PARENTS


@pytest.mark.parametrize("protocol", [0, 2])
def test_official_pickle(tmp_path, files, protocol):
    arrays = files.smpl_arrays()
    path = tmp_path / "basicModel.pkl"
    path.write_bytes(files.official(arrays, protocol))
    same(load_body(path), arrays)


def test_what_python_2_wrote_is_what_pythons_own_reader_sees(files):
    """The test's writer is right: Python reads its plain values the same."""
    content = {"a": [1, -5, 2.5, None, True], "b": (2**40, "text"), "n": {"x": []}}
    for protocol in (0, 2):
        assert pickle.loads(files.python2(content, protocol), encoding="latin1") == content
    array = np.arange(6.0).reshape(2, 3)
    assert np.array_equal(pickle.loads(files.python2(array, 2), encoding="latin1"), array)


@pytest.mark.parametrize("vertices", [50, 6890])
def test_npz(tmp_path, files, vertices):
    arrays = files.smpl_arrays(vertices, betas=16)
    path = tmp_path / "SMPL_NEUTRAL.npz"
    np.savez_compressed(path, **arrays, bs_type=np.array("lrotmin"))
    body = load_body(path)
    same(body, arrays)
    assert body.betas == 16
    assert body.face_points == (SMPL_FACE_POINTS if vertices == 6890 else None)


def test_npz_with_pickled_objects(tmp_path, files):
    """As ``np.savez(**pickle.load(...))`` saves the official file: matrices are objects."""
    from scipy.sparse import csc_matrix

    arrays = files.smpl_arrays()
    path = tmp_path / "body.npz"
    np.savez(path, **{**arrays, "J_regressor": np.array(csc_matrix(arrays["J_regressor"]), object)})
    with pytest.raises(TroupeError, match="J_regressor does not hold numbers"):
        load_body(path)  # wrapped in an array of objects it is none of the releases' layouts
    np.savez(path, **arrays)
    same(load_body(path), arrays)


BREAKS = {
    "lacks": (lambda a: a.pop("posedirs"), "lacks posedirs"),
    "joints": (lambda a: a.update(kintree_table=np.zeros((2, 52), np.uint32)), "SMPL-H"),
    "weights": (lambda a: a.update(weights=a["weights"][:, :20]), "weights is"),
    "posedirs": (lambda a: a.update(posedirs=a["posedirs"][..., :9]), "posedirs is"),
    "flat": (lambda a: a.update(v_template=np.array(1.0)), "v_template is"),
    "nan": (lambda a: a["shapedirs"].fill(np.nan), "shapedirs has values"),
    "faces": (lambda a: a.update(f=a["f"] + 1000), "faces name vertices"),
    "float faces": (lambda a: a.update(f=a["f"].astype(float)), "whole numbers"),
    "tree": (lambda a: a["kintree_table"].__setitem__((0, 3), 9), "no tree"),
    "sum": (lambda a: a["weights"].__imul__(2), "do not sum to 1"),
    "texts": (lambda a: a.update(weights=np.array("no")), "weights does not hold numbers"),
    "empty": (lambda a: a.clear(), "it lacks"),
}


@pytest.mark.parametrize("name", BREAKS)
@pytest.mark.parametrize("kind", ["npz", "pkl"])
def test_what_is_not_smpl_is_named(tmp_path, files, name, kind):
    arrays = files.smpl_arrays()
    spoil, message = BREAKS[name]
    spoil(arrays)
    path = tmp_path / f"body.{kind}"
    if kind == "npz":
        np.savez(path, **arrays)
    else:
        path.write_bytes(pickle.dumps(arrays, 2))
    with pytest.raises(TroupeError, match=message) as error:
        load_body(path)
    assert "'body." in error.value.what


def test_other_files(tmp_path):
    for name, data, message in (
        ("no.pkl", None, "No such file"),
        ("empty.pkl", b"", "0 bytes"),
        ("text.pkl", b"hello world, this is no pickle", "damaged"),
        ("text.npz", b"PK\x03\x04 no zip", "not a whole NPZ"),
        ("body.fbx", b"x", "known are .npz and .pkl"),
        ("list.pkl", pickle.dumps([1, 2]), "holds a list"),
        ("folder.npz", "folder", "it is no file"),
    ):
        path = tmp_path / name
        if data == "folder":
            path.mkdir()
        elif data is not None:
            path.write_bytes(data)
        with pytest.raises(TroupeError, match=message):
            load_body(path)


def test_an_npz_that_unpacks_to_too_much_is_refused_before(tmp_path, monkeypatch, files):
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, v_template=np.zeros(200_000))
    monkeypatch.setattr("troupe.engine.body.smpl_files.MOST_BYTES", 1_000_000)
    with pytest.raises(TroupeError, match="unpacks to"):
        load_body(path)


def test_a_cut_npz(tmp_path, files):
    buffer = io.BytesIO()
    np.savez(buffer, **files.smpl_arrays())
    path = tmp_path / "cut.npz"
    path.write_bytes(buffer.getvalue()[:-3000])
    with pytest.raises(TroupeError, match="not a whole NPZ"):
        load_body(path)
