"""Order statistics of raw samples; pure. All raise ValueError for an empty list."""

from __future__ import annotations

import math
from collections.abc import Sequence


def percentile(samples: Sequence[float], percent: float) -> float:
    """Linear between the two nearest samples, as numpy.percentile; `percent` is 0 to 100."""
    if not samples:
        raise ValueError("no samples")
    if not 0 <= percent <= 100:
        raise ValueError(f"{percent} is not a percentage")
    ordered = sorted(samples)
    place = (len(ordered) - 1) * percent / 100
    below, above = ordered[math.floor(place)], ordered[math.ceil(place)]
    return below + (above - below) * (place - math.floor(place))


def minimum(samples: Sequence[float]) -> float:
    """The fastest sample."""
    return percentile(samples, 0)


def median(samples: Sequence[float]) -> float:
    """Half of the samples are faster."""
    return percentile(samples, 50)


def p90(samples: Sequence[float]) -> float:
    """Nine of ten samples are faster."""
    return percentile(samples, 90)


def p99(samples: Sequence[float]) -> float:
    """99 of 100 samples are faster."""
    return percentile(samples, 99)


def mean(samples: Sequence[float]) -> float:
    """What the papers print; one disturbed sample moves it."""
    if not samples:
        raise ValueError("no samples")
    return math.fsum(samples) / len(samples)
