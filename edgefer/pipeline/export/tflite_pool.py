"""Max-pooling for TFLite, which has no padding of its own but SAME's."""

from __future__ import annotations

import copy
import operator

import torch
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torch.nn import functional

from edgefer.pipeline.fold import DeployableModel, called

_NEVER_NEGATIVE = (nn.ReLU, nn.ReLU6)


def pad_apart(network: DeployableModel, crop: int) -> DeployableModel:
    """A copy in which padded max-pooling is a padding of its own, then max-pooling: the same numbers.

    litert-torch pads with minus infinity instead, which no int8 range can hold, but where TFLite's own SAME does it.
    Behind a ReLU zeros do the same, elsewhere the edge again, which each window that reaches over it holds already
    (dilated ones are left).
    """
    if not any(_padded(network.network, node) for node in network.network.graph.nodes):
        return network
    changed = copy.deepcopy(network)
    graph: fx.GraphModule = changed.network
    with torch.inference_mode():
        ShapeProp(graph).propagate(torch.zeros(1, 3, crop, crop))
    for node in list(graph.graph.nodes):
        pool = _padded(graph, node)
        if pool is None:
            continue
        sides = [_sides(node, pool, axis) for axis in (0, 1)]
        if sides == [_same(node, pool, axis) for axis in (0, 1)]:
            continue
        with graph.graph.inserting_before(node):
            padded = _pad(graph, node, sides)
        node.replace_input_with(node.args[0], padded)
        bare = copy.copy(pool)  # not in place: another node may call the same module
        bare.padding, bare.ceil_mode = 0, False
        graph.add_submodule(f"{node.name}_bare", bare)
        node.target = f"{node.name}_bare"
    graph.recompile()
    return changed


def _sides(node: fx.Node, pool: nn.MaxPool2d, axis: int) -> tuple[int, int]:
    """What the windows reach over at the beginning and the end of an axis; rounding up adds to its end."""
    before = node.args[0]
    assert isinstance(before, fx.Node)
    padding, size = _pair(pool.padding)[axis], _size(before, axis)
    return padding, max(padding, _reach(pool, axis, _size(node, axis)) - size - padding) if pool.ceil_mode else padding


def _same(node: fx.Node, pool: nn.MaxPool2d, axis: int) -> tuple[int, int]:
    """What TFLite's SAME pads there: as little as makes a window of every step, the odd one at the end."""
    before = node.args[0]
    assert isinstance(before, fx.Node)
    windows = -(-_size(before, axis) // _pair(pool.stride)[axis])
    missing = max(0, _reach(pool, axis, windows) - _size(before, axis))
    return missing // 2, missing - missing // 2


def _reach(pool: nn.MaxPool2d, axis: int, windows: int) -> int:
    return (
        _pair(pool.dilation)[axis] * (_pair(pool.kernel_size)[axis] - 1) + 1 + (windows - 1) * _pair(pool.stride)[axis]
    )


def _size(node: fx.Node, axis: int) -> int:
    return int(node.meta["tensor_meta"].shape[axis + 2])


def _pad(graph: fx.GraphModule, node: fx.Node, sides: list[tuple[int, int]]) -> fx.Node:
    before = node.args[0]
    if _never_negative(graph, before):
        return graph.graph.call_function(functional.pad, (before, (*sides[1], *sides[0])))
    for axis, (begin, end) in zip((2, 3), sides, strict=True):
        if begin or end:
            whole = (slice(None),) * axis
            first = graph.graph.call_function(operator.getitem, (before, (*whole, slice(0, 1)))) if begin else None
            last = graph.graph.call_function(operator.getitem, (before, (*whole, slice(-1, None)))) if end else None
            before = graph.graph.call_function(torch.cat, ([first] * begin + [before] + [last] * end, axis))
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
    if not isinstance(pool, nn.MaxPool2d) or not (any(_pair(pool.padding)) or pool.ceil_mode):
        return None
    return pool if _pair(pool.dilation) == (1, 1) or _never_negative(graph, node.args[0]) else None
