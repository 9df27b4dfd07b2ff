"""The test behind the gate: it holds its level, whatever the noise."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgefer.gate.permutation import Block, Comparison

numbers = st.floats(-1, 1, allow_nan=False).map(lambda x: round(x, 3))
sides = st.lists(numbers, min_size=1, max_size=5)
blocks = st.lists(st.builds(Block, sides, sides), min_size=1, max_size=4)


def drawn(random: np.random.Generator, count: int, effect: float) -> list[Block]:
    """Blocks of two treated and four others with heavy tails, each block at a level of its own."""
    values = random.standard_t(2, (count, 6)) * 0.02 + random.normal(0, 0.2, (count, 1))
    return [Block([float(v) + effect for v in row[:2]], [float(v) for v in row[2:]]) for row in values]


@pytest.mark.parametrize("alpha", [0.01, 0.05])
def test_false_alarms_are_as_rare_as_asked_for(alpha: float) -> None:
    random, times = np.random.default_rng(0), 600
    alarms = sum(Comparison(drawn(random, 4, 0.0), 199).p_above(0.0) <= alpha for _ in range(times))
    assert alarms / times <= alpha + 3 * (alpha * (1 - alpha) / times) ** 0.5


def test_sees_what_is_there_through_any_drift() -> None:
    random = np.random.default_rng(1)
    found = [Comparison(drawn(random, 4, 0.14), 199) for _ in range(50)]
    assert sum(each.p_above(0.0) <= 0.01 for each in found) >= 48
    assert abs(float(np.median([each.effect for each in found])) - 0.14) < 0.01


def test_interval_holds_the_effect_as_often_as_it_says() -> None:
    random, alpha, missed = np.random.default_rng(2), 0.05, 0
    for _ in range(100):
        found = Comparison(drawn(random, 4, 0.1), 199)
        low, high = found.low(alpha), found.high(alpha)
        assert low is not None and high is not None and low <= found.effect <= high
        missed += not low <= 0.1 <= high
    assert missed <= 20  # 10 are expected


def test_unequal_counts_are_one_block() -> None:
    found = Comparison([Block([0.5, 0.6, 0.7], [0.0, 0.1, 0.2, 0.3, 0.4])])
    assert found.arrangements == comb(8, 3)
    assert found.effect == pytest.approx(0.4)
    assert found.p_above(0.0) == pytest.approx(1 / 56, abs=0.01)


@pytest.mark.parametrize("given_blocks", [[], [Block([1.0], [])], [Block([1.0, 1.1], [0.0, 0.1])]])
def test_too_few_can_reject_nothing(given_blocks: list[Block]) -> None:
    assert not Comparison(given_blocks).can_reject(0.01)


def test_equal_values_are_no_effect() -> None:
    assert Comparison([Block([0.0] * 4, [0.0] * 4)], 199).p_above(0.0) == 1.0


@settings(max_examples=60, deadline=None)
@given(blocks, st.floats(0.001, 1))
def test_more_of_an_effect_is_never_less_evidence(there: list[Block], more: float) -> None:
    raised = [Block([value + more for value in block.treated], block.others) for block in there]
    before, after = Comparison(there, 99), Comparison(raised, 99)
    assert after.effect == pytest.approx(before.effect + more, abs=1e-5)
    assert after.p_above(0.0) <= before.p_above(0.0)
    assert after.p_below(0.05) >= before.p_below(0.05)


@settings(max_examples=60, deadline=None)
@given(blocks)
def test_both_sides_are_never_above_each_other(there: list[Block]) -> None:
    swapped = [Block(block.others, block.treated) for block in there]
    assert max(Comparison(each, 99).p_above(0.0) for each in (there, swapped)) > 0.05
