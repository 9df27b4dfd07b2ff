"""Learning rate, end of a round and balanced order as pure functions of the epochs so far, so that training resumes.

Light: no torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgefer.runtime.training_record import Epoch
from edgefer.training.recipes import Recipe

PLATEAU = 0.9  # Kong et al., section 4.2


def round_length(recipe: Recipe, number: int) -> int:
    """Epochs that round `number` may have."""
    return recipe.epochs if number == 0 else recipe.round_epochs


def learning_rate(recipe: Recipe, curve: Sequence[Epoch], number: int, part: float) -> float:
    """The learning rate when `part` (0 to 1) of an epoch of round `number` is done; `curve` is the round's so far."""
    peak = recipe.lr if number == 0 else recipe.round_lr
    done, total, warm = len(curve) + part, round_length(recipe, number), recipe.warmup
    if done < warm:
        return peak * done / warm
    left = 1 - (done - warm) / max(1, total - warm)
    if recipe.schedule == "linear":
        return peak * left
    if recipe.schedule == "cosine":
        return peak * 0.5 * (1 - math.cos(math.pi * left))
    return peak * PLATEAU ** _flat(curve)


def _flat(curve: Sequence[Epoch]) -> int:
    """How many epochs did not bring the training loss below all before."""
    return sum(epoch.loss >= min(e.loss for e in curve[:k]) for k, epoch in enumerate(curve) if k)


def epochs_of_round(curve: Sequence[Epoch], number: int) -> list[Epoch]:
    """The epochs of round `number`."""
    return [epoch for epoch in curve if epoch.round == number]


def best_epoch(curve: Sequence[Epoch]) -> Epoch:
    """The first of the epochs with the highest accuracy on PublicTest."""
    return max(curve, key=lambda epoch: (epoch.public_accuracy, -epoch.epoch))


def _lowest_nll(curve: Sequence[Epoch]) -> Epoch:
    """The first of the epochs with the lowest NLL on PublicTest; those of older checkpoints have none."""
    return min(curve, key=lambda epoch: math.inf if epoch.public_nll is None else epoch.public_nll)


def chosen_epoch(recipe: Recipe, curve: Sequence[Epoch]) -> Epoch:
    """The epoch whose weights are kept."""
    if recipe.choose == "last":
        return curve[-1]
    return _lowest_nll(curve) if recipe.choose == "nll" else best_epoch(curve)


def round_over(recipe: Recipe, curve: Sequence[Epoch], number: int) -> bool:
    """Whether round `number` has had its epochs, or no better one for `patience` of them."""
    epochs = epochs_of_round(curve, number)
    if len(epochs) >= round_length(recipe, number):
        return True
    return bool(recipe.patience and epochs) and epochs[-1].epoch - best_epoch(epochs).epoch >= recipe.patience


def is_over(recipe: Recipe, curve: Sequence[Epoch], number: int) -> bool:
    """Whether the training has ended: all rounds done, or one that was no better than those before it."""
    if not round_over(recipe, curve, number):
        return False
    return number >= recipe.rounds or (number > 0 and best_epoch(curve).round != number)


def balanced_order(labels: NDArray[np.int64], seed: int, epoch: int) -> NDArray[np.int64]:
    """Rows to show in one epoch, as many as there are: a class at random, then an image of it, with replacement.

    labels int64 (N,) -> int64 (N,). It depends on its arguments only. This is the oversampling of
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
