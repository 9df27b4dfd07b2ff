"""Weights that half precision can't hold: made smaller by powers of two that the layers around take on, exactly.

Half precision ends at 65,504. OpenVINO stores more than that as 65,504, other converters as infinity.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import fx

from edgefer.pipeline.channel_search import find_channels
from edgefer.pipeline.channels import FIXED, Channels, Floats, Layer, by_inputs, observe, rescaled
from edgefer.runtime.errors import ExportFailed

LARGEST = 65504.0
# What weights are brought below, the first that can be: a layer behind one of huge weights often has tiny ones, which
# half precision loses too, and they grow by what the huge ones shrink.
LIMITS = (16.0, 256.0, 4096.0, LARGEST)
_ANY = 1e6  # octaves that a weight of 0 may grow


def fit_half(network: fx.GraphModule, crop: int) -> fx.GraphModule:
    """The network itself, if half precision holds its weights; else a copy that gives the same.

    Raises ExportFailed with the name of a tensor that stays too large.
    """
    if _beyond(network) is None:
        return network
    channels = find_channels(network, observe(network, np.zeros((1, crop, crop, 3), np.uint8)).shapes)
    found = (_octaves(channels, limit) for limit in LIMITS)
    octaves = next((each for each in found if each is not None), None)
    fitted = network if octaves is None else rescaled(network, channels, 2.0**octaves)
    beyond = _beyond(fitted)
    if beyond is None:
        return fitted
    name, value = beyond
    raise ExportFailed(
        f"the tensor {name} holds {value:.6g}: half precision ends at 65,504, and the layers around it can't take the "
        "difference exactly. Build an fp32 target."
    )


def _beyond(network: fx.GraphModule) -> tuple[str, float] | None:
    """The name and the value of a weight that half precision does not hold."""
    for name, values in network.named_parameters():
        if values.numel() and float(values.detach().abs().max()) > LARGEST:
            return name, float(values.detach().flatten()[values.detach().abs().argmax()])
    return None


def _octaves(channels: Channels, limit: float) -> Floats | None:
    """The power of two for every number that brings weights to `limit` at most; None where none does.

    A weight w from channel i to channel o becomes w * 2^(octaves[o] - octaves[i]), so that each of them bounds the
    difference of two unknowns: shortest paths (Bellman and Ford) solve that or show that it has no solution.
    """
    octaves = np.zeros(channels.count)
    for _ in range(len(channels.layers) + 2):
        before = octaves.copy()
        for name, layer in channels.layers.items():
            allowed = _allowed(layer, octaves[channels.takers[name]], octaves[FIXED], limit)
            np.minimum.at(octaves, channels.makers[name], allowed)
        if bool((octaves == before).all()):
            settled: Floats = octaves - octaves[FIXED]
            return settled
    return None


def _allowed(layer: Layer, inputs: Floats, fixed: float, limit: float) -> Floats:
    """The largest power of two for each output channel, from those of the inputs."""
    weight = layer.weight.detach().double().abs()
    largest = weight.view(*weight.shape[:2], -1).amax(2)
    taken = by_inputs(layer, torch.from_numpy(inputs)).flatten(1)
    allowed = (_room(largest, limit) + taken).amin(1)
    if layer.bias is not None:
        allowed = torch.minimum(allowed, _room(layer.bias.detach().double().abs(), LARGEST) + fixed)
    result: Floats = allowed.numpy()
    return result


def _room(values: torch.Tensor, limit: float) -> torch.Tensor:
    """How often values can be doubled, or if negative must be halved."""
    return torch.where(values > 0, torch.floor(torch.log2(limit / values)), torch.tensor(_ANY, dtype=torch.float64))
