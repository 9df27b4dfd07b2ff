"""Records made by hand, and made copies of /proc and /sys."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from edgefer.benchmark.workload import Workload
from edgefer.runtime.bench_record import BenchRecord, Machine, MachineState, Memory, Result, Run, RunWarning, Settings
from edgefer.runtime.bundle import Bundle, write_bundle
from tests.pipeline.test_bundle_readme import GOLDEN_FILES, MANIFESTS

MIB = 2**20


def state(
    clock: float = 100.0,
    busy: float | None = 50.0,
    own: float = 1.0,
    *,
    load_average: float | None = 0.2,
    governor: str | None = None,
    stolen: float | None = 0.0,
    throttled: list[str] | None = None,
    since_boot: list[str] | None = None,
    throttles: int | None = None,
) -> MachineState:
    """A machine that nobody else uses, unless told otherwise."""
    return MachineState(clock, load_average, governor, 1.5e9, 51.0, busy, stolen, own, throttled, since_boot, throttles)


def run(scale: float = 1.0, warnings: list[str] | None = None) -> Run:
    """Samples of 100 to 199 microseconds, times `scale`."""
    return Run(
        load_seconds=0.025,
        first_seconds=0.0004,
        samples=[scale * (100 + n) * 1e-6 for n in range(100)],
        loops=1,
        resolution=4e-8,
        memory=Memory(40 * MIB, 48 * MIB, 50 * MIB, 51 * MIB, None),
        memory_percent=1.25,
        cpu_user_percent=98.0,
        cpu_system_percent=1.5,
        engine="LiteRT",
        engine_version="2.3.0",
        provider="XNNPACK, 1 part",
        threads=1,
        affinity=[0, 1],
        before=state(),
        after=state(clock=101.0, busy=51.0, own=2.0),
        warnings=[RunWarning.from_text(text) for text in warnings or []],
    )


def result(name: str, runs: list[Run], protocol: str | None = None, counted: int | None = None) -> Result:
    """A bundle with these runs."""
    return Result(
        id=f"x86/{name}",
        bundle=name,
        bundle_sha256="0" * 64,
        files={"manifest.json": 5000, "model.tflite": 114568},
        model_bytes=114568,
        parameters=43840,
        macs=4568040,
        operators={"CONV_2D int8": 14, "SOFTMAX int8": 1},
        tensors={"int8": 90, "int32": 36},
        instructions_per_frame=counted,
        instructions_reason=None if counted else "install qemu-user and a C compiler",
        settings=Settings(),
        protocol=protocol,
        runs=runs,
        instructions_spread=0,
    )


def record(results: list[Result], interrupted: bool = False) -> BenchRecord:
    """A bench with these results."""
    machine = Machine("A processor", 4, 4 * 2**30, "Linux", "6.1.0", "aarch64", "A board, revision 1")
    versions = {"python": "3.11.0", "ai-edge-litert": "2.3.0"}
    return BenchRecord("0.0.0", None, "x86", machine, versions, interrupted, results)


def bundle(folder: Path) -> Bundle:
    """A whole bundle of the folder's name on disk, whose model is none."""
    manifest = replace(MANIFESTS[2], name=folder.name)
    files = dict.fromkeys((manifest.model, *GOLDEN_FILES), b"")
    return write_bundle(folder, manifest, files)


def workload(name: str) -> Workload:
    """A bundle of that name that was opened, if it were there."""
    return Workload(Bundle(Path(name), replace(MANIFESTS[2], name=name), "0" * 64))


def write(root: Path, files: dict[str, str]) -> Path:
    """Files below `root`, by their path there."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root
