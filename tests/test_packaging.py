"""What is shipped: the package's facts, its requirements, its assets, and nothing that does not belong there."""

from __future__ import annotations

import gzip
import os
import re
import struct
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
NOT_SHIPPED = {"tests", "tools", "benchmarks", "training", "build", "output"}
MAX_BYTES = 1_000_000


@pytest.fixture(scope="module")
def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    """Files under version control."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


def requirements(name: str) -> list[str]:
    lines = (line.partition("#")[0].strip() for line in (ROOT / name).read_text("utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("-")]


def png_size(path: Path) -> tuple[int, int]:
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", head[16:24])


def test_what_the_registry_reads(project):
    about, comfy = project["project"], project["tool"]["comfy"]
    assert about["name"] == "troupe" and "comfyui" not in about["name"].lower()
    assert re.fullmatch(r"\d+\.\d+\.\d+", about["version"])
    assert "Apache License" in (ROOT / about["license"]["file"]).read_text("utf-8")
    assert about["requires-python"] == ">=3.10"
    assert any(c.startswith("Operating System :: ") for c in about["classifiers"])
    assert comfy["DisplayName"] and comfy["PublisherId"]
    assert comfy["requires-comfyui"] == ">=0.8.0"
    assert (ROOT / about["readme"]).is_file()
    assert f"[{about['version']}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_the_icon_is_square_and_small(project):
    icon = ROOT / project["tool"]["comfy"]["Icon"]
    width, height = png_size(icon)
    assert width == height <= 400
    assert icon.stat().st_size < 100_000


def test_requirements_leave_the_users_torch_and_numpy_alone():
    names = requirements("requirements.txt")
    assert 0 < len(names) <= 8
    for line in names:
        assert not re.match(r"(numpy|torch|torchvision|torchaudio|pillow)\b", line, re.I), line
        assert "==" not in line and "<" not in line, f"{line}: an upper bound breaks somebody's ComfyUI"


def test_every_package_folder_is_declared(project):
    folders = {
        p.parent.relative_to(ROOT)
        for p in ROOT.rglob("__init__.py")
        if not (set(p.relative_to(ROOT).parts) & NOT_SHIPPED)
        and not p.relative_to(ROOT).parts[0].startswith(".")
    }
    found = {".".join(("troupe", *folder.parts)) for folder in folders}
    assert found == set(project["tool"]["setuptools"]["packages"])


def test_every_data_file_of_a_package_is_shipped(project, tracked):
    patterns = [
        (Path(*package.split(".")[1:]), pattern)
        for package, names in project["tool"]["setuptools"]["package-data"].items()
        for pattern in names
    ]
    shipped = ("engine", "kernels", "host", "nodes", "web", "locales", "assets", "example_workflows")
    for path in tracked:
        name = path.relative_to(ROOT)
        if name.parts[0] not in shipped or path.suffix == ".py":
            continue
        assert any(fnmatch(name.as_posix(), (folder / pattern).as_posix()) for folder, pattern in patterns), (
            name
        )


def test_every_asset_has_its_origin_and_licence():
    text = (ROOT / "assets" / "README.md").read_text("utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    listed = {name for row in rows for name in re.findall(r"`([\w.]+)`", row.split("|")[1])}
    there = {p.name for p in (ROOT / "assets").iterdir() if p.name != "README.md"}
    assert there == listed
    assert all(len(row.split("|")) == 6 and all(cell.strip() for cell in row.split("|")[1:5]) for row in rows)


def test_no_large_file_is_tracked(tracked):
    large = [
        p for p in tracked if p.stat().st_size > MAX_BYTES and (ROOT / "tests" / "golden") not in p.parents
    ]
    # But for the speech network, which works without a download.
    weights = ROOT / "engine" / "speech" / "trained" / "speech.safetensors"
    assert set(large) <= {weights}
    assert not weights.is_file() or weights.stat().st_size < 4 * MAX_BYTES


def test_no_path_of_somebodys_machine(tracked):
    # Put together from pieces, so that this file does not hold what it looks for.
    machine = re.compile(
        "(?<![\\w.$}])/(" + "root|work|home/[a-z]+|Users/[A-Za-z]+" + ")/|[A-Z]:" + r"\\Users\\[A-Za-z]"
    )
    for path in tracked:
        if path.suffix in (".png", ".jpg", ".webp", ".mp4", ".wav", ".npz", ".npy", ".safetensors"):
            continue
        text = gzip.open(path, "rt").read() if path.suffix == ".gz" else path.read_text("utf-8")
        for number, line in enumerate(text.splitlines(), 1):
            assert not machine.search(line), f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}"


@pytest.mark.skipif(os.name == "nt", reason="the Makefile and its helper are for POSIX shells")
class TestFindPython:
    """``make`` finds a fitting Python or says in one line what is missing."""

    def run(self, *args: str, path: str) -> subprocess.CompletedProcess:
        script = str(ROOT / "tools" / "find_python.sh")
        return subprocess.run(
            ["/bin/sh", script, *args],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={"PATH": path},
        )

    @staticmethod
    def pretend(folder: Path, name: str, version: str) -> None:
        """A program that answers like a Python of that version with all its modules."""
        program = folder / name
        program.write_text(f'#!/bin/sh\ncase "$2" in *version_info*) echo {version} ;; esac\n')
        program.chmod(0o755)

    def test_takes_the_best_there_is(self, tmp_path: Path):
        self.pretend(tmp_path, "python3", "3.13")
        self.pretend(tmp_path, "python3.10", "3.10")
        self.pretend(tmp_path, "python3.12", "3.12")
        done = self.run(path=str(tmp_path))
        assert (done.returncode, done.stdout.strip()) == (0, str(tmp_path / "python3.12"))

    def test_takes_the_one_that_is_named(self, tmp_path: Path):
        self.pretend(tmp_path, "python3.11", "3.11")
        self.pretend(tmp_path, "mine", "3.10")
        done = self.run(str(tmp_path / "mine"), path=str(tmp_path))
        assert (done.returncode, done.stdout.strip()) == (0, str(tmp_path / "mine"))

    @pytest.mark.parametrize("version", ["3.9", "3.13", "3.14"])
    def test_says_what_is_there_and_what_is_wanted(self, tmp_path: Path, version: str):
        self.pretend(tmp_path, "python3", version)
        done = self.run(path=str(tmp_path))
        assert done.returncode == 1 and not done.stdout
        assert len(done.stderr.strip().splitlines()) == 1
        assert f"Python {version}" in done.stderr and "3.12" in done.stderr

    def test_says_that_there_is_none(self, tmp_path: Path):
        done = self.run(path=str(tmp_path))
        assert done.returncode == 1 and "no Python" in done.stderr
