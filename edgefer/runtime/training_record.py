"""How a weights file came to be, as it is kept beside it: settings, faces, accuracy, learning curves, machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


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
    """A point of the learning curves; accuracies in percent, lr at the epoch's start, round as in training.recipes.

    public_nll is PublicTest's mean negative log-likelihood of the labels in nats; older records have none.
    """

    epoch: int
    lr: float
    loss: float
    train_accuracy: float
    public_accuracy: float
    seconds: float
    round: int = 0
    public_nll: float | None = None


@dataclass(frozen=True)
class TrainingRecord:
    """How a weights file came to be; enough to train it again.

    gpu: the one it was trained on, if any; pretrained: the weights that it started from, if not from random ones.
    """

    schema: str = field(default="edgefer/training/1", kw_only=True)
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
