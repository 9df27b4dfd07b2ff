"""Max-pooling for TFLite, which has no padding of its own but SAME's."""

from __future__ import annotations

import copy
import operator

import torch
from torch import fx, nn
from torch.nn import functional

from edgefer.fold import Deployed, called

_NEVER_NEGATIVE = (nn.ReLU, nn.ReLU6)


def pad_apart(network: Deployed) -> Deployed:
    """A copy in which padded max-pooling is a padding of its own, then max-pooling: the same numbers.

    litert-torch pads with minus infinity instead, which no int8 range can hold. Behind a ReLU zeros do the same,
    elsewhere the edge again, which each window that reaches over it holds already (dilated ones are left).
    """
    if not any(_padded(network.network, node) for node in network.network.graph.nodes):
        return network
    changed = copy.deepcopy(network)
    graph: fx.GraphModule = changed.network
    for node in list(graph.graph.nodes):
        pool = _padded(graph, node)
        if pool is None:
            continue
        with graph.graph.inserting_before(node):
            padded = _pad(graph, node, pool)
        node.replace_input_with(node.args[0], padded)
        bare = copy.copy(pool)  # not in place: another node may call the same module
        bare.padding = 0
        graph.add_submodule(f"{node.name}_bare", bare)
        node.target = f"{node.name}_bare"
    graph.recompile()
    return changed


def _pad(graph: fx.GraphModule, node: fx.Node, pool: nn.MaxPool2d) -> fx.Node:
    before, (height, width) = node.args[0], _pair(pool.padding)
    if _never_negative(graph, before):
        return graph.graph.call_function(functional.pad, (before, (width, width, height, height)))
    for axis, count in ((2, height), (3, width)):
        if count:
            all_before = (slice(None),) * axis
            first = graph.graph.call_function(operator.getitem, (before, (*all_before, slice(0, 1))))
            last = graph.graph.call_function(operator.getitem, (before, (*all_before, slice(-1, None))))
            before = graph.graph.call_function(torch.cat, ([first] * count + [before] + [last] * count, axis))
    assert isinstance(before, fx.Node)
    return before


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def _never_negative(graph: fx.GraphModule, node: object) -> bool:
    functions = (functional.relu, torch.relu)
    return isinstance(called(graph, node), _NEVER_NEGATIVE) or (isinstance(node, fx.Node) and node.target in functions)


def _padded(graph: fx.GraphModule, node: fx.Node) -> nn.MaxPool2d | None:
    """The max-pooling of a node, if it pads and its padding can be told apart."""
    pool = called(graph, node)
    if not isinstance(pool, nn.MaxPool2d) or not any(_pair(pool.padding)):
        return None
    return pool if _pair(pool.dilation) == (1, 1) or _never_negative(graph, node.args[0]) else None
