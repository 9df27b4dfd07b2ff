"""Benches of several devices in one table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgefer.benchmark import report
from edgefer.cli.bench import report as report_command
from edgefer.runtime import records
from edgefer.runtime.bench_record import BenchRecord, Result, RunWarning
from edgefer.runtime.errors import BadRecord, MissingFile
from edgefer.runtime.terminal_table import markdown
from tests.benchmark.made import record, result, run
from tests.made import golden


def of(device: str, *results: Result) -> BenchRecord:
    """A bench there."""
    found = [replace(each, id=f"{device}/{each.bundle}") for each in results]
    return replace(record(found), device=device)


INT8, FLOAT = result("ean.tflite-int8", [run()]), result("ean.tflite-fp32", [run(0.5)])
OTHER = replace(INT8, bundle_sha256="1" * 64)
KITCHEN = of("kitchen", INT8, FLOAT)
HALL = of("hall", replace(INT8, runs=[run(2.0)]), FLOAT)


def ids(*recorded: BenchRecord) -> list[str]:
    return [found.id for found in report.merge(recorded).results]


def test_equal_bundles_are_neighbours() -> None:
    there = ["kitchen/ean.tflite-int8", "hall/ean.tflite-int8", "kitchen/ean.tflite-fp32", "hall/ean.tflite-fp32"]
    assert ids(KITCHEN, HALL) == there
    assert report.merge([KITCHEN, HALL]).apart == []


def test_other_files_under_a_name_are_kept_apart_and_named() -> None:
    found = report.merge([KITCHEN, of("attic", OTHER), HALL])
    assert found.apart == ["ean.tflite-int8"]
    assert [each.id for each in found.results if each.bundle == "ean.tflite-int8"] == [
        "kitchen/ean.tflite-int8 (00000000)",
        "hall/ean.tflite-int8 (00000000)",
        "attic/ean.tflite-int8 (11111111)",
    ]
    assert "not merged: ean.tflite-int8" in report.page([KITCHEN, of("attic", OTHER)], markdown)


def test_the_page() -> None:
    golden("bench-devices.md", report.page([KITCHEN, HALL, of("attic", OTHER)], markdown))


def test_runs_that_do_not_count_are_told_and_not_in_the_median() -> None:
    hot = replace(run(100.0), invalid=[RunWarning.from_text("throttled: under-voltage")])
    there = of("kitchen", replace(INT8, runs=[run(), hot, run()]))
    (line,) = report.invalid_lines([there])
    assert line.startswith("kitchen/ean.tflite-int8: 1 of 3 runs don't count, throttled: under-voltage: ")
    assert (
        report.to_csv([there]).splitlines()[1].split(",")[:8] == report.to_csv([KITCHEN]).splitlines()[1].split(",")[:8]
    )
    assert report.invalid_lines([KITCHEN]) == []


def test_report_reads_both_kinds_of_files(tmp_path: Path) -> None:
    one, two, page = tmp_path / "one.json", tmp_path / "two.json", tmp_path / "page.md"
    records.write(one, report.as_one([KITCHEN]))
    records.write(two, report.as_one([HALL, of("attic", OTHER)]))
    assert report.read_bench(one) == [KITCHEN]
    done = CliRunner().invoke(
        report_command, [str(one), str(two), "--markdown", str(page), "--csv", str(tmp_path / "p.csv")]
    )
    assert done.exit_code == 0, done.output
    assert all(f"{name}/ean.tflite-int8" in done.output for name in ("kitchen", "hall", "attic"))
    assert page.read_text().startswith("# Bench\n")
    assert len((tmp_path / "p.csv").read_text().splitlines()) == 6


@pytest.mark.parametrize(("text", "words"), [("[", "not JSON"), ("{}", "has the schema None"), ("[]", "schema None")])
def test_other_files_are_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(BadRecord, match=words):
        report.read_bench(tmp_path / "x.json")
    with pytest.raises(MissingFile, match="edgefer bench --out"):
        report.read_bench(tmp_path / "gone.json")
