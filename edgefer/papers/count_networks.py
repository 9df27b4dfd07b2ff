"""Counts every network anew, with the checkpoints and the shapes of layers that the papers print. Needs torch."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import asdict

import torch
from torch import nn

from edgefer.arch import ARCHS, Arch
from edgefer.arch.count import POOLS, count_arch, skeleton
from edgefer.arch.count.trace import Op, operations
from edgefer.papers.counts import Counts, code_checksum
from edgefer.papers.paper_files import tables
from edgefer.papers.transcription import Cell


def count_all() -> Counts:
    """All networks in the order of their table."""
    cells = [cell for _, table in tables().values() for cell in table.cells]
    with_checkpoint = {cell.row.arch for cell in cells if cell.column.kind == "checkpoint-size"}
    return Counts(
        sources=code_checksum("arch"),
        torch=str(torch.__version__).partition("+")[0],
        networks={arch.name: count_figures(arch) for arch in ARCHS.values()},
        checkpoints={arch.name: checkpoint_bytes(arch) for arch in ARCHS.values() if arch.name in with_checkpoint},
        shapes={arch.name: shapes for arch in ARCHS.values() if (shapes := layer_shapes(arch, cells))},
    )


def count_figures(arch: Arch) -> dict[str, int]:
    """Those of arch.count.Count, with as many classes as the paper's."""
    return {name: figure for name, figure in asdict(count_arch(arch)).items() if isinstance(figure, int)}


def checkpoint_bytes(arch: Arch) -> int:
    """Bytes of a training checkpoint after a step of Adam, with as many classes as the paper's."""
    network = arch.build(arch.classes, seed=0)
    optimizer = torch.optim.Adam(network.parameters())
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    file = io.BytesIO()
    torch.save({"network": network.state_dict(), "optimizer": optimizer.state_dict()}, file)
    return file.getbuffer().nbytes


def layer_shapes(arch: Arch, cells: list[Cell]) -> dict[str, int]:
    """The shapes that some table prints of the network's layers, read from the network as it is built.

    A column is a figure of one layer or a number of layers; a key is the column's, or "row/column" where the rows of a
    table are layers.
    """
    printed = [cell for cell in cells if cell.column.kind == "shape" and cell.row.arch == arch.name]
    if not printed:
        return {}
    network = skeleton(arch)
    layers = network, operations(network, (1, arch.channels, arch.crop, arch.crop))
    shapes = {}
    for row, column in ((cell.row.name, cell.column.key) for cell in printed):
        if column in _COLUMNS:
            shapes[column] = _COLUMNS[column](layers)
        elif row in _ROWS:
            shapes[f"{row}/{column}"] = _of_row(layers, row, column)
    return shapes


Layers = tuple[nn.Module, list[Op]]
Figure = Callable[[Layers], int]
_POOLINGS = (*POOLS, "adaptive_avg_pool2d", "adaptive_max_pool2d", "max_pool2d")


def _of(kind: str, number: int) -> Callable[[Layers], tuple[nn.Module, Op]]:
    def layer(layers: Layers) -> tuple[nn.Module, Op]:
        network, ops = layers
        op = [op for op in ops if op.kind == kind][number]
        return network.get_submodule(op.name), op

    return layer


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
    overlapping = []
    for op in layers[1]:
        if op.kind == "Conv2d":
            module = layers[0].get_submodule(op.name)
            assert isinstance(module, nn.Conv2d)
            if module.kernel_size[0] > module.stride[0] > 1:
                overlapping.append(op)
    return overlapping


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
    setting: tuple[int, ...] = getattr(layers[0].get_submodule(op.name), _SETTINGS[column])
    return setting[0]
