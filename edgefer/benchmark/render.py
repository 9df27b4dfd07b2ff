"""A record as rows of figures, and those as text for a screen, Markdown and CSV; pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence

from edgefer.benchmark.columns import BATCH, COLUMNS, CPU, LAST, MEAN, SOMETIMES, USAGE, Column, Value, doubted
from edgefer.papers import protocols
from edgefer.runtime import units
from edgefer.runtime.bench_record import BenchRecord, Result, Settings

KEPT = {"instructions_per_frame"}  # why there are none stands below the table


def columns(record: BenchRecord) -> tuple[Column, ...]:
    """Those of every bench, those that the record's protocol reports, and those that some result has figures for."""
    asked = [protocols.protocol(result.protocol).statistic for result in record.results if result.protocol]
    mean = (MEAN,) if "mean" in asked else ()
    usage = USAGE if "usage" in asked else (CPU,)
    batch = (BATCH,) if len({result.settings.batch for result in record.results}) > 1 else ()
    sometimes = [column for column in SOMETIMES if any(column.value(result) is not None for result in record.results)]
    return (*COLUMNS[:1], *batch, *COLUMNS[1:], *mean, *sometimes, *usage, *LAST)


def rows(record: BenchRecord) -> list[list[Value]]:
    """A row of plain figures for each result: seconds, bytes, percent."""
    return [[column.value(result) for column in columns(record)] for result in record.results]


def for_people(record: BenchRecord) -> tuple[list[str], list[list[str]]]:
    """Heads and cells of the same, without the columns that no result has a figure for (an emulator's times)."""
    shown = [c for c in columns(record) if c.key in KEPT or any(c.value(r) is not None for r in record.results)]
    return [c.name for c in shown], [[c.show(c.value(result)) for c in shown] for result in record.results]


def to_csv(record: BenchRecord) -> str:
    """The rows, headed by the columns' keys."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([column.key for column in columns(record)])
    writer.writerows(rows(record))
    return text.getvalue()


def to_markdown(record: BenchRecord, table: Callable[[Sequence[str], Sequence[Sequence[str]]], str]) -> str:
    """A page: the table as `table` draws it, what was done above it, what to know of it below."""
    drawn = table(*for_people(record))
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
    told += [f"not measured: {line}" for line in record.left_out]
    return [*told, *_warnings(record), *(line for result in record.results[:1] for line in _paper(result))]


def _warnings(record: BenchRecord) -> list[str]:
    """The first warning of each kind, how many there are, and of which bundles."""
    found: dict[str, list[tuple[str, str]]] = {}
    for result in record.results:
        for text in (*doubted(result), *_instructions(result)):
            found.setdefault(text.partition(":")[0], []).append((text, result.bundle))
    lines = []
    for texts in found.values():
        different, bundles = {text for text, _ in texts}, dict.fromkeys(name for _, name in texts)
        more = f" and {len(different) - 1} more like it" if len(different) > 1 else ""
        of = f" ({', '.join(bundles)})" if len(bundles) < len(record.results) else ""
        lines.append(f"{texts[0][0]}{more}{of}")
    return lines


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
