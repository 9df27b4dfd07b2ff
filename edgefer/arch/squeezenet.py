"""SqueezeNet with batch norm and simple bypasses, as its CIFAR form has it, for Kong et al. Table 5.

Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size",
arXiv:1602.07360, Table 1 and Fig. 2. A stem of stride 1 and batch norm behind every convolution make the
printed 0.733 M parameters; the paper's own 1.0 has 0.739 M and its 1.1 has 0.726 M.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Fire:
    """Squeezed channels, outputs (half from 1x1, half from 3x3), a bypass, and 2x2 pooling behind it."""

    squeeze: int
    outputs: int
    bypass: bool = False
    pool: bool = False


FIRES = (
    Fire(16, 128),
    Fire(16, 128, bypass=True),
    Fire(32, 256, pool=True),
    Fire(32, 256, bypass=True),
    Fire(48, 384),
    Fire(48, 384, bypass=True),
    Fire(64, 512, pool=True),
    Fire(64, 512),
)
VARIANTS = {"squeezenet": FIRES}
STEM = 96


def _conv(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2), nn.BatchNorm2d(outputs), nn.ReLU())


class FireModule(nn.Module):
    """Squeeze, then expand twice side by side: (N, C, S, S) -> (N, outputs, S, S)."""

    def __init__(self, inputs: int, fire: Fire) -> None:
        super().__init__()
        self.squeeze = _conv(inputs, fire.squeeze, 1)
        self.one, self.three = _conv(fire.squeeze, fire.outputs // 2, 1), _conv(fire.squeeze, fire.outputs // 2, 3)
        self.bypass = fire.bypass

    def forward(self, x: Tensor) -> Tensor:
        small = self.squeeze(x)
        y = torch.cat((self.one(small), self.three(small)), dim=1)
        return x + y if self.bypass else y


class SqueezeNet(nn.Module):
    """(N, 3, 44, 44) in [0, 1] -> (N, classes) logits."""

    def __init__(self, fires: tuple[Fire, ...], classes: int = 7) -> None:
        super().__init__()
        layers: list[nn.Module] = [_conv(3, STEM, 3), nn.MaxPool2d(2)]  # 22
        channels = STEM
        for fire in fires:  # 22, 11, 5
            layers += [FireModule(channels, fire), *([nn.MaxPool2d(2)] if fire.pool else [])]
            channels = fire.outputs
        self.features = nn.Sequential(*layers)
        self.tail = nn.Conv2d(channels, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        return functional.adaptive_avg_pool2d(self.tail(self.features(x)), 1).flatten(1)


def make(variant: str, classes: int) -> nn.Module:
    """The network called `variant` in VARIANTS."""
    return SqueezeNet(VARIANTS[variant], classes)
