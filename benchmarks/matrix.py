"""Every network on every target, untrained: does it build and verify, how long does that take, how large is the model.

    python benchmarks/matrix.py [NETWORK ...]

One process a network; targets share its float graph, so a time is of what came on top of the targets before it. A
cell is written down as soon as it is known: started again, the script goes on where it was. `--again` forgets first.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from edgefer.arch import ARCHS
from edgefer.pipeline.targets import all_targets, get_target
from edgefer.runtime import machine, records
from edgefer.runtime.files import write_atomic
from edgefer.runtime.terminal_table import markdown

HERE = Path(__file__).parent
RECORD, TABLE = HERE / "results" / "matrix.json", HERE / "tables" / "matrix.md"
PACKAGES = ("torch", "litert-torch", "ai-edge-quantizer", "onnxruntime", "openvino", "ncnn", "pnnx")
MEMORY = 20 * 2**30  # bytes that a process may ask for: what needs more is written down as such


def build(network: str, names: list[str]) -> Iterator[dict[str, Any]]:
    """Build, read back and verify the network for the targets; each cell as soon as it is known."""
    from edgefer.arch import get_arch
    from edgefer.pipeline.build import BuildJob, CalibrationOptions, build_bundle
    from edgefer.pipeline.float_model import FloatModel
    from edgefer.runtime import verify
    from edgefer.runtime.bundle import read_bundle
    from edgefer.runtime.errors import EdgeferError
    from edgefer.training import random_init

    arch = get_arch(network)
    float_model = FloatModel(arch, random_init.make(arch, 0))
    for name in names:
        job = BuildJob(arch, name, get_target(name), float_model.weights, CalibrationOptions())
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            try:
                built = build_bundle(job, Path(folder), float_model=float_model)
                verify.check_golden(read_bundle(built.folder))
            except (EdgeferError, MemoryError) as error:
                yield {"target": name, "why": str(error) or type(error).__name__}
                continue
        cell = {"bytes": built.manifest.model_bytes, "distance": built.manifest.golden.distance}
        yield {"target": name, "seconds": round(time.perf_counter() - began, 1), **cell}


def tried(network: str) -> list[str]:
    """The targets that the network is built for."""
    return [name for name, target in all_targets().items() if target.is_tried(network)]


def child(network: str, names: list[str]) -> None:
    """What a process does: a cell a line on standard output."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    for cell in build(network, names):
        print(json.dumps(cell), flush=True)


def measure(network: str, cells: dict[str, Any], script: Path = Path(__file__)) -> Iterator[None]:
    """Fill in the cells of a network that are missing, in a process of its own; another where one dies of a target."""
    while missing := [name for name in tried(network) if name not in cells]:
        line = [sys.executable, str(script), "--child", network, *missing]
        with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for told in process.stdout:
                cell = json.loads(told)
                cells[cell.pop("target")] = cell
                yield
        died = next((name for name in missing if name not in cells), None)
        if died is not None:
            why = f"the process ended with {process.returncode}"
            cells[died] = {"why": why, "wrong": why} if script != Path(__file__) else {"why": why}
            yield


def arguments(description: str | None, what: str) -> argparse.Namespace:
    """The command line of a script that fills in cells of `what`: `names`, `again` and `child`."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar=what.upper(), help="default: all")
    parser.add_argument("--again", action="store_true", help=f"forget the cells of these {what}s first")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def fill(
    rows: dict[str, Any],
    names: Iterable[str],
    again: bool,
    keep: Callable[[str], None],
    shown: Callable[[dict[str, Any]], object],
    script: Path = Path(__file__),
) -> None:
    """Measure what is missing of each name's cells; `keep` hears of the name behind each, to write the record down."""
    for name in names:
        cells = rows[name] = {} if again else rows.get(name, {})
        for _ in measure(name, cells, script):
            keep(name)
        print(name, {target: shown(cell) for target, cell in cells.items()}, flush=True)


def render(record: dict[str, Any]) -> str:
    """The page of benchmarks/tables."""
    names = list(all_targets())
    rows = record["networks"]
    found = [cell for cells in rows.values() for cell in cells.values()]
    bad = [(network, name, c["why"]) for network, cells in rows.items() for name, c in cells.items() if "why" in c]
    lines = [
        "# Every network on every target",
        "",
        f"Written by `python benchmarks/matrix.py` from `results/{RECORD.name}`. Untrained weights, seed 0; each "
        "bundle was built, read back and verified (checksums, contract, golden pair), int8 with nothing left in float "
        "that the engine has in int8. A cell: seconds, bytes of the model. Targets of a network share its float graph, "
        "so the first of an engine takes longest.",
        "",
        f"{sum('why' not in c for c in found)} of {len(found)} hold, {len(bad)} don't; "
        f"{sum(c.get('seconds', 0) for c in found) / 60:.0f} minutes in all, "
        f"{record['environment']['threads']} threads, on {_processors(record['cpus'])}.",
        "",
        markdown(("network", *names), [(n, *(_cell(rows[n].get(t)) for t in names)) for n in ARCHS if n in rows]),
    ]
    if bad:
        lines += ["", "What does not hold:", "", markdown(("network", "target", "why"), bad)]
    return "\n".join(lines) + "\n"


def _processors(cpus: dict[str, str]) -> str:
    """The one that built most networks, then the others with what they built."""
    by = sorted(set(cpus.values()), key=lambda cpu: -list(cpus.values()).count(cpu))
    others = (f"{', '.join(n for n in cpus if cpus[n] == cpu)} on {cpu}" for cpu in by[1:])
    return "; ".join((by[0], *others))


def _cell(cell: dict[str, Any] | None) -> str:
    if cell is None:
        return "not run"
    return "no, see below" if "why" in cell else f"{cell['seconds']} s, {cell['bytes']:,}"


def surprises(record: dict[str, Any]) -> list[str]:
    """Cells that don't hold though their target's row of targets/ doesn't say so."""
    found = ((n, t) for n, cells in record["networks"].items() for t, cell in cells.items() if "why" in cell)
    return [f"{network}.{name}" for network, name in found if network not in get_target(name).cannot]


def main() -> None:
    """Measure what is missing, write the record and its table; exit with 1 if a cell doesn't hold and should."""
    given = arguments(__doc__, "network")
    if given.child:
        child(given.names[0], given.names[1:])
        return
    record = (
        json.loads(RECORD.read_text())
        if RECORD.is_file()
        else {"schema": "edgefer/matrix/1", "networks": {}, "cpus": {}}
    )
    record["environment"] = records.plain(machine.describe_environment(PACKAGES, os.cpu_count() or 1))

    def keep(network: str) -> None:
        record["cpus"][network] = record["environment"]["cpu"]
        records.write(RECORD, record)
        write_atomic(TABLE, render(record).encode())

    fill(record["networks"], given.names or ARCHS, given.again, keep, lambda cell: cell.get("seconds", "no"))
    if wrong := surprises(record):
        sys.exit(f"should hold and don't: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
