"""What the tests of the reference-net family share: the reference's files, and nets small enough for the processor."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

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


class Tiny:
    """A folder with the reference's numbers from nets of small sizes, whose weights are synthetic."""

    def __init__(self, folder: Path, synthetic: ModuleType):
        self.folder, self._synthetic = folder, synthetic

    def json(self, name: str) -> Any:
        path = self.folder / f"{name}.json"
        if not path.is_file():
            pytest.skip(f"{path} is not there")
        return json.loads(path.read_text())

    @cached_property
    def config(self) -> dict:
        return self.json("config")

    def weights(self, name: str) -> dict[str, torch.Tensor]:
        return self._synthetic.synthetic_checkpoint(self.json(f"{name}.keys"))

    def reference(self, name: str) -> Reference:
        return Reference(self.folder / f"{name}.safetensors")

    def vae(self) -> torch.nn.Module:
        """diffusers' ``AutoencoderKL``."""
        from diffusers import AutoencoderKL

        vae = AutoencoderKL(**self.config["vae"])
        vae.load_state_dict(self.weights("vae"))
        return vae.eval()


@pytest.fixture(scope="session")
def hallo_folder(golden_part) -> Path:
    return golden_part("hallo")


@pytest.fixture(scope="session")
def champ_folder(golden_part) -> Path:
    return golden_part("champ")


@pytest.fixture(scope="session")
def hallo_tiny(golden_part, synthetic) -> Tiny:
    return Tiny(golden_part("hallo", "tiny"), synthetic)


@pytest.fixture(scope="session")
def champ_tiny(golden_part, synthetic) -> Tiny:
    return Tiny(golden_part("champ", "tiny"), synthetic)


@pytest.fixture(scope="session")
def hallo_weights(hallo_tiny) -> dict[str, torch.Tensor]:
    """Of the reference's tiny ``net.pth``."""
    return hallo_tiny.weights("net")


@pytest.fixture(scope="session")
def champ_weights(champ_tiny) -> dict[str, torch.Tensor]:
    """Of the reference's tiny files, each under its name as prefix."""
    return champ_tiny.weights("champ")


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.no_grad():
        yield
