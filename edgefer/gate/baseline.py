"""A bench of another day as BASE: readable, and comparable here or not."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from edgefer.benchmark.instructions import Counted
from edgefer.gate.static_metrics import Count, Figures
from edgefer.gate.verdict import Process
from edgefer.runtime import machine, records, worker
from edgefer.runtime.bench_record import BenchRecord, Machine, Result, Run
from edgefer.runtime.engines import ENGINES

PACKAGES = ("numpy",)  # the engine's own version is in its runs
BLOCK = -1  # none of the blocks of a round
# Of the packages that a worker tells, the engines of each format; numpy is inside all.


def read(path: Path) -> BenchRecord:
    """Open what `edgefer bench --save-baseline` wrote; raises MissingFile or BadRecord."""
    return records.read(BenchRecord, path, f"save one with `edgefer bench --save-baseline {path}`")


def versions() -> dict[str, str]:
    """Of Python and of the packages that move latencies, here."""
    return {"python": sys.version.split()[0]} | machine.package_versions(PACKAGES)


def differences(baseline: BenchRecord, result: Result, machine: Machine, here: dict[str, str], run: Run) -> list[str]:
    """Why the latencies of `result` say nothing here, where `run` was measured; empty if they may be compared."""
    if not result.runs:
        return ["the baseline holds no run of it"]
    then = result.runs[0]
    facts = {
        "the machine": (baseline.machine.fingerprint, machine.fingerprint),
        "the engine": (f"{then.engine} {then.engine_version}", f"{run.engine} {run.engine_version}"),
        "the provider": (then.provider, run.provider),
        "the number of usable cores": (_cores(then), _cores(run)),
    }
    facts |= {name: (baseline.versions.get(name, "none"), version) for name, version in here.items()}
    return [f"{what} was {before}, here it is {now}" for what, (before, now) in facts.items() if before != now]


def _cores(run: Run) -> str:
    return "unknown" if run.affinity is None else str(len(run.affinity))


def processes(result: Result) -> list[Process]:
    """The recorded processes."""
    return [Process("base", BLOCK, median(run.samples)) for run in result.runs]


def figures(
    recorded: BenchRecord, result: Result, counted: Mapping[str, Counted], kind: str
) -> tuple[Figures, list[str]]:
    """The recorded static metrics of a bundle of the format `kind`, and a note on what is left out.

    Instructions are comparable if `counted`, of HEAD, is of the same versions: of Python, of the engine, and of what
    edgefer itself does while they are counted.
    """
    device, instructions, notes = recorded.device, result.instructions_per_frame, []
    here = counted.get(device)
    if instructions is not None and here is not None and here.instructions is not None:
        other = _other(recorded.versions, here.versions, kind)
        notes = [f"instructions per frame on {device} not compared: {'; '.join(other)}"] if other else []
    counts = {} if instructions is None or notes else {device: Count(instructions, result.instructions_spread)}
    recorded_figures = Figures(
        model_bytes=result.model_bytes,
        macs=result.macs,
        parameters=result.parameters,
        operators=result.operators,
        instructions=counts,
    )
    return recorded_figures, notes


def _other(then: Mapping[str, str], now: Mapping[str, str], kind: str) -> list[str]:
    """What was another one when the baseline was counted."""
    foreign = set(worker.PACKAGES) - set(ENGINES[kind].reported) - {"numpy"}
    # Only a device that is an emulator tells its QEMU with every answer.
    relevant = sorted((then.keys() | now.keys()) - foreign - ({"qemu"} if "qemu" not in then else set()))
    pairs = {name: (then.get(name, "none"), now.get(name, "none")) for name in relevant}
    return [f"{name} was {before}, here it is {after}" for name, (before, after) in pairs.items() if before != after]
