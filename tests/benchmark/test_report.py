"""The bench table, of one device and of several. EDGEFER_UPDATE_GOLDEN=1 writes tests/golden/ anew; read the diff."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from edgefer.benchmark import report
from edgefer.benchmark.columns import COLUMNS, MEAN
from edgefer.cli.bench import report as report_command
from edgefer.papers.protocols import protocol_notes
from edgefer.runtime import records, units
from edgefer.runtime.bench_record import BenchRecord, Gpu, GpuState, Result, RunWarning, Settings
from edgefer.runtime.errors import BadRecord, MissingFile
from edgefer.runtime.terminal_table import markdown
from tests.benchmark.made import record, result, run
from tests.made import golden

PAGES = Path(__file__).parents[1] / "golden"
BUSY = "busy: other processes used 0.90 of 2 cores"
LATE = "late: 1 of 100 frames took longer than 1/30 s"
PACED = Settings(mode="paced", fps=30.0, threads=2)


def on_gpu() -> BenchRecord:
    """Two batches by torch on a card, and a bundle whose memory on it is not told."""
    card, now = Gpu("A card", "580.1", 2**34), GpuState(1.98e9, 3.2e9, 41.0, 120.0, [])
    taken = replace(run(), memory=replace(run().memory, gpu=512 * 2**20), device_seconds=0.00009)
    hot = [RunWarning.from_text("throttled: the GPU's clock was held down (hardware thermal slowdown)")]
    runs = [replace(taken, before=replace(taken.before, gpu=now), after=replace(taken.after, gpu=now))]
    batches = [replace(result("ean.torch-cuda", runs), settings=Settings(mode="batch", batch=size)) for size in (1, 64)]
    vulkan = result(
        "ean.ncnn-fp32:vulkan", [run(1.0, ["fallback: 6 of 69 layers run on the processor (6 ExpandDims)"])]
    )
    dropped = result("ean.onnx-fp32:cuda", [replace(taken, invalid=hot)])
    made = record([*batches, vulkan, dropped])
    told = ["ean.tflite-int8: edgefer knows no way of tflite's engine to a GPU"]
    return replace(made, machine=replace(made.machine, gpu=card), left_out=told)


RECORDS = {
    "plain": record(
        [
            result("ean.tflite-int8", [run(), run(1.1), run(1.2)], counted=2862931),
            result("ean.onnx-int8", [run(2.0, [BUSY]), run(2.1, [f"{BUSY}!"]), run(2.2)]),
        ]
    ),
    "paced": record([replace(result("ean.tflite-int8", [run(1.0, [LATE])]), settings=PACED)], interrupted=True),
    "mean": record([result("ean.tflite-int8", [run()], "ean-table5", 2862931)]),
    "usage": record([result("ean.tflite-int8", [run()], "lcnn-table5", 2862931)]),
    "gpu": on_gpu(),
}


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize("suffix", ["md", "csv"])
def test_page_is_the_golden_one(name: str, suffix: str) -> None:
    found = RECORDS[name]
    if suffix == "csv":
        text = report.record_csv(found, protocol_notes)
    else:
        text = report.record_page(found, markdown, protocol_notes)
    path = PAGES / f"bench-{name}.{suffix}"
    if os.environ.get("EDGEFER_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_figures_are_medians_of_processes() -> None:
    rows = dict(zip((c.key for c in report.columns(RECORDS["plain"])), report.rows(RECORDS["plain"])[0], strict=True))
    assert rows["median_seconds"] == pytest.approx(1.1 * 149.5e-6)
    assert rows["peak_bytes"] == 51 * 2**20


def test_frames_a_second_are_those_of_a_batch() -> None:
    found = RECORDS["gpu"]
    keys = [column.key for column in report.columns(found)]
    rows = [dict(zip(keys, row, strict=True)) for row in report.rows(found)]
    assert [row["batch"] for row in rows] == [1, 64, 1, 1]
    assert rows[1]["frames_per_second"] == pytest.approx(64 / 149.5e-6)
    assert rows[2]["frames_per_second"] is rows[2]["gpu_memory_bytes"] is rows[2]["device_seconds"] is None
    assert rows[3]["median_seconds"] is rows[3]["frames_per_second"] is None  # the run does not count


def test_columns_of_a_gpu_are_only_there_with_one() -> None:
    keys = {column.key for column in report.columns(RECORDS["plain"])}
    assert not keys & {"batch", "frames_per_second", "gpu_memory_bytes", "device_seconds"}


def test_a_system_that_tells_no_memory() -> None:
    bare = run()
    bare = replace(bare, memory=replace(bare.memory, before_load=None, peak=None), memory_percent=None)
    made: BenchRecord = record([result(name, [runs], "lcnn-table5") for name, runs in (("a", bare), ("b", run()))])
    heads, rows = report.for_people(made, protocol_notes)
    cells = dict(zip(heads, rows[0], strict=True))
    assert cells["peak"] == cells["model's"] == cells["memory"] == units.ABSENT


def test_a_column_without_a_figure_is_left_out_for_people_only() -> None:
    untimed = replace(run(), samples=[], load_seconds=None, first_seconds=None)
    made = record([result("ean.tflite-int8", [untimed])])
    assert {"load", "first", "median", "p99"}.isdisjoint(report.for_people(made, protocol_notes)[0])
    assert "instr." in report.for_people(made, protocol_notes)[0]
    assert "median_seconds" in report.record_csv(made).splitlines()[0]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2.5, "2.50 s"),
        (0.0123, "12.3 ms"),
        (0.00013, "130 µs"),
        (1.5e-7, "0.150 µs"),
        (0.99999, "1.000 s"),
        (None, "-"),
    ],
)
def test_seconds(value: float | None, text: str) -> None:
    assert units.seconds(value) == text


def test_other_units() -> None:
    assert units.milliseconds(0.00013) == "0.130 ms"
    assert units.mebibytes(1572864) == "1.50 MiB"
    assert units.size(114568) == "114,568 B"
    assert units.percent(12.345) == "12.3 %"
    assert units.millions(4568040) == "4.57 M"
    assert units.count(43840) == "43,840"
    assert units.megahertz(2.6e9) == "2600 MHz"
    assert units.celsius(51.3) == "51 °C"


@given(st.lists(st.floats(1e-9, 1e3), min_size=1, max_size=50))
def test_statistics_of_samples_are_numpys(samples: list[float]) -> None:
    made = result("ean.tflite-int8", [replace(run(), samples=samples)])
    figures = {column.key: column.value(made) for column in (*COLUMNS, MEAN)}
    for key, percent in (("min_seconds", 0), ("median_seconds", 50), ("p90_seconds", 90), ("p99_seconds", 99)):
        assert figures[key] == pytest.approx(float(np.percentile(samples, percent)))
    assert figures["mean_seconds"] == pytest.approx(float(np.mean(samples)))


def test_there_are_no_statistics_of_no_samples() -> None:
    made = result("ean.tflite-int8", [replace(run(), samples=[])])
    assert {column.value(made) for column in (*COLUMNS, MEAN) if column.key.endswith(("n_seconds", "9_seconds"))} == {
        None
    }


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
