"""Verdicts on simulated processes: when it says regressed, when ok, and when it keeps out of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgefer.gate import static_metrics
from edgefer.gate.static_metrics import Figures
from edgefer.gate.verdict import Outcome, Process, Role, Thresholds, Verdict, estimate, judge, overall
from tests.gate.made import FRAME, round_of

LIMITS = Thresholds()
SWAPPED: dict[Role, Role] = {"base": "head", "head": "base"}


def gated(slower: float, size: float, seed: int, blocks: int = 4) -> Verdict:
    """A gate of one look: a second round only if the first says slower."""
    rounds = [round_of(blocks, slower, size, 2 * seed)]
    if estimate(rounds[0], LIMITS).state == "slower":
        rounds.append(round_of(blocks, slower, size, 2 * seed + 1))
    return judge("ean.x", rounds, [], LIMITS)


def outcomes(slower: float, size: float, blocks: int = 4, times: int = 25) -> Counter[str]:
    return Counter(gated(slower, size, seed, blocks).outcome for seed in range(times))


@pytest.mark.parametrize("size", [0.01, 0.03, 0.1])
def test_equal_ones_raise_no_alarm(size: float) -> None:
    assert outcomes(0.0, size)["regressed"] <= 1


def test_equal_ones_are_ok_where_it_is_quiet() -> None:
    assert outcomes(0.0, 0.01)["ok"] >= 24


def test_fifteen_percent_regress_where_it_is_quiet() -> None:
    assert outcomes(0.15, 0.01)["regressed"] == 25


@pytest.mark.parametrize(("size", "least"), [(0.03, 23), (0.1, 0), (0.3, 0)])
def test_fifteen_percent_are_never_ok(size: float, least: int) -> None:
    found = outcomes(0.15, size, blocks=6)
    assert found["ok"] == 0
    assert found["regressed"] >= least


def test_noise_that_hides_the_limit_is_inconclusive() -> None:
    found = gated(0.0, 0.3, 0)
    assert found.outcome == "inconclusive"
    assert "equal copies differ as much on this machine" in found.line


def test_a_control_that_strays_is_inconclusive_though_head_is_fine() -> None:
    there = [
        replace(each, seconds=each.seconds * 1.2) if each.role == "control" else each
        for each in round_of(6, 0.0, 0.005, 0)
    ]
    assert judge("ean.x", [there], [], LIMITS).outcome == "inconclusive"


@pytest.mark.parametrize("slower", [0.0, 0.15, 9.0])
def test_few_processes_are_inconclusive(slower: float) -> None:
    found = judge("ean.x", [round_of(1, slower, 0.01, 0)], [], LIMITS)
    assert found.outcome == "inconclusive"
    assert "6 processes are too few to tell" in found.line
    assert found.estimates[0].p == 1.0


def test_no_process_at_all_is_an_error() -> None:
    with pytest.raises(ValueError, match="no process of head"):
        estimate([Process("base", 0, FRAME)], LIMITS)


def test_no_control_is_inconclusive() -> None:
    there = [each for each in round_of(6, 0.0, 0.005, 0) if each.role != "control"]
    found = estimate(there, LIMITS)
    assert (found.state, found.floor) == ("open", None)


def test_a_lost_process_changes_little() -> None:
    assert estimate(round_of(4, 0.15, 0.01, 0)[1:], LIMITS).state == "slower"


def test_an_unconfirmed_regression_is_inconclusive() -> None:
    found = judge("ean.x", [round_of(4, 0.15, 0.01, 0), round_of(4, 0.0, 0.01, 1)], [], LIMITS)
    assert found.outcome == "inconclusive"
    assert "the second round does not confirm the first" in found.line
    assert judge("ean.x", [round_of(4, 0.15, 0.01, 0)], [], LIMITS).outcome == "inconclusive"


def test_a_faster_one_is_ok() -> None:
    found = gated(-0.2, 0.01, 0)
    assert found.outcome == "ok"
    assert "latency -1" in found.line or "latency -2" in found.line


def test_an_exact_figure_decides_alone() -> None:
    base = Figures(100, 1000, 10, {})
    worse = static_metrics.compare(base, replace(base, macs=1100))
    found = judge("ean.x", [], worse, LIMITS)
    assert found.outcome == "regressed"
    assert found.line == "ean.x: regressed: MACs 1,000 -> 1,100 (+10.0 %); latency not compared"
    assert judge("ean.x", [round_of(4, 0.0, 0.01, 0)], worse, LIMITS).outcome == "regressed"


def test_the_line_says_what_how_much_how_sure() -> None:
    line = gated(0.15, 0.005, 0).line
    for words in (
        "ean.x: regressed: latency +1",
        " -> 1.15 ms",
        "between +1",
        "p = 0.0",
        "in two rounds",
        "noise floor",
    ):
        assert words in line


def test_recorded_processes_are_compared_without_blocks() -> None:
    def processes(slower: float, drift: float = 1.0) -> list[Process]:
        base = [Process("base", -1, FRAME * (1 + 0.002 * n)) for n in range(5)]
        here: list[Role] = ["head", "control", "control", "head"]
        return base + [
            Process(role, block, FRAME * (1 + slower) * drift * (1 + 0.003 * n))
            for block in range(4)
            for n, role in enumerate(here)
        ]

    assert estimate(processes(0.0), LIMITS, recorded=True).state == "within"
    assert estimate(processes(0.15), LIMITS, recorded=True).state == "slower"
    spread = [replace(each, seconds=each.seconds * (1.3 if n == 0 else 1)) for n, each in enumerate(processes(0.15))]
    floor = estimate(spread, LIMITS, recorded=True).floor
    assert floor is not None and floor > 0.1


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.01, 0.05, 0.2]), st.floats(0.01, 0.5), st.floats(-0.1, 0.2))
def test_a_slower_head_never_turns_regressed_into_ok(seed: int, size: float, more: float, slower: float) -> None:
    there = round_of(4, slower, size, seed)
    slowed = [replace(p, seconds=p.seconds * (1 + more)) if p.role == "head" else p for p in there]
    before, after = estimate(there, LIMITS), estimate(slowed, LIMITS)
    assert after.p <= before.p
    if before.state == "slower":
        assert after.state == "slower"
    if before.state != "within":
        assert after.state != "within"


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.01, 0.1]), st.floats(0, 0.5))
def test_a_swap_of_sides_is_no_regression(seed: int, size: float, slower: float) -> None:
    there = [p for p in round_of(4, slower, size, seed) if p.role != "control"]
    # The control is a copy of what is BASE then: its processes, each block's in the other order.
    states = []
    for processes in (there, [replace(p, role=SWAPPED[p.role]) for p in there]):
        control = [replace(p, role="control") for p in reversed(processes) if p.role == "base"]
        states.append(estimate([*processes, *control], LIMITS).state)
    assert states != ["slower", "slower"]


def test_the_worst_outcome_is_that_of_all() -> None:
    three: list[Outcome] = ["ok", "inconclusive", "regressed"]
    assert [overall(three[:n]) for n in range(4)] == ["ok", "ok", "inconclusive", "regressed"]
