"""Counts every network anew. Needs torch."""

from __future__ import annotations

from dataclasses import asdict

import torch

from edgefer import arch
from edgefer.arch import Arch
from edgefer.arch.count import count_arch, skeleton
from edgefer.arch.count.trace import operations
from edgefer.papers import checkpoint_size, layer_shapes, table_names
from edgefer.papers.counted import SCHEMA, Counts, sources
from edgefer.papers.transcription import Cell


def everything() -> Counts:
    """All networks in the order of their table."""
    cells = [cell for _, table in table_names.tables().values() for cell in table.cells]
    with_checkpoint = checkpoint_size.wanted(cells)
    return Counts(
        schema=SCHEMA,
        sources=sources(),
        torch=str(torch.__version__).partition("+")[0],
        networks={row.name: figures(row) for row in arch.ARCHS.values()},
        checkpoints={row.name: checkpoint(row) for row in arch.ARCHS.values() if row.name in with_checkpoint},
        shapes={row.name: found for row in arch.ARCHS.values() if (found := layers(row, cells))},
    )


def figures(row: Arch) -> dict[str, int]:
    """Those of arch.count.Count, with as many classes as the paper's."""
    return {name: figure for name, figure in asdict(count_arch(row)).items() if isinstance(figure, int)}


def checkpoint(row: Arch) -> int:
    """Bytes of a training checkpoint, with as many classes as the paper's."""
    return checkpoint_size.written(row.build(row.classes, seed=0))


def layers(row: Arch, cells: list[Cell]) -> dict[str, int]:
    """The shapes that some table prints of the network."""
    wanted = [(cell.row.name, cell.column.key) for cell in cells if _is_shape(cell, row)]
    if not wanted:
        return {}
    network = skeleton(row)
    return layer_shapes.read((network, operations(network, (1, row.channels, row.crop, row.crop))), wanted)


def _is_shape(cell: Cell, row: Arch) -> bool:
    return cell.column.kind == "shape" and cell.row.arch == row.name
