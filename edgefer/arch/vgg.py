"""VGG-16, with batch norm at 44x44 for Kong et al. Table 5, as first printed at 224x224 for Zhao et al. Table 6.

Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", ICLR 2015,
Table 1, configuration D.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

CHANNELS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))  # pooled behind each group
HIDDEN = 4096


@dataclass(frozen=True)
class Variant:
    """Batch norm or not, and the side of what the fully connected layers see."""

    norm: bool
    side: int


VARIANTS = {"vgg16-bn": Variant(True, 1), "vgg16": Variant(False, 7)}


class VGG16(nn.Module):
    """(N, 3, S, S) in [0, 1], S = 44 with batch norm and 224 without -> (N, classes) logits."""

    def __init__(self, variant: Variant, classes: int = 7) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for group in CHANNELS:  # 22, 11, 5, 2, 1 or 112, 56, 28, 14, 7
            for outputs in group:
                norm = [nn.BatchNorm2d(outputs)] if variant.norm else []
                layers += [nn.Conv2d(inputs, outputs, 3, padding=1), *norm, nn.ReLU()]
                inputs = outputs
            layers.append(nn.MaxPool2d(2))
        if not variant.norm:
            layers.append(
                nn.AdaptiveAvgPool2d(variant.side)
            )  # stock, and counted by thop; at 224x224 it changes nothing
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            *[nn.Linear(inputs * variant.side * variant.side, HIDDEN), nn.ReLU(), nn.Dropout()],
            *[nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Dropout()],
            nn.Linear(HIDDEN, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(x).flatten(1))
        return logits


def make(variant: str, classes: int) -> nn.Module:
    """The network called `variant` in VARIANTS."""
    return VGG16(VARIANTS[variant], classes)
