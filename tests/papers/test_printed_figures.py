"""What is counted is what the papers print, to the last digit or with the distance that the transcription says."""

from __future__ import annotations

from decimal import Decimal

import pytest

from edgefer.arch import ARCHS
from edgefer.papers import counts, paper_files, transcription
from edgefer.papers.comparison import like
from edgefer.papers.counts import COUNTED, Counts, PrintedFigure, figure_of, in_its_unit, printed_figures
from edgefer.papers.transcription import Cell, Column, Row
from edgefer.runtime import records
from edgefer.runtime.files import shipped_folder

KEPT = records.read(Counts, shipped_folder("benchmarks") / "results" / counts.FILE)  # see test_counts.py
CELLS = [cell for _, table in paper_files.tables().values() for cell in table.cells]


def digits(text: str) -> Decimal:
    return Decimal("".join(c for c in text if c.isdigit() or c == "."))


@pytest.mark.parametrize("name", ARCHS)
def test_counts_are_the_printed_ones(name: str) -> None:
    for cell in CELLS:
        if cell.row.arch == name and (cell.column.kind, cell.convention) in COUNTED:
            count = like(cell, in_its_unit(cell, KEPT.networks[name][figure_of(cell)]))
            differs = cell.row.counted.get(cell.column.key)
            assert digits(count) == digits(differs or cell.printed), cell
            assert differs is None or (digits(differs) != digits(cell.printed) and cell.note), f"{cell} needs a note"


# What was found to come out to the digit must not get a difference some day.
EXACT = (
    *(("ean", "5.054 M"), ("ean", "43,840"), ("ean", "3.902 MB"), ("ean-noatt", "43,822"), ("model_a", "20.892 M")),
    *(("model_c", "9.446 M"), ("model_d", "11.723 M"), ("model_f", "5.126 M")),
    *(("microexpnet-m", "1002808"), ("microexpnet-s", "257656"), ("microexpnet-xs", "133464")),
    *(("microexpnet-xxs", "71368"), ("lcnn", "58,423"), ("lcnn", "56951")),
    *(("efficientface", "154.18 M"), ("efficientface-local", "152.79 M"), ("shufflenetv2", "147.79 M")),
    *(("resnet18", "1818.56 M"), ("resnet50", "4109.48 M"), ("mit-fusion", "0.425B"), ("mit-fusion", "3.45M")),
    *(("vgg16-bn-44", "140.529 MB"), ("vgg16-bn-44", "557.136 M"), ("resnet18-44", "1101.272 M")),
    *(("mobilenetv2-44", "16.796 M"), ("mobilenetv2-44", "15.040 MB"), ("mobilenetv2", "312.86 M")),
    *(("vgg16", "15479.79 M"),),
)


@pytest.mark.parametrize(("name", "text"), EXACT)
def test_what_comes_out_to_the_digit(name: str, text: str) -> None:
    (figure,) = (each for each in printed_figures(name) if each.text == text)
    assert figure.cell.column.key not in figure.cell.row.counted


def made(text: str, unit: transcription.Unit, kind: transcription.Kind = "flops") -> PrintedFigure:
    column = Column("key", "name", kind, unit, convention="macs" if kind == "flops" else "torchsummary")
    return PrintedFigure("macs", "Table 1", Cell(Row("row", (text,)), column, text))


@pytest.mark.parametrize(
    ("text", "unit", "value", "written"),
    [
        ("43,840", "", 43_843, "43,843"),
        ("5.054", "M", 5_054_158, "5.054 M"),
        ("0.425", "B", 400_000_000, "0.400 B"),
        ("257", "K", 9_000, "9 K"),
    ],
)
def test_figures_are_written_as_printed(text: str, unit: transcription.Unit, value: int, written: str) -> None:
    assert made(text, unit).counted(value) == written


def test_ratio_is_counted_over_printed() -> None:
    assert made("2.0", "M").ratio(1_000_000) == 0.5
    assert made("2.0", "MB", "modelled-memory").ratio(2**20) == 0.5


def test_each_figure_comes_once_from_the_table_that_prints_it_first() -> None:
    assert [(each.figure, each.text, each.where) for each in printed_figures("ean-noatt")] == [
        ("parameters", "43,822", "Kong et al., Table 6")
    ]
    assert [each.text for each in printed_figures("efficientface")] == ["1.28 M", "154.18 M"]
    assert [each.where for each in printed_figures("resnet50")] == [
        *["Zhao et al., Table 2"] * 2,
        "Rao et al., Table 3",
        "Çuğu et al., Table 6",
    ]
    assert printed_figures("teacher") == []
