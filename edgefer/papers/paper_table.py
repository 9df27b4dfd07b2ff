"""A printed table with all that there is to its figures, ready to be drawn."""

from __future__ import annotations

from dataclasses import dataclass

from edgefer.papers import deployment_columns as extras
from edgefer.papers import table_names as names
from edgefer.papers.evidence import Known, find
from edgefer.papers.grid import Grid, Piece, Tally, lacking, piece, tally
from edgefer.papers.transcription import Cell, Column, Paper, Row, Table
from edgefer.papers.verdict import At, Evidence, Found

# Absolute ones are of another machine. Not of processors: without a pause between frames each network takes all of one.
_COMPARED = ("latency", "memory-percent")


@dataclass(frozen=True)
class Sheet:
    """One table. found: the cell and what there is to it, in the paper's order; extras: titles and grids."""

    name: str
    paper: Paper
    table: Table
    found: tuple[tuple[Cell, Found], ...]
    grid: Grid
    extras: tuple[tuple[str, Grid], ...]
    below: tuple[str, ...]

    @property
    def tally(self) -> Tally:
        """What there is of it."""
        return tally([found for cell, found in self.found if cell.column.kind != "setting"])


def sheet(name: str, known: Known) -> Sheet:
    """Everything of the table with that name."""
    paper, table = names.tables()[name]
    found = tuple((cell, find(At(name, paper, table, cell), known)) for cell in table.cells)
    return Sheet(
        name=name,
        paper=paper,
        table=table,
        found=found,
        grid=_grid(table, found),
        extras=extras.grids(name, table, known),
        below=(*_about(table), *_hows(table, found), *_protocol(paper, table)),
    )


def _grid(table: Table, found: tuple[tuple[Cell, Found], ...]) -> Grid:
    sets = any(row.dataset for row in table.rows)
    headings = ["row", *(["data set"] if sets else []), "network"]
    for column in table.columns:
        headings += [column.name] if column.kind == "setting" else [column.name, "edgefer"]
        base = reference(table, column)
        headings += [] if base is None else [f"over {base.name}'s", "edgefer"]
    rows = [_row(table, row, found, sets) for row in table.rows]
    return Grid(tuple(headings), tuple(rows))


def _row(table: Table, row: Row, found: tuple[tuple[Cell, Found], ...], sets: bool) -> tuple[Piece, ...]:
    pieces = [Piece(row.name, "name"), *([Piece(row.dataset, "name")] if sets else []), Piece(row.arch, "name")]
    for column in table.columns:
        here = _at(found, row, column)
        both = [Piece("", "missing")] * 2 if here is None else [Piece(here[0].printed, "printed"), piece(here[1])]
        pieces += both[:1] if column.kind == "setting" else both
        base = reference(table, column)
        if base is not None:
            pieces += _ratios(here, _at(found, base, column))
    return tuple(pieces)


def _at(found: tuple[tuple[Cell, Found], ...], row: Row, column: Column) -> tuple[Cell, Found] | None:
    return next(((cell, each) for cell, each in found if cell.row is row and cell.column is column), None)


def reference(table: Table, column: Column) -> Row | None:
    """The row whose time or load others are set over: the paper's own network, which comes last, where there is one."""
    if column.kind not in _COMPARED or len(table.rows) == 1:
        return None
    return next((row for row in reversed(table.rows) if row.arch and row.cells[table.columns.index(column)]), None)


def _ratios(here: tuple[Cell, Found] | None, base: tuple[Cell, Found] | None) -> list[Piece]:
    """Printed and measured: absolute times are of other machines, ratios should not be."""
    if here is None or base is None:
        return [Piece("", "missing")] * 2
    printed = Piece(f"{float(here[0].value / base[0].value):.2f}", "printed")
    if isinstance(here[1], Evidence) and isinstance(base[1], Evidence):
        return [printed, Piece(f"{here[1].value / base[1].value:.2f} ◇", "measured")]
    return [printed, lacking("")]


def _about(table: Table) -> list[str]:
    """What the transcription says of the table and its columns."""
    of_columns = [f"{column.name}: {column.note}" for column in table.columns if column.note]
    return [*([table.note] if table.note else []), *of_columns]


def _hows(table: Table, found: tuple[tuple[Cell, Found], ...]) -> list[str]:
    """How the columns were obtained; the rows are named where that differs among them."""
    columns: dict[tuple[str, str], list[str]] = {}
    for column in table.columns:
        ways: dict[str, list[str]] = {}
        for cell, each in found:
            if cell.column is column and isinstance(each, Evidence):
                ways.setdefault(f"{each.how} ({each.source})", []).append(cell.row.name)
        for how, rows in ways.items():
            of = f" of {', '.join(dict.fromkeys(rows))}" if len(ways) > 1 else ""
            columns.setdefault((how, of), []).append(column.name)
    return [f"{'; '.join(names)}{of}: {how}" for (how, of), names in columns.items()]


def _protocol(paper: Paper, table: Table) -> list[str]:
    if not table.protocol:
        return []
    method = paper.protocols[table.protocol]
    return [f'Section {method.section}: "{method.quote}" On {method.machine}. {method.assumed}']
