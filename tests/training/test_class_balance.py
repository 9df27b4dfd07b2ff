"""The balanced order: every class as often as every other, the same every time."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgefer.training.class_balance import balanced

_AFFECTNET = (74_874, 134_415, 25_459, 14_090, 6_378, 3_803, 24_882)


@given(st.lists(st.integers(0, 7), max_size=300), st.integers(0, 2**31), st.integers(0, 1000))
def test_it_is_rows_of_the_set_and_depends_on_its_arguments_only(labels: list[int], seed: int, epoch: int) -> None:
    known = np.array(labels, dtype=np.int64)
    order = balanced(known, seed, epoch)
    assert order.dtype == np.int64 and len(order) == len(labels)
    assert ((order >= 0) & (order < max(1, len(labels)))).all()
    assert (order == balanced(known, seed, epoch)).all()


def test_another_seed_or_epoch_is_another_order() -> None:
    labels = np.arange(1000) % 7
    orders = [balanced(labels, *pair).tolist() for pair in ((0, 0), (0, 1), (1, 0), (1, 1))]
    assert len(set(map(tuple, orders))) == 4


def test_classes_come_equally_often_and_images_of_a_class_too() -> None:
    """Of a set as uneven as AffectNet; the bounds are five standard deviations of the binomial."""
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(7), [n // 10 for n in _AFFECTNET]))
    order = balanced(labels, 0, 0)
    n, p = len(labels), 1 / 7
    assert abs(np.bincount(labels[order]) - n * p).max() < 5 * np.sqrt(n * p * (1 - p))
    rarest = np.flatnonzero(labels == 5)
    times = np.bincount(order, minlength=n)[rarest]
    mean = n * p / len(rarest)
    assert times.min() > 0 and abs(times - mean).max() < 6 * np.sqrt(mean)


def test_a_class_without_an_image_is_not_drawn() -> None:
    labels = np.array([0, 3, 3, 3, 6])
    drawn = labels[np.concatenate([balanced(labels, 0, epoch) for epoch in range(200)])]
    assert set(drawn) == {0, 3, 6}
