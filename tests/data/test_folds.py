"""Folds: a partition, whole persons, even, and the same every time; a fold as splits."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgefer.data.dataset import SPLITS, Dataset
from edgefer.data.folds import as_splits, assign, by_image, by_subject, hold_out
from edgefer.runtime.errors import BadData, UnknownName
from tests.data.made import fails

_ROWS = st.lists(st.tuples(st.integers(0, 15), st.integers(0, 6)), min_size=1, max_size=150)


def dataset(labels: NDArray[np.int64], subjects: NDArray[np.str_] | None = None, splits: object = 0) -> Dataset:
    count = len(labels)
    pixels = np.arange(count, dtype=np.uint8).reshape(count, 1, 1, 1)
    names = ("a", "b", "c", "d", "e", "f", "g")
    splits = np.broadcast_to(np.asarray(splits, dtype=np.int64), count).copy()
    return Dataset("made", names, pixels, labels, splits, np.arange(count), subjects=subjects)


def ck_plus() -> tuple[NDArray[np.str_], NDArray[np.int64]]:
    """123 subjects with 1 to 6 sequences, three frames and a neutral one of each, in the proportions of CK+."""
    random = np.random.default_rng(0)
    classes = np.array([135, 54, 177, 75, 207, 84, 249]) / 981
    subjects, labels = [], []
    for person in range(123):
        for label in random.choice(7, random.integers(1, 7), p=classes):
            subjects += [f"S{person:03}"] * 4
            labels += [label, label, label, 7]
    return np.array(subjects), np.array(labels)


@given(_ROWS, st.integers(2, 12))
def test_by_subject_is_a_partition_of_whole_persons(rows: list[tuple[int, int]], folds: int) -> None:
    subjects, labels = np.array([f"S{who}" for who, _ in rows]), np.array([label for _, label in rows])
    found = by_subject(subjects, labels, folds)
    assert found.shape == labels.shape and set(found) <= set(range(folds))
    fold_of = dict(zip(subjects, found, strict=True))
    assert all(fold_of[who] == fold for who, fold in zip(subjects, found, strict=True))
    assert len(set(found)) == min(folds, len(fold_of)), "no fold without a person"


@given(_ROWS, st.integers(2, 12), st.randoms())
def test_by_subject_does_not_depend_on_the_order_of_the_rows(
    rows: list[tuple[int, int]], folds: int, random: Random
) -> None:
    order = list(range(len(rows)))
    random.shuffle(order)
    subjects, labels = np.array([f"S{who}" for who, _ in rows]), np.array([label for _, label in rows])
    found = by_subject(subjects, labels, folds)
    assert (by_subject(subjects[order], labels[order], folds) == found[order]).all()


@given(st.integers(1, 40), st.lists(st.integers(0, 6), min_size=1, max_size=9), st.integers(2, 10))
def test_persons_that_are_alike_are_dealt_out_evenly(persons: int, each: list[int], folds: int) -> None:
    subjects = np.repeat([f"S{k:02}" for k in range(persons)], len(each))
    found = by_subject(subjects, np.tile(each, persons), folds)
    sizes = np.bincount(found, minlength=folds) // len(each)
    assert sizes.max() - sizes.min() <= 1


def test_folds_of_a_set_like_ck_plus_are_even() -> None:
    subjects, labels = ck_plus()
    found = by_subject(subjects, labels, 10)
    sizes, mean = np.bincount(found), len(labels) / 10
    assert abs(sizes - mean).max() < 0.1 * mean
    table = np.zeros((10, 8))
    np.add.at(table, (found, labels), 1)
    assert (abs(table - table.mean(axis=0)) <= 0.5 * table.mean(axis=0) + 3).all()


@given(st.lists(st.integers(0, 6), min_size=1, max_size=200), st.integers(2, 10), st.integers(0, 9))
def test_by_image_is_even_but_for_the_last_fold(labels: list[int], folds: int, seed: int) -> None:
    known = np.array(labels)
    found = by_image(known, folds, seed)
    assert (found == by_image(known, folds, seed)).all()
    for label in set(labels):
        counts = np.bincount(found[known == label], minlength=folds)
        whole, left = divmod(counts.sum(), folds)
        if whole:
            assert counts[:-1].tolist() == [whole] * (folds - 1) and counts[-1] == whole + left
        else:
            assert counts.max() == 1


def test_by_image_of_the_counts_of_microexpnets_table_3() -> None:
    counts = [135, 54, 177, 75, 207, 84, 249, 593]
    found = by_image(np.repeat(np.arange(8), counts), 10, 0)
    assert np.bincount(found).tolist() == [sum(n // 10 for n in counts)] * 9 + [sum(n // 10 + n % 10 for n in counts)]
    assert (found != by_image(np.repeat(np.arange(8), counts), 10, 1)).any()


def test_a_fold_as_splits() -> None:
    subjects, labels = ck_plus()
    data = dataset(labels % 7, subjects)
    fold_of = assign(data, 10)
    tested: list[int] = []
    for fold in range(10):
        split = as_splits(data, fold_of, fold)
        parts = [split.split(name) for name in SPLITS]
        persons = [set(part.subjects) for part in parts if part.subjects is not None]
        assert len(persons) == 3 and not any(a & b for a, b in ((persons[0], persons[1]), (persons[0], persons[2])))
        assert not persons[1] & persons[2] and sum(map(len, parts)) == len(data)
        tested += parts[2].rows.tolist()
    assert sorted(tested) == list(range(len(data)))
    assert (data.splits == 0).all(), "the data that was given is as it was"


def test_two_folds_leave_no_validation() -> None:
    data = dataset(np.arange(14) % 7)
    split = as_splits(data, assign(data, 2, "image"), 1)
    assert not split.has("PublicTest") and len(split.split("Training")) == len(split.split("PrivateTest")) == 7


def test_hold_out_takes_a_part_of_training_only() -> None:
    labels = np.tile(np.arange(7), 60)
    data = dataset(labels, splits=np.repeat([0, 2], 210))
    held = hold_out(data)
    assert np.bincount(held.splits).tolist() == [189, 21, 210]
    assert np.bincount(held.split("PublicTest").labels).tolist() == [3] * 7
    assert hold_out(held) is held
    subjects, labels = ck_plus()
    held = hold_out(dataset(labels % 7, subjects))
    learn, chosen = held.split("Training").subjects, held.split("PublicTest").subjects
    assert learn is not None and chosen is not None and not set(learn) & set(chosen)


@pytest.mark.parametrize("folds", [-1, 0, 1, 4])
def test_a_number_of_folds_that_can_not_be(folds: int) -> None:
    data = dataset(np.zeros(6, np.int64), np.array(["S1", "S2", "S3"] * 2))
    with fails(BadData, 5, "made", f"{folds} folds of 3 subjects", "from 2 to 3"):
        assign(data, folds)


def test_folds_that_can_not_be() -> None:
    data = dataset(np.zeros(6, np.int64))
    with fails(BadData, 5, "made", "who is on an image", "--by image"):
        assign(data, 2)
    with fails(UnknownName, 3, "'person'", "subject, image"):
        assign(data, 2, "person")
    for fold in (-1, 2):
        with fails(BadData, 5, f"no fold {fold}", "from 0 to 1"):
            as_splits(data, assign(data, 2, "image"), fold)
