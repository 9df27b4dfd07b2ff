"""The papers' sweeps: every row is a training, and stands in its paper where that prints a figure of it."""

from __future__ import annotations

import pytest

from edgefer.papers import paper_files, sweeps
from edgefer.papers.transcription import Cell
from edgefer.runtime.errors import BadSetting, UnknownName
from edgefer.sweep import runs
from edgefer.sweep.runs import Row, Sweep, SweepOptions

NONE = SweepOptions({}, seeds=2, threads=1)


def printed_cells(sweep: Sweep, row: Row) -> list[Cell]:
    """The cells of the sweep's table and column that print the row's figure of the row's network."""
    paper, number, column = sweeps.TABLES[sweep.name]
    cells = paper_files.paper(paper).table(number).cells
    return [
        cell
        for cell in cells
        if (cell.column.key, cell.printed, cell.dataset, cell.row.arch)
        == (column, row.printed, row.printed_of, row.arch)
    ]


@pytest.mark.parametrize("sweep", sweeps.sweeps().values(), ids=sweeps.sweeps())
def test_every_row_is_a_training_and_stands_in_its_paper(sweep: Sweep) -> None:
    found = runs.expand(sweep, NONE)
    assert len({run.name for run in found}) == 2 * len(sweep.rows)
    assert len({row.name for row in sweep.rows}) == len(sweep.rows)
    for run in found:
        assert bool(run.plan.teachers) == sweep.taught
        assert bool(run.row.printed) == (sweep.name in sweeps.TABLES)
        if run.row.printed:
            assert {cell.column.kind for cell in printed_cells(sweep, run.row)} == {"accuracy"}
        assert all(character not in run.name for character in "/ ") and len(run.name) < 200


def test_rows_of_table_2_have_the_settings_that_it_prints() -> None:
    sweep = sweeps.sweep("ean-table2")
    for row in sweep.rows[1:]:
        (cell,) = printed_cells(sweep, row)
        assert cell.row.cells[:2] == (row.settings["alpha"], row.settings["temperature"])


def test_sweeps_share_what_they_have_in_common() -> None:
    names = [{run.name for run in runs.expand(sweeps.sweep(name), NONE)} for name in ("ean-table2", "ean-table6")]
    assert len(names[0] & names[1]) == 2 * 2  # the network alone, and the best scheme; two seeds of each
    assert {run.name for run in runs.expand(sweeps.sweep("ean-figure11"), NONE)} < names[0]


def test_what_does_not_fit_is_told() -> None:
    with pytest.raises(UnknownName, match="ean-table2"):
        sweeps.sweep("ean-tabel2")
    with pytest.raises(BadSetting, match="sets temperature itself"):
        runs.expand(sweeps.sweep("ean-figure11"), SweepOptions({"temperature": "3"}, 1, 1))
