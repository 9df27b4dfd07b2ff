"""The bench table. EDGEFER_UPDATE_GOLDEN=1 writes tests/golden/ anew; read the difference then."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefer.benchmark import report
from edgefer.benchmark.columns import COLUMNS, MEAN
from edgefer.papers.protocols import protocol_notes
from edgefer.runtime import units
from edgefer.runtime.bench_record import BenchRecord, Gpu, GpuState, RunWarning, Settings
from edgefer.runtime.terminal_table import markdown
from tests.benchmark.made import record, result, run

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
