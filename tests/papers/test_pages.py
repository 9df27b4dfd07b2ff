"""What a table looks like; and that the pages in benchmarks/tables are what the records give."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from edgefer.papers import evidence, paper_files, paper_table
from edgefer.papers.comparison import Grid, GridCell, number_notes
from edgefer.papers.paper_table import PaperTable, compare_table
from edgefer.runtime import terminal_table
from edgefer.runtime.files import shipped_folder
from tests.made import golden
from tests.papers.made import bench, counted, recorded, training

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def made() -> list[PaperTable]:
    """Kong et al. Tables 1 and 5 from made records: an accuracy, times of two networks, a wrong count."""
    bundles = [f"{name}.{target}" for name in ("ean", "vgg16-bn-44") for target in ("onnx-fp32", "tflite-int8")]
    boards = [
        counted("rpi4-emulated", "ean.tflite-int8", 1_234_567),
        counted("rpi5-emulated", "ean.tflite-int8", None, "not counted: it would take about 20 min, more than 10"),
    ]
    records = recorded(bench("ean-table5", *bundles), *boards, trainings=(training("ean"),))
    return [compare_table(name, records) for name in ("ean-5", "ean-3")]


def test_golden_markdown() -> None:
    golden("tables-ean.md", paper_table.page(made(), terminal_table.markdown))


def test_golden_csv() -> None:
    golden("tables-ean.csv", paper_table.to_csv(made()))


def test_no_cell_of_the_csv_is_a_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    one = dict.fromkeys(paper_table._CSV, "") | {"table": "=1+1", "printed": "+1.5", "reason": "@sum"}
    monkeypatch.setattr(paper_table, "figures", lambda shown: [one])
    row = next(csv.DictReader(io.StringIO(paper_table.to_csv([]))))
    assert (row["table"], row["printed"], row["reason"]) == ("'=1+1", "+1.5", "'@sum")


def test_a_line_for_each_figure() -> None:
    rows = list(csv.DictReader(io.StringIO(paper_table.to_csv(made()))))
    assert len(rows) == sum(len(each.table.cells) for each in made())
    wrong = next(row for row in rows if row["network"] == "vgg16-bn-44" and row["column"] == "parameters")
    assert (wrong["printed"], wrong["edgefer"], wrong["verdict"]) == ("33.634", "30.000", "not met")
    assert all(row["reason"] for row in rows if row["verdict"] == "missing")


def test_ratios_are_over_the_papers_own_network() -> None:
    grid = made()[0].grid
    printed = grid.headings.index("over EAN's")
    row = {cells[0].text: cells for cells in grid.rows}
    assert (row["VGG-16"][printed].text, row["VGG-16"][printed + 1].text) == ("6.02", "3.00 ◇")
    assert (row["EAN"][printed].text, row["EAN"][printed + 1].text) == ("1.00", "1.00 ◇")
    assert row["ResNet-18"][printed + 1].text == ""


def of_ean(title: str) -> dict[str, GridCell]:
    """EAN's row of the grid below Table 5 with such a title, by heading."""
    grid = next(grid for named, grid in made()[0].deployment if title in named)
    return dict(zip(grid.headings, next(cells for cells in grid.rows if cells[0].text == "ean"), strict=True))


def test_the_columns_that_the_paper_lacks() -> None:
    row = of_ean("in deployment")
    assert row["onnx-fp32, model"].text == "114,568 B"
    assert row["tflite-int8, mean"].text == "0.299 ms"
    assert row["FER2013, PrivateTest"].text == "65.37 %"
    assert row["tflite-fp32, model"].note == "not measured: run edgefer tables ean-5 --measure"


def test_instructions_are_of_the_board_and_the_target() -> None:
    row = of_ean("Raspberry Pis")
    assert row["tflite-int8, Pi 4"].text == "1.23 M"
    assert row["tflite-int8, Pi 5"].text == "-"
    assert row["tflite-int8, Pi 5"].note == "not counted: it would take about 20 min, more than 10"
    assert row["tflite-fp32, Pi 4"].note == "not counted: run edgefer tables ean-5 --measure --device rpi4-emulated"


def test_a_tally_leaves_settings_out() -> None:
    of = compare_table("ean-2", recorded(trainings=(training("ean"),)))
    assert of.tally.line == (
        "16 figures: 1 not met, 15 missing (7 needs RAF-DB, 6 not trained here, 2 follows from other figures)"
    )


def test_equal_notes_have_one_number() -> None:
    grid = Grid(("a", "b"), ((GridCell("1", "x"), GridCell("2", "y")), (GridCell("3", "x"),)))
    assert number_notes([grid]) == ([[["1 [1]", "2 [2]"], ["3 [1]"]]], ["x", "y"])


@pytest.mark.parametrize("name", paper_files.PAGES)
def test_the_committed_page_is_what_the_records_give(name: str) -> None:
    records = evidence.read_records(shipped_folder("benchmarks") / "results")
    compared = [compare_table(each, records) for each in paper_files.expand_names((name,))]
    committed = (BENCHMARKS / "tables" / f"{name}.md").read_text(encoding="utf-8")
    assert committed == paper_table.page(compared, terminal_table.markdown), f"run {paper_table.MADE_BY}"
