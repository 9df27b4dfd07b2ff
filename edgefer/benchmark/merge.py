"""Benches of several devices in one table. Rows are neighbours only where the bundles are the same files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from edgefer.benchmark import render
from edgefer.runtime import records
from edgefer.runtime.bench_record import BenchRecord, Result

Table = Callable[[Sequence[str], Sequence[Sequence[str]]], str]


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
        for (name, sha), found in ordered
        for result in found
    ]
    return Merged(results, apart)


def notes(merged: Merged) -> list[str]:
    """A line for what was kept apart."""
    if not merged.apart:
        return []
    names = ", ".join(merged.apart)
    return [f"not merged: {names} is not the same files everywhere (the checksum stands behind the name)"]


def together(recorded: Sequence[BenchRecord]) -> BenchRecord | DevicesRecord:
    """What is written of them: one device's record is a bench like any other."""
    return recorded[0] if len(recorded) == 1 else DevicesRecord(list(recorded))


def invalid(recorded: Iterable[BenchRecord]) -> list[str]:
    """A line for each result that has a run whose times don't count."""
    return [
        f"{result.id}: {len(found)} of {len(result.runs)} runs don't count, {found[0].invalid[0]}: "
        "see to cooling and power supply, then measure again."
        for record in recorded
        for result in record.results
        if (found := [run for run in result.runs if run.invalid])
    ]


def page(recorded: Sequence[BenchRecord], table: Table) -> str:
    """One table over all devices, as `table` draws it, and below it what to know of each."""
    if len(recorded) == 1:
        return render.to_markdown(recorded[0], table)
    merged = merge(recorded)
    whole = replace(recorded[0], results=merged.results)
    drawn = table(*render.for_people(whole))
    told = [f"- {record.device}: {line}" for record in recorded for line in render.notes(record)]
    return "\n".join([render.heading(whole), "", drawn, "", *told, *(f"- {line}" for line in notes(merged)), ""])


def to_csv(recorded: Sequence[BenchRecord]) -> str:
    """The same rows as plain figures."""
    return render.to_csv(replace(recorded[0], results=merge(recorded).results))


def read(path: Path) -> list[BenchRecord]:
    """What `edgefer bench --json` wrote, of one device or of several; raises MissingFile or BadRecord."""
    kinds: Sequence[type[BenchRecord | DevicesRecord]] = (BenchRecord, DevicesRecord)
    record = records.read_any(kinds, path, "give what `edgefer bench --json` wrote")
    return record.records if isinstance(record, DevicesRecord) else [record]
