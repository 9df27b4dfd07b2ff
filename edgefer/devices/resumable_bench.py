"""A bench whose runs are kept in a file one by one, so that the same bench goes on where it was stopped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from edgefer.benchmark import report, run
from edgefer.benchmark.recommendation import Excluded
from edgefer.benchmark.run import Plan
from edgefer.benchmark.workload import Workload
from edgefer.devices import config
from edgefer.devices.device import Device
from edgefer.runtime import engines, files, machine, records, units
from edgefer.runtime.bench_record import BenchRecord, Result, Settings
from edgefer.runtime.errors import (
    BrokenBundle,
    CompilerFailed,
    GoldenMismatch,
    MissingEngine,
    NotSetUp,
    WorkerFailed,
)
from edgefer.runtime.progress import Progress

# What one bundle does not run for, though another may.
CANNOT_RUN = (BrokenBundle, CompilerFailed, GoldenMismatch, MissingEngine, NotSetUp, WorkerFailed)


@dataclass
class ResumableBench:
    """Measures bundles on a device, `processes` runs of each on each number of threads, and keeps them in `path`.

    settings  of a run on one thread; threads: none is one, and all that the device has
    fresh     leave what the file holds out
    """

    device: Device
    path: Path
    settings: Settings
    threads: tuple[int, ...]
    processes: int
    progress: Progress
    fresh: bool = False
    _kept: BenchRecord | None = None
    _failed: dict[str, Excluded] = field(default_factory=dict)

    def measure(self, workloads: Sequence[Workload]) -> tuple[BenchRecord, list[Excluded]]:
        """A record of all that ran, and what did not; raises NotSetUp if nothing did. Ctrl-C keeps what there is."""
        files.require_folder(self.path.absolute().parent)
        running = self.device.expand(workloads)
        self._kept = None if self.fresh else self._resumed(running)
        for number in range(1, self.processes + 1):
            while (lacking := next(self._lacking(running, number), None)) is not None:
                self._round(*lacking, number)
        failed = list(self._failed.values())
        if self._kept is None:
            reasons = " ".join(each.reason for each in failed)
            raise NotSetUp(f"nothing that was asked for ran on {self.device.name}: {reasons}")
        return replace(self._kept, interrupted=False, left_out=list(self.device.left_out)), failed

    def _resumed(self, workloads: Sequence[Workload]) -> BenchRecord | None:
        """What the file holds of these very bundles, measured by this edgefer on this device; runs that count only."""
        if not self.path.is_file():
            return None
        (kept,) = report.read_bench(self.path)
        here = self.device.name != machine.local_device() or kept.machine.fingerprint == machine.describe().fingerprint
        worker = kept.versions.get("worker", files.runtime_checksum())  # a microcontroller has none
        if not here or kept.device != self.device.name or worker != files.runtime_checksum():
            return None
        wanted = {(each.name, each.bundle.sha256) for each in workloads if each.bundle}
        threads = {1, *self._threads(kept)}
        results = []
        for result in kept.results:
            runs = [run for run in result.runs if not run.invalid]
            same = replace(result.settings, threads=1) == self.settings and result.settings.threads in threads
            if runs and same and (result.bundle, result.bundle_sha256) in wanted:
                results.append(replace(result, runs=runs[: self.processes]))
        if results:
            count = sum(len(result.runs) for result in results)
            self.progress.note(f"{units.counted(count, 'run')} taken from {self.path}: --fresh measures again")
        return replace(kept, results=results) if results else None

    def _threads(self, known: BenchRecord | None) -> tuple[int, ...]:
        """What was asked for; else one, and as soon as a run told of them all cores that it may use."""
        if self.threads or not self.device.timed or known is None or not known.results:
            return self.threads or (1,)
        usable = known.results[0].runs[0].affinity
        return tuple(dict.fromkeys((1, len(usable) if usable else known.machine.cores)))

    def _lacking(self, workloads: Sequence[Workload], number: int) -> Iterator[tuple[int, list[Workload]]]:
        """Threads, and the workloads that have fewer than `number` runs on so many."""
        done = {_key(each): len(each.runs) for each in (self._kept.results if self._kept else ())}
        running = [each for each in workloads if each.name not in self._failed]
        threads = self._threads(self._kept)
        for count in sorted({*threads, *(_threads_of(each, 1) for each in running)}):
            these = [each for each in running if count in {_threads_of(each, asked) for asked in threads}]
            lacking = [each for each in these if done.get((each.name, count), 0) < number]
            if lacking:
                yield count, lacking

    def _round(self, threads: int, workloads: list[Workload], number: int) -> None:
        """Measure each once. A board gets all of them at once, unless one of them fails: then each by itself."""
        at_once = self.device.name in config.remote_boards()
        for part in [workloads] if at_once else [[each] for each in workloads]:
            what = part[0].name if len(part) == 1 else f"{len(part)} bundles"
            self._say(f"{what}, {units.counted(threads, 'thread')}, process {number} of {self.processes}")
            try:
                self._keep(self._measured(part, replace(self.settings, threads=threads)))
            except CANNOT_RUN as error:
                if len(part) == 1:
                    self._failed[part[0].name] = Excluded(part[0].name, str(error))
                    continue
                for each in part:
                    self._round(threads, [each], number)

    def _say(self, line: str) -> None:
        self.progress.step(self.device.name, line, 0, None)

    def _measured(self, workloads: list[Workload], settings: Settings) -> BenchRecord:
        """One run of each; where there are no times, instructions are counted."""
        count = None if self.device.timed else self.device.count
        return run.bench(Plan(workloads, settings, 1, self.device, count=count), say=self._say)

    def _keep(self, measured: BenchRecord) -> None:
        """Add what was measured to the file; raises KeyboardInterrupt if that was cut short."""
        same = self._kept is not None and self._kept.machine.fingerprint == measured.machine.fingerprint
        kept = self._kept if same and self._kept is not None else replace(measured, results=[])
        results = {_key(result): result for result in kept.results}
        for result in measured.results:
            earlier = results[_key(result)].runs if _key(result) in results else []
            results[_key(result)] = replace(result, runs=[*earlier, *result.runs])
        self._kept = replace(measured, results=list(results.values()), versions={**kept.versions, **measured.versions})
        records.write(self.path, self._kept)
        if measured.interrupted:
            raise KeyboardInterrupt


def _threads_of(workload: Workload, asked: int) -> int:
    """How many threads run it where so many are asked for: some engines know one only."""
    bundle = workload.bundle
    return 1 if bundle is not None and engines.ENGINES[bundle.manifest.format].one_thread else asked


def _key(result: Result) -> tuple[str, int]:
    return result.bundle, result.settings.threads
