"""Columns that count a training checkpoint: one is really written, into memory, and its bytes are counted."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from edgefer.papers.counted import SOURCE, Counts
from edgefer.papers.transcription import Cell
from edgefer.papers.verdict import BYTES, At, Found, compared

if TYPE_CHECKING:
    from torch import nn

HOW = "written: the bytes of torch.save of the weights and Adam's two moments"


def written(network: nn.Module) -> int:
    """Bytes of a checkpoint of the network in training, after a step of Adam."""
    import torch

    optimizer = torch.optim.Adam(network.parameters())
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    file = io.BytesIO()
    torch.save({"network": network.state_dict(), "optimizer": optimizer.state_dict()}, file)
    return file.getbuffer().nbytes


def size(at: At, counts: Counts) -> Found:
    """The checkpoint of the cell's network in the column's unit."""
    return compared(at, counts.checkpoints[at.cell.row.arch] / BYTES[at.cell.column.unit], HOW, SOURCE)


def wanted(cells: list[Cell]) -> set[str]:
    """The networks of which a checkpoint is counted somewhere."""
    return {cell.row.arch for cell in cells if cell.column.kind == "checkpoint-size" and cell.row.arch}
