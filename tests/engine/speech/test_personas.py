"""Personas: built in, from YAML and JSON, and nothing that is not one."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.engine.errors import TroupeError
from troupe.engine.speech.persona import (
    PERSONAS,
    RANGES,
    Persona,
    load_persona,
    parse_persona,
    persona_from,
)


def test_built_in_personas_differ_as_their_names_say():
    friendly, calm, professional = (load_persona(n) for n in ("friendly", "Calm", "professional"))
    assert friendly.smile > calm.smile and friendly.head > calm.head and friendly.range > calm.range
    assert friendly.brow_rate > professional.brow_rate > calm.brow_rate
    assert professional.articulation > calm.articulation and calm.blink_rate < friendly.blink_rate
    assert load_persona("neutral") == Persona() and not Persona().vector().any()
    np.testing.assert_allclose(calm.vector(), [-0.15, -0.3, 0.12, 0], atol=1e-6)
    assert all(name == p.name for name, p in PERSONAS.items())


values = st.fixed_dictionaries({}, optional={k: st.floats(*r) for k, r in RANGES.items()}).filter(bool)


@settings(max_examples=30)
@given(values)
def test_files_give_what_they_say(tmp_path_factory, entries):
    folder = tmp_path_factory.mktemp("personas")
    (folder / "anna.json").write_text(json.dumps(entries))
    (folder / "bert.yaml").write_text("\n".join(f"{k}: {v}" for k, v in {"name": "Bert", **entries}.items()))
    anna, bert = load_persona(folder / "anna.json"), load_persona(str(folder / "bert.yaml"))
    assert (anna.name, bert.name) == ("anna", "Bert")
    for key in RANGES:
        for persona in (anna, bert):
            assert getattr(persona, key) == pytest.approx(entries.get(key, getattr(Persona(), key)))
    assert persona_from(anna.to_dict()) == anna


@pytest.mark.parametrize("key", RANGES)
def test_values_out_of_range_or_no_numbers_are_refused(key):
    low, high = RANGES[key]
    for bad in (low - 0.1, high + 0.1, float("nan"), "1", True, None, [1]):
        with pytest.raises(TroupeError) as error:
            persona_from({key: bad})
        assert key in str(error.value) and f"{high:g}" in str(error.value)
    assert getattr(persona_from({key: high}), key) == high


@pytest.mark.parametrize(
    "text, says",
    [
        ("rang: 1", "'rang'.*articulation"), ("range: [", "cannot be read"), ("- 1\n- 2", "names and values"), ("", "names"),
        ("{}", "empty"), ("just text", "names and values"), ("name: no", "name"), ("range: yes", "range True"),
        ('{"smile": 0.2,', "cannot be read"), ("!!python/object/apply:os.system [echo]", "cannot be read"),
        ("name: ''", "name"), ("a" * 20_001, "longer"), ("range: .inf", "range inf"), ("{" * 15_000, "cannot be read"),
    ],
)  # fmt: skip
def test_text_that_is_no_persona_is_refused(text, says):
    with pytest.raises(TroupeError, match=f"(?s){says}"):
        parse_persona(text)


def test_entries_of_text_may_complete_others():
    assert persona_from({"smile": 0.5, **parse_persona("blink_rate: 20")}).blink_rate == 20


@pytest.mark.parametrize("name", ["frendly", "", "anna.yaml", "a\0.json", "friendly.txt"])
def test_unknown_personas_list_the_known(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TroupeError) as error:
        load_persona(name)
    assert "neutral, professional, friendly, calm" in str(error.value)


def test_a_picture_is_no_persona(tmp_path):
    (tmp_path / "face.yaml").write_bytes(bytes(range(256)))
    with pytest.raises(TroupeError, match="face.yaml"):
        load_persona(tmp_path / "face.yaml")
