"""Tables of text for the terminal, the same on a screen and in a pipe."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

WIDE = 200  # in a pipe; on a screen the text is wrapped to its width


def table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with one header row; columns of figures are aligned to the right."""
    import shutil
    import sys

    from rich import box
    from rich.console import Console
    from rich.table import Table

    cells = [list(row) for row in rows]
    built = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, name in enumerate(names):
        column = [row[index] for row in cells if row[index]]
        figures = bool(column) and all(cell.lstrip("-+")[:1].isdigit() for cell in column)
        built.add_column(name, justify="right" if figures else "left", overflow="fold")
    for row in cells:
        built.add_row(*row)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDE
    out = io.StringIO()
    Console(file=out, width=width, highlight=False).print(built)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()).strip("\n")


def markdown(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The same as a Markdown table."""
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
