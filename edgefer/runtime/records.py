"""Frozen dataclasses written as JSON. A record names its schema; readers refuse one they don't know.

History of the schemas: all are at version 1.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, get_args

from edgefer.runtime.errors import BadRecord, MissingFile
from edgefer.runtime.files import write_atomic

T = TypeVar("T")


@dataclass(frozen=True)
class Environment:
    """The machine and the versions that a figure comes from."""

    cpu: str
    cores: int
    threads: int
    system: str
    python: str
    packages: dict[str, str]


@dataclass(frozen=True)
class Scores:
    """Accuracy of one split in percent, centre crop; ten_crop where the ten crops were shown too.

    `unseen` leaves out the images whose pixels also stand in Training; recall is per class, confusion counts images by
    true class (rows) and answer (columns). ferplus is the share of the answers that are FER+'s majority, of the faces
    that have one among these classes.
    """

    images: int
    accuracy: float
    unseen_images: int | None
    unseen: float | None
    recall: dict[str, float]
    ten_crop: float | None = None
    confusion: list[list[int]] | None = None
    ferplus: float | None = None


@dataclass(frozen=True)
class Epoch:
    """A point of the learning curves; accuracies in percent, lr at the epoch's start, round as in training.recipes."""

    epoch: int
    lr: float
    loss: float
    train_accuracy: float
    public_accuracy: float
    seconds: float
    round: int = 0


@dataclass(frozen=True)
class TrainingRecord:
    """How a weights file came to be; enough to train it again.

    gpu: the one it was trained on, if any; pretrained: the weights that it started from, if not from random ones.
    """

    schema: str
    arch: str
    command: str
    edgefer: str
    recipe: dict[str, Any]
    seed: int
    data: dict[str, Any]
    weights_sha256: str
    best_epoch: int
    public: Scores
    private: Scores | None
    seconds: float
    environment: Environment
    curve: list[Epoch]
    teachers: list[dict[str, str]] = field(default_factory=list)
    gpu: str | None = None
    pretrained: dict[str, str] | None = None


@dataclass(frozen=True)
class Dtypes:
    """What a model's file is made of: tensors by element type, operators by name and element type.

    `float_inside` names the operators that work on float tensors though the engine could do them in int8;
    `float_only` the kinds that work on float tensors because the engine has them in float only.
    """

    tensors: dict[str, int]
    operators: dict[str, int]
    float_inside: list[str]
    float_only: list[str] = field(default_factory=list)


TRAINING_SCHEMA = "edgefer/training/1"


@cache
def _converter() -> Any:
    from cattrs import Converter

    return Converter(forbid_extra_keys=True)


def structure(kind: type[T], content: Any, source: str) -> T:
    """`content` (from JSON or TOML) as a `kind`; raises BadRecord naming `source` and what is wrong."""
    try:
        result: T = _converter().structure(content, kind)
    except Exception as error:  # cattrs raises whatever the wrong value provokes
        from cattrs import transform_error

        detail = "; ".join(transform_error(error, path="")) or type(error).__name__
        row = next(reversed(get_args(kind)), kind)  # of dict[str, Target], Target
        known = ", ".join(getattr(row, "__dataclass_fields__", {}))
        raise BadRecord(
            f"{source}: {detail}. {row.__name__} has the keys {known}: correct it, or get or build it again."
        ) from error
    return result


def plain(record: object) -> Any:
    """A record, or a list or dict of records, as what JSON knows."""
    return _converter().unstructure(record)


def dumps(record: object) -> str:
    """A record as JSON, keys in the order of its fields, ending in a newline."""
    return json.dumps(plain(record), indent=2, ensure_ascii=False) + "\n"


def write(path: Path, record: object) -> None:
    """Write a record as JSON, atomically."""
    write_atomic(path, dumps(record).encode())


def read(kind: type[T], path: Path) -> T:
    """Read a record; raises MissingFile or BadRecord."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MissingFile(f"can't read {path} ({error.strerror}): check the path and its permissions.") from error
    except (ValueError, RecursionError) as error:
        raise BadRecord(f"{path} is not JSON ({error}): get or build it again.") from error
    return structure(kind, content, str(path))
