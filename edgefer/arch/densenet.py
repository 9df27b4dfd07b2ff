"""DenseNet-121, a row of Safavi et al. Table II.

Huang et al., "Densely connected convolutional networks", CVPR 2017, Table 1 (bottlenecks, compression 0.5).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

GROWTH, STEM, BOTTLENECK = 32, 64, 4


@dataclass(frozen=True)
class Variant:
    """Layers of the four dense blocks."""

    layers: tuple[int, int, int, int]


VARIANTS = {"densenet121": Variant((6, 12, 24, 16))}


class DenseLayer(nn.Module):
    """Adds GROWTH channels that a bottleneck computes from all before: (N, C, S, S) -> (N, C + 32, S, S)."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        wide = GROWTH * BOTTLENECK
        self.body = nn.Sequential(
            *[nn.BatchNorm2d(inputs), nn.ReLU(), nn.Conv2d(inputs, wide, 1, bias=False)],
            *[nn.BatchNorm2d(wide), nn.ReLU(), nn.Conv2d(wide, GROWTH, 3, padding=1, bias=False)],
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((x, self.body(x)), dim=1)


def _transition(inputs: int) -> list[nn.Module]:
    """Half the channels, half the side."""
    return [nn.BatchNorm2d(inputs), nn.ReLU(), nn.Conv2d(inputs, inputs // 2, 1, bias=False), nn.AvgPool2d(2)]


class DenseNet(nn.Module):
    """(N, 3, 224, 224) in [0, 1] -> (N, classes) logits."""

    def __init__(self, variant: Variant, classes: int = 7) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, STEM, 7, 2, 3, bias=False), nn.BatchNorm2d(STEM), nn.ReLU()]
        layers.append(nn.MaxPool2d(3, 2, 1))  # 56
        channels = STEM
        for number, depth in enumerate(variant.layers):  # 56, 28, 14, 7
            if number:
                layers += _transition(channels)
                channels //= 2
            layers += [DenseLayer(channels + index * GROWTH) for index in range(depth)]
            channels += depth * GROWTH
        self.features = nn.Sequential(*layers, nn.BatchNorm2d(channels), nn.ReLU())
        self.fc = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(functional.adaptive_avg_pool2d(self.features(x), 1).flatten(1))
        return logits


def make(variant: str, classes: int) -> nn.Module:
    """The network called `variant` in VARIANTS."""
    return DenseNet(VARIANTS[variant], classes)
