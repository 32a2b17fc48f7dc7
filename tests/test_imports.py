"""The house keeps its order: imports run down only, nothing heavy at start, nothing dangerous anywhere."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ("engine", "kernels", "host", "nodes")
SOURCES = sorted(
    [p for folder in (*LAYERS, "cli") for p in (ROOT / folder).rglob("*.py")]
    + [p for name in ("__init__", "__main__") for p in ROOT.glob(name + ".py")]
)
MAX_LINES = 400

# What a layer may import of the pack, and whether it may know ComfyUI.
MAY_IMPORT = {
    "kernels": {"kernels"},
    "engine": {"engine", "kernels"},
    "host": {"host", "engine", "kernels"},
    "nodes": {"nodes", "host", "engine", "kernels"},
    "cli": {"cli", "engine"},
    "__main__": {"cli"},
    "__init__": {"nodes"},
}
KNOWS_COMFYUI = {"host", "nodes"}
COMFYUI = {
    "comfy", "comfy_api", "comfy_execution", "comfy_extras", "execution", "folder_paths", "latent_preview",
    "node_helpers", "nodes", "server",
}  # fmt: skip
# Faces and motion lie at the bottom of the engine: of the rest they know only these.
BOTTOM = {"faces", "motion", "errors", "lazy", "progress"}
HEAVY = {
    "av", "cv2", "diffusers", "jax", "matplotlib", "mediapipe", "scipy", "skimage", "tensorflow", "torch",
    "transformers",
}  # fmt: skip
# One module starts a program of the pack's own, never anything a user names: espeak-ng's library would take ComfyUI
# down with it when it dies.
STARTS_A_PROGRAM = {("engine", "speech", "espeak")}
FORBIDDEN = {"cloudpickle", "dill", "marshal", "pickle", "pip", "shelve", "subprocess"}


def module_of(path: Path) -> tuple[str, ...]:
    """Dotted name from the pack's root: ``engine/faces/types.py`` is (engine, faces, types)."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts


def statements(tree: ast.AST, *, at_import: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    """Import statements; with ``at_import`` only those that run when the module is imported."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        elif at_import and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        elif at_import and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        else:
            yield from statements(node, at_import=at_import)


def imports(
    source: str, module: tuple[str, ...], package: bool, *, at_import: bool = False
) -> tuple[set[tuple[str, ...]], set[str]]:
    """What a module imports: names inside the pack from its root, and top names of other packages."""
    inside: set[tuple[str, ...]] = set()
    outside: set[str] = set()
    for node in statements(ast.parse(source), at_import=at_import):
        if isinstance(node, ast.Import):
            outside |= {alias.name.partition(".")[0] for alias in node.names}
        elif not node.level:
            outside.add((node.module or "").partition(".")[0])
        else:
            here = module if package else module[:-1]
            base = here[: len(here) - (node.level - 1)] + tuple((node.module or "").split("."))
            base = tuple(part for part in base if part)
            inside |= {(*base, alias.name) for alias in node.names}
    return inside, outside


def imports_of(path: Path, *, at_import: bool = False) -> tuple[set[tuple[str, ...]], set[str]]:
    package = path.name == "__init__.py" and path.parent != ROOT
    return imports(path.read_text("utf-8"), module_of(path), package, at_import=at_import)


def file_of(name: tuple[str, ...]) -> Path | None:
    """The file behind a dotted name, which may end in something the file defines."""
    for parts in (name, name[:-1]):
        path = ROOT.joinpath(*parts)
        if parts and path.with_suffix(".py").is_file():
            return path.with_suffix(".py")
        if parts and (path / "__init__.py").is_file():
            return path / "__init__.py"
    return None


def test_the_checks_see_what_they_should():
    source = "import os, cv2\nfrom ..host import folders\ndef f():\n    from ...cli import main\n    import torch\n"
    inside, outside = imports(source, ("engine", "faces", "x"), package=False)
    assert inside == {("engine", "host", "folders"), ("cli", "main")}
    assert outside == {"os", "cv2", "torch"}
    inside, outside = imports(source, ("engine", "faces"), package=True, at_import=True)
    assert inside == {("engine", "host", "folders")} and outside == {"os", "cv2"}
    assert {module_of(p)[0] for p in SOURCES} >= {*LAYERS, "__init__"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.relative_to(ROOT).as_posix())
class TestEveryModule:
    def test_imports_run_down_only(self, path: Path):
        layer = module_of(path)[0]
        inside, outside = imports_of(path)
        above = {".".join(name) for name in inside if name[0] not in MAY_IMPORT[layer]}
        assert not above, f"{layer} may import {sorted(MAY_IMPORT[layer])} of the pack only"
        assert "troupe" not in outside, (
            "inside the pack imports are relative: ComfyUI names the folder as it likes"
        )
        if layer not in KNOWS_COMFYUI:
            assert not outside & COMFYUI, "only host and nodes know ComfyUI"

    def test_faces_and_motion_lie_at_the_bottom(self, path: Path):
        module = module_of(path)
        if module[:2] not in (("engine", "faces"), ("engine", "motion")):
            return
        inside, _ = imports_of(path)
        assert {name[1] for name in inside if name[0] == "engine"} <= BOTTOM

    def test_nothing_dangerous(self, path: Path):
        source = path.read_text("utf-8")
        allowed = {"subprocess"} if module_of(path) in STARTS_A_PROGRAM else set()
        assert not imports_of(path)[1] & FORBIDDEN - allowed
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("eval", "exec", "__import__", "os.system", "os.popen"), called
                if called.startswith("subprocess."):
                    assert ast.unparse(node.args[0]) == "command" and "shell" not in {
                        k.arg for k in node.keywords
                    }
                for keyword in node.keywords:
                    assert keyword.arg != "allow_pickle" or ast.unparse(keyword.value) == "False"

    def test_is_not_too_long(self, path: Path):
        lines = path.read_text("utf-8").count("\n")
        assert lines <= MAX_LINES


def test_nothing_heavy_is_imported_when_comfyui_lists_the_nodes():
    todo, seen = [ROOT / "nodes" / "__init__.py"], set()
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        inside, outside = imports_of(path, at_import=True)
        assert not outside & HEAVY, (
            f"{path.relative_to(ROOT)} is imported at start and imports something heavy"
        )
        for name in inside:
            # Importing a.b.c runs the __init__ of a and of a.b, too.
            todo += [f for i in range(1, len(name) + 1) if (f := file_of(name[:i]))]
    assert len(seen) > 5


def test_nothing_heavy_is_imported_with_the_words():
    program = f"""
import importlib, importlib.util, sys
spec = importlib.util.spec_from_file_location("pack", r"{ROOT / "__init__.py"}", submodule_search_locations=[r"{ROOT}"])
sys.modules["pack"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["pack"])
for name in ("engine.motion", "engine.cast", "engine.faces"):
    importlib.import_module("pack." + name)
print(*sorted(name for name in {sorted(HEAVY)} if name in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
