"""The expression encoder against the reference's own numbers, alone and behind the alignment."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from troupe.engine.faces import Face, Faces, FaceTrack
from troupe.engine.faces.align import FIVE
from troupe.engine.wan.embeds import PARTS
from troupe.engine.wan.expression import ExpressionEncoder, encode_clip
from troupe.engine.wan.pdfgc import PDFGC, UNUSED

pytestmark = pytest.mark.golden

TOLERANCE = 5e-5  # of the goldens' README
OTHER_BICUBIC = 4e-3  # the same: what another rounding of the crop's coordinates does to the features
NAMES = {"head": "headpose", "eyes": "eye", "emotion": "emo", "mouth": "mouth"}


@pytest.fixture(scope="module")
def folder(golden_part):
    return golden_part("fantasy_portrait", "pd_fgc")


@pytest.fixture(scope="module")
def keys(folder):
    return json.loads((folder / "keys.json").read_text())


@pytest.fixture(scope="module")
def encoder(keys, synthetic, tmp_path_factory):
    path = tmp_path_factory.mktemp("encoder") / "pd_fpg.pth"
    torch.save(synthetic.synthetic_checkpoint(keys), path)
    return ExpressionEncoder.load(path)


@pytest.fixture(scope="module", params=["io", "io_photo"])
def case(request, folder):
    from safetensors.numpy import load_file

    path = folder / f"{request.param}.safetensors"
    if not path.is_file():
        assert request.param != "io", "the reference folder is not whole"
        pytest.skip("the reference folder holds no photo")
    return load_file(path)


def apart(features: np.ndarray) -> dict[str, np.ndarray]:
    ends = np.cumsum(list(PARTS.values()))
    return dict(zip(NAMES.values(), np.split(features, ends[:-1], axis=1), strict=True))


def test_names_and_shapes_are_the_files(keys):
    with torch.device("meta"):
        own = {name: list(t.shape) for name, t in PDFGC().state_dict().items()}
    unused = {name for name in keys if name.startswith(UNUSED)}
    assert unused == {"mouth_embed.1.weight", "mouth_embed.1.bias"}
    assert own == {name: list(shape) for name, shape in keys.items() if name not in unused}


def test_every_tensor_agrees(encoder, case):
    images = case["images_rgb_u8"]
    ours = apart(encoder.encode_crops(images))
    given = torch.from_numpy((images.transpose(0, 3, 1, 2) / 255 * 2 - 1).astype(np.float32))
    with torch.inference_mode():
        ours["backbone"] = encoder.module.model(given).numpy()
        assert np.abs(encoder.module(given).numpy() - encoder.encode_crops(images)).max() <= 1e-5
    assert case.keys() == {"images_rgb_u8", *ours}
    for name, value in ours.items():
        assert value.shape == case[name].shape and value.dtype == np.float32
        assert np.abs(value - case[name]).max() <= TOLERANCE, name


def test_pictures_are_independent_of_their_batch(encoder, case):
    images = case["images_rgb_u8"]
    images = np.concatenate([images, images[::-1, ::-1]])  # even the photo is not alone
    together = encoder.encode_crops(images, batch=len(images))
    alone = np.concatenate([encoder.encode_crops(one[None]) for one in images])
    assert np.abs(together - alone).max() <= 1e-5
    assert np.abs(alone[0] - alone[-1]).max() > 1e-2


@pytest.fixture(scope="module")
def aligned(golden_part):
    from safetensors.numpy import load_file

    folder = golden_part("fantasy_portrait", "face_align")
    sets = json.loads((folder / "meta.json").read_text())["sets"]
    # The reference's own fit is wrong for mirrored points, which no face has.
    use = [i for i, told in enumerate(sets) if told["reference_equals_least_squares"]]
    assert use
    tensors = load_file(folder / "io.safetensors")
    return tensors["image_bgr_u8"], tensors["points_5x2"][use], tensors["warped_bgr_u8"][use]


def test_clips_are_aligned_as_the_reference_aligns_and_the_encoder_sees_rgb(encoder, aligned):
    image, points, warped = aligned
    landmarks = np.zeros((len(points), 478, 3), np.float32)
    landmarks[:, list(FIVE), :2] = points + 0.5  # the reference counts pixel centres, landmarks the left edge
    track = FaceTrack(1, tuple(Face(one) for one in landmarks))
    faces = Faces((track,), *image.shape[:2], frames=len(points), fps=25.0)
    frame = np.ascontiguousarray(image[..., ::-1])
    ours = encode_clip(encoder, (frame for _ in points), faces)[1].features
    reference = encoder.encode_crops(np.ascontiguousarray(warped[..., ::-1]))
    assert np.abs(ours - reference).max() <= OTHER_BICUBIC
    assert (
        np.abs(ours - encoder.encode_crops(warped)).max() > 10 * OTHER_BICUBIC
    )  # swapped channels would show
