"""k-fold cross-validation: the fold of each image, a fold as the splits of a training, and a report of all folds."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from edgefer.data.dataset import SPLITS, Dataset
from edgefer.runtime.errors import BadData, UnknownName

TRAINING, PUBLIC, PRIVATE = range(len(SPLITS))
WAYS = ("subject", "image")


def by_subject(subjects: NDArray[np.str_], labels: NDArray[np.int64], folds: int) -> NDArray[np.int64]:
    """The fold of each image, int64 (N,) from 0 to folds - 1; all images of a person are in one fold.

    subjects str (N,), labels int64 (N,). Persons with many images are placed first, each where classes and sizes
    then are most even; the same sets give the same folds whatever their order. Every fold has a person if there
    are at least as many persons as folds.
    """
    persons, person = np.unique(subjects, return_inverse=True)
    table = np.zeros((len(persons), int(labels.max(initial=0)) + 2))  # a column per class, and the images of all
    np.add.at(table, (person, labels), 1)
    table[:, -1] = table.sum(axis=1)
    share = table / np.maximum(table.sum(axis=0), 1)
    filled, placed = np.zeros((folds, share.shape[1])), np.empty(len(persons), dtype=np.int64)
    for one in np.argsort(-table[:, -1], kind="stable"):
        costs = ((filled + share[one]) ** 2 - filled**2).sum(axis=1).round(12)  # rounded: a tie must stay one
        placed[one] = np.lexsort((filled[:, -1], costs))[0]
        filled[placed[one]] += share[one]
    fold_of: NDArray[np.int64] = placed[person]
    return fold_of


def by_image(labels: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """The fold of each image, int64 (N,): as many of a class in each fold, what is left over in the last one.

    The random folds of MicroExpNet (Cugu et al. 2019, sections 4.2 and 4.3, Tables 4 and 5). The same person, and
    neighbouring frames of one sequence, then stand in training and test, so that accuracy is higher than for new faces.
    """
    random, fold_of = np.random.default_rng(seed), np.empty(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        rows = random.permutation(np.flatnonzero(labels == label))
        each = max(1, len(rows) // folds)
        fold_of[rows] = np.minimum(np.arange(len(rows)) // each, folds - 1)
    return fold_of


def assign(data: Dataset, folds: int, by: str = "subject", seed: int = 0) -> NDArray[np.int64]:
    """The fold of each image of `data`, int64 (N,); `seed` is of the way "image" only.

    Raises UnknownName for a way that is none of WAYS, BadData if the source names no subjects or has fewer
    subjects (images) than folds, or if `folds` is less than 2.
    """
    if by not in WAYS:
        raise UnknownName.of("way of making folds", by, WAYS)
    if by == "subject" and data.subjects is None:
        raise BadData(f"{data.source} does not say who is on an image: make folds of images (--by image).")
    there = len(data) if data.subjects is None or by == "image" else len(np.unique(data.subjects))
    if not 2 <= folds <= there:
        raise BadData(f"{data.source}: {folds} folds of {there} {by}s: give a number from 2 to {there}.")
    if by == "image" or data.subjects is None:
        return by_image(data.labels, folds, seed)
    return by_subject(data.subjects, data.labels, folds)


def as_splits(data: Dataset, fold_of: NDArray[np.int64], fold: int) -> Dataset:
    """The same images with the splits of one fold: it is PrivateTest, the next one PublicTest, the rest Training.

    fold_of int64 (N,) from `assign`; with two folds there is no PublicTest. The splits that the source had are
    lost. Raises BadData for a fold that there is not.
    """
    folds = int(fold_of.max(initial=-1)) + 1
    if not 0 <= fold < folds:
        raise BadData(f"{data.source} has no fold {fold}: give one from 0 to {folds - 1}.")
    splits = np.full(len(data), TRAINING, dtype=np.int64)
    if folds > 2:
        splits[fold_of == (fold + 1) % folds] = PUBLIC
    splits[fold_of == fold] = PRIVATE
    return replace(data, splits=splits)


def hold_out(data: Dataset, folds: int = 10, seed: int = 0) -> Dataset:
    """The same images with a part of Training as PublicTest, one in `folds`: for a source that has none.

    By subject where the source names them, else as many of each class. A source with a PublicTest is returned as
    it is. Raises what `assign` and Dataset.split do.
    """
    if data.has(SPLITS[PUBLIC]):
        return data
    fold_of = assign(data.split(SPLITS[TRAINING]), folds, "image" if data.subjects is None else "subject", seed)
    splits = data.splits.copy()
    splits[np.flatnonzero(data.splits == TRAINING)[fold_of == 0]] = PUBLIC
    return replace(data, splits=splits)


@dataclass(frozen=True)
class Fold:
    """Images of a fold, all and by class; `subjects` is None if the source does not name them."""

    fold: int
    images: int
    subjects: int | None
    classes: dict[str, int]


@dataclass(frozen=True)
class FoldReport:
    """`seed` is that of folds by image, None for those by subject, which need none."""

    schema: str = field(default="edgefer/folds/1", kw_only=True)
    source: str
    by: str
    seed: int | None
    folds: list[Fold]


def report_folds(data: Dataset, folds: int, by: str, seed: int) -> FoldReport:
    """The folds that `assign` makes, described; raises what it raises."""
    fold_of = assign(data, folds, by, seed)
    described = [_fold(data.take(np.flatnonzero(fold_of == number)), number) for number in range(folds)]
    return FoldReport(data.source, by, seed if by == "image" else None, described)


def _fold(part: Dataset, number: int) -> Fold:
    counts = np.bincount(part.labels, minlength=len(part.names))
    subjects = None if part.subjects is None else len(np.unique(part.subjects))
    return Fold(number, len(part), subjects, dict(zip(part.names, map(int, counts), strict=True)))


def report_table(report: FoldReport) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and cells of a table, a row per fold."""
    names = tuple(report.folds[0].classes)
    cells = [
        (
            str(fold.fold),
            f"{fold.images:,}",
            "-" if fold.subjects is None else f"{fold.subjects:,}",
            *(f"{count:,}" for count in fold.classes.values()),
        )
        for fold in report.folds
    ]
    return ("fold", "images", "subjects", *names), cells
