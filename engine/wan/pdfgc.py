"""The PD-FGC expression encoder: what one aligned picture of a face says about pose, gaze, feeling and mouth.

Wang et al., "Progressive Disentangled Representation Learning for Fine-Grained Controllable Talking Head Synthesis"
(CVPR 2023). FantasyPortrait (arXiv 2507.12956) ships its motion encoder as ``pd_fpg.pth``; module names are those of
that file. A face alignment network (Bulat and Tzimiropoulos, ICCV 2017) with one hourglass is the backbone. For
inference only.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .embeds import PARTS

SIDE = 224  # pixels of the pictures
WIDTH = 512  # of the backbone's output

# In the file, but behind the mouth features that adapters take: the module does without.
UNUSED = ("mouth_embed.",)


class Block(nn.Module):
    """Three 3x3 convolutions in a row, normalised and rectified before each; their outputs side by side plus the input."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        half, quarter = outputs // 2, outputs // 4
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, half, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(half)
        self.conv2 = nn.Conv2d(half, quarter, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(quarter)
        self.conv3 = nn.Conv2d(quarter, quarter, 3, padding=1, bias=False)
        self.downsample = nn.Identity()
        if inputs != outputs:
            self.downsample = nn.Sequential(
                nn.BatchNorm2d(inputs), nn.ReLU(), nn.Conv2d(inputs, outputs, 1, bias=False)
            )

    def forward(self, x: Tensor) -> Tensor:
        a = self.conv1(F.relu(self.bn1(x)))
        b = self.conv2(F.relu(self.bn2(a)))
        c = self.conv3(F.relu(self.bn3(b)))
        return torch.cat((a, b, c), 1) + self.downsample(x)


class Hourglass(nn.ModuleDict):
    """Down by two ``depth`` times and up again, with a skip at every level; the finest level has the highest number."""

    def __init__(self, depth: int, channels: int):
        names = [f"{branch}_{level}" for level in range(1, depth + 1) for branch in ("b1", "b2", "b3")]
        super().__init__({name: Block(channels, channels) for name in (*names, "b2_plus_1")})
        self.depth = depth

    def forward(self, x: Tensor) -> Tensor:
        return self.at(self.depth, x)

    def at(self, level: int, x: Tensor) -> Tensor:
        skip = self[f"b1_{level}"](x)
        low = self[f"b2_{level}"](F.max_pool2d(x, 2))
        low = self.at(level - 1, low) if level > 1 else self["b2_plus_1"](low)
        low = self[f"b3_{level}"](low)
        return skip + F.interpolate(low, size=skip.shape[-2:], mode="bilinear", align_corners=False)


class Backbone(nn.Module):
    """Pictures ``[N, 3, 224, 224]`` to ``[N, 512]``, by way of 68 heat maps of 56x56."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2 = Block(64, 128)
        self.conv3 = Block(128, 128)
        self.conv4 = Block(128, 256)
        self.m0 = Hourglass(4, 256)
        self.top_m_0 = Block(256, 256)
        self.conv_last0 = nn.Conv2d(256, 256, 1)
        self.bn_end0 = nn.BatchNorm2d(256)
        self.l0 = nn.Conv2d(256, 68, 1)
        self.bn5 = nn.BatchNorm2d(68)
        self.conv6 = nn.Conv2d(68, 1, 3, stride=2, padding=1)
        self.fc = nn.Linear((SIDE // 8) ** 2, WIDTH)

    def forward(self, images: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(images)))
        x = F.max_pool2d(self.conv2(x), 2)
        x = self.top_m_0(self.m0(self.conv4(self.conv3(x))))
        heat_maps = self.l0(F.relu(self.bn_end0(self.conv_last0(x))))
        one_map = F.relu(self.conv6(F.relu(self.bn5(heat_maps))))
        return self.fc(one_map.flatten(1))


def head() -> nn.Sequential:
    return nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.BatchNorm1d(WIDTH), nn.Linear(WIDTH, WIDTH))


def embedding(width: int) -> nn.Sequential:
    return nn.Sequential(nn.ReLU(), nn.Linear(WIDTH, width))


class PDFGC(nn.Module):
    """The whole encoder; ``model`` alone is the backbone.

    The mouth is taken as it leaves its head, the other three parts after their embeddings.
    """

    def __init__(self):
        super().__init__()
        self.model = Backbone()
        self.to_headpose, self.headpose_embed = head(), embedding(PARTS["head"])
        self.to_eye, self.eye_embed = head(), embedding(PARTS["eyes"])
        self.to_emo, self.emo_embed = head(), embedding(PARTS["emotion"])
        self.to_mouth = head()

    def forward(self, images: Tensor) -> Tensor:
        """Features of faces aligned as ``engine.faces.align`` does.

        Args:
            images: float ``[N, 3, 224, 224]`` RGB in -1..1.

        Returns:
            ``[N, 554]``: head pose 6, eyes 6, emotion 30, mouth 512, as ``embeds.PARTS``.
        """
        seen = self.model(images)
        parts = (
            self.headpose_embed(self.to_headpose(seen)),
            self.eye_embed(self.to_eye(seen)),
            self.emo_embed(self.to_emo(seen)),
            self.to_mouth(seen),
        )
        return torch.cat(parts, 1)
