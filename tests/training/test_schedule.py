"""Learning rates and the ends of rounds, from what has been."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefer.runtime.records import Epoch
from edgefer.training import schedule
from edgefer.training.recipes import Recipe

BASE = Recipe("base", epochs=10, lr=0.2, warmup=2)


def curve(*accuracies: float, loss: float = 1.0, number: int = 0, after: int = 0) -> list[Epoch]:
    return [Epoch(after + k + 1, 0.1, loss, 0.0, a, 1.0, number) for k, a in enumerate(accuracies)]


@pytest.mark.parametrize("name", ["cosine", "linear"])
def test_rate_warms_up_and_falls_to_zero(name: str) -> None:
    recipe = replace(BASE, schedule=name)
    rates = [schedule.rate(recipe, curve(*[0] * (k // 10)), 0, (k % 10 + 1) / 10) for k in range(100)]
    assert rates[0] == pytest.approx(0.01)
    assert max(rates) == rates[19] == pytest.approx(0.2)
    assert rates[:20] == sorted(rates[:20]) and rates[19:] == sorted(rates[19:], reverse=True)
    assert rates[-1] == pytest.approx(0.0, abs=1e-9)


def test_plateau_falls_by_a_tenth_where_the_loss_did_not() -> None:
    recipe = replace(BASE, schedule="plateau", warmup=0)
    losses = [1.0, 0.9, 0.95, 0.9, 0.8]  # the third and the fourth brought nothing new
    done = [replace(epoch, loss=loss) for epoch, loss in zip(curve(*[0] * 5), losses, strict=True)]
    assert [schedule.rate(recipe, done[:k], 0, 0.5) for k in range(6)] == pytest.approx(
        [0.2, 0.2, 0.2, 0.18, 0.162, 0.162]
    )


def test_later_rounds_have_their_own_rate_and_length() -> None:
    recipe = replace(BASE, rounds=1, round_epochs=4, round_lr=0.05, schedule="linear")
    assert schedule.rate(recipe, [], 1, 1.0) == pytest.approx(0.025)
    assert schedule.rate(recipe, curve(0, 0, 0, number=1), 1, 1.0) == pytest.approx(0.0)
    assert recipe.most_epochs == 14


def test_round_ends_when_it_brings_nothing_better() -> None:
    recipe = replace(BASE, patience=3)
    assert not schedule.round_over(recipe, curve(50, 60, 59, 58), 0)
    assert schedule.round_over(recipe, curve(50, 60, 59, 58, 60), 0)
    assert schedule.round_over(recipe, curve(*range(10)), 0)
    assert not schedule.round_over(recipe, [], 0)


def test_training_ends_after_a_round_that_was_no_better() -> None:
    recipe = replace(BASE, epochs=2, rounds=3, round_epochs=2)
    first = curve(50, 60)
    assert not schedule.over(recipe, first, 0)
    better = first + curve(55, 61, number=1, after=2)
    assert not schedule.over(recipe, better, 1)
    assert schedule.over(recipe, first + curve(55, 60, number=1, after=2), 1)
    last = better + curve(62, 63, number=2, after=4) + curve(64, 65, number=3, after=6)
    assert schedule.over(recipe, last, 3)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=30))
def test_best_is_the_first_of_the_highest(accuracies: list[float]) -> None:
    assert schedule.best(curve(*accuracies)).epoch == accuracies.index(max(accuracies)) + 1
