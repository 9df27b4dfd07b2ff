"""edgefer tables and edgefer plot, as they are typed."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from edgefer.cli.papers import tables
from edgefer.cli.plot import plot
from edgefer.papers import measure, paper_files
from edgefer.runtime.errors import BadData, MissingEngine, UnknownName
from edgefer.runtime.files import shipped_folder
from edgefer.runtime.progress import Progress
from tests import made
from tests.benchmark.made import record

RESULTS = shipped_folder("benchmarks") / "results"


def typed(command: Any, *words: str | Path) -> Result:
    return CliRunner().invoke(command, list(map(str, words)))


def test_without_a_name_all_are_listed() -> None:
    done = typed(tables)
    assert done.exit_code == 0
    assert all(f" {name} " in done.output for name in paper_files.tables())


def test_a_table_by_name() -> None:
    done = typed(tables, "ean-6")
    assert "Table 6: Evaluation of our method on RAF-DB dataset" in done.output
    assert "43,822 =" in done.output
    assert "needs RAF-DB" in done.output
    assert "Table 5" not in done.output


def test_files(tmp_path: Path) -> None:
    files = ("--markdown", tmp_path / "a.md", "--csv", tmp_path / "a.csv", "--out", tmp_path / "pages")
    done = typed(tables, "ean", *files)
    assert done.exit_code == 0
    assert (tmp_path / "a.md").read_text() == (tmp_path / "pages" / "ean.md").read_text()
    assert (tmp_path / "a.csv").read_text().startswith("table,paper,")
    assert [path.name for path in (tmp_path / "pages").iterdir()] == ["ean.md"]


def test_wrong_words() -> None:
    assert isinstance(typed(tables, "ean-7").exception, UnknownName)
    assert "leave the names out" in typed(tables, "ean", "--all").output
    assert "name the tables to measure" in typed(tables, "--measure").output


def test_measure_writes_to_the_users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def measured(name: str, options: measure.MeasureOptions, result: Path, device: object, progress: Progress) -> Any:
        progress.step(name, "something", 1, 2)
        asked.append((name, options.samples, result))
        return record([])

    monkeypatch.setattr(measure, "measure", measured)
    done = typed(tables, "lcnn", "--measure", "--samples", "5", "--results", tmp_path)
    assert done.exit_code == 0, done.output
    assert asked == [("lcnn-4", 5, tmp_path / "lcnn-4.json"), ("lcnn-5", 5, tmp_path / "lcnn-5.json")]


def test_a_record_of_the_users_is_shown(tmp_path: Path) -> None:
    from edgefer.runtime import records
    from tests.papers.made import bench

    records.write(tmp_path / "mine.json", bench("lcnn-table5", "lcnn.onnx-fp32"))
    assert "99.5 ◇" in typed(tables, "lcnn-5", "--results", tmp_path).output


def test_plots_of_records(tmp_path: Path) -> None:
    bench, targets = RESULTS / "ean-x86.json", RESULTS / "ean-targets.json"
    for words in (("accuracy",), ("pareto", bench, targets), ("latency", bench)):
        out = tmp_path / f"{words[0]}.png"
        done = typed(plot, *words, "--out", out)
        assert done.output == f"wrote {out}\n", done.exception
        assert out.stat().st_size > 5000
    assert "ends in .png or .svg" in typed(plot, "latency", bench, "--out", tmp_path / "a.gif").output
    assert isinstance(typed(plot, "pareto", bench, "--out", tmp_path / "a.png").exception, BadData)


@pytest.mark.parametrize("package", ["matplotlib", "adjustText"])
def test_what_plots_need_and_is_not_there_is_named(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else there(name))
    done = typed(plot, "latency", RESULTS / "ean-x86.json", "--out", tmp_path / "a.png")
    assert isinstance(done.exception, MissingEngine)
    assert f"{package} " in str(done.exception) and "edgefer[train]" in str(done.exception)


def test_a_confusion_matrix(dist: Path, tmp_path: Path) -> None:
    data = made.write_csv(tmp_path / "made.csv", {"Training": 1, "PublicTest": 1, "PrivateTest": 2})
    out = tmp_path / "confusion.svg"
    done = typed(plot, "confusion", dist / "ean.tflite-int8", "--data", data, "--out", out)
    assert done.exit_code == 0, done.exception
    assert "</svg>" in out.read_text()


def test_bundle_of_other_classes(dist: Path, tmp_path: Path) -> None:
    from PIL import Image

    for name in ("cat", "dog"):
        folder = tmp_path / "data" / "PrivateTest" / name
        folder.mkdir(parents=True)
        Image.new("L", (48, 48)).save(folder / "a.png")
    words = ("confusion", dist / "ean.tflite-int8", "--data", tmp_path / "data", "--out", tmp_path / "a.png")
    assert isinstance(typed(plot, *words).exception, BadData)
