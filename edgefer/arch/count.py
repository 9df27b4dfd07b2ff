"""Parameters and operations of a network, counted by running it once on zeros.

Conventions (each paper has its own):
  macs    multiply-accumulates of convolutions and linear layers
  flops   ptflops' "FLOPs" of Kong et al. Tables 1 and 5: MACs of the 2-d convolutions and linear
          layers + 2 x the output elements of each batch norm
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Count:
    """Trainable parameters, multiply-accumulates and the papers' "FLOPs" of one image."""

    parameters: int
    macs: int
    flops: int


def _conv(layer: nn.Module, output: Tensor) -> int:
    assert isinstance(layer, nn.Conv1d | nn.Conv2d)
    return output.numel() * layer.weight[0].numel()


def _linear(layer: nn.Module, output: Tensor) -> int:
    assert isinstance(layer, nn.Linear)
    return output.numel() * layer.in_features


def _tally(totals: dict[str, int], layer: nn.Module, _inputs: object, output: Tensor) -> None:
    if isinstance(layer, nn.Conv1d | nn.Conv2d):
        totals["macs"] += _conv(layer, output)
        totals["flops"] += _conv(layer, output) if isinstance(layer, nn.Conv2d) else 0
    elif isinstance(layer, nn.Linear):
        totals["macs"] += _linear(layer, output)
        totals["flops"] += _linear(layer, output)
    elif isinstance(layer, nn.BatchNorm2d):
        totals["flops"] += 2 * output.numel()


def count(network: nn.Module, size: int) -> Count:
    """Count one 3 x size x size image; the network is left in the mode it was in."""
    totals = {"macs": 0, "flops": 0}
    hooks = [m.register_forward_hook(partial(_tally, totals)) for m in network.modules()]
    training = network.training
    try:
        with torch.no_grad():
            network.eval()(torch.zeros(1, 3, size, size))
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
    parameters = sum(p.numel() for p in network.parameters() if p.requires_grad)
    return Count(parameters, totals["macs"], totals["flops"])
