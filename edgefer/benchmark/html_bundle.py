"""The section of one bundle: what it is, its contract, accuracy, latency, and the model card of its weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median
from xml.etree.ElementTree import Element

from edgefer.benchmark.columns import warnings_by_kind
from edgefer.benchmark.html_elements import Child, element, facts, missing
from edgefer.benchmark.html_figures import MOST_RUNS, Figures, histograms
from edgefer.benchmark.html_sources import BENCH, VERIFY, Sources
from edgefer.runtime import units
from edgefer.runtime.bench_record import Result
from edgefer.runtime.contract import Contract, TensorSpec
from edgefer.runtime.manifest import Manifest
from edgefer.runtime.training_record import Scores
from edgefer.runtime.verify import AccuracyCheck


def bundle_section(name: str, sources: Sources, figures: Figures) -> Element:
    """All that is known of the bundle of this name; the rest is said to be missing."""
    manifest, results = sources.manifest(name), sources.results(name)
    check = sources.check(name, sources.sha256(name))
    section = element("section", element("h2", name))
    columns = element("div", css="columns")
    section.append(columns)
    columns.append(element("div", *_identity(manifest, results)))
    columns.append(element("div", *_contract(manifest)))
    why = "its record is of other files of this name, verify again" if name in sources.checks else VERIFY
    columns.append(element("div", *_accuracy(manifest, check, why)))
    columns.append(element("div", *_latency(results, figures)))
    return section


def _identity(manifest: Manifest | None, results: Sequence[Result]) -> list[Element]:
    rows: list[tuple[str, Child]]
    if manifest is not None:
        rows = [
            ("target", f"{manifest.target}: {manifest.format}, {manifest.precision}"),
            ("model", f"{manifest.model}, {units.size(manifest.model_bytes)}"),
            ("parameters", units.count(manifest.parameters)),
            ("MACs a face", units.count(manifest.macs)),
            ("needs", manifest.needs),
            ("weights", element("code", manifest.weights_sha256)),
            ("built with", f"edgefer {manifest.edgefer}"),
        ]
    elif results:
        first = results[0]
        rows = [
            ("model", units.size(first.model_bytes)),
            ("parameters", units.count(first.parameters)),
            ("MACs a face", units.count(first.macs)),
            ("manifest", element("code", first.bundle_sha256)),
        ]
    else:
        return [missing("the bundle itself was not given.")]
    return [element("h3", "Bundle"), facts(rows)]


def _contract(manifest: Manifest | None) -> list[Element]:
    title = element("h3", "Contract: what an app does to a face")
    if manifest is None:
        return [title, element("p", "Not known here: give the bundle's folder.", css="missing")]
    contract = manifest.contract
    rows = [
        ("1. cut out", f"{contract.face}{_margin(contract)}"),
        ("2. resize", f"to {contract.resize} x {contract.resize}, {contract.kernel}"),
        ("3. crop", f"the centre {contract.crop} x {contract.crop}"),
        ("4. pixels", f"{contract.colour_order}, {contract.value_range[0]} to {contract.value_range[1]}, as they are"),
        ("grey", contract.grey),
        ("5. input", f"{contract.layout}, {_tensor(contract.input)}"),
        ("output", f"{contract.meaning}, {_tensor(contract.output)}"),
        ("labels", ", ".join(contract.labels)),
    ]
    return [title, facts(rows)]


def _margin(contract: Contract) -> str:
    return f", {100 * contract.face_margin:g} % of its side added on each side" if contract.face_margin else ""


def _tensor(spec: TensorSpec) -> str:
    shape = " x ".join(map(str, spec.shape))
    zero = spec.zero_point or 0
    away = f"(stored {'+' if zero < 0 else '-'} {abs(zero)})" if zero else "stored"
    stored = "" if spec.scale is None else f", value = {away} x {spec.scale:g}"
    return f"{spec.dtype} {shape}{stored}"


def _accuracy(manifest: Manifest | None, check: AccuracyCheck | None, why: str) -> list[Element]:
    parts = [element("h3", "Accuracy")]
    if check is None:
        parts.append(missing(f"the accuracy of this file: {why}."))
    else:
        scores = check.artifact
        rows = [
            ("accuracy", f"{scores.accuracy:.2f} % of {scores.images:,} images of {check.split}"),
            ("float", f"{check.exact.accuracy:.2f} % ({check.reference}), {check.drop:+.2f} points are lost"),
            ("agreement", f"with float on {check.agreement:.2f} %"),
        ]
        if scores.unseen is not None:
            rows.append(("unseen", f"{scores.unseen:.2f} % of {scores.unseen_images:,} that Training does not hold"))
        if check.detection is not None:
            rows.append(("detector", check.detection.line(scores.accuracy)))
        parts += [facts(rows), *_confusion(scores, manifest)]
    if manifest is not None:
        parts += _of_manifest(manifest)
    return parts


def _of_manifest(manifest: Manifest) -> Iterator[Element]:
    known = manifest.accuracy.get("float")
    if isinstance(known, str):  # why it is not there
        yield element("p", f"The float weights: {known}.", css="missing")
    elif known:
        figures = ", ".join(f"{value} % of {split}" for split, value in known.items())
        yield element("p", f"The float weights, as trained: {figures}.", css="soft")
    if manifest.fidelity is not None:
        each = manifest.fidelity
        yield element(
            "p",
            f"When it was built, {each.engine} agreed with float on {each.agreement:.2f} % of {each.faces} faces of "
            f"{each.source}.",
            css="soft",
        )


def _confusion(scores: Scores, manifest: Manifest | None) -> Iterator[Element]:
    labels = list(manifest.contract.labels if manifest is not None else scores.recall)
    if scores.confusion is None or len(labels) != len(scores.confusion):
        yield missing("the confusion matrix: the record is of an earlier edgefer, verify again.")
        return
    yield element("h3", "Confusion matrix, percent of each row")
    yield element("p", "Rows are what is shown, columns what is said; the diagonal is the recall.", css="soft")
    body = []
    for label, counts in zip(labels, scores.confusion, strict=True):
        total = sum(counts)
        cells = [_share(count / total if total else 0.0, count) for count in counts]
        body.append(element("tr", element("th", f"{label} ({total:,})", scope="row"), *cells))
    head = element("tr", element("td"), *[element("th", label, scope="col") for label in labels])
    yield element("div", element("table", element("thead", head), element("tbody", *body), css="confusion"), css="wide")


def _share(share: float, count: int) -> Element:
    return element("td", f"{100 * share:.0f}", style=f"--share: {share:.3f}", title=f"{count:,} images")


def _latency(results: Sequence[Result], figures: Figures) -> list[Element]:
    parts = [element("h3", "Latency")]
    if not results:
        return [*parts, missing(f"latency: {BENCH}.")]
    for result in results:
        parts.append(element("p", f"{result.id}, {_how(result)}", css="soft"))
        if any(run.samples for run in result.runs):
            medians = ", ".join(f"{1e3 * median(run.samples):.4g}" for run in result.runs if run.samples)
            described = f"Latency of {result.id}: median of each process {medians} ms"
            parts.append(figures.draw(described, histograms, result))
            if len(result.runs) > MOST_RUNS:
                parts.append(element("p", f"The first {MOST_RUNS} of {len(result.runs)} processes are drawn."))
        else:
            parts.append(missing("latency: an emulator's times mean nothing."))
        for lines in warnings_by_kind(result).values():
            parts.append(
                element("p", lines[0] + (f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""), css="bad")
            )
    return parts


def _how(result: Result) -> str:
    run, settings = result.runs[0], result.settings
    threads = units.counted(settings.threads, "thread")
    return f"{run.engine} {run.engine_version}, {run.provider}, {threads}, {settings.mode}, {settings.scope}"
