"""Whether a mean and a standard deviation can be those of faces whose pixels lie in a range, as a contract states them.

A mean lies in its range, and faces are not black: more than one grey level above its lower end. A deviation is at most
twice as wide as the range (128, 255 and 256 are used with pixels up to 255) and at least a 400th of it. Mean 0 and
deviation 1 change nothing and go with every range.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgefer.runtime.errors import BadRecord
from edgefer.runtime.preprocess import PIXEL_MAX

Range = tuple[float, float]

USUAL: tuple[Range, ...] = ((0.0, 1.0), (0.0, 255.0), (-1.0, 1.0))
NARROWEST, WIDEST = 1 / 400, 2.0  # a deviation, as a part of the range's width
IMAGENET = (0.485, 0.456, 0.406)  # the means of ImageNet's red, green and blue, of values in [0, 1]


def require_statistics(limits: Range, mean: Sequence[float] | None, std: Sequence[float] | None) -> None:
    """Raise BadRecord, with the range that fits, if the statistics can't be those of values in `limits`."""
    wrong = _misfit(limits, mean or (), std or ())
    if wrong is None:
        return
    fitting = next((each for each in USUAL if _misfit(each, mean or (), std or ()) is None), None)
    advice = (
        "they fit none of the usual ranges either: correct them"
        if fitting is None
        else f"range = {written(fitting)} fits: correct the range, or the statistics"
    )
    raise BadRecord(f"{wrong}; mean and std are of values in the range, and {advice}.")


def _misfit(limits: Range, mean: Sequence[float], std: Sequence[float]) -> str | None:
    """What is wrong with statistics of values in `limits`, or None."""
    low, high = limits
    width = high - low
    if sorted(round(each, 3) for each in mean) == sorted(IMAGENET) and limits != (0.0, 1.0):
        return f"the mean {_listed(mean)} is ImageNet's, of values in [0, 1], and the range is {written(limits)}"
    for value in mean:
        if value and not low + width / PIXEL_MAX < value <= high:
            return f"the mean {value:g} can't be that of faces with the range {written(limits)}"
    for value in std:
        if value != 1 and not NARROWEST * width <= value <= WIDEST * width:
            return f"the std {value:g} can't be that of faces with the range {written(limits)}"
    return None


def written(limits: Range) -> str:
    """A range as contracts have it: [0, 255]."""
    return f"[{_listed(limits)}]"


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)
