"""Processes of BASE, HEAD and a control in turn, until they tell or the budget is spent."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import permutations
from math import ceil
from pathlib import Path
from random import Random
from statistics import median

from edgefer.gate.verdict import Estimate, Process, Role, Thresholds, estimate
from edgefer.runtime.bench_record import Run, Settings, WarningKind
from edgefer.runtime.bundle import Bundle

Measure = Callable[[Bundle, Settings], Run]
Tick = Callable[[str], None]
# Long enough to tell how busy the machine was; more processes tell more than longer ones.
SETTINGS = Settings(samples=4000, seconds=0.25)
TRIES = 3  # of a process whose times are not the machine's
STEP = 2  # blocks between two looks
SEED = 0
_DISTURBED = (WarningKind.BUSY, WarningKind.THROTTLED)


@dataclass(frozen=True)
class Effort:
    """Processes of a round: before the first look, and at most."""

    first: int = 24
    budget: int = 72


@dataclass(frozen=True)
class Plan:
    """One bundle's latency: the bundles by role, and how to measure them.

    `recorded` are BASE's processes of another day; the roles are then head and control.
    """

    name: str
    bundles: Mapping[Role, Bundle]
    settings: Settings
    effort: Effort
    thresholds: Thresholds
    recorded: Sequence[Process] = ()


@dataclass
class Rounds:
    """The rounds so far, and how many processes ran while the machine was busy or throttled.

    invalid is why the times of a process were not the machine's, whenever it was tried; latency was given up then.
    """

    rounds: list[list[Process]] = field(default_factory=list)
    disturbed: Counter[str] = field(default_factory=Counter)
    invalid: str | None = None

    def notes(self) -> list[str]:
        """A line for each kind of disturbance."""
        count = sum(map(len, self.rounds))
        return [
            f"{times} of {count} processes ran on a machine that was {kind}" for kind, times in self.disturbed.items()
        ]


def measure_rounds(plan: Plan, measure: Measure, tick: Tick) -> Rounds:
    """A round, and one that confirms it if it says that HEAD is slower; raises what `measure` raises."""
    measured = Rounds()
    try:
        if _round(plan, measure, tick, measured).state == "slower":
            tick(f"{plan.name}: slower, measuring again")
            _round(plan, measure, tick, measured)
    except _InvalidRun as stop:
        measured.rounds.pop()  # some of its blocks are not whole
        measured.invalid = str(stop)
    return measured


class _InvalidRun(Exception):
    """A process whose times are not the machine's, however often it is tried."""


def _valid_run(measure: Measure, bundle: Bundle, settings: Settings) -> Run:
    """A process's run, tried again where it does not count; raises _InvalidRun."""
    for _ in range(TRIES):
        run = measure(bundle, settings)
        if not run.invalid:
            return run
    raise _InvalidRun(str(run.invalid[0]))


def order(roles: Sequence[Role], block: int) -> list[Role]:
    """A block: every role once, and once more backwards (A B B A), so that a steady drift cancels.

    Which role is first changes from block to block.
    """
    ways = list(permutations(roles))
    Random(SEED).shuffle(ways)
    there = ways[block % len(ways)]
    return [*there, *reversed(there)]


def _round(plan: Plan, measure: Measure, tick: Tick, measured: Rounds) -> Estimate:
    processes = list(plan.recorded)
    measured.rounds.append(processes)
    roles = list(plan.bundles)
    first, last = (max(2, ceil(count / (2 * len(roles)))) for count in (plan.effort.first, plan.effort.budget))
    looks = {*range(first, last, STEP), last}
    for block in range(last):
        for role in order(roles, block):
            tick(f"{plan.name}: process {len(processes) - len(plan.recorded) + 1}, {role}")
            run = _valid_run(measure, plan.bundles[role], plan.settings)
            processes.append(Process(role, block, median(run.samples)))
            measured.disturbed.update({warning.kind for warning in run.warnings if warning.kind in _DISTURBED})
        if block + 1 in looks:
            current = estimate(processes, plan.thresholds, bool(plan.recorded))
            if current.state != "open":
                break
    return current


@contextmanager
def copies(originals: Mapping[Role, Bundle]) -> Iterator[dict[Role, Bundle]]:
    """Each bundle in a folder of its own, all on one disk with paths of one length: those move latencies too."""
    with tempfile.TemporaryDirectory(prefix="edgefer-gate-") as temporary:
        copied: dict[Role, Bundle] = {}
        for letter, (role, bundle) in zip("abc", originals.items(), strict=False):
            folder = Path(shutil.copytree(bundle.folder, Path(temporary) / letter / "bundle"))
            copied[role] = replace(bundle, folder=folder)
        yield copied
