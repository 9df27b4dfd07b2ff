"""A bench: every bundle in several fresh processes, the bundles in turn, so that all share the machine's moods."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgefer.benchmark import static_metrics
from edgefer.benchmark.instructions import Counted
from edgefer.benchmark.selection import Subject
from edgefer.benchmark.static_metrics import Exact
from edgefer.devices.device import Place, here
from edgefer.runtime import __version__, client, machine, shell
from edgefer.runtime.bench_record import SCHEMA, BenchRecord, Result, Run, Settings
from edgefer.runtime.protocol import Answer

Tell = Callable[[str], None]
NOT_ASKED = Counted(None, 0, "not asked for")
CUT_SHORT = Counted(None, 0, "interrupted before they were counted")


@dataclass(frozen=True)
class Plan:
    """What to measure and how: `processes` runs of each subject.

    `count` is instructions.count, or None: don't.
    """

    subjects: Sequence[Subject]
    settings: Settings
    processes: int = 3
    place: Place = field(default_factory=here)
    protocol: str | None = None
    count: Callable[[Subject], Counted] | None = None

    @property
    def steps(self) -> int:
        """How often `bench` ticks."""
        return len(self.subjects) * (self.processes + (self.count is not None))


@dataclass
class _Taken:
    """What is there so far."""

    answer: Answer | None = None
    runs: dict[Subject, list[Run]] = field(default_factory=dict)
    counts: dict[Subject, Counted] = field(default_factory=dict)


def bench(plan: Plan, tick: Tell = lambda _: None, say: Tell = lambda _: None) -> BenchRecord:
    """Measure all subjects; `tick` hears what is done, before it is, `say` what the place tells besides.

    Ctrl-C ends it early: the record holds the runs that were finished, and says so; before the first of
    them KeyboardInterrupt goes on. Raises what the place and read_bundle raise.
    """
    facts = {subject: static_metrics.read(subject) for subject in plan.subjects}
    taken, interrupted = _Taken(), False
    try:
        _take(plan, taken, tick, say)
    except KeyboardInterrupt:
        if not taken.runs:
            raise
        interrupted = True
    return BenchRecord(
        schema=SCHEMA,
        edgefer=__version__,
        commit=commit(),
        device=plan.place.name,
        machine=(taken.answer and taken.answer.machine) or machine.describe(),
        versions=taken.answer.versions if taken.answer else {},
        interrupted=interrupted,
        results=[_result(plan, facts[s], taken, s) for s in plan.subjects if s in taken.runs],
        left_out=list(plan.place.left_out),
    )


def _take(plan: Plan, taken: _Taken, tick: Tell, say: Tell) -> None:
    turns = [(number, subject) for number in range(plan.processes) for subject in plan.subjects]
    answers = plan.place.answers([client.request(subject, plan.settings) for _, subject in turns], say)
    for number, subject in turns:
        tick(f"{subject.name}, process {number + 1} of {plan.processes}")
        taken.answer = next(answers)
        assert taken.answer.run is not None  # it was not asked to count
        taken.runs.setdefault(subject, []).append(taken.answer.run)
    for subject in plan.subjects if plan.count else ():
        tick(f"{subject.name}, counting instructions")
        assert plan.count is not None
        taken.counts[subject] = plan.count(subject)


def _result(plan: Plan, facts: Exact, taken: _Taken, subject: Subject) -> Result:
    counted = taken.counts.get(subject, NOT_ASKED if plan.count is None else CUT_SHORT)
    return Result(
        id=f"{plan.place.name}/{subject.name}",
        bundle=subject.name,
        bundle_sha256=facts.bundle_sha256,
        files=facts.files,
        model_bytes=facts.model_bytes,
        parameters=facts.parameters,
        macs=facts.macs,
        operators=facts.operators,
        tensors=facts.tensors,
        instructions_per_frame=counted.instructions,
        instructions_reason=counted.reason,
        settings=plan.settings,
        protocol=plan.protocol,
        runs=taken.runs[subject],
        instructions_spread=counted.spread,
    )


def commit() -> str | None:
    """The commit of the checkout that this edgefer lies in; None if it lies in none."""
    top = Path(__file__).parents[2]
    if not (top / ".git").exists():  # a wheel may lie in a virtual environment within another checkout
        return None
    return shell.run_or_none(["git", "-C", str(top), "rev-parse", "HEAD"])
