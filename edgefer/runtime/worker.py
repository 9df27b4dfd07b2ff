"""Measures one model in a fresh process: `python -m edgefer.runtime.worker`, a Request in, an Answer out.

Imports numpy and one engine, never what trains, builds or draws. Ships to the device.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

from edgefer.runtime import (
    checking,
    environment,
    machine,
    proc,
    protocol,
    records,
    sampling,
    source_fingerprint,
    warnings,
    workload,
)
from edgefer.runtime.bench_record import MachineState, Memory, Run, Settings
from edgefer.runtime.engines import ENGINES
from edgefer.runtime.errors import BadRecord, EdgeferError
from edgefer.runtime.protocol import Answer, Blocks, Failure, Request
from edgefer.runtime.workload import Load, Loaded

PACKAGES = ("numpy", "pillow", *(name for engine in ENGINES.values() for name in engine.reported), "torch")


def answer(request: Request) -> Answer:
    """Do what was asked; a failure that edgefer explains becomes part of the answer."""
    run, found, gpu = None, None, None
    try:
        if request.check is not None:
            found = checking.check(request, request.check)
        elif request.count is not None:
            count(workload.prepare(request)(), request.count)
        elif request.provider is not None:
            from edgefer.runtime import gpu_state

            run, gpu = gpu_state.measure(measure, workload.prepare(request), request.settings, request.provider)
        else:
            run = measure(workload.prepare(request), request.settings)
    except EdgeferError as error:
        return Answer(None, None, {}, Failure(type(error).__name__, str(error)))
    versions = (
        {"python": sys.version.split()[0]} | environment.versions(PACKAGES) | {"worker": source_fingerprint.checksum()}
    )
    golden, outputs = found or (None, None)
    here = machine.describe()
    return Answer(run, here if gpu is None else gpu(here), versions, None, golden, outputs)


def measure(load: Load, settings: Settings, look: Callable[[], MachineState] = machine.state) -> Run:
    """Load, infer once, warm up, sample; `look` before and after that."""
    with sampling.undisturbed():
        before_load = proc.resident()
        began = time.perf_counter()
        model = load()
        load_seconds = time.perf_counter() - began
        after_load = proc.resident()
        first = sampling.timed(model.step)
        warm = sampling.warm_up(model.step, settings.warmup, model.warm_seconds)
        before = look()
        taken = sampling.take(model.step, settings, min(warm, default=first))
        after = look()
    memory = Memory(before_load, after_load, proc.resident(), proc.peak(), model.arena)
    doubted = warnings.warnings_between(before, after, os.cpu_count() or 1)
    name, _, version = model.engine.rpartition(" ")
    return Run(
        load_seconds=load_seconds,
        first_seconds=first,
        samples=taken.samples,
        loops=taken.loops,
        resolution=taken.resolution,
        memory=memory,
        memory_percent=_share(memory.peak, proc.total_memory()),
        cpu_user_percent=taken.user_percent,
        cpu_system_percent=taken.system_percent,
        engine=name,
        engine_version=version,
        provider=model.provider,
        threads=settings.threads,
        affinity=sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        before=before,
        after=after,
        warnings=[*model.notes, *_late(taken.samples, settings), *doubted],
        invalid=warnings.invalid_between(before, after),
    )


def _share(part: int | None, whole: int | None) -> float | None:
    return 100 * part / whole if part and whole else None


def _late(samples: list[float], settings: Settings) -> list[str]:
    if settings.mode != "paced" or not settings.fps:
        return []
    late = sum(sample > 1 / settings.fps for sample in samples)
    return [f"late: {late} of {len(samples)} frames took longer than 1/{settings.fps:g} s"] if late else []


def count(model: Loaded, wanted: Blocks) -> None:
    """Blocks of frames between markers, for a counter that watches this process from outside."""
    with sampling.undisturbed():
        for _ in range(wanted.blocks):
            os.getppid()  # the marker: nothing else here asks for it
            for _ in range(wanted.frames):
                model.step()
        os.getppid()


def main() -> None:
    """Keep standard output for the answer: what engines print goes to standard error."""
    channel = os.dup(1)
    os.dup2(2, 1)
    try:
        given = protocol.parse(Request, sys.stdin.read(), "the request")
        said = answer(given)
    except BadRecord as error:
        said = Answer(None, None, {}, Failure("BadRecord", str(error)))
    with os.fdopen(channel, "w", encoding="utf-8") as out:
        out.write(records.dumps(said))


if __name__ == "__main__":
    main()
