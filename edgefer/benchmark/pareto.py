"""Accuracy against what a bundle costs: points, the Pareto front, and the figure with names that cover nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer.training.figures import COLOURS, MARKERS

_MARKER = 7  # pixels: half of a marker's side
_ROUNDS = 300  # of placing names


@dataclass(frozen=True)
class Point:
    """x and y of something with a name; group is what its colour stands for (a paper, an engine)."""

    name: str
    group: str
    x: float
    y: float


def front(points: Sequence[Point]) -> list[Point]:
    """Those that no other is both faster and more accurate than, from the fastest on."""
    best: list[Point] = []
    for point in sorted(points, key=lambda point: (point.x, -point.y)):
        if not best or point.y > best[-1].y:
            best.append(point)
    return best


def new_figure(width: float, height: float) -> tuple[Any, Any]:
    """A figure of so many inches, and its axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=130, layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)
    return figure, axes


def speak_decades(axis: Any) -> None:
    """A logarithmic axis with 1, 2 and 5 of each decade as they are spoken."""
    from matplotlib.ticker import LogLocator, NullLocator

    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter("{x:g}")


def put_legend_below(figure: Any) -> None:
    """The legend where it can cover nothing."""
    legend = figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    for text in legend.get_texts():
        text.set_parse_math(False)


def place_names(axes: Any, points: Sequence[Point], steps: Sequence[Point] = ()) -> None:
    """Write each point's name where it covers neither a point nor another name; the figure's layout is settled here.

    `steps` are the corners of a line drawn with where="post", which names stay off.
    """
    from adjustText import adjust_text

    axes.figure.draw_without_rendering()
    axes.figure.set_layout_engine("none")
    to_pixels = axes.transData.transform
    pixels = to_pixels([(point.x, point.y) for point in points])
    markers = [pixels + np.multiply(corner, _MARKER) for corner in ((0, 0), (-1, -1), (-1, 1), (1, -1), (1, 1))]
    line = _pixels_of_steps(to_pixels([(point.x, point.y) for point in steps])) if steps else []
    x, y = axes.transData.inverted().transform(np.vstack([*markers, *line])).T
    adjust_text(
        [axes.text(point.x, point.y, point.name, fontsize=8, parse_math=False) for point in points],
        x,
        y,
        ax=axes,
        expand=(1.1, 1.5),
        force_text=(0.5, 0.8),
        force_static=(0.15, 0.3),
        force_pull=(0.03, 0.03),
        iter_lim=_ROUNDS,  # and no limit of time, which would place them otherwise on each machine
        arrowprops={"arrowstyle": "-", "color": "0.6", "linewidth": 0.6},
    )


def _pixels_of_steps(corners: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Points along a line of steps, first to the right, then up."""
    line = []
    for (x, y), (right, up) in pairwise(corners):
        line += [np.linspace((x, y), (right, y), 1 + int((right - x) // _MARKER))]
        line += [np.linspace((right, y), (right, up), 1 + int(abs(up - y) // _MARKER))]
    return line


def draw_pareto(points: Sequence[Point], cost: str, title: str, width: float = 9, height: float = 6) -> Any:
    """Accuracy in percent against a cost, which `cost` words with its unit, and the front; at least one point."""
    figure, axes = new_figure(width, height)
    best = front(points)
    axes.step(
        [p.x for p in best],
        [p.y for p in best],
        where="post",
        color="0.55",
        linewidth=1.2,
        label="Pareto front (filled)",
    )
    for number, group in enumerate(dict.fromkeys(point.group for point in points)):
        of_group = sorted((point for point in points if point.group == group), key=lambda point: point in best)
        colour = COLOURS[number % len(COLOURS)]
        axes.scatter(
            [point.x for point in of_group],
            [point.y for point in of_group],
            s=48,
            marker=MARKERS[number % len(MARKERS)],
            facecolors=[colour if point in best else "white" for point in of_group],
            edgecolors=colour,
            linewidths=1.4,
            zorder=3,
        )
        axes.scatter([], [], s=48, marker=MARKERS[number % len(MARKERS)], color=colour, label=group)
    axes.set_xscale("log")
    axes.margins(x=0.15, y=0.15)
    speak_decades(axes.xaxis)
    axes.set(xlabel=cost, ylabel="accuracy in %")
    axes.set_title(title, parse_math=False)
    put_legend_below(figure)
    place_names(axes, points, best)
    return figure
