"""Pictures from anywhere, and refusing what is none."""

from __future__ import annotations

import struct
import time
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from troupe.engine.errors import TroupeError
from troupe.engine.video import check_picture, load_picture


def ramp(height: int = 40, width: int = 60) -> np.ndarray:
    """A picture without any symmetry."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 4, y * 6, (x + 2 * y) * 1.5], 2).astype(np.uint8)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "webp", "jpg"])
def test_usual_files(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(ramp()).save(path, quality=95)
    loaded = load_picture(path)
    assert loaded.dtype == np.uint8 and loaded.flags.writeable
    assert np.abs(loaded.astype(int) - ramp()).mean() < 3


@pytest.mark.parametrize("tag", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_orientation_of_the_camera(tmp_path, tag, suffix):
    upright = ramp()
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: np.rot90(upright, 2).transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[tag]
    exif = Image.Exif()
    exif[0x0112] = tag
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / f"a.{suffix}", exif=exif, quality=95)
    loaded = load_picture(tmp_path / f"a.{suffix}")
    assert loaded.shape == upright.shape
    assert np.abs(loaded.astype(int) - upright).mean() < 3


def test_transparency_is_composited_over_white(tmp_path):
    rgba = np.dstack([ramp(), np.tile(np.linspace(0, 255, 60).astype(np.uint8), (40, 1))])
    alpha = rgba[..., 3:] / 255
    Image.fromarray(rgba).save(tmp_path / "a.png")
    loaded = load_picture(tmp_path / "a.png")
    assert np.abs(loaded - (ramp() * alpha + 255 * (1 - alpha))).max() <= 1
    Image.fromarray(rgba).convert("LA").save(tmp_path / "la.png")
    assert (load_picture(tmp_path / "la.png")[:, 0] == 255).all()
    palette = Image.fromarray(np.repeat([[0, 1]] * 20, 20, 1).astype(np.uint8), "P")
    palette.putpalette([255, 0, 0, 0, 255, 0])
    palette.save(tmp_path / "p.gif", transparency=1)
    loaded = load_picture(tmp_path / "p.gif")
    assert tuple(loaded[0, 0]) == (255, 0, 0) and tuple(loaded[0, -1]) == (255, 255, 255)


def test_depths_and_models(tmp_path):
    grey = ramp()[..., 0]
    wide = grey.astype(np.uint16) * 257
    Image.fromarray(wide).save(tmp_path / "16.png")
    Image.fromarray(grey.astype(np.float32) / 255).save(tmp_path / "f.tif")
    Image.fromarray(grey).save(tmp_path / "l.png")
    for name in ("16.png", "f.tif", "l.png"):
        assert np.array_equal(load_picture(tmp_path / name), np.repeat(grey[..., None], 3, 2)), name
    Image.fromarray(ramp()).convert("CMYK").save(tmp_path / "c.jpg", quality=95)
    assert np.abs(load_picture(tmp_path / "c.jpg").astype(int) - ramp()).mean() < 4
    Image.fromarray(grey).convert("1").save(tmp_path / "1.png")
    assert set(np.unique(load_picture(tmp_path / "1.png"))) == {0, 255}


def test_a_damaged_profile_is_ignored(tmp_path):
    Image.fromarray(ramp()).save(tmp_path / "a.png", icc_profile=b"not a profile")
    assert np.array_equal(load_picture(tmp_path / "a.png"), ramp())


def test_the_first_frame_of_an_animation(tmp_path):
    frames = [Image.fromarray(np.full((20, 20, 3), v, np.uint8)) for v in (10, 200)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert np.abs(load_picture(tmp_path / "a.gif").astype(int) - 10).max() <= 2


def test_large_pictures_are_reduced_and_it_is_said(tmp_path):
    Image.new("RGB", (10_000, 2_000), (10, 120, 230)).save(tmp_path / "a.png")
    notes: list[str] = []
    loaded = load_picture(tmp_path / "a.png", notes=notes)
    assert loaded.shape == (819, 4096, 3) and tuple(loaded[5, 5]) == (10, 120, 230)
    assert "10000x2000" in notes[0]
    Image.new("RGB", (4096, 100)).save(tmp_path / "b.png")
    notes.clear()
    load_picture(tmp_path / "b.png", notes=notes)
    assert notes == []


def _png_of(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"")),
        (b"IEND", b""),
    ]
    parts = [struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("bomb.png", _png_of(60_000, 60_000), "too large"),
        ("over.png", _png_of(13_500, 13_500), "too large"),
        ("dot.png", _png_of(1, 1), "1x1"),
        ("line.png", _png_of(4000, 2), "4000x2"),
        ("e.png", b"", "empty"),
        ("t.jpg", b"this is text", "no picture"),
        ("cut.png", _png_of(100, 100), "cut.png"),
        ("clip.mp4", b"whatever", "it is a video"),
    ],
)
def test_what_is_no_picture_is_refused(tmp_path, name, data, words):
    (tmp_path / name).write_bytes(data)
    begin = time.monotonic()
    with pytest.raises(TroupeError, match=words):
        load_picture(tmp_path / name)
    assert time.monotonic() - begin < 2


def test_cut_short_and_missing(tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)).save(
        tmp_path / "a.jpg"
    )
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:5000])
    for path, words in (
        (tmp_path / "a.jpg", "a.jpg"),
        (tmp_path / "no.png", "no such file"),
        (tmp_path, "folder"),
    ):
        with pytest.raises(TroupeError, match=words):
            load_picture(path)


def test_arrays_that_are_pictures():
    assert check_picture(ramp()) is not None and np.array_equal(check_picture(ramp()), ramp())
    assert np.array_equal(check_picture(ramp() / 255), ramp())
    assert np.array_equal(check_picture((ramp() / 255).astype(np.float32)), ramp())
    clear = np.dstack([ramp(), np.zeros((40, 60), np.uint8)])
    assert (check_picture(clear) == 255).all()
    assert check_picture(np.full((20, 20, 3), 1.05)).max() == 255  # overshoot of a resampler


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((40, 60)), "shape"),
        (np.zeros((1, 40, 60, 3)), "shape"),
        (np.zeros((40, 60, 2)), "shape"),
        (np.zeros((0, 60, 3)), "0 pixels|60x0"),
        (np.zeros((1, 1, 3)), "1x1"),
        (np.full((40, 60, 3), np.nan), "not numbers"),
        (np.full((40, 60, 3), np.inf), "not numbers"),
        (np.full((40, 60, 3), 200.0), "200"),
        (np.full((40, 60, 3), -1.0), "-1"),
        (np.zeros((40, 60, 3), np.int64), "int64"),
        (np.broadcast_to(np.uint8(0), (20_000, 20_000, 3)), "too large"),
    ],
)
def test_arrays_that_are_none(array, words):
    with pytest.raises(TroupeError, match=words):
        check_picture(array, "the image")


@settings(max_examples=25, deadline=None)
@given(
    spoilt=st.sampled_from([np.nan, np.inf, -np.inf, 2.0, -3.0, 255.0]),
    y=st.integers(0, 19),
    x=st.integers(0, 19),
    channel=st.integers(0, 3),
)
def test_one_bad_value_is_found(spoilt, y, x, channel):
    array = np.full((20, 20, 4), 0.5, np.float32)
    assert check_picture(array).shape == (20, 20, 3)
    array[y, x, channel] = spoilt
    with pytest.raises(TroupeError, match="Cannot use the picture"):
        check_picture(array)
