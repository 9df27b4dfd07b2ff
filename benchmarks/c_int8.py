"""Generated C beside LiteRT's int8: times as ratios, kernel by kernel, from one process in which both run by turns.

    python benchmarks/c_int8.py [NETWORK ...] [--rounds 400]

In each round every kernel of every network and LiteRT run a block of frames, in random order, on one thread. A ratio is
the median of the rounds' ratios, with the 95 % interval of that median by bootstrap. Let nothing else run meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edgefer.arch import get_arch
from edgefer.pipeline.build import BuildJob, CalibrationOptions, build_bundle
from edgefer.pipeline.targets import get_target
from edgefer.runtime import engines, machine, records
from edgefer.runtime.c.generate import KERNELS
from edgefer.runtime.engines.c import KERNEL
from edgefer.runtime.errors import EdgeferError
from edgefer.runtime.files import write_atomic
from edgefer.runtime.terminal_table import markdown
from edgefer.training import weights

HERE = Path(__file__).parent
RECORD, TABLE = HERE / "results" / "c-int8.json", HERE / "tables" / "c-int8.md"
NETWORKS = ("ean", "lcnn", "microexpnet-xxs")
LITERT, FASTEST = "LiteRT", "C, as chosen"
FRAMES = 10  # in a block
PACKAGES = ("ai-edge-litert", "ziglang", "numpy")


def open_all(network: str, folder: Path) -> dict[str, Callable[[], Any]]:
    """One inference with each engine and kernel that this processor has, by its name."""
    arch = get_arch(network)
    job = BuildJob(arch, "c-int8", get_target("c-int8"), weights.load_trained_model(arch, None), CalibrationOptions())
    bundle = build_bundle(job, folder)
    spec = bundle.manifest.contract.input
    given = np.frombuffer(bundle.path(bundle.manifest.golden.input).read_bytes(), np.int8).reshape(spec.shape)
    models = {LITERT: engines.load(bundle.path("model.tflite"), "tflite")}
    for kernel in (None, *(kernel.name for kernel in KERNELS)):
        os.environ[KERNEL] = kernel or ""
        try:
            models[kernel or FASTEST] = engines.load(bundle.path("model.c"), "c")
        except EdgeferError as error:
            print(f"{network}, {kernel}: {error}", flush=True)
    return {name: lambda run=model.unchecked.run: run(given) for name, model in models.items()}


def measure(runs: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Seconds a frame, a number a round."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        for _ in range(5 * FRAMES):
            run()
    for _ in range(rounds):
        for name in random.sample(list(runs), len(runs)):
            run, began = runs[name], time.perf_counter()
            for _ in range(FRAMES):
                run()
            seconds[name].append((time.perf_counter() - began) / FRAMES)
    return seconds


def summary(seconds: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Medians, and ratios to LiteRT with their intervals."""
    base, draws = np.array(seconds[LITERT]), np.random.default_rng(0)
    found = {}
    for name, values in seconds.items():
        ratios = np.array(values) / base
        medians = np.median(draws.choice(ratios, (1000, len(ratios))), axis=1)
        low, high = np.percentile(medians, [2.5, 97.5])
        numbers = {"us": 1e6 * np.median(values), "ratio": np.median(ratios), "low": low, "high": high}
        found[name] = {key: round(float(number), 4) for key, number in numbers.items()}
    return found


def render(record: dict[str, Any]) -> str:
    """The page of benchmarks/tables."""
    rows = [
        (network, name, f"{row['us']:.1f}", f"{row['ratio']:.3f}", f"{row['low']:.3f} to {row['high']:.3f}")
        for network, found in record["networks"].items()
        for name, row in found.items()
    ]
    here = record["environment"]
    lines = [
        "# Generated C beside LiteRT int8",
        "",
        f"Written by `python benchmarks/c_int8.py` from `results/{RECORD.name}`. One thread, one process, "
        f"{record['rounds']} rounds in random order, {FRAMES} frames a block, Python's call with it; the ratio is the "
        "median of the rounds' and has the 95 % interval of that median.",
        "",
        markdown(("network", "kernels", "us a frame", "ratio to LiteRT", "95 %"), rows),
        "",
        f"{here['cpu']}, {here['cores']} cores, {here['system']}; C by {record['compiler']}, "
        f"LiteRT {here['packages']['ai-edge-litert']}.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, write the record and its table."""
    from edgefer.runtime.c.compiler import find_compiler

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=NETWORKS, metavar="NETWORK")
    parser.add_argument("--rounds", type=int, default=400)
    given = parser.parse_args()
    record: dict[str, Any] = {
        "schema": "edgefer/c-int8/1",
        "rounds": given.rounds,
        "compiler": find_compiler().title,
        "environment": records.plain(machine.describe_environment(PACKAGES, 1)),
        "networks": {},
    }
    for network in given.networks:
        with tempfile.TemporaryDirectory() as folder:
            record["networks"][network] = summary(measure(open_all(network, Path(folder)), given.rounds))
        print(network, record["networks"][network], flush=True)
    write_atomic(RECORD, (json.dumps(record, indent=2) + "\n").encode())
    write_atomic(TABLE, render(record).encode())


if __name__ == "__main__":
    main()
