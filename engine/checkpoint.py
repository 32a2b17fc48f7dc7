"""Reading weights: never executing what a file says, never guessing what it lacks.

tensors = load_checkpoint(path)          # flat names, whatever the file's format
load_strict(module, tensors, path.name)  # every key accounted for, every value finite
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING

from .errors import TroupeError

if TYPE_CHECKING:
    import torch

PICKLES = (".ckpt", ".pth", ".pt", ".bin")
LISTED = 6  # keys named in an error before "and N more"


def load_checkpoint(path: str | Path) -> dict[str, torch.Tensor]:
    """All tensors of a checkpoint under flat names, on the CPU, in the file's own types.

    Safetensors, or a torch file read with ``weights_only=True``. Nested groups are joined with dots
    (``{"proj_model": {"norm.bias": t}}`` becomes ``proj_model.norm.bias``), a lone ``state_dict`` or ``module``
    wrapper is taken off, and values that are no tensors (step counters) are left out.

    Raises:
        TroupeError: if the file is missing, damaged, of another kind, or a pickle that wants to run code.
    """
    import torch

    path = Path(path)
    if not path.is_file():
        raise TroupeError(
            f"The checkpoint {path.name!r} was not found", "there is no such file", "Check the path"
        )
    if path.suffix.lower() == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            raise _damaged(path, error) from error
    if path.suffix.lower() not in PICKLES:
        raise TroupeError(
            f"The checkpoint {path.name!r} cannot be read",
            f"it ends in '{path.suffix}', known are .safetensors, {', '.join(PICKLES)}",
            "Choose a file of one of these kinds",
        )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen types for damaged files
        if "weights_only" in str(error).lower() or "unsupported" in str(error).lower():
            raise TroupeError(
                f"The checkpoint {path.name!r} was refused",
                "it is a pickle that holds more than tensors and could run code on this machine",
                "Use a safetensors version of the same weights",
            ) from error
        raise _damaged(path, error) from error
    return flatten(content, path.name)


def flatten(content: object, name: str) -> dict[str, torch.Tensor]:
    """Nested dictionaries of tensors as one, names joined with dots."""
    import torch

    if isinstance(content, Mapping):
        for wrapper in ("state_dict", "module"):
            if isinstance(content.get(wrapper), Mapping):
                content = content[wrapper]
    flat: dict[str, torch.Tensor] = {}

    def walk(value: object, prefix: str) -> None:
        if isinstance(value, torch.Tensor):
            flat[prefix] = value.detach()
        elif isinstance(value, Mapping):
            for key, inner in value.items():
                walk(inner, f"{prefix}.{key}" if prefix else str(key))

    walk(content, "")
    if not flat:
        raise TroupeError(f"The checkpoint {name!r} is empty", "it holds no tensors", "Download it again")
    return flat


def subset(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """The tensors under ``prefix`` (with its dot), the prefix taken off."""
    return {key[len(prefix) :]: value for key, value in tensors.items() if key.startswith(prefix)}


def load_strict(
    module: torch.nn.Module, tensors: Mapping[str, torch.Tensor], name: str, unused: Iterable[str] = ()
) -> None:
    """Put ``tensors`` into ``module`` (cast to its own type), every key accounted for.

    Args:
        module: Where they belong; may live on the meta device, then it takes the tensors themselves.
        tensors: By the module's own names; floating tensors of any type.
        name: The file's name, for errors.
        unused: Names (or prefixes ending in a dot) that the file may hold though the module has no such part.

    Raises:
        TroupeError: naming missing and unexpected keys, wrong shapes, or keys with NaN or infinite values.
    """
    expected = module.state_dict()
    skip = tuple(unused)

    def optional(key: str) -> bool:
        return any(key.startswith(s) if s.endswith(".") else key == s for s in skip)

    given = {k: t for k, t in tensors.items() if k in expected or not optional(k)}
    check_keys(given, {k: tuple(v.shape) for k, v in expected.items()}, name)
    meta = any(t.is_meta for t in expected.values())
    cast = {k: t.to(expected[k].dtype) for k, t in given.items()}
    module.load_state_dict(cast, strict=True, assign=meta)


def check_keys(tensors: Mapping[str, torch.Tensor], shapes: Mapping[str, tuple[int, ...]], name: str) -> None:
    """Raise a ``TroupeError`` unless ``tensors`` has exactly these names and shapes, and finite values."""
    import torch

    missing = sorted(shapes.keys() - tensors.keys())
    unexpected = sorted(tensors.keys() - shapes.keys())
    if missing or unexpected:
        why = [f"missing: {listed(missing)}"] if missing else []
        why += [f"unexpected: {listed(unexpected)}"] if unexpected else []
        raise TroupeError(
            f"The checkpoint {name!r} does not fit",
            "; ".join(why),
            "Check that it is the right file, whole and unchanged",
        )
    wrong = [
        f"{k} is {list(t.shape)}, expected {list(shapes[k])}"
        for k, t in sorted(tensors.items())
        if tuple(t.shape) != tuple(shapes[k])
    ]
    if wrong:
        raise TroupeError(
            f"The checkpoint {name!r} does not fit", listed(wrong), "Check that it is made for this model"
        )
    broken = [
        k for k, t in sorted(tensors.items()) if t.is_floating_point() and not torch.isfinite(t.float()).all()
    ]
    if broken:
        raise TroupeError(
            f"The checkpoint {name!r} is damaged",
            f"NaN or infinite values in {listed(broken)}",
            "Download it again, or convert it again from the original",
        )


def listed(names: list[str]) -> str:
    """A few of the names and how many more there are."""
    more = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {more} more" if more > 0 else "")


def _damaged(path: Path, error: Exception) -> TroupeError:
    return TroupeError(
        f"The checkpoint {path.name!r} cannot be read",
        f"the file is damaged or incomplete ({shorten(str(error) or type(error).__name__, 120, placeholder=' ...')})",
        "Download it again",
    )
