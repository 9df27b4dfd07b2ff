"""From a printed figure to what edgefer has beside it: one function for each kind of column."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgefer.papers import accuracy, bench_records, checkpoint_size, counted, measured
from edgefer.papers.bench_records import Benches
from edgefer.papers.counted import Counts
from edgefer.papers.transcription import Kind
from edgefer.papers.verdict import NO_NETWORK, At, Found, Missing
from edgefer.runtime.records import TrainingRecord


@dataclass(frozen=True)
class Known:
    """All records that evidence is taken from."""

    counts: Counts
    benches: Benches
    trainings: tuple[TrainingRecord, ...]


def known(kept: Path, own: Path | None = None) -> Known:
    """What is recorded in edgefer's folder, and before it what is in the user's own. Raises BadRecord."""
    return Known(
        counts=counted.load(kept),
        benches=bench_records.read([kept] if own is None else [own, kept]),
        trainings=accuracy.read(kept),
    )


def _always(reason: str) -> Callable[[At, Known], Found]:
    def find(at: At, known: Known) -> Found:
        del at, known
        return Missing(reason)

    return find


def _images(at: At, known: Known) -> Found:
    del known
    return accuracy.needs(at.cell)


_BY_KIND: dict[Kind, Callable[[At, Known], Found]] = {
    "accuracy": lambda at, known: accuracy.accuracy(at, known.trainings),
    "share": lambda at, known: accuracy.share(at, known.trainings),
    "loss": lambda at, known: accuracy.loss(at, known.trainings),
    "parameters": lambda at, known: counted.counted(at, known.counts),
    "flops": lambda at, known: counted.counted(at, known.counts),
    "modelled-memory": lambda at, known: counted.counted(at, known.counts),
    "checkpoint-size": lambda at, known: checkpoint_size.size(at, known.counts),
    "size": lambda at, known: measured.size(at, known.benches),
    "latency": lambda at, known: measured.latency(at, known.benches),
    "fps": lambda at, known: measured.fps(at, known.benches),
    "cpu-percent": lambda at, known: measured.usage(at, known.benches),
    "memory-percent": lambda at, known: measured.usage(at, known.benches),
    "images": _images,
    "setting": _always("a setting"),
    "shape": lambda at, known: counted.shape(at, known.counts),
    "other": _always("follows from other figures"),
}


def find(at: At, known: Known) -> Found:
    """What there is to a figure."""
    # A number of images or a setting has nothing to do with a network.
    if not at.cell.row.arch and at.cell.column.kind not in ("images", "setting"):
        return NO_NETWORK
    return _BY_KIND[at.cell.column.kind](at, known)
