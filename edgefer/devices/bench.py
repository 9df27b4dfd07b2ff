"""From the options of a bench to its records, one for each device."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from edgefer.benchmark import workload
from edgefer.benchmark.report import invalid_lines
from edgefer.devices import registry, schedule
from edgefer.devices.schedule import Job, Outcome
from edgefer.runtime import machine, peak
from edgefer.runtime.bench_record import BenchRecord, Settings
from edgefer.runtime.errors import EdgeferError, Throttled, WrongOptions
from edgefer.runtime.progress import SILENT, Progress
from edgefer.runtime.signature import Trust


@dataclass(frozen=True)
class BenchOptions:
    """The options of `edgefer bench`.

    selectors  <arch>.<target>, globs of it, or folders of bundles; none: all bundles in `dist`
    devices    none: this machine's processor; all_devices: every one that is configured
    settings   measured one after the other; `protocol` is the paper's way that they are, if any
    trust      what the signatures of bundles have to be, here, before any is sent to a device
    """

    selectors: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    all_devices: bool = False
    engine: str | None = None
    dist: Path = Path("dist")
    settings: tuple[Settings, ...] = (Settings(),)
    protocol: str | None = None
    processes: int = 3
    instructions: bool = True
    roofline: bool = False
    trust: Trust | None = None

    def check(self) -> None:
        """Raise WrongOptions for what does not go together."""
        if self.all_devices and self.devices:
            raise WrongOptions("--all-devices is every device: leave --device out.")
        if self.processes < 1:
            raise WrongOptions(f"--processes {self.processes} measures nothing: give at least 1.")


def settings(
    threads: int = 1,
    fps: float | None = None,
    batches: tuple[int, ...] = (),
    end_to_end: bool = False,
    samples: int | None = None,
) -> tuple[Settings, ...]:
    """What one run does, for each batch; raises WrongOptions for what does not go together."""
    if fps is not None and batches:
        raise WrongOptions("--fps and --batch exclude each other: give one of them.")
    if batches and end_to_end:
        raise WrongOptions("--end-to-end is one frame at a time: leave --batch out.")
    numbers = [threads, *batches, *([] if samples is None else [samples])]
    if any(number < 1 for number in numbers) or (fps is not None and not fps > 0):
        raise WrongOptions("--threads, --batch and --samples are at least 1, and --fps is above 0.")
    chosen = Settings(threads=threads, scope="end-to-end" if end_to_end else "model")
    if samples is not None:
        chosen = replace(chosen, samples=samples, seconds=None)
    if fps is not None:
        return (replace(chosen, mode="paced", fps=fps),)
    return tuple(replace(chosen, mode="batch", batch=batch) for batch in batches) or (chosen,)


def bench_devices(options: BenchOptions, progress: Progress = SILENT) -> Outcome:
    """Measure on each device; one that fails does not stop the others, but if it is the only one it raises.

    Raises WrongOptions, UnknownName, MissingFile, NotSetUp and NoGpu.
    """
    options.check()
    names = registry.names(options.devices, options.all_devices)
    workloads = tuple(workload.select(options.selectors, options.dist, options.trust))
    for name in names:
        progress.step(name, "waiting for its turn", 0, None)
    jobs = [
        Job(
            device=name,
            engine=options.engine,
            workloads=workloads,
            settings=options.settings,
            processes=options.processes,
            protocol=options.protocol,
            instructions=options.instructions,
        )
        for name in names
    ]
    outcome = schedule.measure(jobs, progress.step)
    if options.roofline and outcome.stopped is None:
        outcome.records = {name: _with_peaks(record, progress) for name, record in outcome.records.items()}
    return outcome


def _with_peaks(record: BenchRecord, progress: Progress) -> BenchRecord:
    """The record with this processor's peak on as many threads as its results have; of another device, why not."""
    if record.device != machine.local_device():
        left_out = [*record.left_out, "roofline: only the peak of this machine's own processor is measured"]
        return replace(record, left_out=left_out)
    progress.step(record.device, "measuring the processor's peak", 0, None)
    threads = sorted({result.settings.threads for result in record.results})
    return replace(record, peaks=[peak.measure(number) for number in threads])


def failures(outcome: Outcome) -> list[EdgeferError]:
    """All that went wrong: devices without a record, and runs that do not count because the device throttled."""
    return [*outcome.failures, *(Throttled(line) for line in invalid_lines(outcome.records.values()))]
