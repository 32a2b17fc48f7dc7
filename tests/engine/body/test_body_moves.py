"""Movements by formula."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from troupe.engine.body.figure import stand_in
from troupe.engine.body.moves import MOVES, body_move
from troupe.engine.body.smpl import JOINTS
from troupe.engine.errors import TroupeError

BODY = stand_in()


def joints(move: str, seconds: float = 3.0, fps: float = 10.0) -> dict[str, np.ndarray]:
    """Each joint's way ``[T, 3]`` in camera axes."""
    motion = body_move(move, seconds, fps)
    posed = BODY.pose(*(torch.tensor(x) for x in (motion.rotations, motion.betas, motion.position)))
    return dict(zip(JOINTS, posed.joints.numpy().transpose(1, 0, 2), strict=True))


@pytest.mark.parametrize("move", MOVES)
def test_upright_smooth_and_the_same_at_any_rate(move):
    way = joints(move)
    assert (way["head"][:, 1] < way["pelvis"][:, 1] - 0.5).all()  # y down
    assert np.abs(np.diff(joints(move, fps=100.0)["left_hand"], axis=0)).max() < 0.06
    slow, quick = body_move(move, 2, 10), body_move(move, 2, 20)
    assert np.abs(quick.rotations[::2] - slow.rotations).max() < 1e-5
    assert len(slow) == 20 and slow.camera is None


def test_they_are_what_they_are_called():
    waving, walking, turning = joints("wave"), joints("walk"), joints("turn")
    hand, head = waving["right_hand"], waving["head"]
    assert (hand[12:, 1] < head[12:, 1]).all() and (hand[:2, 1] > head[:2, 1]).all()
    assert np.ptp(hand[12:, 0]) > 0.1 and (waving["left_hand"][:, 1] > head[:, 1]).all()
    feet = walking["left_ankle"] - walking["right_ankle"]
    assert feet[:, 2].min() < -0.2 and feet[:, 2].max() > 0.2
    across = turning["left_shoulder"] - turning["right_shoulder"]
    assert across[0, 0] > 0.3 and across[len(across) // 2, 0] < -0.3  # faces us, then away


def test_what_does_not_exist():
    for call in (
        lambda: body_move("dance", 3),
        lambda: body_move("wave", 0),
        lambda: body_move("wave", 1e6),
        lambda: body_move("wave", 3, -1),
    ):
        with pytest.raises(TroupeError):
            call()
