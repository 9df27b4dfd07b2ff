"""Generated C beside LiteRT's int8: time, instructions and memory, as ratios.

    python benchmarks/c_int8.py [NETWORK ...] [--rounds 400]

Times: in each round every kernel of the network and LiteRT run a block of frames, in random order, in one process and
on one thread. A ratio is the median of the rounds' ratios, with the 95 % interval of that median by bootstrap. Let
nothing else run meanwhile. Instructions of a frame are counted by qemu-x86_64 as a Haswell (AVX2) and a Nehalem (SSE);
memory is the peak of a process that answers one picture: a host in C, and Python with LiteRT.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgefer.arch import get_arch
from edgefer.benchmark import emulator, instructions
from edgefer.benchmark.workload import Workload
from edgefer.pipeline.build import BuildJob, CalibrationOptions, build_bundle
from edgefer.pipeline.targets import get_target
from edgefer.runtime import engines, machine, records
from edgefer.runtime.bundle import Bundle
from edgefer.runtime.c import compiler
from edgefer.runtime.c.generate import HEADER, KERNELS, SOURCE, function_name
from edgefer.runtime.engines.c import KERNEL
from edgefer.runtime.errors import EdgeferError
from edgefer.runtime.files import write_atomic
from edgefer.runtime.terminal_table import markdown
from edgefer.training import weights

HERE = Path(__file__).parent
RECORD, TABLE = HERE / "results" / "c-int8.json", HERE / "tables" / "c-int8.md"
NETWORKS = ("ean", "lcnn", "microexpnet-xxs")
LITERT, FASTEST = "LiteRT", "C, as chosen"
PROCESSORS = ("Haswell", "Nehalem")
FRAMES = 10  # in a block; one where a frame takes longer than SLOW seconds
SLOW = 0.001
PACKAGES = ("ai-edge-litert", "ziglang", "numpy")
HOST = """#include <stdio.h>
#include <string.h>
#include "model.h"
static int8_t in[EDGEFER_@_INPUT], out[EDGEFER_@_OUTPUT], arena[EDGEFER_@_ARENA];
int main(void) {
  char line[256];
  FILE *status;
  if (fread(in, sizeof in, 1, stdin) != 1) return 1;
  edgefer_#(in, out, arena);
  fwrite(out, sizeof out, 1, stderr);
  if (!(status = fopen("/proc/self/status", "r"))) return 1;
  while (fgets(line, sizeof line, status))
    if (!strncmp(line, "VmHWM:", 6)) fputs(line, stdout);
  return 0;
}
"""
PYTHON = """import sys
import numpy as np
from ai_edge_litert.interpreter import Interpreter
interpreter = Interpreter(model_path=sys.argv[1], num_threads=1)
interpreter.allocate_tensors()
given, returned = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
picture = np.frombuffer(sys.stdin.buffer.read(), np.int8).reshape(given["shape"])
interpreter.set_tensor(given["index"], picture)
interpreter.invoke()
sys.stderr.buffer.write(interpreter.get_tensor(returned["index"]).tobytes())
print(*(line for line in open("/proc/self/status") if line.startswith("VmHWM:")))
"""
# Cycles of the time stamp counter a frame, the least of 2,000 frames, of EAN (LCNN for the last) on an AMD EPYC (Zen 4)
# by zig 0.17.1: 100,247 before. What was dropped made them more.
TRIED = (
    ("an expansion compiled for each layer; rows end in a whole tile; maps up to 3 wide with four sums each", "-4.5 %"),
    ("the same for depthwise rows; the rest of a row as a tile of 4, not as one of 8 over again", "-2.6 %"),
    ("MEAN loads its last channels by a mask", "-0.7 %"),
    ("layers of 8 outputs in half vectors, two pixels of 8 channels in one vector in MUL", "-3.5 %"),
    ("LCNN: MAX_POOL_2D with its values in registers", "-15 %"),
    ("dropped: two vectors of channels at a time in an expansion", "+0.7 %"),
    ("dropped: three", "+4.5 %"),
)
# Time of EAN with the kernels `avx512` on an AMD EPYC (Zen 5) by zig 0.17.1: 10th percentiles of 2,000 rounds of four
# frames, both libraries in one process in random order. Each row is with those above it, to the time before them all;
# what was dropped is to what was kept.
TRIED_ZEN5 = (
    ("maps begin at cache lines", "0.976"),
    (
        "expansions pack each pair of columns once, three vectors at a time in rows of 16 and more; "
        "layers of 8 outputs take two groups of inputs at a time in a whole vector",
        "0.907",
    ),
    (
        "the first convolution compiled for its layer, its weights in registers; pixels of 16 outputs stored together",
        "0.857",
    ),
    ("the rest of a row as a tile of its own width: depthwise rows, rows of 9 to 12, expansions by six", "0.840"),
    ("MUL by one pixel: 64 values at a time", "0.833"),
    ("the first convolution: each row's ninth input in a seventh group, in place of three groups more", "0.806"),
    ("MEAN in two sums, and rounded by vectors", "0.797"),
    ("dropped: one vector of channels at a time in all expansions", "+1.3 %"),
    ("dropped: two vectors at a time", "+0.5 %"),
    ("dropped: the first convolution in tiles of four", "+0.9 %"),
    ("dropped: its three rows unrolled", "+1.2 %"),
    ("dropped: LCNN's ADD 64 values at a time, where maps are dense", "+3.5 %"),
    ("dropped: compiled with -mtune=znver4 or znver5", "0.0 %"),
)
# Instructions a frame with the kernels `avx2` in a host in C, counted by qemu-x86_64 as a Haswell, C by zig 0.17.1.
# Each row is with those above it. What was dropped made them more.
TRIED_AVX2 = (
    ("before", "1,680,138", "4,288,502"),
    ("weights int16 once a layer, multiplied from memory, all outputs of a pixel at once", "1,351,480", "3,911,490"),
    ("each convolution compiled for its layer, in parts of equal size", "1,167,826", "3,346,391"),
    ("eight groups of inputs a turn", "1,114,482", "3,316,033"),
    ("limits of ReLU by unsigned packing", "1,096,896", "3,304,265"),
    ("depthwise layers that are not fused: two taps a multiplication", "1,096,896", "3,121,497"),
    ("borders alone are cleared; maxima by vectors", "1,083,257", "2,739,458"),
    ("pools compiled for their layer", "1,083,257", "2,604,417"),
    ("a row of zeros of one vector", "1,069,261", "2,598,428"),
    ("sums, products and means without copies of vectors' parts", "1,047,565", "2,604,380"),
    ("dropped: both columns of a pair in one turn, as copies of the code", "+0.4 %", ""),
    ("dropped: no unrolling by the compiler beside the four groups a turn that there were then", "+1.1 %", "+6.1 %"),
    ("dropped: weights of zeros for rows that are not there", "+0.6 %", "+0.3 %"),
)


def build(network: str, target: str, folder: Path) -> Bundle:
    """The network's bundle for a target."""
    arch = get_arch(network)
    job = BuildJob(arch, target, get_target(target), weights.load_trained_model(arch, None), CalibrationOptions())
    return build_bundle(job, folder)


def picture(bundle: Bundle) -> np.ndarray[Any, Any]:
    """The golden input."""
    content = bundle.path(bundle.manifest.golden.input).read_bytes()
    return np.frombuffer(content, np.int8).reshape(bundle.manifest.contract.input.shape)


def open_all(bundle: Bundle) -> dict[str, Callable[[], Any]]:
    """One inference with each engine and kernel that this processor has, by its name."""
    given, models = picture(bundle), {LITERT: engines.load(bundle.path("model.tflite"), "tflite")}
    for kernel in (None, *(kernel.name for kernel in KERNELS)):
        os.environ[KERNEL] = kernel or ""
        try:
            models[kernel or FASTEST] = engines.load(bundle.path(SOURCE), "c")
        except EdgeferError as error:
            print(f"{kernel}: {error}", flush=True)
    os.environ[KERNEL] = ""
    return {name: lambda run=model.unchecked.run: run(given) for name, model in models.items()}


def measure(runs: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Seconds a frame, a number a round."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    frames = {name: FRAMES if min(timed(run, 1) for _ in range(5)) < SLOW else 1 for name, run in runs.items()}
    for _ in range(rounds):
        for name in random.sample(list(runs), len(runs)):
            seconds[name].append(timed(runs[name], frames[name]))
    return seconds


def timed(run: Callable[[], Any], frames: int) -> float:
    """Seconds a frame of a block."""
    began = time.perf_counter()
    for _ in range(frames):
        run()
    return (time.perf_counter() - began) / frames


EARLIER = (
    "On an AMD EPYC of the generation before (Zen 4, this page at commit 6e635d8) the AVX-512 kernels of then took "
    "0.401, 0.527 and 0.535 of LiteRT's time."
)


def ratio(values: Sequence[float], base: Sequence[float]) -> dict[str, float]:
    """The median of the rounds' ratios, and the 95 % interval of that median by bootstrap."""
    ratios = np.array(values) / np.array(base)
    medians = np.median(np.random.default_rng(0).choice(ratios, (1000, len(ratios))), axis=1)
    low, high = np.percentile(medians, [2.5, 97.5])
    return {"ratio": float(np.median(ratios)), "low": float(low), "high": float(high)}


def summary(seconds: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Medians, and ratios to LiteRT with their intervals."""
    found = {}
    for name, values in seconds.items():
        numbers = {"us": 1e6 * float(np.median(values))} | ratio(values, seconds[LITERT])
        found[name] = {key: round(number, 4) for key, number in numbers.items()}
    return found


def count(bundle: Bundle, tflite: Bundle) -> dict[str, dict[str, Any]]:
    """Instructions a frame of both engines as older processors, Python's call with it; or why there are none."""
    assert tflite.path("model.tflite").read_bytes() == bundle.path("model.tflite").read_bytes(), "two networks"
    found: dict[str, dict[str, Any]] = {}
    for cpu in PROCESSORS:
        qemu = replace(emulator.EMULATORS["x86"], cpu=cpu)
        if (reason := instructions.lacking(qemu)) is not None:
            found[cpu] = {"reason": reason}
            continue
        counts = [instructions.count_in(qemu, Workload(each)) for each in (bundle, tflite)]
        reasons = [each.reason for each in counts if each.reason]
        numbers = dict(zip(("C", LITERT), (each.instructions for each in counts), strict=True))
        found[cpu] = {"reason": reasons[0]} if reasons else numbers
        print(bundle.folder.name, cpu, found[cpu], flush=True)
    return found


def peaks(bundle: Bundle, folder: Path) -> dict[str, int]:
    """KiB of a process at its peak: a host in C that answers one picture, and Python with LiteRT doing so."""
    name, made = function_name(bundle.manifest.arch), folder / "host"
    for file in (SOURCE, HEADER):
        (folder / file).write_bytes(bundle.path(file).read_bytes())
    (folder / "host.c").write_text(HOST.replace("@", name.upper()).replace("edgefer_#", f"edgefer_{name}"))
    sources = [str(folder / file) for file in ("host.c", SOURCE)]
    subprocess.run(
        [*compiler.find_compiler().command, "-O3", "-ffp-contract=off", "-s", "-o", str(made), *sources], check=True
    )
    lines = {"C": [str(made)], LITERT: [sys.executable, "-c", PYTHON, str(bundle.path("model.tflite"))]}
    found, answers = {}, set()
    for engine, line in lines.items():
        done = subprocess.run(line, input=picture(bundle).tobytes(), capture_output=True, check=True)
        found[engine] = int(done.stdout.split()[1])
        answers.add(done.stderr[-bundle.manifest.contract.output.shape[-1] :])
    assert len(answers) == 1, "the two processes answer otherwise"
    return found


def render(record: dict[str, Any]) -> str:
    """The page of benchmarks/tables."""
    networks, here = record["networks"].items(), record["environment"]
    times = [
        (network, name, f"{row['us']:.1f}", f"{row['ratio']:.3f}", f"{row['low']:.3f} to {row['high']:.3f}")
        for network, found in networks
        for name, row in found["times"].items()
    ]
    counts = [
        (network, cpu, row.get("reason") or f"{row['C']:,}", *_compared(row))
        for network, found in networks
        for cpu, row in found["instructions"].items()
    ]
    memory = [(network, f"{row['C']:,}", *_compared(row)) for network, row in ((n, f["peak_kib"]) for n, f in networks)]
    lines = [
        "# Generated C beside LiteRT int8",
        "",
        f"Written by `python benchmarks/c_int8.py` from `results/{RECORD.name}`. One thread, one process, "
        f"{record['rounds']} rounds in random order, {FRAMES} frames a block (slow kernels 1), Python's call with it; "
        "the ratio is the median of the rounds' and has the 95 % interval of that median.",
        "",
        markdown(("network", "kernels", "us a frame", "ratio to LiteRT", "95 %"), times),
        "",
        f"{here['cpu']}, {here['cores']} cores, {here['system']}; C by {record['compiler']}, "
        f"LiteRT {here['packages']['ai-edge-litert']}. {EARLIER}",
        "",
        "## Instructions a frame on older processors",
        "",
        f"Counted by qemu-x86_64 {record['qemu'] or ''}, Python's call with it. Instructions are not time.",
        "",
        markdown(("network", "processor", "C", "LiteRT", "ratio"), counts),
        "",
        "## Peak memory of a process that answers one picture, KiB",
        "",
        markdown(("network", "host in C", "Python with LiteRT", "ratio"), memory),
        "",
        "## What was tried",
        "",
        "Cycles of the time stamp counter a frame with the kernels `avx512`, EAN where nothing else is said; the least "
        "of 2,000 frames on an AMD EPYC (Zen 4), C by zig 0.17.1. What each kernel brings is the first table.",
        "",
        markdown(("change", "cycles"), TRIED),
        "",
        "Time of EAN with the kernels `avx512` on an AMD EPYC (Zen 5), C by zig 0.17.1: 10th percentiles of 2,000 "
        "rounds, both libraries in one process in random order. Each row is with those above it, to the time before "
        "them all; what was dropped is to what was kept. In the end LCNN took 0.820 and MicroExpNet-XXS 0.900 of the "
        "time before.",
        "",
        markdown(("change", "time"), TRIED_ZEN5),
        "",
        "Instructions a frame with the kernels `avx2` in a host in C, counted as a Haswell's; each row with those "
        "above it, and what was dropped against what was kept.",
        "",
        markdown(("change", "EAN", "LCNN"), TRIED_AVX2),
    ]
    return "\n".join(lines) + "\n"


def _compared(row: dict[str, Any]) -> tuple[str, str]:
    return ("", "") if "reason" in row else (f"{row[LITERT]:,}", f"{row['C'] / row[LITERT]:.3f}")


def main() -> None:
    """Measure, write the record and its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=NETWORKS, metavar="NETWORK")
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="for record and table, to try; else they are kept")
    given = parser.parse_args()
    record: dict[str, Any] = {
        "schema": "edgefer/c-int8/1",
        "rounds": given.rounds,
        "compiler": compiler.find_compiler().title,
        "qemu": emulator.EMULATORS["x86"].version,
        "environment": records.plain(machine.describe_environment(PACKAGES, 1)),
        "networks": {},
    }
    with tempfile.TemporaryDirectory() as folder:
        bundles = {network: build(network, "c-int8", Path(folder) / network) for network in given.networks}
        for network, bundle in bundles.items():
            times = summary(measure(open_all(bundle), given.rounds))
            record["networks"][network] = {"times": times, "peak_kib": peaks(bundle, Path(folder))}
            print(network, record["networks"][network], flush=True)
        for network, bundle in bundles.items():
            tflite = build(network, "tflite-int8", Path(folder) / network)
            record["networks"][network]["instructions"] = count(bundle, tflite)
    places = (RECORD, TABLE) if given.out is None else (given.out / RECORD.name, given.out / TABLE.name)
    write_atomic(places[0], (json.dumps(record, indent=2) + "\n").encode())
    write_atomic(places[1], render(record).encode())


if __name__ == "__main__":
    main()
