"""Sound in, rows of channels out: times, pieces, settings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.engine.speech.channels import shut
from troupe.engine.speech.conditions import CONDITION
from troupe.engine.speech.features import RATE, log_mel, normalise, resample
from troupe.engine.speech.network_numpy import NumpyNetwork, log_probabilities
from troupe.engine.speech.stream import SETTINGS, SpeechStream, hear

TOKENS = np.arange(1, 30)


def noise(seconds: float, rate: int = RATE) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.normal(0, 0.1, int(seconds * rate)) * np.linspace(0, 1, int(seconds * rate))).astype(
        np.float32
    )


def glide(times: np.ndarray) -> np.ndarray:
    out = np.zeros((len(times), CONDITION), np.float32)
    out[:, 1] = np.clip(times, 0, 1)
    return out


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("seconds", [0.5, 0.505, 0.001, 0.0])
def test_one_row_for_every_fiftieth_of_a_second(random_weights, setting, seconds):
    rows = hear(noise(seconds), setting=setting, weights=random_weights)
    np.testing.assert_allclose(rows.times, np.arange(np.ceil(round(seconds * 50, 6))) / 50)
    assert rows.channels.shape == (len(rows), 18) and rows.phones.shape == (len(rows), 47)
    assert (
        np.isfinite(rows.channels).all()
        and rows.channels.min(initial=0) >= 0
        and rows.channels.max(initial=1) <= 1
    )


@settings(max_examples=15, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 13000), max_size=40),
    setting=st.sampled_from(sorted(SETTINGS)),
    rate=st.sampled_from([8000, 16000, 44100]),
    text=st.booleans(),
)
def test_any_pieces_give_what_the_whole_gives(random_weights, cuts, setting, rate, text):
    sound = noise(0.8, rate)
    given_ = {"rate": rate, "setting": setting, "condition": glide, "tokens": TOKENS if text else None}
    whole = hear(sound, **given_, weights=random_weights)
    stream = SpeechStream(**given_, weights=random_weights)
    edges = [0, *sorted(min(c, len(sound)) for c in cuts), len(sound)]
    parts = [stream.push(sound[a:b]) for a, b in zip(edges, edges[1:])] + [stream.flush()]
    np.testing.assert_array_equal(np.concatenate([p.times for p in parts]), whole.times)
    np.testing.assert_allclose(np.concatenate([p.channels for p in parts]), whole.channels, atol=1e-5)
    np.testing.assert_allclose(np.concatenate([p.phones for p in parts]), whole.phones, atol=1e-4)


@pytest.mark.parametrize("setting", SETTINGS)
def test_rows_come_as_soon_as_their_sound_is_there(random_weights, setting):
    stream, sound = SpeechStream(setting=setting, weights=random_weights), noise(0.6)
    for done in range(0, len(sound), 320):
        rows = stream.push(sound[done : done + 320])
        shown = (done + 320) / RATE - (SETTINGS[setting].lookahead + 1) / 50
        np.testing.assert_allclose(rows.times, [shown] if shown > -0.01 else [], atol=1e-9)


def test_rows_are_those_of_the_network(random_weights):
    sound, rate = noise(1.0, 22050), 22050
    heard = resample(sound, rate)
    late = np.concatenate([heard, np.zeros(3 * 320, np.float32)])
    condition = glide(np.maximum(np.arange(53) - 2, 0) / 50)
    made, scores = NumpyNetwork(random_weights, TOKENS).step(normalise(log_mel(late)), condition)
    for setting, first in (("default", 2), ("quality", 3)):
        rows = hear(sound, rate, setting, glide, TOKENS, random_weights)
        head = random_weights.config.lookaheads.index(first)
        np.testing.assert_allclose(rows.channels, shut(made[first : first + 50, head]), atol=1e-5)
        np.testing.assert_allclose(rows.phones, log_probabilities(scores[2:52]), atol=1e-4)


def test_the_condition_is_asked_once_for_every_row_in_order(random_weights):
    asked = []

    def condition(times):
        asked.extend(times)
        return glide(times)

    stream = SpeechStream(condition=condition, weights=random_weights)
    for piece in np.array_split(noise(0.5), 7):
        stream.push(piece)
    stream.flush()
    np.testing.assert_allclose(asked, np.maximum(np.arange(27) - 2, 0) / 50)


def test_memory_does_not_grow(random_weights):
    stream, sound = SpeechStream(rate=44100, tokens=TOKENS, weights=random_weights), noise(0.5, 44100)

    def held(thing, seen):
        if id(thing) in seen:
            return 0
        seen.add(id(thing))
        if isinstance(thing, np.ndarray):
            return thing.nbytes + (held(thing.base, seen) if isinstance(thing.base, np.ndarray) else 0)
        inside = (
            vars(thing).values()
            if hasattr(thing, "__dict__")
            else thing
            if isinstance(thing, (list, tuple))
            else ()
        )
        return sum(held(x, seen) for x in inside)

    sizes = []
    for _ in range(12):
        for piece in np.array_split(sound, 9):
            stream.push(piece)
        sizes.append(held(stream, set()))
    assert max(sizes[2:]) < sizes[1] + 50_000
