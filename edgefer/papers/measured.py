"""Columns that are measured: latencies and loads, from recorded benches whose results carry the table's protocol."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import fmean

from edgefer.benchmark.columns import over_runs, warnings_by_kind
from edgefer.benchmark.report import DevicesRecord, read_bench
from edgefer.papers import protocols
from edgefer.papers.comparison import BYTES, CellRef, Evidence, Missing, compare
from edgefer.papers.paper_files import tables
from edgefer.papers.protocols import Protocol
from edgefer.papers.transcription import Column
from edgefer.runtime import units
from edgefer.runtime.bench_record import BenchRecord, Result, Run, WarningKind

# At these commits `edgefer tables --measure` timed networks as torch initialises them, whose batch norms have a mean of
# 0 and a variance of 1. Since then there is one kind of random weights, training.random_init, which was that of
# `edgefer build --untrained` already: its batch norms have the statistics of synthetic faces. Bundles of both kinds
# have the same names.
_AS_INITIALISED = ("2f4af1442fc5f96015d0a9df69dbec3ba6351ddc", "388ae6f11bcd653d7b149c37389c3b9bc79ef288")
_SCHEMA_WITHIN = 200  # characters from the start of a record


@dataclass(frozen=True)
class BenchResult:
    """A result, its record and the file that it stands in."""

    file: str
    record: BenchRecord
    result: Result

    @property
    def on_gpu(self) -> bool:
        """Whether it ran on a GPU; a driver that computes on the processor is none."""
        gpu = self.record.machine.gpu
        return gpu is not None and not gpu.software

    @property
    def on_cpu(self) -> bool:
        """Whether its times are a processor's."""
        return self.record.machine.gpu is None


@dataclass(frozen=True)
class Benches:
    """All benches that are recorded; left_out: what could not be measured, by the record's name."""

    results: tuple[BenchResult, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()


def read_benches(folders: Iterable[Path]) -> Benches:
    """Every bench in the folders; raises BadRecord. Records of other kinds are passed over."""
    results: list[BenchResult] = []
    left: list[tuple[str, str]] = []
    for path in (path for folder in folders for path in sorted(folder.glob("*.json"))):
        if _is_bench(path):
            for record in read_bench(path):
                results += (BenchResult(path.name, record, result) for result in record.results)
                left += ((path.stem, line) for line in record.left_out)
    return Benches(tuple(results), tuple(left))


def _is_bench(path: Path) -> bool:
    with path.open(encoding="utf-8") as file:
        head = file.read(_SCHEMA_WITHIN)
    return any(f'"{schema}"' in head for schema in (BenchRecord.schema, DevicesRecord.schema))


def first_result(
    results: Sequence[BenchResult], bundles: Sequence[str], where: Callable[[BenchResult], bool]
) -> BenchResult | None:
    """The first result of the first of the bundles that is there, trained or not."""
    return next((b for name in bundles for b in results if trained_name(b.result.bundle) == name and where(b)), None)


def random_weights(bench: BenchResult) -> str:
    """Which random weights a result is of, for the line that tells how it was measured; empty if they are trained."""
    if trained_name(bench.result.bundle) == bench.result.bundle:
        return ""
    if bench.record.commit in _AS_INITIALISED:
        return ", torch's initial random weights"
    return ", random weights"


def trained_name(bundle: str) -> str:
    """The name that a bundle of random weights would have if they were trained: lcnn-untrained-seed0.onnx-fp32."""
    return re.sub(r"-untrained-seed\d+(?=\.)", "", bundle)


CPU_TARGET = "onnx-fp32"  # what stands for a printed time: the papers' engines are float, Kong et al. name this one
_ON_GPU = ("torch-cuda", "onnx-fp32:cuda")  # the first that is recorded
_GPUS = ("GTX", "RTX", "TESLA")


@cache
def measured_as(name: str, statistic: str) -> tuple[str, Protocol] | None:
    """The table whose runs stand for a table, and their protocol: its own, or its paper's only one for such figures."""
    paper, table = tables()[name]
    of_paper = {
        other: protocols.protocol(each.protocol)
        for other, (source, each) in tables().items()
        if source is paper and each.protocol
    }
    if table.protocol:
        return name, of_paper[name]
    fitting = [(other, protocol) for other, protocol in of_paper.items() if protocol.statistic == statistic]
    return fitting[-1] if fitting else None  # of LCNN's two the one of testing


def stands_for(name: str) -> str | None:
    """The table whose runs are shown with a table: its own, or its paper's."""
    source = measured_as(name, "mean") or measured_as(name, "usage")
    return source[0] if source else None


def latency(at: CellRef, benches: Benches) -> Evidence:
    """The mean of the samples, in the column's unit."""
    return _figure(at, benches, "mean", lambda run: fmean(run.samples) * 1e3 if run.timed else None)


def fps(at: CellRef, benches: Benches) -> Evidence:
    """Frames a second, one after the other."""
    return _figure(at, benches, "mean", lambda run: 1 / fmean(run.samples) if run.timed else None)


def _sum(run: Run) -> float | None:
    if run.cpu_user_percent is None or run.cpu_system_percent is None:
        return None
    return run.cpu_user_percent + run.cpu_system_percent


def _system(run: Run) -> float | None:
    """Not less than none: two clocks tell it, and the difference of nothing is a little above or below it."""
    return None if run.cpu_system_percent is None else max(0.0, run.cpu_system_percent)


_USAGE: dict[str, Callable[[Run], float | None]] = {
    "cpu": _sum,
    "us": lambda run: run.cpu_user_percent,
    "sy": _system,
    "mem": lambda run: run.memory_percent,
    "memory-percent": lambda run: run.memory_percent,
}


def usage(at: CellRef, benches: Benches) -> Evidence:
    """What of the processor and the memory a run took."""
    if at.cell.column.key not in _USAGE:
        return Missing("not told what of the processor or the memory it is")
    return _figure(at, benches, "usage", _USAGE[at.cell.column.key])


def _figure(at: CellRef, benches: Benches, statistic: str, of: Callable[[Run], float | None]) -> Evidence:
    source = measured_as(at.name, statistic)
    if source is None:
        return Missing("the paper tells no way of measuring")
    table, protocol = source
    bench = _choose(at, benches, protocol)
    if isinstance(bench, Missing):
        return bench
    value = None if bench is None else over_runs(bench.result, of)
    if bench is None or value is None:
        return _not_measured(at, benches, table)
    departs = departures(bench, protocol)
    if bench.on_cpu and on_gpu(at, protocol):
        departs = ["on a processor, the paper's is a GPU", *departs]
    return compare(at, value, _how(bench, statistic), f"{bench.file}: {bench.record.machine.cpu}", ", ".join(departs))


def _choose(at: CellRef, benches: Benches, protocol: Protocol) -> BenchResult | Missing | None:
    of_protocol = [b for b in benches.results if b.result.protocol is not None and _same(b.result.protocol, protocol)]
    arch = at.cell.row.arch
    processor = first_result(of_protocol, [f"{arch}.{CPU_TARGET}"], lambda bench: bench.on_cpu)
    if not on_gpu(at, protocol):
        return processor
    gpu = first_result(of_protocol, [f"{arch}.{way}" for way in _ON_GPU], lambda bench: bench.on_gpu)
    if gpu is None and not all(is_gpu(column.name, protocol) for column in at.table.columns if _is_time(column)):
        return Missing("needs a GPU")  # a column beside it is the processor's
    return gpu or processor


def _same(name: str, protocol: Protocol) -> bool:
    return protocols.protocols().get(name) == protocol


def _is_time(column: Column) -> bool:
    return column.kind == "latency"


def on_gpu(at: CellRef, protocol: Protocol) -> bool:
    """Whether a figure is of a GPU."""
    return is_gpu(at.cell.column.name, protocol)


def is_gpu(column: str, protocol: Protocol) -> bool:
    """Whether a column's own name says so, or the machine of a paper that had no other."""
    return any(word in column.upper() for word in _GPUS) or protocol.machine.upper().startswith(_GPUS)


def _not_measured(at: CellRef, benches: Benches, table: str) -> Missing:
    bundle = f"{at.cell.row.arch}.{CPU_TARGET}: "
    for name, line in benches.left_out:
        if name == table and line.startswith(bundle):
            return Missing(f"not measured: {line.removeprefix(bundle)}")
    return Missing(f"not measured: run edgefer tables {table} --measure")


def _how(bench: BenchResult, statistic: str) -> str:
    result, run = bench.result, bench.result.runs[0]
    what = "mean of the samples" if statistic == "mean" else "of one core, the peak of this machine's memory"
    threads = units.counted(result.settings.threads, "thread")
    many = f", median of {len(result.runs)} processes" if len(result.runs) > 1 else ""
    target = result.bundle.rpartition(".")[2]
    return f"measured: {what}{many}, {run.engine} {run.engine_version}, {target}, {threads}{random_weights(bench)}"


def departures(bench: BenchResult, protocol: Protocol) -> list[str]:
    """Where a run is not what the protocol says, and what was wrong while it ran."""
    settings = bench.result.settings
    asked = protocol.settings(settings.threads)
    fewest = min((len(run.samples) for run in bench.result.runs), default=0)
    many = f"{fewest} sample{'s' * (fewest != 1)}"
    different = [f"{many} instead of {asked.samples}"] if fewest < asked.samples else []
    different += [
        f"{name} {getattr(settings, name)} instead of {getattr(asked, name)}"
        for name in ("warmup", "batch", "mode", "scope")
        if getattr(settings, name) != getattr(asked, name)
    ]
    # A bundle that takes one frame at a time notes how it does a batch: that is no doubt of the run.
    warnings = [warning for run in bench.result.runs for warning in run.warnings]
    notes = dict.fromkeys(warning.words for warning in warnings if warning.kind is WarningKind.BATCH)
    kinds = ", ".join(kind for kind in warnings_by_kind(bench.result) if kind != WarningKind.BATCH)
    return [*different, *notes, *([f"warned: {kinds}"] if kinds else [])]


def size(at: CellRef, benches: Benches) -> Evidence:
    """The model as it is deployed, in the column's unit."""
    bench = first_result(benches.results, [f"{at.cell.row.arch}.{CPU_TARGET}"], lambda bench: bench.on_cpu)
    if bench is None:
        return _not_measured(at, benches, at.name)
    return compare(at, bench.result.model_bytes / BYTES[at.cell.column.unit], f"the bytes of {CPU_TARGET}", bench.file)
