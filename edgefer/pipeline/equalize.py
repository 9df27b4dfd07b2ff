"""Cross-layer equalisation: channels of one tensor whose ranges differ much are made alike before int8.

One int8 range serves all channels of a tensor, so a channel whose values are 20 times smaller than another's keeps 4 of
8 bits. Published networks often have such channels after batch norms were folded. A factor moved from one layer
into the next changes nothing in float (Nagel et al. 2019, "Data-free quantization through weight equalization and bias
correction", 4.1). Weights have a scale for each output channel, so only a dense next layer pays for a factor: its
columns become unequal. Hence the factor for a channel with the largest value r is

    next layer depthwise: 1 / r            next layer dense: sqrt(w / r), w its largest weight for that channel
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray
from torch import fx, nn

from edgefer.pipeline.calibration import Equalization
from edgefer.pipeline.channel_search import RELUS, find_channels
from edgefer.pipeline.channels import FIXED, Channels, Floats, Layer, Observed, observe, rescaled
from edgefer.pipeline.fold import called
from edgefer.runtime.errors import BadCalibration

TRIGGER = 4.0  # times the median: tensors whose largest channel is beyond that are equalised
DEAD = 1e-6  # of a tensor's largest value: channels below are closed
FACES = 128  # that ranges of channels are taken from, at most twice as many

Ranges = Mapping[str, Floats]


def plan(network: fx.GraphModule, pixels: NDArray[np.uint8]) -> list[Equalization]:
    """The factors for a folded network that takes pixels, from faces (N, crop, crop, 3); none if nothing differs much.

    Factors are rounded to six digits, so that a record of them gives the same file as the faces did.
    """
    observed = observe(network, pixels[:: max(1, len(pixels) // FACES)])
    channels = find_channels(network, observed.shapes)
    largest, factors = _factors(channels, observed.ranges, _stored(network, observed))
    found = []
    for name, numbers in channels.makers.items():
        if bool((factors[numbers] != 1).any()):
            into = [each for each, taken in channels.takers.items() if np.isin(taken, numbers[numbers != FIXED]).any()]
            before, after = _ratio(largest[numbers]), _ratio((largest * factors)[numbers])
            rounded = [float(f"{factor:.6g}") for factor in factors[numbers]]
            found.append(Equalization(name, into, round(before, 3), round(after, 3), rounded))
    return found


def apply(network: fx.GraphModule, crop: int, planned: Iterable[Equalization]) -> fx.GraphModule:
    """A copy of the network with these factors; raises BadCalibration if they would change what it gives."""
    channels = find_channels(network, observe(network, np.zeros((1, crop, crop, 3), np.uint8)).shapes)
    factors = np.ones(channels.count)
    for each in planned:
        numbers, given = channels.makers.get(each.layer), np.array(each.factors)
        if numbers is None or len(numbers) != len(given) or not (np.isfinite(given).all() and (given > 0).all()):
            raise _foreign(each.layer)
        factors[numbers] = given
        if bool((factors[numbers] != given).any()) or factors[FIXED] != 1:
            raise _foreign(each.layer)
    return rescaled(network, channels, factors)


def _foreign(layer: str) -> BadCalibration:
    return BadCalibration(
        f"the recorded factors of the layer {layer} would change what the network gives: they were recorded for "
        "another network or edited; calibrate with --calibration PATH (a fer2013.csv or an image folder)."
    )


def _stored(network: fx.GraphModule, observed: Observed) -> dict[str, Floats]:
    """The ranges of the tensors that int8 stores: not of those that only a ReLU takes, which engines fuse."""
    return {
        node.name: observed.ranges[node.name]
        for node in network.graph.nodes
        if node.name in observed.ranges and not (node.users and all(_is_relu(network, user) for user in node.users))
    }


def _is_relu(network: fx.GraphModule, node: fx.Node) -> bool:
    return (type(called(network, node)) if node.op == "call_module" else node.target) in RELUS


def _ratio(ranges: Floats) -> float:
    """The largest range over the median of those that are not 0."""
    alive = ranges[ranges > DEAD * ranges.max(initial=0.0)]
    return float(alive.max() / np.median(alive)) if len(alive) else 1.0


def _factors(channels: Channels, ranges: Ranges, stored: Ranges) -> tuple[Floats, Floats]:
    """Of every number the largest range that is stored, and the factor: 1 where no tensor goes beyond TRIGGER."""
    largest, seen = _by_number(channels, stored), _by_number(channels, ranges)
    weights, factors = _dense_weights(channels), np.ones(channels.count)
    unequal = []
    for name, values in stored.items():
        free = np.unique(channels.tensors.get(name, np.zeros(0, np.int64)))
        free = free[free != FIXED]
        if _ratio(_by_number(channels, {name: values})[free]) > TRIGGER:
            unequal.append(free)
    for group in _joined(unequal):
        factors[group] = _balanced(largest[group], seen[group], weights[group])
    return largest, factors


def _by_number(channels: Channels, ranges: Ranges) -> Floats:
    """The largest range of each number among these tensors."""
    largest = np.zeros(channels.count)
    for name, values in ranges.items():
        numbers = channels.tensors.get(name, np.zeros(0, np.int64))
        if len(numbers) == len(values):
            np.maximum.at(largest, numbers, values)
    return largest


def _joined(groups: list[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
    """Groups that share numbers made one."""
    joined: list[NDArray[np.int64]] = []
    for group in groups:
        near = [each for each in joined if np.isin(each, group).any()]
        joined = [each for each in joined if not np.isin(each, group).any()]
        joined.append(np.unique(np.concatenate([group, *near])))
    return joined


def _balanced(largest: Floats, seen: Floats, weights: Floats) -> Floats:
    """Factors that leave the largest range of all as it is.

    A channel that ReLU closed on all faces may open on another one: what went into the ReLU stands for its range.
    """
    top = largest.max()
    alive = largest > DEAD * top
    shown, dense = np.where(alive, largest, seen), weights > 0
    known = shown > 0
    shown = np.where(known, shown, 1.0)
    factors = np.where(dense, np.sqrt(np.where(dense, weights, 1.0) / shown), top / shown)
    if (dense & alive).any():
        factors[dense] *= top / (largest * factors)[dense & alive].max()
    return np.where(known, factors, 1.0)


def _dense_weights(channels: Channels) -> Floats:
    """For each number the largest weight that a layer which is not depthwise has for such a channel; 0: none has."""
    largest = np.zeros(channels.count)
    for name, numbers in channels.takers.items():
        layer = channels.layers[name]
        if not _is_depthwise(layer):
            np.maximum.at(largest, numbers, _columns(layer))
    return largest


def _is_depthwise(layer: Layer) -> bool:
    return not isinstance(layer, nn.Linear) and layer.groups == layer.in_channels


def _columns(layer: Layer) -> Floats:
    """The largest weight for each input channel."""
    groups = 1 if isinstance(layer, nn.Linear) else layer.groups
    weight = layer.weight.detach().abs().double()
    by_group = weight.view(groups, weight.shape[0] // groups, weight.shape[1], -1)
    columns: Floats = by_group.amax((1, 3)).flatten().numpy()
    return columns
