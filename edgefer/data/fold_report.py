"""What a user sees of folds before training on them: sizes, persons and classes of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgefer.data.dataset import Dataset
from edgefer.data.folds import assign

SCHEMA = "edgefer/folds/1"


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

    schema: str
    source: str
    by: str
    seed: int | None
    folds: list[Fold]


def report(data: Dataset, folds: int, by: str, seed: int) -> FoldReport:
    """The folds that `assign` makes, described; raises what it raises."""
    fold_of = assign(data, folds, by, seed)
    described = [_fold(data.take(np.flatnonzero(fold_of == number)), number) for number in range(folds)]
    return FoldReport(SCHEMA, data.source, by, seed if by == "image" else None, described)


def _fold(part: Dataset, number: int) -> Fold:
    counts = np.bincount(part.labels, minlength=len(part.names))
    subjects = None if part.subjects is None else len(np.unique(part.subjects))
    return Fold(number, len(part), subjects, dict(zip(part.names, map(int, counts), strict=True)))


def rows(found: FoldReport) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and cells of a table, a row per fold."""
    names = tuple(found.folds[0].classes)
    cells = [
        (
            str(fold.fold),
            f"{fold.images:,}",
            "-" if fold.subjects is None else f"{fold.subjects:,}",
            *(f"{count:,}" for count in fold.classes.values()),
        )
        for fold in found.folds
    ]
    return ("fold", "images", "subjects", *names), cells
