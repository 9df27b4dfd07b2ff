"""The papers' tables: they read, they are what the papers' texts say, and a loose end in a file is an error."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from edgefer.arch import ARCHS
from edgefer.papers import paper_files, transcription
from edgefer.papers.transcription import Cell, Column, Paper, Row, Table
from edgefer.runtime.errors import BadRecord, UnknownName
from edgefer.runtime.files import shipped_folder
from tests.bare import BESIDE

FILES = sorted((shipped_folder("benchmarks") / "papers").glob("*.toml"))
TEXTS = BESIDE / "papers"
TABLES = [(name, table) for name, paper in paper_files.papers().items() for table in paper.tables]
TITLES = [f"{name}, {table.title}" for name, table in TABLES]


def test_every_table_of_every_paper() -> None:
    numbers = {
        name: [table.number for table in paper.tables if table.number != "text"]
        for name, paper in paper_files.papers().items()
    }
    assert numbers == {
        "cugu2019-microexpnet": list("1234567"),
        "kong2022-ean": list("123456"),
        "lcnn-mtcnn": list("123456"),
        "safavi2023-mit-fer": ["I", "II"],
        "zhao2021-efficientface": list("1234567"),
    }


@pytest.mark.parametrize(("name", "table"), TABLES, ids=TITLES)
def test_each_table(name: str, table: Table) -> None:
    assert table.caption
    assert table.page >= 1
    assert table.section
    assert table.rows
    assert table.cells
    assert {row.arch for row in table.rows} <= ARCHS.keys() | {""}
    assert all(cell.step > 0 and cell.agrees(cell.value) for cell in table.cells)
    for column in table.columns:
        assert any(cell.column is column for cell in table.cells)
    for cell in table.cells:
        if cell.column.kind in ("accuracy", "share", "loss"):
            assert cell.dataset
            assert cell.column.split


@pytest.mark.parametrize("name", paper_files.papers())
def test_each_protocol_is_of_one_table(name: str) -> None:
    paper = paper_files.paper(name)
    for key, method in paper.protocols.items():
        (table,) = (table for table in paper.tables if table.protocol == key)
        assert method.table == table.title
        measured = {c.unit for c in table.columns if c.kind in ("latency", "cpu-percent", "memory-percent")}
        assert measured == {method.unit}


@pytest.mark.parametrize(
    ("name", "number", "row", "column", "printed"),
    [
        ("kong2022-ean", "1", "EAN", "flops", "5.054"),
        ("kong2022-ean", "1", "model_a", "flops", "20.892"),
        ("kong2022-ean", "1", "model_b", "parameters", "0.069"),
        ("kong2022-ean", "1", "model_e", "flops", "11.157"),
        ("kong2022-ean", "1", "model_f", "flops", "5.126"),
        ("kong2022-ean", "3", "EAN", "parameters", "43,843"),
        ("kong2022-ean", "5", "EAN", "memory", "3.902"),
        ("kong2022-ean", "5", "VGG-16", "memory", "140.529"),
        ("kong2022-ean", "5", "MobileNetV2", "memory", "15.040"),
        ("kong2022-ean", "5", "MobileNetV2", "flops", "16.796"),
        ("kong2022-ean", "6", "none of the three", "parameters", "43,822"),
        ("lcnn-mtcnn", "3", "LCNN", "parameters", "58423"),
        ("lcnn-mtcnn", "text", "LCNN", "trainable", "56951"),
        ("lcnn-mtcnn", "text", "LCNN", "size", "872.9"),
        ("cugu2019-microexpnet", "1", "M", "parameters", "1002808"),
        ("cugu2019-microexpnet", "1", "XXS", "parameters", "71368"),
        ("cugu2019-microexpnet", "6", "MicroExpNet", "size", "0.93 MB"),
        ("cugu2019-microexpnet", "6", "StudentExpNet_M", "size", "12.08 MB"),
        ("safavi2023-mit-fer", "I", "Transformer Block 3", "channels", "128"),
        ("safavi2023-mit-fer", "II", "Proposed Method", "flops", "0.425B"),
        ("safavi2023-mit-fer", "II", "Proposed Method", "parameters", "3.45M"),
        ("zhao2021-efficientface", "3", "gACNN", "flops", ">15479.79"),
        ("zhao2021-efficientface", "4", "ResNet-18", "flops", "1818.56"),
        ("zhao2021-efficientface", "4", "ResNet-50", "flops", "4109.48"),
    ],
)
def test_what_was_known_before(name: str, number: str, row: str, column: str, printed: str) -> None:
    assert paper_files.paper(name).table(number).cell(row, column).printed == printed


def test_figures_that_were_recomputed_agree_to_the_digit() -> None:
    ean, micro = paper_files.paper("kong2022-ean"), paper_files.paper("cugu2019-microexpnet")
    assert ean.table("6").cell("attention", "parameters").agrees(43_840)
    assert not ean.table("3").cell("EAN", "parameters").agrees(43_840)
    assert ean.table("1").cell("model_d", "parameters").agrees(53_280)
    assert not ean.table("1").cell("model_b", "parameters").agrees(76_528)
    assert micro.table("6").cell("StudentExpNet_M", "parameters").agrees(1_002_808)
    assert paper_files.paper("safavi2023-mit-fer").table("II").cell("Proposed Method", "parameters").agrees(3_453_000)
    face = paper_files.paper("zhao2021-efficientface").table("1")
    for row, parameters in (
        ("Baseline", 1_260_779),
        ("Baseline + Local-Feature Extractor", 1_271_767),
        ("Baseline + Channel-Spatial Modulator", 1_265_085),
        ("Baseline + Local-Feature Extractor + Channel-Spatial Modulator", 1_275_293),
    ):
        assert face.cell(row, "parameters", "CAER-S").agrees(parameters)


@pytest.mark.parametrize(
    ("printed", "unit", "value", "step"),
    [
        ("5.054", "M", 5_054_000, 1_000),
        ("9,000,000", "", 9_000_000, 1),
        ("6.33B", "", 6_330_000_000, 10_000_000),
        ("257K", "", 257_000, 1_000),
        ("102.46 MB", "MB", 102.46, 0.01),
        ("81.50%", "%", 81.5, 0.01),
        ("~0.074", "M", 74_000, 1_000),
        ("+2.74", "%", 2.74, 0.01),
        ("7", "ms", 7, 1),
    ],
)
def test_value_and_step(printed: str, unit: transcription.Unit, value: float, step: float) -> None:
    cell = Cell(Row("row", (printed,)), Column("key", "name", "other", unit), printed)
    assert (float(cell.value), float(cell.step)) == (value, step)


@pytest.mark.parametrize(
    ("printed", "agreeing", "others"),
    [
        ("0.044", (43_840, 43_500, 44_500), (43_499, 44_501)),
        (">1.28", (1_275_000, 1_280_000, 9e9), (1_274_999,)),
        ("~2.12", (2_115_000, 2_125_000), (2_114_999, 2_125_001)),
    ],
)
def test_agreement_is_to_the_printed_digit(
    printed: str, agreeing: tuple[float, ...], others: tuple[float, ...]
) -> None:
    cell = Cell(Row("row", (printed,)), Column("key", "name", "parameters", "M"), printed)
    assert all(map(cell.agrees, agreeing))
    assert not any(map(cell.agrees, others))
    assert cell.relation == printed[0].strip("0")


def test_a_cell_knows_its_data_set_and_notes() -> None:
    pose = paper_files.paper("zhao2021-efficientface").table("7")
    cell = pose.cell("RAN", "pose45", "Pose-RAF-DB")
    assert (cell.printed, cell.dataset, cell.column.split) == ("85.20", "Pose-RAF-DB", "test")
    assert pose.cell("RAN", "flops", "Pose-RAF-DB").dataset == ""
    ean = paper_files.paper("kong2022-ean")
    assert "slip" in ean.table("3").cell("EAN", "parameters").note
    memory = ean.table("5").cell("EAN", "memory").note
    assert "not measured" in memory
    assert "4.07" in memory


def test_unknown_names_are_told_the_known_ones() -> None:
    pose = paper_files.paper("zhao2021-efficientface").table("7")
    with pytest.raises(UnknownName, match="kong2022-ean"):
        paper_files.paper("kong2022")
    with pytest.raises(UnknownName, match="II"):
        paper_files.paper("safavi2023-mit-fer").table("3")
    with pytest.raises(UnknownName, match="Pose-RAF-DB RAN"):
        pose.cell("RAN", "pose45")
    with pytest.raises(UnknownName, match="pose45"):
        pose.cell("RAN", "pose60", "Pose-RAF-DB")
    with pytest.raises(UnknownName, match="parameters"):  # the paper has a dash there
        paper_files.paper("safavi2023-mit-fer").table("II").cell("RASN", "time")


GOOD = """
[paper]
cite = "A"
input = "1x1x1"
pages = "p"

[protocols.a-table1]
table = "Table 1"
section = "s"
quote = "q"
machine = "m"
mode = "batch"
batch = 1
samples = 1
warmup = 1
statistic = "mean"
assumed = "a"
unit = "ms"

[[tables]]
number = "1"
caption = "c"
page = 1
section = "s"
protocol = "a-table1"
columns = [
    { key = "time", name = "Time", kind = "latency", unit = "ms" },
    { key = "acc", name = "Acc", kind = "accuracy", unit = "%", split = "test" },
]
rows = [{ name = "x", dataset = "d", cells = ["1.0", "9%"] }]
"""


def read(folder: Path, text: str) -> Paper:
    file = folder / "a.toml"
    file.write_text(text)
    return paper_files.read_paper(file)


def test_a_good_file_reads(tmp_path: Path) -> None:
    assert [cell.dataset for cell in read(tmp_path, GOOD).table("1").cells] == ["", "d"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("cite =", 'colour = "red"\ncite =', "colour.* cite, input, pages"),
        ("quote =", 'colour = "red"\nquote =', "protocol a-table1: .*colour.* machine, mode, batch"),
        ("caption =", 'colour = "red"\ncaption =', "table 1: .*colour.* number, caption, page"),
        ('name = "Acc"', 'name = "Acc", colour = "red"', "table 1: .*colour.* key, name, kind"),
        ('name = "x"', 'name = "x", colour = "red"', "table 1: .*colour.* name, cells, arch"),
        ("[paper]", '[colour]\nred = "1"\n[paper]', "colour.* paper, tables, protocols"),
        ('kind = "latency"', 'kind = "speed"', "speed"),
        ('unit = "ms" }', 'unit = "s" }', "table 1: "),
        ('split = "test"', 'split = "exam"', "exam"),
        ("page = 1", "", "page"),
        ('["1.0", "9%"]', '[1.0, "9%"]', "row x: .* quotes"),
        ('["1.0", "9%"]', '"1.0"', "row x: .* quotes"),
        ('["1.0", "9%"]', '["1.0"]', "1 cells for 2 columns"),
        ('["1.0", "9%"]', '["1.0", "nine"]', "'acc': 'nine' is not a number"),
        ('["1.0", "9%"]', '["1,00", "9%"]', "'1,00' is not a number"),
        ('["1.0", "9%"]', '["1.0M", "9%"]', "'1.0M' is not in the column's unit 'ms'"),
        ('dataset = "d", ', "", "names no data set"),
        (', split = "test"', "", "names no split"),
        ('protocol = "a-table1"', 'protocol = "a-table2"', "no protocol 'a-table2': there are a-table1"),
        ('key = "acc"', 'key = "time"', "column 'time' comes twice"),
        ("rows = [", 'rows = [{ name = "x", dataset = "d", cells = ["1", "9"] }, ', "row 'x' comes twice for d"),
        ('name = "x"', 'name = "x", notes = { tmie = "n" }', "note on 'tmie'"),
        ('kind = "latency"', 'kind = "flops"', "convention of 'time' is '', none of 'macs'"),
        ('kind = "latency"', 'kind = "latency", convention = "thop"', "convention of 'time' is 'thop'"),
        ('rows = [{ name = "x", dataset = "d", cells = ["1.0", "9%"] }]', "rows = []", "no rows"),
        ("[paper]", "[paper", "not TOML"),
        ("[[tables]]", '[[tables]]\nnumber = "1"', "not TOML"),
    ],
)
def test_what_does_not_fit_is_an_error(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert GOOD.count(old) == 1
    with pytest.raises(BadRecord, match=said):
        read(tmp_path, GOOD.replace(old, new))


def test_a_table_twice_is_an_error(tmp_path: Path) -> None:
    table = GOOD[GOOD.index("[[tables]]") :]
    with pytest.raises(BadRecord, match="number comes twice"):
        read(tmp_path, GOOD + table)


def test_reading_needs_no_torch_and_no_numpy() -> None:
    code = (
        "import sys; from edgefer.papers import paper_files; paper_files.papers(); "
        "print({'torch', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def said(name: str) -> str:
    """The paper's text as its scan gives it; the tests that need it are skipped without it."""
    file = TEXTS / f"{name}.txt"
    if not file.is_file():
        pytest.skip("needs the papers' texts beside the clone")
    return re.sub(r"\$?\\sim ?(?:\\! ?)?([\d.]+)\$?", r"~\1", file.read_text(encoding="utf-8")).replace("~ ", "~")


def figures(text: str) -> list[str]:
    return re.findall(r"[~>]?\d+(?:,\d{3})*(?:\.\d+)?", text)


def within(few: list[str], many: list[str]) -> bool:
    """Whether all of `few` come in `many`, in that order."""
    rest = iter(many)
    return all(each in rest for each in few)


@pytest.mark.parametrize(("name", "table"), TABLES, ids=TITLES)
def test_rows_are_the_lines_of_the_paper(name: str, table: Table) -> None:
    """Each row is one line of the text, with no figure left out, in order and with no line between them left out."""
    text = said(name)
    if table.number == "text":
        assert all(any(f in figures(text) for f in figures(cell.printed)) for cell in table.cells)
        return
    # A line of shapes has digits in its words, too ("conv1 - kernel: 8x8").
    shapes = any(column.kind == "shape" for column in table.columns)
    lines = [line for line in text.splitlines() if "\t" in line]
    rows = [figures(" ".join(row.cells)) for row in table.rows]

    def same(row: list[str], line: str) -> bool:
        return within(row, figures(line)) if shapes else figures(line)[-len(row) :] == row

    count = len(rows)
    starts = [
        start
        for start in range(len(lines) - count + 1)
        if all(same(row, line) for row, line in zip(rows, lines[start : start + count], strict=True))
    ]
    assert len(starts) == 1
    for row, line in zip(table.rows, lines[starts[0] :], strict=False):
        filled = sum(any(c.isdigit() for c in part) for part in line.split("\t")[-len(row.cells) :])
        assert shapes or filled <= sum(cell != "" for cell in row.cells)


@pytest.mark.parametrize(("name", "table"), TABLES, ids=TITLES)
def test_captions_are_the_papers(name: str, table: Table) -> None:
    if table.number != "text":
        assert " ".join(table.caption.split()) in " ".join(said(name).split())
