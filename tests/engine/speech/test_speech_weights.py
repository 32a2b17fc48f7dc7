"""Weights are taken whole and fitting, or refused with what is wrong."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
from safetensors.numpy import load, save

from troupe.engine.errors import TroupeError
from troupe.engine.speech.layout import VERSION
from troupe.engine.speech.weights import PRECISIONS, load_weights, save_weights


@pytest.fixture
def saved(random_weights, tmp_path):
    path = tmp_path / "some.safetensors"
    save_weights(path, random_weights.tensors, random_weights.config, {"licence": "Apache-2.0"})
    return path


def edit_card(path, **changes):
    card = json.loads(path.with_suffix(".json").read_text("utf-8"))
    path.with_suffix(".json").write_text(json.dumps(card | changes), "utf-8")


def edit_tensors(path, change):
    tensors = load(path.read_bytes())
    change(tensors)
    path.write_bytes(save(tensors))
    edit_card(path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def test_what_is_saved_is_loaded(random_weights, saved):
    weights = load_weights(saved)
    assert weights.config == random_weights.config and weights.card["licence"] == "Apache-2.0"
    assert weights.card["version"] == VERSION
    for name, tensor in random_weights.tensors.items():
        assert weights.tensors[name].dtype == np.float32
        np.testing.assert_array_equal(weights.tensors[name], tensor.astype(np.float16).astype(np.float32))
    assert saved.stat().st_size < 4_000_000


def test_missing_files(saved, tmp_path):
    saved.with_suffix(".json").unlink()
    with pytest.raises(TroupeError, match="some.json.*not found"):
        load_weights(saved)
    with pytest.raises(TroupeError, match="nothing.json"):
        load_weights(tmp_path / "nothing.safetensors")


def test_weights_without_tensors(saved):
    saved.unlink()
    with pytest.raises(TroupeError, match="some.safetensors.*cannot be read"):
        load_weights(saved)


def test_one_changed_byte(saved):
    content = bytearray(saved.read_bytes())
    content[-1000] ^= 1
    saved.write_bytes(content)
    with pytest.raises(TroupeError, match="checksum"):
        load_weights(saved)


@pytest.mark.parametrize("version", [None, 0, VERSION + 1, str(VERSION)])
def test_another_version(saved, version):
    edit_card(saved, version=version)
    with pytest.raises(TroupeError, match=f"version {version!r}"):
        load_weights(saved)


def test_other_phones(saved):
    card = json.loads(saved.with_suffix(".json").read_text("utf-8"))
    edit_card(saved, phones=[*card["phones"][:-1], "click"])
    with pytest.raises(TroupeError, match="other phones: click"):
        load_weights(saved)
    edit_card(saved, phones=card["phones"][::-1])
    with pytest.raises(TroupeError, match="another order"):
        load_weights(saved)
    edit_card(saved, phones=None)
    with pytest.raises(TroupeError, match="does not list"):
        load_weights(saved)


@pytest.mark.parametrize("value", ["many", -3, 0, 10**9, True, None])
def test_sizes_that_make_no_sense(saved, value):
    config = json.loads(saved.with_suffix(".json").read_text("utf-8"))["config"]
    edit_card(saved, config=config | {"width": value})
    with pytest.raises(TroupeError, match=r"some\.safetensors.*not valid"):
        load_weights(saved)


def test_config_with_other_keys(saved):
    config = json.loads(saved.with_suffix(".json").read_text("utf-8"))["config"]
    edit_card(saved, config=config | {"layers": 3})
    with pytest.raises(TroupeError, match="missing or unknown: layers"):
        load_weights(saved)


@pytest.mark.parametrize("text", ["", "[]", "{", "\ud800"])
def test_a_card_that_is_none(saved, text):
    saved.with_suffix(".json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(TroupeError, match=r"some\.json.*cannot be read"):
        load_weights(saved)


def test_tensors_that_do_not_fit(saved):
    edit_tensors(saved, lambda t: t.pop("stem.bias"))
    with pytest.raises(TroupeError, match=r"stem\.bias is missing"):
        load_weights(saved)
    edit_tensors(
        saved, lambda t: t.update({"stem.bias": np.zeros(3, np.float16), "more": np.zeros(1, np.float16)})
    )
    with pytest.raises(TroupeError, match=r"more is unknown; stem\.bias is \[3\], expected \[112\]"):
        load_weights(saved)


def test_tensors_that_are_not_finite(saved, random_weights):
    def spoil(tensors):
        tensors["no_text"][3] = np.nan

    edit_tensors(saved, spoil)
    with pytest.raises(TroupeError, match="no_text holds NaN"):
        load_weights(saved)
    with pytest.raises(TroupeError, match="no_text holds NaN"):
        save_weights(saved, load(saved.read_bytes()), random_weights.config, {})


def test_int8_halves_the_file_and_loses_little(random_weights, tmp_path):
    for precision in PRECISIONS:
        save_weights(
            tmp_path / f"{precision}.safetensors",
            random_weights.tensors,
            random_weights.config,
            {},
            precision,
        )
    half, quarter = ((tmp_path / f"{p}.safetensors").stat().st_size for p in PRECISIONS)
    assert quarter < 0.55 * half
    weights = load_weights(tmp_path / "int8.safetensors")
    assert weights.card["precision"] == "int8"
    for name, tensor in random_weights.tensors.items():
        rows = np.abs(tensor).max(-1, keepdims=True) if tensor.ndim > 1 else np.abs(tensor)
        assert (np.abs(weights.tensors[name] - tensor) <= 0.006 * rows + 1e-6).all(), name
    with pytest.raises(ValueError, match="int4"):
        save_weights(tmp_path / "x.safetensors", random_weights.tensors, random_weights.config, {}, "int4")


def test_int8_without_its_steps(random_weights, tmp_path):
    path = tmp_path / "some.safetensors"
    save_weights(path, random_weights.tensors, random_weights.config, {}, "int8")
    edit_tensors(path, lambda t: t.update({"orphan.step": np.ones((3, 1), np.float16)}))
    with pytest.raises(TroupeError, match=r"orphan\.step is unknown"):
        load_weights(path)
