"""Loading the expression encoder strictly, and reading the people of a clip with it."""

from __future__ import annotations

import os
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from troupe.engine.errors import TroupeError
from troupe.engine.faces import Faces, FaceTrack, align_crop, five_points
from troupe.engine.wan.embeds import FEATURES
from troupe.engine.wan.expression import ExpressionEncoder, encode_clip, fill_gaps, gap_notes
from troupe.engine.wan.pdfgc import PDFGC

ROOT = Path(__file__).resolve().parents[3]


class Pooled(torch.nn.Module):
    """Quick stand-in for the network: the averages of many small parts of the picture, each picture alone."""

    most = 1000  # more than so many pictures do not fit into its memory

    def __init__(self):
        super().__init__()
        self.sizes = []

    def forward(self, images):
        if len(images) > self.most:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        self.sizes.append(len(images))
        return torch.nn.functional.adaptive_avg_pool2d(images, 14).flatten(1)[:, :FEATURES]


@pytest.fixture
def pooled():
    return ExpressionEncoder(Pooled())


# Loading -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def weights(synthetic):
    with torch.device("meta"):
        shapes = {name: tuple(t.shape) for name, t in PDFGC().state_dict().items()}
    shapes |= {"mouth_embed.1.weight": (500, 512), "mouth_embed.1.bias": (500,)}
    return synthetic.synthetic_checkpoint(shapes)


@pytest.fixture(scope="module")
def crops():
    return np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), np.uint8)


@pytest.fixture(scope="module")
def expected(weights, crops, tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "pd_fpg.pth"
    torch.save(weights, path)
    encoder = ExpressionEncoder.load(path)
    assert all(t.dtype in (torch.float32, torch.int64) for t in encoder.module.state_dict().values())
    assert not encoder.module.training and not any(p.requires_grad for p in encoder.module.parameters())
    return encoder.encode_crops(crops)


def others():
    return {
        "proj_model.norm.bias": torch.zeros(3),
        "mouth_proj_model.latents": torch.zeros(2),
        "emo_proj_model.latents": torch.zeros(2),
        "ip_adapter.blocks.0.cross_attn.ip_adapter_single_stream_k_proj.weight": torch.zeros(2, 2),
    }


def test_the_repackaged_file_gives_the_same(weights, crops, expected, tmp_path):
    path = tmp_path / "FantasyPortrait.safetensors"
    save_file({**others(), **{f"pd_fpg.{k}": t for k, t in weights.items()}}, path)
    assert np.array_equal(ExpressionEncoder.load(path).encode_crops(crops), expected)
    torch.save({"pd_fpg": weights, **others()}, tmp_path / "nested.ckpt")
    assert np.array_equal(ExpressionEncoder.load(tmp_path / "nested.ckpt").encode_crops(crops), expected)


@pytest.mark.parametrize(("dtype", "near"), [(torch.float16, 0.02), (torch.bfloat16, 0.2)])
def test_half_files_are_read_into_float32(weights, crops, expected, tmp_path, dtype, near):
    path = tmp_path / "half.safetensors"
    save_file({k: t.to(dtype) if t.is_floating_point() else t for k, t in weights.items()}, path)
    encoder = ExpressionEncoder.load(path)
    assert {p.dtype for p in encoder.module.parameters()} == {torch.float32}
    assert 0 < np.abs(encoder.encode_crops(crops) - expected).max() < near


def test_loading_leaves_chance_alone(weights, tmp_path):
    save_file(weights, tmp_path / "e.safetensors")
    torch.manual_seed(7)
    before = torch.get_rng_state()
    ExpressionEncoder.load(tmp_path / "e.safetensors")
    assert torch.equal(before, torch.get_rng_state())


def test_the_unused_part_may_be_missing(weights, crops, expected, tmp_path):
    save_file(
        {k: t for k, t in weights.items() if not k.startswith("mouth_embed.")}, tmp_path / "e.safetensors"
    )
    assert np.array_equal(ExpressionEncoder.load(tmp_path / "e.safetensors").encode_crops(crops), expected)


def missing(w):
    del w["model.m0.b2_plus_1.bn3.running_var"]
    return "missing: model.m0.b2_plus_1.bn3.running_var"


def unknown(w):
    w["to_gaze.0.weight"] = torch.zeros(2)
    return "unexpected: to_gaze.0.weight"


def misshapen(w):
    w["eye_embed.1.weight"] = torch.zeros(7, 512)
    return r"eye_embed.1.weight is \[7, 512\], expected \[6, 512\]"


def not_a_number(w):
    w["to_emo.3.bias"] = w["to_emo.3.bias"].clone()
    w["to_emo.3.bias"][5] = float("nan")
    return "NaN or infinite values in to_emo.3.bias"


@pytest.mark.parametrize("spoil", [missing, unknown, misshapen, not_a_number])
@pytest.mark.parametrize("prefix", ["", "pd_fpg."])
def test_a_file_that_does_not_fit_is_refused_by_its_keys(weights, tmp_path, spoil, prefix):
    spoiled = dict(weights)
    message = spoil(spoiled)
    more = others() if prefix else {}
    save_file({**more, **{prefix + k: t for k, t in spoiled.items()}}, tmp_path / "bad.safetensors")
    with pytest.raises(TroupeError, match=message) as error:
        ExpressionEncoder.load(tmp_path / "bad.safetensors")
    assert "'bad.safetensors'" in error.value.what


def test_a_file_without_an_encoder_says_what_it_holds(tmp_path):
    save_file(others(), tmp_path / "adapter.safetensors")
    with pytest.raises(TroupeError, match="holds no expression encoder") as error:
        ExpressionEncoder.load(tmp_path / "adapter.safetensors")
    assert "emo_proj_model, ip_adapter, mouth_proj_model, proj_model" in error.value.why


class Harmful:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(weights, tmp_path):
    torch.save({**weights, "to_emo.3.bias": Harmful(tmp_path / "ran")}, tmp_path / "pd_fpg.pth")
    with pytest.raises(TroupeError, match="could run code"):
        ExpressionEncoder.load(tmp_path / "pd_fpg.pth")
    assert not (tmp_path / "ran").exists()


def test_damaged_and_missing_files_are_refused(weights, tmp_path):
    save_file(weights, tmp_path / "e.safetensors")
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "e.safetensors").read_bytes()[:100_000])
    with pytest.raises(TroupeError, match="damaged"):
        ExpressionEncoder.load(tmp_path / "cut.safetensors")
    with pytest.raises(TroupeError, match="not found"):
        ExpressionEncoder.load(tmp_path / "nowhere.pth")


# Batches -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("most", "sizes"), [(100, [4, 4, 3]), (3, [2] * 5 + [1]), (1, [1] * 11)])
def test_the_batch_shrinks_until_it_fits(pooled, most, sizes):
    crops = np.random.default_rng(1).integers(0, 256, (11, 224, 224, 3), np.uint8)
    whole = pooled.encode_crops(crops, batch=11)
    pooled.module.most, pooled.module.sizes = most, []
    assert np.array_equal(pooled.encode_crops(crops, batch=4), whole)
    assert pooled.module.sizes == sizes


def test_no_memory_for_one_face_is_an_error_with_advice(pooled, crops):
    pooled.module.most = 0
    with pytest.raises(TroupeError, match="out of memory") as error:
        pooled.encode_crops(crops)
    assert "processor" in error.value.remedy
    assert error.value.__context__ is None, "the failed batch is still held by the error"


def test_only_crops_are_taken(pooled, crops):
    for wrong in (crops[0], crops[:, :100], crops.astype(np.float32)):
        with pytest.raises(ValueError, match="crops must be"):
            pooled.encode_crops(wrong)
    with pytest.raises(ValueError, match="batch"):
        pooled.encode_crops(crops, batch=0)
    assert pooled.encode_crops(crops[:0]).shape == (0, FEATURES)


# Clips ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pictured():
    """A public-domain picture of two people, and their faces."""
    import cv2

    from troupe.engine.faces import find_faces

    picture = cv2.imread(str(ROOT / "assets" / "two_people.png"))[..., ::-1].copy()
    faces = find_faces(picture)
    assert len(faces) == 2
    return picture, faces


def clip_of(pictured, shifts, absent=((), ()), fps=25.0):
    """The picture sliding to the right by so many pixels, frame by frame; ``absent``: each person's gaps."""
    picture, faces = pictured

    def face(track, t, gone):
        if t in gone:
            return None
        return replace(track.first, landmarks=track.first.landmarks + np.float32([shifts[t], 0, 0]))

    tracks = tuple(
        FaceTrack(track.person, tuple(face(track, t, gone) for t in range(len(shifts))))
        for track, gone in zip(faces, absent, strict=True)
    )
    frames = (np.roll(picture, shift, 1) for shift in shifts)
    return frames, Faces(tracks, faces.height, faces.width, len(shifts), fps)


def test_everybody_is_read_in_one_pass(pooled, pictured):
    picture, faces = pictured
    shifts = [0, 3, 6, 9, 12]
    frames, moving = clip_of(pictured, shifts)
    told = []
    found = encode_clip(pooled, frames, moving, batch=4, progress=lambda *at: told.append(at))
    assert told == [(n, 5) for n in range(1, 6)]
    assert pooled.module.sizes == [4, 4, 2]  # two people in five frames share the batches
    assert list(found) == [1, 2]
    for person, embeds in found.items():
        face = faces.person(person).first
        alone = pooled.encode_crops(align_crop(picture, five_points(face.landmarks))[None])
        # The picture slides as the face does, so that every crop is the same but for rounding.
        assert np.abs(embeds.features - alone).max() < 0.02
        assert np.allclose(
            embeds.boxes, np.float32(face.box) + np.float32(shifts)[:, None] * [1, 0, 1, 0], atol=1e-3
        )
        assert embeds.fps == 25.0 and embeds.notes == () and embeds.features.dtype == np.float32
    assert np.abs(found[1].features - found[2].features).max() > 0.1


@pytest.mark.parametrize("batch", [1, 3, 16])
def test_a_person_does_not_depend_on_the_others_or_the_batch(pooled, pictured, batch):
    both = encode_clip(pooled, *clip_of(pictured, [0, 5, 10, 15]))
    frames, faces = clip_of(pictured, [0, 5, 10, 15], ((), (1, 2)))
    alone = encode_clip(pooled, frames, faces, persons=[1], batch=batch)
    assert list(alone) == [1]
    assert np.array_equal(alone[1].features, both[1].features)


def test_frames_are_not_held(pooled, pictured):
    seen = []
    _, faces = clip_of(pictured, [0] * 6)

    def frames():
        for _ in range(6):
            assert sum(ref() is not None for ref in seen) <= 1  # the one just used, at most
            frame = pictured[0].copy()
            seen.append(weakref.ref(frame))
            yield frame

    encode_clip(pooled, frames(), faces, batch=4)
    assert len(seen) == 6


def test_gaps_are_filled_by_time_and_told(pooled, pictured):
    shifts = [0, 4, 8, 12, 16, 20, 24, 28]
    whole = encode_clip(pooled, *clip_of(pictured, shifts))
    found = encode_clip(pooled, *clip_of(pictured, shifts, ((), (0, 3, 4, 7)), fps=10.0))
    assert found[1].notes == ()
    assert found[2].notes == (
        "Person 2: 4 of 8 frames without the face were filled from their neighbours, the longest stretch is 0.2 s.",
    )
    got, true = found[2], whole[2]
    assert np.array_equal(got.features[[1, 2, 5, 6]], true.features[[1, 2, 5, 6]])
    assert np.array_equal(got.features[[0, 7]], true.features[[1, 6]])
    assert np.allclose(got.features[3], (2 * true.features[2] + true.features[5]) / 3, atol=1e-6)
    assert np.allclose(got.boxes[3:5], true.boxes[3:5], atol=1e-3)  # an even motion is met exactly
    assert np.array_equal(got.boxes[0], true.boxes[1])


def test_a_long_gap_is_a_warning_that_says_when(pooled, pictured):
    frames, faces = clip_of(pictured, [0] * 12, (range(3, 9), ()), fps=5.0)
    notes = encode_clip(pooled, frames, faces)[1].notes
    assert len(notes) == 2 and "6 of 12 frames" in notes[0]
    assert notes[1].startswith("Warning: person 1 is lost from 0.60 s to 1.80 s;")
    frames, faces = clip_of(pictured, [0] * 12, (range(3, 9), ()), fps=5.0)
    assert len(encode_clip(pooled, frames, faces, longest_gap_seconds=1.21)[1].notes) == 1


@pytest.mark.parametrize(("count", "gone"), [(12, range(1, 12)), (12, range(2, 12)), (2, [0]), (3, range(3))])
def test_a_person_seen_too_rarely_is_an_error(pooled, pictured, count, gone):
    frames, faces = clip_of(pictured, [0] * count, ((), gone))
    needed = max(2, -(-count // 5))
    with pytest.raises(TroupeError, match="Person 2 is seen too rarely") as error:
        encode_clip(pooled, frames, faces)
    assert f"in {count - len(gone)} of {count} frames, {needed} are needed" in error.value.why
    assert list(encode_clip(pooled, frames, faces, persons=[1])) == [1]  # nothing was read before the check


def test_a_picture_is_one_frame_at_25(pooled, pictured):
    picture, faces = pictured
    found = encode_clip(pooled, [picture], faces)
    assert faces.fps is None and len(found) == 2
    assert all(len(e) == 1 and e.fps == 25.0 and e.notes == () for e in found.values())


@pytest.mark.parametrize(("given_frames", "why"), [(4, "the clip has 4 frames"), (6, "more than 5 frames")])
def test_another_number_of_frames_is_an_error(pooled, pictured, given_frames, why):
    _, faces = clip_of(pictured, [0] * 5)
    with pytest.raises(TroupeError, match=why):
        encode_clip(pooled, (pictured[0] for _ in range(given_frames)), faces)


def test_what_does_not_belong_together_is_an_error(pooled, pictured):
    picture, faces = pictured
    with pytest.raises(TroupeError, match="not from this clip"):
        encode_clip(pooled, [picture[:-2]], faces)
    with pytest.raises(TroupeError, match="Person 3 is not in the driving clip"):
        encode_clip(pooled, [picture], faces, persons=[3])
    with pytest.raises(TroupeError, match="No face found in the driving clip"):
        encode_clip(pooled, [picture], replace(faces, tracks=()))
    with pytest.raises(TroupeError, match="empty"):
        encode_clip(pooled, [], faces)


# Gaps ----------------------------------------------------------------------------------------------


@st.composite
def gappy(draw):
    """Some values [n, 3], the frames they belong to, and the number of frames."""
    frames = draw(st.integers(1, 40))
    seen = np.array(sorted(draw(st.sets(st.integers(0, frames - 1), min_size=1))))
    numbers = st.floats(-100, 100, width=32)
    values = draw(st.lists(st.tuples(numbers, numbers, numbers), min_size=len(seen), max_size=len(seen)))
    return np.array(values, np.float32), seen, frames


@settings(max_examples=60, deadline=None)
@given(gappy())
def test_filling_is_linear_between_and_held_outside(drawn):
    values, seen, frames = drawn
    filled = fill_gaps(values, seen, frames)
    assert filled.shape == (frames, 3) and filled.dtype == np.float32
    assert np.array_equal(filled[seen], values)
    assert (filled[: seen[0]] == values[0]).all() and (filled[seen[-1] :] == values[-1]).all()
    for column in range(3):
        assert np.allclose(
            filled[:, column], np.interp(np.arange(frames), seen, values[:, column]), atol=1e-4
        )


@settings(max_examples=60, deadline=None)
@given(gappy())
def test_filling_knows_no_direction_of_time_and_is_done_once(drawn):
    values, seen, frames = drawn
    filled = fill_gaps(values, seen, frames)
    backwards = fill_gaps(values[::-1], frames - 1 - seen[::-1], frames)
    assert np.allclose(backwards[::-1], filled, atol=1e-4)
    assert np.array_equal(fill_gaps(filled, np.arange(frames), frames), filled)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=60).filter(any), st.sampled_from([5.0, 25.0, 29.97]))
def test_notes_count_what_is_missing(present, fps):
    present = np.array(present)
    runs = "".join("x" if p else "." for p in present).replace("x", " ").split()
    longest = max(map(len, runs), default=0)
    notes = gap_notes(present, fps, "person 4", longest=4.5 / fps)
    assert len(notes) == bool(runs) + (longest >= 5)
    if runs:
        assert notes[0].startswith(f"Person 4: {(~present).sum()} of {len(present)} frames")
        assert f"stretch is {longest / fps:.2g} s." in notes[0]
    if longest >= 5:
        many = sum(len(run) >= 5 for run in runs)
        assert notes[1].count("from ") == min(many, 3) + 1  # and "a guess from before"
        assert ("more" in notes[1]) == (many > 3)
