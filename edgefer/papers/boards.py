"""Counting what a frame of a table's networks costs on an emulated board: in one record for each board, which grows."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from edgefer.arch import get_arch
from edgefer.benchmark.instructions import Counted
from edgefer.benchmark.run import Device, Plan, bench
from edgefer.benchmark.workload import Workload, open_workload
from edgefer.papers import measure
from edgefer.papers.deployment_columns import COUNTED
from edgefer.papers.measure import MeasureOptions, merge_runs
from edgefer.papers.paper_files import tables
from edgefer.runtime import records
from edgefer.runtime.bench_record import BenchRecord, Result, Settings
from edgefer.runtime.errors import BadRecord
from edgefer.runtime.progress import Progress

# How much longer two counts take than a first run, which is a seventh of the inferences and without a plugin.
_LONGER = 10


def record_name(device: str) -> str:
    """The file that a board's counts go to."""
    return f"tables-{device}.json"


def networks(names: Sequence[str]) -> list[str]:
    """The networks of the tables, each once."""
    return list(dict.fromkeys(row.arch for name in names for row in tables()[name][1].rows if row.arch))


def count(
    names: Sequence[str],
    options: MeasureOptions,
    result: Path,
    device: Device,
    progress: Progress,
    out: Path | None = None,
) -> None:
    """Count what of the tables' networks is not in the file `result` yet; each is written as soon as it is known.

    `out` holds the bundles. Raises BadRecord where the record is of other versions of what runs on the board, what
    build_bundle raises, and KeyboardInterrupt.
    """
    record = records.read(BenchRecord, result) if result.is_file() and not options.again else None
    bundles = [(network, target) for network in networks(names) for target in COUNTED]
    for done, (network, target) in enumerate(bundles):
        say = partial(_say, progress, device.name, done, len(bundles))
        workload = open_workload(measure.table_bundle(get_arch(network), target, out or measure.bundles_folder(), say))
        if _is_counted(record, workload):
            continue
        say(f"counting {workload.name}")
        guard = _Guard(device.count, options.minutes)
        new = bench(Plan([workload], Settings(), 1, device, count=guard.count))
        record = merge_runs(_of_same(record, new, result), new, [], [])
        records.write(result, record)
        if new.interrupted:
            raise KeyboardInterrupt


def _say(progress: Progress, device: str, done: int, total: int, what: str) -> None:
    progress.step(device, what, done, total)


@dataclass
class _Guard:
    """Counts unless the run before, which needs no plugin, foretells more than so many minutes."""

    counting: Callable[[Workload], Counted]
    minutes: float
    began: float = field(init=False)

    def __post_init__(self) -> None:
        self.began = emulating()

    def count(self, workload: Workload) -> Counted:
        """The count, or that it would take too long."""
        minutes = _LONGER * (emulating() - self.began) / 60
        if minutes > self.minutes:
            return Counted(None, 0, f"not counted: it would take about {minutes:.0f} min, more than {self.minutes:g}")
        return self.counting(workload)


def emulating() -> float:
    """Seconds of processor that emulators took: what else the machine does is no reason to leave a bundle out."""
    times = os.times()
    return times.children_user + times.children_system


def _is_counted(record: BenchRecord | None, workload: Workload) -> bool:
    assert workload.bundle is not None
    results = record.results if record else []
    return any(_same_files(result, workload.name, workload.bundle.sha256) for result in results)


def _same_files(result: Result, bundle: str, checksum: str) -> bool:
    counted = result.instructions_per_frame is not None
    return counted and (result.bundle, result.bundle_sha256) == (bundle, checksum)


def _of_same(old: BenchRecord | None, new: BenchRecord, path: Path) -> BenchRecord | None:
    """The old record, if its counts compare with the new ones."""
    if old is not None and old.versions != new.versions:
        differ = ", ".join(key for key in new.versions if old.versions.get(key) != new.versions[key])
        raise BadRecord(f"{path} is of other versions ({differ}): give another --results folder, or --again.")
    return old
