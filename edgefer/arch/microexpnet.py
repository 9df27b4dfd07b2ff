"""MicroExpNet and the students and candidates it was chosen from.

Cugu et al., "MicroExpNet: an extremely small and fast model for expression recognition from frontal
face images", IPTA 2019; architectures in section 3.2 and Table 1, pooling candidates in section 4.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from torch import Tensor, nn

SIDE = 84
CHANNELS = (16, 32)  # of the two convolutions
WIDTHS = {"m": 256, "s": 64, "xs": 32, "xxs": 16}  # Table 1: "fc2 - in"
POOLED = {"v": (False, False), "p1": (True, False), "p2": (False, True), "p12": (True, True)}  # Table 2


@dataclass(frozen=True)
class Variant:
    """Outputs of the first fully connected layer, and after which convolutions there is 2x2 max-pooling."""

    width: int
    pool1: bool
    pool2: bool


VARIANTS = {f"{size}-{pooled}": Variant(WIDTHS[size], *POOLED[pooled]) for size, pooled in product(WIDTHS, POOLED)}


class SameConv(nn.Sequential):
    """A convolution with TensorFlow's SAME padding, which has the odd row and column below and to the right."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, side: int) -> None:
        needed = max(0, (-(-side // stride) - 1) * stride + kernel - side)
        before, after = needed // 2, needed - needed // 2
        conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=before if before == after else 0)
        super().__init__(*([] if before == after else [nn.ZeroPad2d((before, after, before, after))]), conv)


class MicroExpNet(nn.Module):
    """(N, 1, 84, 84), a grey face in [0, 1] -> (N, classes) logits."""

    def __init__(self, variant: Variant, classes: int = 8) -> None:
        super().__init__()
        # Section 4.1 makes up for the parameters that pooling costs: pooling behind the first convolution
        # halves its stride, pooling behind the second triples the fully connected layer.
        stride = 2 if variant.pool1 else 4
        width = variant.width * 3 if variant.pool2 else variant.width
        side = 21  # behind the first convolution and its pooling, whichever of the two takes the step
        self.conv1 = SameConv(1, CHANNELS[0], 8, stride, SIDE)  # (N, 16, 21, 21), or 42 before pooling
        self.conv2 = SameConv(*CHANNELS, 4, 2, side)  # (N, 32, 11, 11)
        # Pooling is SAME too: 42 -> 21, 11 -> 6. ReLU was before it, so that its padding can be any zero or less.
        self.pool1: nn.Module = nn.MaxPool2d(2) if variant.pool1 else nn.Identity()
        self.pool2: nn.Module = nn.MaxPool2d(2, ceil_mode=True) if variant.pool2 else nn.Identity()
        side = 6 if variant.pool2 else 11
        self.relu1, self.relu2, self.relu3 = nn.ReLU(), nn.ReLU(), nn.ReLU()
        self.fc1 = nn.Linear(CHANNELS[1] * side * side, width)  # 3872 inputs
        self.dropout = nn.Dropout(0.5)  # section 3.3
        self.fc2 = nn.Linear(width, classes)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(layer.weight)  # section 3.3

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool1(self.relu1(self.conv1(x)))
        x = self.pool2(self.relu2(self.conv2(x)))
        logits: Tensor = self.fc2(self.dropout(self.relu3(self.fc1(x.flatten(1)))))
        return logits


def make(variant: str, classes: int) -> nn.Module:
    """The network called `variant` in VARIANTS."""
    return MicroExpNet(VARIANTS[variant], classes)
