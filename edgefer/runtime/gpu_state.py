"""A GPU around a run: which it is, its clocks and heat while it works, the memory that was taken.

Imported by a worker only if it was asked for a GPU.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from statistics import median
from typing import TypeVar

from edgefer.runtime import machine, nvidia
from edgefer.runtime.bench_record import Gpu, Machine, MachineState, Run, Settings
from edgefer.runtime.nvidia import Card
from edgefer.runtime.sampling import Step
from edgefer.runtime.workload import Load, LoadedWorkload

T = TypeVar("T")
Look = Callable[[], MachineState]
Measure = Callable[[Load, Settings, Look], Run]

CUDA = ("cuda", "cuda-graph", "tensorrt")
# Reasons that come with heat or a failing supply: what was measured then is not the card's speed. Its power
# limit and fixed clocks are its owner's, and only told.
SLOWED = ("hardware slowdown", "software thermal slowdown", "hardware thermal slowdown", "hardware power brake")


def measure(how: Measure, load: Load, settings: Settings, provider: str) -> tuple[Run, Callable[[Machine], Machine]]:
    """A run by `how`, with what the GPU told; and what adds the GPU to a machine."""
    watch = Watch(provider)
    run = how(watch.around(load), settings, watch.look)
    return watch.complete(run), watch.describe


class Watch:
    """Looks at the GPU before the model is loaded, before sampling and after it."""

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._cards = nvidia.cards()
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
        return self._mine(while_working(self._model.step, nvidia.cards)) if self._cards else None

    def _mine(self, cards: Sequence[Card]) -> Card | None:
        told = self._model.gpu if self._model else None
        return choose(cards, self._provider, told, os.environ.get("CUDA_VISIBLE_DEVICES"))

    def complete(self, run: Run) -> Run:
        """The run with the GPU's memory, its own time, and what is to be said of it."""
        before, after = (*self._looks[:1], *self._looks[-1:])
        model = self._model
        assert model is not None
        gpu = model.gpu
        return replace(
            run,
            memory=replace(run.memory, gpu=taken(self._mine(self._cards), after)),
            device_seconds=None if model.on_device is None else median(model.on_device()),
            warnings=[*software(gpu), *run.warnings, *warnings(before, after)],
            invalid=[*run.invalid, *invalid(before, after)],
        )

    def describe(self, here: Machine) -> Machine:
        """The machine with its GPU: nvidia-smi's words where it knows the card, the engine's otherwise."""
        card = self._mine(self._cards)
        told = self._model.gpu if self._model else None
        return replace(here, gpu=card.gpu if card else told)


def while_working(step: Step, ask: Callable[[], T]) -> T:
    """What `ask` returns, and until it does, one `step` after the other."""
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask)
        while not asked.done():
            step()
    return asked.result()


def choose(cards: Sequence[Card], provider: str, told: Gpu | None, visible: str | None) -> Card | None:
    """The card that a model runs on: for CUDA the first one that is visible to it, otherwise the one of that name.

    `visible` is CUDA_VISIBLE_DEVICES, with CUDA_DEVICE_ORDER=PCI_BUS_ID, which is nvidia-smi's order too.
    """
    if provider not in CUDA:
        return next((card for card in cards if told is not None and card.gpu.name == told.name), None)
    if visible is None:
        return next(iter(cards), None)
    first = visible.partition(",")[0].strip()
    return next((card for card in cards if first == str(card.index) or (first and card.uuid.startswith(first))), None)


def taken(before: Card | None, after: Card | None) -> int | None:
    """Bytes of the card's memory that are used now and were not before; None if it does not tell."""
    if before is None or after is None or before.used is None or after.used is None:
        return None
    return after.used - before.used


def software(gpu: Gpu | None) -> list[str]:
    """A warning where the processor plays the GPU."""
    if gpu is None or not gpu.software:
        return []
    return [f"software: {gpu.name} computes on the processor, these figures say nothing of a GPU"]


def warnings(before: Card | None, after: Card | None) -> list[str]:
    """What held the clock down that is as its owner set it: the power limit, fixed clocks."""
    found = [text for text in _held(before, after) if not text.startswith(SLOWED)]
    return [f"capped: the GPU's clock was held down ({', '.join(found)})"] if found else []


def invalid(before: Card | None, after: Card | None) -> list[str]:
    """Why the times are not the card's: it slowed itself down of heat or want of power."""
    found = [text for text in _held(before, after) if text.startswith(SLOWED)]
    return [f"throttled: the GPU's clock was held down ({', '.join(found)})"] if found else []


def _held(before: Card | None, after: Card | None) -> list[str]:
    """The reasons at either look, and those that the driver counted in between, with their seconds."""
    active = [reason for card in (before, after) if card for reason in card.state.throttled or ()]
    found = dict.fromkeys(active, "")
    if before and after:
        for reason, seconds in after.held.items():
            rose = seconds - before.held.get(reason, seconds)
            if rose > 0:
                found[reason] = f" for {rose:.3g} s"
    return [f"{reason}{how_long}" for reason, how_long in found.items()]
