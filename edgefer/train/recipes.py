"""Recipes: named frozen parameter sets with their source above each."""

from __future__ import annotations

from dataclasses import dataclass

from edgefer.arch import Arch
from edgefer.errors import UnknownName


@dataclass(frozen=True)
class Recipe:
    """SGD with Nesterov momentum; the rate rises linearly for `warmup` epochs, then falls on a half cosine.

    turn is in degrees, zoom a fraction of the image, both uniform in +- (see train.augment).
    """

    name: str
    epochs: int
    batch: int
    lr: float
    momentum: float
    weight_decay: float
    warmup: int
    label_smoothing: float
    turn: float
    zoom: float


@dataclass(frozen=True)
class Plan:
    """A training as it was asked for: everything but the data."""

    arch: Arch
    recipe: Recipe
    seed: int
    threads: int


RECIPES = {
    # Ours: batch 128 and 44-pixel crops as in Kong et al. section 4.2, schedule by common practice.
    "plain": Recipe("plain", 40, 128, 0.2, 0.9, 1e-4, 2, 0.1, 10.0, 0.1),
}


def get(name: str) -> Recipe:
    """The recipe called `name`; raises UnknownName with the nearest names."""
    if name not in RECIPES:
        raise UnknownName("recipe", name, RECIPES)
    return RECIPES[name]
