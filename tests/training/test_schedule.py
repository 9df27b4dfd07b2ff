"""Learning rates, the ends of rounds and the balanced order, from the epochs so far."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefer.runtime.training_record import Epoch
from edgefer.training import schedule
from edgefer.training.recipes import Recipe

BASE = Recipe("base", epochs=10, lr=0.2, warmup=2)


def curve(*accuracies: float, loss: float = 1.0, number: int = 0, after: int = 0) -> list[Epoch]:
    return [Epoch(after + k + 1, 0.1, loss, 0.0, a, 1.0, number) for k, a in enumerate(accuracies)]


@pytest.mark.parametrize("name", ["cosine", "linear"])
def test_rate_warms_up_and_falls_to_zero(name: str) -> None:
    recipe = replace(BASE, schedule=name)
    rates = [schedule.learning_rate(recipe, curve(*[0] * (k // 10)), 0, (k % 10 + 1) / 10) for k in range(100)]
    assert rates[0] == pytest.approx(0.01)
    assert max(rates) == rates[19] == pytest.approx(0.2)
    assert rates[:20] == sorted(rates[:20]) and rates[19:] == sorted(rates[19:], reverse=True)
    assert rates[-1] == pytest.approx(0.0, abs=1e-9)


def test_plateau_falls_by_a_tenth_where_the_loss_did_not() -> None:
    recipe = replace(BASE, schedule="plateau", warmup=0)
    losses = [1.0, 0.9, 0.95, 0.9, 0.8]  # the third and the fourth brought nothing new
    done = [replace(epoch, loss=loss) for epoch, loss in zip(curve(*[0] * 5), losses, strict=True)]
    assert [schedule.learning_rate(recipe, done[:k], 0, 0.5) for k in range(6)] == pytest.approx(
        [0.2, 0.2, 0.2, 0.18, 0.162, 0.162]
    )


def test_later_rounds_have_their_own_rate_and_length() -> None:
    recipe = replace(BASE, rounds=1, round_epochs=4, round_lr=0.05, schedule="linear")
    assert schedule.learning_rate(recipe, [], 1, 1.0) == pytest.approx(0.025)
    assert schedule.learning_rate(recipe, curve(0, 0, 0, number=1), 1, 1.0) == pytest.approx(0.0)
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
    assert not schedule.is_over(recipe, first, 0)
    better = first + curve(55, 61, number=1, after=2)
    assert not schedule.is_over(recipe, better, 1)
    assert schedule.is_over(recipe, first + curve(55, 60, number=1, after=2), 1)
    last = better + curve(62, 63, number=2, after=4) + curve(64, 65, number=3, after=6)
    assert schedule.is_over(recipe, last, 3)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=30))
def test_best_is_the_first_of_the_highest(accuracies: list[float]) -> None:
    assert schedule.best_epoch(curve(*accuracies)).epoch == accuracies.index(max(accuracies)) + 1


_AFFECTNET = (74_874, 134_415, 25_459, 14_090, 6_378, 3_803, 24_882)


@given(st.lists(st.integers(0, 7), max_size=300), st.integers(0, 2**31), st.integers(0, 1000))
def test_it_is_rows_of_the_set_and_depends_on_its_arguments_only(labels: list[int], seed: int, epoch: int) -> None:
    known = np.array(labels, dtype=np.int64)
    order = schedule.balanced_order(known, seed, epoch)
    assert order.dtype == np.int64 and len(order) == len(labels)
    assert ((order >= 0) & (order < max(1, len(labels)))).all()
    assert (order == schedule.balanced_order(known, seed, epoch)).all()


def test_another_seed_or_epoch_is_another_order() -> None:
    labels = np.arange(1000) % 7
    orders = [schedule.balanced_order(labels, *pair).tolist() for pair in ((0, 0), (0, 1), (1, 0), (1, 1))]
    assert len(set(map(tuple, orders))) == 4


def test_classes_come_equally_often_and_images_of_a_class_too() -> None:
    """Of a set as uneven as AffectNet; the bounds are five standard deviations of the binomial."""
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(7), [n // 10 for n in _AFFECTNET]))
    order = schedule.balanced_order(labels, 0, 0)
    n, p = len(labels), 1 / 7
    assert abs(np.bincount(labels[order]) - n * p).max() < 5 * np.sqrt(n * p * (1 - p))
    rarest = np.flatnonzero(labels == 5)
    times = np.bincount(order, minlength=n)[rarest]
    mean = n * p / len(rarest)
    assert times.min() > 0 and abs(times - mean).max() < 6 * np.sqrt(mean)


def test_a_class_without_an_image_is_not_drawn() -> None:
    labels = np.array([0, 3, 3, 3, 6])
    drawn = labels[np.concatenate([schedule.balanced_order(labels, 0, epoch) for epoch in range(200)])]
    assert set(drawn) == {0, 3, 6}


def test_the_epoch_that_is_kept_is_the_best_the_last_or_that_of_the_lowest_nll() -> None:
    nlls = (1.2, 0.9, 0.95)
    epochs = [replace(e, public_nll=nll) for e, nll in zip(curve(50, 60, 70), nlls, strict=True)]
    older = curve(80)
    kept = {c: schedule.chosen_epoch(replace(BASE, choose=c), older + epochs) for c in ("best", "nll", "last")}
    assert kept == {"best": older[0], "nll": epochs[1], "last": epochs[2]}
