"""What nvidia-smi says of the cards in this machine; a figure that it does not tell ([N/A]) is None."""

from __future__ import annotations

import csv
from dataclasses import dataclass

from edgefer.runtime import shell
from edgefer.runtime.bench_record import Gpu, GpuState

FIELDS = (
    "index",
    "uuid",
    "name",
    "driver_version",
    "memory.total",
    "memory.used",
    "clocks.sm",
    "clocks.mem",
    "temperature.gpu",
    "power.draw",
)
# What holds a clock down, by its bit in NVML's nvmlClocksEventReasons; the first, that the card is idle, is none.
REASONS = {
    0x2: "application clocks",
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x10: "sync boost",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "hardware power brake",
    0x100: "display clocks",
}
# Microseconds for which some of them did, since the driver was loaded; driver 550 and newer.
COUNTERS = {
    "clocks_event_reasons_counters.sw_power_cap": "power cap",
    "clocks_event_reasons_counters.sw_thermal_slowdown": "software thermal slowdown",
    "clocks_event_reasons_counters.hw_thermal_slowdown": "hardware thermal slowdown",
    "clocks_event_reasons_counters.hw_power_brake_slowdown": "hardware power brake",
}
# Newest first: a driver refuses the whole question for one field that it does not know.
QUESTIONS: tuple[tuple[str, ...], ...] = (
    (*FIELDS, "clocks_event_reasons.active", *COUNTERS),
    (*FIELDS, "clocks_event_reasons.active"),
    (*FIELDS, "clocks_throttle_reasons.active"),
    FIELDS,
)
ACTIVE = "reasons.active"
MIB, MEGA = 2**20, 1e6
PATIENCE = 30.0  # seconds: where nothing keeps the driver awake, it wakes up every card first


@dataclass(frozen=True)
class Card:
    """One card now: used is bytes of its memory, held seconds for which each reason held its clock down so far."""

    index: int
    uuid: str
    gpu: Gpu
    used: int | None
    state: GpuState
    held: dict[str, float]


def cards() -> list[Card]:
    """All cards in the order of the bus; none if nvidia-smi is not there or fails."""
    for question in QUESTIONS:
        line = ["nvidia-smi", f"--query-gpu={','.join(question)}", "--format=csv,noheader,nounits"]
        said = shell.run_or_none(line, PATIENCE)
        if said is not None and (found := parse(said, question)):
            return found
    return []


def parse(said: str, fields: tuple[str, ...]) -> list[Card]:
    """The cards in an answer to the question for `fields`; lines that are no card are left out."""
    rows = csv.reader(said.splitlines(), skipinitialspace=True)
    return [_card(dict(zip(fields, row, strict=True))) for row in rows if len(row) == len(fields) and row[0].isdigit()]


def _card(row: dict[str, str]) -> Card:
    memory, used = _number(row["memory.total"], MIB), _number(row["memory.used"], MIB)
    active = next((text for name, text in row.items() if name.endswith(ACTIVE)), None)
    held = {reason: _number(row[name], 1e-6) for name, reason in COUNTERS.items() if name in row}
    state = GpuState(
        clock=_number(row["clocks.sm"], MEGA),
        memory_clock=_number(row["clocks.mem"], MEGA),
        temperature=_number(row["temperature.gpu"]),
        power=_number(row["power.draw"]),
        throttled=None if active is None else reasons(active),
    )
    return Card(
        index=int(row["index"]),
        uuid=row["uuid"],
        gpu=Gpu(row["name"].strip(), row["driver_version"].strip(), None if memory is None else round(memory)),
        used=None if used is None else round(used),
        state=state,
        held={reason: seconds for reason, seconds in held.items() if seconds is not None},
    )


def _number(text: str, unit: float = 1.0) -> float | None:
    """`1980`, `1980 MHz`; None for `[N/A]` and whatever else is no number."""
    try:
        return float(text.split(maxsplit=1)[0]) * unit
    except (ValueError, IndexError):
        return None


def reasons(mask: str) -> list[str] | None:
    """`0x0000000000000044` -> the reasons; None if it is no number."""
    try:
        bits = int(mask, 16)
    except ValueError:
        return None
    return [name for bit, name in REASONS.items() if bits & bit]
