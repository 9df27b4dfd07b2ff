"""Accuracy and what goes with it, from logits or probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgefer.runtime.labels import ferplus_columns
from edgefer.runtime.preprocess import PixelRows
from edgefer.runtime.training_record import Scores


class LabelledFaces(Protocol):
    """Faces of a test split and what is known of each; what edgefer.data's Dataset is.

    source  where they come from, for messages
    names   the classes
    pixels  uint8 (N, H, W, 1 or 3)
    labels  int64 (N,), index into `names`
    votes   int64 (N, 10) of FER+, or None
    """

    @property
    def source(self) -> str: ...  # noqa: D102
    @property
    def names(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def pixels(self) -> PixelRows: ...  # noqa: D102
    @property
    def labels(self) -> NDArray[np.int64]: ...  # noqa: D102
    @property
    def votes(self) -> NDArray[np.int64] | None: ...  # noqa: D102


@dataclass(frozen=True)
class Detection:
    """What a detector costs on whole photographs, whose scores are those of the found faces.

    images    photographs, of which `found` had a face
    accuracy  percent of all of them: a face that is not found counts as wrong
    """

    detector: str
    images: int
    found: int
    accuracy: float

    @classmethod
    def of(cls, detector: str, images: int, found: Scores) -> Detection:
        """Of so many photographs; `found` are the scores of those whose face was found."""
        return cls(detector, images, found.images, round(found.accuracy * found.images / images, 3))

    def line(self, found_accuracy: float) -> str:
        """Both figures in words."""
        return (
            f"{self.detector} found a face in {self.found:,} of {self.images:,} photographs: {found_accuracy:.2f} % of "
            f"the found ones are right, {self.accuracy:.2f} % of all"
        )


def score(outputs: NDArray[Any], test: LabelledFaces, unseen: NDArray[np.bool_] | None = None) -> Scores:
    """Top-1 accuracy and recall of outputs (N, classes), in percent."""
    answers = outputs.argmax(1)
    right = answers == test.labels
    recall = {
        name: round(100 * float(right[test.labels == k].mean()), 2)
        for k, name in enumerate(test.names)
        if (test.labels == k).any()
    }
    return Scores(
        images=len(test.labels),
        accuracy=round(100 * float(right.mean()), 3),
        unseen_images=None if unseen is None else int(unseen.sum()),
        unseen=None if unseen is None or not unseen.any() else round(100 * float(right[unseen].mean()), 3),
        recall=recall,
        confusion=_confusion(test.labels, answers, len(test.names)),
        ferplus=_ferplus(test, answers),
    )


@dataclass(frozen=True)
class Mistake:
    """A wrong answer: the place of the face among those that were asked, its label, and the answer's probability."""

    place: int
    given: int
    answer: int
    probability: float


def hardest_mistakes(probabilities: NDArray[Any], test: LabelledFaces, count: int) -> list[Mistake]:
    """At most `count` wrong answers of probabilities (N, classes), the most confident one first."""
    answers = probabilities.argmax(1)
    confidence = probabilities[np.arange(len(answers)), answers]
    wrong = np.flatnonzero(answers != test.labels)
    order = wrong[np.argsort(-confidence[wrong], kind="stable")][:count]
    return [Mistake(int(k), int(test.labels[k]), int(answers[k]), float(confidence[k])) for k in order]


def _confusion(labels: NDArray[np.int64], answers: NDArray[np.int64], classes: int) -> list[list[int]]:
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (labels, answers), 1)
    rows: list[list[int]] = counts.tolist()
    return rows


def _ferplus(test: LabelledFaces, answers: NDArray[np.int64]) -> float | None:
    """Percent of the answers that are FER+'s majority, of the faces whose majority is one of the test's classes."""
    columns = ferplus_columns(test.names)
    if test.votes is None or columns is None:
        return None
    most = test.votes.max(1)
    clear = (test.votes == most[:, None]).sum(1) == 1
    own = clear & (test.votes[:, columns].max(1) == most)
    if not own.any():
        return None
    return round(100 * float((test.votes[own][:, columns].argmax(1) == answers[own]).mean()), 3)
