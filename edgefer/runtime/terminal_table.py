"""Tables for the terminal and for a pipe, and the same in Markdown. No word of a table is ever broken."""

from __future__ import annotations

import io
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence

from edgefer.runtime.errors import without_controls

WIDE = 200  # columns in a pipe, unless COLUMNS says how many; on a screen as many as there are
_GAP, _EDGE = 3, 1  # characters between two columns of a table, and on its left; those on its right are stripped
_INDENT = "    "
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for the begin of a formula
_NO_FORMULA = re.compile(r"-|[+-]\d[\d.,]*(e[+-]?\d+)?")
_GLUE = "\ue000"  # stands between a figure and its unit while lines are wrapped


def table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with one header row; columns of figures are aligned to the right.

    Where it is too narrow even for the longest words side by side, each row becomes a paragraph.
    """
    cells = [[_glued(cell) for cell in row] for row in rows]
    columns = [[name, *(row[index] for row in cells)] for index, name in enumerate(names)]
    widths = _widths(columns, _width() - _GAP * (len(names) - 1) - _EDGE)
    text = _paragraphs(names, cells, _width()) if widths is None else _columns(names, cells, widths)
    return text.replace(_GLUE, " ")


def _width() -> int:
    if sys.stdout.isatty() or os.environ.get("COLUMNS"):
        return shutil.get_terminal_size().columns
    return WIDE


def _glued(cell: str) -> str:
    return re.sub(r"(?<=\d) (?=[^\W\d]|%)", _GLUE, without_controls(cell))


def _widths(columns: Sequence[Sequence[str]], room: int) -> list[int] | None:
    """Of each column, `room` in all at most: the widest are wrapped first. None if their longest words don't fit."""
    least = [max((len(word) for cell in column for word in cell.split()), default=0) for column in columns]
    widths = [max(map(len, column)) for column in columns]
    if sum(least) > room:
        return None
    while sum(widths) > room:
        _, widest = max((width, index) for index, width in enumerate(widths) if width > least[index])
        widths[widest] -= 1
    return widths


def _columns(names: Sequence[str], cells: Sequence[Sequence[str]], widths: Sequence[int]) -> str:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    built = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, name in enumerate(names):
        column = [row[index] for row in cells if row[index]]
        figures = bool(column) and all(cell.lstrip("-+")[:1].isdigit() for cell in column)
        built.add_column(name, justify="right" if figures else "left", width=widths[index])
    for row in cells:
        built.add_row(*row)
    out = io.StringIO()
    Console(file=out, width=sum(widths) + _GAP * len(widths), highlight=False, markup=False, emoji=False).print(built)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()).strip("\n")


def _paragraphs(names: Sequence[str], cells: Sequence[Sequence[str]], width: int) -> str:
    """Each row as `name: cell` for every cell that is not empty, the first of them on a line of its own."""
    lines = []
    for first, *others in cells:
        parts = [f"{name}: {cell}" for name, cell in zip(names[1:], others, strict=True) if cell]
        short = [part.replace(" ", _GLUE) if len(part) < width - len(_INDENT) else part for part in parts]
        lines += [f"{names[0]}: {first}", *_wrapped("; ".join(short), width)]
    return "\n".join(lines)


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=_INDENT,
        subsequent_indent=_INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )


def markdown(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The same as a Markdown table."""
    lines = [names, ["---"] * len(names), *([_in_markdown(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _in_markdown(cell: str) -> str:
    """A cell that ends neither its column nor its row, and holds no tag of HTML."""
    text = re.sub(r"(?<!\\)\|", r"\\|", without_controls(cell))
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", text)


def csv_cell(value: object) -> object:
    """A text that a spreadsheet would compute gets an apostrophe before it; a number, or a dash alone, stays."""
    formula = isinstance(value, str) and value.startswith(_FORMULA) and not _NO_FORMULA.fullmatch(value)
    return f"'{value}" if formula else value
