"""Measures one model in a fresh process: `python -m edgefer.runtime.worker`, a Request in, an Answer out.

Imports numpy and one engine, never what trains, builds or draws. Ships to the device. benchmark.torch_worker answers
the same requests for the float network in torch.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edgefer.runtime import (
    contract,
    files,
    machine,
    proc,
    records,
    sampling,
    verify,
    workload,
)
from edgefer.runtime.bench_record import MachineState, Memory, Run, RunWarning, Settings, WarningKind
from edgefer.runtime.engines import ENGINES
from edgefer.runtime.errors import BadData, BadRecord, EdgeferError, one_line
from edgefer.runtime.process import die_with_parent
from edgefer.runtime.protocol import Answer, Blocks, Check, Failure, Request
from edgefer.runtime.verify import GoldenCheck
from edgefer.runtime.workload import Load, LoadedWorkload

Prepare = Callable[[Request], Load]
Checked = tuple[GoldenCheck, list[list[float]] | None]
PACKAGES = ("numpy", "pillow", *(name for engine in ENGINES.values() for name in engine.reported), "torch")


def check_bundle(request: Request, check: Check) -> Checked:
    """The golden pair, and the outputs (N, classes) for `check.faces` if there are any.

    Raises what read_bundle and verify.check_golden raise, BadData for faces that can't be read.
    """
    bundle = workload.open_bundle(request)
    golden = verify.check_golden(bundle, request.settings.threads, request.provider)
    if check.faces is None:
        return golden, None
    faces = read_faces(check.faces)
    model, agreed = verify.open_model(bundle, request.settings.threads, request.provider), bundle.manifest.contract
    outputs = [
        contract.dequantise(model.run(contract.to_input(pixels[None], agreed)), agreed.output)[0].tolist()
        for pixels in contract.to_pixels(faces, agreed)
    ]
    return golden, outputs


def read_faces(path: str) -> NDArray[np.uint8]:
    """The faces of a check, as its `faces` names them; raises BadData."""
    try:
        faces: NDArray[np.uint8] = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise BadData(f"{path} is no array of faces ({error}): start the check again.") from error
    return faces


def answer(
    request: Request,
    prepare: Prepare = workload.prepare,
    check: Callable[[Request, Check], Checked] = check_bundle,
) -> Answer:
    """Do what was asked; a failure becomes part of the answer, whatever an engine raised.

    `prepare` returns what loads the workload, `check` does the request's check.
    """
    run, checked, add_gpu = None, None, None
    try:
        if request.check is not None:
            checked = check(request, request.check)
        elif request.count is not None:
            count(prepare(request)(), request.count)
        elif request.provider is not None:
            from edgefer.runtime import gpu_state

            run, add_gpu = gpu_state.measure(measure, prepare(request), request.settings, request.provider)
        else:
            run = measure(prepare(request), request.settings)
    except EdgeferError as error:
        return Answer(None, None, {}, Failure(type(error).__name__, str(error)))
    except Exception as error:  # the engines' exceptions have no base in common
        traceback.print_exc()  # for the log
        message = (
            f"{request.folder or request.eager} failed while it ran ({type(error).__name__}: {one_line(error)[:200]}): "
            "`edgefer verify` tells whether the engine here can run it."
        )
        return Answer(None, None, {}, Failure("WorkerFailed", message))
    versions = (
        {"python": sys.version.split()[0]} | machine.package_versions(PACKAGES) | {"worker": files.runtime_checksum()}
    )
    golden, outputs = checked or (None, None)
    here = machine.describe()
    return Answer(run, here if add_gpu is None else add_gpu(here), versions, None, golden, outputs)


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
        sampled = sampling.sample(model.step, settings, min(warm, default=first))
        after = look()
    memory = Memory(before_load, after_load, proc.resident(), proc.peak(), model.arena)
    of_machine = machine.warnings_between(before, after, os.cpu_count() or 1)
    name, _, version = model.engine.rpartition(" ")
    return Run(
        load_seconds=load_seconds,
        first_seconds=first,
        samples=sampled.samples,
        loops=sampled.loops,
        resolution=sampled.resolution,
        memory=memory,
        memory_percent=_share(memory.peak, proc.total_memory()),
        cpu_user_percent=sampled.user_percent,
        cpu_system_percent=sampled.system_percent,
        engine=name,
        engine_version=version,
        provider=model.provider,
        threads=settings.threads,
        affinity=sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        before=before,
        after=after,
        warnings=[*model.notes, *_late(sampled.samples, settings), *of_machine],
        invalid=machine.invalid_between(before, after),
    )


def _share(part: int | None, whole: int | None) -> float | None:
    return 100 * part / whole if part and whole else None


def _late(samples: list[float], settings: Settings) -> list[RunWarning]:
    if settings.mode != "paced" or not settings.fps:
        return []
    late = sum(sample > 1 / settings.fps for sample in samples)
    values = {"late": late, "frames": len(samples), "fps": settings.fps}
    message = "{late} of {frames} frames took longer than 1/{fps:g} s"
    return [RunWarning(WarningKind.LATE, message, values)] if late else []


def count(model: LoadedWorkload, blocks: Blocks) -> None:
    """Blocks of frames between markers, for a counter that watches this process from outside."""
    with sampling.undisturbed():
        for _ in range(blocks.blocks):
            os.getppid()  # the marker: nothing else here asks for it
            for _ in range(blocks.frames):
                model.step()
        os.getppid()


def main(prepare: Prepare = workload.prepare, check: Callable[[Request, Check], Checked] = check_bundle) -> None:
    """Answer the request on standard input; what engines print goes to standard error."""
    die_with_parent()
    channel = os.dup(1)
    os.dup2(2, 1)
    try:
        request = records.parse(Request, sys.stdin.buffer.read().decode(), "the request")
        said = records.dumps(answer(request, prepare, check))
    except BadRecord as error:
        said = records.dumps(Answer(None, None, {}, Failure("BadRecord", str(error))))
    with os.fdopen(channel, "w", encoding="utf-8") as out:
        out.write(said)


if __name__ == "__main__":
    main()
