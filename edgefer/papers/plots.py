"""Plots, one function each, from points and records to a figure. Needs matplotlib, which the extra train brings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer.benchmark.pareto import Point, draw_pareto, new_figure, place_names, put_legend_below, speak_decades
from edgefer.papers.measured import trained_name
from edgefer.papers.paper_files import papers
from edgefer.papers.plot_points import MEASURED
from edgefer.runtime.bench_record import BenchRecord
from edgefer.runtime.errors import BadData
from edgefer.training.figures import COLOURS, MARKERS


def accuracy_latency(points: Sequence[Point], on: str) -> Any:
    """Accuracy against latency of bundles, with the Pareto front: what nothing is faster and more accurate than."""
    _require(bool(points), "no bundle is in both a bench and a record of accuracies: give both files.")
    return draw_pareto(points, "median latency in ms", f"Accuracy against latency, {on}")


def _require(there: bool, message: str) -> None:
    if not there:
        raise BadData(message)


def accuracy_parameters(points: Sequence[Point]) -> Any:
    """Accuracy on FER2013 against parameters, as LCNN's Figure 18: printed points hollow, measured ones filled."""
    from matplotlib.ticker import EngFormatter

    figure, axes = new_figure(10, 6.5)
    for number, group in enumerate(dict.fromkeys(point.group for point in points)):
        of_group = [point for point in points if point.group == group]
        measured, colour = group == MEASURED, COLOURS[number % len(COLOURS)]
        axes.scatter(
            [point.x for point in of_group],
            [point.y for point in of_group],
            s=52 if measured else 34,
            marker=MARKERS[number % len(MARKERS)],
            facecolors=colour if measured else "none",
            edgecolors=colour,
            linewidths=1.4,
            label=MEASURED + ", PrivateTest, centre crop" if measured else f"printed in {_cited(group)}",
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(EngFormatter(sep=" "))
    axes.margins(x=0.12, y=0.1)
    axes.set(xlabel="parameters", ylabel="accuracy on FER2013 in %", title="Accuracy against parameters")
    put_legend_below(figure)
    place_names(axes, points)
    return figure


def _cited(file: str) -> str:
    return papers()[file].paper.cite.partition(",")[0]


def machines(records: Sequence[BenchRecord]) -> str:
    """What the records were measured on, for a title."""
    return ", ".join(dict.fromkeys(record.machine.board or record.machine.cpu for record in records))


def latencies(records: Sequence[BenchRecord]) -> Any:
    """How the latencies of each bundle spread: quartiles, median, from the fastest to the 99th percentile."""
    samples_of = {
        trained_name(r.id): [s * 1e3 for run in r.runs if run.timed for s in run.samples]
        for b in records
        for r in b.results
    }
    samples_of = {name: samples for name, samples in samples_of.items() if samples}
    _require(bool(samples_of), "the record holds no times: those of emulated devices mean nothing.")
    ordered = sorted(samples_of, key=lambda name: -float(np.median(samples_of[name])))
    figure, axes = new_figure(9, 1.4 + 0.34 * len(ordered))
    for row, name in enumerate(ordered):
        low, q1, middle, q3, p99 = np.percentile(samples_of[name], [0, 25, 50, 75, 99])
        axes.plot([low, p99], [row, row], color=COLOURS[0], linewidth=1.2)
        axes.barh(row, q3 - q1, left=q1, height=0.5, color="#b9d9ec", edgecolor=COLOURS[0])
        axes.plot([middle, middle], [row - 0.25, row + 0.25], color=COLOURS[1], linewidth=2.2)
        axes.annotate(
            f"{middle:#.3g}".rstrip("."), (p99, row), (6, 0), textcoords="offset points", va="center", fontsize=8
        )
    axes.set_yticks(range(len(ordered)), ordered, fontsize=9)
    axes.set_xscale("log")
    speak_decades(axes.xaxis)
    axes.margins(x=0.1)
    axes.grid(axis="y", visible=False)
    title = f"Latency on {machines(records)}"
    axes.set(xlabel="ms per inference: fastest to 99th percentile, quartiles, median (and its figure)", title=title)
    return figure


def confusion(shares: NDArray[np.float64], names: Sequence[str], title: str) -> Any:
    """A confusion matrix; rows are what is shown and sum to 1, columns what is said."""
    figure, axes = new_figure(6.6, 5.8)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), share in np.ndenumerate(shares):
        axes.text(
            column, row, f"{share:.2f}", ha="center", va="center", fontsize=9, color="white" if share > 0.65 else "0.15"
        )
    axes.set_xticks(range(len(names)), names, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="said", ylabel="shown", title=title)
    return figure


def shares(answers: NDArray[np.int64], labels: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """Of each class (row) the share that was taken for each (column); zeros for a class without an image."""
    counts = np.zeros((classes, classes))
    np.add.at(counts, (labels, answers), 1)
    shares: NDArray[np.float64] = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return shares
