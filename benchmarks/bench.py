"""What edgefer's harness adds to a sample, and its medians beside those of the engines' own tools.

    python benchmarks/bench.py --dist dist --rounds 7

Everything runs on one thread, in fresh processes, edgefer and the tool in turn on the same file:

- OpenVINO: `benchmark_app` of the package openvino, its median
- LiteRT: `litert-benchmark` of the package ai-edge-litert, its median (printed to 0.01 ms)
- ONNX Runtime: its package has no tool that prints a median. `onnxruntime.tools.onnxruntime_test` prints a
  mean, with as many threads as the process may use cores: it gets one. And a loop of ten lines around
  InferenceSession.run.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgefer.benchmark.run import commit
from edgefer.benchmark.workload import Task, Workload, ask, select
from edgefer.runtime import machine, records, shell, units
from edgefer.runtime.bench_record import Machine, Settings
from edgefer.runtime.terminal_table import markdown

HERE = Path(__file__).parent
RUNS = 2000  # inferences of a process
SETTINGS = Settings(samples=RUNS, warmup=100, seconds=None)
NOTHING = """
import json, time
from edgefer.runtime import sampling
with sampling.undisturbed():
    sampling.back_to_back(lambda: None, 1, 20000, None)
    began = time.perf_counter()
    samples = sampling.back_to_back(lambda: None, 1, 20000, None)
    wall = time.perf_counter() - began
print(json.dumps([sorted(samples)[10000], wall / 20000]))
"""
ONE_CORE = """
import os, runpy, sys
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
sys.argv = sys.argv[1:]
runpy.run_module("onnxruntime.tools.onnxruntime_test", run_name="__main__", alter_sys=True)
"""
DIRECT = """
import sys, time, numpy as np, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
feeds = {session.get_inputs()[0].name: np.zeros(session.get_inputs()[0].shape, np.float32)}
taken = []
for _ in range(int(sys.argv[2]) + 100):
    began = time.perf_counter_ns()
    session.run(None, feeds)
    taken.append(time.perf_counter_ns() - began)
print(sorted(taken[100:])[int(sys.argv[2]) // 2])
"""


@dataclass(frozen=True)
class Pair:
    """One file in edgefer's worker and in a tool; seconds, one figure per process and round."""

    bundle: str
    tool: str
    statistic: str
    edgefer: list[float]
    other: list[float]

    @property
    def ratio(self) -> float:
        """edgefer's median over the tool's."""
        return statistics.median(self.edgefer) / statistics.median(self.other)


@dataclass(frozen=True)
class Tools:
    """The record; added and between are seconds that a sample holds besides the inference, and that lie between two."""

    schema: str
    commit: str | None
    machine: Machine
    versions: dict[str, str]
    busiest: list[str]
    added: float
    between: float
    pairs: list[Pair]


def _said(line: list[str]) -> str:
    done = shell.run(line, environment=shell.environment())
    if done.code != 0:
        raise SystemExit(f"{line[0]} failed:\n{done.out}{done.err}")
    return done.out


def _script(name: str) -> str:
    return str(Path(sys.executable).with_name(name))  # not resolved: a virtual environment's own


def openvino(model: Path) -> float:
    """benchmark_app: synchronous, one stream, one thread, in the file's own precision."""
    one = ["-hint", "none", "-api", "sync", "-nstreams", "1", "-nthreads", "1", "-infer_precision", "f32"]
    said = _said([_script("benchmark_app"), "-d", "CPU", "-m", str(model), *one, "-niter", str(RUNS)])
    found = re.search(r"Median:\s+([\d.]+) (us|ms)", said)
    if found is None:
        raise SystemExit(f"benchmark_app told no median:\n{said}")
    return float(found[1]) * {"us": 1e-6, "ms": 1e-3}[found[2]]


def litert(model: Path) -> float:
    """litert-benchmark on the CPU."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        runs = ["--num_runs", str(RUNS), "--warmup_runs", "100", "--num_threads", "1"]
        _said([_script("litert-benchmark"), "--model", str(model), *runs, "--result_json", str(result)])
        return float(json.loads(result.read_text())["latency"]["median_ms"]) / 1e3


def onnxruntime_test(model: Path) -> float:
    """ONNX Runtime's own small test program: a mean."""
    said = _said([sys.executable, "-c", ONE_CORE, "onnxruntime_test", str(model), str(RUNS)])
    return float(said.partition("avg latency: ")[2].split()[0]) / 1e3


def direct(model: Path) -> float:
    """A loop with nothing of edgefer in it."""
    return float(_said([sys.executable, "-c", DIRECT, str(model), str(RUNS)])) / 1e9


TOOLS: dict[str, list[tuple[str, Callable[[Path], float], str]]] = {
    "openvino": [("benchmark_app", openvino, "median")],
    "tflite": [("litert-benchmark", litert, "median")],
    "onnx": [("onnxruntime_test", onnxruntime_test, "mean"), ("a direct loop", direct, "median")],
}
FILES = {"openvino": "model.xml", "tflite": "model.tflite", "onnx": "model.onnx"}


def measure(dist: Path, arch: str, rounds: int) -> Tools:
    """All pairs, in turn, `rounds` times."""
    workloads = select([f"{arch}.{target}" for target in _targets()], dist)
    pairs = {
        (workload.name, tool): Pair(workload.name, tool, statistic, [], [])
        for workload in workloads
        for tool, _, statistic in TOOLS[_engine(workload)]
    }
    busy: dict[str, None] = {}
    versions: dict[str, str] = {}
    for number in range(rounds):
        for workload in workloads:
            print(f"round {number + 1} of {rounds}: {workload.name}", file=sys.stderr)
            answer = ask(Task(workload, SETTINGS))
            assert answer.run is not None and workload.bundle is not None
            versions = answer.versions
            busy |= dict.fromkeys(map(str, answer.run.warnings))
            for tool, call, statistic in TOOLS[_engine(workload)]:
                pair = pairs[workload.name, tool]
                pair.edgefer.append(getattr(statistics, statistic)(answer.run.samples))
                pair.other.append(call(workload.bundle.folder / FILES[_engine(workload)]))
    added, whole = json.loads(_said([sys.executable, "-P", "-c", NOTHING]))
    return Tools(
        "edgefer/tools/1",
        commit(),
        machine.describe(),
        versions,
        list(busy),
        added,
        max(0.0, whole - added),
        list(pairs.values()),
    )


def _targets() -> list[str]:
    return ["openvino-fp32", "openvino-int8", "tflite-fp32", "tflite-int8", "onnx-fp32", "onnx-int8"]


def _engine(workload: Workload) -> str:
    return workload.name.rpartition(".")[2].partition("-")[0]


def render(found: Tools) -> str:
    """The page."""
    rows = [
        (
            pair.bundle,
            units.milliseconds(statistics.median(pair.edgefer)),
            f"{pair.tool}, {pair.statistic}",
            units.milliseconds(statistics.median(pair.other)),
            f"{100 * (pair.ratio - 1):+.1f} %",
        )
        for pair in found.pairs
    ]
    int8 = [statistics.median(pair.edgefer) for pair in found.pairs if pair.bundle.endswith(".tflite-int8")]
    share = f", {100 * found.added / int8[0]:.2f} % of EAN int8's {units.milliseconds(int8[0])}" if int8 else ""
    rounds = len(found.pairs[0].edgefer)
    return "\n".join(
        (
            "# edgefer bench beside the engines' own tools",
            "",
            "Generated by `python benchmarks/bench.py`; not edited by hand.",
            "",
            f"The worker's loop around nothing: {units.seconds(found.added)} a sample{share}, and "
            f"{units.seconds(found.between)} between two samples.",
            "",
            f"One thread, {RUNS} inferences a process, median of {rounds} rounds; in each round edgefer and the tool",
            "in turn on the same file. edgefer's time holds what an app pays too: the input goes in as a numpy array,",
            "the output comes out as one.",
            "",
            markdown(("bundle", "edgefer", "tool", "the tool's", "difference"), rows),
            "",
            f"{found.machine.fingerprint}; " + ", ".join(f"{k} {v}" for k, v in found.versions.items()) + ".",
            "",
            *(f"- {line}" for line in found.busiest[:3]),
        )
    )


def main() -> None:
    """Measure (with --dist) and render."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--arch", default="ean")
    parser.add_argument("--dist", type=Path, help="folder of the bundles; without it only the table is rendered again")
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    result = HERE / "results" / f"{given.arch}-tools.json"
    if given.dist is not None:
        result.parent.mkdir(exist_ok=True)
        records.write(result, measure(given.dist, given.arch, given.rounds))
    text = render(records.read(Tools, result)).rstrip() + "\n"
    (HERE / "tables").mkdir(exist_ok=True)
    (HERE / "tables" / f"{given.arch}-tools.md").write_text(text)


if __name__ == "__main__":
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    main()
