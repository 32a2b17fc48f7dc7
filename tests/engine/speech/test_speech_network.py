"""The speech network: the same in PyTorch and in numpy, in any pieces, and deaf to the future."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.engine.speech.attention import Follower, attend
from troupe.engine.speech.conditions import CONDITION
from troupe.engine.speech.layout import NetworkConfig, shapes
from troupe.engine.speech.network import SpeechNetwork, build
from troupe.engine.speech.network_numpy import LONGEST, NumpyNetwork, log_probabilities
from troupe.engine.speech.phones import PHONES, SIL

TOKENS = np.random.default_rng(5).integers(1, len(PHONES), 40)


def inputs(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    features = np.cumsum(rng.normal(0, 0.3, (2 * rows, 40)), 0).astype(np.float32) % 4 - 2
    return features, rng.uniform(-0.5, 1, (rows, CONDITION)).astype(np.float32)


def in_torch(network: SpeechNetwork, features, condition, tokens=None) -> tuple[np.ndarray, np.ndarray]:
    text = () if tokens is None else (torch.from_numpy(tokens)[None], torch.tensor([len(tokens)]))
    with torch.no_grad():
        made, phones = network(torch.from_numpy(features)[None], torch.from_numpy(condition)[None], *text)
    return made[0].numpy(), phones[0].numpy()


def test_layout_lists_every_tensor_of_the_network():
    state = SpeechNetwork().state_dict()
    assert {k: tuple(v.shape) for k, v in state.items()} == shapes(NetworkConfig())
    assert 800_000 < sum(v.numel() for v in state.values()) < 900_000


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 120), max_size=30), text=st.booleans(), held=st.booleans())
def test_numpy_in_any_pieces_is_torch_at_once(random_weights, cuts, text, held):
    features, condition = inputs(120)
    if held:
        condition[:] = condition[0]
    tokens = TOKENS if text else None
    made, phones = in_torch(build(random_weights), features, condition, tokens)
    stream = NumpyNetwork(random_weights, tokens)
    edges = [0, *sorted(cuts), 120]
    parts = [
        stream.step(features[2 * a : 2 * b], condition[:1] if held else condition[a:b])
        for a, b in zip(edges, edges[1:])
        if b > a
    ]
    np.testing.assert_allclose(np.concatenate([p[0] for p in parts]), made, atol=1e-5)
    np.testing.assert_allclose(log_probabilities(np.concatenate([p[1] for p in parts])), phones, atol=1e-4)
    assert made.std(0).min() > 1e-4  # every channel is alive in this test


def test_long_recordings_go_through_in_pieces(random_weights):
    rows = 2 * LONGEST + 17
    features, condition = inputs(rows)
    made, _ = in_torch(build(random_weights), features, condition, TOKENS)
    np.testing.assert_allclose(
        NumpyNetwork(random_weights, TOKENS).step(features, condition)[0], made, atol=1e-5
    )


def test_nothing_later_is_heard(random_weights):
    network = build(random_weights)
    features, condition = inputs(60)
    made, phones = in_torch(network, features, condition, TOKENS)
    for row in (0, 7, 59):
        changed = features.copy()
        changed[2 * row + 2 :] = 1.0
        later = in_torch(network, changed, condition, TOKENS)
        np.testing.assert_array_equal(later[0][: row + 1], made[: row + 1])
        changed[2 * row + 1] += 1.0
        assert np.abs(in_torch(network, changed, condition, TOKENS)[0][row] - made[row]).max() > 1e-4


def test_condition_and_text_reach_the_motion(random_weights):
    network = build(random_weights)
    features, condition = inputs(60)
    made, phones = in_torch(network, features, condition)
    calm, same = in_torch(network, features, np.zeros_like(condition))
    assert np.abs(calm - made).mean() > 0.01
    np.testing.assert_array_equal(same, phones)
    told, _ = in_torch(network, features, condition, TOKENS)
    assert np.abs(told - made).mean() > 0.01


def test_rows_without_text_in_a_batch_with_texts(random_weights):
    network = build(random_weights)
    features, condition = inputs(30)
    batch = torch.from_numpy(np.stack([features] * 3)), torch.from_numpy(np.stack([condition] * 3))
    tokens = torch.zeros(3, 40, dtype=torch.int64)
    tokens[1], tokens[2, :9] = torch.from_numpy(TOKENS), torch.from_numpy(TOKENS[:9])
    with torch.no_grad():
        made = network(*batch, tokens, torch.tensor([0, 40, 9]))[0].numpy()
    np.testing.assert_allclose(made[0], in_torch(network, features, condition)[0], atol=1e-6)
    np.testing.assert_allclose(made[1], in_torch(network, features, condition, TOKENS)[0], atol=1e-6)
    np.testing.assert_allclose(made[2], in_torch(network, features, condition, TOKENS[:9])[0], atol=1e-6)


def test_everything_can_be_learned():
    torch.manual_seed(0)
    network = SpeechNetwork()
    features, condition = (torch.from_numpy(x)[None] for x in inputs(20))
    tokens = torch.from_numpy(TOKENS)[None].expand(2, -1)
    made, phones = network(
        features.expand(2, -1, -1), condition.expand(2, -1, -1), tokens, torch.tensor([40, 0])
    )
    (made.sum() + phones[..., 3].sum()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


# --- attention ------------------------------------------------------------------------------------------------


def said(text: list[int], frames: int = 4, sure: float = 0.8, pause: int = 10) -> np.ndarray:
    """Probabilities ``[M, phones]`` as a network that is mostly right hears this text, with a pause before."""
    course = [SIL] * pause + [p for p in text for _ in range(frames)]
    out = np.full((len(course), len(PHONES)), (1 - sure) / (len(PHONES) - 1), np.float32)
    out[np.arange(len(course)), course] = sure
    return out


def test_attention_follows_what_is_said():
    text = [3, 30, 7, 31, 12, 30, 3, 35, 9, 40]
    at, agreement = attend(said(text)[None], np.array([text]), np.array([10]), 0.6)
    assert at[0, :9].sum() < 0.1  # the pause before
    found = at[0, 10:].argmax(1).reshape(10, 4)
    np.testing.assert_array_equal(found[:, 2:], np.repeat(np.arange(10)[:, None], 2, 1))
    assert agreement[0, 12:].mean() > 0.6
    np.testing.assert_array_less(at.sum(-1), 1 + 1e-5)


def test_attention_waits_in_pauses_inside_the_text():
    text = [3, 30, 7, 31]
    heard = np.concatenate([said(text[:2]), said([], pause=40), said(text[2:], pause=0)])
    at, _ = attend(heard[None], np.array([text]), np.array([4]), 0.6)
    assert at[0, 25:55].sum(1).max() < 0.2
    assert at[0, -1].argmax() == 3 and at[0, 62 - 5].argmax() == 2


def test_a_text_that_is_not_said_does_not_agree():
    text = [3, 30, 7, 31, 12, 30]
    _, agreement = attend(said([20, 41, 15, 38, 22, 36])[None], np.array([text]), np.array([6]), 0.6)
    assert agreement[0, 12:].mean() < 0.1


def test_attention_may_begin_anywhere_it_is_told():
    text = [3, 30, 7, 31, 12, 33, 5, 35]
    start = np.zeros((1, 8), np.float32)
    start[0, 2:7] = 1
    at, _ = attend(said(text[4:], pause=0)[None], np.array([text]), np.array([8]), 0.6, start)
    assert at[0, 2].argmax() == 4 and at[0, -1].argmax() == 7


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 30), min_size=1, max_size=12))
def test_following_a_stream_is_attending_to_the_whole(seed, chunks):
    rng = np.random.default_rng(seed)
    text = rng.integers(1, len(PHONES), 200)
    phones = said(text.tolist(), sure=rng.uniform(0.2, 0.9))[: sum(chunks)]
    phones = phones * rng.uniform(0.5, 1.5, phones.shape).astype(np.float32)
    at, agreement = attend(phones[None], text[None], np.array([200]), 0.6)
    follower, done = Follower(text, 0.6), 0
    for count in chunks:
        near, fits, where = follower.follow(phones[done : done + count])
        whole = np.zeros((len(near), 200), np.float32)
        whole[:, where] = near
        np.testing.assert_allclose(whole, at[0, done : done + count], atol=1e-5)
        np.testing.assert_allclose(fits, agreement[0, done : done + count], atol=1e-5)
        done += count
    assert len(follower._state) < 240  # it does not carry the whole text along


@pytest.mark.parametrize("rows", [1, 3])
def test_the_shortest_text(random_weights, rows):
    features, condition = inputs(rows)
    one = np.array([4])
    made, _ = in_torch(build(random_weights), features, condition, one)
    np.testing.assert_allclose(
        NumpyNetwork(random_weights, one).step(features, condition)[0], made, atol=1e-5
    )
