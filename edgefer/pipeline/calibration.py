"""Choosing calibration faces, and the record that stands for them afterwards.

A calibration record holds row numbers, a checksum and activation ranges, never a face. The records
in calibration/ are the default for the shipped weights; every int8 bundle carries its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgefer.arch import Arch
from edgefer.data.dataset import Dataset, image_hashes
from edgefer.pipeline.ranges import Method, Range
from edgefer.runtime import records
from edgefer.runtime.errors import BadCalibration, UnknownSchema
from edgefer.runtime.files import digest, shipped_folder
from edgefer.runtime.manifest import Fidelity
from edgefer.runtime.preprocess import centre_crop, chunks, to_rgb

AT_LEAST = 2
ENOUGH = 100  # faces that set ranges; seven give probabilities two to four times as far off as 512 do
HELD_OUT = 512
# Grey levels of 255. A picture shows nothing if their standard deviation, or the brightest but for 1 %, is below these.
FLAT, DARK = 4.0, 24.0
FEW_EMPTY = 0.05  # FER2013 has a dozen black pictures of its own
ALIKE = 4.0  # standard deviation of a pixel over the faces, averaged over the pixels


@dataclass(frozen=True)
class CalibrationSet:
    """The faces that were shown: rows of the source, their count per class, digest of their pixels.

    `warnings` say what may be wrong with them, a line each.
    """

    source: str
    split: str
    rows: list[int]
    classes: dict[str, int]
    sha256: str
    seed: int
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Equalization:
    """One layer whose output channels were multiplied by `factors`, and the layers whose weights undo it.

    before, after  the largest range of its channels over the median one
    """

    layer: str
    into: list[str]
    before: float
    after: float
    factors: list[float]


@dataclass(frozen=True)
class CalibrationRecord:
    """Activation ranges of one float model, tied to the weights they were measured on.

    `fidelity` is how the file answered that was built with these ranges, on other faces of the same source. A build
    with faces writes it into the record of its bundle; a build from the record can only repeat it. `equalization` is
    what was done to the float model before the ranges were measured (`pipeline/equalize.py`). Records of earlier
    versions have neither.
    """

    schema: str = field(default="edgefer/calibration/1", kw_only=True)
    arch: str
    weights_sha256: str
    engine: str
    versions: dict[str, str]
    method: Method
    faces: CalibrationSet
    ranges: dict[str, Range]
    fidelity: Fidelity | None = None
    equalization: list[Equalization] = field(default_factory=list)


@dataclass(frozen=True)
class ChosenFaces:
    """Faces of one source: those that set the activation ranges, and others, on which the built file is judged.

    `warnings` say what may be wrong with them, a line each.
    """

    ranges: Dataset
    held_out: Dataset
    warnings: tuple[str, ...] = ()

    @property
    def labelled(self) -> bool:
        """Whether the faces to judge by are known to be of more than one class."""
        return len(np.unique(self.held_out.labels)) > 1


def choose(data: Dataset, count: int, seed: int) -> ChosenFaces:
    """`count` Training faces and up to HELD_OUT others, as many of each class as there are, in the order of the source.

    A quarter of a small set is held out. Faces without labels are chosen as one class. Raises EmptyData if there is no
    Training split or a class without a face, BadCalibration for fewer than two faces or such as show nothing.
    """
    train = data.split("Training")
    if len(train) < AT_LEAST:
        raise BadCalibration(
            f"{data.source} has {len(train)} Training face: calibration needs at least {AT_LEAST}, "
            f"better {ENOUGH} or more."
        )
    train.require_every_class()
    order = _in_turns(train, seed)
    aside = min(HELD_OUT, max(len(order) - count, len(order) // 4))
    count = min(count, len(order) - aside)
    ranges, held_out = (train.take(np.sort(part)) for part in (order[:count], order[count : count + aside]))
    return ChosenFaces(ranges, _others(held_out, ranges), tuple(_warnings(ranges)))


def _in_turns(train: Dataset, seed: int) -> NDArray[np.int64]:
    """All rows, one of each class after the other while there are some left, at random within a class."""
    random = np.random.default_rng(seed)
    queues = [random.permutation(np.flatnonzero(train.labels == k)) for k in range(len(train.names))]
    turns = range(max(map(len, queues)))
    return np.array([queue[turn] for turn in turns for queue in queues if turn < len(queue)], dtype=np.int64)


def _others(faces: Dataset, ranges: Dataset) -> Dataset:
    """The faces that are no copy of one of `ranges`."""
    shown = set(image_hashes(ranges.pixels))
    return faces.take(np.flatnonzero([digest not in shown for digest in image_hashes(faces.pixels)]))


def _warnings(faces: Dataset) -> Iterator[str]:
    """What may be wrong with faces that are to set ranges; raises BadCalibration if their ranges would mean nothing."""
    grey = np.concatenate([part.mean(-1, dtype=np.float32).reshape(len(part), -1) for part in chunks(faces.pixels)])
    empty = int(((grey.std(1) < FLAT) | (np.percentile(grey, 99, axis=1) < DARK)).sum())
    different = len(set(image_hashes(faces.pixels)))
    what = f"of {len(faces)} calibration pictures of {Path(faces.source).name}"
    if empty > len(faces) / 2 or different < AT_LEAST:
        fault = f"{empty} are black, nearly black or of one colour" if different >= AT_LEAST else "all are the same"
        raise BadCalibration(
            f"{what} {fault}: ranges measured on them would mean nothing; give faces as the camera will show them."
        )
    if empty > len(faces) * FEW_EMPTY:
        yield f"{what} {empty} are black, nearly black or of one colour"
    if different < len(faces) / 2:
        yield f"{what} only {different} are different"
    elif grey.std(0).mean() < ALIKE:
        yield f"{what} all look alike: on average their pixels differ by less than {ALIKE:g} of 255 levels"
    if len(faces) < ENOUGH:
        yield f"only {len(faces)} pictures of {Path(faces.source).name} set the ranges, {ENOUGH} or more are better"


def describe(faces: Dataset, seed: int, warnings: tuple[str, ...] = ()) -> CalibrationSet:
    """What a record keeps of the chosen faces."""
    counts = np.bincount(faces.labels, minlength=len(faces.names))
    return CalibrationSet(
        source=Path(faces.source).name,
        split="Training",
        rows=[int(r) for r in faces.rows],
        classes=dict(zip(faces.names, map(int, counts), strict=True)),
        sha256=digest(np.ascontiguousarray(faces.pixels).tobytes()),
        seed=seed,
        warnings=list(warnings),
    )


def spread(faces: Dataset, count: int) -> Dataset:
    """`count` of the faces, evenly over all."""
    return faces if count == len(faces) else faces.take(np.linspace(0, len(faces) - 1, count).astype(np.int64))


def images(faces: Dataset, arch: Arch) -> NDArray[np.uint8]:
    """The faces as the deployed model gets them: uint8 (N, crop, crop, 3)."""
    return to_rgb(centre_crop(faces.resized(arch.resize).pixels[:], arch.crop))


def summary(record: CalibrationRecord) -> dict[str, object]:
    """What a manifest says of the calibration; the record itself lies beside it."""
    return {
        "method": record.method,
        "source": record.faces.source,
        "split": record.faces.split,
        "faces": len(record.faces.rows),
        "sha256": record.faces.sha256,
        "seed": record.faces.seed,
        "warnings": record.faces.warnings,
        "fidelity": None if record.fidelity is None else records.plain(record.fidelity),
    }


def shipped_path(arch: str, engine: str) -> Path:
    """Where the default record of a network lies, if it has one."""
    return shipped_folder("calibration") / f"{arch}.{engine}.json"


def load(path: Path, arch: str, engine: str, weights_sha256: str) -> CalibrationRecord:
    """A recorded calibration; raises BadCalibration if it is of other weights, network or engine."""
    try:
        record = records.read(CalibrationRecord, path, "calibrate again on faces", finite=False)
    except UnknownSchema as error:
        raise BadCalibration(str(error)) from error
    for what, recorded, expected in (
        ("network", record.arch, arch),
        ("engine", record.engine, engine),
        ("weights", record.weights_sha256, weights_sha256),
    ):
        if recorded != expected:
            raise BadCalibration(
                f"the recorded activation ranges in {path.name} belong to the {what} {recorded[:12]}, "
                f"not {expected[:12]}: calibrate with --calibration PATH (a fer2013.csv or an image folder)."
            )
    for name, (low, high) in record.ranges.items():
        if not -np.inf < low <= 0 <= high < np.inf:
            raise BadCalibration(
                f"{path} has the range {low} to {high} for the tensor {name}, it must be finite and hold 0: "
                "calibrate again on faces."
            )
    return record
