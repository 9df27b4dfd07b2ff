"""A two-sample test that assumes nothing of the noise but that it has no favourite; pure, seeded.

Processes that ran close together form a block: a slow drift of the machine (clock, neighbours, heat) is then
common to all of a block, and only differences within a block are looked at. The statistic is the median, over
the treated processes, of a process less the median of the others in its block. With one block that is the
plain difference of medians, for counts that need not be equal. The null distribution is that of shuffled
roles within each block, so the level holds for heavy tails and few processes too.

Values are logarithms of seconds, so that differences are ratios.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, prod

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SHUFFLES = 1999
SEED = 0
STEPS = 14  # of the search for an interval's ends: 1/16000 of the values' spread
_TIE = 1e-12  # shuffles that only differ by rounding are equal
# Few values have few medians: a little of the mean tells shuffles of one median apart, and moves no figure.
_OF_MEAN = 1e-6


@dataclass(frozen=True)
class Block:
    """Logarithms of processes that ran close together, of the two kinds that are compared."""

    treated: Sequence[float]
    others: Sequence[float]


class Comparison:
    """Treated against others; blocks without both kinds say nothing and are left out."""

    def __init__(self, blocks: Sequence[Block], shuffles: int = SHUFFLES) -> None:
        self._blocks = [block for block in blocks if block.treated and block.others]
        self._values = [np.array([*block.treated, *block.others], dtype=np.float64) for block in self._blocks]
        random = np.random.default_rng(SEED)
        self._shuffled = [
            random.permuted(np.tile(np.arange(len(values)), (shuffles, 1)), axis=1) for values in self._values
        ]

    @property
    def arrangements(self) -> int:
        """How many ways there are to hand out the roles; 0 without any complete block."""
        ways = (comb(len(block.treated) + len(block.others), len(block.treated)) for block in self._blocks)
        return prod(ways) if self._blocks else 0

    def can_reject(self, alpha: float) -> bool:
        """Whether there are processes enough for a p-value of `alpha`."""
        return self.arrangements * alpha >= 1

    @property
    def effect(self) -> float:
        """Treated less others."""
        return float(self._statistic([values[None] for values in self._values])[0])

    def p_above(self, shift: float) -> float:
        """P-value against `the effect is at most shift`."""
        observed, null = self._null(shift)
        return float(1 + (null >= observed - _TIE).sum()) / (1 + len(null))

    def p_below(self, shift: float) -> float:
        """P-value against `the effect is at least shift`."""
        observed, null = self._null(shift)
        return float(1 + (null <= observed + _TIE).sum()) / (1 + len(null))

    def low(self, alpha: float) -> float | None:
        """The largest shift that the effect is above, at level `alpha`; None if the values can't tell."""
        return self._end(alpha, -1)

    def high(self, alpha: float) -> float | None:
        """The smallest shift that the effect is below, at level `alpha`; None if the values can't tell."""
        return self._end(alpha, 1)

    def chance(self, level: float) -> float:
        """What the effect's size stays within, in a share `level` of shuffles without any effect."""
        _, null = self._null(self.effect)
        return float(np.quantile(np.abs(null), level))

    def _statistic(self, rows: Sequence[Floats]) -> Floats:
        """Of values (shuffles, processes) by block, the treated ones first."""
        parts = []
        for block, values in zip(self._blocks, rows, strict=True):
            count = len(block.treated)
            parts.append(values[:, :count] - np.median(values[:, count:], axis=1, keepdims=True))
        everyone = np.concatenate(parts, axis=1)
        return np.asarray(np.median(everyone, axis=1) + _OF_MEAN * everyone.mean(axis=1), dtype=np.float64)

    def _null(self, shift: float) -> tuple[float, Floats]:
        """The statistic with `shift` taken from the treated, as observed and for every shuffle."""
        moved = [values.copy() for values in self._values]
        for block, values in zip(self._blocks, moved, strict=True):
            values[: len(block.treated)] -= shift
        observed = self._statistic([values[None] for values in moved])[0]
        shuffled = [values[places] for values, places in zip(moved, self._shuffled, strict=True)]
        return float(observed), self._statistic(shuffled)

    def _end(self, alpha: float, side: int) -> float | None:
        p = self.p_below if side > 0 else self.p_above
        spread = max(float(np.ptp(np.concatenate(self._values))), 1e-6)
        inside, outside = self.effect, self.effect + side * 2 * spread
        if p(outside) > alpha:
            return None
        for _ in range(STEPS):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if p(middle) > alpha else (inside, middle)
        return outside
