"""Names beside points, where they cover neither a point nor another name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import cos, pi, sin
from typing import Any

import numpy as np

_RADII = (12, 18, 26, 38, 52, 68, 86, 106)  # pixels from the point; further ones get a line
_LINED = 13
_ANGLES = 16
_POINT = 7  # half of a marker's side
_GAP = 2  # between names


_STEP = 3  # pixels between the boxes that keep names off a line

Places = Sequence[tuple[float, float]]


def put(axes: Any, places: Places, texts: Sequence[str], steps: Places = ()) -> None:
    """Write each text near its place; the figure's layout is settled by now and stays as it is.

    `steps` are corners of a line drawn with where="post", which names stay off.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.transforms import Bbox

    figure = axes.figure
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    figure.set_layout_engine("none")
    pixels = axes.transData.transform(list(places))
    taken = [Bbox.from_extents(x - _POINT, y - _POINT, x + _POINT, y + _POINT) for x, y in pixels]
    if steps:
        taken += _along(axes.transData.transform(list(steps)))
    scale = 72 / figure.dpi
    for (x, y), text in sorted(zip(places, texts, strict=True), key=lambda each: -each[0][1]):
        taken.append(_put(axes, (x, y), text, taken, scale, canvas.get_renderer()))


def _along(corners: Any) -> list[Any]:
    """Small boxes along a line of steps: first to the right, then up."""
    from matplotlib.transforms import Bbox

    boxes = []
    for (x, y), (right, up) in pairwise(corners):
        boxes += [Bbox.from_extents(each, y - 1, each + _STEP, y + 1) for each in np.arange(x, right, _STEP)]
        low, high = sorted((y, up))
        boxes += [Bbox.from_extents(right - 1, each, right + 1, each + _STEP) for each in np.arange(low, high, _STEP)]
    return boxes


def _put(axes: Any, place: tuple[float, float], text: str, taken: list[Any], scale: float, renderer: Any) -> Any:
    inside = axes.get_window_extent(renderer)
    line = {"arrowstyle": "-", "color": "0.6", "linewidth": 0.6, "shrinkA": 0, "shrinkB": 3}
    for radius, angle in _around():
        offset = (radius * cos(angle) * scale, radius * sin(angle) * scale)
        sides = {"ha": "left" if cos(angle) >= -0.01 else "right", "va": "center"}
        lined = {"arrowprops": line} if radius > _LINED else {}
        note = axes.annotate(text, place, offset, textcoords="offset points", fontsize=8, **sides, **lined)
        box = _text_box(note, renderer)
        free = not any(box.overlaps(other) for other in taken)
        if free and inside.x0 <= box.x0 and box.x1 <= inside.x1 and inside.y0 <= box.y0 and box.y1 <= inside.y1:
            return box
        note.remove()
    note = axes.annotate(text, place, (6, 0), textcoords="offset points", fontsize=8)  # no room: better than no name
    return _text_box(note, renderer)


def _text_box(note: Any, renderer: Any) -> Any:
    """The box of the words alone, without the line to the point."""
    from matplotlib.text import Text

    note.update_positions(renderer)
    return Text.get_window_extent(note, renderer).padded(_GAP)


def _around() -> Iterator[tuple[float, float]]:
    """Radius and angle: to the right first, then round and further out."""
    for radius in _RADII:
        for step in range(_ANGLES):
            turn = (step + 1) // 2 * (1 if step % 2 else -1)
            yield radius, 2 * pi * turn / _ANGLES
