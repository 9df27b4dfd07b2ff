"""EfficientFace: ShuffleNetV2 with a local-feature extractor and a channel-spatial modulator.

Zhao, Liu and Zhou, "Robust lightweight facial expression recognition network with label distribution
training", AAAI 2021, section "Channel-spatial modulated and locality-aware lightweight network" and
Fig. 3. The modulator is after BAM (Park et al., BMVC 2018).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgefer.arch import shufflenetv2
from edgefer.arch.blocks import conv_bn

CHANNELS = (29, 116, 232, 464, 1024)  # 29, not ShuffleNetV2's 24: the extractor multiplies them by 4
REDUCTION, DILATION = 16, 4  # BAM's
PATCHES = 2  # along each side


@dataclass(frozen=True)
class Variant:
    """Which of the two parts are there (Table 1), and how the modulator joins its two maps.

    "sum" is equation 1 of the paper; the authors' public code has "product".
    """

    local: bool = True
    modulated: bool = True
    join: Literal["sum", "product"] = "sum"


VARIANTS = {
    "efficientface": Variant(),
    "efficientface-product": Variant(join="product"),
    "efficientface-local": Variant(modulated=False),
    "efficientface-modulator": Variant(local=False),
}


class LocalExtractor(nn.Module):
    """Each quarter of the picture has depthwise convolutions of its own: (N, 29, 56, 56) -> (N, 116, 28, 28)."""

    def __init__(self, inputs: int, outputs: int, side: int) -> None:
        super().__init__()
        self.patch = side // PATCHES
        self.bodies = nn.ModuleList(
            nn.Sequential(
                *conv_bn(inputs, outputs, 3, 2, groups=inputs),
                nn.ReLU(),
                *conv_bn(outputs, outputs, 3, groups=outputs),
                nn.ReLU(),
            )
            for _ in range(PATCHES * PATCHES)
        )

    def forward(self, x: Tensor) -> Tensor:
        size = self.patch
        left, right = x[:, :, :, :size], x[:, :, :, size:]
        quarters = (left[:, :, :size], right[:, :, :size], left[:, :, size:], right[:, :, size:])
        a, b, c, d = (body(quarter) for body, quarter in zip(self.bodies, quarters, strict=True))  # (N, 116, 14, 14)
        return torch.cat((torch.cat((a, b), dim=3), torch.cat((c, d), dim=3)), dim=2)


class Modulator(nn.Module):
    """Weights each value by what its channel and its place say: (N, C, S, S) -> (N, C, S, S), equations 1 and 2."""

    def __init__(self, channels: int, join: Literal["sum", "product"]) -> None:
        super().__init__()
        narrow = channels // REDUCTION
        self.join = join
        self.channel = nn.Sequential(
            nn.Linear(channels, narrow), nn.BatchNorm1d(narrow), nn.ReLU(), nn.Linear(narrow, channels)
        )
        layers: list[nn.Module] = [nn.Conv2d(channels, narrow, 1), nn.BatchNorm2d(narrow), nn.ReLU()]
        for _ in range(2):
            dilated = nn.Conv2d(narrow, narrow, 3, padding=DILATION, dilation=DILATION)
            layers += [dilated, nn.BatchNorm2d(narrow), nn.ReLU()]
        self.spatial = nn.Sequential(*layers, nn.Conv2d(narrow, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        mean = functional.adaptive_avg_pool2d(x, 1).flatten(1)
        channel = self.channel(mean).unsqueeze(2).unsqueeze(3)  # (N, C, 1, 1)
        spatial = self.spatial(x)  # (N, 1, S, S)
        both = channel + spatial if self.join == "sum" else channel * spatial
        return x * torch.sigmoid(both)


class EfficientFace(shufflenetv2.ShuffleNetV2):
    """(N, 3, 224, 224), a grey face in [0, 1] on three channels -> (N, classes) logits."""

    def __init__(self, variant: Variant, classes: int = 7) -> None:
        super().__init__(shufflenetv2.Variant(CHANNELS), classes)
        stem, wide = CHANNELS[:2]
        self.local = LocalExtractor(stem, wide, 56) if variant.local else None
        self.modulator: nn.Module = Modulator(wide, variant.join) if variant.modulated else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        low = self.pool(self.stem(x))  # (N, 29, 56, 56)
        x = self.modulator(self.stage2(low))  # (N, 116, 28, 28)
        if self.local is not None:
            x = x + self.local(low)  # equation 3
        x = self.tail(self.stage4(self.stage3(x)))
        logits: Tensor = self.fc(functional.adaptive_avg_pool2d(x, 1).flatten(1))
        return logits


def make(variant: str, classes: int) -> nn.Module:
    """The network called `variant` in VARIANTS."""
    return EfficientFace(VARIANTS[variant], classes)
