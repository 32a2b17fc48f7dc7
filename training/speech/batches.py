"""What training sees in one step: crops of the data, stretched, augmented, conditioned, half of them with their text.

Every batch follows from the seed and the number of its step alone, so that a run can be taken up anywhere.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from troupe.engine.speech.channels import CHANNELS
from troupe.engine.speech.conditions import CONDITION, EMOTIONS, conditioned
from troupe.engine.speech.features import BANDS
from troupe.engine.speech.phones import PHONES, SIL

from .augment import SILENT, augmented
from .teacher import REST

FRAMES = 150  # of a crop: 3 s
ITEMS = 12
# Of the seconds seen, by source; the rest is for recorded voices.
SHARES = {"negative": 0.07, "espeak-ng": 0.48}
STRETCH = (0.88, 1.14)
SLOWEST = 15  # frames of labels looked at around a crop, for the text there


@dataclass(frozen=True, eq=False)
class Utterance:
    """One utterance of a shard; arrays as ``data`` describes them."""

    mel: np.ndarray
    target: np.ndarray
    phone: np.ndarray
    tokens: np.ndarray
    about: dict[str, str]


@dataclass(frozen=True, eq=False)
class Batch:
    """One step's worth.

    Attributes:
        features: float32 ``[B, 2M, BANDS]``.
        condition: float32 ``[B, M, 12]``, row m as it is at frame m.
        target: float32 ``[B, M, 18]`` under the condition; ``speech`` the same without.
        phone: int64 ``[B, M]``.
        tokens, lengths, start: The text as ``SpeechNetwork`` takes it; length 0 is without.
    """

    features: np.ndarray
    condition: np.ndarray
    target: np.ndarray
    speech: np.ndarray
    phone: np.ndarray
    tokens: np.ndarray
    lengths: np.ndarray
    start: np.ndarray


def read_part(folder: Path, files: int | None = None) -> list[Utterance]:
    """The utterances of one part of the data, in order.

    Args:
        folder: Of that part.
        files: How many of its files to read; all if None.

    Raises:
        FileNotFoundError: if there is none.
    """
    from safetensors import safe_open

    paths = sorted(folder.glob("*.safetensors"))[:files]
    if not paths:
        raise FileNotFoundError(f"no data in {folder}: make it with 'python -m training.speech data'")
    found: list[Utterance] = []
    for path in paths:
        with safe_open(path, "numpy") as file:
            shard = {key: file.get_tensor(key) for key in file.keys()}
            about = json.loads(file.metadata()["utterances"])
        frames, words = shard["offsets"], shard["token_offsets"]
        for i, one in enumerate(about):
            a, b = int(frames[i]), int(frames[i + 1])
            mel, tokens = shard["mel"][2 * a : 2 * b], shard["tokens"][words[i] : words[i + 1]]
            found.append(Utterance(mel, shard["target"][a:b], shard["phone"][a:b], tokens, one))
    return found


def sampling(utterances: list[Utterance]) -> np.ndarray:
    """How likely each utterance is drawn ``[U]``: by its length, and by its source's share."""
    source = np.array([u.about["source"] for u in utterances])
    seconds = np.array([len(u.target) for u in utterances], float)
    group = np.where(np.isin(source, list(SHARES)), source, "recorded")
    share = {**SHARES, "recorded": 1 - sum(SHARES.values())}
    total = {name: seconds[group == name].sum() for name in share}
    odds = seconds * np.array([share[name] / total[name] for name in group])
    return odds / odds.sum()


def run_lengths(phone: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sounds of a course of labels ``[M]`` in order, without pauses, and the frame where each begins."""
    first = np.flatnonzero(np.diff(phone, prepend=-1))
    spoken = phone[first] != SIL
    return phone[first][spoken].astype(np.int64), first[spoken]


def _misread(tokens: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Speakers leave sounds out, add some and say others than the dictionary has."""
    chance = rng.random(len(tokens))
    tokens = np.where(chance < 0.04, rng.integers(1, len(PHONES), len(tokens)), tokens)
    return np.repeat(tokens, np.where(chance > 0.98, 0, np.where(chance > 0.97, 2, 1)))


def _text(
    phone: np.ndarray, begin: int, length: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Text around the crop ``begin .. begin + length`` of labels, and where in it the crop may begin (weights)."""
    first = max(0, begin - SLOWEST)
    tokens, at = run_lengths(phone[first : begin + length + SLOWEST].astype(int))
    before = int((at < begin - first).sum())
    start = np.zeros(len(tokens), np.float32)
    if before:  # in the middle of a text: three sounds more or less
        start[max(0, before - 1 - int(rng.integers(0, 4))) : before + int(rng.integers(0, 4))] = 1
    changed = _misread(tokens, rng)
    if len(changed) != len(tokens):
        start = np.interp(
            np.linspace(0, 1, len(changed)),
            np.linspace(0, 1, max(len(start), 1)),
            start if len(start) else [0],
        )
    return changed, start.astype(np.float32)


def conditions(items: int, frames: int, rng: np.random.Generator) -> np.ndarray:
    """Emotion mixes that hold, jump or glide, and personas, ``[B, M, 12]``; half of the items calm and plain."""
    out = np.zeros((items, frames, CONDITION), np.float32)
    kinds = len(EMOTIONS)
    for item in range(items):
        if rng.random() < 0.5:
            continue
        if rng.random() < 0.85:
            keys = []
            for _ in range(int(rng.integers(1, 4))):
                some = rng.choice(kinds, int(rng.choice([1, 1, 2, 3])), replace=False)
                mix = np.zeros(kinds)
                mix[some] = rng.dirichlet(np.ones(len(some)))
                keys.append(mix * rng.choice([1.0, rng.random()]))
            edges = np.sort(rng.uniform(0, frames, len(keys)))
            if rng.random() < 0.5:
                which = np.searchsorted(edges[1:], np.arange(frames))
                course = np.stack(keys)[which]
            else:
                course = np.stack(
                    [np.interp(np.arange(frames), edges, [k[j] for k in keys]) for j in range(kinds)], 1
                )
            course[:, 0] = 0  # calm is zero
            out[item, :, :kinds] = course
        if rng.random() < 0.6:
            out[item, :, kinds : kinds + 3] = (
                rng.uniform(-0.5, 0.5),
                rng.uniform(-0.6, 0.6),
                rng.uniform(0, 1) ** 2,
            )
    return out


class Batches:
    """Random batches of one part of the data.

    Args:
        utterances: See ``read_part``.
        seed: Of chance.
        items: Per batch.
    """

    def __init__(self, utterances: list[Utterance], seed: int, items: int = ITEMS):
        self._utterances, self._seed, self._items = utterances, seed, items
        self._edges = np.cumsum(sampling(utterances))

    def batch(self, step: int, strength: float) -> Batch:
        """The batch of this step; ``strength`` 0..1 is that of the augmentation."""
        rng = np.random.default_rng([self._seed, step])
        items = self._items
        mel = np.full((items, 2 * FRAMES, BANDS), SILENT, np.float32)
        speech = np.repeat(np.repeat(REST[None, None], FRAMES, 1), items, 0)
        phone = np.zeros((items, FRAMES), np.int64)
        texts, from_start = [], np.zeros(items, bool)
        for item in range(items):
            chosen = self._utterances[
                min(int(np.searchsorted(self._edges, rng.random())), len(self._utterances) - 1)
            ]
            begin, stretch = self._place(len(chosen.target), rng, strength)
            from_start[item] = begin <= 0 or rng.random() < 0.4
            _cut(chosen, begin, stretch, mel[item], speech[item], phone[item])
            texts.append(_text(chosen.phone, max(begin, 0), int(FRAMES * stretch) + min(begin, 0), rng))
        condition = conditions(items, FRAMES, rng)
        features = augmented(mel, rng, strength, from_start)
        tokens, lengths, start = _told(texts, rng)
        target = conditioned(speech, condition)
        return Batch(features, condition, target, speech, phone, tokens, lengths, start)

    @staticmethod
    def _place(length: int, rng: np.random.Generator, strength: float) -> tuple[int, float]:
        """First frame of the crop (negative: silence before) and how many frames of the data go into one."""
        stretch = float(np.exp(strength * rng.uniform(*np.log(STRETCH))))
        spare = length - int(FRAMES * stretch) - 1
        if spare <= 0:
            return int(rng.integers(spare, 1)), stretch
        return (0 if rng.random() < 0.15 else int(rng.integers(0, spare + 1))), stretch


def _cut(
    one: Utterance, begin: int, stretch: float, mel: np.ndarray, speech: np.ndarray, phone: np.ndarray
) -> None:
    """Fills a crop from frame ``begin`` on, time running ``stretch`` times as fast; outside the utterance it keeps
    what it holds."""
    length = len(one.target)
    at = begin + stretch * np.arange(FRAMES)
    inside = (at >= 0) & (at <= length - 1)
    low = np.minimum(at[inside].astype(int), length - 2)
    part = (at[inside] - low).astype(np.float32)[:, None]
    first, last = max(low[0], 0) if len(low) else 0, (low[-1] + 2 if len(low) else 0)
    target = one.target[first:last].astype(np.float32)
    speech[inside] = target[low - first] * (1 - part) + target[low - first + 1] * part
    phone[inside] = one.phone[np.minimum(np.rint(at[inside]).astype(int), length - 1)]
    # A frame of sound ends at (n + 1) / 100 s.
    at = (2 * begin + stretch * (np.arange(2 * FRAMES) + 1)) - 1
    inside = (at >= 0) & (at <= 2 * length - 1)
    low = np.minimum(at[inside].astype(int), 2 * length - 2)
    part = (at[inside] - low).astype(np.float32)[:, None]
    first, last = (low[0], low[-1] + 2) if len(low) else (0, 0)
    sound = one.mel[first:last].astype(np.float32)
    mel[inside] = sound[low - first] * (1 - part) + sound[low - first + 1] * part


def _told(
    texts: list[tuple[np.ndarray, np.ndarray]], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Half of the items get their text, now and then somebody else's."""
    items = len(texts)
    told = rng.permutation(items) < items // 2
    wrong = rng.random(items) < 0.1
    chosen = [texts[(i + 1) % items] if wrong[i] else texts[i] for i in range(items)]
    lengths = np.array([len(t[0]) if told[i] else 0 for i, t in enumerate(chosen)], np.int64)
    widest = max(1, int(lengths.max()))
    tokens, start = np.zeros((items, widest), np.int64), np.zeros((items, widest), np.float32)
    for i, (sounds, where) in enumerate(chosen):
        tokens[i, : lengths[i]], start[i, : lengths[i]] = sounds[: lengths[i]], where[: lengths[i]]
    return tokens, lengths, start


assert len(REST) == len(CHANNELS)
