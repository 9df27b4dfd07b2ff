"""Which channels of a folded network may be scaled, and scaling them without changing what the network gives.

A channel that a convolution or linear layer puts out may be multiplied by a positive number, if whatever takes it
hands the factor on (ReLU, pooling, an addition of channels that have the same factor) until other such layers divide
their weights by it. All other operations (a sigmoid, ReLU6, the input, the output) hold their channels to the factor 1.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn

Ids = NDArray[np.int64]
Floats = NDArray[np.float64]
Layer = nn.Conv1d | nn.Conv2d | nn.Linear
FIXED = 0  # the channel number of everything that keeps the factor 1


@dataclass(frozen=True)
class Observed:
    """Of every tensor by its node: its shape for one face, and the largest magnitude in each channel."""

    shapes: dict[str, tuple[int, ...]]
    ranges: dict[str, Floats]


class _Recorder(fx.Interpreter):
    """Runs a graph and keeps what `Observed` holds."""

    def __init__(self, network: fx.GraphModule) -> None:
        super().__init__(network)
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.ranges: dict[str, Floats] = {}

    def run_node(self, n: fx.Node) -> object:
        value = super().run_node(n)
        if isinstance(value, Tensor) and value.is_floating_point():
            self.shapes[n.name] = tuple(value.shape)
            if value.dim() > 1 and value.numel():
                largest = value.abs().transpose(0, 1).flatten(1).amax(1).double().numpy()
                self.ranges[n.name] = np.maximum(self.ranges.get(n.name, 0.0), largest)
        return value


def observe(network: fx.GraphModule, pixels: NDArray[np.uint8]) -> Observed:
    """What a folded network shows of its tensors on faces (N, crop, crop, 3).

    Face by face, as on a device: a user's graph may hold a batch of 1 only.
    """
    recorder = _Recorder(network)
    with torch.inference_mode():
        for face in pixels:
            recorder.run(torch.from_numpy(face).permute(2, 0, 1)[None].float())
    return Observed(recorder.shapes, recorder.ranges)


@dataclass(frozen=True)
class Channels:
    """Which channels of which tensors have one factor.

    tensors  node -> for each of its channels (axis 1) the number of its factor; FIXED is the factor 1
    makers   layer -> the numbers of its output's channels
    takers   layer -> those of its input's
    layers   every layer by its name in the graph
    count    numbers are below it
    """

    tensors: dict[str, Ids]
    makers: dict[str, Ids]
    takers: dict[str, Ids]
    layers: dict[str, Layer]
    count: int


def rescaled(network: fx.GraphModule, channels: Channels, factors: NDArray[np.float64]) -> fx.GraphModule:
    """A copy whose channels are multiplied by the factors of their numbers, and whose output is the same."""
    changed = copy.deepcopy(network)
    for name, numbers in channels.makers.items():
        layer = changed.get_submodule(name)
        factor = torch.from_numpy(factors[numbers])
        _multiply(layer, "weight", factor.view(-1, *[1] * (_weight(layer).dim() - 1)))
        if layer.bias is not None:
            _multiply(layer, "bias", factor)
    for name, numbers in channels.takers.items():
        layer = changed.get_submodule(name)
        _multiply(layer, "weight", by_inputs(layer, 1 / torch.from_numpy(factors[numbers])))
    return changed


def by_inputs(layer: nn.Module, values: Tensor) -> Tensor:
    """One value an input channel, in a shape that goes with the layer's weights."""
    weight = _weight(layer)
    groups = int(getattr(layer, "groups", 1))
    rows = values.view(groups, 1, -1).expand(groups, weight.shape[0] // groups, -1).reshape(weight.shape[0], -1)
    return rows.view(*rows.shape, *[1] * (weight.dim() - 2))


def _weight(layer: nn.Module) -> Tensor:
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return weight.detach()


def _multiply(layer: nn.Module, name: str, factor: Tensor) -> None:
    if bool((factor == 1).all()):
        return
    values = getattr(layer, name).detach()
    setattr(layer, name, nn.Parameter((values.double() * factor.to(values.device)).float(), requires_grad=False))
