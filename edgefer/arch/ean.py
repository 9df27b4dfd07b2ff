"""EAN, the efficient attention network, and the models it was chosen from.

Kong et al., "Real-time facial expression recognition based on iterative transfer learning and
efficient attention network", IET Image Processing 2022; architecture in section 3.1 and Table 1.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgefer.arch.blocks import conv_bn

STRIDES = (2, 2, 1, 2, 1, 2)  # section 3.1; blocks 3 and 5 keep their shape and have a shortcut
ECA_KERNEL = 3  # 6 blocks x 3 weights = the 18 parameters of Table 6


@dataclass(frozen=True)
class Variant:
    """A row of Table 1: channels of the stem, (channels, expansion) of six blocks; Table 6: attention or not."""

    stem: int
    blocks: tuple[tuple[int, int], ...]
    attention: bool = True


_MODELS = {
    "ean": Variant(16, ((8, 3), (16, 6), (16, 6), (32, 6), (32, 6), (64, 3))),
    "model_a": Variant(32, ((16, 6), (24, 6), (24, 6), (32, 6), (32, 6), (64, 6))),
    "model_b": Variant(32, ((16, 3), (32, 3), (32, 3), (64, 3), (64, 3), (128, 1))),
    "model_c": Variant(16, ((16, 6), (24, 6), (24, 6), (32, 6), (32, 6), (64, 6))),
    "model_d": Variant(32, ((16, 3), (24, 3), (24, 3), (48, 3), (48, 3), (128, 1))),
    "model_e": Variant(16, ((8, 3), (24, 6), (24, 6), (48, 3), (48, 3), (128, 1))),
    "model_f": Variant(16, ((8, 3), (24, 3), (24, 3), (48, 3), (48, 3), (64, 3))),
}
VARIANTS = _MODELS | {f"{name}-noatt": replace(variant, attention=False) for name, variant in _MODELS.items()}


class ECA(nn.Module):
    """Efficient channel attention: a 1-d convolution over the channels' means (reference [38])."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 1, ECA_KERNEL, padding=ECA_KERNEL // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> (N, C, H, W)
        mean = functional.adaptive_avg_pool2d(x, 1).flatten(1).unsqueeze(1)  # (N, 1, C)
        weight = torch.sigmoid(self.conv(mean)).transpose(1, 2).unsqueeze(3)  # (N, C, 1, 1)
        return x * weight


class Block(nn.Module):
    """EAIRB: expand, depthwise, project, attend; the expand convolution stays when e = 1."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int, attention: bool) -> None:
        super().__init__()
        wide = inputs * expansion
        self.body = nn.Sequential(
            *conv_bn(inputs, wide, 1),
            nn.ReLU(),
            *conv_bn(wide, wide, 3, stride, groups=wide),
            nn.ReLU(),
            *conv_bn(wide, outputs, 1),
        )
        self.attention: nn.Module = ECA() if attention else nn.Identity()
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.attention(self.body(x))
        return x + y if self.shortcut else y


class EAN(nn.Module):
    """(N, 3, 44, 44), a grey face in [0, 1] on three channels -> (N, classes) logits."""

    def __init__(self, variant: Variant, classes: int = 7) -> None:
        super().__init__()
        self.stem = nn.Sequential(*conv_bn(3, variant.stem, 3), nn.ReLU())  # 44x44
        blocks: list[nn.Module] = []
        channels = variant.stem
        for (outputs, expansion), stride in zip(variant.blocks, STRIDES, strict=True):
            blocks.append(Block(channels, outputs, expansion, stride, variant.attention))
            channels = outputs
        self.blocks = nn.Sequential(*blocks)  # 22, 11, 11, 6, 6, 3
        self.tail = nn.Sequential(OrderedDict(zip(("conv", "bn"), conv_bn(channels, classes, 3), strict=True)))

    def forward(self, x: Tensor) -> Tensor:
        return functional.adaptive_avg_pool2d(self.tail(self.blocks(self.stem(x))), 1).flatten(1)


def make(variant: str, classes: int) -> nn.Module:
    """The network called `variant` in VARIANTS."""
    return EAN(VARIANTS[variant], classes)
