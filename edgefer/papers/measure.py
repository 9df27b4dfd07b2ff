"""Measuring what a table lacks: all its networks in turn under the table's protocol, in one record that grows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgefer.arch import get_arch
from edgefer.benchmark.run import Device, Plan, bench
from edgefer.benchmark.workload import Workload, open_workload
from edgefer.benchmark.workload import measure as measure_workload
from edgefer.papers import protocols
from edgefer.papers.bench_records import plain
from edgefer.papers.deployment_columns import TARGETS
from edgefer.papers.protocols import Protocol
from edgefer.papers.table_names import tables
from edgefer.runtime import machine, records
from edgefer.runtime.bench_record import BenchRecord, Result, Run, Settings, WarningKind
from edgefer.runtime.errors import BadRecord, EdgeferError

Say = Callable[[str], None]
PROBE = Settings(warmup=0, samples=1, seconds=None)


@dataclass(frozen=True)
class Wish:
    """How to measure, where not as the protocol says; departures stand in the record.

    samples  at most so many, and so many inferences of warm-up
    seconds  of sampling at most, per process and bundle
    minutes  a bundle that would take longer is left out
    again    measure also what is recorded
    """

    processes: int = 3
    threads: int = 1
    samples: int | None = None
    seconds: float | None = None
    minutes: float = 10.0
    again: bool = False

    def settings(self, protocol: Protocol) -> Settings:
        """The protocol's, so reduced."""
        whole = protocol.settings(self.threads)
        if self.samples is not None:
            fewer = min(self.samples, whole.samples)
            whole = replace(whole, samples=fewer, warmup=min(fewer, whole.warmup))
        return replace(whole, seconds=self.seconds)


@dataclass(frozen=True)
class Heard:
    """Who hears of progress: what is being done, and how many runs are done of how many."""

    doing: Say
    done: Callable[[int, int], None]


def measure(name: str, wish: Wish, result: Path, device: Device, heard: Heard, out: Path | None = None) -> BenchRecord:
    """Measure what of the table is not in the file `result` yet, round by round; each round is written at once.

    Runs during which others used the machine are measured again by the next call.
    `out` holds the bundles. Raises BadRecord for a record of another machine, KeyboardInterrupt when what was
    finished is written.
    """
    from edgefer.papers import bundles

    protocol = tables()[name][1].protocol
    settings = wish.settings(protocols.protocol(protocol))
    record = None if wish.again else _earlier(result)
    workloads, left = _workloads(name, out or bundles.folder(), heard.doing)
    todo = []
    for workload in workloads:
        reason = None if _runs(record, workload, settings) else too_long(workload, settings, wish, heard.doing)
        if reason is None:
            todo.append(workload)
        else:
            left.append(f"{plain(workload.name)}: {reason}")
    total = wish.processes * len(todo)
    for number in range(wish.processes):
        wanted = [workload for workload in todo if _runs(record, workload, settings) <= number]
        if not wanted:
            continue
        done = _Ticks(heard, number * len(todo) + len(todo) - len(wanted), total)
        new = bench(Plan(wanted, settings, 1, device, protocol), done.tick)
        record = together(record, new, [workload.name for workload in workloads], left)
        records.write(result, record)
        if new.interrupted:
            raise KeyboardInterrupt
    if record is None:
        raise EdgeferError(f"nothing of {name} was measured: {' '.join(left)}")
    return record


@dataclass
class _Ticks:
    heard: Heard
    done: int
    total: int

    def tick(self, what: str) -> None:
        """Before a run."""
        self.heard.doing(what.partition(", process")[0])
        self.heard.done(self.done, self.total)
        self.done += 1


def _earlier(result: Path) -> BenchRecord | None:
    if not result.is_file():
        return None
    record = records.read(BenchRecord, result)
    if record.machine != machine.describe():
        raise BadRecord(f"{result} is of {record.machine.fingerprint}: give another --results folder, or --again.")
    return replace(record, results=[kept for each in record.results if (kept := undisturbed(each)).runs])


def undisturbed(result: Result) -> Result:
    """Without the runs during which others used the machine: those are measured again."""
    return replace(result, runs=[run for run in result.runs if not _was_busy(run)])


def _was_busy(run: Run) -> bool:
    return any(warning.kind is WarningKind.BUSY for warning in run.warnings)


def _workloads(name: str, out: Path, say: Say) -> tuple[list[Workload], list[str]]:
    """The bundles of the table's networks, and what could not be built."""
    from edgefer.papers import bundles

    workloads, left = [], []
    for network in dict.fromkeys(row.arch for row in tables()[name][1].rows if row.arch):
        for target in TARGETS:
            try:
                workloads.append(open_workload(bundles.bundle(get_arch(network), target, out, say)))
            except EdgeferError as error:
                left.append(f"{network}.{target}: not built: {error}")
    return workloads, left


def _runs(record: BenchRecord | None, workload: Workload, settings: Settings) -> int:
    """How many runs of these very files under these settings are recorded."""
    assert workload.bundle is not None
    wanted = (workload.name, workload.bundle.sha256, settings)
    for result in record.results if record is not None else ():
        if (result.bundle, result.bundle_sha256, result.settings) == wanted:
            return len(result.runs)
    return 0


def too_long(workload: Workload, settings: Settings, wish: Wish, say: Say) -> str | None:
    """Why a bundle is left out: what its runs would take, judged by one inference in a fresh process."""
    say(f"trying {workload.name}")
    run = measure_workload(workload, replace(PROBE, threads=settings.threads))
    once = run.samples[0] * settings.batch
    sampling = once * settings.samples
    if settings.seconds is not None:
        sampling = min(sampling, settings.seconds + once)
    minutes = wish.processes * (settings.warmup * once + sampling) / 60
    if minutes <= wish.minutes:
        return None
    return f"it would take about {minutes:.1f} min, more than {wish.minutes:g}"


def together(old: BenchRecord | None, new: BenchRecord, order: Sequence[str], left: list[str]) -> BenchRecord:
    """The new runs behind the old ones of the same files and settings; other files or settings take the old's place."""
    kept = {} if old is None else {result.bundle: result for result in old.results}
    for result in new.results:
        kept[result.bundle] = _behind(kept.get(result.bundle), result)
    ordered = sorted(kept.values(), key=lambda result: order.index(result.bundle) if result.bundle in order else -1)
    return replace(new, results=ordered, left_out=left)


def _behind(old: Result | None, new: Result) -> Result:
    if old is None or (old.bundle_sha256, old.settings) != (new.bundle_sha256, new.settings):
        return new
    return replace(new, runs=[*old.runs, *new.runs])
