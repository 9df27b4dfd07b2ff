"""Searching a folded network for the channels that may be scaled; see `channels`."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import numpy as np
import torch
from torch import fx, nn
from torch.nn import functional

from edgefer.pipeline.channels import FIXED, Channels, Ids, Layer
from edgefer.pipeline.fold import called, own_layer, pads_with_zeros

RELUS: tuple[object, ...] = (nn.ReLU, functional.relu, torch.relu, "relu")


def find_channels(network: fx.GraphModule, shapes: Mapping[str, tuple[int, ...]]) -> Channels:
    """The channels of a folded network; `shapes` are those of its nodes' tensors (other nodes are left out)."""
    search = _Search(network, shapes)
    for node in network.graph.nodes:
        search.visit(node)
    return search.result()


class _Search:
    """Goes through a graph once; channels that turn out to have one factor are joined."""

    def __init__(self, network: fx.GraphModule, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.network, self.shapes = network, shapes
        self.tensors: dict[str, Ids] = {}
        self.makers: dict[str, Ids] = {}
        self.takers: dict[str, Ids] = {}
        self.layers: dict[str, Layer] = {}
        self.parent = [FIXED]

    def visit(self, node: fx.Node) -> None:
        """Give the node's tensor numbers."""
        layer = own_layer(self.network, node)
        if isinstance(layer, Layer) and self._splits(node):
            self._layer(node, layer)
            return
        numbers = self._handed_on(node)
        if numbers is None:
            for each in node.all_input_nodes:
                if not _asks_shape_only(node):
                    self._join(self._of(each), np.zeros_like(self._of(each)))
            numbers = np.zeros(self._count(node), np.int64)
        self.tensors[node.name] = numbers

    def _splits(self, node: fx.Node) -> bool:
        """Whether a layer's input and output have their channels on axis 1: not those of a linear layer over rows."""
        before = node.args[0] if node.args else None
        kind = called(self.network, node)
        return isinstance(before, fx.Node) and (not isinstance(kind, nn.Linear) or len(self.shapes[node.name]) == 2)

    def _layer(self, node: fx.Node, layer: Layer) -> None:
        name = str(node.target)
        made = np.arange(len(self.parent), len(self.parent) + self._count(node))
        self.parent += made.tolist()
        self.tensors[node.name] = self.makers[name] = made
        self.takers[name] = self._of(node.args[0])
        self.layers[name] = layer

    def _handed_on(self, node: fx.Node) -> Ids | None:
        """The numbers of what a node gives, where it hands factors on; None where it does not."""
        target: object = node.target if node.op != "call_module" else type(called(self.network, node))
        rule = _RULES.get(target)
        if rule is None or node.name not in self.shapes or not node.all_input_nodes:
            return None
        return rule(self, node)

    def same(self, node: fx.Node) -> Ids:
        """Every channel of the output is that of the input."""
        return self._of(node.args[0])

    def padded(self, node: fx.Node) -> Ids | None:
        """Zeros around the pixels, and none instead of a channel."""
        amounts = node.args[1] if len(node.args) > 1 else node.kwargs.get("pad", ())
        room = 2 * (len(self.shapes[node.name]) - 2)
        around = isinstance(amounts, list | tuple) and len(amounts) <= room
        return self.same(node) if around and pads_with_zeros(node, None) else None

    def mean(self, node: fx.Node) -> Ids | None:
        """A mean over the pixels of each channel."""
        axes = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else None)
        listed = [axes] if isinstance(axes, int) else axes
        rank = len(self.shapes.get(str(node.args[0]), ()))
        pixels = isinstance(listed, list | tuple) and all(
            axis in range(2, rank) or axis in range(2 - rank, 0) for axis in listed
        )
        return self.same(node) if pixels else None

    def sum(self, node: fx.Node) -> Ids | None:
        """A sum of tensors, whose channels then have one factor."""
        tensors = [each for each in node.args if isinstance(each, fx.Node)]
        return self._joined(node, tensors) if len(tensors) == len(node.args) and not node.kwargs else None

    def _joined(self, node: fx.Node, tensors: list[fx.Node]) -> Ids | None:
        numbers = [self._of(each) for each in tensors]
        ranks = {len(self.shapes.get(each.name, ())) for each in (node, *tensors)}
        if len(ranks) > 1 or {len(each) for each in numbers} != {self._count(node)}:
            return None
        for each in numbers[1:]:
            self._join(numbers[0], each)
        return numbers[0]

    def product(self, node: fx.Node) -> Ids | None:
        """Of a tensor and a number, a constant or a gate: the gate keeps the factor 1."""
        tensors = [each for each in node.args if isinstance(each, fx.Node)]
        free = [each for each in tensors if any(self._root(n) != FIXED for n in self._of(each))]
        if len(free) != 1 or self.shapes.get(free[0].name) != self.shapes[node.name]:
            return None
        if node.target in _IN_PLACE and node.args[0] is not free[0]:
            return None
        others = [each for each in node.args if each is not free[0]]
        known = all(isinstance(each, fx.Node | int | float) for each in others)
        return self._of(free[0]) if known and len(others) == 1 else None

    def concatenated(self, node: fx.Node) -> Ids | None:
        """Tensors one behind the other, along the channels or along the pixels."""
        parts = node.args[0]
        axis = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
        if not isinstance(parts, list | tuple) or not all(isinstance(each, fx.Node) for each in parts):
            return None
        nodes: list[Any] = list(parts)
        rank = len(self.shapes[node.name])
        if axis in (1, 1 - rank):
            return np.concatenate([self._of(each) for each in nodes])
        return self._joined(node, nodes) if axis not in (0, -rank) else None

    def part(self, node: fx.Node) -> Ids | None:
        """A slice."""
        index: Any = node.args[1]
        if not isinstance(index, tuple) or not all(isinstance(each, slice) for each in index) or len(index) < 2:
            return None
        return self.same(node)[index[1]] if _is_plain(index[0]) and _is_plain(index[1], True) else None

    def reshaped(self, node: fx.Node) -> Ids | None:
        """Numbers in order stay in order: channels stay what they are, or each becomes as many as it has pixels."""
        old, new = self.shapes.get(str(node.args[0]), ()), self.shapes[node.name]
        if len(old) < 2 or len(new) < 2 or old[0] != new[0] or prod(old) != prod(new):
            return None
        if old[1] == new[1]:
            return self.same(node)
        return np.repeat(self.same(node), prod(old[2:])) if len(new) == 2 else None

    def _count(self, node: fx.Node) -> int:
        shape = self.shapes.get(node.name, ())
        return shape[1] if len(shape) > 1 else 0

    def _of(self, node: Any) -> Ids:
        return self.tensors[node.name]

    def _root(self, number: int) -> int:
        while self.parent[number] != number:
            self.parent[number] = self.parent[self.parent[number]]
            number = self.parent[number]
        return number

    def _join(self, one: Ids, other: Ids) -> None:
        for a, b in zip(one.tolist(), other.tolist(), strict=True):
            low, high = sorted((self._root(a), self._root(b)))
            self.parent[high] = low

    def result(self) -> Channels:
        """What was found, every channel with the number that stands for all that are joined with it."""
        roots = np.array([self._root(number) for number in range(len(self.parent))], np.int64)

        def final(found: dict[str, Ids]) -> dict[str, Ids]:
            return {name: roots[numbers] for name, numbers in found.items()}

        return Channels(final(self.tensors), final(self.makers), final(self.takers), self.layers, len(roots))


def _asks_shape_only(node: fx.Node) -> bool:
    """Whether a node reads nothing of a tensor but its shape."""
    return node.target in ("size", "dim") or (node.target is getattr and node.args[1] in ("shape", "ndim"))


def _is_plain(part: Any, any_place: bool = False) -> bool:
    """Whether a slice takes all, or with `any_place` a part that is known before the network runs."""
    numbers = (part.start, part.stop, part.step)
    return all(each is None or (any_place and isinstance(each, int)) for each in numbers)


# What takes a positive factor of a channel from its input to its output.
_HOMOGENEOUS: tuple[object, ...] = (
    *RELUS,
    *(nn.LeakyReLU, nn.PReLU, nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.ZeroPad2d, nn.Upsample),
    *(nn.MaxPool1d, nn.MaxPool2d, nn.AvgPool1d, nn.AvgPool2d),
    *(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d),
    *(functional.leaky_relu, functional.dropout, functional.interpolate),
    *(functional.max_pool1d, functional.max_pool2d, functional.avg_pool1d, functional.avg_pool2d),
    *(functional.adaptive_avg_pool1d, functional.adaptive_avg_pool2d),
    *(functional.adaptive_max_pool1d, functional.adaptive_max_pool2d),
)
_RESHAPES: tuple[object, ...] = (
    *(nn.Flatten, torch.flatten, torch.reshape, torch.squeeze, torch.unsqueeze),
    *("flatten", "reshape", "view", "squeeze", "unsqueeze", "contiguous"),
)
_SUMS: tuple[object, ...] = (operator.add, operator.iadd, operator.sub, torch.add, torch.sub, "add", "add_", "sub")
_PRODUCTS: tuple[object, ...] = (operator.mul, operator.imul, torch.mul, "mul", "mul_")
_IN_PLACE: tuple[object, ...] = (operator.imul, "mul_")
_MEANS: tuple[object, ...] = (torch.mean, "mean")
_JOINS: tuple[object, ...] = (torch.cat, torch.concat, torch.concatenate)
_RULES: dict[object, Callable[[_Search, fx.Node], Ids | None]] = {
    **dict.fromkeys(_HOMOGENEOUS, _Search.same),
    **dict.fromkeys(_RESHAPES, _Search.reshaped),
    **dict.fromkeys(_SUMS, _Search.sum),
    **dict.fromkeys(_PRODUCTS, _Search.product),
    **dict.fromkeys(_MEANS, _Search.mean),
    **dict.fromkeys(_JOINS, _Search.concatenated),
    functional.pad: _Search.padded,
    operator.getitem: _Search.part,
}
