"""Figures without noise: any that got worse is a regression, one that got better is told; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

_COUNTS = {
    "model bytes": "model_bytes",
    "MACs": "macs",
    "parameters": "parameters",
    "instructions per frame": "instructions",
}
# Engines whose threads wait for each other never count the same twice, and two counts don't tell how far they
# stray (OpenVINO: 0.2 % seen): then a difference must be larger than both of these.
_STRAY = 0.005
_SPREADS = 5
_EQUAL = 1e-4  # ONNX Runtime's counts stray by 2e-5, though two of them may happen to be equal
_SHARES = {"accuracy": "accuracy", "agreement with float": "agreement"}


@dataclass(frozen=True)
class Figures:
    """What is exact of a bundle; None is not known.

    operators     how many by "NAME dtype"
    instructions  per frame, counted in an emulator; spread, how far two counts of it were apart
    accuracy      percent of a given set; agreement, percent of it with the float model's answer
    """

    model_bytes: int
    macs: int
    parameters: int
    operators: dict[str, int]
    instructions: int | None = None
    spread: int = 0
    accuracy: float | None = None
    agreement: float | None = None


@dataclass(frozen=True)
class Change:
    """A figure that differs; accuracy and agreement are in percent, the others are counts."""

    figure: str
    base: float
    head: float
    kind: Literal["count", "percent"]
    worse: bool

    @property
    def text(self) -> str:
        """For example: MACs 4,568,040 -> 5,024,844 (+10.0 %)."""
        if self.kind == "percent":
            return f"{self.figure} {self.base:.2f} % -> {self.head:.2f} % ({self.head - self.base:+.2f} points)"
        grown = f"{100 * (self.head - self.base) / self.base:+.1f} %" if self.base else f"{self.head:+.0f}"
        return f"{self.figure} {self.base:,.0f} -> {self.head:,.0f} ({grown})"


def compare(base: Figures, head: Figures, tolerance: float = 0.0) -> list[Change]:
    """The figures that differ, the worse ones first.

    `tolerance` is how much worse is still fine: percent of a count, points of accuracy and agreement. A
    figure that one side does not know is left out; `unknown` names it.
    """
    changes: list[Change] = []
    for figure, name in _COUNTS.items():
        found = _count(figure, getattr(base, name), getattr(head, name), tolerance)
        changes += [each for each in found if name != "instructions" or not _stray(base, head)]
    for name in sorted(base.operators.keys() | head.operators.keys()):
        changes += _count(f"operators {name}", base.operators.get(name, 0), head.operators.get(name, 0), tolerance)
    for figure, name in _SHARES.items():
        changes += _share(figure, getattr(base, name), getattr(head, name), tolerance)
    return sorted(changes, key=lambda change: not change.worse)


def unknown(base: Figures, head: Figures) -> list[str]:
    """The figures that only one side knows, so that they can't be compared."""
    names = _COUNTS | _SHARES
    return [figure for figure, n in names.items() if (getattr(base, n) is None) != (getattr(head, n) is None)]


def _stray(base: Figures, head: Figures) -> bool:
    """Whether counts that don't repeat are no further apart than that explains."""
    if base.instructions is None or head.instructions is None:
        return False
    slack = _EQUAL * base.instructions
    if base.spread or head.spread:
        slack = max(_STRAY * base.instructions, _SPREADS * (base.spread + head.spread))
    return abs(head.instructions - base.instructions) <= slack


def _count(figure: str, base: int | None, head: int | None, tolerance: float) -> list[Change]:
    if base is None or head is None or base == head:
        return []
    return [Change(figure, base, head, "count", head > base * (1 + tolerance / 100))]


def _share(figure: str, base: float | None, head: float | None, tolerance: float) -> list[Change]:
    if base is None or head is None or base == head:
        return []
    return [Change(figure, base, head, "percent", base - head > tolerance)]
