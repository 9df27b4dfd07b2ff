"""The benches that are recorded, as results to choose from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgefer.benchmark.report import DevicesRecord, read_bench
from edgefer.runtime.bench_record import BenchRecord, Result

# At these commits `edgefer tables --measure` timed networks as torch initialises them, whose batch norms have a mean of
# 0 and a variance of 1. Since then there is one kind of random weights, training.random_init, which was that of
# `edgefer build --untrained` already: its batch norms have the statistics of synthetic faces. Bundles of both kinds
# have the same names.
_AS_INITIALISED = ("2f4af1442fc5f96015d0a9df69dbec3ba6351ddc", "388ae6f11bcd653d7b149c37389c3b9bc79ef288")
_SCHEMA_WITHIN = 200  # characters from the start of a record


@dataclass(frozen=True)
class Taken:
    """A result, its record and the file that it stands in."""

    file: str
    record: BenchRecord
    result: Result

    @property
    def on_gpu(self) -> bool:
        """Whether it ran on a GPU; a driver that computes on the processor is none."""
        gpu = self.record.machine.gpu
        return gpu is not None and not gpu.software

    @property
    def on_cpu(self) -> bool:
        """Whether its times are a processor's."""
        return self.record.machine.gpu is None


@dataclass(frozen=True)
class Benches:
    """All benches that are recorded; left_out: what could not be measured, by the record's name."""

    taken: tuple[Taken, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()


def read(folders: Iterable[Path]) -> Benches:
    """Every bench in the folders; raises BadRecord. Records of other kinds are passed over."""
    found: list[Taken] = []
    left: list[tuple[str, str]] = []
    for path in (path for folder in folders for path in sorted(folder.glob("*.json"))):
        if _is_bench(path):
            for record in read_bench(path):
                found += (Taken(path.name, record, result) for result in record.results)
                left += ((path.stem, line) for line in record.left_out)
    return Benches(tuple(found), tuple(left))


def _is_bench(path: Path) -> bool:
    with path.open(encoding="utf-8") as file:
        head = file.read(_SCHEMA_WITHIN)
    return any(f'"{schema}"' in head for schema in (BenchRecord.schema, DevicesRecord.schema))


def first(taken: Sequence[Taken], bundles: Sequence[str], where: Callable[[Taken], bool]) -> Taken | None:
    """The first result of the first of the bundles that is there, trained or not."""
    return next((t for bundle in bundles for t in taken if plain(t.result.bundle) == bundle and where(t)), None)


def of_random_weights(taken: Taken) -> str:
    """Which random weights a result is of, for the line that tells how it was measured; empty if they are trained."""
    if plain(taken.result.bundle) == taken.result.bundle:
        return ""
    if taken.record.commit in _AS_INITIALISED:
        return ", torch's initial random weights"
    return ", random weights"


def plain(bundle: str) -> str:
    """The name that a bundle of random weights would have if they were trained: lcnn-untrained-seed0.onnx-fp32."""
    return re.sub(r"-untrained-seed\d+(?=\.)", "", bundle)
