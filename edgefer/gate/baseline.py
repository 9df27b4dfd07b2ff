"""A bench of another day as BASE: readable, and comparable here or not."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

from edgefer import __version__, environment, records
from edgefer.bench import worker
from edgefer.bench.record import SCHEMA, BenchRecord, Machine, Result, Run
from edgefer.bench.run import commit
from edgefer.bench.statistics import median
from edgefer.errors import BadRecord, MissingFile
from edgefer.gate.exact import Figures
from edgefer.gate.verdict import Process

PACKAGES = ("numpy",)  # the engine's own version is in its runs
BLOCK = -1  # none of the blocks of a round


def read(path: Path) -> BenchRecord:
    """Open what `edgefer bench --save-baseline` wrote; raises MissingFile or BadRecord."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MissingFile(
            f"can't read {path} ({error.strerror}): `edgefer bench --save-baseline` makes one."
        ) from error
    except (ValueError, RecursionError) as error:
        raise BadRecord(f"{path} is not JSON ({error}): save the baseline again.") from error
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != SCHEMA:
        raise BadRecord(
            f"{path} has the schema {schema!r}, this edgefer compares with {SCHEMA!r}: "
            f"save it again with `edgefer bench --save-baseline {path}`."
        )
    return records.structure(BenchRecord, content, str(path))


def versions() -> dict[str, str]:
    """Of Python and of the packages that move latencies, here."""
    return {"python": sys.version.split()[0]} | environment.versions(PACKAGES)


def differences(baseline: BenchRecord, result: Result, machine: Machine, found: dict[str, str], run: Run) -> list[str]:
    """Why the latencies of `result` say nothing here, where `run` was measured; empty if they may be compared."""
    if not result.runs:
        return ["the baseline holds no run of it"]
    then = result.runs[0]
    facts = {
        "the machine": (baseline.machine.fingerprint, machine.fingerprint),
        "the engine": (f"{then.engine} {then.engine_version}", f"{run.engine} {run.engine_version}"),
        "the provider": (then.provider, run.provider),
        "the number of usable cores": (_cores(then), _cores(run)),
    }
    facts |= {name: (baseline.versions.get(name, "none"), version) for name, version in found.items()}
    return [f"{what} was {before}, here it is {now}" for what, (before, now) in facts.items() if before != now]


def _cores(run: Run) -> str:
    return "unknown" if run.affinity is None else str(len(run.affinity))


def processes(result: Result) -> list[Process]:
    """The recorded processes."""
    return [Process("base", BLOCK, median(run.samples)) for run in result.runs]


def figures(recorded: BenchRecord, result: Result) -> tuple[Figures, list[str]]:
    """The recorded exact figures, and a note on what is left out.

    Instructions are exact for one edgefer and one set of versions only: the worker's own are among them.
    """
    now = (__version__, commit(), {"python": sys.version.split()[0]} | environment.versions(worker.PACKAGES))
    same = (recorded.edgefer, recorded.commit, recorded.versions) == now
    known = replace(_figures(result), instructions=None, spread=0)
    if same or result.instructions_per_frame is None:
        return (_figures(result) if same else known), []
    return known, ["instructions per frame not compared: the baseline's are of another edgefer or other versions"]


def _figures(result: Result) -> Figures:
    return Figures(
        model_bytes=result.model_bytes,
        macs=result.macs,
        parameters=result.parameters,
        operators=result.operators,
        instructions=result.instructions_per_frame,
        spread=result.instructions_spread,
    )
