"""Columns that the papers' tables of deployment lack: what a device really takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import fmean

from edgefer.benchmark.columns import over_runs
from edgefer.papers.comparison import ELSEWHERE, Grid, GridCell, missing_cell
from edgefer.papers.evidence import NOT_TRAINED, Records
from edgefer.papers.measured import CPU_TARGET, BenchResult, first_result, measured_as, stands_for, trained_name
from edgefer.papers.paper_files import tables
from edgefer.papers.transcription import Table
from edgefer.runtime import units
from edgefer.runtime.bench_record import Run

TABLES = ("ean-5", "microexpnet-6", "microexpnet-7", "mit-2", "lcnn-3", "lcnn-4", "lcnn-5")
TARGETS = (CPU_TARGET, "tflite-fp32", "tflite-int8")
INT8 = "tflite-int8"
COUNTED = (INT8, "tflite-fp32")
BOARDS = {"rpi3-emulated": "Pi 3", "rpi4-emulated": "Pi 4", "rpi5-emulated": "Pi 5"}


@dataclass(frozen=True)
class DeploymentColumn:
    """A column: its heading, and its cell for a network of a table."""

    name: str
    cell: Callable[[str, str, Records], GridCell]  # table, network


def _by_protocol(table: str, bundle: str, records: Records) -> BenchResult | None:
    """The bundle's result on a processor under the table's protocol, or its paper's."""
    sources = [source[0] for statistic in ("mean", "usage") if (source := measured_as(table, statistic))]
    protocols = {tables()[source][1].protocol for source in sources}
    under = [bench for bench in records.benches.results if bench.result.protocol in protocols]
    return first_result(under, [bundle], lambda bench: bench.on_cpu)


def _size(target: str, table: str, network: str, records: Records) -> GridCell:
    bundle = f"{network}.{target}"
    everywhere = records.benches.results
    bench = _by_protocol(table, bundle, records) or first_result(everywhere, [bundle], lambda bench: bench.on_cpu)
    return _absent(table, bundle, records) if bench is None else GridCell(units.size(bench.result.model_bytes))


def _peak(target: str, table: str, network: str, records: Records) -> GridCell:
    return _run(target, table, network, records, lambda run: run.memory.peak, lambda v: units.mebibytes(round(v)))


def _model(target: str, table: str, network: str, records: Records) -> GridCell:
    return _run(target, table, network, records, lambda run: run.memory.model, lambda v: units.mebibytes(round(v)))


def _latency(target: str, table: str, network: str, records: Records) -> GridCell:
    def mean(run: Run) -> float | None:
        return fmean(run.samples) if run.timed else None

    return _run(target, table, network, records, mean, units.milliseconds)


def _run(
    target: str,
    table: str,
    network: str,
    records: Records,
    figure: Callable[[Run], float | None],
    show: Callable[[float], str],
) -> GridCell:
    bundle = f"{network}.{target}"
    bench = _by_protocol(table, bundle, records)
    value = None if bench is None else over_runs(bench.result, figure)
    if bench is None or value is None:
        return _absent(table, bundle, records)
    return GridCell(show(value), _of_batch(bench) if show is units.milliseconds else "")


def _of_batch(bench: BenchResult) -> str:
    batch = bench.result.settings.batch
    return f"of a batch of {batch}" if batch > 1 else ""


def _absent(table: str, bundle: str, records: Records) -> GridCell:
    for _, line in records.benches.left_out:
        if line.startswith(f"{bundle}: "):
            return missing_cell(line.removeprefix(f"{bundle}: "))
    return missing_cell(f"not measured: run edgefer tables {stands_for(table) or table} --measure")


def _accuracy(table: str, network: str, records: Records) -> GridCell:
    """Of the shipped weights, which come first."""
    del table
    record = next((each for each in records.trainings if each.arch == network and each.private), None)
    if record is None or record.private is None:
        return missing_cell(NOT_TRAINED.reason)
    return GridCell(f"{record.private.accuracy:.2f} %")


def _instructions(target: str, board: str, table: str, network: str, records: Records) -> GridCell:
    reason = f"not counted: run edgefer tables {table} --measure --device {board}"
    for bench in records.benches.results:
        if trained_name(bench.result.id) == f"{board}/{network}.{target}":
            if bench.result.instructions_per_frame is not None:
                return GridCell(units.millions(bench.result.instructions_per_frame))
            reason = bench.result.instructions_reason or reason
    return missing_cell(reason)


IN_DEPLOYMENT = (
    *(DeploymentColumn(f"{target}, model", partial(_size, target)) for target in TARGETS),
    DeploymentColumn(f"{CPU_TARGET}, peak memory", partial(_peak, CPU_TARGET)),
    DeploymentColumn(f"{CPU_TARGET}, the model's share", partial(_model, CPU_TARGET)),
    DeploymentColumn("tflite-fp32, mean", partial(_latency, "tflite-fp32")),
    DeploymentColumn(f"{INT8}, peak memory", partial(_peak, INT8)),
    DeploymentColumn(f"{INT8}, mean", partial(_latency, INT8)),
    DeploymentColumn("FER2013, PrivateTest", _accuracy),
)
ON_BOARDS = tuple(
    DeploymentColumn(f"{target}, {title}", partial(_instructions, target, name))
    for target in COUNTED
    for name, title in BOARDS.items()
)
# Title and columns of each grid below a table of deployment.
GRIDS = (
    ("What the paper does not tell, of the same networks in deployment:", IN_DEPLOYMENT),
    ("Instructions a frame, counted on emulated Raspberry Pis, which give no times:", ON_BOARDS),
)


def measured_for(name: str) -> str | None:
    """The table to be measured where that one is asked for; None if none of its figures is of a machine."""
    of_machine = any(column.kind in ELSEWHERE for column in tables()[name][1].columns)
    return stands_for(name) if of_machine or name in TABLES else None


def deployment_grids(name: str, table: Table, records: Records) -> tuple[tuple[str, Grid], ...]:
    """What the paper lacks of a table's networks; nothing for a table that is not of deployment."""
    if name not in TABLES:
        return ()
    networks = dict.fromkeys(row.arch for row in table.rows if row.arch)
    grids = []
    for title, columns in GRIDS:
        rows = [(GridCell(each), *(column.cell(name, each, records) for column in columns)) for each in networks]
        grids.append((title, Grid(("network", *(column.name for column in columns)), tuple(rows))))
    return tuple(grids)
