"""What `edgefer explain` shows: each function gives a figure and the same as a record for JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edgefer.data.dataset import Dataset
from edgefer.pipeline.original import OriginalNetwork
from edgefer.runtime import metrics
from edgefer.runtime.classifier import read_image
from edgefer.runtime.errors import EmptyData, UnknownName, WrongOptions
from edgefer.runtime.labels import FERPLUS, ferplus_columns
from edgefer.runtime.preprocess import Pixels, centre_crop, resize_pixels, to_rgb
from edgefer.runtime.progress import SILENT, Progress
from edgefer.training import augment, losses
from edgefer.training.explanation_plots import MOST_FACES, FaceCell, Series, draw_blocks, draw_cells
from edgefer.training.grad_cam import blocks, grad_cam

Explanation = tuple[Any, Any]  # a matplotlib figure, and what JSON holds
_NAMED_VOTES = 2


@dataclass(frozen=True)
class ChosenFaces:
    """Faces uint8 (N, resize, resize, 1 or 3), what each is called, and its label's place, None where it has none."""

    pixels: Pixels
    names: Sequence[str]
    given: Sequence[int | None]


def read_faces(paths: Sequence[Path], resize: int) -> ChosenFaces:
    """Images of faces, cut out; raises MissingFile, BadData, and WrongOptions for more than a figure can hold."""
    _require_few(len(paths))
    pixels = np.concatenate([resize_pixels(read_image(path)[None], resize) for path in paths])
    return ChosenFaces(pixels, [path.name for path in paths], [None] * len(paths))


def of_dataset(chosen: Dataset) -> ChosenFaces:
    """The faces of a data set, which are few; their labels are the network's."""
    return ChosenFaces(chosen.pixels[:], [f"row {row}" for row in chosen.rows], [int(k) for k in chosen.labels])


def choose(data: Dataset, split: str, rows: Sequence[int]) -> Dataset:
    """The faces of these rows, in any split; without rows the first of each class in the split.

    Raises WrongOptions for a row that is not there and for more than a figure can hold, EmptyData for the split.
    """
    if not rows:
        of_split = data.split(split)
        _, first = np.unique(of_split.labels, return_index=True)
        return of_split.take(first.astype(np.int64))
    _require_few(len(rows))
    place_of = {int(row): place for place, row in enumerate(data.rows)}
    for row in rows:
        if row not in place_of:
            raise WrongOptions(
                f"--row {row}: {data.source} has no such face; its rows go from {data.rows.min()} to {data.rows.max()}"
                + (", and those that can't be read or have another class are left out." if data.skipped else ".")
            )
    return data.take(np.array([place_of[row] for row in rows], dtype=np.int64))


def _require_few(count: int) -> None:
    if count > MOST_FACES:
        raise WrongOptions(f"{count} faces: a figure holds at most {MOST_FACES}.")


def explain_blocks(
    original: OriginalNetwork,
    faces: ChosenFaces,
    label: str | None = None,
    layers: Sequence[str] = (),
    progress: Progress = SILENT,
) -> Explanation:
    """Grad-CAM of each block for `label`, or for the network's answers; raises UnknownName and what `blocks` does."""
    labels = original.arch.labels
    if label is not None and label not in labels:
        raise UnknownName.of("label", label, labels)
    inputs, probabilities = original.inputs(faces.pixels), original.probabilities(faces.pixels)
    parts = blocks(original.root, original.run, inputs, layers)
    progress.step("", f"looking into {len(parts)} blocks", 0, None)
    answers = probabilities.argmax(1)
    classes = answers if label is None else np.full_like(answers, labels.index(label))
    maps = grad_cam(original.run, parts, inputs, torch.from_numpy(classes))
    cells = [
        FaceCell(face, _lines(faces, n, chances, labels), [Series("", chances)], faces.given[n])
        for n, (face, chances) in enumerate(zip(original.shown(faces.pixels), probabilities, strict=True))
    ]
    title = f"{original.arch.name}: what speaks for {label or 'its answer'}, block by block (Grad-CAM)"
    record = {
        "arch": original.arch.name,
        "label": label,
        "blocks": [{"name": each.name, "shape": each.shape} for each in parts],
        "faces": [
            {"face": name, "given": _name(given, labels), "probabilities": _by_label(each, labels)}
            for name, given, each in zip(faces.names, faces.given, probabilities, strict=True)
        ],
    }
    return draw_blocks(cells, maps, parts, labels, title), record


def _lines(faces: ChosenFaces, place: int, probabilities: NDArray[Any], labels: Sequence[str]) -> list[str]:
    given, answer = _name(faces.given[place], labels), int(probabilities.argmax())
    return [faces.names[place], f"says {labels[answer]}", *([] if given is None else [f"labelled {given}"])]


def _name(place: int | None, labels: Sequence[str]) -> str | None:
    return None if place is None else labels[place]


def _by_label(values: NDArray[Any], labels: Sequence[str]) -> dict[str, float]:
    return {label: round(float(value), 6) for label, value in zip(labels, values, strict=True)}


def explain_labels(chosen: Dataset, teachers: Sequence[losses.Teacher], temperature: float, source: str) -> Explanation:
    """FER+'s votes and the teachers' softened answers beside the given labels; raises EmptyData if there is neither."""
    names, columns = chosen.names, ferplus_columns(chosen.names)
    series: dict[str, NDArray[Any]] = {}
    if chosen.votes is not None and columns is not None:
        shares = losses.vote_shares(torch.from_numpy(chosen.votes), torch.tensor(columns))
        series["FER+ votes"] = shares.numpy()
    if teachers:
        grey = augment.grey(centre_crop(chosen.pixels[:], teachers[0].arch.crop))
        words = f"teacher{'s' * (len(teachers) > 1)}, temperature {temperature:g}"
        series[words] = losses.teacher_probabilities(teachers, grey, temperature).numpy()
    if not series:
        raise EmptyData(
            f"{source} has no FER+ votes for its classes, and no teacher is given: put fer2013new.csv beside "
            "fer2013.csv, or give --teacher."
        )
    cells = [
        FaceCell(face, [f"row {row}", f"labelled {names[k]}"], [Series(s, v[n]) for s, v in series.items()], int(k))
        for n, (face, row, k) in enumerate(zip(to_rgb(chosen.pixels[:]), chosen.rows, chosen.labels, strict=True))
    ]
    record = [
        {"row": int(row), "given": names[k], **{s: _by_label(v[n], names) for s, v in series.items()}}
        for n, (row, k) in enumerate(zip(chosen.rows, chosen.labels, strict=True))
    ]
    return draw_cells(cells, names, f"Soft labels of {source}; the given label is bold"), record


def explain_mistakes(
    name: str, probabilities: NDArray[np.float32], test: Dataset, count: int, split: str
) -> Explanation:
    """The wrong answers of probabilities (N, classes) on a split, the most confident ones first.

    `name` is the network's or bundle's. Raises EmptyData if every answer is right.
    """
    found = metrics.hardest_mistakes(probabilities, test, min(count, MOST_FACES))
    if not found:
        raise EmptyData(f"{name} is right on all {len(test):,} images of {split}: there is no mistake to show.")
    names, wrong = test.names, int((probabilities.argmax(1) != test.labels).sum())
    chosen = test.take(np.array([each.place for each in found], dtype=np.int64))
    cells, record = [], []
    for n, each in enumerate(found):
        votes = None if chosen.votes is None else _votes(chosen.votes[n])
        row, of_face = int(chosen.rows[n]), probabilities[each.place]
        lines = [f"row {row}", f"says {names[each.answer]}, labelled {names[each.given]}"]
        lines += [] if votes is None else [f"FER+: {_in_words(votes)}"]
        cells.append(FaceCell(to_rgb(chosen.pixels[n : n + 1])[0], lines, [Series("", of_face)], each.given))
        probability = _by_label(of_face, names)
        mistake = {"row": row, "given": names[each.given], "answer": names[each.answer], "probabilities": probability}
        record.append({**mistake, **({} if votes is None else {"votes": votes})})
    title = (
        f"{name}: the most confident of {wrong:,} mistakes on {len(test):,} images of {split}; the given label is bold"
    )
    return draw_cells(cells, names, title), record


def _votes(votes: NDArray[np.int64]) -> dict[str, int]:
    """FER+'s votes for a face by its words, the most frequent first."""
    return {FERPLUS[k]: int(votes[k]) for k in np.argsort(-votes, kind="stable") if votes[k]}


def _in_words(votes: dict[str, int]) -> str:
    return ", ".join(f"{count} {word}" for word, count in list(votes.items())[:_NAMED_VOTES]) or "no votes"


def mistakes_table(record: Sequence[dict[str, Any]], table: Callable[..., str]) -> str:
    """The record of `explain_mistakes` as `table` draws it."""
    votes = any("votes" in each for each in record)
    rows = []
    for each in record:
        answer, given = (f"{100 * each['probabilities'][each[key]]:.1f} %" for key in ("answer", "given"))
        voted = [", ".join(f"{count} {word}" for word, count in each["votes"].items())] if votes else []
        rows.append([str(each["row"]), each["answer"], answer, each["given"], given, *voted])
    return table(("row", "says", "with", "labelled", "with", *(["FER+ votes"] * votes)), rows)
