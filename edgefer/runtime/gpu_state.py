"""A GPU around a run: which it is, its clocks and heat while it works, the memory that was taken.

nvidia-smi tells it; a figure that it does not tell ([N/A]) is None.

Imported by a worker only if it was asked for a GPU.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from statistics import median
from typing import TypeVar

from edgefer.runtime import machine, shell
from edgefer.runtime.bench_record import Gpu, GpuState, Machine, MachineState, Run, Settings
from edgefer.runtime.sampling import Step
from edgefer.runtime.workload import Load, LoadedWorkload

T = TypeVar("T")
Look = Callable[[], MachineState]
Measure = Callable[[Load, Settings, Look], Run]

CUDA = ("cuda", "cuda-graph", "tensorrt")
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


def measure(how: Measure, load: Load, settings: Settings, provider: str) -> tuple[Run, Callable[[Machine], Machine]]:
    """A run by `how`, with what the GPU told; and what adds the GPU to a machine."""
    watch = Watch(provider)
    run = how(watch.around(load), settings, watch.look)
    return watch.complete(run), watch.describe


class Watch:
    """Looks at the GPU before the model is loaded, before sampling and after it."""

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._cards = cards()
        self._looks: list[Card | None] = []
        self._model: LoadedWorkload | None = None

    def around(self, load: Load) -> Load:
        """`load`, remembering what it loads."""

        def remember() -> LoadedWorkload:
            self._model = load()
            return self._model

        return remember

    def look(self) -> MachineState:
        """The machine now; nvidia-smi's own work is left outside of what is between two looks."""
        first = not self._looks
        if first:
            self._looks.append(self._card())
        state = machine.state()
        if not first:
            self._looks.append(self._card())
        card = self._looks[-1]
        return replace(state, gpu=card.state if card else None)

    def _card(self) -> Card | None:
        """The card while it works: at rest its clock would be that of rest."""
        assert self._model is not None
        return self._mine(while_working(self._model.step, cards)) if self._cards else None

    def _mine(self, cards: Sequence[Card]) -> Card | None:
        named = self._model.gpu if self._model else None
        return choose(cards, self._provider, named, os.environ.get("CUDA_VISIBLE_DEVICES"))

    def complete(self, run: Run) -> Run:
        """The run with the GPU's memory, its own time, and what is to be said of it."""
        before, after = (*self._looks[:1], *self._looks[-1:])
        reasons = held_down(before, after)
        model = self._model
        assert model is not None
        gpu = model.gpu
        return replace(
            run,
            memory=replace(run.memory, gpu=memory_taken(self._mine(self._cards), after)),
            device_seconds=None if model.on_device is None else median(model.on_device()),
            warnings=[*machine.software_gpu(gpu), *run.warnings, *machine.gpu_capped(reasons)],
            invalid=[*run.invalid, *machine.gpu_throttled(reasons)],
        )

    def describe(self, here: Machine) -> Machine:
        """The machine with its GPU: nvidia-smi's words where it knows the card, the engine's otherwise."""
        card = self._mine(self._cards)
        named = self._model.gpu if self._model else None
        return replace(here, gpu=card.gpu if card else named)


def while_working(step: Step, ask: Callable[[], T]) -> T:
    """What `ask` returns, and until it does, one `step` after the other."""
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask)
        while not asked.done():
            step()
    return asked.result()


def choose(cards: Sequence[Card], provider: str, named: Gpu | None, visible: str | None) -> Card | None:
    """The card that a model runs on: for CUDA the first one that is visible to it, otherwise the one of that name.

    `visible` is CUDA_VISIBLE_DEVICES, with CUDA_DEVICE_ORDER=PCI_BUS_ID, which is nvidia-smi's order too.
    """
    if provider not in CUDA:
        return next((card for card in cards if named is not None and card.gpu.name == named.name), None)
    if visible is None:
        return next(iter(cards), None)
    first = visible.partition(",")[0].strip()
    return next((card for card in cards if first == str(card.index) or (first and card.uuid.startswith(first))), None)


def memory_taken(before: Card | None, after: Card | None) -> int | None:
    """Bytes of the card's memory that are used now and were not before; None if it does not tell."""
    if before is None or after is None or before.used is None or after.used is None:
        return None
    return after.used - before.used


def held_down(before: Card | None, after: Card | None) -> dict[str, float | None]:
    """The reasons for a lower clock at either look (None), and those that the driver counted in between, in seconds."""
    active = [reason for card in (before, after) if card for reason in card.state.throttled or ()]
    reasons: dict[str, float | None] = dict.fromkeys(active)
    if before and after:
        for reason, seconds in after.held.items():
            rose = seconds - before.held.get(reason, seconds)
            if rose > 0:
                reasons[reason] = rose
    return reasons


def cards() -> list[Card]:
    """All cards in the order of the bus; none if nvidia-smi is not there or fails."""
    for question in QUESTIONS:
        line = ["nvidia-smi", f"--query-gpu={','.join(question)}", "--format=csv,noheader,nounits"]
        output = shell.run_or_none(line, PATIENCE)
        if output is not None and (answered := parse_cards(output, question)):
            return answered
    return []


def parse_cards(output: str, fields: tuple[str, ...]) -> list[Card]:
    """The cards in an answer to the question for `fields`; lines that are no card are left out."""
    rows = csv.reader(output.splitlines(), skipinitialspace=True)
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
