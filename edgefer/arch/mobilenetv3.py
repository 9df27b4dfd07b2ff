"""MobileNetV3-Large, a row of Safavi et al. Table II.

Howard et al., "Searching for MobileNetV3", ICCV 2019, Table 1.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from edgefer.arch.blocks import conv_bn


@dataclass(frozen=True)
class Row:
    """A row of Table 1: kernel, expanded and output channels, squeeze-and-excite, hard swish, stride."""

    kernel: int
    wide: int
    outputs: int
    attention: bool
    swish: bool
    stride: int


LARGE = (
    Row(3, 16, 16, False, False, 1),
    Row(3, 64, 24, False, False, 2),
    Row(3, 72, 24, False, False, 1),
    Row(5, 72, 40, True, False, 2),
    Row(5, 120, 40, True, False, 1),
    Row(5, 120, 40, True, False, 1),
    Row(3, 240, 80, False, True, 2),
    Row(3, 200, 80, False, True, 1),
    Row(3, 184, 80, False, True, 1),
    Row(3, 184, 80, False, True, 1),
    Row(3, 480, 112, True, True, 1),
    Row(3, 672, 112, True, True, 1),
    Row(5, 672, 160, True, True, 2),
    Row(5, 960, 160, True, True, 1),
    Row(5, 960, 160, True, True, 1),
)
VARIANTS = {"mobilenetv3": LARGE}
STEM, WIDE, LAST = 16, 960, 1280
EPSILON = 1e-3


def _quarter(channels: int) -> int:
    """A quarter, rounded to a multiple of 8 that is not more than a tenth below it."""
    rounded = max(8, (channels // 4 + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * (channels // 4) else rounded + 8


def _conv_bn(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    return conv_bn(inputs, outputs, kernel, stride, groups, EPSILON)


class SqueezeExcite(nn.Module):
    """Weights each channel by what the channels' means say: (N, C, S, S) -> (N, C, S, S)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = _quarter(channels)
        self.body = nn.Sequential(
            nn.Conv2d(channels, narrow, 1), nn.ReLU(), nn.Conv2d(narrow, channels, 1), nn.Hardsigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x * self.body(functional.adaptive_avg_pool2d(x, 1))
        return y


class Block(nn.Module):
    """Expand, depthwise, attend, project: (N, C, S, S) -> (N, D, S / stride, S / stride)."""

    def __init__(self, inputs: int, row: Row) -> None:
        super().__init__()
        act = nn.Hardswish if row.swish else nn.ReLU
        expand = [*_conv_bn(inputs, row.wide, 1), act()] if row.wide != inputs else []
        depthwise = [*_conv_bn(row.wide, row.wide, row.kernel, row.stride, groups=row.wide), act()]
        attention = [SqueezeExcite(row.wide)] if row.attention else []
        self.body = nn.Sequential(*expand, *depthwise, *attention, *_conv_bn(row.wide, row.outputs, 1))
        self.shortcut = row.stride == 1 and inputs == row.outputs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x)
        return x + y if self.shortcut else y


class MobileNetV3(nn.Module):
    """(N, 3, 224, 224) in [0, 1] -> (N, classes) logits."""

    def __init__(self, rows: tuple[Row, ...], classes: int = 7) -> None:
        super().__init__()
        layers: list[nn.Module] = [*_conv_bn(3, STEM, 3, 2), nn.Hardswish()]  # 112
        channels = STEM
        for row in rows:  # 112, 56, 28, 14, 7
            layers.append(Block(channels, row))
            channels = row.outputs
        self.features = nn.Sequential(*layers, *_conv_bn(channels, WIDE, 1), nn.Hardswish())
        self.classifier = nn.Sequential(
            nn.Linear(WIDE, LAST), nn.Hardswish(), nn.Dropout(0.2), nn.Linear(LAST, classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        mean = functional.adaptive_avg_pool2d(self.features(x), 1).flatten(1)
        logits: Tensor = self.classifier(mean)
        return logits


def make(variant: str, classes: int) -> nn.Module:
    """The network called `variant` in VARIANTS."""
    return MobileNetV3(VARIANTS[variant], classes)
