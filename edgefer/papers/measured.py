"""Columns that are measured: latencies and loads, from recorded benches whose results carry the table's protocol."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from statistics import fmean

from edgefer.benchmark.columns import over_runs, warnings_by_kind
from edgefer.papers import protocols, table_names
from edgefer.papers.bench_records import Benches, Taken, first, of_random_weights
from edgefer.papers.protocols import Protocol
from edgefer.papers.transcription import Column
from edgefer.papers.verdict import BYTES, At, Found, Missing, compared
from edgefer.runtime.bench_record import Run, WarningKind

CPU_TARGET = "onnx-fp32"  # what stands for a printed time: the papers' engines are float, Kong et al. name this one
_ON_GPU = ("torch-cuda", "onnx-fp32:cuda")  # the first that is recorded
_GPUS = ("GTX", "RTX", "TESLA")


@cache
def measured_as(name: str, statistic: str) -> tuple[str, Protocol] | None:
    """The table whose runs stand for a table, and their protocol: its own, or its paper's only one for such figures."""
    paper, table = table_names.tables()[name]
    of_paper = {
        other: protocols.protocol(each.protocol)
        for other, (source, each) in table_names.tables().items()
        if source is paper and each.protocol
    }
    if table.protocol:
        return name, of_paper[name]
    fitting = [(other, known) for other, known in of_paper.items() if known.statistic == statistic]
    return fitting[-1] if fitting else None  # of LCNN's two the one of testing


def stands_for(name: str) -> str | None:
    """The table whose runs are shown with a table: its own, or its paper's."""
    found = measured_as(name, "mean") or measured_as(name, "usage")
    return found[0] if found else None


def latency(at: At, benches: Benches) -> Found:
    """The mean of the samples, in the column's unit."""
    return _figure(at, benches, "mean", lambda run: fmean(run.samples) * 1e3 if run.timed else None)


def fps(at: At, benches: Benches) -> Found:
    """Frames a second, one after the other."""
    return _figure(at, benches, "mean", lambda run: 1 / fmean(run.samples) if run.timed else None)


def _sum(run: Run) -> float | None:
    told = (run.cpu_user_percent, run.cpu_system_percent)
    return None if None in told else sum(each or 0.0 for each in told)


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


def usage(at: At, benches: Benches) -> Found:
    """What of the processor and the memory a run took."""
    if at.cell.column.key not in _USAGE:
        return Missing("not told what of the processor or the memory it is")
    return _figure(at, benches, "usage", _USAGE[at.cell.column.key])


def _figure(at: At, benches: Benches, statistic: str, of: Callable[[Run], float | None]) -> Found:
    known = measured_as(at.name, statistic)
    if known is None:
        return Missing("the paper tells no way of measuring")
    table, protocol = known
    taken = _choose(at, benches, protocol)
    if isinstance(taken, Missing):
        return taken
    value = None if taken is None else over_runs(taken.result, of)
    if taken is None or value is None:
        return _not_measured(at, benches, table)
    departs = departures(taken, protocol)
    if taken.on_cpu and on_gpu(at, protocol):
        departs = ["on a processor, the paper's is a GPU", *departs]
    return compared(at, value, _how(taken, statistic), f"{taken.file}: {taken.record.machine.cpu}", ", ".join(departs))


def _choose(at: At, benches: Benches, protocol: Protocol) -> Taken | Missing | None:
    of_protocol = [t for t in benches.taken if t.result.protocol is not None and _same(t.result.protocol, protocol)]
    arch = at.cell.row.arch
    processor = first(of_protocol, [f"{arch}.{CPU_TARGET}"], lambda t: t.on_cpu)
    if not on_gpu(at, protocol):
        return processor
    found = first(of_protocol, [f"{arch}.{way}" for way in _ON_GPU], lambda t: t.on_gpu)
    if found is None and not all(is_gpu(column.name, protocol) for column in at.table.columns if _is_time(column)):
        return Missing("needs a GPU")  # a column beside it is the processor's
    return found or processor


def _same(name: str, protocol: Protocol) -> bool:
    return protocols.protocols().get(name) == protocol


def _is_time(column: Column) -> bool:
    return column.kind == "latency"


def on_gpu(at: At, protocol: Protocol) -> bool:
    """Whether a figure is of a GPU."""
    return is_gpu(at.cell.column.name, protocol)


def is_gpu(column: str, protocol: Protocol) -> bool:
    """Whether a column's own name says so, or the machine of a paper that had no other."""
    return any(word in column.upper() for word in _GPUS) or protocol.machine.upper().startswith(_GPUS)


def _not_measured(at: At, benches: Benches, table: str) -> Missing:
    bundle = f"{at.cell.row.arch}.{CPU_TARGET}: "
    for name, line in benches.left_out:
        if name == table and line.startswith(bundle):
            return Missing(f"not measured: {line.removeprefix(bundle)}")
    return Missing(f"not measured: run edgefer tables {table} --measure")


def _how(taken: Taken, statistic: str) -> str:
    result, run = taken.result, taken.result.runs[0]
    what = "mean of the samples" if statistic == "mean" else "of one core, the peak of this machine's memory"
    threads = f"{result.settings.threads} thread{'s' * (result.settings.threads != 1)}"
    many = f", median of {len(result.runs)} processes" if len(result.runs) > 1 else ""
    target = result.bundle.rpartition(".")[2]
    return f"measured: {what}{many}, {run.engine} {run.engine_version}, {target}, {threads}{of_random_weights(taken)}"


def departures(taken: Taken, protocol: Protocol) -> list[str]:
    """Where a run is not what the protocol says, and what was wrong while it ran."""
    settings = taken.result.settings
    asked = protocol.settings(settings.threads)
    fewest = min((len(run.samples) for run in taken.result.runs), default=0)
    many = f"{fewest} sample{'s' * (fewest != 1)}"
    told = [f"{many} instead of {asked.samples}"] if fewest < asked.samples else []
    told += [
        f"{name} {getattr(settings, name)} instead of {getattr(asked, name)}"
        for name in ("warmup", "batch", "mode", "scope")
        if getattr(settings, name) != getattr(asked, name)
    ]
    # A bundle that takes one frame at a time notes how it does a batch: that is no doubt of the run.
    warnings = [warning for run in taken.result.runs for warning in run.warnings]
    notes = dict.fromkeys(warning.words for warning in warnings if warning.kind is WarningKind.BATCH)
    kinds = ", ".join(kind for kind in warnings_by_kind(taken.result) if kind != WarningKind.BATCH)
    return [*told, *notes, *([f"warned: {kinds}"] if kinds else [])]


def size(at: At, benches: Benches) -> Found:
    """The model as it is deployed, in the column's unit."""
    taken = first(benches.taken, [f"{at.cell.row.arch}.{CPU_TARGET}"], lambda t: t.on_cpu)
    if taken is None:
        return _not_measured(at, benches, at.name)
    return compared(at, taken.result.model_bytes / BYTES[at.cell.column.unit], f"the bytes of {CPU_TARGET}", taken.file)
