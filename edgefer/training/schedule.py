"""The learning rate and the end of a round, as pure functions of what has been, so that a resumed training agrees."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edgefer.runtime.records import Epoch
from edgefer.training.recipes import Recipe

PLATEAU = 0.9  # Kong et al., section 4.2


def length(recipe: Recipe, number: int) -> int:
    """Epochs that round `number` may have."""
    return recipe.epochs if number == 0 else recipe.round_epochs


def rate(recipe: Recipe, curve: Sequence[Epoch], number: int, part: float) -> float:
    """The learning rate when `part` (0 to 1) of an epoch of round `number` is done; `curve` is the round's so far."""
    peak = recipe.lr if number == 0 else recipe.round_lr
    done, total, warm = len(curve) + part, length(recipe, number), recipe.warmup
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


def of(curve: Sequence[Epoch], number: int) -> list[Epoch]:
    """The epochs of round `number`."""
    return [epoch for epoch in curve if epoch.round == number]


def best(curve: Sequence[Epoch]) -> Epoch:
    """The first of the epochs with the highest accuracy on PublicTest."""
    return max(curve, key=lambda epoch: (epoch.public_accuracy, -epoch.epoch))


def round_over(recipe: Recipe, curve: Sequence[Epoch], number: int) -> bool:
    """Whether round `number` has had its epochs, or no better one for `patience` of them."""
    mine = of(curve, number)
    if len(mine) >= length(recipe, number):
        return True
    return bool(recipe.patience and mine) and mine[-1].epoch - best(mine).epoch >= recipe.patience


def over(recipe: Recipe, curve: Sequence[Epoch], number: int) -> bool:
    """Whether the training has ended: all rounds done, or one that was no better than those before it."""
    if not round_over(recipe, curve, number):
        return False
    return number >= recipe.rounds or (number > 0 and best(curve).round != number)
