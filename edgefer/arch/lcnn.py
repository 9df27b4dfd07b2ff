"""LCNN, the lightweight network of LCNN with MTCNN: mini-Xception with four residual modules.

Zhou, Liang and Shi, "A lightweight convolutional neural network for real-time facial expression
detection", IEEE Access 2021, section III.B and Fig. 6; the modules are mini-Xception's (Arriaga et al.,
arXiv:1710.07557), with which its 58,423 parameters agree one by one.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

EPSILON = 1e-3  # batch norm's in Keras
STEM = 8


@dataclass(frozen=True)
class Variant:
    """Side and channels of the input, channels of the residual separable modules, and their stride."""

    side: int
    inputs: int
    modules: tuple[int, ...]
    stride: int = 2


VARIANTS = {
    "lcnn": Variant(64, 1, (16, 32, 64, 128)),
    # Kong et al. Table 5: at 44x44 only modules that don't halve the side come to its 92.184 M operations.
    "mini-xception": Variant(44, 3, (16, 32, 64, 128), stride=1),
}


def _separable(inputs: int, outputs: int) -> list[nn.Module]:
    depthwise = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False)
    return [depthwise, nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs, EPSILON)]


def _same_pool(side: int, stride: int) -> nn.Module:
    """Keras's 3x3 max-pooling with SAME padding, which is less than any value.

    Stride 2, side even: one row and column more below and to the right, which ceil_mode's last
    window does without. Otherwise one on every side.
    """
    if stride == 2 and side % 2 == 0:
        return nn.MaxPool2d(3, 2, ceil_mode=True)
    return nn.MaxPool2d(3, stride, padding=1)


class Module(nn.Module):
    """Two separable convolutions and pooling beside a 1x1 convolution: (N, C, S, S) -> (N, D, S/s, S/s), s = stride."""

    def __init__(self, inputs: int, outputs: int, side: int, stride: int) -> None:
        super().__init__()
        self.shortcut = nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs, EPSILON)
        )
        self.body = nn.Sequential(
            *_separable(inputs, outputs), nn.ReLU(), *_separable(outputs, outputs), _same_pool(side, stride)
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x) + self.shortcut(x)
        return y


class LCNN(nn.Module):
    """(N, 1 or 3, side, side), a grey face in [-1, 1] -> (N, classes) logits."""

    def __init__(self, variant: Variant, classes: int = 7) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs in (variant.inputs, STEM):  # without padding: 62, 60
            layers += [nn.Conv2d(inputs, STEM, 3, bias=False), nn.BatchNorm2d(STEM, EPSILON), nn.ReLU()]
        self.stem = nn.Sequential(*layers)
        side, channels = variant.side - 4, STEM
        modules: list[nn.Module] = []
        for outputs in variant.modules:  # 30, 15, 8, 4
            modules.append(Module(channels, outputs, side, variant.stride))
            side, channels = -(-side // variant.stride), outputs
        self.body = nn.Sequential(*modules)
        self.tail = nn.Conv2d(channels, classes, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return functional.adaptive_avg_pool2d(self.tail(self.body(self.stem(x))), 1).flatten(1)


def make(variant: str, classes: int) -> nn.Module:
    """The network called `variant` in VARIANTS."""
    return LCNN(VARIANTS[variant], classes)
