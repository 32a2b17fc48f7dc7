"""Layered guidance: whatever the plan leaves out, the sum stays the formula's."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.engine.errors import TroupeError
from troupe.engine.guidance import (
    NAMES,
    Differences,
    Guidance,
    Layer,
    Plan,
    Setting,
    combine,
    ends,
    flow_sigmas,
    plan,
    region_weights,
    settings_at,
)

SHAPE = (1, 2, 3, 4)
REGIONS = [None, None, torch.linspace(0, 1, 12).reshape(3, 4).double(), torch.eye(3, 4).double()]
scales = st.one_of(st.sampled_from([0.0, 1.0, 1.0, 4.0]), st.floats(0, 30).map(lambda s: round(s, 3)))
layers_settings = st.lists(st.builds(Setting, scales, st.sampled_from(REGIONS)), max_size=4)


def flow(share: float) -> float:
    """Noise level at a share of the schedule, as ComfyUI has it at shift 5."""
    return 5 * (1 - share) / (1 + 4 * (1 - share))


def predictions_of(count: int, seed: int = 0) -> dict[int, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {i: torch.randn(SHAPE, generator=generator, dtype=torch.float64) for i in range(count)}


def weight(s: Setting) -> float | torch.Tensor:
    return s.scale if s.region is None else 1 + (s.scale - 1) * s.region


def formula(now: list[Setting], e: dict[int, torch.Tensor]) -> torch.Tensor:
    return e[0] + sum(weight(s) * (e[i] - e[i - 1]) for i, s in enumerate(now, 1))


def chosen(step: Plan, e: dict[int, torch.Tensor]) -> dict[int, torch.Tensor]:
    return {i: e[i] for i in step.passes}


@settings(max_examples=200, deadline=None)
@given(layers_settings)
def test_the_fewest_passes_give_the_formula(now):
    e = predictions_of(len(now) + 1)
    step = plan(now)
    torch.testing.assert_close(combine(step, chosen(step, e), Differences(), 0.7), formula(now, e))
    if all(s.region is None for s in now):
        of = [1.0, *(s.scale for s in now), 0.0]
        assert len(step.passes) == sum(abs(a - b) > 1e-9 for a, b in zip(of, of[1:]))


@settings(max_examples=200, deadline=None)
@given(layers_settings, st.lists(st.booleans(), min_size=4, max_size=4))
def test_what_is_kept_needs_no_pass(now, due):
    """If the model's output does not change between two steps, reuse is exact."""
    kept = Differences()
    v, now = predictions_of(len(now) + 1), [Setting(s.scale, s.region, True, True) for s in now]
    for sigma in (0.9, 0.4):
        x = torch.ones(SHAPE, dtype=torch.float64)
        e = {i: x - sigma * v[i] for i in v}
        step = plan(now, kept.links)
        torch.testing.assert_close(combine(step, chosen(step, e), kept, sigma), formula(now, e))
        now = [Setting(s.scale, s.region, d, True) for s, d in zip(now, due)]
    assert {t.link for t in step.terms} == set(kept.links)
    if not any(due[: len(now)]):
        assert step.passes == (step.base,)


def test_published_formulas():
    """Passes and their weights."""

    def weights(*scales: float) -> dict[int, float]:
        step = plan([Setting(s) for s in scales])
        unit = {i: torch.tensor([float(i == j) for j in range(len(scales) + 1)]) for i in step.passes}
        out = combine(step, unit, Differences(), 1.0)
        return {i: float(w) for i, w in enumerate(out) if i in step.passes}

    assert weights(1.0, 4.0) == {1: -3, 2: 4}  # P0 + 4 (Pa - P0)
    assert weights(5.0, 4.0) == {0: -4, 1: 1, 2: 4}  # N0 + 5 (P0 - N0) + 4 (Pa - P0)
    assert weights(5.0) == {0: -4, 1: 5}  # Na + 5 (Pa - Na), the portrait being no layer
    assert weights(1.0) == {1: 1}
    assert weights(5.0, 5.0) == {0: -4, 2: 5}  # equal scales need no pass between
    assert weights() == {0: 1}


def test_ranges_and_renewal():
    sigmas = flow_sigmas(30).tolist()

    def passes(*layers: Layer) -> list[tuple[int, ...]]:
        kept, out = Differences(), []
        for sigma in sigmas[:-1]:
            step = plan(settings_at(layers, sigma, sigmas, flow), kept.links)
            out.append(step.passes)
            combine(step, {i: torch.zeros(1) for i in step.passes}, kept, sigma)
        return out

    text = Layer("text", 1.0)
    assert passes(text, Layer("portrait", 4.0)) == [(1, 2)] * 30
    assert passes(text, Layer("portrait", 4.0, end=0.5)) == [(1, 2)] * 15 + [(2,)] * 15
    assert passes(text, Layer("portrait", 4.0, start=0.2, end=0.4)) == [(2,)] * 6 + [(1, 2)] * 6 + [(2,)] * 18
    assert passes(text, Layer("portrait", 4.0, start=0.5, end=0.5)) == [(2,)] * 30
    late, within = [(1, 2)] * 6, [(2,)] * 3 + [(1, 2), (2,)] * 7 + [(1, 2)] + [(2,)] * 12
    assert passes(text, Layer("portrait", 4.0, every=3)) == [(1, 2), (2,), (2,)] * 8 + late
    assert passes(text, Layer("portrait", 4.0, every=3, every_until=1.0)) == [(1, 2), (2,), (2,)] * 10
    assert passes(text, Layer("portrait", 4.0, every=3, every_until=0.0)) == [(1, 2)] * 30
    assert passes(text, Layer("portrait", 4.0, start=0.1, end=0.6, every=2)) == within
    # Outside its range a layer has the scale of the one before: no pass between them.
    assert passes(Layer("text", 5.0), Layer("portrait", 4.0, end=0.5)) == [(0, 1, 2)] * 15 + [(0, 2)] * 15
    assert passes(Layer("text", 5.0, end=0.5), Layer("portrait", 4.0)) == [(0, 1, 2)] * 15 + [(1, 2)] * 15
    # Only the text is due: the portrait's difference is reused, on top of the highest pass that runs.
    reused = {"every": 2, "every_until": 1.0}
    assert passes(Layer("text", 5.0), Layer("portrait", 4.0, **reused)) == [(0, 1, 2), (0, 1)] * 15
    assert passes(Layer("text", 5.0, **reused), Layer("portrait", 4.0, **reused)) == [(0, 1, 2), (2,)] * 15


def test_a_link_that_comes_back_is_computed_anew():
    """Portrait joins the text before and after its range; what text + portrait made before it is long out of date."""
    sigmas = flow_sigmas(10).tolist()
    layers = (Layer("text", 5.0, every=5), Layer("portrait", 4.0, start=0.1, end=0.6))
    kept, seen = Differences(), []
    for sigma in sigmas[:-1]:
        step = plan(settings_at(layers, sigma, sigmas, flow), kept.links)
        seen.append(step.passes)
        combine(step, {i: torch.zeros(1) for i in step.passes}, kept, sigma)
    assert seen[0] == (0, 2) and seen[6] == (0, 2) and seen[7] == (2,)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 100), st.integers(0, 100), st.integers(0, 100), st.integers(1, 5))
def test_steps_on_the_edge_of_a_range(steps, a, b, every):
    """Float32 schedules against exact ranges: a step at start is in, one at end is out."""
    a, b = sorted((min(a, steps), min(b, steps)))
    layer = Layer("text", 3.0, a / steps, b / steps, every, every_until=1.0)
    sigmas = flow_sigmas(steps).tolist()
    found = [settings_at([layer], s, sigmas, flow)[0] for s in sigmas[:-1]]
    last = steps if b == steps and a < b else b
    assert [s.scale == 3 for s in found] == [a <= i < last for i in range(steps)]
    assert [s.due for s in found[a:last]] == [i % every == 0 for i in range(last - a)]


def test_between_two_steps_the_earlier_one_counts():
    sigmas = flow_sigmas(10).tolist()
    layer = Layer("text", 3.0, every=2, every_until=1.0)
    for i in range(9):
        between = (sigmas[i] + sigmas[i + 1]) / 2
        assert settings_at([layer], between, sigmas, flow)[0].due == (i % 2 == 0)


def test_the_ends_of_a_step():
    v, kept = predictions_of(3), Differences()
    now = [Setting(5.0, None, True, True), Setting(4.0, None, True, True)]
    combine(plan(now), v, kept, 1.0)
    later = plan([Setting(5.0, None, True, True), Setting(4.0, None, False, True)], kept.links)
    assert later.passes == (0, 1)
    (low, bottom), (high, top) = ends(later, {0: v[0], 1: v[1]}, kept, 1.0)
    assert (low, high) == (0, 2)
    torch.testing.assert_close(bottom, v[0])
    torch.testing.assert_close(top, v[2])
    rest = plan([Setting(5.0, None, False, True), Setting(4.0, None, False, True)], kept.links)
    (low, bottom), (high, top) = ends(rest, {2: v[2]}, kept, 1.0)
    assert (low, high) == (0, 2)
    torch.testing.assert_close(bottom, v[0])


@pytest.mark.parametrize("frames,latents", [(1, 5), (17, 5), (5, 5), (3, 5), (1, 1), (9, 1)])
def test_regions_keep_their_place_and_mass(frames, latents):
    region = torch.zeros(frames, 32, 48)
    region[:, 8:24, 16:32] = 1
    found = region_weights(region, (1, 16, latents, 4, 6))
    assert found.shape == (1, 1, latents, 4, 6)
    want = torch.zeros(4, 6)
    want[1:3, 2:4] = 1
    torch.testing.assert_close(found, want.expand_as(found))


def test_regions_follow_time():
    region = (torch.arange(17) >= 9).float()[:, None, None].expand(17, 8, 8)
    assert region_weights(region, (1, 16, 5, 4, 4))[0, 0, :, 0, 0].tolist() == [0, 0, 0, 1, 1]
    soft = torch.linspace(0, 1, 64).reshape(8, 8)
    assert region_weights(soft, (1, 4, 2, 2)).shape == (1, 1, 2, 2)
    assert region_weights(soft, (1, 4, 2, 2)).mean().item() == pytest.approx(0.5)


@pytest.mark.parametrize(
    "wrong,message",
    [
        ({"scale": math.nan}, "scale of the portrait layer .* it is nan"),
        ({"scale": math.inf}, "it is inf"),
        ({"scale": -1.0}, "it is -1.0, it may be 0 to 30"),
        ({"scale": 31.0}, "it is 31.0"),
        ({"start": 0.6, "end": 0.5}, "it goes from 0.6 to 0.5"),
        ({"start": -0.1}, "it goes from -0.1 to 1"),
        ({"end": 1.5}, "to 1.5"),
        ({"end": math.nan}, "to nan"),
        ({"every": 0}, "portrait_every is 0"),
        ({"every_until": 1.1}, "portrait_every_until is 1.1"),
        ({"every": 1.5}, "portrait_every is 1.5"),
        ({"region": torch.zeros(1, 1, 4, 4)}, r"its shape is \[1, 1, 4, 4\]"),
        ({"region": torch.zeros(0, 4)}, r"its shape is \[0, 4\]"),
        ({"region": torch.full((4, 4), 2.0)}, "its values run from 2 to 2"),
        ({"region": torch.full((4, 4), math.nan)}, "its values run from nan to nan"),
        ({"name": "potrait"}, "no guidance layer 'potrait': known are text, portrait, speech"),
    ],
)
def test_wrong_layers(wrong, message):
    with pytest.raises(TroupeError, match=message):
        Layer(**{"name": "portrait", "scale": 4.0, **wrong})


def test_wrong_guidance_and_schedules():
    with pytest.raises(TroupeError, match="'text' is there twice"):
        Guidance((Layer("text", 1.0), Layer("speech", 1.0), Layer("text", 2.0)))
    for steps, shift in ((0, 5.0), (10**6, 5.0), (1.5, 5.0), (8, 0.0), (8, math.nan), (8, math.inf)):
        with pytest.raises(TroupeError, match="schedule"):
            flow_sigmas(steps, shift)
    with pytest.raises(TroupeError, match=r"latent's shape is \[1, 2, 3\]"):
        region_weights(torch.ones(4, 4), (1, 2, 3))


def test_choosing_layers():
    guidance = Guidance(tuple(Layer(name, 2.0) for name in NAMES))
    assert guidance.only(("speech", "text")).names == ("text", "speech")
    assert [la.scale for la in guidance.with_text(5.0).layers] == [5, 2, 2]
    assert guidance.only(("speech",)).with_text(5.0).names == ("text", "speech")


def test_an_edge_schedule():
    torch.testing.assert_close(flow_sigmas(1), torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(flow_sigmas(4, 1.0), torch.tensor([1.0, 0.75, 0.5, 0.25, 0.0]))
