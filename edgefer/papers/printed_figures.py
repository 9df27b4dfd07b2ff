"""What the papers print of a network that edgefer counts: parameters, operations and modelled memory."""

from __future__ import annotations

from dataclasses import dataclass

from edgefer.papers import table_names
from edgefer.papers.counted import COUNTED, Figure, figure_of, in_its_unit
from edgefer.papers.transcription import Cell
from edgefer.papers.verdict import like


@dataclass(frozen=True)
class PrintedFigure:
    """A figure of a network as printed, the figure of arch.count.Count that it is, and where it stands."""

    figure: Figure
    where: str
    cell: Cell

    @property
    def text(self) -> str:
        """As printed, with the unit that stands in the table's head: 5.054 M."""
        return self._with_unit(self.cell.printed)

    @property
    def note(self) -> str:
        """What to know of it."""
        return self.cell.row.notes.get(self.cell.column.key, "")

    def counted(self, count: int) -> str:
        """A count in the printed form: 5054158 -> 5.054 M."""
        return self._with_unit(like(self.cell, in_its_unit(self.cell, count)))

    def record(self) -> dict[str, str]:
        """For programs."""
        return {"column": self.figure, "text": self.text, "table": self.where, "note": self.note}

    def ratio(self, count: int) -> float:
        """A count over what is printed."""
        return in_its_unit(self.cell, count) / float(self.cell.value)

    @property
    def remark(self) -> str:
        """The note as a sentence that tells which figure it is of; empty where there is none."""
        return f"{self.text} ({self.where}): {self.note}." if self.note else ""

    def _with_unit(self, text: str) -> str:
        return text if text[-1].isalpha() else f"{text} {self.cell.column.unit}".rstrip()


def printed_figures(arch: str) -> list[PrintedFigure]:
    """Each figure of the network once, from the first table that prints it; raises BadRecord."""
    figures: dict[tuple[Figure, object, object], PrintedFigure] = {}
    for paper, table in table_names.tables().values():
        author = paper.paper.cite.partition(",")[0]
        where = f"{author}, {'in the text' if table.number == 'text' else table.title}"
        for cell in table.cells:
            if cell.row.arch == arch and (cell.column.kind, cell.convention) in COUNTED:
                figure = figure_of(cell)
                figures.setdefault((figure, cell.value, cell.step), PrintedFigure(figure, where, cell))
    return list(figures.values())
