"""Figures of a page: SVG inside the HTML, in the page's own colours, light or dark."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from edgefer.benchmark.html_elements import clean
from edgefer.runtime.bench_record import Result, Run
from edgefer.training.figures import COLOURS, render

WIDTH = 4.0  # inches: at a phone's width text keeps its size
MOST_RUNS = 6  # in one figure
_INK = "#010203"  # stands for the colour of the page's text, which the page knows
_BINS = 60
_PERCENTILES = ((50, "median", "-"), (90, "p90", "--"), (99, "p99", ":"))
_STYLE = {
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), _INK),
    "grid.color": _INK,
    "svg.fonttype": "none",  # text stays text
    "font.size": 9,
}
_VARIABLES = {_INK: "currentColor", **{colour: f"var(--series-{n}, {colour})" for n, colour in enumerate(COLOURS)}}
_UNWANTED = {"metadata"}  # says who made it, by addresses


def _styled(draw: Any, *arguments: Any) -> Any:
    """The figure that `draw` makes of the arguments, in colours that `_inline_svg` turns into the page's."""
    import matplotlib as mpl

    with mpl.rc_context(_STYLE):
        return draw(*arguments)


def _inline_svg(figure: Any, description: str, number: int) -> Element:
    """The figure as an element of a page, whose ids are its own by its number."""
    import matplotlib as mpl

    figure.patch.set_alpha(0)
    for axes in figure.axes:
        axes.patch.set_alpha(0)
    with mpl.rc_context(_STYLE):
        root = ElementTree.fromstring(render(figure, "svg"))
    _simplify(root, f"f{number}-")
    box = root.get("viewBox", "")
    root.attrib.clear()
    root.attrib.update({"viewBox": box, "role": "img", "aria-label": clean(description)})
    return root


def _simplify(element: Element, prefix: str) -> None:
    """Plain names, ids and colours in an element and all that is in it."""
    element.tag = _local(element.tag)
    for child in list(element):
        if _local(child.tag) in _UNWANTED:
            element.remove(child)
        else:
            _simplify(child, prefix)
    attributes = {_local(name): _renamed(value, prefix) for name, value in element.attrib.items()}
    if "id" in attributes:
        attributes["id"] = prefix + attributes["id"]
    if attributes.get("type") == "text/css":  # of all strokes, which a page would take for its own
        element.text = (element.text or "").replace("*", f"#{prefix}figure_1 *")
    element.attrib.clear()
    element.attrib.update(attributes)


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _renamed(value: str, prefix: str) -> str:
    value = re.sub(r"url\(#", f"url(#{prefix}", value)
    value = re.sub(r"^#(?![0-9a-fA-F]{6}$)", f"#{prefix}", value)
    for colour, variable in _VARIABLES.items():
        value = value.replace(colour, variable)
    return value


class Figures:
    """Draws the figures of one page, and numbers them, so that their ids differ."""

    def __init__(self) -> None:
        self._count = 0

    def draw(self, description: str, draw: Callable[..., Any], *arguments: Any) -> Element:
        """The figure that `draw` makes of the arguments."""
        self._count += 1
        return _inline_svg(_styled(draw, *arguments), description, self._count)


def histograms(result: Result) -> Any:
    """How the latencies of each process spread, with median, p90 and p99; at least one run has times."""
    from matplotlib.figure import Figure

    runs = [(number, run) for number, run in enumerate(result.runs, 1) if run.samples][:MOST_RUNS]
    milliseconds = [np.array(run.samples) * 1e3 for _, run in runs]
    low = min(float(each.min()) for each in milliseconds)
    high = max(_high(each) for each in milliseconds)
    figure = Figure(figsize=(WIDTH, 0.5 + 1.15 * len(runs)), layout="constrained")
    rows = figure.subplots(len(runs), 1, sharex=True, squeeze=False)[:, 0]
    rows[0].set_xlim(min(low, high), high)
    for axes, (number, run), samples in zip(rows, runs, milliseconds, strict=True):
        axes.hist(samples, bins=_BINS, range=(low, high), color=COLOURS[0])
        for percent, _, line in _PERCENTILES:
            axes.axvline(np.percentile(samples, percent), color=COLOURS[1], linestyle=line, linewidth=1.2)
        axes.set_title(_heading(number, run, samples, high), fontsize=8, loc="left")
        axes.set_yticks([])
        axes.spines[["top", "right", "left"]].set_visible(False)
    rows[-1].set_xlabel("ms: median (line), p90 (dashed), p99 (dotted)")
    return figure


def _high(milliseconds: NDArray[np.float64]) -> float:
    """What is drawn at most: a bit over p99, unless that is so far away that nothing else would be seen."""
    middle, p90, p99 = np.percentile(milliseconds, (50, 90, 99))
    return float(1.1 * p99 if p99 <= 3 * middle else max(2 * middle, 1.5 * p90))


def _heading(number: int, run: Run, samples: Any, high: float) -> str:
    figures = ", ".join(f"{name} {np.percentile(samples, percent):#.3g}" for percent, name, _ in _PERCENTILES)
    beyond = int((samples > high).sum())
    more = f"; {beyond} slower" if beyond else ""
    return f"process {number}: {figures} ms{more}{'; does not count' if run.invalid else ''}"


def achieved(
    names: Sequence[str], rates: Sequence[float], shares: Sequence[float | None], peak: float, int8_peak: float | None
) -> Any:
    """Multiply-accumulates a second of each bundle, with their shares of its peak, beside the peaks."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, 0.8 + 0.42 * len(names)), layout="constrained")
    axes = figure.subplots()
    axes.barh(range(len(names)), [rate / 1e9 for rate in rates], height=0.45, color=COLOURS[0])
    for place, (name, rate, share) in enumerate(zip(names, rates, shares, strict=True)):
        of_peak = "" if share is None else f", {100 * share:.0f} % of its peak"
        words = f"{name}: {rate / 1e9:.3g}{of_peak}"
        axes.text(0, place - 0.27, words, va="bottom", fontsize=8, parse_math=False)
    axes.axvline(peak / 1e9, color=COLOURS[1], linewidth=1.6)
    if int8_peak is not None:
        axes.axvline(int8_peak / 1e9, color=COLOURS[1], linewidth=1.6, linestyle="--")
    axes.set_ylim(len(names) - 0.5, -0.8)
    axes.set_yticks([])
    axes.set_xlim(0, 1.05 * max(*rates, peak, int8_peak or 0) / 1e9)
    axes.set_xlabel(f"billion MACs a second; peaks: fp32 (line){', int8 (dashed)' if int8_peak is not None else ''}")
    axes.spines[["top", "right"]].set_visible(False)
    return figure
