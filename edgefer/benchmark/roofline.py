"""What a bundle computes beside the most that its processor could: the roof, a frame's time under it, the distance."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from edgefer.benchmark.columns import Column, over_runs
from edgefer.runtime import units
from edgefer.runtime.bench_record import Result
from edgefer.runtime.peak import Peak


def has_int8(result: Result) -> bool:
    """Whether the model has tensors of eight bits, so that its roof is the peak in int8."""
    return any("8" in dtype for dtype in result.tensors)


def roof(result: Result, peaks: Sequence[Peak]) -> float | None:
    """The most multiply-accumulates a second on as many threads; None where it was not measured."""
    peak = next((each for each in peaks if each.threads == result.settings.threads), None)
    return None if peak is None else peak.int8 if has_int8(result) else peak.fp32


def rate(result: Result) -> float | None:
    """Multiply-accumulates a second, by the median over the processes of their medians."""
    seconds = over_runs(result, lambda run: median(run.samples) if run.timed else None)
    return None if seconds is None else result.macs * result.settings.batch / seconds


def share(result: Result, peaks: Sequence[Peak]) -> float | None:
    """Of the roof."""
    most, achieved = roof(result, peaks), rate(result)
    return None if most is None or achieved is None else achieved / most


def columns(peaks: Sequence[Peak]) -> tuple[Column, ...]:
    """A frame's time at the peak, and how many times as long it takes."""

    def least(result: Result) -> float | None:
        most = roof(result, peaks)
        return None if most is None else result.macs * result.settings.batch / most

    def distance(result: Result) -> float | None:
        part = share(result, peaks)
        return None if part is None else 1 / part

    return (
        Column("at the peak", "at_peak_seconds", least, units.milliseconds),
        Column(
            "distance", "times_the_peak", distance, lambda value: units.ABSENT if value is None else f"{value:.3g}x"
        ),
    )


def line(peak: Peak) -> str:
    """What was measured, for people."""
    threads = units.counted(peak.threads, "thread")
    fp32 = f"{peak.fp32 / 1e9:.3g} billion multiply-accumulates (MACs) a second ({peak.fp32_method})"
    how = "" if peak.int8_method is None else f" ({peak.int8_method})"
    int8 = f"not measured: {peak.int8_reason}" if peak.int8 is None else f"{peak.int8 / 1e9:.3g} billion{how}"
    return f"This processor's peak on {threads}, in fp32: {fp32}. In int8: {int8}."
