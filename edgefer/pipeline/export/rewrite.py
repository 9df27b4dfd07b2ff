"""Torch operators that a converter lacks, or that no int8 can compute, as others that give the same numbers."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torch.nn import functional

from edgefer.pipeline.fold import DeployableModel, called

_MAX, _AVERAGE = (
    (nn.AdaptiveMaxPool2d, functional.adaptive_max_pool2d),
    (nn.AdaptiveAvgPool2d, functional.adaptive_avg_pool2d),
)
_DIVISIONS = (operator.truediv, torch.div, torch.true_divide, "div")
_POWERS = (operator.pow, torch.pow, "pow")


def rewrite_pools(network: DeployableModel, crop: int) -> DeployableModel:
    """A copy in which adaptive pools are plain ones, or plain ones of uneven windows joined.

    Average pools whose windows are even stay: every converter has them.
    """
    return _rewritten(network, crop, _pool)


def rewrite_divisions(network: DeployableModel, crop: int) -> DeployableModel:
    """A copy in which a division by a square root (`functional.normalize` too) is a product with its reciprocal.

    So is an average pool that leaves its padding out: converters count what it does not leave out, and divide by that.
    """
    return _rewritten(network, crop, _division)


_Rewrite = Callable[[fx.GraphModule, fx.Node], fx.Node | None]


def _rewritten(network: DeployableModel, crop: int, rewrite: _Rewrite) -> DeployableModel:
    if not isinstance(getattr(network, "network", None), fx.GraphModule):
        return network
    changed = copy.deepcopy(network)
    graph: fx.GraphModule = changed.network
    with torch.no_grad():
        ShapeProp(graph).propagate(torch.zeros(1, 3, crop, crop))
    found = False
    for node in list(graph.graph.nodes):
        with graph.graph.inserting_before(node):
            instead = rewrite(graph, node)
        if instead is not None:
            instead.meta = node.meta
            node.replace_all_uses_with(instead)
            graph.graph.erase_node(node)
            found = True
    graph.recompile()
    return changed if found else network


def _pool(graph: fx.GraphModule, node: fx.Node) -> fx.Node | None:
    """The same pool in operators that every converter has; None if `node` is no adaptive pool or may stay."""
    pool = called(graph, node)
    kinds = [
        kind
        for kind, names in (("max", _MAX), ("mean", _AVERAGE))
        if isinstance(pool, names[0]) or node.target is names[1]
    ]
    before = node.args[0] if node.args else None
    if not kinds or not isinstance(before, fx.Node) or len(node.meta["tensor_meta"].shape) != 4:
        return None
    inputs, outputs = (list(each.meta["tensor_meta"].shape[2:]) for each in (before, node))
    even = all(size % count == 0 for size, count in zip(inputs, outputs, strict=True))
    if kinds[0] == "mean" and even:
        return None
    if even:
        window = tuple(size // count for size, count in zip(inputs, outputs, strict=True))
        graph.add_submodule(f"{node.name}_pool", nn.MaxPool2d(window))
        return graph.graph.call_module(f"{node.name}_pool", (before,))
    reduce = functional.max_pool2d if kinds[0] == "max" else functional.avg_pool2d
    for axis, size, count in zip((2, 3), inputs, outputs, strict=True):
        before = _windows(graph, before, reduce, (axis, size, count))
    return before


def _windows(graph: fx.GraphModule, before: fx.Node, pool: Callable[..., Any], place: tuple[int, int, int]) -> fx.Node:
    """Each window of an axis reduced, then all joined: from floor(i size / count) to ceil((i + 1) size / count)."""
    axis, size, count = place
    parts = []
    for index in range(count):
        window = slice(index * size // count, -(-(index + 1) * size // count))
        part = graph.graph.call_function(operator.getitem, (before, (*(slice(None),) * axis, window)))
        length = window.stop - window.start
        parts.append(graph.graph.call_function(pool, (part, (length, 1) if axis == 2 else (1, length))))
    return graph.graph.call_function(torch.cat, (parts, axis))


def _division(graph: fx.GraphModule, node: fx.Node) -> fx.Node | None:
    pool = called(graph, node)
    if isinstance(pool, nn.AvgPool2d) and not pool.count_include_pad and pool.padding not in (0, (0, 0)):
        return _padded_average(graph, node, pool)
    if node.target is functional.normalize:
        arguments: tuple[Any, ...] = node.args
        return _normalized(graph, *arguments, **dict[str, Any](node.kwargs))
    if _is_power(node, -0.5):
        return graph.graph.call_function(torch.rsqrt, (node.args[0],))
    divided, divisor = (*node.args, None, None)[:2]
    if node.target not in _DIVISIONS or not isinstance(divisor, fx.Node) or len(node.args) != 2 or node.kwargs:
        return None
    if divisor.target not in (torch.sqrt, "sqrt") and not _is_power(divisor, 0.5):
        return None
    root = graph.graph.call_function(torch.rsqrt, (divisor.args[0],))
    return graph.graph.call_function(operator.mul, (divided, root))


def _padded_average(graph: fx.GraphModule, node: fx.Node, pool: nn.AvgPool2d) -> fx.Node | None:
    """The average with the padding, times what it counts over what is left without it."""
    before = node.args[0]
    if not isinstance(before, fx.Node) or pool.divisor_override is not None:
        return None
    whole = nn.AvgPool2d(pool.kernel_size, pool.stride, pool.padding, pool.ceil_mode, count_include_pad=True)
    graph.add_submodule(f"{node.name}_whole", whole)
    graph.register_buffer(f"{node.name}_factor", 1 / whole(torch.ones(1, 1, *before.meta["tensor_meta"].shape[2:])))
    averaged = graph.graph.call_module(f"{node.name}_whole", (before,))
    return graph.graph.call_function(operator.mul, (averaged, graph.graph.get_attr(f"{node.name}_factor")))


def _is_power(node: fx.Node, exponent: float) -> bool:
    return node.target in _POWERS and len(node.args) == 2 and bool(node.args[1] == exponent)


def _normalized(
    graph: fx.GraphModule, input: Any, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Any = None
) -> fx.Node | None:
    """x / max(length, eps) as x times the reciprocal root of max(length^2, eps^2); None for another norm than 2."""
    if p != 2 or out is not None:
        return None
    square = graph.graph.call_function(operator.mul, (input, input))
    summed = graph.graph.call_method("sum", (square, dim, True))
    bounded = graph.graph.call_method("clamp", (summed, eps * eps))
    root = graph.graph.call_function(torch.rsqrt, (bounded,))
    return graph.graph.call_function(operator.mul, (input, root))
