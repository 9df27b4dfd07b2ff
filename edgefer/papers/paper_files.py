"""The papers' files: reading them, and the names of their tables.

An unknown key or kind in a file is an error, and so is a loose end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from edgefer.papers.transcription import OF_IMAGES, Column, Convention, Facts, Kind, Method, Paper, Row, Table
from edgefer.runtime import records
from edgefer.runtime.errors import BadRecord, UnknownName
from edgefer.runtime.files import shipped_folder

T = TypeVar("T")

_CONVENTIONS: dict[Kind, tuple[Convention, ...]] = {
    "flops": ("macs", "ptflops", "ptflops-modules", "thop", "unknown"),
    "parameters": ("", "trainable", "keras"),
    "modelled-memory": ("torchsummary", "torchsummary-modules"),
}


@cache
def papers() -> dict[str, Paper]:
    """Every paper by its file's name; raises BadRecord."""
    return {path.stem: read_paper(path) for path in sorted((shipped_folder("benchmarks") / "papers").glob("*.toml"))}


def paper(name: str) -> Paper:
    """The paper called `name`; raises UnknownName with the nearest names."""
    if name not in papers():
        raise UnknownName.of("paper", name, papers())
    return papers()[name]


def read_paper(path: Path) -> Paper:
    """One file; raises BadRecord naming the table and what is wrong with it."""
    content = records.read_toml(path)
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
    parts = content.get(key)
    return [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []


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
        if cell.column.kind in OF_IMAGES and not cell.dataset:
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


# One page a paper: its name, and the file of the paper.
PAGES = {
    "ean": "kong2022-ean",
    "efficientface": "zhao2021-efficientface",
    "lcnn": "lcnn-mtcnn",
    "mit": "safavi2023-mit-fer",
    "microexpnet": "cugu2019-microexpnet",
}
_ROMAN = {"I": "1", "II": "2"}


@cache
def tables() -> dict[str, tuple[Paper, Table]]:
    """Every table by name, page by page."""
    return {
        f"{page}-{_ROMAN.get(table.number, table.number)}": (paper(file), table)
        for page, file in PAGES.items()
        for table in paper(file).tables
    }


def page_of(name: str) -> str:
    """The page that a table stands on."""
    return name.partition("-")[0]


def expand_names(names: tuple[str, ...]) -> list[str]:
    """Names of tables; a page's name stands for all of its tables. Raises UnknownName."""
    expanded: dict[str, None] = {}
    for name in names:
        meant = [each for each in tables() if name in (each, page_of(each))]
        if not meant:
            raise UnknownName.of("table", name, [*PAGES, *tables()])
        expanded |= dict.fromkeys(meant)
    return list(expanded)
