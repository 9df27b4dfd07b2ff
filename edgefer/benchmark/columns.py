"""The columns of a bench's table: what each is called, and its figure of a result; pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

import numpy as np

from edgefer.runtime import units
from edgefer.runtime.bench_record import Result, Run

Value = float | int | str | None


@dataclass(frozen=True)
class Column:
    """name heads a column for people, who see `show(value)`; key, with the unit, heads one of plain figures."""

    name: str
    key: str
    value: Callable[[Result], Value]
    show: Callable[[Any], str]


def over_runs(result: Result, figure: Callable[[Run], float | None]) -> float | None:
    """The median over the runs that tell `figure`; None if none does."""
    figures = [value for run in result.runs if (value := figure(run)) is not None]
    return median(figures) if figures else None


def _runs(figure: Callable[[Run], float | None]) -> Callable[[Result], Value]:
    return lambda result: over_runs(result, figure)


def _samples(statistic: Callable[[Sequence[float]], float]) -> Callable[[Result], Value]:
    return lambda result: over_runs(result, lambda run: statistic(run.samples) if run.timed else None)


def _percentile(percent: float) -> Callable[[Sequence[float]], float]:
    """Linear between the two nearest samples, as numpy.percentile, and to the last digit as in earlier records."""
    return lambda samples: float(np.interp((len(samples) - 1) * percent / 100, range(len(samples)), sorted(samples)))


def _cpu(run: Run) -> float | None:
    if run.cpu_user_percent is None or run.cpu_system_percent is None:
        return None
    return run.cpu_user_percent + run.cpu_system_percent


def _memory(name: str) -> Callable[[Result], Value]:
    def value(result: Result) -> Value:
        figure = over_runs(result, lambda run: getattr(run.memory, name))
        return None if figure is None else round(figure)

    return value


def warnings_by_kind(result: Result) -> dict[str, list[str]]:
    """What a reader of its runs must know, run by run; by what a table shows: invalid, busy, late."""
    lines: dict[str, list[str]] = {}
    for run in result.runs:
        for reason in run.invalid:
            lines.setdefault("invalid", []).append(f"invalid: {reason}")
    for run in result.runs:
        for warning in run.warnings:
            lines.setdefault(warning.kind, []).append(str(warning))
    return lines


COLUMNS = (
    Column("bundle", "id", lambda r: r.id, str),
    Column("model", "model_bytes", lambda r: r.model_bytes, units.size),
    Column("MACs", "macs", lambda r: r.macs, units.millions),
    Column("ops", "operators", lambda r: sum(r.operators.values()), units.count),
    Column("instr.", "instructions_per_frame", lambda r: r.instructions_per_frame, units.millions),
    Column("load", "load_seconds", _runs(lambda run: run.load_seconds), units.seconds),
    Column("first", "first_seconds", _runs(lambda run: run.first_seconds), units.milliseconds),
    Column("min", "min_seconds", _samples(min), units.milliseconds),
    Column("median", "median_seconds", _samples(median), units.milliseconds),
    Column("p90", "p90_seconds", _samples(_percentile(90)), units.milliseconds),
    Column("p99", "p99_seconds", _samples(_percentile(99)), units.milliseconds),
)


def _throughput(result: Result) -> Value:
    """Frames a second, where batches were timed."""
    if result.settings.mode != "batch":
        return None
    batch_seconds = _samples(median)(result)
    return result.settings.batch / batch_seconds if isinstance(batch_seconds, float) else None


# Those of a GPU and of batches, each shown where a result has it.
BATCH = Column("batch", "batch", lambda r: r.settings.batch, units.count)
SOMETIMES = (
    Column(
        "on the GPU", "device_seconds", _runs(lambda run: run.device_seconds if run.timed else None), units.milliseconds
    ),
    Column("frames/s", "frames_per_second", _throughput, units.rate),
    Column("GPU memory", "gpu_memory_bytes", _memory("gpu"), units.mebibytes),
)
FLASH = Column("flash", "flash_bytes", _memory("flash"), units.size)
MICROCONTROLLER = (
    FLASH,
    Column("arena", "arena_bytes", _memory("arena"), units.size),
    Column("with stack", "ram_bytes", _memory("ram"), units.size),
)
MEAN = Column("mean", "mean_seconds", _samples(fmean), units.milliseconds)
USAGE = (
    Column("user", "cpu_user_percent", _runs(lambda run: run.cpu_user_percent), units.percent),
    Column("system", "cpu_system_percent", _runs(lambda run: run.cpu_system_percent), units.percent),
    Column("memory", "memory_percent", _runs(lambda run: run.memory_percent), units.percent),
)
CPU = Column("CPU", "cpu_percent", _runs(_cpu), units.percent)
LAST = (
    Column("peak", "peak_bytes", _memory("peak"), units.mebibytes),
    Column("model's", "model_memory_bytes", _memory("model"), units.mebibytes),
    Column("provider", "provider", lambda r: r.runs[0].provider, str),
    Column("warnings", "warnings", lambda r: ", ".join(warnings_by_kind(r)), str),
)
