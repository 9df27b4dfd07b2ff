"""A table's figures as pieces of text with marks, to be drawn as Markdown or on a screen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgefer.papers.verdict import Evidence, Found, Verdict

Mark = Verdict | Literal["name", "printed", "missing", "extra"]

SIGNS: dict[Verdict, str] = {"to the digit": "=", "near": "≈", "not met": "≠", "measured": "◇"}
SHORT = 26  # characters of a reason that stands in its cell; longer ones become notes


@dataclass(frozen=True)
class Piece:
    """A cell: its text, what it is, and what to know of it."""

    text: str
    mark: Mark
    note: str = ""


@dataclass(frozen=True)
class Grid:
    """A drawn table."""

    headings: tuple[str, ...]
    rows: tuple[tuple[Piece, ...], ...]


@dataclass(frozen=True)
class Tally:
    """How many figures a table has by what there is to them; missing ones by reason."""

    figures: int
    verdicts: dict[Verdict, int]
    missing: dict[str, int]

    @property
    def line(self) -> str:
        """For people."""
        found = [f"{count} {verdict}" for verdict, count in self.verdicts.items() if count]
        reasons = ", ".join(f"{count} {reason}" for reason, count in self.missing.items())
        lacking = [f"{sum(self.missing.values())} missing ({reasons})"] if reasons else []
        return f"{self.figures} figures: {', '.join([*found, *lacking])}"


def tally(found: list[Found]) -> Tally:
    """Count what was found."""
    verdicts = dict.fromkeys(SIGNS, 0)
    missing: dict[str, int] = {}
    for each in found:
        if isinstance(each, Evidence):
            verdicts[each.verdict] += 1
        else:
            missing[each.reason] = missing.get(each.reason, 0) + 1
    return Tally(len(found), verdicts, dict(sorted(missing.items(), key=lambda item: -item[1])))


def piece(found: Found) -> Piece:
    """edgefer's figure with its sign, and its ratio where it is not equal; or why there is none."""
    if isinstance(found, Evidence):
        ratio = "" if found.verdict == "to the digit" or found.ratio is None else f" ({found.ratio:.3f})"
        return Piece(f"{found.shown} {SIGNS[found.verdict]}{ratio}", found.verdict, found.reason)
    return lacking(found.reason)


def lacking(reason: str) -> Piece:
    """A cell without a figure."""
    return Piece(reason, "missing") if len(reason) <= SHORT else Piece("-", "missing", reason)


def numbered(grids: list[Grid]) -> tuple[list[list[list[str]]], list[str]]:
    """The texts of the cells, each with the number of its note; and the notes in the order of their numbers."""
    notes: dict[str, int] = {}
    texts = [[[_numbered(cell, notes) for cell in row] for row in grid.rows] for grid in grids]
    return texts, list(notes)


def _numbered(cell: Piece, notes: dict[str, int]) -> str:
    if not cell.note:
        return cell.text
    return f"{cell.text} [{notes.setdefault(cell.note, len(notes) + 1)}]"
