"""`edgefer report --html`: bundles, benches and accuracies as one page that fetches nothing.

What was not measured says so, and how it would be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from xml.etree.ElementTree import Element

from edgefer.benchmark import roofline
from edgefer.benchmark.columns import over_runs
from edgefer.benchmark.html_bundle import bundle_section
from edgefer.benchmark.html_elements import NOT_MEASURED, document, element, missing, of_markdown, table
from edgefer.benchmark.html_figures import WIDTH, Figures, achieved
from edgefer.benchmark.html_sources import VERIFY, Sources
from edgefer.benchmark.pareto import Point, draw_pareto
from edgefer.benchmark.report import heading, notes
from edgefer.runtime import __version__, units
from edgefer.runtime.bench_record import BenchRecord, Result, Run
from edgefer.training import model_card
from edgefer.training.figures import shortened

STYLE = Path(__file__).with_name("report.css")


def page(sources: Sources) -> str:
    """The whole page, as HTML; the same text every time."""
    figures = Figures()
    names = sources.detailed
    title = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    header = element(
        "header", element("h1", title or "no bundle"), element("p", f"Report of edgefer {__version__}", css="soft")
    )
    sections = [_overview(sources, figures), *(bundle_section(name, sources, figures) for name in names)]
    sections += [_bench(record, figures) for record in sources.benches]
    sections += _cards(sources)
    return document(f"{title}: edgefer report", STYLE.read_text("utf-8"), [header, element("main", *sections)])


def _cards(sources: Sources) -> Iterator[Element]:
    """The model card of each weights file, of which several bundles may be made."""
    manifests = [each.manifest for each in sources.bundles]
    for training in {each.weights_sha256: each.training for each in manifests if each.training}.values():
        try:
            card = of_markdown(model_card.render(training, curves=False))
        except (LookupError, StopIteration, TypeError, ValueError):  # of what the record calls data and recipe
            card = missing("the model card: the bundle's training record does not say what a card needs.")
        yield element("section", card)
    without = [each.name for each in manifests if each.training is None]
    if without:
        line = f"There is none of {', '.join(without)}: no record of a training is in the bundle."
        yield element("section", element("h2", "Model card"), element("p", line, css="missing"))


def _overview(sources: Sources, figures: Figures) -> Element:
    heads = ("bundle", "accuracy", "drop", "model", "MACs", "median", "instructions")
    rows = [row for name in sources.names for row in _rows(name, sources)]
    charts = [chart for chart in _pareto(sources, figures) if chart is not None]
    why = "two bundles with an accuracy and with latency, size or instructions make a Pareto plot"
    plots = element("div", *charts, css="columns") if charts else missing(f"{why}: {VERIFY}.")
    legend = [f"{NOT_MEASURED} is not measured."] if any(NOT_MEASURED in row for row in rows) else []
    if any(each.sha256 is None for each in sources.checks.values()):
        legend.append("An accuracy whose record holds no checksum of the bundle is matched by the bundle's name.")
    lines = [element("p", line, css="soft") for line in legend]
    return element("section", element("h2", "Overview"), table(heads, rows), *lines, plots)


def _rows(name: str, sources: Sources) -> Iterator[list[str]]:
    """A row for each result of the bundle, or one without."""
    manifest = sources.manifest(name)
    results: Sequence[Result | None] = sources.results(name) or [None]
    for result in results:
        check = sources.check(name, sources.sha256(name) if result is None else result.bundle_sha256)
        scored = [NOT_MEASURED] * 2 if check is None else [f"{check.artifact.accuracy:.2f} %", f"{check.drop:+.2f}"]
        known = result or manifest
        static = [NOT_MEASURED] * 2 if known is None else [units.size(known.model_bytes), units.millions(known.macs)]
        seconds = None if result is None else over_runs(result, _median)
        count = None if result is None else result.instructions_per_frame
        times = [NOT_MEASURED if seconds is None else units.milliseconds(seconds)]
        times.append(NOT_MEASURED if count is None else units.millions(count))
        yield [name if result is None else result.id, *scored, *static, *times]


def _median(run: Run) -> float | None:
    return median(run.samples) if run.timed else None


def _pareto(sources: Sources, figures: Figures) -> Iterator[Element | None]:
    """Accuracy against latency and instructions on each device, and against size."""
    devices: dict[str, list[Result]] = {}
    for record in sources.benches:
        devices.setdefault(record.device, []).extend(record.results)
    for device, results in devices.items():
        timed, counted = [], []
        for result in results:
            check = sources.check(result.bundle, result.bundle_sha256)
            if check is None:
                continue
            name, engine = result.bundle, shortened(result.runs[0].engine)
            if (seconds := over_runs(result, _median)) is not None:
                timed.append(Point(name, engine, 1e3 * seconds, check.artifact.accuracy))
            if result.instructions_per_frame:
                counted.append(Point(name, engine, result.instructions_per_frame / 1e6, check.artifact.accuracy))
        on = f", {shortened(device)}"
        yield _chart(timed, "median latency in ms", f"Accuracy against latency{on}", figures)
        yield _chart(counted, "million instructions a frame", f"Accuracy against instructions{on}", figures)
    yield _chart(list(_sizes(sources)), "model in KB", "Accuracy against size", figures)


def _sizes(sources: Sources) -> Iterator[Point]:
    for name in sources.checks:
        known, check = sources.manifest(name), sources.check(name, sources.sha256(name))
        size = known or next(iter(sources.results(name)), None)
        if size is not None and check is not None:
            target = shortened(name.rpartition(".")[2].partition("-")[0])
            yield Point(name, target, size.model_bytes / 1e3, check.artifact.accuracy)


def _chart(points: list[Point], cost: str, title: str, figures: Figures) -> Element | None:
    if len(points) < 2:
        return None
    archs = {point.name.partition(".")[0] for point in points}
    prefix = f"{archs.pop()}." if len(archs) == 1 else ""  # which then tells nothing
    points = [replace(point, name=shortened(point.name.removeprefix(prefix))) for point in points]
    described = f"{title}: " + "; ".join(f"{p.name} {p.y:.2f} % at {p.x:.4g}" for p in points)
    width, height = WIDTH, 3.6
    return element("div", figures.draw(described, draw_pareto, points, cost, title, width, height))


def _bench(record: BenchRecord, figures: Figures) -> Element:
    lines = [element("li", line) for line in notes(replace(record, peaks=[]))]  # they stand above
    return element(
        "section",
        element("h2", f"Bench on {record.device}"),
        element("p", heading(record), css="soft"),
        element("h3", "Roofline"),
        *_roofline(record, figures),
        element("h3", "Notes"),
        element("ul", *lines),
    )


def _roofline(record: BenchRecord, figures: Figures) -> Iterator[Element]:
    """For each number of threads the peaks, and what each bundle achieves."""
    if not record.peaks:
        yield missing("the machine's peak: edgefer bench --roofline.")
    for peak in record.peaks:
        of_peak = [
            (result, achieved_rate)
            for result in record.results
            if result.settings.threads == peak.threads and (achieved_rate := roofline.rate(result))
        ]
        yield element("p", roofline.line(peak), css="soft")
        if of_peak:
            names, rates = [shortened(result.bundle) for result, _ in of_peak], [each for _, each in of_peak]
            shares = [roofline.share(result, record.peaks) for result, _ in of_peak]
            described = "; ".join(f"{name} {each / 1e9:.3g}" for name, each in zip(names, rates, strict=True))
            described = f"Billion multiply-accumulates a second: {described}"
            yield figures.draw(described, achieved, names, rates, shares, peak.fp32, peak.int8)
            if any(share is not None and share > 1 for share in shares):
                yield element("p", "A bundle is above its peak: what was measured as the peak is not.", css="bad")
