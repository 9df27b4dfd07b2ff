"""What edgefer counts of networks, beside what the papers print: parameters, operations, memory, shapes of layers.

The counts lie in benchmarks/results/counts.json with the checksum of the networks' sources, so that rendering needs
no torch; where that is not of these sources, all is counted again and written there.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from edgefer.papers.comparison import BYTES, CellRef, Evidence, Missing, compare, like
from edgefer.papers.paper_files import tables
from edgefer.papers.transcription import Cell, Convention, Kind
from edgefer.runtime.files import PACKAGE, digest

FILE = "counts.json"
SOURCE = f"benchmarks/results/{FILE}"


@dataclass(frozen=True)
class Counts:
    """What was counted.

    sources      checksum of the code of edgefer/arch, see code_checksum
    torch        what wrote the checkpoints
    networks     network -> the figures of arch.count.Count
    checkpoints  network -> bytes of a training checkpoint
    shapes       network -> figure of its layers, see count_networks
    """

    schema: str = field(default="edgefer/counts/1", kw_only=True)
    sources: str
    torch: str
    networks: dict[str, dict[str, int]]
    checkpoints: dict[str, int]
    shapes: dict[str, dict[str, int]]


def code_checksum(*packages: str) -> str:
    """Checksum of the code of packages of edgefer; comments, docstrings and imports don't change it."""
    folders = (PACKAGE / name for name in packages)
    modules = ((path.relative_to(folder).as_posix(), path) for folder in folders for path in _modules(folder))
    return digest(f"{name}\0{_code(ast.parse(path.read_bytes()))}".encode() for name, path in modules)


def _modules(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"), key=lambda path: path.relative_to(folder).as_posix())


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


def counted(at: CellRef, counts: Counts) -> Evidence:
    """Parameters, operations and modelled memory of the cell's network."""
    figure = figure_of(at.cell)
    count = counts.networks[at.cell.row.arch][figure]
    return compare(at, in_its_unit(at.cell, count), _HOW[figure], SOURCE)


def shape(at: CellRef, counts: Counts) -> Evidence:
    """A size, stride or number of layers of the cell's network, where edgefer reads it from the network."""
    shapes = counts.shapes.get(at.cell.row.arch, {})
    for key in (f"{at.cell.row.name}/{at.cell.column.key}", at.cell.column.key):
        if key in shapes:
            return compare(at, shapes[key], "read from the network as it is built", SOURCE)
    return Missing("a part of another form in edgefer's network")


@dataclass(frozen=True)
class PrintedFigure:
    """A figure of a network as printed, the figure of arch.count.Count that it is, and where it stands."""

    figure: Figure
    where: str
    cell: Cell

    @property
    def text(self) -> str:
        """As printed, with the unit that stands in the table's head: 5.054 M."""
        return self._with_unit(self.cell.printed)

    @property
    def note(self) -> str:
        """What to know of it."""
        return self.cell.row.notes.get(self.cell.column.key, "")

    def counted(self, count: int) -> str:
        """A count in the printed form: 5054158 -> 5.054 M."""
        return self._with_unit(like(self.cell, in_its_unit(self.cell, count)))

    def record(self) -> dict[str, str]:
        """For programs."""
        return {"column": self.figure, "text": self.text, "table": self.where, "note": self.note}

    def ratio(self, count: int) -> float:
        """A count over what is printed."""
        return in_its_unit(self.cell, count) / float(self.cell.value)

    @property
    def remark(self) -> str:
        """The note as a sentence that tells which figure it is of; empty where there is none."""
        return f"{self.text} ({self.where}): {self.note}." if self.note else ""

    def _with_unit(self, text: str) -> str:
        return text if text[-1].isalpha() else f"{text} {self.cell.column.unit}".rstrip()


def printed_figures(arch: str) -> list[PrintedFigure]:
    """Each figure of the network once, from the first table that prints it; raises BadRecord."""
    figures: dict[tuple[Figure, object, object], PrintedFigure] = {}
    for paper, table in tables().values():
        author = paper.paper.cite.partition(",")[0]
        where = f"{author}, {'in the text' if table.number == 'text' else table.title}"
        for cell in table.cells:
            if cell.row.arch == arch and (cell.column.kind, cell.convention) in COUNTED:
                figure = figure_of(cell)
                figures.setdefault((figure, cell.value, cell.step), PrintedFigure(figure, where, cell))
    return list(figures.values())


def checkpoint_size(at: CellRef, counts: Counts) -> Evidence:
    """A training checkpoint of the cell's network, in the column's unit."""
    how = "written: the bytes of torch.save of the weights and Adam's two moments"
    return compare(at, counts.checkpoints[at.cell.row.arch] / BYTES[at.cell.column.unit], how, SOURCE)
