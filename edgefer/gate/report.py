"""A gate's record, which `edgefer gate --json` prints, and its page: the answer, a table, what to know of it.

History of the schema: version 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from edgefer.gate.verdict import Outcome, Thresholds, Verdict, overall
from edgefer.runtime import __version__, machine, units

Table = Callable[[Sequence[str], Sequence[Sequence[str]]], str]
NAMES = ("bundle", "answer", "BASE", "HEAD", "latency", "interval", "p", "noise floor", "processes", "static metrics")


@dataclass(frozen=True)
class GateRecord:
    """One gate: what was compared (as it was given), on which machine, and the answer for each bundle.

    devices are those that were asked: this machine's processor, emulated boards. bundles is how many BASE has and how
    many HEAD; None in records of earlier versions.
    """

    schema: str = field(default="edgefer/gate/1", kw_only=True)
    edgefer: str
    base: str
    head: str
    machine: str
    outcome: Outcome
    thresholds: Thresholds
    verdicts: list[Verdict]
    devices: list[str] = field(default_factory=list)
    bundles: tuple[int, int] | None = None


def make_record(
    base: str,
    head: str,
    thresholds: Thresholds,
    verdicts: Sequence[Verdict],
    devices: Sequence[str] = (),
    bundles: tuple[int, int] | None = None,
) -> GateRecord:
    """The record of a gate on this machine."""
    return GateRecord(
        edgefer=__version__,
        base=base,
        head=head,
        machine=machine.describe().fingerprint,
        outcome=overall([verdict.outcome for verdict in verdicts]),
        thresholds=thresholds,
        verdicts=list(verdicts),
        devices=list(devices),
        bundles=bundles,
    )


def page(record: GateRecord, table: Table) -> str:
    """The page as Markdown, or as plain text: `table` draws the table."""
    worst = ("regressed", "inconclusive", "ok")
    lines = [verdict.line for verdict in sorted(record.verdicts, key=lambda each: worst.index(each.outcome))]
    kept = range(len(NAMES)) if _is_timed(record) else (0, 1, -1)  # no columns of dashes
    rows = [[cells[index] for index in kept] for cells in map(_row, record.verdicts)]
    drawn = table([NAMES[index] for index in kept], rows)
    parts = [heading(record), "", *(f"- {line}" for line in lines), "", drawn, ""]
    return "\n".join([*parts, *(f"- {note}" for note in notes(record)), ""])


def heading(record: GateRecord) -> str:
    """The answer to all, in one line."""
    bundles = units.counted(len(record.verdicts), "bundle")
    on = f" on {', '.join(record.devices)}" if record.devices else ""
    return f"{record.outcome}: {record.head} against {record.base}, {bundles}{on}"


def notes(record: GateRecord) -> list[str]:
    """The rules, the machine, and what was noted of the bundles."""
    limits = record.thresholds
    worse = f"a static metric worse by more than {limits.exact:g} %"
    rules = [
        f"regressed: slower by more than {units.percent(100 * limits.latency)} and than the noise floor in two rounds, "
        f"each at p of at most {limits.alpha:g}; or {worse}",
        f"ok: less than {units.percent(100 * limits.latency)} slower, {100 * (1 - limits.alpha):g} % sure; "
        "all else is inconclusive",
        "latency: median difference of processes that ran close together; BASE and HEAD: medians of all",
        f"interval: {100 * (1 - 2 * limits.alpha):g} %; noise floor: how far two copies of one bundle are apart",
    ]
    lines = [
        *(rules if _is_timed(record) else [f"regressed: {worse}; all else is ok"]),
        f"{record.machine}; edgefer {record.edgefer}",
    ]
    if record.bundles is not None:
        base, head = record.bundles
        compared = sum(verdict.changes is not None for verdict in record.verdicts)
        lines.insert(0, f"compared: {compared} of BASE's {base} and HEAD's {head} bundles")
    of: dict[str, list[str]] = {}
    for verdict in record.verdicts:
        for note in verdict.notes:
            of.setdefault(note, []).append(verdict.name)
    count = len(record.verdicts)
    return lines + [note if len(names) == count else f"{note} ({', '.join(names)})" for note, names in of.items()]


def _is_timed(record: GateRecord) -> bool:
    """Whether latency was compared of a bundle, or tried in vain."""
    return any(verdict.estimates or verdict.outcome == "inconclusive" for verdict in record.verdicts)


def _row(verdict: Verdict) -> list[str]:
    changes = "equal"
    if verdict.changes is None or verdict.changes:
        changes = "; ".join(change.text for change in verdict.changes or []) or units.ABSENT
    if not verdict.estimates:
        return [verdict.name, verdict.outcome, *[units.ABSENT] * 7, changes]
    last = verdict.estimates[-1]
    p = ", ".join(f"{each.p:.2g}" for each in verdict.estimates)
    processes = " + ".join(str(each.processes) for each in verdict.estimates)
    return [
        verdict.name,
        verdict.outcome,
        units.seconds(last.base),
        units.seconds(last.head),
        _signed(last.effect),
        f"{_signed(last.low)} to {_signed(last.high)}",
        p,
        units.percent(None if last.floor is None else 100 * last.floor),
        processes,
        changes,
    ]


def _signed(share: float | None) -> str:
    return "?" if share is None else f"{100 * share:+.1f} %"
