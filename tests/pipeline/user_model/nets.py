"""Networks of a user's own, for --model tests.pipeline.user_model.nets:<name>; and callables that are none."""

from __future__ import annotations

import sys
from typing import NoReturn

import torch
from torch import Tensor, nn

LABELS = ("happy", "neutral", "Anger", "sad", "surprise")  # another order, another word, two classes less
SIDE = 40


class Net(nn.Module):
    """(N, channels, 40, 40) -> (N, 5) logits."""

    def __init__(self, channels: int, pad: int, norms: bool = True, head: nn.Module | None = None) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, 12, 3, stride=2, padding=pad, bias=not norms)
        self.norm = nn.BatchNorm2d(12) if norms else nn.Identity()
        self.pool = nn.MaxPool2d(2)
        self.apart = nn.Conv2d(12, 12, 3, padding=1, groups=12, bias=False)
        self.mix = nn.Conv2d(12, 16, 1)
        self.last = nn.BatchNorm2d(16) if norms else nn.Identity()
        self.rows = nn.AdaptiveAvgPool2d((3, 1)) if pad == 0 else nn.AvgPool2d((2, 10))
        self.classify = nn.LazyLinear(5)
        self.head = head or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(torch.relu(self.norm(self.stem(x))))
        x = torch.relu(self.last(self.mix(self.apart(x))))
        answer: Tensor = self.head(self.classify(self.rows(x).flatten(1)))
        return answer


def _ready(network: nn.Module, channels: int, side: int = SIDE) -> nn.Module:
    network.eval()(torch.zeros(1, channels, side, side))
    return network


def colour() -> nn.Module:
    """Three channels, padded, batch norms."""
    return _ready(Net(3, 1), 3)


def grey() -> nn.Module:
    """One channel, no padding, no norms, probabilities."""
    return _ready(Net(1, 0, norms=False, head=nn.Softmax(1)), 1, 36)


ready = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 5))
number = 5


def branching() -> nn.Module:
    class Branching(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.flatten(1)[:, :5] if x.sum() > 0 else x.flatten(1)[:, 5:10]

    return Branching()


def pair() -> nn.Module:
    class Pair(nn.Module):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return x, x

    return Pair()


def tall() -> nn.Module:
    """Gives a map, no vector."""
    return nn.Conv2d(3, 5, 3)


def endless() -> nn.Module:
    """Gives infinities."""

    class Endless(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.flatten(1)[:, :5] / 0.0

    return Endless()


def raises() -> NoReturn:
    raise ValueError("no luck\ntoday")


def leaves() -> NoReturn:
    sys.exit(3)


def nothing() -> None:
    return None
