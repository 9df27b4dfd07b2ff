"""What the papers print, read from benchmarks/papers/*.toml; an unknown key or kind is an error, a loose end too.

The comments at the top of kong2022-ean.toml say what each key means.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

from edgefer.runtime import records
from edgefer.runtime.bench_record import Mode
from edgefer.runtime.errors import BadRecord, UnknownName
from edgefer.runtime.files import shipped_folder

T = TypeVar("T")

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

_CONVENTIONS = {
    "flops": ("macs", "ptflops", "ptflops-modules", "thop", "unknown"),
    "parameters": ("", "trainable", "keras"),
    "modelled-memory": ("torchsummary", "torchsummary-modules"),
}
_OF_IMAGES = ("accuracy", "share", "loss", "images")
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
        return (self.row.dataset or self.column.dataset) if self.column.kind in _OF_IMAGES else ""

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
        given = Decimal(str(figure))
        near = abs(given - self.value) * 2 <= self.step
        return near or given > self.value if self.relation == ">" else near

    @cached_property
    def _parts(self) -> tuple[Decimal, Decimal]:
        found = _PRINTED.fullmatch(self.printed)
        if found is None:
            raise ValueError(f"{self.printed!r} is not a number")
        sign = found[3]
        if sign in _TIMES and self.column.unit == "":
            times = _TIMES[sign]
        elif sign in ("", self.column.sign or self.column.unit):
            times = _TIMES.get(self.column.unit, Decimal(1))
        else:
            raise ValueError(f"{self.printed!r} is not in the column's unit {self.column.unit!r}")
        return Decimal(found[2].replace(",", "")), times


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
            known = [f"{each.dataset} {each.name}".strip() for each in self.rows]
            raise UnknownName.of(f"row of {self.title}", f"{dataset} {row}".strip(), known)
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


@cache
def papers() -> dict[str, Paper]:
    """Every paper by its file's name; raises BadRecord."""
    return {path.stem: read(path) for path in sorted((shipped_folder("benchmarks") / "papers").glob("*.toml"))}


def paper(name: str) -> Paper:
    """The paper called `name`; raises UnknownName with the nearest names."""
    if name not in papers():
        raise UnknownName.of("paper", name, papers())
    return papers()[name]


def read(path: Path) -> Paper:
    """One file; raises BadRecord naming the table and what is wrong with it."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadRecord(f"{path} is not TOML ({error}): correct it.") from error
    # The parts first, so that the message names the keys of the part that is wrong.
    for table in _parts(content, "tables"):
        where = f"{path}, table {table.get('number')}"
        for column in _parts(table, "columns"):
            records.structure(Column, column, where)
        for row in _parts(table, "rows"):
            cells = row.get("cells")
            if not (isinstance(cells, list) and all(isinstance(cell, str) for cell in cells)):
                # A bare 70.10 would be read as 70.1.
                raise BadRecord(
                    f"{where}, row {row.get('name')}: cells are a list of texts: put each figure in quotes."
                )
            records.structure(Row, row, where)
        records.structure(Table, table, where)
    methods = content.get("protocols")
    for name, method in methods.items() if isinstance(methods, dict) else ():
        records.structure(Method, method, f"{path}, protocol {name}")
    records.structure(Facts, content.get("paper"), f"{path}, paper")
    made = records.structure(Paper, content, str(path))
    for each in made.tables:
        for wrong in _mistakes(made, each):
            raise BadRecord(f"{path}, table {each.number}: {wrong}.")
    return made


def _parts(content: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """The tables under `key`; anything else there is left to `records.structure`."""
    found = content.get(key)
    return [part for part in found if isinstance(part, dict)] if isinstance(found, list) else []


def _mistakes(paper: Paper, table: Table) -> Iterator[str]:
    """What the types alone don't tell; the first one ends the reading, so later ones may rely on it."""
    keys = [column.key for column in table.columns]
    if not table.columns or not table.rows:
        yield "it has no columns or no rows"
    if [other.number for other in paper.tables].count(table.number) > 1:
        yield "its number comes twice"
    if table.protocol and table.protocol not in paper.protocols:
        yield f"there is no protocol {table.protocol!r}: there are {', '.join(paper.protocols) or 'none'}"
    yield from (f"the column {key!r} comes twice" for key in _twice(keys))
    yield from (
        f"the row {name!r} comes twice{f' for {dataset}' if dataset else ''}"
        for name, dataset in _twice([(row.name, row.dataset) for row in table.rows])
    )
    for column in table.columns:
        yield from _column_mistakes(table, column)
    for row in table.rows:
        if len(row.cells) != len(keys):
            yield f"the row {row.name!r} has {len(row.cells)} cells for {len(keys)} columns"
        for what, of in (("a note on", row.notes), ("a convention of", row.conventions), ("a count of", row.counted)):
            yield from (f"the row {row.name!r} has {what} {key!r}, no column" for key in of.keys() - set(keys))
    for cell in table.cells:
        where = f"row {cell.row.name!r}, column {cell.column.key!r}"
        try:
            _ = cell.value
        except ValueError as error:
            yield f"{where}: {error}"
        if cell.column.kind in _OF_IMAGES and not cell.dataset:
            yield f"{where} names no data set"


def _column_mistakes(table: Table, column: Column) -> Iterator[str]:
    conventions = [column.convention, *(row.conventions.get(column.key, column.convention) for row in table.rows)]
    allowed = _CONVENTIONS.get(column.kind, ("",))
    for convention in dict.fromkeys(conventions):
        if convention not in allowed:
            yield f"the convention of {column.key!r} is {convention!r}, none of {', '.join(map(repr, allowed))}"
    if column.kind in ("accuracy", "share", "loss") and not column.split:
        yield f"the column {column.key!r} names no split"


def _twice(items: Iterable[T]) -> list[T]:
    return [item for item, times in Counter(items).items() if times > 1]
