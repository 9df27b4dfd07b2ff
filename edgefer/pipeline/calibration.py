"""Choosing calibration faces, and the record that stands for them afterwards.

A calibration record holds row numbers, a checksum and activation ranges, never a face. The records
in calibration/ are the default for the shipped weights; every int8 bundle carries its own.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgefer.arch import Arch
from edgefer.data.dataset import Dataset
from edgefer.pipeline.ranges import Method, Range
from edgefer.runtime import records
from edgefer.runtime.errors import BadCalibration, UnknownSchema
from edgefer.runtime.files import shipped_folder
from edgefer.runtime.preprocess import centre_crop, to_rgb

AT_LEAST = 2


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
    fidelity: records.Fidelity | None = None
    equalization: list[Equalization] = field(default_factory=list)


def choose(data: Dataset, count: int, seed: int) -> Dataset:
    """`count` Training faces, as many of each class as there are, in the order of the source.

    Raises EmptyData if there is no Training split or a class without a face, BadCalibration if fewer
    than two faces are left.
    """
    train = data.split("Training")
    if len(train) < AT_LEAST:
        raise BadCalibration(
            f"{data.source} has {len(train)} Training face: calibration needs at least {AT_LEAST}, better 100 or more."
        )
    train.require_every_class()
    random = np.random.default_rng(seed)
    queues = [random.permutation(np.flatnonzero(train.labels == k)) for k in range(len(train.names))]
    picked: list[int] = []
    for turn in range(max(map(len, queues))):
        picked += [int(q[turn]) for q in queues if turn < len(q)]
        if len(picked) >= count:
            break
    return train.take(np.sort(np.array(picked[:count], dtype=np.int64)))


def describe(faces: Dataset, seed: int) -> CalibrationSet:
    """What a record keeps of the chosen faces."""
    counts = np.bincount(faces.labels, minlength=len(faces.names))
    return CalibrationSet(
        source=Path(faces.source).name,
        split="Training",
        rows=[int(r) for r in faces.rows],
        classes=dict(zip(faces.names, map(int, counts), strict=True)),
        sha256=hashlib.sha256(np.ascontiguousarray(faces.pixels).tobytes()).hexdigest(),
        seed=seed,
    )


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
    }


def shipped_path(arch: str, engine: str) -> Path:
    """Where the default record of a network lies, if it has one."""
    return shipped_folder("calibration") / f"{arch}.{engine}.json"


def load(path: Path, arch: str, engine: str, weights_sha256: str) -> CalibrationRecord:
    """A recorded calibration; raises BadCalibration if it is of other weights, network or engine."""
    try:
        record = records.read(CalibrationRecord, path, "calibrate again on faces")
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
