"""A bench: every bundle in several fresh processes, in turn, so that a change of the machine is common to all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from edgefer.benchmark.instructions import Counted
from edgefer.benchmark.workload import StaticMetrics, Task, Workload, static_metrics
from edgefer.runtime import __version__, machine, shell
from edgefer.runtime.bench_record import BenchRecord, Result, Run, Settings
from edgefer.runtime.protocol import Answer

Tell = Callable[[str], None]
NOT_ASKED = Counted(None, 0, "not asked for")
CUT_SHORT = Counted(None, 0, "interrupted before they were counted")


class Device(Protocol):
    """What measures: a machine that does tasks. The package devices has one for each kind.

    name      stands before a bundle's: rpi4/ean.tflite-int8
    timed     whether its times mean anything; those of an emulator don't, and its answers hold none
    left_out  after `expand`: what it can't measure of what was asked for, and why
    """

    name: str
    timed: bool
    left_out: list[str]

    def answers(self, tasks: Sequence[Task], say: Tell) -> Iterator[Answer]:
        """One for each task, in order, as they come; raises the failure that an answer tells of.

        `say` hears what is going on besides: waiting for an idle board, a lost connection.
        """

    def count(self, workload: Workload) -> Counted:
        """Instructions per frame, or why there are none."""

    def expand(self, workloads: Sequence[Workload]) -> list[Workload]:
        """What is measured there of these: on a GPU one for each way to it.

        Raises NoGpu where there is none, NotSetUp if nothing is left.
        """


@dataclass(frozen=True)
class Plan:
    """What to measure and how: `processes` runs of each workload on the device.

    `count` is instructions.count, or None: don't.
    """

    workloads: Sequence[Workload]
    settings: Settings
    processes: int
    device: Device
    protocol: str | None = None
    count: Callable[[Workload], Counted] | None = None

    @property
    def steps(self) -> int:
        """How often `bench` ticks."""
        return len(self.workloads) * (self.processes + (self.count is not None))


@dataclass
class _Measured:
    """What is there so far, by the workload's place in the plan."""

    answer: Answer | None = None
    runs: dict[int, list[Run]] = field(default_factory=dict)
    counts: dict[int, Counted] = field(default_factory=dict)


def bench(plan: Plan, tick: Tell = lambda _: None, say: Tell = lambda _: None) -> BenchRecord:
    """Measure all workloads; `tick` hears what is done, before it is, `say` what the device tells besides.

    Ctrl-C ends it early: the record holds the runs that were finished, and says so; before the first of
    them KeyboardInterrupt goes on. Raises what the device and static_metrics raise.
    """
    metrics = [static_metrics(workload) for workload in plan.workloads]
    measured, interrupted = _Measured(), False
    try:
        _measure(plan, measured, tick, say)
    except KeyboardInterrupt:
        if not measured.runs:
            raise
        interrupted = True
    return BenchRecord(
        edgefer=__version__,
        commit=commit(),
        device=plan.device.name,
        machine=(measured.answer and measured.answer.machine) or machine.describe(),
        versions=measured.answer.versions if measured.answer else {},
        interrupted=interrupted,
        results=[_result(plan, index, metrics[index], measured) for index in sorted(measured.runs)],
        left_out=list(plan.device.left_out),
    )


def _measure(plan: Plan, measured: _Measured, tick: Tell, say: Tell) -> None:
    turns = [(number, index) for number in range(plan.processes) for index in range(len(plan.workloads))]
    answers = plan.device.answers([Task(plan.workloads[index], plan.settings) for _, index in turns], say)
    for number, index in turns:
        tick(f"{plan.workloads[index].name}, process {number + 1} of {plan.processes}")
        measured.answer = next(answers)
        assert measured.answer.run is not None  # it was not asked to count
        measured.runs.setdefault(index, []).append(measured.answer.run)
    if plan.count is None:
        return
    for index, workload in enumerate(plan.workloads):
        tick(f"{workload.name}, counting instructions")
        measured.counts[index] = plan.count(workload)


def _result(plan: Plan, index: int, metrics: StaticMetrics, measured: _Measured) -> Result:
    counted = measured.counts.get(index, NOT_ASKED if plan.count is None else CUT_SHORT)
    name = plan.workloads[index].name
    return Result(
        id=f"{plan.device.name}/{name}",
        bundle=name,
        bundle_sha256=metrics.bundle_sha256,
        files=metrics.files,
        model_bytes=metrics.model_bytes,
        parameters=metrics.parameters,
        macs=metrics.macs,
        operators=metrics.operators,
        tensors=metrics.tensors,
        instructions_per_frame=counted.instructions,
        instructions_reason=counted.reason,
        settings=plan.settings,
        protocol=plan.protocol,
        runs=measured.runs[index],
        instructions_spread=counted.spread,
    )


def commit() -> str | None:
    """The commit of the checkout that this edgefer lies in; None if it lies in none."""
    top = Path(__file__).parents[2]
    if not (top / ".git").exists():  # a wheel may lie in a virtual environment within another checkout
        return None
    return shell.run_or_none(["git", "-C", str(top), "rev-parse", "HEAD"])
