"""A record as rows of figures, and those as text for a screen, Markdown and CSV; pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from edgefer import units
from edgefer.bench import protocols, statistics
from edgefer.bench.record import BenchRecord, Result, Run, Settings

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
    told = [found for run in result.runs if (found := figure(run)) is not None]
    return statistics.median(told) if told else None


def _runs(figure: Callable[[Run], float | None]) -> Callable[[Result], Value]:
    return lambda result: over_runs(result, figure)


def _samples(statistic: Callable[[Sequence[float]], float]) -> Callable[[Result], Value]:
    return lambda result: over_runs(result, lambda run: statistic(run.samples) if run.timed else None)


def _cpu(run: Run) -> float | None:
    if run.cpu_user_percent is None or run.cpu_system_percent is None:
        return None
    return run.cpu_user_percent + run.cpu_system_percent


def _memory(name: str) -> Callable[[Result], Value]:
    def value(result: Result) -> Value:
        found = over_runs(result, lambda run: getattr(run.memory, name))
        return None if found is None else round(found)

    return value


def kinds(result: Result) -> str:
    """The first words of what was wrong: busy, throttled."""
    return ", ".join(dict.fromkeys(text.partition(":")[0] for text in _doubts(result)))


COLUMNS = (
    Column("bundle", "id", lambda r: r.id, str),
    Column("model", "model_bytes", lambda r: r.model_bytes, units.size),
    Column("MACs", "macs", lambda r: r.macs, units.millions),
    Column("ops", "operators", lambda r: sum(r.operators.values()), units.count),
    Column("instr.", "instructions_per_frame", lambda r: r.instructions_per_frame, units.millions),
    Column("load", "load_seconds", _runs(lambda run: run.load_seconds), units.seconds),
    Column("first", "first_seconds", _runs(lambda run: run.first_seconds), units.milliseconds),
    Column("min", "min_seconds", _samples(statistics.minimum), units.milliseconds),
    Column("median", "median_seconds", _samples(statistics.median), units.milliseconds),
    Column("p90", "p90_seconds", _samples(statistics.p90), units.milliseconds),
    Column("p99", "p99_seconds", _samples(statistics.p99), units.milliseconds),
)
MEAN = Column("mean", "mean_seconds", _samples(statistics.mean), units.milliseconds)
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
    Column("warnings", "warnings", kinds, str),
)


def columns(record: BenchRecord) -> tuple[Column, ...]:
    """Those of every bench, and those that the record's protocol reports."""
    asked = [protocols.protocol(result.protocol).statistic for result in record.results if result.protocol]
    mean = (MEAN,) if "mean" in asked else ()
    usage = USAGE if "usage" in asked else (CPU,)
    return (*COLUMNS, *mean, *usage, *LAST)


def rows(record: BenchRecord) -> list[list[Value]]:
    """A row of plain figures for each result: seconds, bytes, percent."""
    return [[column.value(result) for column in columns(record)] for result in record.results]


def cells(record: BenchRecord) -> list[list[str]]:
    """The same for people."""
    shown = columns(record)
    return [[column.show(value) for column, value in zip(shown, row, strict=True)] for row in rows(record)]


def to_csv(record: BenchRecord) -> str:
    """The rows, headed by the columns' keys."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([column.key for column in columns(record)])
    writer.writerows(rows(record))
    return text.getvalue()


def to_markdown(record: BenchRecord, table: Callable[[Sequence[str], Sequence[Sequence[str]]], str]) -> str:
    """A page: the table as `table` draws it, what was done above it, what to know of it below."""
    drawn = table([column.name for column in columns(record)], cells(record))
    return "\n".join([heading(record), "", drawn, "", *(f"- {line}" for line in notes(record)), ""])


def heading(record: BenchRecord) -> str:
    """What the figures are of."""
    done = {(_what(result.settings), len(result.runs), result.protocol) for result in record.results}
    return "; ".join(
        f"{what}, median of {runs} process{'es' * (runs != 1)}" + (f", protocol {name}" if name else "")
        for what, runs, name in sorted(done, key=str)
    )


def _what(settings: Settings) -> str:
    how = {
        "back-to-back": "back to back",
        "paced": f"paced at {settings.fps or 0:g} frames a second",
        "batch": f"batches of {settings.batch} (times are of a batch)",
    }[settings.mode]
    scope = "the model alone" if settings.scope == "model" else "from a 640x480 frame to a label"
    return f"{scope}, {settings.threads} thread{'s' * (settings.threads != 1)}, {how}"


def notes(record: BenchRecord) -> list[str]:
    """The machine, the versions, a line for each kind of warning, and what a protocol's paper says."""
    told = [record.machine.fingerprint, ", ".join(f"{k} {v}" for k, v in record.versions.items())]
    told.append(f"edgefer {record.edgefer}, commit {record.commit or 'not known (no checkout)'}")
    if record.interrupted:
        told.append("interrupted: not everything that was asked for was measured")
    return [*told, *_warnings(record), *(line for result in record.results[:1] for line in _paper(result))]


def _warnings(record: BenchRecord) -> list[str]:
    """The first warning of each kind, how many there are, and of which bundles."""
    found: dict[str, list[tuple[str, str]]] = {}
    for result in record.results:
        for text in (*_doubts(result), *_instructions(result)):
            found.setdefault(text.partition(":")[0], []).append((text, result.bundle))
    lines = []
    for texts in found.values():
        different, bundles = {text for text, _ in texts}, dict.fromkeys(name for _, name in texts)
        more = f" and {len(different) - 1} more like it" if len(different) > 1 else ""
        of = f" ({', '.join(bundles)})" if len(bundles) < len(record.results) else ""
        lines.append(f"{texts[0][0]}{more}{of}")
    return lines


def _doubts(result: Result) -> list[str]:
    told = [warning for run in result.runs for warning in run.warnings]
    return [*(f"invalid: {reason}" for run in result.runs for reason in run.invalid), *told]


def _instructions(result: Result) -> list[str]:
    if result.instructions_reason is not None:
        return [f"instructions: {result.instructions_reason}"]
    if result.instructions_spread:
        return [f"instructions: two counts were {units.count(result.instructions_spread)} apart"]
    return []


def _paper(result: Result) -> list[str]:
    if result.protocol is None:
        return []
    known = protocols.protocol(result.protocol)
    printed = "; ".join(
        f"{name} {', '.join(f'{column} {figure:g}' for column, figure in figures.items())}"
        for name, figures in known.printed.items()
    )
    return [
        f'{known.table} of {known.paper}, section {known.section}: "{known.quote}" {known.assumed}',
        f"printed there, {known.unit}, on {known.machine}: {printed}",
    ]
