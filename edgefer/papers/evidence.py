"""From a printed figure to what edgefer has beside it: one function for each kind of column.

Accuracies are of FER2013 only: from the records of trainings, of the shipped weights and of others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgefer.papers import counts, measured
from edgefer.papers.comparison import NO_NETWORK, CellRef, Evidence, Missing, compare
from edgefer.papers.counts import Counts
from edgefer.papers.measured import Benches
from edgefer.papers.transcription import Cell, Kind
from edgefer.runtime import records
from edgefer.runtime.files import shipped_folder
from edgefer.runtime.training_record import Scores, TrainingRecord
from edgefer.training.recipes import current_names

DATASET = "FER2013"
SHIPPED_RECIPES = ("edgefer", "edgefer-bank")  # they stand for rows with a teacher, whatever their way
_SPLITS = {"test": "PrivateTest", "validation": "PublicTest"}
TEN_CROPS = "ean-"  # Kong et al., section 4.2 and Figure 8: tables whose accuracies are of ten crops
NOT_TRAINED = Missing("not trained here")


def training_records(results: Path) -> tuple[TrainingRecord, ...]:
    """The records beside the shipped weights, and those in the folder trainings of `results`."""
    paths = [*sorted(shipped_folder("weights").glob("*.json")), *sorted((results / "trainings").glob("*.json"))]
    return tuple(records.read(TrainingRecord, path) for path in paths)


def training_of_row(cell: Cell, settings: dict[str, str], trainings: Sequence[TrainingRecord]) -> TrainingRecord | None:
    """The training that a row's accuracy is compared with: of its network, in its way, with what it prints of it.

    Of several the one that PublicTest would choose. settings are the row's, by column.
    """
    fitting = [
        record
        for record in trainings
        if record.arch == cell.row.arch
        and _trained_alike(record, cell.row.training)
        and _has_settings(record, settings)
    ]
    return max(fitting, key=lambda record: record.public.accuracy, default=None)


def _trained_alike(record: TrainingRecord, training: str) -> bool:
    """Weights that had a teacher stand for rows that say so, and only for those.

    A row's `training` is a part of the name of the recipe.
    """
    name = str(record.recipe["name"])
    had_teacher = bool(record.recipe.get("alpha")) or "distribution" in name
    return had_teacher and (training in name or name in SHIPPED_RECIPES) if training else not had_teacher


def _has_settings(record: TrainingRecord, settings: dict[str, str]) -> bool:
    """Whether the recipe has the row's settings, where it has them at all."""
    recipe = current_names(record.recipe)
    return all(float(recipe[key]) == float(settings[key]) for key in recipe.keys() & settings.keys())


def settings(at: CellRef) -> dict[str, str]:
    """What the row prints of its training."""
    row = [cell for cell in at.table.cells if cell.row is at.cell.row]
    return {cell.column.key: cell.printed for cell in row if cell.column.kind == "setting"}


def accuracy(at: CellRef, trainings: Sequence[TrainingRecord]) -> Evidence:
    """Of the split that the column means, in percent."""
    record = _record(at, trainings)
    if isinstance(record, Missing):
        return record
    if at.cell.column.split == "train":
        value = next(epoch.train_accuracy for epoch in record.curve if epoch.epoch == record.best_epoch)
        return compare(at, round(value, 3), f"{_how(record)}; images turned, shifted, flipped", _source(record))
    scores = scores_of(record, at.cell)
    if scores is None:
        return Missing("no such split was scored")
    how = f"{_how(record)}; {scores.images} images of {_SPLITS[at.cell.column.split]}"
    if at.name.startswith(TEN_CROPS) and scores.ten_crop is not None:
        return compare(at, scores.ten_crop, f"{how}, mean of ten crops", _source(record))
    return compare(at, scores.accuracy, f"{how}, centre crop", _source(record))


def share(at: CellRef, trainings: Sequence[TrainingRecord]) -> Evidence:
    """A cell of a confusion matrix: of these, a training record keeps the diagonal."""
    record = _record(at, trainings)
    if isinstance(record, Missing):
        return record
    scores = scores_of(record, at.cell)
    if scores is None or at.cell.column.key != at.cell.row.name.lower():
        return Missing("only recall is recorded; edgefer plot confusion draws all")
    how = f"{_how(record)}; recall on {_SPLITS[at.cell.column.split]}, centre crop"
    return compare(at, scores.recall[at.cell.column.key] / 100, how, _source(record))


def loss(at: CellRef, trainings: Sequence[TrainingRecord]) -> Evidence:
    """Of PublicTest, in nats, at the epoch that was kept: of other splits, and in older records, there is none."""
    record = _record(at, trainings)
    if isinstance(record, Missing):
        return record
    value = next(epoch.public_nll for epoch in record.curve if epoch.epoch == record.best_epoch)
    if value is None or _SPLITS.get(at.cell.column.split) != "PublicTest":
        return Missing("not recorded in training")
    return compare(at, value, f"{_how(record)}; negative log-likelihood on PublicTest, centre crop", _source(record))


def _record(at: CellRef, trainings: Sequence[TrainingRecord]) -> TrainingRecord | Missing:
    if at.cell.dataset != DATASET:
        return needs_dataset(at.cell)
    return training_of_row(at.cell, settings(at), trainings) or NOT_TRAINED


def needs_dataset(cell: Cell) -> Missing:
    """For data sets that are given out under a licence only."""
    return Missing(f"needs {cell.dataset}")


def scores_of(record: TrainingRecord, cell: Cell) -> Scores | None:
    """The scores of the column's split."""
    return {"test": record.private, "validation": record.public}.get(cell.column.split)


def _how(record: TrainingRecord) -> str:
    rounds = 1 + max(epoch.round for epoch in record.curve)
    epochs = f"{len(record.curve)} epochs in {rounds} rounds" if rounds > 1 else f"{record.recipe.get('epochs')} epochs"
    earlier = ", from earlier weights" if record.pretrained else ""
    return f"trained here: recipe {record.recipe.get('name')}, {epochs}{earlier}"


def _source(record: TrainingRecord) -> str:
    return f"record of weights {record.weights_sha256[:8]}"


@dataclass(frozen=True)
class Records:
    """All records that evidence is taken from."""

    counts: Counts
    benches: Benches
    trainings: tuple[TrainingRecord, ...]


def load_counts(folder: Path) -> Counts:
    """The counts of these sources: those in the folder, or new ones, which needs torch."""
    path = folder / counts.FILE
    if path.is_file():
        recorded = records.read(Counts, path)
        if recorded.sources == counts.code_checksum("arch"):
            return recorded
    from edgefer.papers import count_networks

    new = count_networks.count_all()
    records.write(path, new)
    return new


def read_records(results: Path, user_results: Path | None = None) -> Records:
    """What is recorded in edgefer's folder, and before it what is in the user's own. Raises BadRecord."""
    return Records(
        counts=load_counts(results),
        benches=measured.read_benches([results] if user_results is None else [user_results, results]),
        trainings=training_records(results),
    )


def _always(reason: str) -> Callable[[CellRef, Records], Evidence]:
    return lambda *_: Missing(reason)


_BY_KIND: dict[Kind, Callable[[CellRef, Records], Evidence]] = {
    "accuracy": lambda at, records: accuracy(at, records.trainings),
    "share": lambda at, records: share(at, records.trainings),
    "loss": lambda at, records: loss(at, records.trainings),
    "parameters": lambda at, records: counts.counted(at, records.counts),
    "flops": lambda at, records: counts.counted(at, records.counts),
    "modelled-memory": lambda at, records: counts.counted(at, records.counts),
    "checkpoint-size": lambda at, records: counts.checkpoint_size(at, records.counts),
    "size": lambda at, records: measured.size(at, records.benches),
    "latency": lambda at, records: measured.latency(at, records.benches),
    "fps": lambda at, records: measured.fps(at, records.benches),
    "cpu-percent": lambda at, records: measured.usage(at, records.benches),
    "memory-percent": lambda at, records: measured.usage(at, records.benches),
    "images": lambda at, _: needs_dataset(at.cell),
    "setting": _always("a setting"),
    "shape": lambda at, records: counts.shape(at, records.counts),
    "other": _always("follows from other figures"),
}


def evidence_for(at: CellRef, records: Records) -> Evidence:
    """What edgefer has beside a printed figure."""
    # A number of images or a setting has nothing to do with a network.
    if not at.cell.row.arch and at.cell.column.kind not in ("images", "setting"):
        return NO_NETWORK
    return _BY_KIND[at.cell.column.kind](at, records)
