"""The trained weights that ship with the pack: tensors and a card that says what they are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from pathlib import Path

import numpy as np

from ..errors import TroupeError
from .channels import CHANNELS
from .conditions import EMOTIONS, PERSONA
from .layout import VERSION, NetworkConfig, shapes
from .phones import PHONES

PRECISIONS = ("float16", "int8")
SHIPPED = Path(__file__).with_name("trained") / "speech.safetensors"
_AGAIN = "Install the pack again, or export the weights again with 'python -m training.speech export'"


@dataclass(frozen=True, eq=False)
class SpeechWeights:
    """A trained speech network.

    Attributes:
        config: Its sizes.
        tensors: float32 by name, as ``layout.shapes`` lists them.
        card: What the weights are: version, data, training, scores, licence.
    """

    config: NetworkConfig
    tensors: Mapping[str, np.ndarray]
    card: Mapping[str, object]


def meanings() -> dict[str, list[str]]:
    """What the numbers going in and out stand for; weights made for other lists are refused."""
    return {
        "channels": list(CHANNELS), "phones": list(PHONES), "emotions": list(EMOTIONS), "persona": list(PERSONA),
    }  # fmt: skip


def load_weights(path: Path | None = None) -> SpeechWeights:
    """Trained weights; the pack's own if no path is given (these are read once).

    Args:
        path: A ``.safetensors`` file with its card beside it, of the same name and ending in ``.json``.

    Raises:
        TroupeError: if a file is missing, damaged, of another version or made for other sizes.
    """
    return _shipped() if path is None else _load(Path(path))


@cache
def _shipped() -> SpeechWeights:
    return _load(SHIPPED)


def _load(path: Path) -> SpeechWeights:
    card = _card(path.with_suffix(".json"))
    config = _config(card, path)
    tensors = _tensors(path, card)
    _check(tensors, config, path)
    return SpeechWeights(config, tensors, card)


def _card(path: Path) -> dict:
    try:
        card = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise TroupeError(
            f"The card {path.name!r} of the speech network was not found", f"there is no file {path}", _AGAIN
        ) from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise TroupeError(f"The card {path.name!r} cannot be read", str(error), _AGAIN) from error
    if not isinstance(card, dict):
        raise TroupeError(f"The card {path.name!r} cannot be read", "it is no JSON object", _AGAIN)
    return card


def _config(card: dict, path: Path) -> NetworkConfig:
    version = card.get("version")
    if version != VERSION:
        raise TroupeError(
            f"The speech weights {path.name!r} do not fit this version of the pack",
            f"they are of version {version!r}, this pack reads version {VERSION}",
            _AGAIN,
        )
    for name, expected in meanings().items():
        if card.get(name) != expected:
            raise TroupeError(
                f"The speech weights {path.name!r} do not fit this version of the pack",
                f"they were made for other {name}: {_difference(card.get(name), expected)}",
                _AGAIN,
            )
    given, known = card.get("config"), {f.name: f for f in fields(NetworkConfig)}
    if not isinstance(given, dict) or given.keys() != known.keys():
        odd = sorted(set(given or ()) ^ known.keys()) if isinstance(given, dict) else ["config"]
        raise TroupeError(
            f"The card of {path.name!r} is not valid", f"missing or unknown: {', '.join(odd)}", _AGAIN
        )
    try:
        config = NetworkConfig(
            **{k: tuple(int(x) for x in v) if isinstance(v, list) else v for k, v in given.items()}
        )
    except (TypeError, ValueError) as error:
        raise TroupeError(f"The card of {path.name!r} is not valid", str(error), _AGAIN) from error
    sizes = [x for v in asdict(config).values() for x in (v if isinstance(v, tuple) else [v])]
    if not all(isinstance(x, (int, float)) and not isinstance(x, bool) and 0 < x <= 4096 for x in sizes):
        raise TroupeError(
            f"The card of {path.name!r} is not valid", f"sizes out of range: {asdict(config)}", _AGAIN
        )
    return config


def _difference(given: object, expected: list[str]) -> str:
    if not isinstance(given, list):
        return "the card does not list them"
    odd = [str(x) for x in given if x not in expected] + [x for x in expected if x not in given]
    return ", ".join(odd[:6]) if odd else "in another order"


def _tensors(path: Path, card: dict) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        content = path.read_bytes()
    except OSError as error:
        raise TroupeError(f"The speech weights {path.name!r} cannot be read", str(error), _AGAIN) from error
    if hashlib.sha256(content).hexdigest() != card.get("sha256"):
        raise TroupeError(
            f"The speech weights {path.name!r} are damaged or not those of their card",
            "the checksum differs from the card's",
            _AGAIN,
        )
    try:
        stored = load(content)
    except (SafetensorError, ValueError) as error:
        raise TroupeError(f"The speech weights {path.name!r} cannot be read", str(error), _AGAIN) from error
    return _restored(stored)


_STEP = ".step"  # int8 tensors come with the size of one step for each of their rows


def _quantised(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Matrices as int8 with a step per row, the rest as float16."""
    found: dict[str, np.ndarray] = {}
    for name, tensor in tensors.items():
        if tensor.ndim < 2:
            found[name] = tensor.astype(np.float16)
            continue
        step = (np.maximum(np.abs(tensor).max(1, keepdims=True), 1e-6) / 127).astype(np.float16)
        found[name] = np.clip(np.rint(tensor / step.astype(np.float32)), -127, 127).astype(np.int8)
        found[name + _STEP] = step
    return found


def _restored(stored: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Tensors as float32, whatever they were stored as."""
    found = {}
    for name, tensor in stored.items():
        step = stored.get(name + _STEP)
        if tensor.dtype == np.int8 and step is not None and step.shape == (len(tensor), 1):
            found[name] = tensor.astype(np.float32) * step.astype(np.float32)
        elif not (name.endswith(_STEP) and name.removesuffix(_STEP) in stored):
            found[name] = np.ascontiguousarray(tensor, np.float32)
    return found


def stored_as(tensors: Mapping[str, np.ndarray], precision: str) -> dict[str, np.ndarray]:
    """Tensors in one of ``PRECISIONS``, as they stand in the file."""
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
    if precision == "int8":
        return _quantised(tensors)
    return {name: tensor.astype(np.float16) for name, tensor in tensors.items()}


def rounded(weights: SpeechWeights, precision: str) -> SpeechWeights:
    """Weights as they come back from a file of this precision."""
    return replace(weights, tensors=_restored(stored_as(weights.tensors, precision)))


def _check(tensors: Mapping[str, np.ndarray], config: NetworkConfig, path: Path) -> None:
    expected = shapes(config)
    wrong = [f"{name} is missing" for name in sorted(expected.keys() - tensors.keys())]
    wrong += [f"{name} is unknown" for name in sorted(tensors.keys() - expected.keys())]
    for name in sorted(expected.keys() & tensors.keys()):
        if tensors[name].shape != expected[name]:
            wrong.append(f"{name} is {list(tensors[name].shape)}, expected {list(expected[name])}")
        elif not np.isfinite(tensors[name]).all():
            wrong.append(f"{name} holds NaN or infinite values")
    if wrong:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise TroupeError(f"The speech weights {path.name!r} do not fit", "; ".join(wrong[:5]) + more, _AGAIN)


def save_weights(
    path: Path,
    tensors: Mapping[str, np.ndarray],
    config: NetworkConfig,
    about: Mapping[str, object],
    precision: str = "float16",
) -> None:
    """Write weights and card so that ``load_weights`` takes them.

    Args:
        path: Ends in ``.safetensors``.
        tensors: By name, as ``layout.shapes`` lists them.
        config: Their sizes.
        about: What else the card says.
        precision: One of ``PRECISIONS``, of the file; networks run in float32 all the same.
    """
    from safetensors.numpy import save

    _check({k: np.asarray(v) for k, v in tensors.items()}, config, path)
    stored = stored_as(tensors, precision)
    content = save({k: np.ascontiguousarray(v) for k, v in sorted(stored.items())})
    card = {"version": VERSION, "sha256": hashlib.sha256(content).hexdigest(), "precision": precision}
    card["config"] = asdict(config)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    text = json.dumps(card | dict(about) | meanings(), indent=1, ensure_ascii=False)
    path.with_suffix(".json").write_text(text + "\n", "utf-8")
