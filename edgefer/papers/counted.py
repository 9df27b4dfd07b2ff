"""Columns that are counted: parameters, operations, modelled memory, shapes of layers.

The counts lie in benchmarks/results/counts.json with the checksum of the networks' sources, so that rendering needs
no torch; where that is not of these sources, all is counted again and written there.
"""

from __future__ import annotations

import ast
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from edgefer.arch import architecture
from edgefer.papers.transcription import Cell, Convention, Kind
from edgefer.papers.verdict import At, Found, Missing, compared
from edgefer.runtime import records

FILE = "counts.json"
SOURCE = f"benchmarks/results/{FILE}"
_ARCH = Path(architecture.__file__).parent


@dataclass(frozen=True)
class Counts:
    """What was counted.

    sources      checksum of the code of edgefer/arch, see sources
    torch        what wrote the checkpoints
    networks     network -> the figures of arch.count.Count
    checkpoints  network -> bytes of a training checkpoint, see checkpoints
    shapes       network -> figure of its layers, see shapes
    """

    schema: str = field(default="edgefer/counts/1", kw_only=True)
    sources: str
    torch: str
    networks: dict[str, dict[str, int]]
    checkpoints: dict[str, int]
    shapes: dict[str, dict[str, int]]


def sources() -> str:
    """Checksum of the code that a count follows from; comments, docstrings and imports don't change it."""
    digest = hashlib.sha256()
    for path in sorted(_ARCH.rglob("*.py"), key=lambda path: path.relative_to(_ARCH).as_posix()):
        name = path.relative_to(_ARCH).as_posix()
        digest.update(f"{name}\0{_code(ast.parse(path.read_bytes()))}".encode())
    return digest.hexdigest()


def _code(node: object) -> str:
    """A syntax tree as text, the same from every version of Python: ast.dump writes empty fields in some only."""
    if isinstance(node, list):
        return f"[{','.join(filter(None, map(_code, node)))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    if isinstance(node, ast.Import | ast.ImportFrom):
        return ""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return ""  # a docstring
    fields = (f"{name}={_code(value)}" for name, value in ast.iter_fields(node) if value not in (None, []))
    return f"{type(node).__name__}({','.join(fields)})"


def load(folder: Path) -> Counts:
    """The counts of these sources: those in the folder, or new ones, which needs torch."""
    path = folder / FILE
    if path.is_file():
        known = records.read(Counts, path)
        if known.sources == sources():
            return known
    from edgefer.papers import count_networks

    made = count_networks.everything()
    records.write(path, made)
    return made


Figure = Literal[
    "parameters",
    "parameters_and_statistics",
    "macs",
    "ptflops",
    "ptflops_modules",
    "thop",
    "torchsummary",
    "torchsummary_modules",
]
# The figure of arch.count.Count that a cell of such a kind and convention is.
COUNTED: dict[tuple[Kind, Convention], Figure] = {
    ("parameters", ""): "parameters",
    ("parameters", "trainable"): "parameters",
    ("parameters", "keras"): "parameters_and_statistics",
    ("flops", "macs"): "macs",
    ("flops", "ptflops"): "ptflops",
    ("flops", "ptflops-modules"): "ptflops_modules",
    ("flops", "thop"): "thop",
    ("flops", "unknown"): "thop",
    ("modelled-memory", "torchsummary"): "torchsummary",
    ("modelled-memory", "torchsummary-modules"): "torchsummary_modules",
}
_HOW: dict[Figure, str] = {
    "parameters": "counted: trainable parameters",
    "parameters_and_statistics": "counted: parameters and batch norm's running statistics",
    "macs": "counted: multiply-accumulates",
    "ptflops": "counted as ptflops does: multiply-accumulates, biases, 2 x outputs of norms",
    "ptflops_modules": "counted as ptflops does, with activations and poolings, which are modules there",
    "thop": "counted as thop does: multiply-accumulates, biases, 2 x outputs of norms, average pooling modules",
    "torchsummary": "modelled as torchsummary does, MiB: input, 2 x outputs of layers and norms, parameters",
    "torchsummary_modules": "modelled as torchsummary does, MiB, with activations and poolings, modules there",
}
MEBIBYTE = 2.0**20


def figure_of(cell: Cell) -> Figure:
    """What edgefer counts for a cell of a kind that is counted."""
    return COUNTED[cell.column.kind, cell.convention]


def in_its_unit(cell: Cell, count: int) -> float:
    """A count in the unit of the cell's value: MB in the papers is torchsummary's, which are MiB."""
    return count / MEBIBYTE if cell.column.kind == "modelled-memory" else count


def counted(at: At, counts: Counts) -> Found:
    """Parameters, operations and modelled memory of the cell's network."""
    figure = figure_of(at.cell)
    count = counts.networks[at.cell.row.arch][figure]
    return compared(at, in_its_unit(at.cell, count), _HOW[figure], SOURCE)


def shape(at: At, counts: Counts) -> Found:
    """A size, stride or number of layers of the cell's network, where edgefer reads it from the network."""
    shapes = counts.shapes.get(at.cell.row.arch, {})
    for key in (f"{at.cell.row.name}/{at.cell.column.key}", at.cell.column.key):
        if key in shapes:
            return compared(at, shapes[key], "read from the network as it is built", SOURCE)
    return Missing("a part of another form in edgefer's network")
