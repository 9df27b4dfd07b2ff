"""Columns that the papers' tables of deployment lack: what a device really takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import fmean

from edgefer.benchmark.columns import over_runs
from edgefer.papers import accuracy
from edgefer.papers.bench_records import Taken, first, plain
from edgefer.papers.evidence import Known
from edgefer.papers.grid import Grid, Piece, lacking
from edgefer.papers.measured import CPU_TARGET, measured_as, stands_for
from edgefer.papers.table_names import tables
from edgefer.papers.transcription import Table
from edgefer.papers.verdict import ELSEWHERE
from edgefer.runtime import units
from edgefer.runtime.bench_record import Run

TABLES = ("ean-5", "microexpnet-6", "microexpnet-7", "mit-2", "lcnn-3", "lcnn-4", "lcnn-5")
TARGETS = (CPU_TARGET, "tflite-fp32", "tflite-int8")
INT8 = "tflite-int8"
COUNTED = (INT8, "tflite-fp32")
BOARDS = {"rpi3-emulated": "Pi 3", "rpi4-emulated": "Pi 4", "rpi5-emulated": "Pi 5"}


@dataclass(frozen=True)
class Extra:
    """A column: its heading, and its cell for a network of a table."""

    name: str
    piece: Callable[[str, str, Known], Piece]  # table, network


def _by_protocol(table: str, bundle: str, known: Known) -> Taken | None:
    """The bundle's result on a processor under the table's protocol, or its paper's."""
    sources = [found[0] for statistic in ("mean", "usage") if (found := measured_as(table, statistic))]
    protocols = {tables()[source][1].protocol for source in sources}
    under = [taken for taken in known.benches.taken if taken.result.protocol in protocols]
    return first(under, [bundle], lambda taken: taken.on_cpu)


def _size(target: str, table: str, network: str, known: Known) -> Piece:
    bundle = f"{network}.{target}"
    taken = _by_protocol(table, bundle, known) or first(known.benches.taken, [bundle], lambda taken: taken.on_cpu)
    return _absent(table, bundle, known) if taken is None else Piece(units.size(taken.result.model_bytes), "extra")


def _peak(target: str, table: str, network: str, known: Known) -> Piece:
    return _run(target, table, network, known, lambda run: run.memory.peak, lambda v: units.mebibytes(round(v)))


def _model(target: str, table: str, network: str, known: Known) -> Piece:
    return _run(target, table, network, known, lambda run: run.memory.model, lambda v: units.mebibytes(round(v)))


def _latency(target: str, table: str, network: str, known: Known) -> Piece:
    def mean(run: Run) -> float | None:
        return fmean(run.samples) if run.timed else None

    return _run(target, table, network, known, mean, units.milliseconds)


def _run(
    target: str,
    table: str,
    network: str,
    known: Known,
    figure: Callable[[Run], float | None],
    show: Callable[[float], str],
) -> Piece:
    bundle = f"{network}.{target}"
    taken = _by_protocol(table, bundle, known)
    value = None if taken is None else over_runs(taken.result, figure)
    if taken is None or value is None:
        return _absent(table, bundle, known)
    return Piece(show(value), "extra", _of_batch(taken) if show is units.milliseconds else "")


def _of_batch(taken: Taken) -> str:
    batch = taken.result.settings.batch
    return f"of a batch of {batch}" if batch > 1 else ""


def _absent(table: str, bundle: str, known: Known) -> Piece:
    for _, line in known.benches.left_out:
        if line.startswith(f"{bundle}: "):
            return lacking(line.removeprefix(f"{bundle}: "))
    return lacking(f"not measured: run edgefer tables {stands_for(table) or table} --measure")


def _accuracy(table: str, network: str, known: Known) -> Piece:
    """Of the shipped weights, which come first."""
    del table
    record = next((each for each in known.trainings if each.arch == network and each.private), None)
    if record is None or record.private is None:
        return lacking(accuracy.NOT_TRAINED.reason)
    return Piece(f"{record.private.accuracy:.2f} %", "extra")


def _instructions(target: str, board: str, table: str, network: str, known: Known) -> Piece:
    reason = f"not counted: run edgefer tables {table} --measure --device {board}"
    for taken in known.benches.taken:
        if plain(taken.result.id) == f"{board}/{network}.{target}":
            if taken.result.instructions_per_frame is not None:
                return Piece(units.millions(taken.result.instructions_per_frame), "extra")
            reason = taken.result.instructions_reason or reason
    return lacking(reason)


IN_DEPLOYMENT = (
    *(Extra(f"{target}, model", partial(_size, target)) for target in TARGETS),
    Extra(f"{CPU_TARGET}, peak memory", partial(_peak, CPU_TARGET)),
    Extra(f"{CPU_TARGET}, the model's share", partial(_model, CPU_TARGET)),
    Extra("tflite-fp32, mean", partial(_latency, "tflite-fp32")),
    Extra(f"{INT8}, peak memory", partial(_peak, INT8)),
    Extra(f"{INT8}, mean", partial(_latency, INT8)),
    Extra("FER2013, PrivateTest", _accuracy),
)
ON_BOARDS = tuple(
    Extra(f"{target}, {title}", partial(_instructions, target, name))
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
    own = any(column.kind in ELSEWHERE for column in tables()[name][1].columns)
    return stands_for(name) if own or name in TABLES else None


def grids(name: str, table: Table, known: Known) -> tuple[tuple[str, Grid], ...]:
    """What the paper lacks of a table's networks; nothing for a table that is not of deployment."""
    if name not in TABLES:
        return ()
    networks = dict.fromkeys(row.arch for row in table.rows if row.arch)
    found = []
    for title, extras in GRIDS:
        rows = [(Piece(each, "name"), *(extra.piece(name, each, known) for extra in extras)) for each in networks]
        found.append((title, Grid(("network", *(extra.name for extra in extras)), tuple(rows))))
    return tuple(found)
