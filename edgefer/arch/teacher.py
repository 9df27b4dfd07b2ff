"""The networks that the shipped weights learn from: small ResNets for faces of 44x44.

He et al., "Deep residual learning for image recognition", CVPR 2016, section 4.2, with one basic block a stage and
shortcuts without a projection; the widths are ours. Dense 3x3 convolutions only: they are what a CPU computes at full
speed, so that in bfloat16 it trains at half of EAN's speed or more, with 16 times the arithmetic
(benchmarks/tables/training.md).
"""

from __future__ import annotations

from torch import Tensor, nn

from edgefer.arch.blocks import conv_bn

# Channels of a 3x3 stem at 44x44 (0: none), then at 22x22, 11x11, 6x6. teacher-fine sees more of the pixels.
VARIANTS = {"teacher": (0, 48, 96, 192), "teacher-fine": (24, 64, 128, 256)}


class Residual(nn.Module):
    """Two convolutions beside a shortcut: (N, C, S, S) -> (N, C, S, S)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        layers = (*conv_bn(channels, channels, 3), nn.ReLU())
        self.body = nn.Sequential(*layers, *conv_bn(channels, channels, 3), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x)
        return x + y


class Teacher(nn.Module):
    """(N, 3, 44, 44), a grey face in [0, 1] on three channels -> (N, classes) logits."""

    def __init__(self, widths: tuple[int, ...], classes: int = 7) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        stem, *stages = widths
        if stem:
            layers += [*conv_bn(inputs, stem, 3), nn.ReLU()]
            inputs = stem
        for width in stages:
            layers += [*conv_bn(inputs, width, 3, 2), nn.ReLU(), Residual(width)]
            inputs = width
        self.features = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1))
        self.dropout = nn.Dropout(0.2)
        self.classifier = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.dropout(self.features(x).flatten(1)))
        return logits


def make(variant: str, classes: int) -> nn.Module:
    """The network called `variant` in VARIANTS."""
    return Teacher(VARIANTS[variant], classes)
