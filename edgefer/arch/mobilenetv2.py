"""MobileNetV2 1.0.

Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", CVPR 2018, Table 2.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from edgefer.arch.blocks import conv_bn, global_pool


@dataclass(frozen=True)
class Group:
    """A row of Table 2: expansion, channels, blocks, stride of the first block."""

    expansion: int
    channels: int
    blocks: int
    stride: int


GROUPS = (
    Group(1, 16, 1, 1),
    Group(6, 24, 2, 2),
    Group(6, 32, 3, 2),
    Group(6, 64, 4, 2),
    Group(6, 96, 3, 1),
    Group(6, 160, 3, 2),
    Group(6, 320, 1, 1),
)
STEM, LAST = 32, 1280


@dataclass(frozen=True)
class Variant:
    """Whether the paper's figures count the global pooling, see blocks.GlobalPool."""

    counted_pool: bool


VARIANTS = {"kong2022": Variant(True), "zhao2021": Variant(False)}


class Block(nn.Module):
    """Expand, depthwise, project: (N, C, S, S) -> (N, D, S / stride, S / stride)."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int) -> None:
        super().__init__()
        wide = inputs * expansion
        expand = [*conv_bn(inputs, wide, 1), nn.ReLU6()] if expansion > 1 else []
        depthwise = [*conv_bn(wide, wide, 3, stride, groups=wide), nn.ReLU6()]
        self.body = nn.Sequential(*expand, *depthwise, *conv_bn(wide, outputs, 1))
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x)
        return x + y if self.shortcut else y


class MobileNetV2(nn.Module):
    """(N, 3, S, S) in [0, 1], S = 44 or 224 -> (N, classes) logits."""

    def __init__(self, variant: Variant, classes: int = 7) -> None:
        super().__init__()
        layers: list[nn.Module] = [*conv_bn(3, STEM, 3, 2), nn.ReLU6()]  # 22 or 112
        channels = STEM
        for group in GROUPS:
            for index in range(group.blocks):
                layers.append(Block(channels, group.channels, group.expansion, 1 if index else group.stride))
                channels = group.channels
        self.features = nn.Sequential(*layers, *conv_bn(channels, LAST, 1), nn.ReLU6())  # 2 or 7
        self.pool = global_pool(variant.counted_pool)
        self.dropout = nn.Dropout(0.2)
        self.fc = nn.Linear(LAST, classes)

    def forward(self, x: Tensor) -> Tensor:
        mean = self.pool(self.features(x)).flatten(1)
        logits: Tensor = self.fc(self.dropout(mean))
        return logits


def make(variant: str, classes: int) -> nn.Module:
    """The network called `variant` in VARIANTS."""
    return MobileNetV2(VARIANTS[variant], classes)
