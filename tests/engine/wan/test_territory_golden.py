"""Fixed territories against the reference's boxes, label maps and attention masks, bit for bit."""

from __future__ import annotations

import json

import numpy as np
import pytest

from troupe.engine.cast import Role
from troupe.engine.faces import Face, Faces, FaceTrack
from troupe.engine.wan.territory import fixed_boxes, labels_to_seen, territories

pytestmark = pytest.mark.golden


@pytest.fixture(scope="module")
def reference(golden_part):
    from safetensors.numpy import load_file

    folder = golden_part("fantasy_portrait", "multi_face")
    return load_file(folder / "io.safetensors"), json.loads((folder / "meta.json").read_text())


def picture(boxes, width: int, height: int) -> Faces:
    """Faces, left to right, whose landmarks reach exactly as far as the boxes."""
    boxes = sorted(boxes, key=lambda b: b[0] + b[2])
    way = np.linspace(0, 1, 478)[:, None].clip(0, 467 / 477) / (467 / 477)
    points = [np.array(b[:2]) * (1 - way) + np.array(b[2:]) * way for b in boxes]
    faces = [Face(np.pad(p, ((0, 0), (0, 1))).astype(np.float32)) for p in points]
    return Faces(tuple(FaceTrack(i + 1, (f,)) for i, f in enumerate(faces)), height, width)


def fixed(boxes, paths, meta, background="all") -> np.ndarray:
    """What ``territories`` says of these boxes, one role for each."""
    (width, height), (rows, columns) = meta["image_wh"], meta["token_grid_hw"]
    frames = meta["num_frames"]
    roles = [Role(i + 1, None) for i in range(len(boxes))]
    grid = ((frames - 1) // 4 + 1, rows, columns)
    faces = picture(boxes, width, height)
    return territories(faces, roles, paths, grid, frames, mode="fixed", background=background)


def as_mask(seen: np.ndarray, roles: int, window: int) -> np.ndarray:
    """Bits as the reference's mask ``[L, N, roles * window]``."""
    return np.repeat(seen[..., None] >> np.arange(roles) & 1, window, axis=-1)


def test_boxes_grow_as_the_driving_faces_get_about(reference):
    _, meta = reference
    width, height = meta["image_wh"]
    paths = [np.array(rects) for rects in meta["video_rects"]]
    boxes = meta["boxes_sorted_left_to_right"]
    assert boxes == sorted(meta["boxes_as_detected"], key=lambda b: b[0] + b[2])
    assert fixed_boxes(boxes, paths, height, width).tolist() == meta["extended_boxes_x1y1x2y2"]
    overlapping = meta["overlapping_boxes"]
    assert fixed_boxes(overlapping["boxes"], paths, height, width).tolist() == overlapping["extended"]
    three = meta["three_faces"]
    ordered = sorted(three["boxes"], key=lambda b: b[0] + b[2])
    assert fixed_boxes(ordered, [None] * 3, height, width).tolist() == three["extended"]


def test_label_maps_and_masks(reference):
    tensors, meta = reference
    paths = [np.array(rects) for rects in meta["video_rects"]]
    roles, labels = len(paths), tensors["labels_latent"].astype(int)
    seen = fixed(meta["boxes_as_detected"], paths, meta)
    assert np.array_equal(seen, labels_to_seen(labels, roles))
    assert np.array_equal(labels[0].reshape(meta["token_grid_hw"]), meta["label_map_frame0"])
    assert np.array_equal(fixed(meta["boxes_as_detected"], paths, meta, "none"), (1 << labels) >> 1)

    owners = tensors["labels_adapter_tokens"]
    window = owners.shape[1] // roles
    assert np.array_equal(owners, np.tile(np.repeat(np.arange(roles) + 1, window), (len(owners), 1)))
    mask = as_mask(seen, roles, window)
    assert np.array_equal(mask, tensors["intended_attn_mask_natural_order"])
    # The reference's own mask belongs to the videos in reverse.
    assert np.array_equal(as_mask(seen, roles, window)[..., ::-1], tensors["attn_mask"])


def test_where_boxes_overlap_the_one_further_right_wins(reference):
    _, meta = reference
    told = meta["overlapping_boxes"]
    seen = fixed(told["boxes"], [np.array(r) for r in meta["video_rects"]], meta)
    wanted = labels_to_seen(np.array(told["label_map_frame0"]), len(told["boxes"]))
    assert (seen == wanted.ravel()).all()


def test_three_faces_see_their_own_drive(reference):
    _, meta = reference
    three = meta["three_faces"]
    count = len(three["boxes"])
    seen = fixed(three["boxes"], [None] * count, meta)
    rows, columns = meta["token_grid_hw"]
    for label, (x0, y0, x1, y1) in enumerate([None, *three["extended"]][1:], start=1):
        bits = seen.reshape(-1, rows, columns)[:, y0 // 16 : -(-y1 // 16), x0 // 16 : -(-x1 // 16)]
        wanted = sum(1 << (v - 1) for v in three["intended_sees_videos_1based"][f"latent label {label}"])
        assert (bits == wanted).all() and bits.size
        seen.reshape(-1, rows, columns)[:, y0 // 16 : -(-y1 // 16), x0 // 16 : -(-x1 // 16)] = 0
    rest = sum(1 << (v - 1) for v in three["intended_sees_videos_1based"]["latent label 0"])
    assert set(np.unique(seen)) == {0, rest}
