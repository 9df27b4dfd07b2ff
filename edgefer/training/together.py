"""Batch norm and dropout of a batch that lies in several processes, as if it lay in one.

torch.nn.SyncBatchNorm does the first on GPUs only. A network's state_dict, parameters and evaluation stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm


@dataclass(frozen=True)
class Share:
    """The rows of a batch of `batch` faces that this process has; counts is 0 where another process has them too."""

    batch: int
    rows: slice
    counts: float


class _Sum(torch.autograd.Function):
    """The sum over all processes. Each process's loss depends on it, so its gradient is the sum of theirs."""

    @staticmethod
    def forward(_ctx: Any, x: Tensor) -> Tensor:
        y = x.clone()
        distributed.all_reduce(y)
        return y

    @staticmethod
    def backward(_ctx: Any, *gradients: Tensor) -> Tensor:
        y = gradients[0].clone()
        distributed.all_reduce(y)
        return y


def _summed(x: Tensor) -> Tensor:
    return _Sum.apply(x)  # type: ignore[no-any-return, no-untyped-call]


class _SharedNorm(_BatchNorm):
    """nn.BatchNorm1d or 2d with the mean and variance of the whole batch (Ioffe and Szegedy 2015, algorithm 1)."""

    share: Share

    def _check_input_dim(self, input: Tensor) -> None:
        pass

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        assert self.running_mean is not None and self.running_var is not None and self.momentum is not None
        dims = [d for d in range(input.ndim) if d != 1]
        shape = [1, -1] + [1] * (input.ndim - 2)
        count = self.share.batch * input[0, 0].numel()
        mean = _summed(input.sum(dims) * self.share.counts) / count
        apart = input - mean.view(shape)
        variance = _summed((apart * apart).sum(dims) * self.share.counts) / count
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / max(1, count - 1), self.momentum)
            if self.num_batches_tracked is not None:
                self.num_batches_tracked += 1
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return apart * scale.view(shape) + self.bias.view(shape)


class _SharedDropout(nn.Dropout):
    """nn.Dropout that draws for the whole batch, as one process would, and takes its rows."""

    share: Share

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return input
        keep = torch.empty(self.share.batch, *input.shape[1:]).bernoulli_(1 - self.p)
        return input * (keep / (1 - self.p))[self.share.rows]


_TWINS: dict[type[nn.Module], type[_SharedNorm | _SharedDropout]] = {
    nn.BatchNorm1d: _SharedNorm,
    nn.BatchNorm2d: _SharedNorm,
    nn.Dropout: _SharedDropout,
}


def make(network: nn.Module) -> None:
    """Let the network's batch norms and dropouts work on a batch in several processes."""
    for module in network.modules():
        if type(module) in _TWINS:
            module.__class__ = _TWINS[type(module)]


def announce(network: nn.Module, share: Share) -> None:
    """Tell them which rows of the next batch are here."""
    for module in network.modules():
        if isinstance(module, _SharedNorm | _SharedDropout):
            module.share = share
