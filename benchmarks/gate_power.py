"""How often the gate is right: equal bundles, one that is 15 % slower, and a network with 10 % more MACs.

    python benchmarks/gate_power.py --bundle dist/ean.tflite-int8 --same 20 --slower 10

Every trial is a whole gate with its fresh processes. It goes on where an earlier call stopped; --again begins
anew. The slower model is the same file in benchmarks/slow_worker.py: its static metrics are the same.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edgefer.arch import Arch, ean, get_arch
from edgefer.benchmark import instructions
from edgefer.benchmark.run import commit
from edgefer.benchmark.workload import Task, Workload
from edgefer.data.dataset import Dataset
from edgefer.gate import run
from edgefer.gate.base_and_head import Pair
from edgefer.gate.interleave import Measure
from edgefer.gate.run import Limits, Tools
from edgefer.gate.verdict import Verdict
from edgefer.pipeline.build import BuildJob, CalibrationOptions, build_bundle
from edgefer.pipeline.targets import get_target
from edgefer.runtime import machine, protocol, records
from edgefer.runtime.bench_record import Run, Settings
from edgefer.runtime.bundle import Bundle, read_bundle
from edgefer.runtime.files import write_atomic
from edgefer.runtime.terminal_table import markdown
from edgefer.training.weights import TrainedModel

HERE = Path(__file__).parent
RESULT, TABLE = HERE / "results" / "gate-power.json", HERE / "tables" / "gate-power.md"
SCHEMA = "edgefer/gate-power/1"
SLOW = (sys.executable, "-P", str(HERE / "slow_worker.py"))
# EAN's layers, each a little wider: 9.9 % more multiply-accumulates
WIDER = ean.Variant(17, ((8, 3), (17, 6), (17, 6), (34, 6), (34, 6), (68, 3)))
TARGETS = ("tflite-fp32", "tflite-int8", "onnx-fp32", "openvino-int8")


def slower(share: float) -> Measure:
    """A measurement that runs the gate's copy of HEAD with a delay, and the others as they ship."""

    def measure(bundle: Bundle, settings: Settings) -> Run:
        request = Task(Workload(bundle), settings).request
        delayed = bundle.folder.parent.name == "b"  # interleave.copies: a, b and c are base, head and control
        answer = protocol.ask(request, SLOW, EDGEFER_SLOWER=str(share)) if delayed else protocol.ask(request)
        assert answer.run is not None
        return answer.run

    return measure


def latency_trial(bundle: Bundle, measure: Measure) -> Verdict:
    """One gate of a bundle against itself."""
    tools = Tools(measure=measure, tick=_progress)
    return run.gate([Pair(bundle.manifest.name, bundle, bundle)], tools, Limits())[0]


def macs_trial(target: str, folder: Path) -> Verdict:
    """One gate, static metrics alone, of EAN against the wider one."""
    arch = get_arch("ean")
    ean.VARIANTS["wider"] = WIDER
    wide = replace(arch, name="wider", variant="wider")
    base, head = (_build(each, target, folder) for each in (arch, wide))
    tools = Tools(counters={"x86": instructions.count}, latency=False, tick=_progress)
    return run.gate([Pair(base.manifest.name, base, head)], tools, Limits())[0]


def _build(arch: Arch, target: str, folder: Path) -> Bundle:
    """Random weights, calibrated on noise: nothing here is about accuracy."""
    torch.manual_seed(0)
    labels = np.tile(np.arange(len(arch.labels)), 4)
    pixels = np.random.default_rng(0).integers(0, 256, (len(labels), arch.resize, arch.resize, 1), dtype=np.uint8)
    noise = Dataset("noise", arch.labels, pixels, labels, np.zeros_like(labels), np.arange(len(labels)))
    weights = TrainedModel(arch.build().eval(), "0" * 64, None)
    job = BuildJob(arch, target, get_target(target), weights, CalibrationOptions(faces=noise), accept_loss=True)
    _progress(f"building {job.id}")
    return build_bundle(job, folder)


def _progress(what: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{what}", end="", file=sys.stderr, flush=True)


def trials(record: dict[str, Any], kind: str, count: int, trial: Callable[[], Verdict]) -> None:
    """Fill up the record to `count` trials of a kind, kept after each."""
    done: list[Any] = record["trials"].setdefault(kind, [])
    while len(done) < count:
        began = time.monotonic()
        verdict = trial()
        seconds = round(time.monotonic() - began, 1)
        plain = records.plain(verdict)
        done.append({key: plain[key] for key in ("outcome", "line", "estimates", "notes")} | {"seconds": seconds})
        write_atomic(RESULT, (json.dumps(record, indent=2) + "\n").encode())
        print(f"\r{kind} {len(done)}/{count}, {seconds:.0f} s: {verdict.line}", flush=True)


def render(record: dict[str, Any]) -> str:
    """The table, as Markdown."""
    names = ["gates", "how many", "ok", "regressed", "inconclusive"]
    names += ["latency found", "noise floor", "processes", "s each"]
    rows = [[kind, *_row(found)] for kind, found in record["trials"].items() if found]
    told = record["machine"]
    return "\n".join(
        (
            "# What the gate says",
            "",
            "Generated by `python benchmarks/gate_power.py`; not edited by hand.",
            "",
            f"{record['bundle']}, limit 5 %, as `edgefer gate` measures by default. Ranges are the smallest and the",
            "largest of all gates; latency and noise floor are those of the last round. Slower: the same file with a",
            "delay built in (`benchmarks/slow_worker.py`). MACs: EAN with wider layers, static metrics alone.",
            "",
            markdown(names, rows),
            "",
            f"{told}; edgefer {record['commit']}.",
            "",
        )
    )


def _row(found: list[Any]) -> list[str]:
    outcomes = Counter(each["outcome"] for each in found)
    last = [each["estimates"][-1] for each in found if each["estimates"]]
    told = [str(len(found)), *(str(outcomes[name]) for name in ("ok", "regressed", "inconclusive"))]
    if not last:
        return [*told, "-", "-", "-", _range([each["seconds"] for each in found], ".0f")]
    return [
        *told,
        _range([100 * each["effect"] for each in last], "+.1f") + " %",
        _range([100 * each["floor"] for each in last if each["floor"] is not None], ".1f") + " %",
        _range([sum(e["processes"] for e in each["estimates"]) for each in found], "d"),
        _range([each["seconds"] for each in found], ".0f"),
    ]


def _range(values: list[Any], form: str) -> str:
    low, high = (format(each, form) for each in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def main() -> None:
    """Run the trials that are missing, and render."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path, default=Path("dist/ean.tflite-int8"))
    parser.add_argument("--same", type=int, default=20, help="gates of a bundle against itself")
    parser.add_argument("--slower", type=int, default=10, help="gates against the slower one")
    parser.add_argument("--share", type=float, default=0.15, help="how much slower")
    parser.add_argument("--targets", nargs="*", default=TARGETS, help="targets of the network with more MACs")
    parser.add_argument("--again", action="store_true", help="forget earlier trials")
    given = parser.parse_args()
    bundle = read_bundle(given.bundle)
    told = {"bundle": bundle.manifest.name, "machine": machine.describe().fingerprint, "commit": commit()}
    record: dict[str, Any] = {"schema": SCHEMA, **told, "trials": {}}
    if RESULT.is_file() and not given.again:
        record = json.loads(RESULT.read_text())
        if any(record[key] != told[key] for key in ("bundle", "machine")):
            sys.exit(f"{RESULT} is of {record['bundle']} on {record['machine']}: --again begins anew.")
    trials(record, "A/A", given.same, lambda: latency_trial(bundle, run.measure_here))
    late = f"{100 * given.share:g} % slower"
    trials(record, late, given.slower, lambda: latency_trial(bundle, slower(given.share)))
    with tempfile.TemporaryDirectory() as folder:
        for target in given.targets:
            kind = f"10 % more MACs, {target}"
            trials(record, kind, 1, partial(macs_trial, target, Path(folder)))
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text(render(record))


if __name__ == "__main__":
    main()
