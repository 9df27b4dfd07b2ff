"""What plots show: points from papers and records; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from edgefer.arch import ARCHS
from edgefer.benchmark.columns import over_runs
from edgefer.benchmark.pareto import Point
from edgefer.benchmark.report import read_bench
from edgefer.papers.evidence import DATASET, Records
from edgefer.papers.paper_files import PAGES, page_of, tables
from edgefer.papers.transcription import Cell, Row
from edgefer.runtime import records
from edgefer.runtime.bench_record import BenchRecord, Run
from edgefer.runtime.errors import BadRecord

MEASURED = "trained here"


def of_papers() -> list[Point]:
    """Parameters and FER2013 accuracy of every network that a paper prints both of, in one table or in two."""
    points: dict[tuple[str, str, float], tuple[bool, Point]] = {}
    for page, file in PAGES.items():
        of_page = [table for name, (_, table) in tables().items() if page_of(name) == page]
        anywhere = _sizes(cell for table in reversed(of_page) for cell in table.cells)
        for table in of_page:
            sizes = anywhere | _sizes(table.cells)
            for cell in table.cells:
                if _is_accuracy(cell) and cell.row.name in sizes:
                    point = Point(_name(cell.row), file, sizes[cell.row.name], float(cell.value))
                    points.setdefault((point.name.lower(), page, point.y), (_is_own(cell.row, page), point))
    return _unlike([point for _, point in sorted(points.values(), key=lambda each: not each[0])])


def _is_own(row: Row, page: str) -> bool:
    """Whether the network is the paper's, not one that it compares with."""
    return bool(row.arch) and ARCHS[row.arch].module == page  # pages and modules are called alike


def _sizes(cells: Iterable[Cell]) -> dict[str, float]:
    return {cell.row.name: float(cell.value) for cell in cells if cell.column.kind == "parameters"}


def _name(row: Row) -> str:
    """As printed; a paper's own network by edgefer's name, where the paper gives it none."""
    name = row.arch if row.name.lower().startswith("proposed") else row.name
    return f"{name}, {row.training}" if row.training else name


def _is_accuracy(cell: Cell) -> bool:
    return cell.column.kind == "accuracy" and cell.dataset == DATASET and cell.column.split == "test"


def _unlike(points: list[Point]) -> list[Point]:
    """Without those that another paper only repeats: the same name and accuracy."""
    seen: dict[tuple[str, float], Point] = {}
    for point in points:
        seen.setdefault((point.name.lower(), point.y), point)
    return list(seen.values())


def of_trainings(records: Records) -> list[Point]:
    """The same of the weights that edgefer ships, which come first: parameters counted, accuracy on PrivateTest."""
    shipped = {record.arch: record for record in reversed(records.trainings)}
    return [
        Point(name, MEASURED, records.counts.networks[name]["parameters"], record.private.accuracy)
        for name, record in shipped.items()
        if record.private is not None
    ]


def of_bundles(records: Sequence[BenchRecord], accuracies: dict[str, float]) -> list[Point]:
    """Median milliseconds and accuracy of every bundle that both are known of; the group is its engine."""
    return [
        Point(result.bundle, result.runs[0].engine, 1e3 * median, accuracies[result.bundle])
        for record in records
        for result in record.results
        if result.bundle in accuracies and (median := over_runs(result, _median)) is not None
    ]


def _median(run: Run) -> float | None:
    return median(run.samples) if run.timed else None


def read_files(paths: Sequence[Path]) -> tuple[list[BenchRecord], dict[str, float]]:
    """Benches, and accuracies in percent by bundle, from whatever of the two each file is.

    Accuracies are in what `edgefer verify --data --json` prints and in benchmarks/results/*-targets.json.
    Raises MissingFile or BadRecord.
    """
    benches: list[BenchRecord] = []
    accuracies: dict[str, float] = {}
    for path in paths:
        checked = _checked(records.read_json(path, "give a record of edgefer's"))
        if checked is None:
            benches += read_bench(path)
        else:
            accuracies |= checked
    return benches, accuracies


def _checked(content: Any) -> dict[str, float] | None:
    """Bundle -> accuracy; None if the content is not of accuracies."""
    if isinstance(content, dict) and isinstance(content.get("bundles"), dict):
        checks = list(content["bundles"].items())
    elif isinstance(content, list):
        checks = [(check.get("bundle", ""), check) for check in content if isinstance(check, dict)]
    else:
        return None
    try:
        return {name: float(c["accuracy"]["artifact"]["accuracy"]) for name, c in checks if c.get("accuracy")}
    except (KeyError, TypeError, ValueError) as error:
        raise BadRecord("an accuracy is not where `edgefer verify --data --json` writes it: verify again.") from error
