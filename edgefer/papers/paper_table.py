"""A printed table with all that there is to its figures, and how it is written: Markdown, CSV, text; pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgefer.papers.comparison import (
    SIGNS,
    CellRef,
    Comparison,
    Evidence,
    Grid,
    GridCell,
    Missing,
    Tally,
    grid_cell,
    missing_cell,
    number_notes,
    tally,
)
from edgefer.papers.deployment_columns import deployment_grids
from edgefer.papers.evidence import Records, evidence_for
from edgefer.papers.paper_files import PAGES, page_of, tables
from edgefer.papers.transcription import Cell, Column, Paper, Row, Table
from edgefer.runtime.terminal_table import csv_cell

# Absolute ones are of another machine. Not of processors: without a pause between frames each network takes all of one.
_COMPARED = ("latency", "memory-percent")


@dataclass(frozen=True)
class PaperTable:
    """A printed table beside edgefer's figures.

    evidence    each cell and what there is to it, in the paper's order
    deployment  titles and grids of what the paper lacks
    below       lines of notes
    """

    name: str
    paper: Paper
    table: Table
    evidence: tuple[tuple[Cell, Evidence], ...]
    grid: Grid
    deployment: tuple[tuple[str, Grid], ...]
    below: tuple[str, ...]

    @property
    def tally(self) -> Tally:
        """What there is of it."""
        return tally([evidence for cell, evidence in self.evidence if cell.column.kind != "setting"])


def compare_table(name: str, records: Records) -> PaperTable:
    """The table with that name (ean-5) beside what the records hold of it."""
    paper, table = tables()[name]
    evidence = tuple((cell, evidence_for(CellRef(name, paper, table, cell), records)) for cell in table.cells)
    return PaperTable(
        name=name,
        paper=paper,
        table=table,
        evidence=evidence,
        grid=_grid(table, evidence),
        deployment=deployment_grids(name, table, records),
        below=(*_about(table), *_hows(table, evidence), *_protocol(paper, table)),
    )


def _grid(table: Table, evidence: tuple[tuple[Cell, Evidence], ...]) -> Grid:
    sets = any(row.dataset for row in table.rows)
    headings = ["row", *(["data set"] if sets else []), "network"]
    for column in table.columns:
        headings += [column.name] if column.kind == "setting" else [column.name, "edgefer"]
        base = reference(table, column)
        headings += [] if base is None else [f"over {base.name}'s", "edgefer"]
    rows = [_row(table, row, evidence, sets) for row in table.rows]
    return Grid(tuple(headings), tuple(rows))


def _row(table: Table, row: Row, evidence: tuple[tuple[Cell, Evidence], ...], sets: bool) -> tuple[GridCell, ...]:
    cells = [GridCell(row.name), *([GridCell(row.dataset)] if sets else []), GridCell(row.arch)]
    for column in table.columns:
        here = _at(evidence, row, column)
        both = [GridCell("")] * 2 if here is None else [GridCell(here[0].printed), grid_cell(here[1])]
        cells += both[:1] if column.kind == "setting" else both
        base = reference(table, column)
        if base is not None:
            cells += _ratios(here, _at(evidence, base, column))
    return tuple(cells)


def _at(evidence: tuple[tuple[Cell, Evidence], ...], row: Row, column: Column) -> tuple[Cell, Evidence] | None:
    return next(((cell, each) for cell, each in evidence if cell.row is row and cell.column is column), None)


def reference(table: Table, column: Column) -> Row | None:
    """The row whose time or load others are set over: the paper's own network, which comes last, where there is one."""
    if column.kind not in _COMPARED or len(table.rows) == 1:
        return None
    return next((row for row in reversed(table.rows) if row.arch and row.cells[table.columns.index(column)]), None)


def _ratios(here: tuple[Cell, Evidence] | None, base: tuple[Cell, Evidence] | None) -> list[GridCell]:
    """Printed and measured: absolute times are of other machines, ratios should not be."""
    if here is None or base is None:
        return [GridCell("")] * 2
    printed = GridCell(f"{float(here[0].value / base[0].value):.2f}")
    if isinstance(here[1], Comparison) and isinstance(base[1], Comparison):
        return [printed, GridCell(f"{here[1].value / base[1].value:.2f} ◇")]
    return [printed, missing_cell("")]


def _about(table: Table) -> list[str]:
    """What the transcription says of the table and its columns."""
    of_columns = [f"{column.name}: {column.note}" for column in table.columns if column.note]
    return [*([table.note] if table.note else []), *of_columns]


def _hows(table: Table, evidence: tuple[tuple[Cell, Evidence], ...]) -> list[str]:
    """How the columns were obtained; the rows are named where that differs among them."""
    columns: dict[tuple[str, str], list[str]] = {}
    for column in table.columns:
        ways: dict[str, list[str]] = {}
        for cell, each in evidence:
            if cell.column is column and isinstance(each, Comparison):
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


Draw = Callable[[Sequence[str], Sequence[Sequence[str]]], str]

MADE_BY = "edgefer tables --all --out benchmarks/tables"
LEGEND = (
    "= equal to the printed digit; ≈ near: within 5 % (accuracies: one point); ≠ not met; ◇ measured on another "
    "machine than the paper's, so only ratios among rows compare. In brackets: edgefer's figure over the printed one."
)
_CSV = (
    *("table", "paper", "number", "row", "data_set", "network", "column", "printed"),
    *("edgefer", "value", "ratio", "verdict", "how", "source", "reason"),
)


def title(shown: PaperTable) -> str:
    """Table 5: its caption."""
    number = "In the text" if shown.table.number == "text" else shown.table.title
    return f"{number}: {shown.table.caption.rstrip('.')}"


def body(shown: PaperTable, draw: Draw) -> str:
    """The table, what the paper's lacks, and the notes."""
    grids = [shown.grid, *(grid for _, grid in shown.deployment)]
    texts, notes = number_notes(grids)
    drawn = [_drawn(grid, text, draw) for grid, text in zip(grids, texts, strict=True)]
    parts = [f"{shown.name}, page {shown.table.page}, section {shown.table.section}. {shown.tally.line}.", drawn[0]]
    for (title, _), text in zip(shown.deployment, drawn[1:], strict=True):
        parts += [title, text]
    lines = [*(f"- {line}" for line in shown.below), *(f"- [{n}] {note}" for n, note in enumerate(notes, 1))]
    return "\n\n".join([*parts, *(["\n".join(lines)] if lines else [])])


def _drawn(grid: Grid, texts: list[list[str]], draw: Draw) -> str:
    """Columns that are empty in all rows are left out."""
    kept = [i for i in range(len(grid.headings)) if any(row[i] for row in texts)]
    return draw([grid.headings[i] for i in kept], [[row[i] for i in kept] for row in texts])


def page(shown: Sequence[PaperTable], draw: Draw) -> str:
    """One paper's page, as Markdown."""
    escaped = _escaping(draw)
    parts = [
        f"# {shown[0].paper.paper.cite}",
        f"Generated by `{MADE_BY}`; not edited by hand.",
        LEGEND,
        escaped(OVERVIEW, overview(shown)),
    ]
    for each in shown:
        parts += [f"## {title(each)}", body(each, escaped)]
    return "\n\n".join(parts) + "\n"


def _escaping(draw: Draw) -> Draw:
    def drawn(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
        return draw([_cell(each) for each in headings], [[_cell(each) for each in row] for row in rows])

    return drawn


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("_", "\\_").replace("*", "\\*").replace("~", "\\~")


OVERVIEW = ("table", "figures", *(f"{sign} {verdict}" for verdict, sign in SIGNS.items()), "missing")


def overview(shown: Sequence[PaperTable]) -> list[list[str]]:
    """How much of each table there is."""
    rows = []
    for each in shown:
        counted = each.tally
        counts = (counted.figures, *counted.verdicts.values(), sum(counted.missing.values()))
        rows.append([each.name, *(str(count) if count else "" for count in counts)])
    return rows


def to_csv(shown: Sequence[PaperTable]) -> str:
    """A line for each printed figure."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _CSV, lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: csv_cell(text) for key, text in each.items()} for each in figures(shown))
    return text.getvalue()


def figures(shown: Sequence[PaperTable]) -> list[dict[str, str]]:
    """Each printed figure with what there is to it; a text is empty where there is nothing."""
    rows = []
    for each in shown:
        for cell, evidence in each.evidence:
            where = (each.name, PAGES[page_of(each.name)], each.table.number, cell.row.name)
            of = (cell.row.dataset or cell.dataset, cell.row.arch, cell.column.key, cell.printed)
            texts = (*where, *of, *_evidence_fields(evidence))
            rows.append({key: str(text or "") for key, text in zip(_CSV, texts, strict=True)})
    return rows


def _evidence_fields(evidence: Evidence) -> tuple[str, ...]:
    if isinstance(evidence, Missing):
        return ("", "", "", "missing", "", "", evidence.reason)
    ratio = "" if evidence.ratio is None else f"{evidence.ratio:.6f}"
    value, reason = f"{evidence.value:.10g}", evidence.reason
    return (evidence.shown, value, ratio, evidence.verdict, evidence.how, evidence.source, reason)
