"""Layered guidance: conditions laid on one after the other, each followed as strongly as one likes.

With e_0 the prediction under nothing (negative prompt, adapters off) and e_i the prediction under layers 1 to i,

    e = e_0 + sum_i s_i (e_i - e_{i-1}).                                                                 (1)

That is classifier-free guidance (arXiv 2207.12598) nested as in InstructPix2Pix (arXiv 2211.09800, equation 3). A
condition that is not listed as a layer is simply on in every pass. Formulas published elsewhere are settings of it:

- FantasyPortrait, portrait cfg p > 1, text cfg 1:  ``portrait p``             2 passes  P0 + p (Pa - P0)
- FantasyPortrait, portrait cfg p > 1, text cfg t:  ``text t, portrait p``     3 passes  N0 + t (P0 - N0) + p (Pa - P0)
- FantasyPortrait, portrait cfg up to 1:            ``text t``                 2 passes  Na + t (Pa - Na)
- FantasyTalking, prompt cfg t, audio cfg s:        ``text t, speech s``       3 passes, 2 where t is 1

(P positive and N negative prompt, a adapter on, 0 off.) In the third the adapter is no layer but on in both passes;
a portrait layer of the text's scale is something else: N0 + t (Pa - N0).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from .errors import TroupeError

if TYPE_CHECKING:
    from torch import Tensor

NAMES = ("text", "portrait", "speech")
MAX_SCALE = 30.0
MAX_STEPS = 10_000
NOTHING = 1e-9  # weights below need no pass
SAME_SIGMA = 1e-5  # relative; schedules are float32

Link = tuple[int, int]  # the passes whose difference is meant, lower first


@dataclass(frozen=True, eq=False)
class Layer:
    """One condition and how strongly it is followed.

    Outside its range a layer has no guidance of its own: it takes the scale of the layer before it (the first layer
    takes 1), so that the pass below it is not needed there.

    Attributes:
        name: One of ``NAMES``.
        scale: s_i, 0 to 30. 0: as if the layer was not there, as long as no layer follows.
        start, end: The range, as fractions of the schedule: 0 is the first step, and a step that lies exactly on
            ``end`` is outside (1: no end). Equal: never.
        every: The difference that the layer makes is computed in every so many steps, counted from the first in
            range, and reused in those between.
        region: Float ``[H, W]`` or ``[T, H, W]`` in 0..1 over the whole picture, at any size: inside the scale is
            ``scale``, outside 1. None: everywhere.
        every_until: From this fraction of the schedule on it is computed in each step: the last steps of a shifted
            schedule go the longest way, and there reuse costs most (``benchmarks/guidance.py``). 1: reuse to the end.
    """

    name: str
    scale: float
    start: float = 0.0
    end: float = 1.0
    every: int = 1
    region: Tensor | None = None
    every_until: float = 0.8

    def __post_init__(self):
        if self.name not in NAMES:
            raise TroupeError(
                f"There is no guidance layer '{self.name}'",
                f"known are {', '.join(NAMES)}",
                "Use one of these names",
            )
        if not 0 <= self.scale <= MAX_SCALE:
            raise TroupeError(
                f"The scale of the {self.name} layer cannot be used",
                f"it is {self.scale}, it may be 0 to {MAX_SCALE:g}",
                f"Set {self.name}_scale to a number from 0 to {MAX_SCALE:g}; usual are 1 to 7",
            )
        if not 0 <= self.start <= self.end <= 1:
            raise TroupeError(
                f"The range of the {self.name} layer is none",
                f"it goes from {self.start} to {self.end}; it has to lie in 0 to 1, start before end",
                f"Set {self.name}_start below {self.name}_end; 0 and 1 are the whole schedule",
            )
        if not (isinstance(self.every, int) and self.every >= 1):
            raise TroupeError(
                f"The {self.name} layer cannot be renewed in every {self.every} steps",
                f"{self.name}_every is {self.every}, it has to be a whole number from 1",
                "Use 1 to compute it in each step, 2 for every other",
            )
        if not 0 <= self.every_until <= 1:
            raise TroupeError(
                f"The {self.name} layer cannot be reused up to {self.every_until} of the schedule",
                f"{self.name}_every_until is {self.every_until}, it may be 0 to 1",
                "Use 1 to reuse up to the end, 0.8 to compute each of the last steps",
            )
        if self.region is not None:
            _check_region(self.name, self.region)


def _check_region(name: str, region: Tensor) -> None:
    what, remedy = (
        f"The region of the {name} layer cannot be used",
        f"Connect a mask to {name}_region, or nothing",
    )
    if region.ndim not in (2, 3) or not region.numel():
        shape = list(region.shape)
        raise TroupeError(
            what, f"its shape is {shape}, expected [height, width] or [frames, height, width]", remedy
        )
    low, high = float(region.min()), float(region.max())
    if not (0 <= low <= high <= 1):
        raise TroupeError(what, f"its values run from {low:g} to {high:g}, a mask lies in 0 to 1", remedy)


@dataclass(frozen=True, eq=False)
class Guidance:
    """Layers in the order in which they are laid on; without any, one pass with everything on."""

    layers: tuple[Layer, ...] = ()

    def __post_init__(self):
        double = [name for name in self.names if self.names.count(name) > 1]
        if double:
            raise TroupeError(
                f"The guidance layer '{double[0]}' is there twice",
                f"the layers are {', '.join(self.names)}",
                "Keep one of them",
            )

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(layer.name for layer in self.layers)

    def only(self, names: Collection[str]) -> Guidance:
        """Without the layers that are not in ``names``."""
        return Guidance(tuple(layer for layer in self.layers if layer.name in names))

    def with_text(self, scale: float) -> Guidance:
        """With this scale of the text layer, which is laid on first if there was none."""
        if "text" not in self.names:
            return Guidance((Layer("text", scale), *self.layers))
        return Guidance(tuple(replace(la, scale=scale) if la.name == "text" else la for la in self.layers))


@dataclass(frozen=True, eq=False)
class Setting:
    """What counts for a layer in one step.

    ``due``: its difference is to be computed now; ``reuse``: and kept for later steps.
    """

    scale: float = 1.0
    region: Tensor | None = None
    due: bool = True
    reuse: bool = False


def settings_at(
    layers: Sequence[Layer], sigma: float, sigmas: Sequence[float], sigma_of: Callable[[float], float]
) -> tuple[Setting, ...]:
    """What counts for each layer at a noise level.

    Args:
        sigma: Of the model call. Solvers may call the model between two steps; that belongs to the earlier one.
        sigmas: The schedule, falling, one for each step and the last one's end.
        sigma_of: From a fraction of the schedule to its noise level (falling).
    """

    def past(share: float, at: float) -> bool:
        return share <= 0 or (share < 1 and at <= sigma_of(share) * (1 + SAME_SIGMA))

    def inside(layer: Layer, at: float) -> bool:
        return layer.start < layer.end and past(layer.start, at) and not past(layer.end, at)

    step = sum(s >= sigma * (1 - SAME_SIGMA) for s in sigmas[1:])
    before, out = Setting(), []
    for layer in layers:
        if inside(layer, sigma):
            first = next((i for i, s in enumerate(sigmas) if inside(layer, s)), step)
            region = None if abs(layer.scale - 1) < NOTHING else layer.region
            due = (step - first) % layer.every == 0 or past(layer.every_until, sigma)
            before = Setting(layer.scale, region, due, layer.every > 1)
        out.append(before)
    return tuple(out)


@dataclass(frozen=True, eq=False)
class Term:
    """A weighted difference of two passes: ``weight() * (e_high - e_low)``."""

    low: int
    high: int
    setting: Setting
    above: bool = False  # the plan's base

    @property
    def link(self) -> Link:
        return self.low, self.high

    def weight(self) -> float | Tensor:
        """s for what lies above the base, s - 1 for what the base contains; with a region, s is 1 outside of it."""
        scale, region = self.setting.scale, self.setting.region
        if region is None:
            return scale if self.above else scale - 1
        return (1 if self.above else 0) + (scale - 1) * region

    @property
    def counts(self) -> bool:
        scale = self.setting.scale
        if self.setting.region is None:
            return abs(scale if self.above else scale - 1) > NOTHING
        return self.above or abs(scale - 1) > NOTHING


@dataclass(frozen=True, eq=False)
class Plan:
    """One step: e = e_base + sum of terms. ``passes`` have to run; terms of other passes use what was kept."""

    passes: tuple[int, ...]
    base: int
    terms: tuple[Term, ...]


def plan(settings: Sequence[Setting], kept: Collection[Link] = ()) -> Plan:
    """The fewest passes that give (1).

    Neighbouring layers of equal scale and region are one link, as s (e_i - e_{i-1}) + s (e_{i+1} - e_i) is
    s (e_{i+1} - e_{i-1}). With D_j the difference of link j and e_b any pass between links, e_0 is e_b less the
    differences below b, and (1) becomes

        e = e_b + sum_{j below b} (s_j - 1) D_j + sum_{j above b} s_j D_j.

    A term of weight 0 needs nothing, one that is kept needs no pass, a fresh one needs its two. So: try each base,
    take the one with the fewest passes, the topmost of equals, since there kept differences weigh least. Without
    anything kept these are exactly the passes with a weight in (1), s_i - s_{i+1}; with everything kept it is the
    top pass alone.

    Args:
        settings: One for each layer (``settings_at``).
        kept: Links whose difference is at hand.
    """
    links = _links(settings)
    best: Plan | None = None
    for base in (*(link.high for link in reversed(links)), 0):
        terms = [replace(link, above=link.low >= base) for link in links]
        terms = [term for term in terms if term.counts]
        fresh = [term.link for term in terms if term.setting.due or term.link not in kept]
        passes = tuple(sorted({base, *chain.from_iterable(fresh)}))
        if best is None or len(passes) < len(best.passes):
            best = Plan(passes, base, tuple(terms))
    return best


def _links(settings: Sequence[Setting]) -> list[Term]:
    """Layers, those of equal scale and region joined."""
    links: list[Term] = []
    for high, now in enumerate(settings, 1):
        last = links[-1] if links else None
        if last and last.setting.region is now.region and abs(last.setting.scale - now.scale) < NOTHING:
            due, reuse = last.setting.due or now.due, last.setting.reuse and now.reuse
            links[-1] = Term(last.low, high, replace(now, due=due, reuse=reuse))
        else:
            links.append(Term(high - 1, high, now))
    return links


class Differences:
    """The layers' differences kept during one run.

    They are kept as velocities. Between x_t and the prediction of x_0 lies sigma times the model's output (flow
    matching: v; else: noise), and it is the output that hardly changes from step to step, while differences of x_0
    shrink with sigma. ``benchmarks/guidance.py`` compares both.
    """

    def __init__(self):
        self._kept: dict[Link, Tensor] = {}

    @property
    def links(self) -> Collection[Link]:
        return self._kept.keys()

    def keep_only(self, links: Collection[Link]) -> None:
        """Forget the others."""
        self._kept = {link: kept for link, kept in self._kept.items() if link in links}

    def of(self, term: Term, predictions: Mapping[int, Tensor], sigma: float) -> Tensor:
        """``e_high - e_low``, from this step's passes where both ran, else from what was kept."""
        if not (term.low in predictions and term.high in predictions):
            return self._kept[term.link] * sigma
        difference = predictions[term.high] - predictions[term.low]
        if term.setting.reuse and sigma > 0:
            self._kept[term.link] = difference / sigma
        return difference


def combine(step: Plan, predictions: Mapping[int, Tensor], differences: Differences, sigma: float) -> Tensor:
    """The guided prediction of x_0 ``[B, C, ...]``, from those of the step's passes (same shape)."""
    out = predictions[step.base]
    for term in step.terms:
        out = out + term.weight() * differences.of(term, predictions, sigma)
    # A link that was left out, at the end of a range, would be out of date if it came back.
    differences.keep_only([term.link for term in step.terms])
    return out


def ends(
    step: Plan, predictions: Mapping[int, Tensor], differences: Differences, sigma: float
) -> tuple[tuple[int, Tensor], tuple[int, Tensor]]:
    """The lowest and the highest pass that take part in a step, with their predictions.

    Where such a pass did not run, its prediction is made up from the kept differences.
    """
    taking_part = {*predictions, *chain.from_iterable(term.link for term in step.terms)}
    out = []
    for index, above in ((min(taking_part), False), (max(taking_part), True)):
        prediction = predictions.get(index)
        if prediction is None:
            parts = [differences.of(t, predictions, sigma) for t in step.terms if t.above == above]
            prediction = predictions[step.base] + (1 if above else -1) * sum(parts)
        out.append((index, prediction))
    return tuple(out)


def region_weights(region: Tensor, shape: Sequence[int]) -> Tensor:
    """A region at a latent's size.

    Args:
        region: ``[H, W]`` or ``[T, H, W]``. The first frame belongs to the first latent frame, the others are shared
            out evenly (4 to each with T = 4 (L - 1) + 1, as in Wan).
        shape: Of the latent: ``[B, C, h, w]`` or ``[B, C, L, h, w]``.

    Returns:
        Float32 ``[1, 1, h, w]`` or ``[1, 1, L, h, w]``, each cell the mean of what it covers.
    """
    from torch import cat
    from torch.nn.functional import adaptive_avg_pool3d

    if len(shape) not in (4, 5):
        raise TroupeError(
            "A guidance region does not fit this latent",
            f"the latent's shape is {list(shape)}, neither a picture nor a video",
            "Disconnect the regions",
        )
    mask = region.float().reshape(1, 1, -1, *region.shape[-2:])
    size = tuple(shape[-2:])
    first = adaptive_avg_pool3d(mask[:, :, :1], (1, *size))
    if len(shape) == 4:
        return first[:, :, 0]
    if mask.shape[2] == 1:
        return first.expand(-1, -1, shape[2], -1, -1)
    if shape[2] == 1:
        return first
    return cat([first, adaptive_avg_pool3d(mask[:, :, 1:], (shape[2] - 1, *size))], 2)


def flow_sigmas(steps: int, shift: float = 5.0) -> Tensor:
    """The schedule of the published code: sigma = shift u / (1 + (shift - 1) u) at u = 1 - i / steps.

    FantasyPortrait's and FantasyTalking's are the same (both sample at shift 5 with 30 steps; FantasyTalking's last
    of steps + 1 is dropped).

    Returns:
        Float32 ``[steps + 1]``, from 1 to 0.
    """
    import torch

    if not (isinstance(steps, int) and 1 <= steps <= MAX_STEPS):
        raise TroupeError(
            "There is no schedule of this length",
            f"steps is {steps}",
            f"Use a whole number from 1 to {MAX_STEPS}",
        )
    if not (math.isfinite(shift) and shift > 0):
        raise TroupeError("There is no such schedule", f"shift is {shift}", "Use a shift above 0; usual is 5")
    u = torch.linspace(1, 0, steps + 1, dtype=torch.float64)
    return (shift * u / (1 + (shift - 1) * u)).float()
