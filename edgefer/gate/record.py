"""What `edgefer gate --json` prints.

History of the schema: version 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from edgefer.gate.verdict import Outcome, Thresholds, Verdict, overall
from edgefer.runtime import __version__, machine

SCHEMA = "edgefer/gate/1"


@dataclass(frozen=True)
class GateRecord:
    """One gate: what was compared (as it was given), on which machine, and the answer for each bundle.

    devices are those that were asked: this machine's processor, emulated boards.
    """

    schema: str
    edgefer: str
    base: str
    head: str
    machine: str
    outcome: Outcome
    thresholds: Thresholds
    verdicts: list[Verdict]
    devices: list[str] = field(default_factory=list)


def record(
    base: str, head: str, thresholds: Thresholds, verdicts: Sequence[Verdict], devices: Sequence[str] = ()
) -> GateRecord:
    """The record of a gate on this machine."""
    return GateRecord(
        schema=SCHEMA,
        edgefer=__version__,
        base=base,
        head=head,
        machine=machine.describe().fingerprint,
        outcome=overall([verdict.outcome for verdict in verdicts]),
        thresholds=thresholds,
        verdicts=list(verdicts),
        devices=list(devices),
    )
