"""Networks that end as those of others do, for --model tests.pipeline.user_model.heads:<name>."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

SIDE = 16


class Body(nn.Module):
    """(N, 3, 16, 16) -> what `end` makes of (N, outputs)."""

    def __init__(self, outputs: int, end: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2)
        self.norm = nn.BatchNorm2d(8)
        self.classify = nn.Linear(8 * 7 * 7, outputs)
        self.end = end

    def forward(self, x: Tensor) -> Any:
        return self.end(self.classify(torch.relu(self.norm(self.stem(x))).flatten(1)))


def _made(outputs: int, end: Callable[[Tensor], Any]) -> nn.Module:
    torch.manual_seed(0)
    network = Body(outputs, end)
    nn.init.normal_(network.classify.weight, std=0.2)
    return network.eval()


def logits() -> nn.Module:
    return _made(5, nn.Identity())


def sigmoid() -> nn.Module:
    return _made(5, nn.Sigmoid())


def sigmoid_function() -> nn.Module:
    return _made(5, torch.sigmoid)


def sigmoid_method() -> nn.Module:
    return _made(5, lambda answer: answer.sigmoid().view(-1, 5))


def sigmoid_written_out() -> nn.Module:
    return _made(5, lambda answer: 1 / (1 + torch.exp(-answer)))


def softmax() -> nn.Module:
    return _made(5, nn.Softmax(1))


def softmax_over_faces() -> nn.Module:
    return _made(5, nn.Softmax(0))


def log_softmax() -> nn.Module:
    return _made(5, lambda answer: functional.log_softmax(answer, 1))


def tanh() -> nn.Module:
    return _made(5, nn.Tanh())


def vector() -> nn.Module:
    """Five expressions, then valence and arousal."""
    return _made(7, nn.Identity())


def sigmoid_vector() -> nn.Module:
    """Five labels behind valence and arousal, all through one sigmoid."""
    return _made(7, nn.Sigmoid())


def softmax_vector() -> nn.Module:
    """One softmax over more than the labels."""
    return _made(7, nn.Softmax(1))


def pair() -> nn.Module:
    return _made(7, lambda answer: (answer[:, 5:], answer[:, :5]))


def dictionary() -> nn.Module:
    return _made(7, lambda answer: {"expression": torch.sigmoid(answer[:, :5]), "affect": {"both": answer[:, 5:]}})


def alone() -> nn.Module:
    """A tuple of one."""
    return _made(5, lambda answer: (answer, None))
