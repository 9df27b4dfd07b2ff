"""From per-process medians and static metrics to ok, regressed or inconclusive; pure.

Latency is a regression if, in a first round and in one that confirms it, HEAD is slower than BASE (p of at most
alpha) and by more than the limit: the threshold or, if that is larger, the noise floor that two equal copies
show. It is fine if HEAD is shown to be slower by less than the threshold, and the floor is below it too. All
else is inconclusive: too few processes or too much noise never pass for an answer.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from functools import partial
from math import expm1, log
from statistics import median
from typing import Literal

import numpy as np

from edgefer.gate.permutation import Block, Comparison
from edgefer.gate.static_metrics import Change
from edgefer.runtime import units

Role = Literal["base", "head", "control"]
Outcome = Literal["ok", "regressed", "inconclusive"]
State = Literal["within", "slower", "open"]
MOST = 0.9  # of processes, when there are no blocks that cancel the drift
CHANCE = 0.95  # the floor: two equal copies differ by less in 19 of 20 rounds


@dataclass(frozen=True)
class Process:
    """A fresh process: its part, its block (those of one ran close together), its median, in seconds per frame."""

    role: Role
    block: int
    seconds: float


@dataclass(frozen=True)
class Thresholds:
    """What may change: latency as a share (0.05 is 5 %), static metrics in percent or points.

    `alpha` is the level of every look at the latency, and one-sided.
    """

    latency: float = 0.05
    exact: float = 0.0
    alpha: float = 0.01


@dataclass(frozen=True)
class Estimate:
    """One round: medians in seconds, shares for the rest (0.05 is 5 % slower); None where the processes can't tell.

    low, high  bounds of the effect, each at the level alpha
    p          against "not slower"
    floor      how far apart two equal copies are
    """

    base: float
    head: float
    effect: float
    low: float | None
    high: float | None
    p: float
    floor: float | None
    processes: int
    state: State


@dataclass(frozen=True)
class Verdict:
    """One bundle's answer; `line` says what moved, by how much, how sure.

    rounds     none, one or two, with their processes; estimates, what each of them tells
    changes    static metrics that differ; None: there was nothing to compare with
    """

    name: str
    outcome: Outcome
    line: str
    rounds: list[list[Process]]
    estimates: list[Estimate]
    changes: list[Change] | None
    notes: list[str]


def judge(
    name: str,
    rounds: Sequence[Sequence[Process]],
    changes: Sequence[Change],
    thresholds: Thresholds,
    recorded: bool = False,
    notes: Sequence[str] = (),
    invalid: str | None = None,
) -> Verdict:
    """The verdict on a bundle; without rounds it rests on the static metrics alone.

    `recorded`: BASE's processes are those of an earlier day, see `estimate`. `invalid`: why processes did not count.
    """
    estimates = [estimate(processes, thresholds, recorded) for processes in rounds]
    worse = [change for change in changes if change.worse]
    outcome = _outcome([each.state for each in estimates], bool(worse))
    if invalid is not None and outcome == "ok":
        outcome = "inconclusive"
    parts = [_latency(estimates, thresholds)] if estimates else ["latency not compared"]
    if invalid is not None:
        parts = [invalid, *(parts if estimates else [])]
    parts[:0] = [change.text for change in worse]
    if not changes:
        parts.append("static metrics equal")
    elif not worse:
        parts.append(f"static metrics not worse ({', '.join(change.text for change in changes)})")
    line = f"{name}: {outcome}: {'; '.join(parts)}"
    return Verdict(name, outcome, line, [list(each) for each in rounds], estimates, list(changes), list(notes))


def missing(name: str) -> Verdict:
    """The verdict on a bundle that BASE has and HEAD has not."""
    return Verdict(name, "regressed", f"{name}: regressed: HEAD has no such bundle", [], [], None, [])


def added(name: str) -> Verdict:
    """The verdict on a bundle that only HEAD has."""
    return Verdict(name, "ok", f"{name}: ok: new, BASE has no such bundle", [], [], None, [])


def _outcome(states: Sequence[State], worse: bool) -> Outcome:
    if worse or list(states) == ["slower", "slower"]:
        return "regressed"
    return "ok" if all(state == "within" for state in states) else "inconclusive"


def overall(outcomes: Sequence[Outcome]) -> Outcome:
    """The worst: regressed before inconclusive before ok."""
    return next((each for each in ("regressed", "inconclusive") if each in outcomes), "ok")


def estimate(processes: Sequence[Process], thresholds: Thresholds, recorded: bool = False) -> Estimate:
    """What one round tells. The control is a copy of BASE, and counts as BASE too.

    `recorded`: BASE was measured on another day, the control is a copy of HEAD. No block holds both sides
    then, so nothing cancels the machine's drift: the floor is at least each side's own spread. Raises
    ValueError if a side has no process.
    """
    of_base: set[Role] = {"base"} if recorded else {"base", "control"}
    of_head: set[Role] = {"head", "control"} if recorded else {"head"}
    compared = Comparison(_blocks(processes, of_head, together=recorded))
    floor = _floor(processes, recorded)
    base, head = (_seconds(processes, side) for side in (of_base, of_head))
    round_ = partial(Estimate, base=base, head=head, floor=floor, processes=len(processes))
    if not compared.can_reject(thresholds.alpha):
        return round_(effect=head / base - 1, low=None, high=None, p=1.0, state="open")
    effect, p = expm1(compared.effect), compared.p_above(0.0)
    low, high = _share(compared.low(thresholds.alpha)), _share(compared.high(thresholds.alpha))
    return round_(effect=effect, low=low, high=high, p=p, state=_state(effect, high, p, floor, thresholds))


def _state(effect: float, high: float | None, p: float, floor: float | None, thresholds: Thresholds) -> State:
    if floor is None:
        return "open"
    if p <= thresholds.alpha and effect > max(thresholds.latency, floor):
        return "slower"
    # A floor above the threshold hides what the threshold forbids, however narrow the interval came out.
    return "within" if high is not None and max(high, floor) < thresholds.latency else "open"


def _seconds(processes: Sequence[Process], roles: Set[Role]) -> float:
    seconds = [each.seconds for each in processes if each.role in roles]
    if not seconds:
        raise ValueError(f"no process of {' or '.join(sorted(roles))}")
    return median(seconds)


def _spread(processes: Sequence[Process], roles: Set[Role]) -> float:
    """What most processes are within of their median, as a difference of logarithms."""
    logs = [log(each.seconds) for each in processes if each.role in roles]
    return float(np.quantile([abs(each - median(logs)) for each in logs], MOST))


def _share(difference: float | None) -> float | None:
    return None if difference is None else expm1(difference)


def _blocks(processes: Sequence[Process], treated: Set[Role], together: bool = False) -> list[Block]:
    """By their own blocks, or all together in one."""
    members: dict[int, tuple[list[float], list[float]]] = {}
    for each in processes:
        sides = members.setdefault(0 if together else each.block, ([], []))
        sides[each.role not in treated].append(log(each.seconds))
    return [Block(*sides) for _, sides in sorted(members.items())]


def _floor(processes: Sequence[Process], recorded: bool) -> float | None:
    """What the control shows, or would by chance; None if there are too few of it to say."""
    outside: Role = "base" if recorded else "head"
    compared = Comparison(_blocks([each for each in processes if each.role != outside], {"control"}))
    if not compared.can_reject(1 - CHANCE):
        return None
    floor = max(abs(compared.effect), compared.chance(CHANCE))
    if recorded:
        floor = max(floor, _spread(processes, {"head", "control"}), _spread(processes, {"base"}))
    return expm1(floor)


def _latency(estimates: Sequence[Estimate], thresholds: Thresholds) -> str:
    last = estimates[-1]
    moved = f"latency {_signed(last.effect)} ({units.seconds(last.base)} -> {units.seconds(last.head)})"
    floor = "noise floor unknown" if last.floor is None else f"noise floor {units.percent(100 * last.floor)}"
    limit = f"limit {_signed(thresholds.latency)}"
    sure = f"{100 * (1 - thresholds.alpha):g} % sure"
    if last.state == "within" and len(estimates) == 1:
        return f"{moved}, {sure} that below {_signed(last.high)}; {floor}, {limit}"
    if last.low is None and last.high is None:
        return f"{moved}; {floor}, {limit}: {last.processes} processes are too few to tell"
    p = " and ".join(f"{each.p:.2g}" for each in estimates)
    interval = f"between {_signed(last.low)} and {_signed(last.high)}"
    if [each.state for each in estimates] == ["slower", "slower"]:
        return f"{moved}, {interval}, p = {p} in two rounds; {floor}, {limit}"
    return f"{moved}, {interval}, p = {p}; {floor}, {limit}: {_doubt(estimates, thresholds)}"


def _doubt(estimates: Sequence[Estimate], thresholds: Thresholds) -> str:
    last = estimates[-1]
    if len(estimates) == 2:
        return "the second round does not confirm the first"
    if last.floor is not None and last.floor >= thresholds.latency:
        return f"equal copies differ as much on this machine, after {last.processes} processes"
    return f"neither clearly below the limit nor above it, after {last.processes} processes"


def _signed(share: float | None) -> str:
    return "unknown" if share is None else f"{100 * share:+.1f} %"
