"""ShuffleNetV2, the baseline of EfficientFace and a backbone of Kong et al. Table 5.

Ma et al., "ShuffleNet V2: practical guidelines for efficient CNN architecture design", ECCV 2018;
units in Fig. 3 (c) and (d), layout in Table 5.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgefer.arch.blocks import conv_bn


@dataclass(frozen=True)
class Variant:
    """Channels of the stem, of stages 2 to 4 and of the last convolution; units in each stage.

    small  for small pictures: a stem of stride 1 and no pooling, as CIFAR's forms have it
    """

    channels: tuple[int, int, int, int, int]
    repeats: tuple[int, int, int] = (4, 8, 4)
    small: bool = False


VARIANTS = {
    "x1": Variant((24, 116, 232, 464, 1024)),
    # A quarter of the channels of x1, half of its last: the usual layout that is nearest to Kong et al. Table 5.
    "quarter": Variant((24, 30, 60, 120, 512), small=True),
}


class Unit(nn.Module):
    """Half of the channels pass, half are convolved, then both are shuffled: (N, C, S, S) unchanged in shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.body = nn.Sequential(
            *conv_bn(half, half, 1), nn.ReLU(), *conv_bn(half, half, 3, groups=half), *conv_bn(half, half, 1), nn.ReLU()
        )

    def forward(self, x: Tensor) -> Tensor:
        kept, given = x.chunk(2, dim=1)
        return functional.channel_shuffle(torch.cat((kept, self.body(given)), dim=1), 2)


class DownUnit(nn.Module):
    """Both branches are convolved with stride 2: (N, C, S, S) -> (N, D, S/2, S/2)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        half = outputs // 2
        self.shortcut = nn.Sequential(
            *conv_bn(inputs, inputs, 3, 2, groups=inputs), *conv_bn(inputs, half, 1), nn.ReLU()
        )
        self.body = nn.Sequential(
            *conv_bn(inputs, half, 1),
            nn.ReLU(),
            *conv_bn(half, half, 3, 2, groups=half),
            *conv_bn(half, half, 1),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return functional.channel_shuffle(torch.cat((self.shortcut(x), self.body(x)), dim=1), 2)


def stage(inputs: int, outputs: int, units: int) -> nn.Sequential:
    """One unit that halves the side, then units - 1 that keep it."""
    return nn.Sequential(DownUnit(inputs, outputs), *[Unit(outputs) for _ in range(units - 1)])


class ShuffleNetV2(nn.Module):
    """(N, 3, S, S) in [0, 1], S = 224, or 44 where small -> (N, classes) logits."""

    def __init__(self, variant: Variant, classes: int = 7) -> None:
        super().__init__()
        stem, *wide, last = variant.channels
        self.stem = nn.Sequential(*conv_bn(3, stem, 3, 1 if variant.small else 2), nn.ReLU())  # 112, or 44
        self.pool: nn.Module = nn.Identity() if variant.small else nn.MaxPool2d(3, 2, 1)  # 56, or 44
        inputs = (stem, *wide)
        self.stage2, self.stage3, self.stage4 = (  # 28, 14, 7, or 22, 11, 6
            stage(i, o, n) for i, o, n in zip(inputs, wide, variant.repeats, strict=False)
        )
        self.tail = nn.Sequential(*conv_bn(wide[-1], last, 1), nn.ReLU())
        self.fc = nn.Linear(last, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stage2(self.pool(self.stem(x)))
        x = self.tail(self.stage4(self.stage3(x)))
        logits: Tensor = self.fc(functional.adaptive_avg_pool2d(x, 1).flatten(1))
        return logits


def make(variant: str, classes: int) -> nn.Module:
    """The network called `variant` in VARIANTS."""
    return ShuffleNetV2(VARIANTS[variant], classes)
