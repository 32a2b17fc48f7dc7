"""Files: bit for bit there and back, the real app's habits, and what broken files are told."""

from __future__ import annotations

import csv
import io
import json
import os
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from troupe.engine.errors import TroupeError
from troupe.engine.motion.face_motion import BLENDSHAPES, FaceMotion
from troupe.engine.motion.files import FORMATS, load_motion, save_motion
from troupe.engine.motion.live_link import EXTRAS, HEADER, SHAPES, timecode
from troupe.engine.motion.presets import preset_motion

RATES = (1.0, 5.0, 23.976, 24.0, 25.0, 30000 / 1001, 30.0, 50.0, 60000 / 1001, 60.0, 97.3, 240.0, 1000.0)


@st.composite
def motions(draw):
    frames = draw(st.integers(1, 8))
    weights = st.floats(0, 1, width=32, allow_subnormal=True)
    heads = st.floats(-90, 90, width=32, allow_subnormal=True)
    return FaceMotion(
        draw(arrays(np.float32, (frames, 52), elements=weights, fill=weights)),
        draw(arrays(np.float32, (frames, 6), elements=heads, fill=heads)),
        draw(st.sampled_from(RATES) | st.floats(0.01, 1000)),
        draw(st.just(0.0) | st.floats(0, 86399)),
    )


def bits(motion):
    return motion.blendshapes.tobytes(), motion.head.tobytes(), motion.fps, motion.start


@pytest.mark.parametrize("suffix", FORMATS)
@settings(max_examples=40)
@given(motion=motions())
def test_round_trip_is_bit_for_bit(tmp_path_factory, suffix, motion):
    path = tmp_path_factory.getbasetemp() / f"round{suffix}"
    assert save_motion(motion, path) == path
    assert bits(load_motion(path)) == bits(motion)


@pytest.mark.parametrize("fps", RATES)
def test_long_round_trip_past_midnight(tmp_path, fps):
    rng = np.random.default_rng(0)
    motion = FaceMotion(rng.random((1000, 52)), rng.normal(0, 20, (1000, 6)), fps, 86399.0)
    save_motion(motion, tmp_path / "a.csv")
    assert bits(load_motion(tmp_path / "a.csv")) == bits(motion)


def test_csv_has_the_apps_form(tmp_path):
    motion = FaceMotion(np.full((3, 52), 0.25), np.tile([10.0, 20, -5, 0.1, 0, 0], (3, 1)), 30.0, 3661.5)
    save_motion(motion, tmp_path / "a.csv")
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert lines[0].startswith("Timecode,BlendShapeCount,EyeBlinkLeft,EyeLookDownLeft,")
    assert (
        ",JawForward,JawRight,JawLeft,JawOpen,MouthClose," in lines[0]
        and ",MouthRight,MouthLeft," in lines[0]
    )
    assert (
        ",TongueOut,HeadYaw,HeadPitch,HeadRoll,LeftEyeYaw,LeftEyePitch,LeftEyeRoll,RightEyeYaw," in lines[0]
    )
    rows = list(csv.DictReader(lines))
    assert [r["Timecode"] for r in rows] == ["01:01:01:30.000", "01:01:01:32.000", "01:01:01:34.000"]
    assert all(r["BlendShapeCount"] == "61" and len(r) == 68 and "" not in r.values() for r in rows)
    # Radians; yaw to the person's left is negative there, down and the left shoulder are positive.
    angles = [float(rows[0][k]) for k in ("HeadYaw", "HeadPitch", "HeadRoll")]
    np.testing.assert_allclose(angles, np.radians([-20, 10, -5]), rtol=1e-6)
    save_motion(motion, tmp_path / "b.csv", plain=True)
    assert (tmp_path / "b.csv").read_text().splitlines()[0] == ",".join(HEADER)
    assert len(HEADER) == 63 and sorted(n[0].lower() + n[1:] for n in SHAPES) == sorted(BLENDSHAPES)


def test_eye_angles_have_the_apps_signs(tmp_path):
    looks = {"eyeLookOutLeft": ("LeftEyeYaw", -1), "eyeLookInRight": ("RightEyeYaw", -1),
             "eyeLookInLeft": ("LeftEyeYaw", 1), "eyeLookOutRight": ("RightEyeYaw", 1),
             "eyeLookDownLeft": ("LeftEyePitch", 1), "eyeLookUpRight": ("RightEyePitch", -1)}  # fmt: skip
    for shape, (column, sign) in looks.items():
        weights = np.zeros((1, 52))
        weights[0, BLENDSHAPES.index(shape)] = 0.5
        save_motion(FaceMotion(weights, np.zeros((1, 6)), 30), tmp_path / "a.csv")
        row = next(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
        assert 0.2 < sign * float(row[column]) < 0.4
        assert (
            sum(float(row[c]) != 0 for c in ("LeftEyeYaw", "LeftEyePitch", "RightEyeYaw", "RightEyePitch"))
            == 1
        )


# --- files as the app writes them --------------------------------------------------------------------------------


def app_file(path, times, weight=lambda i: 0.5, lost=(), header=HEADER, codes=None):
    """A recording in the app's form: JawOpen as told, all else 0.1; rows in ``lost`` have no face."""
    with open(path, "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(header)
        for i, t in enumerate(times):
            code = codes[i] if codes else timecode(t)
            if i in lost:
                out.writerow([code, 0])
                continue
            row = {n: "0.1000000000" for n in SHAPES} | {"JawOpen": f"{weight(i):.10f}", "Timecode": code}
            out.writerow([row.get(n, "61" if n == "BlendShapeCount" else "0.0000000000") for n in header])
    return path


@pytest.mark.parametrize("fps", [24, 25, 30000 / 1001, 30, 60000 / 1001, 60])
def test_frame_rate_is_found(tmp_path, fps):
    motion = load_motion(app_file(tmp_path / "a.csv", 40000 + np.arange(200) / fps))
    assert motion.fps == pytest.approx(fps, rel=1e-9) and len(motion) == 200
    assert motion.start == pytest.approx(40000, abs=1e-4)


def test_jitter_of_the_camera_is_ignored(tmp_path):
    jitter = np.random.default_rng(0).normal(0, 0.001, 300)
    motion = load_motion(
        app_file(tmp_path / "a.csv", 40000 + np.arange(300) / 30 + jitter, lambda i: i / 300)
    )
    assert motion.fps == 30 and len(motion) == 300
    np.testing.assert_allclose(motion.column("jawOpen"), np.arange(300) / 300, atol=1e-7)  # rows as they are


def test_dropped_and_lost_frames_are_filled_by_time(tmp_path):
    keep = np.setdiff1d(np.arange(300), [50, 51, 120, 200, 201, 202, 203])
    path = app_file(tmp_path / "a.csv", 40000 + keep / 30, lambda i: keep[i] / 300, lost=(10, 11, 60))
    motion = load_motion(path)
    assert motion.fps == 30 and len(motion) == 300
    np.testing.assert_allclose(motion.column("jawOpen"), np.arange(300) / 300, atol=1e-4)


def test_timecodes_of_other_rates(tmp_path):
    codes = [f"10:00:{i // 25:02d}:{i % 25:02d}" for i in range(100)]
    assert load_motion(app_file(tmp_path / "a.csv", range(100), codes=codes)).fps == 25
    # Drop-frame: after 10:00:59;29 comes 10:01:00;02, and the rate is 29.97.
    labels = [f"10:00:{s:02d};{f:02d}" for s in (58, 59) for f in range(30)] + [
        f"10:01:00;{f:02d}" for f in range(2, 30)
    ]
    motion = load_motion(app_file(tmp_path / "b.csv", range(len(labels)), lambda i: i / 100, codes=labels))
    assert motion.fps == pytest.approx(30000 / 1001) and len(motion) == len(labels)


def test_midnight_is_passed(tmp_path):
    motion = load_motion(app_file(tmp_path / "a.csv", (86399 + np.arange(90) / 30) % 86400))
    assert motion.fps == 30 and len(motion) == 90 and motion.start == 86399


def test_weights_a_little_above_one_are_clipped(tmp_path):
    assert load_motion(app_file(tmp_path / "a.csv", [0, 1 / 30], lambda i: 1.08)).blendshapes.max() == 1


def test_single_row(tmp_path):
    motion = load_motion(app_file(tmp_path / "a.csv", [5]))
    assert len(motion) == 1 and motion.fps == 30 and motion.start == 5


def test_column_order_and_case_do_not_matter(tmp_path):
    header = ("blendshapecount", "TIMECODE", *(n[0].lower() + n[1:] for n in HEADER[:1:-1]))
    rename = dict(zip(header, ("BlendShapeCount", "Timecode", *HEADER[:1:-1]), strict=True))
    path = app_file(tmp_path / "a.csv", np.arange(40) / 30, header=tuple(rename.values()))
    text = path.read_text().split("\n", 1)
    path.write_text("\ufeff" + ",".join(header) + "\n" + text[1], "utf-8")
    assert load_motion(path).column("jawOpen")[0] == 0.5


def test_rows_cut_out_of_our_file_keep_time(tmp_path):
    motion = preset_motion("happy", seconds=4, fps=25)
    path = save_motion(motion, tmp_path / "a.csv")
    lines = path.read_text().splitlines(True)
    path.write_text("".join(lines[:31] + lines[36:]))
    assert len(load_motion(path)) == len(motion) and load_motion(path).fps == 25


# --- what goes wrong -----------------------------------------------------------------------------------------------


def edited(tmp_path, change):
    path = app_file(tmp_path / "take.csv", 40000 + np.arange(60) / 30)
    lines = path.read_text().splitlines()
    path.write_text("\n".join(change(lines)))
    return path


def swap(lines, line, old, new):
    return [t.replace(old, new, 1) if i == line else t for i, t in enumerate(lines)]


@pytest.mark.parametrize(
    "change, parts",
    [
        (lambda t: swap(t, 0, "JawOpen", "JawOpne"), ["missing: 'JawOpen'", "unknown: 'JawOpne'", "perhaps JawOpen"]),
        (lambda t: [",".join(x.split(",")[:-30]) for x in t], ["missing: 'MouthRollLower'", "more"]),
        (lambda t: [x + ",1" if i else x + ",Extra" for i, x in enumerate(t)], ["unknown: 'Extra'"]),
        (lambda t: swap(t, 0, "JawOpen", "JawLeft"), ["JawLeft twice"]),
        (lambda t: swap(t, 7, "0.1000000000", "nan"), ["eyeBlinkLeft is nan", "frame 7", "not a number"]),
        (lambda t: swap(t, 7, "0.1000000000", "inf"), ["frame 7"]),
        (lambda t: swap(t, 7, "0.1000000000", "50.0"), ["eyeBlinkLeft is 50", "frame 7", "percents"]),
        (lambda t: swap(t, 7, "0.1000000000", "-0.9"), ["eyeBlinkLeft is -0.9"]),
        (lambda t: swap(t, 7, "0.1000000000", "abc"), ["Line 8", "'abc'", "EyeBlinkLeft"]),
        (lambda t: swap(t, 7, "0.1000000000", ""), ["Line 8", "''"]),
        (lambda t: [*t[:9], t[9][:100]], ["Line 10", "incomplete"]),
        (lambda t: [*t[:5], t[9], t[8], *t[10:]], ["run backwards", "frame 6"]),
        (lambda t: [*t[:5], t[4], *t[5:]], ["run backwards"]),
        (lambda t: swap(t, 5, "11:", "xx:"), ["Frame 5", "timecode", "xx:06:40"]),
        (lambda t: t[:1], ["no frames"]),
        (lambda t: ["", ""], ["header"]),
        (lambda t: ["\0\0\0", "\0"], ["take.csv"]),
    ],
)  # fmt: skip
def test_broken_csv_is_named(tmp_path, change, parts):
    with pytest.raises(TroupeError) as e:
        load_motion(edited(tmp_path, change))
    message = str(e.value)
    for part in ("take.csv", *parts):
        assert part in message, message


@pytest.mark.parametrize(
    "name, content, part",
    [
        ("a.csv", b"", "empty"), ("a.json", b"", "empty"), ("a.npz", b"", "empty"),
        ("a.csv", b"\xff\xfe\x00\x80\x81", "CSV"), ("a.json", b"\xff\xfe", "JSON"), ("a.json", b"{", "JSON"),
        ("a.json", b"[" * 100_000, "JSON"), ("a.json", b"[1, 2]", "motion"),
        ("a.json", b'{"items": [{"name": "happy", "start": 1}]}', "timeline"),
        ("a.json", b'{"format": "troupe-motion", "version": 2}', "version"),
        ("a.npz", b"PK\x03\x04garbage", "NPZ"), ("a.npz", b"not a zip", "NPZ"), ("a.txt", b"x", ".csv"),
    ],
)  # fmt: skip
def test_wrong_content(tmp_path, name, content, part):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TroupeError) as e:
        load_motion(tmp_path / name)
    assert part in str(e.value) and name in str(e.value)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(TroupeError, match="No such file"):
        load_motion(tmp_path / "none.csv")
    with pytest.raises(TroupeError):
        load_motion(tmp_path.with_suffix(".csv"))
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(TroupeError):
        load_motion(tmp_path / "folder.csv")
    with pytest.raises(TroupeError, match="folder"):
        save_motion(FaceMotion.neutral(1, 25), tmp_path / "no" / "a.csv")
    with pytest.raises(TroupeError, match=".csv"):
        save_motion(FaceMotion.neutral(1, 25), tmp_path / "a.bvh")


@pytest.mark.parametrize(
    "change",
    [
        {"fps": 0}, {"fps": "25"}, {"fps": None}, {"fps": 1e30}, {"start": -1}, {"start": True}, {"frames": []},
        {"frames": [[0.0] * 57]}, {"frames": [[0.0] * 57 + ["x"]]}, {"frames": [[0.0] * 57 + [None]]}, {"frames": 3},
        {"frames": [[0.0] * 57 + [10**400]]}, {"frames": [[float("nan")] * 58]}, {"channels": ["jawOpen"]},
        {"channels": 5}, {"frames": [[7.0] + [0.0] * 57]},
    ],
)  # fmt: skip
def test_broken_json_values(tmp_path, change):
    path = save_motion(FaceMotion.neutral(2, 25), tmp_path / "a.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(TroupeError, match="a.json"):
        load_motion(path)


def npz(path, **arrays_):
    np.savez(path, **({"blendshapes": np.zeros((2, 52)), "head": np.zeros((2, 6)), "fps": 25.0} | arrays_))
    return path


@pytest.mark.parametrize(
    "change",
    [
        {"blendshapes": np.zeros((2, 51))}, {"head": np.zeros((3, 6))}, {"blendshapes": np.zeros(())},
        {"blendshapes": np.zeros((0, 52)), "head": np.zeros((0, 6))}, {"blendshapes": np.full((2, 52), np.nan)},
        {"blendshapes": np.full((2, 52), "x")}, {"blendshapes": np.full((2, 52), 1j)}, {"fps": 0.0},
        {"fps": np.array([25.0, 30.0])}, {"fps": "25"}, {"head": np.full((2, 6), np.inf)},
        {"blendshapes": np.full((2, 52), {}, object)}, {"channels": np.array(["jawOpen"] * 58)}, {"start": 1e9},
    ],
)  # fmt: skip
def test_broken_npz(tmp_path, change):
    with pytest.raises(TroupeError, match="a.npz"):
        load_motion(npz(tmp_path / "a.npz", **change))


def test_npz_of_others_and_bombs(tmp_path):
    np.savez(tmp_path / "a.npz", exp=np.zeros(3), scale=np.zeros(3))
    with pytest.raises(TroupeError, match="exp, scale"):
        load_motion(tmp_path / "a.npz")
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": (10**8, 52)}
    )
    with zipfile.ZipFile(tmp_path / "b.npz", "w", zipfile.ZIP_DEFLATED) as z:
        for name in ("blendshapes.npy", "head.npy", "fps.npy"):
            z.writestr(name, header.getvalue() + bytes(120_000_000))
    with pytest.raises(TroupeError, match="too large"):
        load_motion(tmp_path / "b.npz")
    with zipfile.ZipFile(tmp_path / "c.npz", "w") as z:
        for name in ("blendshapes.npy", "head.npy", "fps.npy"):
            z.writestr(name, header.getvalue())  # a header that promises 42 GB
    with pytest.raises(TroupeError, match="c.npz"):
        load_motion(tmp_path / "c.npz")


def test_pickles_are_never_loaded(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "boom"),))

    np.savez(tmp_path / "a.npz", blendshapes=np.array([Bomb()], object), head=np.zeros((1, 6)), fps=25.0)
    with pytest.raises(TroupeError, match="Python objects"):
        load_motion(tmp_path / "a.npz")
    assert not (tmp_path / "boom").exists()


def test_too_many_rows(tmp_path, monkeypatch):
    path = app_file(tmp_path / "a.csv", np.arange(50) / 30)
    monkeypatch.setattr("troupe.engine.motion.live_link.MAX_FRAMES", 40)
    with pytest.raises(TroupeError, match="40 frames"):
        load_motion(path)


@pytest.mark.parametrize("suffix", FORMATS)
def test_failed_write_leaves_the_old_file(tmp_path, suffix, monkeypatch):
    motion = FaceMotion.neutral(3, 25)
    path = save_motion(motion, tmp_path / f"a{suffix}")
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(TroupeError, match="No space left"):
        save_motion(preset_motion("happy", seconds=1, fps=25), path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_extra_columns_are_last(tmp_path):
    assert not set(EXTRAS) & set(HEADER)
    save_motion(FaceMotion.neutral(1, 25), tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text().splitlines()[0].endswith(",".join(EXTRAS))
