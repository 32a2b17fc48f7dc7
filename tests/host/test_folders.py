"""What a workflow may read and write."""

from __future__ import annotations

import os
import sys
import types
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from troupe.engine.errors import TroupeError
from troupe.host import folders

SUFFIXES = (".csv", ".json", ".npz")
ESCAPES = (
    "../secret.csv",
    "/etc/passwd",
    "a/../../secret.csv",
    "motion/../../../x.csv",
    "link/secret.csv",
    "\0.csv",
)


@pytest.fixture
def comfy_folders(tmp_path, monkeypatch):
    """ComfyUI's folders without ComfyUI, with a link in each that leads out."""
    for name in ("input", "output", "temp", "models"):
        (tmp_path / name).mkdir()
    (tmp_path / "secret.csv").write_text("secret")
    for name in ("input", "output"):
        (tmp_path / name / "link").symlink_to(tmp_path, target_is_directory=True)

    def annotated(name):
        for kind in ("output", "input", "temp"):
            if name.endswith(f"[{kind}]"):
                return name[: -len(kind) - 2].rstrip(), str(tmp_path / kind)
        return name, None

    fake = types.SimpleNamespace(
        annotated_filepath=annotated,
        get_input_directory=lambda: str(tmp_path / "input"),
        get_output_directory=lambda: str(tmp_path / "output"),
        get_save_image_path=lambda prefix, root: (
            os.path.join(root, os.path.dirname(prefix)),
            os.path.basename(prefix),
            1,
            os.path.dirname(prefix),
            prefix,
        ),
    )
    monkeypatch.setitem(sys.modules, "folder_paths", fake)
    return tmp_path


@given(st.lists(st.sampled_from(["..", "a", ".", "b.csv"]), min_size=1, max_size=8))
def test_inside_agrees_with_walking_the_path(parts):
    """Inside as long as the way never goes above the folder (it has no namesake below itself here)."""
    steps = [{"..": -1, ".": 0}.get(part, 1) for part in parts]
    stays = min(accumulate(steps)) >= 0
    assert folders.inside("/no/such/folder", os.path.join("/no/such/folder", *parts)) == stays


def test_a_neighbour_with_the_same_beginning_is_outside():
    assert not folders.inside("/data/input", "/data/input2/x.csv")


@pytest.mark.parametrize("name", ESCAPES)
def test_input_file_refuses_to_leave(comfy_folders, name):
    with pytest.raises(TroupeError, match="not allowed|cannot be read|ends in"):
        folders.input_file(name, SUFFIXES)


@pytest.mark.parametrize("name", ESCAPES)
def test_input_file_refuses_to_leave_the_output_folder(comfy_folders, name):
    with pytest.raises(TroupeError, match="not allowed|cannot be read|ends in"):
        folders.input_file(f"{name} [output]", SUFFIXES)


@pytest.mark.parametrize("prefix", [e for e in ESCAPES if e != "/etc/passwd"] + ["/tmp/x", "..", "link/x"])
def test_output_file_refuses_to_leave(comfy_folders, prefix):
    with pytest.raises(TroupeError, match="not allowed"):
        folders.output_file(prefix, ".csv")


@pytest.mark.parametrize("prefix", ["", "motion/", "motion\\"])
def test_output_file_wants_a_name(comfy_folders, prefix):
    with pytest.raises(TroupeError, match="empty"):
        folders.output_file(prefix, ".csv")


def test_output_file_is_numbered(comfy_folders):
    path, subfolder = folders.output_file("motion/take", ".csv")
    assert path == comfy_folders / "output" / "motion" / "take_00001_.csv"
    assert subfolder == "motion"


def test_motion_files_lists_inputs_and_saved_motions(comfy_folders):
    (comfy_folders / "input" / "b.CSV").touch()
    (comfy_folders / "input" / "a.npz").touch()
    (comfy_folders / "input" / "picture.png").touch()
    (comfy_folders / "output" / "motion").mkdir()
    (comfy_folders / "output" / "motion" / "take_00001_.json").touch()
    names = folders.motion_files(SUFFIXES)
    assert names == ["a.npz", "b.CSV", "motion/take_00001_.json [output]"]
    assert all(folders.input_file(name, SUFFIXES).is_file() for name in names)


def test_a_missing_file_names_its_folder(comfy_folders):
    with pytest.raises(TroupeError, match="'gone.csv' was not found: it is not in the input folder"):
        folders.input_file("gone.csv", SUFFIXES)


def test_another_kind_of_file_is_refused(comfy_folders):
    (comfy_folders / "input" / "x.pkl").touch()
    with pytest.raises(TroupeError, match="known are .csv, .json, .npz"):
        folders.input_file("x.pkl", SUFFIXES)
