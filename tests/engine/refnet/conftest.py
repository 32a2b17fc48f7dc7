"""What the tests of the reference-net family share: the reference's files, and nets small enough for the processor."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file


class Reference(Mapping):
    """The tensors of one file of the reference, which remembers those that were looked at."""

    def __init__(self, path: Path):
        if not path.is_file():
            pytest.skip(f"{path} is not there")
        self.tensors = load_file(path)
        self.seen: set[str] = set()

    def __getitem__(self, name: str) -> torch.Tensor:
        self.seen.add(name)
        return self.tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)

    def under(self, prefix: str) -> dict[str, torch.Tensor]:
        """Those whose names begin with ``prefix``, which is taken off."""
        return {k.removeprefix(prefix): self[k] for k in self if k.startswith(prefix)}

    def same(self, name: str, ours: torch.Tensor, tolerance: float) -> None:
        """Ours is the reference's, in shape and within a tolerance."""
        theirs = self[name]
        assert ours.shape == theirs.shape, (name, ours.shape, theirs.shape)
        error = (ours.double() - theirs.double()).abs().max().item() if theirs.numel() else 0.0
        assert error <= tolerance, f"{name}: {error}"

    @property
    def unseen(self) -> set[str]:
        return self.tensors.keys() - self.seen


@pytest.fixture(scope="session")
def reference_file() -> type[Reference]:
    """Call it with a path: the file's tensors, or the test is skipped."""
    return Reference


def _folder(golden: Path, name: str) -> Path:
    folder = golden / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    return folder


@pytest.fixture(scope="session")
def hallo_folder(golden) -> Path:
    return _folder(golden, "hallo")


@pytest.fixture(scope="session")
def champ_folder(golden) -> Path:
    return _folder(golden, "champ")


def _weights(synthetic, path: Path) -> dict[str, torch.Tensor]:
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    return synthetic.synthetic_checkpoint(json.loads(path.read_text()))


@pytest.fixture(scope="session")
def hallo_weights(hallo_folder, synthetic) -> dict[str, torch.Tensor]:
    """Of the reference's tiny ``net.pth``."""
    return _weights(synthetic, hallo_folder / "tiny" / "net.keys.json")


@pytest.fixture(scope="session")
def champ_weights(champ_folder, synthetic) -> dict[str, torch.Tensor]:
    """Of the reference's tiny files, each under its name as prefix."""
    return _weights(synthetic, champ_folder / "tiny" / "champ.keys.json")


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.no_grad():
        yield
