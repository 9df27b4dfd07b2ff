"""Recorded benches as one table with what to know of it: for a screen, as Markdown, as CSV.

Rows are neighbours only where the bundles are the same files.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from edgefer.benchmark import roofline
from edgefer.benchmark.columns import (
    BATCH,
    COLUMNS,
    CPU,
    FLASH,
    LAST,
    MEAN,
    MICROCONTROLLER,
    SOMETIMES,
    USAGE,
    Column,
    Value,
    warnings_by_kind,
)
from edgefer.runtime import records, units
from edgefer.runtime.bench_record import BenchRecord, Result, Run, Settings
from edgefer.runtime.errors import UnknownName
from edgefer.runtime.terminal_table import csv_cell

Table = Callable[[Sequence[str], Sequence[Sequence[str]]], str]


@dataclass(frozen=True)
class ProtocolNotes:
    """What a page tells of a paper's protocol: the statistic that the paper reports, and lines below the table."""

    statistic: Literal["mean", "usage"]
    lines: list[str]


Protocols = Callable[[str], ProtocolNotes]


def no_protocols(name: str) -> ProtocolNotes:
    """For records without a protocol; raises UnknownName."""
    raise UnknownName.of("protocol", name, [])


KEPT = {"instructions_per_frame"}  # why there are none stands below the table


def columns(record: BenchRecord, protocols: Protocols = no_protocols) -> tuple[Column, ...]:
    """Those of every bench, those that the record's protocol reports, and those that some result has figures for."""
    asked = [protocols(result.protocol).statistic for result in record.results if result.protocol]
    mean = (MEAN,) if "mean" in asked else ()
    usage = USAGE if "usage" in asked else (CPU,)
    batch = (BATCH,) if len({result.settings.batch for result in record.results}) > 1 else ()
    sometimes = [column for column in SOMETIMES if any(column.value(result) is not None for result in record.results)]
    roof = roofline.columns(record.peaks) if record.peaks else ()
    small = MICROCONTROLLER if any(FLASH.value(result) is not None for result in record.results) else ()
    return (*COLUMNS[:1], *batch, *COLUMNS[1:], *mean, *roof, *sometimes, *small, *usage, *LAST)


def rows(record: BenchRecord, protocols: Protocols = no_protocols) -> list[list[Value]]:
    """A row of plain figures for each result: seconds, bytes, percent."""
    return [[column.value(result) for column in columns(record, protocols)] for result in record.results]


def for_people(record: BenchRecord, protocols: Protocols = no_protocols) -> tuple[list[str], list[list[str]]]:
    """Heads and cells of the same, without the columns that no result has a figure for (an emulator's times)."""
    shown = [
        c for c in columns(record, protocols) if c.key in KEPT or any(c.value(r) is not None for r in record.results)
    ]
    return [c.name for c in shown], [[c.show(c.value(result)) for c in shown] for result in record.results]


def record_csv(record: BenchRecord, protocols: Protocols = no_protocols) -> str:
    """The rows, headed by the columns' keys."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([column.key for column in columns(record, protocols)])
    writer.writerows([csv_cell(each) for each in row] for row in rows(record, protocols))
    return text.getvalue()


def record_page(record: BenchRecord, table: Table, protocols: Protocols = no_protocols) -> str:
    """A page: the table as `table` draws it, what was done above it, what to know of it below."""
    drawn = table(*for_people(record, protocols))
    return "\n".join([heading(record), "", drawn, "", *(f"- {line}" for line in notes(record, protocols)), ""])


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
    return f"{scope}, {units.counted(settings.threads, 'thread')}, {how}"


def notes(record: BenchRecord, protocols: Protocols = no_protocols) -> list[str]:
    """The machine, the versions, a line for each kind of warning, and what a protocol's paper says."""
    lines = [record.machine.fingerprint, ", ".join(f"{k} {v}" for k, v in record.versions.items())]
    lines.append(f"edgefer {record.edgefer}, commit {record.commit or 'not known (no checkout)'}")
    if record.interrupted:
        lines.append("interrupted: not everything that was asked for was measured")
    lines += [f"not measured: {line}" for line in record.left_out]
    lines += [roofline.line(peak) for peak in record.peaks]
    lines += _warnings(record)
    return [*lines, *(line for r in record.results[:1] if r.protocol for line in protocols(r.protocol).lines)]


def _warnings(record: BenchRecord) -> list[str]:
    """The first warning of each kind, how many there are, and of which bundles."""
    noted: dict[str, list[tuple[str, str]]] = {}
    for result in record.results:
        for kind, lines in {**warnings_by_kind(result), "instructions": _instructions(result)}.items():
            if lines:
                noted.setdefault(kind, []).extend((line, result.bundle) for line in lines)
    summaries = []
    for texts in noted.values():
        different, bundles = {text for text, _ in texts}, dict.fromkeys(name for _, name in texts)
        more = f" and {len(different) - 1} more like it" if len(different) > 1 else ""
        of = f" ({', '.join(bundles)})" if len(bundles) < len(record.results) else ""
        summaries.append(f"{texts[0][0]}{more}{of}")
    return summaries


def _instructions(result: Result) -> list[str]:
    if result.instructions_reason is not None:
        return [f"instructions: {result.instructions_reason}"]
    if result.instructions_spread:
        return [f"instructions: two counts were {units.count(result.instructions_spread)} apart"]
    return []


@dataclass(frozen=True)
class DevicesRecord:
    """What one `edgefer bench` of several devices measured, device by device."""

    schema: str = field(default="edgefer/bench-devices/1", kw_only=True)
    records: list[BenchRecord]


@dataclass(frozen=True)
class Merged:
    """The results of all devices, bundle by bundle; apart names the bundles that could not be merged."""

    results: list[Result]
    apart: list[str]


def merge(recorded: Sequence[BenchRecord]) -> Merged:
    """Group by bundle and checksum, in the order of the first device that has it.

    Of a name that stands for different files the results are kept apart: each says whose bytes it is of.
    """
    groups: dict[tuple[str, str], list[Result]] = {}
    for record in recorded:
        for result in record.results:
            groups.setdefault((result.bundle, result.bundle_sha256), []).append(result)
    names = [name for name, _ in groups]
    apart = sorted({name for name in names if names.count(name) > 1})
    ordered = sorted(groups.items(), key=lambda group: names.index(group[0][0]))
    results = [
        replace(result, id=f"{result.id} ({sha[:8]})") if name in apart else result
        for (name, sha), group in ordered
        for result in group
    ]
    return Merged(results, apart)


def _kept_apart(merged: Merged) -> list[str]:
    """A line for what was kept apart."""
    if not merged.apart:
        return []
    names = ", ".join(merged.apart)
    return [f"not merged: {names} is not the same files everywhere (the checksum stands behind the name)"]


def as_one(recorded: Sequence[BenchRecord]) -> BenchRecord | DevicesRecord:
    """What is written of them: one device's record is a bench like any other."""
    return recorded[0] if len(recorded) == 1 else DevicesRecord(list(recorded))


def invalid_lines(recorded: Iterable[BenchRecord]) -> list[str]:
    """A line for each result that has a run whose times don't count."""
    return [
        f"{result.id}: {len(bad)} of {len(result.runs)} runs don't count, {bad[0].invalid[0]}: "
        f"{_remedy(bad[0])}, then measure again."
        for record in recorded
        for result in record.results
        if (bad := [run for run in result.runs if run.invalid])
    ]


def _remedy(run: Run) -> str:
    """What helps a run whose times don't count."""
    before, after = run.before.quota, run.after.quota
    used_up = before is not None and after is not None and after.throttled > before.throttled
    return "let the container have more of the processor" if used_up else "see to cooling and power supply"


def page(recorded: Sequence[BenchRecord], table: Table, protocols: Protocols = no_protocols) -> str:
    """One table over all devices, as `table` draws it, and below it what to know of each."""
    if len(recorded) == 1:
        return record_page(recorded[0], table, protocols)
    merged = merge(recorded)
    whole = _of_all(recorded, merged)
    drawn = table(*for_people(whole, protocols))
    below = [f"- {record.device}: {line}" for record in recorded for line in notes(record, protocols)]
    return "\n".join([heading(whole), "", drawn, "", *below, *(f"- {line}" for line in _kept_apart(merged)), ""])


def _of_all(recorded: Sequence[BenchRecord], merged: Merged) -> BenchRecord:
    """One record of all results; a peak is one device's."""
    return replace(recorded[0], results=merged.results, peaks=recorded[0].peaks if len(recorded) == 1 else [])


def to_csv(recorded: Sequence[BenchRecord], protocols: Protocols = no_protocols) -> str:
    """The same rows as plain figures."""
    return record_csv(_of_all(recorded, merge(recorded)), protocols)


def read_bench(path: Path) -> list[BenchRecord]:
    """What `edgefer bench` wrote, of one device or of several; raises MissingFile or BadRecord."""
    kinds: Sequence[type[BenchRecord | DevicesRecord]] = (BenchRecord, DevicesRecord)
    record = records.read_any(kinds, path, "give what `edgefer bench --out` wrote")
    return record.records if isinstance(record, DevicesRecord) else [record]
