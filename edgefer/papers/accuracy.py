"""Columns of accuracy: FER2013's, from the records of trainings: of the shipped weights, and of some that were not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgefer.papers.transcription import Cell
from edgefer.papers.verdict import At, Found, Missing, compared
from edgefer.runtime import records
from edgefer.runtime.files import shipped_folder
from edgefer.runtime.records import Scores, TrainingRecord
from edgefer.training.recipes import current_names

HAVE = "FER2013"
OURS = "edgefer"  # the recipe of the shipped weights stands for rows with a teacher, whatever their way
_SPLITS = {"test": "PrivateTest", "validation": "PublicTest"}
TEN_CROPS = "ean-"  # Kong et al., section 4.2 and Figure 8: tables whose accuracies are of ten crops
NOT_TRAINED = Missing("not trained here")


def read(kept: Path) -> tuple[TrainingRecord, ...]:
    """The records beside the shipped weights, and those in the folder trainings of `kept`."""
    paths = [*sorted(shipped_folder("weights").glob("*.json")), *sorted((kept / "trainings").glob("*.json"))]
    return tuple(records.read(TrainingRecord, path) for path in paths)


def of_row(cell: Cell, settings: dict[str, str], known: Sequence[TrainingRecord]) -> TrainingRecord | None:
    """The training that a row's accuracy is compared with: of its network, in its way, with what it prints of it.

    Of several the one that PublicTest would choose. settings are the row's, by column.
    """
    fitting = [
        record
        for record in known
        if record.arch == cell.row.arch and _in_the_way(record, cell.row.training) and _set(record, settings)
    ]
    return max(fitting, key=lambda record: record.public.accuracy, default=None)


def _in_the_way(record: TrainingRecord, training: str) -> bool:
    """Weights that had a teacher stand for rows that say so, and only for those.

    A row's `training` is a part of the name of the recipe.
    """
    name = str(record.recipe["name"])
    taught = bool(record.recipe.get("alpha")) or "distribution" in name
    return taught and (training in name or name == OURS) if training else not taught


def _set(record: TrainingRecord, settings: dict[str, str]) -> bool:
    """Whether the recipe has the row's settings, where it has them at all."""
    recipe = current_names(record.recipe)
    return all(float(recipe[key]) == float(settings[key]) for key in recipe.keys() & settings.keys())


def settings(at: At) -> dict[str, str]:
    """What the row prints of its training."""
    row = [cell for cell in at.table.cells if cell.row is at.cell.row]
    return {cell.column.key: cell.printed for cell in row if cell.column.kind == "setting"}


def accuracy(at: At, known: Sequence[TrainingRecord]) -> Found:
    """Of the split that the column means, in percent."""
    record = _record(at, known)
    if isinstance(record, Missing):
        return record
    if at.cell.column.split == "train":
        value = next(epoch.train_accuracy for epoch in record.curve if epoch.epoch == record.best_epoch)
        return compared(at, round(value, 3), f"{_trained(record)}; images turned, shifted, flipped", _source(record))
    scores = scored(record, at.cell)
    if scores is None:
        return Missing("no such split was scored")
    how = f"{_trained(record)}; {scores.images} images of {_SPLITS[at.cell.column.split]}"
    if at.name.startswith(TEN_CROPS) and scores.ten_crop is not None:
        return compared(at, scores.ten_crop, f"{how}, mean of ten crops", _source(record))
    return compared(at, scores.accuracy, f"{how}, centre crop", _source(record))


def share(at: At, known: Sequence[TrainingRecord]) -> Found:
    """A cell of a confusion matrix: of these, a training record keeps the diagonal."""
    record = _record(at, known)
    if isinstance(record, Missing):
        return record
    scores = scored(record, at.cell)
    if scores is None or at.cell.column.key != at.cell.row.name.lower():
        return Missing("only recall is recorded; edgefer plot confusion draws all")
    how = f"{_trained(record)}; recall on {_SPLITS[at.cell.column.split]}, centre crop"
    return compared(at, scores.recall[at.cell.column.key] / 100, how, _source(record))


def loss(at: At, known: Sequence[TrainingRecord]) -> Found:
    """None: records of training keep no loss of images that were not trained on."""
    record = _record(at, known)
    return record if isinstance(record, Missing) else Missing("not recorded in training")


def _record(at: At, known: Sequence[TrainingRecord]) -> TrainingRecord | Missing:
    if at.cell.dataset != HAVE:
        return needs(at.cell)
    return of_row(at.cell, settings(at), known) or NOT_TRAINED


def needs(cell: Cell) -> Missing:
    """For data sets that are given out under a licence only."""
    return Missing(f"needs {cell.dataset}")


def scored(record: TrainingRecord, cell: Cell) -> Scores | None:
    """The scores of the column's split."""
    return {"test": record.private, "validation": record.public}.get(cell.column.split)


def _trained(record: TrainingRecord) -> str:
    earlier = ", from earlier weights" if record.pretrained else ""
    return f"trained here: recipe {record.recipe.get('name')}, {record.recipe.get('epochs')} epochs{earlier}"


def _source(record: TrainingRecord) -> str:
    return f"record of weights {record.weights_sha256[:8]}"
