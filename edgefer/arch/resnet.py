"""ResNet: the CIFAR form of 18 layers (Kong et al. Table 5), the stock 18, 50 and 152, and CBAM's 50.

He et al., "Deep residual learning for image recognition", CVPR 2016, Table 1; the stride of a bottleneck is
in its 3x3 convolution, as every library has it. CBAM is Woo et al., ECCV 2018, at the end of each residual.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgefer.arch.blocks import conv_bn, global_pool

WIDTHS = (64, 128, 256, 512)
CBAM_REDUCTION, CBAM_KERNEL = 16, 7


@dataclass(frozen=True)
class Variant:
    """Blocks in each of four stages; CIFAR's stem is 3x3 with stride 1 and no pooling."""

    depths: tuple[int, int, int, int]
    bottleneck: bool = False
    cifar: bool = False
    cbam: bool = False


VARIANTS = {
    "resnet18-cifar": Variant((2, 2, 2, 2), cifar=True),
    "resnet18": Variant((2, 2, 2, 2)),
    "resnet50": Variant((3, 4, 6, 3), bottleneck=True),
    "resnet152": Variant((3, 8, 36, 3), bottleneck=True),
    "cbam-resnet50": Variant((3, 4, 6, 3), bottleneck=True, cbam=True),
}


class CBAM(nn.Module):
    """Attention over channels, then over places, each from mean and maximum: (N, C, S, S) -> (N, C, S, S)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = channels // CBAM_REDUCTION
        self.channel = nn.Sequential(nn.Linear(channels, narrow), nn.ReLU(), nn.Linear(narrow, channels))
        self.place = nn.Sequential(
            nn.Conv2d(2, 1, CBAM_KERNEL, padding=CBAM_KERNEL // 2, bias=False), nn.BatchNorm2d(1)
        )

    def forward(self, x: Tensor) -> Tensor:
        mean = self.channel(functional.adaptive_avg_pool2d(x, 1).flatten(1))
        largest = self.channel(x.amax(dim=(2, 3)))
        x = x * torch.sigmoid(mean + largest).unsqueeze(2).unsqueeze(3)  # (N, C, 1, 1)
        both = torch.cat((x.amax(dim=1, keepdim=True), x.mean(dim=1, keepdim=True)), dim=1)  # (N, 2, S, S)
        return x * torch.sigmoid(self.place(both))


class Block(nn.Module):
    """A residual block: (N, C, S, S) -> (N, D, S / stride, S / stride)."""

    def __init__(self, inputs: int, width: int, stride: int, variant: Variant) -> None:
        super().__init__()
        outputs = width * 4 if variant.bottleneck else width
        if variant.bottleneck:
            layers = [*conv_bn(inputs, width, 1), nn.ReLU(), *conv_bn(width, width, 3, stride), nn.ReLU()]
            layers += conv_bn(width, outputs, 1)
        else:
            layers = [*conv_bn(inputs, width, 3, stride), nn.ReLU(), *conv_bn(width, width, 3)]
        self.body = nn.Sequential(*layers, *([CBAM(outputs)] if variant.cbam else []))
        same = stride == 1 and inputs == outputs
        self.shortcut: nn.Module = nn.Identity() if same else nn.Sequential(*conv_bn(inputs, outputs, 1, stride))

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.body(x) + self.shortcut(x))


class ResNet(nn.Module):
    """(N, 3, S, S) in [0, 1], S = 44 in CIFAR's form and 224 otherwise -> (N, classes) logits."""

    def __init__(self, variant: Variant, classes: int = 7) -> None:
        super().__init__()
        stem = conv_bn(3, WIDTHS[0], 3) if variant.cifar else conv_bn(3, WIDTHS[0], 7, 2)
        pool = [] if variant.cifar else [nn.MaxPool2d(3, 2, 1)]
        self.stem = nn.Sequential(*stem, nn.ReLU(), *pool)  # 44 or 56
        blocks: list[nn.Module] = []
        channels = WIDTHS[0]
        for number, (width, depth) in enumerate(zip(WIDTHS, variant.depths, strict=True)):  # 44, 22, 11, 6
            for index in range(depth):
                blocks.append(Block(channels, width, 2 if number and not index else 1, variant))
                channels = width * 4 if variant.bottleneck else width
        self.blocks = nn.Sequential(*blocks)
        self.pool = global_pool(counted=not variant.cifar)
        self.fc = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.pool(self.blocks(self.stem(x))).flatten(1))
        return logits


def make(variant: str, classes: int) -> nn.Module:
    """The network called `variant` in VARIANTS."""
    return ResNet(VARIANTS[variant], classes)
