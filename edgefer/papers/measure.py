"""Measuring what a table lacks: all its networks in turn under the table's protocol, in one record that grows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from edgefer.arch import Arch, get_arch
from edgefer.benchmark.run import Device, Plan, bench
from edgefer.benchmark.workload import Workload, open_workload
from edgefer.benchmark.workload import measure as measure_workload
from edgefer.papers.counts import code_checksum
from edgefer.papers.deployment_columns import TARGETS
from edgefer.papers.measured import trained_name
from edgefer.papers.paper_files import tables
from edgefer.papers.protocols import Protocol, protocol
from edgefer.runtime import machine, records
from edgefer.runtime.bench_record import BenchRecord, Result, Run, Settings, WarningKind
from edgefer.runtime.bundle import MANIFEST, read_bundle
from edgefer.runtime.errors import BadRecord, EdgeferError
from edgefer.runtime.files import cache_folder, sha256, shipped_folder
from edgefer.runtime.progress import Progress

Say = Callable[[str], None]
PROBE = Settings(warmup=0, samples=1, seconds=None)


@dataclass(frozen=True)
class MeasureOptions:
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


def measure(
    name: str, options: MeasureOptions, result: Path, device: Device, progress: Progress, out: Path | None = None
) -> BenchRecord:
    """Measure what of the table is not in the file `result` yet, round by round; each round is written at once.

    Runs during which others used the machine are measured again by the next call.
    `out` holds the bundles. Raises BadRecord for a record of another machine, KeyboardInterrupt when what was
    finished is written.
    """
    protocol_name = tables()[name][1].protocol
    settings = options.settings(protocol(protocol_name))
    record = None if options.again else _earlier(result)

    def say(what: str) -> None:
        progress.step(name, what, 0, None)

    workloads, left = _workloads(name, out or bundles_folder(), say)
    todo = []
    for workload in workloads:
        reason = None if _runs(record, workload, settings) else too_long(workload, settings, options, say)
        if reason is None:
            todo.append(workload)
        else:
            left.append(f"{trained_name(workload.name)}: {reason}")
    for number in range(options.processes):
        missing = [workload for workload in todo if _runs(record, workload, settings) <= number]
        if not missing:
            continue
        tick = _ticks(progress, name, (number + 1) * len(todo) - len(missing), options.processes * len(todo))
        new = bench(Plan(missing, settings, 1, device, protocol_name), tick)
        record = merge_runs(record, new, [workload.name for workload in workloads], left)
        records.write(result, record)
        if new.interrupted:
            raise KeyboardInterrupt
    if record is None:
        raise EdgeferError(f"nothing of {name} was measured: {' '.join(left)}")
    return record


def _ticks(progress: Progress, name: str, done: int, total: int) -> Callable[[str], None]:
    """What a bench calls before each run, where so many of so many are done."""
    numbers = count(done)
    return lambda what: progress.step(name, what.partition(", process")[0], next(numbers), total)


def _earlier(result: Path) -> BenchRecord | None:
    if not result.is_file():
        return None
    record = records.read(BenchRecord, result)
    if record.machine != machine.describe():
        raise BadRecord(f"{result} is of {record.machine.fingerprint}: give another --results folder, or --again.")
    return replace(record, results=[rest for each in record.results if (rest := undisturbed(each)).runs])


def undisturbed(result: Result) -> Result:
    """Without the runs during which others used the machine: those are measured again."""
    return replace(result, runs=[run for run in result.runs if not _was_busy(run)])


def _was_busy(run: Run) -> bool:
    return any(warning.kind is WarningKind.BUSY for warning in run.warnings)


def _workloads(name: str, out: Path, say: Say) -> tuple[list[Workload], list[str]]:
    """The bundles of the table's networks, and what could not be built."""
    workloads, left = [], []
    for network in dict.fromkeys(row.arch for row in tables()[name][1].rows if row.arch):
        for target in TARGETS:
            try:
                workloads.append(open_workload(table_bundle(get_arch(network), target, out, say)))
            except EdgeferError as error:
                left.append(f"{network}.{target}: not built: {error}")
    return workloads, left


def _runs(record: BenchRecord | None, workload: Workload, settings: Settings) -> int:
    """How many runs of these very files under these settings are recorded."""
    assert workload.bundle is not None
    same = (workload.name, workload.bundle.sha256, settings)
    for result in record.results if record is not None else ():
        if (result.bundle, result.bundle_sha256, result.settings) == same:
            return len(result.runs)
    return 0


def too_long(workload: Workload, settings: Settings, options: MeasureOptions, say: Say) -> str | None:
    """Why a bundle is left out: what its runs would take, judged by one inference in a fresh process."""
    say(f"trying {workload.name}")
    run = measure_workload(workload, replace(PROBE, threads=settings.threads))
    once = run.samples[0] * settings.batch
    sampling = once * settings.samples
    if settings.seconds is not None:
        sampling = min(sampling, settings.seconds + once)
    minutes = options.processes * (settings.warmup * once + sampling) / 60
    if minutes <= options.minutes:
        return None
    return f"it would take about {minutes:.1f} min, more than {options.minutes:g}"


def merge_runs(old: BenchRecord | None, new: BenchRecord, order: Sequence[str], left: list[str]) -> BenchRecord:
    """The new runs behind the old ones of the same files and settings; other files or settings take the old's place."""
    results = {} if old is None else {result.bundle: result for result in old.results}
    for result in new.results:
        results[result.bundle] = _behind(results.get(result.bundle), result)
    ordered = sorted(results.values(), key=lambda result: order.index(result.bundle) if result.bundle in order else -1)
    return replace(new, results=ordered, left_out=left)


def _behind(old: Result | None, new: Result) -> Result:
    if old is None or (old.bundle_sha256, old.settings) != (new.bundle_sha256, new.settings):
        return new
    return replace(new, runs=[*old.runs, *new.runs])


def bundles_folder() -> Path:
    """Where bundles are kept."""
    return cache_folder() / "tables"


def table_bundle(arch: Arch, target: str, out: Path, say: Say) -> Path:
    """The bundle of the network for the target in <out>/<checksum of the code>, built if it is not there yet.

    Of the shipped weights, or of random ones, which take as long. Raises what build_bundle raises, MissingEngine.
    """
    from edgefer.training.random_init import SEED

    out = out / code_checksum("arch", "pipeline")[:12]
    for folder in (out / f"{arch.name}.{target}", out / f"{arch.name}-untrained-seed{SEED}.{target}"):
        if _is_built(folder, arch):
            return folder
    say(f"building {arch.name}.{target}")
    return _build(arch, target, out)


def _is_built(folder: Path, arch: Arch) -> bool:
    if not (folder / MANIFEST).is_file():
        return False
    shipped = shipped_folder("weights") / f"{arch.name}.safetensors"
    try:
        manifest = read_bundle(folder).manifest
    except EdgeferError:
        return False
    return not shipped.is_file() or manifest.weights_sha256 == sha256(shipped)


def _build(arch: Arch, name: str, out: Path) -> Path:
    from edgefer.data.dataset import synthetic_faces
    from edgefer.pipeline.build import BuildJob, CalibrationOptions, build_bundle
    from edgefer.pipeline.calibration import shipped_path
    from edgefer.pipeline.targets import get_target
    from edgefer.runtime.engines import ENGINES
    from edgefer.training.random_init import shipped_or_random

    target, model = get_target(name), shipped_or_random(arch)
    recorded = shipped_path(arch.name, ENGINES[target.format].ranges).is_file()
    drawn = not recorded and model.untrained is None  # its speed is measured, its answers are not
    calibrate = CalibrationOptions(faces=synthetic_faces() if drawn else None)
    return build_bundle(BuildJob(arch, name, target, model, calibrate, accept_loss=drawn), out).folder
