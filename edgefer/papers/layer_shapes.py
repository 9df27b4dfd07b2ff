"""Shapes of layers that the papers print, read from the networks as they are built. Needs torch.

A column is a figure of one layer or a number of layers; a key here is a column's, or "row/column" where the rows of a
table are layers.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from edgefer.arch.count.rules import POOLS
from edgefer.arch.count.trace import Op

Layers = tuple[nn.Module, list[Op]]
Figure = Callable[[Layers], int]
_POOLINGS = (*POOLS, "adaptive_avg_pool2d", "adaptive_max_pool2d", "max_pool2d")


def _of(kind: str, number: int) -> Callable[[Layers], tuple[nn.Module, Op]]:
    def find(layers: Layers) -> tuple[nn.Module, Op]:
        network, ops = layers
        op = [op for op in ops if op.kind == kind][number]
        return network.get_submodule(op.name), op

    return find


def _kernel(number: int) -> Figure:
    return lambda layers: int(_of("Conv2d", number)(layers)[0].kernel_size[0])  # type: ignore[index]


def _stride(number: int) -> Figure:
    return lambda layers: int(_of("Conv2d", number)(layers)[0].stride[0])  # type: ignore[index]


def _linear(number: int, axis: int) -> Figure:
    def figure(layers: Layers) -> int:
        weight = _of("Linear", number)(layers)[1].weight
        assert weight is not None
        return weight[axis]

    return figure


def _convolutions(layers: Layers) -> int:
    """A depthwise convolution and the 1x1 behind it are one, separable."""
    return sum(op.kind == "Conv2d" and not _depthwise(op) for op in layers[1])


def _depthwise(op: Op) -> bool:
    return op.weight is not None and op.weight[1] == 1 and op.inputs[0][1] > 1


def _number(*kinds: str) -> Figure:
    return lambda layers: sum(op.kind in kinds for op in layers[1])


_COLUMNS: dict[str, Figure] = {
    "conv1-kernel": _kernel(0),
    "conv1-stride": _stride(0),
    "conv2-kernel": _kernel(1),
    "conv2-stride": _stride(1),
    "fc1-in": _linear(0, 1),
    "fc2-in": _linear(1, 1),
    "softmax": _linear(-1, 0),
    "conv": _convolutions,
    "pooling": _number(*_POOLINGS),
    "fc": _number("Linear"),
}


def _embeddings(layers: Layers) -> list[Op]:
    """Convolutions whose patches overlap: those that begin the transformer blocks."""
    found = []
    for op in layers[1]:
        if op.kind == "Conv2d":
            module = layers[0].get_submodule(op.name)
            assert isinstance(module, nn.Conv2d)
            if module.kernel_size[0] > module.stride[0] > 1:
                found.append(op)
    return found


_ROWS: dict[str, Callable[[Layers], Op]] = {
    **{f"Transformer Block {n + 1}": (lambda layers, n=n: _embeddings(layers)[n]) for n in range(4)},  # type: ignore[misc]
    "Fusion Block": lambda layers: [op for op in layers[1] if op.kind == "Conv2d"][-1],
    "Average pooling": lambda layers: [op for op in layers[1] if op.kind in ("mean", *_POOLINGS)][-1],
    "FC, Softmax": lambda layers: [op for op in layers[1] if op.kind == "Linear"][-1],
}
_SIDES = ("channels", "height", "width")
_SETTINGS = {"kernel": "kernel_size", "stride": "stride", "padding": "padding"}


def _of_row(layers: Layers, row: str, column: str) -> int:
    op = _ROWS[row](layers)
    if column in _SIDES:
        sides = (*op.output[1:], 1, 1)  # a vector is one pixel
        return sides[_SIDES.index(column)]
    found: tuple[int, ...] = getattr(layers[0].get_submodule(op.name), _SETTINGS[column])
    return found[0]


def read(layers: Layers, wanted: list[tuple[str, str]]) -> dict[str, int]:
    """The figures of a network in the rows and columns that are printed of it."""
    found = {}
    for row, column in wanted:
        if column in _COLUMNS:
            found[column] = _COLUMNS[column](layers)
        elif row in _ROWS:
            found[f"{row}/{column}"] = _of_row(layers, row, column)
    return found
