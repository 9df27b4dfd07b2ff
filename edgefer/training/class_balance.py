"""In which order an epoch shows the images when the classes are to be balanced."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def balanced(labels: NDArray[np.int64], seed: int, epoch: int) -> NDArray[np.int64]:
    """Rows to show in one epoch, as many as there are: a class drawn uniformly, then an image of it, with replacement.

    labels int64 (N,) -> int64 (N,). It depends on nothing but its arguments. This is the oversampling of
    EfficientFace on AffectNet, "Comparison with the State of the Art" (Zhao et al. 2021): its footnote names
    ufoym/imbalanced-dataset-sampler, which draws N times with replacement, a row's weight being one over the
    images of its class. A class without an image is not drawn; no labels give no rows.
    """
    random = np.random.default_rng((seed, epoch))
    counts = np.bincount(labels)
    present = np.flatnonzero(counts)
    if not len(present):
        return np.empty(0, dtype=np.int64)
    by_class, starts = np.argsort(labels, kind="stable"), np.cumsum(counts) - counts
    drawn = present[random.integers(len(present), size=len(labels))]
    rows: NDArray[np.int64] = by_class[starts[drawn] + random.integers(counts[drawn])]
    return rows
