"""edgefer's figure beside a printed one, its verdict, and how both are written in a table; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from edgefer.papers.transcription import Cell, Kind, Paper, Table

# measured: on another machine than the paper's, so that no nearness is asked of it
Verdict = Literal["to the digit", "near", "not met", "measured"]

# How far a figure may be off to be near: a share of what is printed; of accuracies, in their own unit.
NEAR = 0.05
NEAR_IN_UNITS: dict[Kind, float] = {"accuracy": 1.0, "share": 0.02}
BYTES = {"GB": 1e9, "MB": 1e6, "KB": 1e3}
_UNEXPLAINED: dict[Kind, str] = dict.fromkeys(("accuracy", "share", "loss"), "not trained as in the paper")
ELSEWHERE: tuple[Kind, ...] = ("latency", "fps", "cpu-percent", "memory-percent")


@dataclass(frozen=True)
class CellRef:
    """A figure in its place; `name` is the table's for the command line (ean-5)."""

    name: str
    paper: Paper
    table: Table
    cell: Cell


@dataclass(frozen=True)
class Comparison:
    """edgefer's figure for a printed one.

    value   in the unit of transcription.Cell.value; shown, the same in the form of the printed one
    how     in what way it was obtained, source from what file or command
    ratio   of it to what is printed; None where that is 0
    reason  what is known of the difference, and where a measurement departs from the paper's way
    """

    value: float
    shown: str
    how: str
    source: str
    verdict: Verdict
    ratio: float | None
    reason: str = ""


@dataclass(frozen=True)
class Missing:
    """No figure, and why."""

    reason: str


Evidence = Comparison | Missing

NO_NETWORK = Missing("another paper's method, no network here")


def compare(at: CellRef, value: float, how: str, source: str, departs: str = "") -> Comparison:
    """`value` beside what is printed. A value that differs is not met or near, whatever is known of the reason."""
    cell, verdict, shown = at.cell, _verdict(at.cell, value), like(at.cell, value)
    # A note on a difference stands for that difference only.
    noted = cell.row.counted.get(cell.column.key, shown) == shown and verdict != "to the digit"
    reasons = [departs, cell.row.notes.get(cell.column.key, "") if noted else ""]
    if verdict == "not met" and not any(reasons):
        reasons = [_UNEXPLAINED.get(cell.column.kind, "not explained")]
    printed = float(cell.value)
    return Comparison(
        value=value,
        shown=shown,
        how=how,
        source=source,
        verdict=verdict,
        ratio=value / printed if printed else None,
        reason="; ".join(reason for reason in reasons if reason),
    )


def _verdict(cell: Cell, value: float) -> Verdict:
    if cell.column.kind in ELSEWHERE:
        return "measured"
    if cell.agrees(value):
        return "to the digit"
    limit = NEAR_IN_UNITS.get(cell.column.kind, NEAR * abs(float(cell.value)))
    return "near" if abs(value - float(cell.value)) <= limit else "not met"


def like(cell: Cell, value: float) -> str:
    """`value` in the printed unit and with as many digits: 5054158 -> 5.054 where 5.054 stands in millions."""
    match = re.search(r"[\d,]+(?:\.(\d+))?(.*)", cell.printed)
    assert match is not None  # paper_files.read_paper has seen it
    decimals, unit = len(match[1] or ""), match[2]
    times = cell.step * Decimal(10) ** decimals
    if cell.column.sign:
        unit = unit.replace(cell.column.sign, cell.column.unit)
    return f"{Decimal(str(value)) / times:,.{decimals}f}{unit}"


SIGNS: dict[Verdict, str] = {"to the digit": "=", "near": "≈", "not met": "≠", "measured": "◇"}
SHORT = 26  # characters of a reason that stands in its cell; longer ones become notes


@dataclass(frozen=True)
class GridCell:
    """A cell of a grid: its text, and what to know of it."""

    text: str
    note: str = ""


@dataclass(frozen=True)
class Grid:
    """A table to be drawn."""

    headings: tuple[str, ...]
    rows: tuple[tuple[GridCell, ...], ...]


@dataclass(frozen=True)
class Tally:
    """How many figures a table has by what there is to them; missing ones by reason."""

    figures: int
    verdicts: dict[Verdict, int]
    missing: dict[str, int]

    @property
    def line(self) -> str:
        """For people."""
        compared = [f"{count} {verdict}" for verdict, count in self.verdicts.items() if count]
        reasons = ", ".join(f"{count} {reason}" for reason, count in self.missing.items())
        missing = [f"{sum(self.missing.values())} missing ({reasons})"] if reasons else []
        return f"{self.figures} figures: {', '.join([*compared, *missing])}"


def tally(evidence: list[Evidence]) -> Tally:
    """How many figures have what."""
    verdicts = dict.fromkeys(SIGNS, 0)
    missing: dict[str, int] = {}
    for each in evidence:
        if isinstance(each, Comparison):
            verdicts[each.verdict] += 1
        else:
            missing[each.reason] = missing.get(each.reason, 0) + 1
    return Tally(len(evidence), verdicts, dict(sorted(missing.items(), key=lambda item: -item[1])))


def grid_cell(evidence: Evidence) -> GridCell:
    """edgefer's figure with its sign, and its ratio where it is not equal; or why there is none."""
    if isinstance(evidence, Comparison):
        ratio = "" if evidence.verdict == "to the digit" or evidence.ratio is None else f" ({evidence.ratio:.3f})"
        return GridCell(f"{evidence.shown} {SIGNS[evidence.verdict]}{ratio}", evidence.reason)
    return missing_cell(evidence.reason)


def missing_cell(reason: str) -> GridCell:
    """A cell without a figure."""
    return GridCell(reason) if len(reason) <= SHORT else GridCell("-", reason)


def number_notes(grids: list[Grid]) -> tuple[list[list[list[str]]], list[str]]:
    """The texts of the cells, each with the number of its note; and the notes in the order of their numbers."""
    notes: dict[str, int] = {}
    texts = [[[_with_number(cell, notes) for cell in row] for row in grid.rows] for grid in grids]
    return texts, list(notes)


def _with_number(cell: GridCell, notes: dict[str, int]) -> str:
    if not cell.note:
        return cell.text
    return f"{cell.text} [{notes.setdefault(cell.note, len(notes) + 1)}]"
