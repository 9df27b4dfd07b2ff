"""The steps of edgefer gate, from what was typed to the record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgefer.cli.common import read_data

if TYPE_CHECKING:
    from edgefer.cli.progress import Display
    from edgefer.data.read_options import Reading
    from edgefer.gate.accuracy import Quality
    from edgefer.gate.record import GateRecord
    from edgefer.gate.refs import Build
    from edgefer.gate.run import Limits, Tools
    from edgefer.runtime.bench_record import BenchRecord
    from edgefer.runtime.bundle import Bundle


def build(sides: tuple[str, ...], arch: str | None, targets: tuple[str, ...], weights: Path | None) -> Build:
    """What git refs are built into; a wrong name is better told now than after a checkout."""
    from edgefer.arch import get_arch
    from edgefer.gate import base_and_head
    from edgefer.gate.refs import Build
    from edgefer.pipeline import targets as spec

    for side in sides:
        if (arch is None or not targets) and base_and_head.is_ref(side):
            raise click.UsageError(f"{side} is a git ref: say what to build of it with --arch and --target.")
    if arch is not None:
        get_arch(arch)
    for target in targets:
        spec.target(target)
    return Build(arch or "", targets, weights)


def tools(
    shown: Display,
    names: Sequence[str],
    latency: bool,
    instructions: bool,
    data: Path | None,
    reading: Reading,
    split: str,
) -> Tools:
    """What the gate calls; raises UsageError, or NotSetUp for a board that is not made."""
    from edgefer.devices import lookup
    from edgefer.gate.run import Tools

    found = [lookup.find(name) for name in names]
    timed = any(place.timed for place in found)
    if not timed and not instructions:
        raise click.UsageError("instructions are what an emulated board tells: leave --no-instructions out.")
    return Tools(
        counters={place.name: place.count for place in found} if instructions else {},
        quality=None if data is None else _quality(shown, data, reading, split),
        latency=latency and timed,
        notes=[] if timed else ["latency not compared: an emulated board has none"],
    )


def _quality(shown: Display, data: Path, reading: Reading, split: str) -> Callable[[Bundle], Quality]:
    from functools import cache

    from edgefer.gate import accuracy

    read = cache(lambda size: read_data(shown, data, size, reading).split(split))

    def measure(bundle: Bundle) -> Quality:
        test = read(bundle.manifest.contract.resize)
        tick = shown.progress.counter(bundle.manifest.name, f"on {split}", len(test))
        return accuracy.measure(bundle, test, tick)

    return measure


def compare(
    shown: Display,
    given: tuple[str, ...],
    known: BenchRecord | None,
    wanted: Build,
    tools: Tools,
    limits: Limits,
    names: Sequence[str],
) -> GateRecord:
    """`given` are BASE and HEAD; BASE is the baseline's file if it is `known`."""
    from contextlib import ExitStack
    from dataclasses import replace

    from edgefer.gate import base_and_head as sides
    from edgefer.gate import refs, run
    from edgefer.gate.record import record

    with ExitStack() as stack:
        opened = []
        for side in given if known is None else given[1:]:
            shown.progress.step("", f"opening {side}", 0, None)
            opened.append(stack.enter_context(sides.opened(side, partial(refs.built, wanted=wanted))))
        tools = replace(tools, tick=lambda what: shown.progress.step("", what, 0, None))
        if known is not None:
            verdicts = run.against(known, opened[0], tools, limits)
        else:
            verdicts = run.gate(sides.pairs(*opened), tools, limits)
    return record(given[0], given[-1], limits.thresholds, verdicts, names)
