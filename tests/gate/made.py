"""Made rounds, runs and bundles for the gate: no engine runs, no file is a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgefer.benchmark.workload import Workload
from edgefer.gate import baseline
from edgefer.gate.interleave import order
from edgefer.gate.verdict import Process, Role
from edgefer.runtime import machine
from edgefer.runtime.bench_record import (
    BenchRecord,
    MachineState,
    Memory,
    Result,
    Run,
    RunWarning,
    Settings,
    WarningKind,
)
from edgefer.runtime.bundle import read_bundle, write_bundle
from edgefer.runtime.manifest import Dtypes
from tests.pipeline.test_bundle_readme import GOLDEN_FILES, MANIFESTS

FRAME = 1e-3  # seconds
ROLES: tuple[Role, ...] = ("base", "head", "control")
STATE = MachineState(0.0, None, None, None, None, None, None, 0.0, None, None, None)


def noise(count: int, size: float, random: np.random.Generator) -> list[float]:
    """Factors that a busy two-core machine puts on the medians of processes in a row.

    A drift that neighbours share, a little of each one's own, and now and then one that is far too slow.
    """
    drift = np.cumsum(random.normal(0, size / 2, count))
    own = random.normal(0, size / 2, count)
    bursts = (random.random(count) < 0.1) * random.exponential(4 * size, count)
    return [float(factor) for factor in np.exp(drift - drift.mean() + own + bursts)]


def round_of(blocks: int, slower: float, size: float, seed: int) -> list[Process]:
    """Processes in the gate's own order, HEAD slower by a share."""
    roles = [(role, block) for block in range(blocks) for role in order(ROLES, block)]
    factors = noise(len(roles), size, np.random.default_rng(seed))
    return [
        Process(role, block, FRAME * factor * (1 + slower * (role == "head")))
        for (role, block), factor in zip(roles, factors, strict=True)
    ]


def run(seconds: float, **changed: Any) -> Run:
    """What a worker would answer."""
    made = Run(
        load_seconds=0.01,
        first_seconds=seconds,
        samples=[seconds] * 3,
        loops=1,
        resolution=1e-9,
        memory=Memory(None, None, None, None, None),
        memory_percent=None,
        cpu_user_percent=100.0,
        cpu_system_percent=0.0,
        engine="Engine",
        engine_version="1.0",
        provider="CPU",
        threads=1,
        affinity=[0, 1],
        before=STATE,
        after=STATE,
        warnings=[],
    )
    return replace(made, **changed)


def bundle(place: Path, name: str = "ean.onnx-fp32", seconds: float = FRAME, **changed: Any) -> Path:
    """A bundle whose model file is nothing but the seconds that a frame takes."""
    known = replace(MANIFESTS[2], name=name, **changed)
    files = dict.fromkeys(GOLDEN_FILES, b"") | {known.model: f"{seconds:<32}".encode()}
    return write_bundle(place / name, known, files).folder


def operators(**counts: int) -> Dtypes:
    """For `bundle`."""
    return Dtypes({}, {f"{name} float32": count for name, count in counts.items()}, [])


class Machine:
    """In place of workload.measure: what the model file says, with noise; every fourth process had a busy machine."""

    def __init__(self, size: float = 0.01) -> None:
        self._noise = iter(noise(2000, size, np.random.default_rng(0)))
        self.calls = 0

    def __call__(self, workload: Workload, settings: Settings) -> Run:
        self.calls += 1
        assert workload.bundle is not None
        seconds = float((workload.bundle.folder / MANIFESTS[2].model).read_text()) * next(self._noise)
        busy = RunWarning(WarningKind.BUSY, "other processes used 1.00 of 2 cores")
        return run(seconds, warnings=[busy] if self.calls % 4 == 0 else [])


def recorded(
    folder: Path, processes: int = 12, size: float = 0.01, versions: Mapping[str, str] | None = None
) -> BenchRecord:
    """A baseline of a made bundle, measured here."""
    manifest = read_bundle(folder).manifest
    seconds = float((folder / manifest.model).read_text())
    runs = [run(seconds * factor) for factor in noise(processes, size, np.random.default_rng(1))]
    result = Result(
        id=f"x86/{manifest.name}",
        bundle=manifest.name,
        bundle_sha256="0" * 64,
        files={},
        model_bytes=manifest.model_bytes,
        parameters=manifest.parameters,
        macs=manifest.macs,
        operators=manifest.dtypes.operators,
        tensors={},
        instructions_per_frame=None,
        instructions_reason="not asked for",
        settings=Settings(),
        protocol=None,
        runs=runs,
    )
    return BenchRecord(
        edgefer="0.0.0",
        commit=None,
        device="x86",
        machine=machine.describe(),
        versions={**baseline.versions(), **(versions or {})},
        interrupted=False,
        results=[result],
    )
