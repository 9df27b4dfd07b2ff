"""What the papers print: tables of cells, as types.

The comments at the top of benchmarks/papers/kong2022-ean.toml say what each key means.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Literal

from edgefer.runtime.bench_record import Mode
from edgefer.runtime.errors import UnknownName

Kind = Literal[
    "accuracy",
    "share",
    "loss",
    "parameters",
    "flops",
    "modelled-memory",
    "checkpoint-size",
    "size",
    "latency",
    "fps",
    "cpu-percent",
    "memory-percent",
    "images",
    "setting",
    "shape",
    "other",
]
Unit = Literal["", "K", "M", "B", "%", "ms", "MB", "KB", "GB", "fps"]
Convention = Literal[
    "",
    "macs",
    "ptflops",
    "ptflops-modules",
    "thop",
    "unknown",
    "trainable",
    "keras",
    "torchsummary",
    "torchsummary-modules",
]
Split = Literal["", "train", "validation", "test", "10-fold"]
Statistic = Literal["mean", "usage"]

OF_IMAGES = ("accuracy", "share", "loss", "images")
_TIMES = {"K": Decimal(1000), "M": Decimal(10**6), "B": Decimal(10**9)}
_PRINTED = re.compile(r"([~>]?)([+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?) ?([A-Za-z%]*)")


@dataclass(frozen=True)
class Facts:
    """`[paper]`."""

    cite: str
    input: str
    pages: str


@dataclass(frozen=True)
class Method:
    """`[protocols.NAME]`: how a table's times or loads were measured."""

    table: str
    section: str
    quote: str
    machine: str
    mode: Mode
    batch: int
    samples: int
    warmup: int
    statistic: Statistic
    assumed: str
    unit: str


@dataclass(frozen=True)
class Column:
    """What a column counts."""

    key: str
    name: str
    kind: Kind
    unit: Unit = ""
    sign: str = ""
    convention: Convention = ""
    dataset: str = ""
    split: Split = ""
    note: str = ""


@dataclass(frozen=True)
class Row:
    """A printed row; `arch` is edgefer's network, empty where edgefer has none; the others as in kong2022-ean.toml."""

    name: str
    cells: tuple[str, ...]
    arch: str = ""
    training: str = ""
    dataset: str = ""
    details: str = ""
    printed: str = ""
    notes: dict[str, str] = field(default_factory=dict)
    conventions: dict[str, Convention] = field(default_factory=dict)
    counted: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Cell:
    """A printed figure with all that is known of it."""

    row: Row
    column: Column
    printed: str

    @property
    def dataset(self) -> str:
        """What it was measured on; empty where images play no part."""
        return (self.row.dataset or self.column.dataset) if self.column.kind in OF_IMAGES else ""

    @property
    def note(self) -> str:
        """What to know of it, the column's note before its own."""
        return "; ".join(note for note in (self.column.note, self.row.notes.get(self.column.key, "")) if note)

    @property
    def convention(self) -> Convention:
        """By which it was counted: the column's, where the row names none."""
        return self.row.conventions.get(self.column.key, self.column.convention)

    @property
    def relation(self) -> Literal["", "~", ">"]:
        """`>` before a lower limit, `~` before an estimate."""
        return ">" if self.printed.startswith(">") else "~" if self.printed.startswith("~") else ""

    @property
    def value(self) -> Decimal:
        """The figure in the column's unit; a plain count where that is a multiple (5.054 M is 5,054,000)."""
        digits, times = self._parts
        return digits * times

    @property
    def step(self) -> Decimal:
        """What one more in the last printed digit means, in the same unit."""
        digits, times = self._parts
        return Decimal((0, (1,), int(digits.as_tuple().exponent))) * times

    def agrees(self, figure: float | Decimal) -> bool:
        """Whether `figure` is equal to the printed digit, or above a printed lower limit.

        At a tie both neighbours agree: how the paper rounds is not known.
        """
        other = Decimal(str(figure))
        near = abs(other - self.value) * 2 <= self.step
        return near or other > self.value if self.relation == ">" else near

    @cached_property
    def _parts(self) -> tuple[Decimal, Decimal]:
        match = _PRINTED.fullmatch(self.printed)
        if match is None:
            raise ValueError(f"{self.printed!r} is not a number")
        sign = match[3]
        if sign in _TIMES and self.column.unit == "":
            times = _TIMES[sign]
        elif sign in ("", self.column.sign or self.column.unit):
            times = _TIMES.get(self.column.unit, Decimal(1))
        else:
            raise ValueError(f"{self.printed!r} is not in the column's unit {self.column.unit!r}")
        return Decimal(match[2].replace(",", "")), times


@dataclass(frozen=True)
class Table:
    """A printed table, its rows and columns in the paper's order."""

    number: str
    caption: str
    page: int
    section: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    protocol: str = ""
    details: str = ""
    note: str = ""

    @property
    def title(self) -> str:
        """`Table 5`, or `text` for what stands in the prose."""
        return self.number if self.number == "text" else f"Table {self.number}"

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """Every figure, row by row; what the paper leaves empty is not there."""
        return tuple(
            Cell(row, column, printed)
            for row in self.rows
            for column, printed in zip(self.columns, row.cells, strict=True)
            if printed
        )

    def cell(self, row: str, column: str, dataset: str = "") -> Cell:
        """The figure of a row (and, where a name comes twice, its data set) in a column; raises UnknownName."""
        rows = [each for each in self.rows if each.name == row and dataset in ("", each.dataset)]
        if len(rows) != 1:
            names = [f"{each.dataset} {each.name}".strip() for each in self.rows]
            raise UnknownName.of(f"row of {self.title}", f"{dataset} {row}".strip(), names)
        filled = {cell.column.key: cell for cell in self.cells if cell.row is rows[0]}
        if column not in filled:
            raise UnknownName.of(f"column of {self.title}, row {row}", column, filled)
        return filled[column]


@dataclass(frozen=True)
class Paper:
    """One file of benchmarks/papers."""

    paper: Facts
    tables: tuple[Table, ...]
    protocols: dict[str, Method] = field(default_factory=dict)

    def table(self, number: str) -> Table:
        """The table with that number, or `text`; raises UnknownName."""
        for table in self.tables:
            if table.number == number:
                return table
        raise UnknownName.of("table", number, [table.number for table in self.tables])
