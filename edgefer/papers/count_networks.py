"""Counts every network anew. Needs torch."""

from __future__ import annotations

from dataclasses import asdict

import torch

from edgefer.arch import ARCHS, Arch
from edgefer.arch.count import count_arch, skeleton
from edgefer.arch.count.trace import operations
from edgefer.papers import checkpoint_size, layer_shapes, table_names
from edgefer.papers.counted import Counts, sources
from edgefer.papers.transcription import Cell


def everything() -> Counts:
    """All networks in the order of their table."""
    cells = [cell for _, table in table_names.tables().values() for cell in table.cells]
    with_checkpoint = checkpoint_size.wanted(cells)
    return Counts(
        sources=sources(),
        torch=str(torch.__version__).partition("+")[0],
        networks={arch.name: figures(arch) for arch in ARCHS.values()},
        checkpoints={arch.name: checkpoint(arch) for arch in ARCHS.values() if arch.name in with_checkpoint},
        shapes={arch.name: found for arch in ARCHS.values() if (found := layers(arch, cells))},
    )


def figures(arch: Arch) -> dict[str, int]:
    """Those of arch.count.Count, with as many classes as the paper's."""
    return {name: figure for name, figure in asdict(count_arch(arch)).items() if isinstance(figure, int)}


def checkpoint(arch: Arch) -> int:
    """Bytes of a training checkpoint, with as many classes as the paper's."""
    return checkpoint_size.written(arch.build(arch.classes, seed=0))


def layers(arch: Arch, cells: list[Cell]) -> dict[str, int]:
    """The shapes that some table prints of the network."""
    wanted = [(cell.row.name, cell.column.key) for cell in cells if _is_shape(cell, arch)]
    if not wanted:
        return {}
    network = skeleton(arch)
    return layer_shapes.read((network, operations(network, (1, arch.channels, arch.crop, arch.crop))), wanted)


def _is_shape(cell: Cell, arch: Arch) -> bool:
    return cell.column.kind == "shape" and cell.row.arch == arch.name
