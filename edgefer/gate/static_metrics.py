"""Figures without noise: any that got worse is a regression, one that got better is told; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

_COUNTS = {
    "model bytes": "model_bytes",
    "MACs": "macs",
    "parameters": "parameters",
}
_SPREADS = 5  # two counts don't tell how far more of them stray
_SHARES = {"accuracy": "accuracy", "agreement with float": "agreement"}


@dataclass(frozen=True)
class Count:
    """Instructions per frame, counted in an emulator, and how far two counts were apart."""

    instructions: int
    spread: int = 0


@dataclass(frozen=True)
class Figures:
    """The static metrics of a bundle; None is not known.

    operators     how many by "NAME dtype"
    instructions  by device
    accuracy      percent of a given set; agreement, percent of it with the float model's answer
    """

    model_bytes: int
    macs: int
    parameters: int
    operators: dict[str, int]
    instructions: Mapping[str, Count] = field(default_factory=dict)
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


def compare(base: Figures, head: Figures, tolerance: float = 0.0, count_tolerance: float = 0.0) -> list[Change]:
    """The figures that differ, the worse ones first.

    `tolerance` is how much worse is still fine: percent of a count, points of accuracy and agreement. `count_tolerance`
    is the share by which instructions may differ for no reason, see engines.Engine. A figure that one side does not
    know is left out; `unknown` names it.
    """
    changes: list[Change] = []
    for figure, name in _COUNTS.items():
        changes += _count(figure, getattr(base, name), getattr(head, name), tolerance)
    for device in sorted(base.instructions.keys() & head.instructions.keys()):
        one, other = base.instructions[device], head.instructions[device]
        if not _stray(one, other, count_tolerance):
            changes += _count(_on(device), one.instructions, other.instructions, tolerance)
    for name in sorted(base.operators.keys() | head.operators.keys()):
        changes += _count(f"operators {name}", base.operators.get(name, 0), head.operators.get(name, 0), tolerance)
    for figure, name in _SHARES.items():
        changes += _share(figure, getattr(base, name), getattr(head, name), tolerance)
    return sorted(changes, key=lambda change: not change.worse)


def unknown(base: Figures, head: Figures) -> list[str]:
    """The figures that only one side knows, so that they can't be compared."""
    instructions = [_on(device) for device in sorted(base.instructions.keys() ^ head.instructions.keys())]
    one_sided = [f for f, n in _SHARES.items() if (getattr(base, n) is None) != (getattr(head, n) is None)]
    return [*instructions, *one_sided]


def _on(device: str) -> str:
    return f"instructions per frame on {device}"


def _stray(base: Count, head: Count, count_tolerance: float) -> bool:
    """Whether counts are no further apart than memory that lies elsewhere, or threads that wait, explain."""
    room = max(count_tolerance * base.instructions, _SPREADS * (base.spread + head.spread))
    return abs(head.instructions - base.instructions) <= room


def _count(figure: str, base: int | None, head: int | None, tolerance: float) -> list[Change]:
    if base is None or head is None or base == head:
        return []
    return [Change(figure, base, head, "count", head > base * (1 + tolerance / 100))]


def _share(figure: str, base: float | None, head: float | None, tolerance: float) -> list[Change]:
    if base is None or head is None or base == head:
        return []
    return [Change(figure, base, head, "percent", base - head > tolerance)]
