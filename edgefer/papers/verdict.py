"""What there is to a printed figure: evidence with a verdict, or the reason why there is none; pure."""

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
_UNEXPLAINED: dict[Kind, str] = {"accuracy": "not trained as in the paper", "share": "not trained as in the paper"}
ELSEWHERE: tuple[Kind, ...] = ("latency", "fps", "cpu-percent", "memory-percent")


@dataclass(frozen=True)
class At:
    """A figure in its place; `name` is the table's for the command line (ean-5)."""

    name: str
    paper: Paper
    table: Table
    cell: Cell


@dataclass(frozen=True)
class Evidence:
    """edgefer's figure for a printed one.

    value   in the unit of papers.Cell.value; shown, the same in the form of the printed one
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


Found = Evidence | Missing

NO_NETWORK = Missing("another paper's method, no network here")


def compared(at: At, value: float, how: str, source: str, departs: str = "") -> Evidence:
    """`value` beside what is printed. A value that differs is not met or near, whatever is known of the reason."""
    cell, verdict, shown = at.cell, _verdict(at.cell, value), like(at.cell, value)
    # A note on a difference stands for that difference only.
    noted = cell.row.counted.get(cell.column.key, shown) == shown and verdict != "to the digit"
    reasons = [departs, cell.row.notes.get(cell.column.key, "") if noted else ""]
    if verdict == "not met" and not any(reasons):
        reasons = [_UNEXPLAINED.get(cell.column.kind, "not explained")]
    printed = float(cell.value)
    return Evidence(
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
    found = re.search(r"[\d,]+(?:\.(\d+))?(.*)", cell.printed)
    assert found is not None  # papers.read has seen it
    decimals, unit = len(found[1] or ""), found[2]
    times = cell.step * Decimal(10) ** decimals
    if cell.column.sign:
        unit = unit.replace(cell.column.sign, cell.column.unit)
    return f"{Decimal(str(value)) / times:,.{decimals}f}{unit}"
