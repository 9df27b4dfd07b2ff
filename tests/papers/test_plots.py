"""Plots: what they show, and that their files are whole and their names cover nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgefer.benchmark.pareto import Point, front
from edgefer.papers import plot_points, plots
from edgefer.runtime import records
from edgefer.runtime.errors import BadData, BadRecord, MissingFile
from edgefer.training import figures
from tests.benchmark.made import record, result, run
from tests.papers.made import recorded, training


def test_printed_points_are_those_of_the_tables() -> None:
    found = {(point.name, point.y): point for point in plot_points.of_papers()}
    assert found["LCNN", 67.0].x == 58_423
    assert found["LCNN", 67.0].group == "lcnn-mtcnn"  # its own paper's, though Kong et al. print it too
    assert found["VGG-Net", 59.32].x == 87_566_680
    assert found["EAN, iterative", 70.63].x == 43_843
    assert found["mit-fusion", 73.47].group == "safavi2023-mit-fer"
    assert len(found) == len(plot_points.of_papers())


def test_measured_points_are_those_of_the_trainings() -> None:
    assert plot_points.of_trainings(recorded(trainings=(training("ean"),))) == [
        Point("ean", plot_points.MEASURED, 43_840, 65.366)
    ]


def test_the_front_holds_what_nothing_is_faster_and_better_than() -> None:
    slow, fast, worse, same = (
        Point("slow", "", 3, 70),
        Point("fast", "", 1, 60),
        Point("w", "", 2, 60),
        Point("s", "", 4, 70),
    )
    assert front([slow, worse, same, fast]) == [fast, slow]
    assert front([]) == []


def test_bundles_with_a_time_and_an_accuracy(tmp_path: Path) -> None:
    bench, checks = tmp_path / "bench.json", tmp_path / "checks.json"
    records.write(bench, record([result("ean.tflite-int8", [run()]), result("ean.onnx-fp32", [run(2)])]))
    checks.write_text(json.dumps([{"bundle": "ean.tflite-int8", "accuracy": {"artifact": {"accuracy": 65.1}}}]))
    assert plot_points.of_bundles(*plot_points.read_files([bench, checks])) == [
        Point("ean.tflite-int8", "LiteRT", pytest.approx(0.1495), 65.1)  # type: ignore[arg-type]
    ]


def test_files_that_are_no_records(tmp_path: Path) -> None:
    with pytest.raises(MissingFile):
        plot_points.read_files([tmp_path / "none.json"])
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "list.json").write_text(
        '[{"bundle": "a", "accuracy": {}}, {"bundle": "b", "accuracy": {"artifact": 1}}]'
    )
    for name in ("broken", "list"):
        with pytest.raises(BadRecord):
            plot_points.read_files([tmp_path / f"{name}.json"])


def test_shares_of_a_confusion_matrix() -> None:
    labels, answers = np.array([0, 0, 0, 0, 2]), np.array([0, 0, 1, 2, 2])
    assert plots.shares(answers, labels, 3).tolist() == [[0.5, 0.25, 0.25], [0, 0, 0], [0, 0, 1]]


def every() -> dict[str, Any]:
    """A figure of each kind."""
    benched = [record([result("ean.tflite-int8", [run()]), result("ean.onnx-fp32", [run(2)])])]
    bundles = [Point(f"network-{n}.tflite-int8", f"engine {n % 3}", 1 + n % 4, 60 + n % 5) for n in range(12)]
    return {
        "accuracy": plots.accuracy_parameters(
            [*plot_points.of_papers(), Point("ean", plot_points.MEASURED, 43_840, 65.4)]
        ),
        "pareto": plots.accuracy_latency(bundles, "a machine"),
        "latency": plots.latencies(benched),
        "confusion": plots.confusion(np.eye(3), ("angry", "happy", "neutral"), "a title"),
    }


@pytest.mark.parametrize("name", ["accuracy", "pareto", "latency", "confusion"])
def test_files_are_whole_and_repeat(tmp_path: Path, name: str) -> None:
    figure, again = every()[name], every()[name]
    for first, second in ((tmp_path / f"a{end}", tmp_path / f"b{end}") for end in figures.FORMATS):
        figures.save(figure, first)
        figures.save(again, second)
        assert first.read_bytes() == second.read_bytes()
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert "</svg>" in (tmp_path / "a.svg").read_text()


@pytest.mark.parametrize("name", ["accuracy", "pareto"])
def test_names_cover_neither_a_point_nor_another_name(name: str) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = every()[name]
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    axes = figure.axes[0]
    boxes = [text.get_window_extent(canvas.get_renderer()) for text in axes.texts]
    assert len(boxes) >= 12
    assert not [(a, b) for n, a in enumerate(boxes) for b in boxes[n + 1 :] if a.overlaps(b)]
    points = [axes.transData.transform(xy) for drawn in axes.collections for xy in drawn.get_offsets()]
    assert len(points) >= 12
    assert not [(box, point) for box in boxes for point in points if box.contains(*point)]


def test_nothing_to_draw_is_an_error() -> None:
    with pytest.raises(BadData, match="both files"):
        plots.accuracy_latency([], "a machine")
    with pytest.raises(BadData, match="emulated"):
        plots.latencies([record([])])
