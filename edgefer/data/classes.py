"""A data set seen by a network with other classes, or the same in another order."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from edgefer.data.dataset import Dataset
from edgefer.data.readers.folders import CLASS_WORDS
from edgefer.runtime.errors import BadData

_SAME = {word: label for label, words in CLASS_WORDS.items() for word in words}


@dataclass(frozen=True)
class Matched:
    """The faces whose class the network knows, labelled by its own order; `left_out` counts the others by class."""

    faces: Dataset
    left_out: dict[str, int]


def match(data: Dataset, labels: tuple[str, ...], name: str) -> Matched:
    """See `Matched`. Happy, happiness and Happiness are the same class; raises BadData if no class is shared."""
    if data.names == labels:
        return Matched(data, {})
    known = {_plain(label): index for index, label in enumerate(labels)}
    places = np.array([known.get(_plain(each), -1) for each in data.names], dtype=np.int64)
    found = places[data.labels]
    if not (found >= 0).any():
        raise BadData(
            f"{data.source} has the classes {', '.join(data.names)}, "
            f"{name} tells {', '.join(labels)}: give data of those."
        )
    left_out = {each: int((data.labels == k).sum()) for k, each in enumerate(data.names) if places[k] < 0}
    faces = replace(data, names=labels, labels=found).take(np.flatnonzero(found >= 0))
    return Matched(faces, {each: count for each, count in left_out.items() if count})


def _plain(label: str) -> str:
    word = label.lower()
    return _SAME.get(word, word)
