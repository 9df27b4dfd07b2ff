"""From the values that a tensor took to the range that its int8 values will cover.

Three methods, the same for every engine (the engines' quantisers take the ranges as given):
  min-max     the extremes seen
  percentile  the 0.01th and 99.99th percentile of all values seen
  mse         the shrinking of min-max that makes the squared error of 8-bit rounding and clipping
              least (as in Nagel et al. 2021, "A white paper on neural network quantization", 3.1)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Method = Literal["min-max", "percentile", "mse"]
METHODS: tuple[Method, ...] = get_args(Method)
Range = tuple[float, float]

PERCENT = 0.01
LEVELS = 255  # steps between the 256 values of int8
SHRINK = np.linspace(0.3, 1.0, 71)
BINS = 32 * 256
KEPT = 1 << 18  # values kept per tensor for percentile and mse: 1 MiB


@dataclass
class Observer:
    """What is kept of a tensor's values: the extremes and a random sample."""

    low: float = np.inf
    high: float = -np.inf
    sample: list[NDArray[np.float32]] = field(default_factory=list)

    def add(self, values: NDArray[np.float32], share: int) -> None:
        """Take in one image's values, keeping at most `share` of them."""
        self.low = min(self.low, float(values.min()))
        self.high = max(self.high, float(values.max()))
        flat = values.ravel()
        self.sample.append(flat if flat.size <= share else flat[_positions(flat.size, share)])


@cache
def _positions(size: int, share: int) -> NDArray[np.int64]:
    """`share` random positions of `size`, the same every time.

    Random, because evenly spaced positions of a channels-last tensor can all lie in one channel.
    """
    return np.random.default_rng(size).choice(size, share, replace=False)


def estimate(activations: Iterable[dict[str, NDArray[np.float32]]], images: int, method: Method) -> dict[str, Range]:
    """The range of each tensor over `images` runs of the float model; 0 is always inside.

    Ranges are rounded to six digits, so that a record of them gives the same file as the images did.
    """
    observers: dict[str, Observer] = {}
    share = max(1, KEPT // max(1, images))
    for tensors in activations:
        for name, values in tensors.items():
            observers.setdefault(name, Observer()).add(values, share)
    choose = CHOOSERS[method]
    return {name: _rounded(choose(observer)) for name, observer in observers.items()}


def _rounded(pair: Range) -> Range:
    low, high = min(pair[0], 0.0), max(pair[1], 0.0)
    return float(f"{low:.6g}"), float(f"{high:.6g}")


def _min_max(observer: Observer) -> Range:
    return observer.low, observer.high


def _percentile(observer: Observer) -> Range:
    low, high = np.percentile(np.concatenate(observer.sample), [PERCENT, 100 - PERCENT])
    return float(low), float(high)


def _mse(observer: Observer) -> Range:
    values, shares = _binned(np.concatenate(observer.sample))
    low, high = min(observer.low, 0.0), max(observer.high, 0.0)
    errors = [rounding_error(values, low * k, high * k, shares) for k in SHRINK]
    best = SHRINK[int(np.argmin(errors))]
    return low * best, high * best


def _binned(values: NDArray[np.float32]) -> tuple[NDArray[np.floating], NDArray[np.int64] | None]:
    """Many values as the means and counts of 32 bins for each step of int8: much finer than the step, and faster."""
    low, high = float(values.min()), float(values.max())
    if len(values) <= BINS or not 0 < high - low < np.inf:
        return values, None
    places = np.minimum((values.astype(np.float64) - low) * (BINS / (high - low)), BINS - 1).astype(np.int64)
    counts, sums = np.bincount(places, minlength=BINS), np.bincount(places, values, BINS)
    return sums[counts > 0] / counts[counts > 0], counts[counts > 0]


def rounding_error(
    values: NDArray[np.floating], low: float, high: float, shares: NDArray[np.int64] | None = None
) -> float:
    """Mean squared error of `values`, each counted `shares` times, stored as int8 over [low, high]."""
    scale = (high - low) / LEVELS
    if scale <= 0:
        return float(np.average(np.square(values), weights=shares))
    zero = np.rint(-low / scale)
    stored = np.clip(np.rint(values / scale) + zero, 0, LEVELS)
    return float(np.average(np.square((stored - zero) * scale - values), weights=shares))


CHOOSERS: dict[Method, Callable[[Observer], Range]] = {"min-max": _min_max, "percentile": _percentile, "mse": _mse}
