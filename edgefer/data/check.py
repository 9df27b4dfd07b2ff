"""What a user should know of a data set before training on it: counts, repeats, contradictions, broken rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgefer.data.dataset import SPLITS, Dataset, image_hashes
from edgefer.data.listing import READ_DEFAULTS, ReadOptions
from edgefer.data.load import read_source
from edgefer.data.readers.fer2013 import compare_votes
from edgefer.runtime.labels import FERPLUS, LABELS
from edgefer.runtime.preprocess import chunks

TIED = "tied"
FAINT = 16  # grey levels of 256; what 12-bit values look like when they are read as 16-bit ones
_NAMED = 10  # images that a line names


@dataclass(frozen=True)
class FerPlus:
    """FER+'s majorities: images per class that has the most votes, `tied` where two or more have.

    `agreement` is the percentage of the `compared` images, those whose majority is one of FER2013's seven
    classes, that carry the same label in FER2013; None when there are none.
    """

    majority: dict[str, int]
    compared: int
    agreement: float | None


@dataclass(frozen=True)
class CheckReport:
    """A data set's facts; all but `unreadable` are about the images that could be read.

    counts       split -> class -> images
    unreadable   one line per broken row or file
    repeats      images that repeat an earlier one, pixel for pixel, anywhere in the set
    duplicates   split -> images that repeat an earlier one of the same split
    across       "A/B" -> images of split B that also stand in split A
    conflicting  groups of identical images that carry different labels
    flat         images that are one single grey level (or colour)
    faint        names of the images that are flat to the eye: less than FAINT grey levels from the darkest value to
                 the brightest, those of one level included
    notes        what was assumed of the source, and what is left out as the user stated
    sixteen_bit  images of 16 bits a value; `peak` is the largest value of all, `depth` how many bits it is read as
    """

    schema: str = field(default="edgefer/data-check/1", kw_only=True)
    source: str
    images: int
    counts: dict[str, dict[str, int]]
    unreadable: list[str]
    repeats: int
    duplicates: dict[str, int]
    across: dict[str, int]
    conflicting: int
    flat: int
    ferplus: FerPlus | None
    faint: list[str] = field(default_factory=list)
    sixteen_bit: int = 0
    peak: int | None = None
    depth: int | None = None
    notes: list[str] = field(default_factory=list)


def check(path: Path, options: ReadOptions = READ_DEFAULTS) -> CheckReport:
    """Read a CSV or image folder to its end and describe it; images of a folder are compared at 48 x 48.

    Raises what edgefer.data.load.read_source does.
    """
    result = read_source(path, options=options)
    data = result.readable()
    same = _identities(data)
    parts = {name: same[data.splits == k] for k, name in enumerate(SPLITS)}
    return CheckReport(
        source=data.source,
        images=len(data),
        counts={name: _classes(data, k) for k, name in enumerate(SPLITS)},
        unreadable=[*result.unreadable, *result.faults],
        repeats=_repeats(same),
        duplicates={name: _repeats(part) for name, part in parts.items()},
        across={f"{a}/{b}": int(np.isin(parts[b], parts[a]).sum()) for a, b in combinations(SPLITS, 2)},
        conflicting=_conflicting(same, data.labels),
        flat=sum(int((np.ptp(part, axis=(1, 2)) == 0).all(axis=1).sum()) for part in chunks(data.pixels)),
        ferplus=None if data.votes is None or data.names != LABELS else _ferplus(data, data.votes),
        faint=[result.name_of(int(row)) for row in data.rows[_faint(data)]],
        notes=result.notes,
        sixteen_bit=result.sixteen_bit.pictures,
        peak=result.sixteen_bit.peak if result.sixteen_bit.pictures else None,
        depth=options.depth or 16 if result.sixteen_bit.pictures else None,
    )


def _faint(data: Dataset) -> NDArray[np.bool_]:
    """Bool (N,): the images that are flat to the eye."""
    parts = [part.reshape(len(part), -1) for part in chunks(data.pixels)]
    return np.concatenate([np.zeros(0, bool), *(np.ptp(part, axis=1) < FAINT for part in parts)])


def _identities(data: Dataset) -> NDArray[np.int64]:
    """int64 (N,): the same number for the same pixels."""
    numbers: dict[bytes, int] = {}
    return np.array([numbers.setdefault(h, len(numbers)) for h in image_hashes(data.pixels)], dtype=np.int64)


def _classes(data: Dataset, split: int) -> dict[str, int]:
    counts = np.bincount(data.labels[data.splits == split], minlength=len(data.names))
    return dict(zip(data.names, map(int, counts), strict=True))


def _repeats(same: NDArray[np.int64]) -> int:
    return len(same) - len(np.unique(same))


def _conflicting(same: NDArray[np.int64], labels: NDArray[np.int64]) -> int:
    carried: dict[int, set[int]] = defaultdict(set)
    for image, label in zip(same.tolist(), labels.tolist(), strict=True):
        carried[image].add(label)
    return sum(len(group) > 1 for group in carried.values())


def _ferplus(data: Dataset, votes: NDArray[np.int64]) -> FerPlus:
    clear = (votes == votes.max(axis=1, keepdims=True)).sum(axis=1) == 1
    counts = np.bincount(votes.argmax(axis=1)[clear], minlength=len(FERPLUS))
    compared, agreement, _ = compare_votes(data)
    return FerPlus(
        majority=dict(zip(FERPLUS, map(int, counts), strict=True)) | {TIED: int((~clear).sum())},
        compared=compared,
        agreement=round(100 * agreement, 2) if compared else None,
    )


def render(report: CheckReport) -> str:
    """The report as text: a table of classes by splits, then a line for each other fact and each broken row."""
    return "\n".join([report.source, "", *_table(report.counts), "", *_facts(report)])


def _table(counts: dict[str, dict[str, int]]) -> Iterator[str]:
    yield "".join(["class".ljust(10), *(name.rjust(13) for name in (*counts, "total"))])
    columns = [list(split.values()) for split in counts.values()]
    names = next(iter(counts.values())).keys()
    for name, *numbers in [*zip(names, *columns, strict=True), ("total", *map(sum, columns))]:
        yield "".join([name.ljust(10), *(f"{n:13,}" for n in (*numbers, sum(numbers)))])


def _facts(report: CheckReport) -> Iterator[str]:
    within = ", ".join(f"{split} {count:,}" for split, count in report.duplicates.items())
    yield f"images that repeat an earlier one: {report.repeats:,} (within {within})"
    for pair, count in report.across.items():
        earlier, later = pair.split("/")
        yield f"{later} images that also stand in {earlier}: {count:,}"
    yield f"identical images with different labels: {report.conflicting:,} groups"
    yield f"images of one single grey level: {report.flat:,}"
    yield from report.notes
    more = f" and {len(report.faint) - _NAMED:,} more" if len(report.faint) > _NAMED else ""
    named = f" ({', '.join(report.faint[:_NAMED])}{more})" if report.faint else ""
    yield f"images that are flat to the eye, less than {FAINT} grey levels: {len(report.faint):,}{named}"
    if report.peak is not None:
        yield f"images of 16 bits: {report.sixteen_bit:,}, largest value {report.peak:,}, read with {report.depth} bits"
    if report.ferplus is not None:
        yield from _votes(report.ferplus)
    yield f"unreadable rows or files: {len(report.unreadable):,}"
    yield from (f"  {line}" for line in report.unreadable)


def _votes(ferplus: FerPlus) -> Iterator[str]:
    yield f"FER+ majorities: {', '.join(f'{name} {count:,}' for name, count in ferplus.majority.items())}"
    if ferplus.agreement is not None:
        yield f"FER+ majority equal to the FER2013 label: {ferplus.agreement:.2f} % of {ferplus.compared:,} images"
