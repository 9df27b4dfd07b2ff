"""The gate's stages for each bundle: static metrics, interleaved latency, verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgefer.benchmark import workload
from edgefer.benchmark.instructions import Counted
from edgefer.benchmark.workload import EAGER, Workload
from edgefer.data.dataset import Dataset, match_classes
from edgefer.gate import baseline, interleave, static_metrics
from edgefer.gate.base_and_head import Pair, Side
from edgefer.gate.interleave import Effort, Measure, Plan, Rounds, Tick
from edgefer.gate.static_metrics import Count, Figures
from edgefer.gate.verdict import Role, Thresholds, Verdict, added, judge, missing
from edgefer.pipeline import float_baseline
from edgefer.runtime import machine, metrics, verify
from edgefer.runtime.bench_record import BenchRecord, Result, Run, Settings
from edgefer.runtime.bundle import MANIFEST, Bundle, read_bundle
from edgefer.runtime.engines import ENGINES
from edgefer.runtime.errors import BadWeights, MissingEngine, MissingFile


def measure_here(bundle: Bundle, settings: Settings) -> Run:
    """One run of a bundle in a fresh process; raises what workload.measure raises."""
    return workload.measure(Workload(bundle), settings)


@dataclass(frozen=True)
class Accuracy:
    """A bundle's accuracy on a given set, and its agreement with the float model, in percent of the set.

    agreement is None without a float model of the bundle's weights at hand.
    """

    accuracy: float
    agreement: float | None


@dataclass(frozen=True)
class Tools:
    """What the gate calls: a measurement; counters of instructions by device; a judge of accuracy, if wanted.

    `latency` off: the static metrics alone. `notes` are of every verdict.
    """

    measure: Measure = measure_here
    counters: Mapping[str, Callable[[Workload], Counted]] = field(default_factory=dict)
    accuracy: Callable[[Bundle], Accuracy] | None = None
    latency: bool = True
    notes: Sequence[str] = ()
    tick: Tick = lambda _: None


@dataclass(frozen=True)
class Limits:
    """When to fail and when to give up."""

    thresholds: Thresholds = field(default_factory=Thresholds)
    effort: Effort = field(default_factory=Effort)


def gate(pairs: Iterable[Pair], tools: Tools, limits: Limits) -> list[Verdict]:
    """A verdict on each pair; raises what a measurement raises."""
    verdicts = []
    for pair in pairs:
        if pair.base is None or pair.head is None:
            verdicts.append(added(pair.name) if pair.base is None else missing(pair.name))
            continue
        base = _figures(pair.base, tools, _counted(pair.base, tools))
        same = pair.head.folder == pair.base.folder
        head = base if same else _figures(pair.head, tools, _counted(pair.head, tools))
        bundles: dict[Role, Bundle] = {"base": pair.base, "head": pair.head, "control": pair.base}
        measured = _measure(pair.name, bundles, tools, limits) if tools.latency else Rounds()
        count_tolerance = ENGINES[pair.head.manifest.format].same_host
        verdicts.append(_judge(pair.name, (base, head), measured, limits, count_tolerance, tools.notes))
    return verdicts


def against(recorded: BenchRecord, head: Side, tools: Tools, limits: Limits) -> list[Verdict]:
    """A verdict on each bundle of a baseline, and on the new ones of HEAD; as `gate`."""
    results = baseline_results(recorded)
    names = sorted(head.bundles if head.single else results.keys() | head.bundles.keys())
    verdicts = []
    for name in names:
        if name not in results or name not in head.bundles:
            verdicts.append(added(name) if name not in results else missing(name))
            continue
        verdicts.append(_against(recorded, results[name], head.bundles[name], tools, limits))
    return verdicts


def baseline_results(recorded: BenchRecord) -> dict[str, Result]:
    """The bundles of a baseline by name; the float network is none."""
    return {result.bundle: result for result in recorded.results if not result.bundle.endswith(f".{EAGER}")}


def _against(recorded: BenchRecord, result: Result, bundle: Bundle, tools: Tools, limits: Limits) -> Verdict:
    name = result.bundle
    kind, known = bundle.manifest.format, result.instructions_per_frame is not None
    counted = _counted(bundle, tools) if known else {}  # seconds a bundle, for a count with nothing to compare
    base_and_head = [baseline.figures(recorded, result, counted, kind), _figures(bundle, tools, counted)]
    measured, notes = (
        Rounds(),
        ["latency compared with another day's: this machine's drift since then is not cancelled"],
    )
    if tools.latency:
        tools.tick(f"{name}: comparing this machine with the baseline's")
        probe = tools.measure(bundle, result.settings)
        other = baseline.differences(recorded, result, machine.describe(), baseline.versions(), probe)
        if other:
            notes = [f"latency not compared: {'; '.join(other)}"]
        else:
            bundles: dict[Role, Bundle] = {"head": bundle, "control": bundle}
            measured = _measure(name, bundles, tools, limits, result)
    uncounted = [] if known or not tools.counters else ["instructions per frame not compared: the baseline has none"]
    all_notes = [*tools.notes, *uncounted, *(notes if tools.latency else [])]
    return _judge(name, base_and_head, measured, limits, ENGINES[kind].other_host, all_notes, recorded=True)


def _measure(
    name: str, bundles: dict[Role, Bundle], tools: Tools, limits: Limits, recorded: Result | None = None
) -> Rounds:
    with interleave.copies(bundles) as copies:
        plan = Plan(
            name=name,
            bundles=copies,
            settings=interleave.SETTINGS if recorded is None else recorded.settings,
            effort=limits.effort,
            thresholds=limits.thresholds,
            recorded=() if recorded is None else baseline.processes(recorded),
        )
        return interleave.measure_rounds(plan, tools.measure, tools.tick)


def _counted(bundle: Bundle, tools: Tools) -> dict[str, Counted]:
    """Instructions by device, those too that can't be counted."""
    counted = {}
    for device, count in tools.counters.items():
        tools.tick(f"{bundle.manifest.name}: counting instructions on {device}")
        counted[device] = count(Workload(bundle))
    return counted


def _figures(bundle: Bundle, tools: Tools, counted: Mapping[str, Counted]) -> tuple[Figures, list[str]]:
    """The static metrics, and notes on what is not known."""
    manifest = bundle.manifest
    notes = [f"instructions per frame on {name}: {each.reason}" for name, each in counted.items() if each.reason]
    accuracy = None if tools.accuracy is None else tools.accuracy(bundle)
    if accuracy is not None and accuracy.agreement is None:
        notes.append("agreement with float not known: no fp32 bundle of the same weights, nor those weights, at hand")
    figures = Figures(
        model_bytes=manifest.model_bytes,
        macs=manifest.macs,
        parameters=manifest.parameters,
        operators=manifest.dtypes.operators,
        instructions={
            name: Count(each.instructions, each.spread)
            for name, each in counted.items()
            if each.instructions is not None
        },
        accuracy=None if accuracy is None else accuracy.accuracy,
        agreement=None if accuracy is None else accuracy.agreement,
    )
    return figures, notes


def _judge(
    name: str,
    base_and_head: Sequence[tuple[Figures, list[str]]],
    measured: Rounds,
    limits: Limits,
    count_tolerance: float,
    notes: Sequence[str] = (),
    recorded: bool = False,
) -> Verdict:
    (base, base_notes), (head, head_notes) = base_and_head
    lost = [f"{figure} not compared: one side does not know it" for figure in static_metrics.unknown(base, head)]
    all_notes = list(dict.fromkeys([*notes, *base_notes, *head_notes, *lost, *measured.notes()]))
    changes = static_metrics.compare(base, head, limits.thresholds.exact, count_tolerance)
    return judge(
        name,
        measured.rounds,
        changes,
        limits.thresholds,
        recorded and bool(measured.rounds),
        all_notes,
        measured.invalid,
    )


def measure_accuracy(bundle: Bundle, test: Dataset, tick: Callable[[], None] = lambda: None) -> Accuracy:
    """Run the bundle on `test`; raises BadData if it has none of its classes, and what opening the model raises."""
    test = match_classes(test, bundle.manifest.contract.labels, bundle.manifest.name).faces
    outputs = verify.run_faces(bundle, test.pixels, tick)
    baseline = _float_baseline(bundle, test)
    agreement = None if baseline is None else float((outputs.argmax(1) == baseline.outputs.argmax(1)).mean())
    return Accuracy(metrics.score(outputs, test).accuracy, None if agreement is None else round(100 * agreement, 3))


def _float_baseline(bundle: Bundle, test: Dataset) -> verify.FloatBaseline | None:
    """The fp32 bundle of the same weights beside this one, or the shipped weights if torch is there."""
    try:
        return float_baseline.run_float_baseline(bundle, test, _beside(bundle))
    except (BadWeights, MissingEngine, MissingFile, ModuleNotFoundError):
        return None  # that agreement is not known then is told by static_metrics.unknown and by the report


def _beside(bundle: Bundle) -> Path | None:
    weights = bundle.manifest.weights_sha256
    for path in sorted(bundle.folder.resolve().parent.glob(f"*/{MANIFEST}")):
        other = read_bundle(path.parent, bundle.trust).manifest
        if other.precision == "fp32" and other.weights_sha256 == weights:
            return path.parent
    return None
