"""Faces with what networks and people say of them, and where networks look, as figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer.runtime.preprocess import Pixels
from edgefer.training.figures import COLOURS, shortened
from edgefer.training.grad_cam import Block

MOST_FACES = 100  # in one figure
_MOST_BARS = 8  # of more classes the largest ones are drawn
_COLUMNS = 3  # of faces with bars
_HEAT, _SHARE = "inferno", 0.5  # of the heat in what is drawn over a face


@dataclass(frozen=True)
class Series:
    """Probabilities (classes,) of a face; without a name they are the network's that the title names."""

    name: str
    values: NDArray[Any]


@dataclass(frozen=True)
class FaceCell:
    """A face uint8 (S, S, 3), lines about it, series (all faces of a figure have the same), and its label's place."""

    face: Pixels
    lines: Sequence[str]
    series: Sequence[Series]
    given: int | None = None


def draw_cells(cells: Sequence[FaceCell], labels: Sequence[str], title: str) -> Any:
    """Faces with bars beside each: a bar a class and series, the class of the given label in bold."""
    from matplotlib.figure import Figure

    columns = min(_COLUMNS, len(cells))
    rows = -(-len(cells) // columns)
    bars = min(len(labels), _MOST_BARS) * max(1.0, 0.8 * len(cells[0].series))
    height = max(1.9, 0.35 + 0.17 * bars)
    figure = Figure(figsize=(0.4 + 4.3 * columns, 0.9 + height * rows), dpi=130, layout="constrained")
    axes = figure.subplots(rows, 2 * columns, squeeze=False, width_ratios=[1, 1.25] * columns)
    for place, (left, right) in enumerate(zip(axes[:, ::2].flat, axes[:, 1::2].flat, strict=True)):
        if place < len(cells):
            _draw_face(left, cells[place])
            _draw_bars(right, cells[place], labels)
        else:
            left.set_axis_off()
            right.set_axis_off()
    figure.suptitle(title, fontsize=11, parse_math=False)
    if cells[0].series[0].name:
        handles = [_patch(number, each.name) for number, each in enumerate(cells[0].series)]
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=9)
    return figure


def _patch(number: int, name: str) -> Any:
    from matplotlib.patches import Patch

    return Patch(color=COLOURS[number], label=name)


def _draw_face(axes: Any, cell: FaceCell, longest: int = 32) -> None:
    axes.imshow(cell.face, interpolation="nearest")
    axes.set_axis_off()
    axes.set_title("\n".join(shortened(line, longest) for line in cell.lines), fontsize=8.5, parse_math=False)


def _draw_bars(axes: Any, cell: FaceCell, labels: Sequence[str]) -> None:
    """Horizontal bars in the labels' order, from top to bottom."""
    highest = np.max([each.values for each in cell.series], axis=0)
    shown = np.sort(np.argsort(-highest, kind="stable")[:_MOST_BARS])
    if cell.given is not None and cell.given not in shown:
        shown = np.append(shown[:-1], cell.given)
    width = 0.8 / len(cell.series)
    for number, each in enumerate(cell.series):
        places = np.arange(len(shown)) + (number - (len(cell.series) - 1) / 2) * width
        axes.barh(places, each.values[shown], height=width, color=COLOURS[number])
        for place, value in zip(places, each.values[shown], strict=True):
            axes.text(min(value, 1) + 0.02, place, f"{100 * value:.0f} %", va="center", fontsize=6.5)
    axes.set_yticks(range(len(shown)), [shortened(labels[k], 14) for k in shown], fontsize=8)
    for tick, k in zip(axes.get_yticklabels(), shown, strict=True):
        tick.set_parse_math(False)
        tick.set_fontweight("bold" if k == cell.given else "normal")
    axes.invert_yaxis()
    axes.set_xlim(0, 1.22)
    axes.set_xticks([])
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.tick_params(left=False)


def draw_blocks(
    cells: Sequence[FaceCell], maps: NDArray[np.float32], blocks: Sequence[Block], labels: Sequence[str], title: str
) -> Any:
    """A row for each face: the face, the map (N, blocks, S, S) of each block over it, and the probabilities."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

    columns = 1 + len(blocks)
    figure = Figure(figsize=(1.6 * columns + 2.2, 1.2 + 2.1 * len(cells)), dpi=130, layout="constrained")
    ratios = [1.0] * columns + [1.15]
    axes = figure.subplots(len(cells), columns + 1, squeeze=False, width_ratios=ratios)
    for number, (cell, of_face, row) in enumerate(zip(cells, maps, axes, strict=True)):
        _draw_face(row[0], cell, 24)
        for one, block, place in zip(of_face, blocks, row[1:-1], strict=True):
            heat = colormaps[_HEAT](one)[..., :3]
            place.imshow((1 - _SHARE) * cell.face / 255 + _SHARE * heat, interpolation="bilinear")
            place.set_axis_off()
            speaks = "" if one.any() else "speaks against it"
            heading = _heading(block) if number == 0 else ""
            place.set_title("\n".join(filter(None, (heading, speaks))), fontsize=8.5, parse_math=False)
        _draw_bars(row[-1], cell, labels)
    figure.suptitle(title, fontsize=11, parse_math=False)
    scale = ScalarMappable(cmap=_HEAT)
    scale.set_clim(0, 1)
    bar = figure.colorbar(scale, ax=axes[:, :-1], location="bottom", fraction=0.03, aspect=50, pad=0.01)
    bar.set_ticks([0, 1], labels=["does not speak for the class", "speaks most for it"], fontsize=8)
    left, right = bar.ax.get_xticklabels()
    left.set_horizontalalignment("left")
    right.set_horizontalalignment("right")
    return figure


def _heading(block: Block) -> str:
    channels, height, width = block.shape
    return f"{shortened(block.name, 18)}\n{channels} x {height} x {width}"
