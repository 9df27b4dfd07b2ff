"""FER2013 as its users have it: fer2013.csv (plain or compressed) and FER+'s fer2013new.csv.

Goodfellow et al., "Challenges in representation learning", ICML 2013 workshop; columns emotion,
pixels (48 x 48 grey values, row-major), Usage. FER+ (Barsoum et al., ICMI 2016) adds ten votes a row.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgefer.data.dataset import SPLITS, Dataset, ReadResult
from edgefer.data.listing import UnreadableFile, quoted
from edgefer.data.source_files import open_text, rows_of
from edgefer.runtime.errors import BadData, EmptyData, MissingFile
from edgefer.runtime.labels import FERPLUS, FERPLUS_NAME, LABELS
from edgefer.runtime.preprocess import Pixels

SIDE = 48
FILES = (  # what lies in a folder that people unpack or download from Kaggle, the best first
    "fer2013.csv*",
    "fer2013/fer2013.csv*",
    "icml_face_data.csv*",
    "fer2013.tar*",
    "train.csv",
)
_DIGITS = b"0123456789 \t\r\n"
_TOGETHER = 8  # rows whose pixels are read at once: they fit a core's own cache, and memory that is kept
_ZERO, _TEN, _HUNDRED = np.uint8(ord("0")), np.uint8(10), np.uint8(100)
_BLANK = np.uint8(256 + ord(" ") - ord("0"))
_LABEL_OF = {str(k): k for k in range(len(LABELS))}
_SPLIT_OF = {name.lower(): k for k, name in enumerate(SPLITS)}
# FER+'s first columns, in its order, as places in LABELS
_FERPLUS_LABEL = np.array([LABELS.index(name) for name in FERPLUS_NAME])
_LEAST_COMPARED = 50  # images; of less the agreement of votes and labels says nothing
_BROKEN = 100_000  # rows: a compressed file of a megabyte could hold a thousand million
_LEAST_KAPPA = 0.2  # it is 0 for shuffled votes


@dataclass(frozen=True)
class Face:
    """uint8 (48, 48, 1), label and split index."""

    pixels: Pixels
    label: int
    split: int


@dataclass(frozen=True)
class LabelledText:
    """A row whose label and split are known; its pixels are not read yet."""

    text: str
    label: int
    split: int


@dataclass(frozen=True)
class Faces:
    """Faces one behind the other: a list of arrays would have to be copied into one, in twice the memory."""

    pixels: bytearray = field(default_factory=bytearray)
    labels: array[int] = field(default_factory=lambda: array("q"))
    splits: array[int] = field(default_factory=lambda: array("q"))
    rows: array[int] = field(default_factory=lambda: array("q"))

    def add(self, face: Face, row: int) -> None:
        """The face of a row."""
        self.pixels.extend(face.pixels.data)
        for numbers, value in ((self.labels, face.label), (self.splits, face.split), (self.rows, row)):
            numbers.append(value)


def read_csv(path: Path) -> ReadResult:
    """Every row of a fer2013.csv: faces that can be read, and what is wrong with the others.

    A fer2013new.csv beside it adds FER+'s votes. Raises MissingFile, BadData if it is no such CSV or breaks
    off, EmptyData for an empty file.
    """
    faces = Faces()
    problems: list[str] = []
    usages: list[str] = []
    with open_text(path) as file:
        lines = rows_of(file)
        columns = _columns(path, next(lines, []))
        while batch := list(islice(lines, _TOGETHER)):
            for number, face in enumerate(_faces(batch, columns), len(usages)):
                if isinstance(face, UnreadableFile):
                    problems.append(face.line(number))
                else:
                    faces.add(face, number)
            if len(problems) > _BROKEN:
                raise BadData(f"{path} has more than {_BROKEN:,} broken rows, {problems[0]}: get the file again.")
            usages += [
                sys.intern(cells[columns[2]].strip().lower() if columns[2] < len(cells) else "") for cells in batch
            ]
    votes, wrong = _votes(path.with_name("fer2013new.csv"), usages)
    data = _dataset(path, faces, votes)
    return ReadResult(data, problems, len(usages), wrong or _agreement_faults(data))


def is_csv(path: Path) -> bool:
    """Whether a file has FER2013's columns: lists of other sets are called train.csv too."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            cells = [cell.strip().lower() for cell in file.readline(100).split(",")]
    except OSError:
        return False
    return "emotion" in cells and "pixels" in cells


def _dataset(path: Path, faces: Faces, votes: NDArray[np.int64] | None) -> Dataset:
    rows = np.array(faces.rows, dtype=np.int64)
    return Dataset(
        source=str(path),
        names=LABELS,
        pixels=np.frombuffer(faces.pixels, np.uint8).reshape(-1, SIDE, SIDE, 1),
        labels=np.array(faces.labels, dtype=np.int64),
        splits=np.array(faces.splits, dtype=np.int64),
        rows=rows,
        votes=None if votes is None else votes[rows],
    )


def _votes(path: Path, usages: list[str]) -> tuple[NDArray[np.int64] | None, list[str]]:
    """FER+'s votes, if there are any, or what is wrong with them."""
    if not path.is_file():
        return None, []
    try:
        return read_votes(path, len(usages), usages), []
    except (BadData, MissingFile) as error:
        return None, [str(error).rstrip(".")]


def compare_votes(data: Dataset) -> tuple[int, float, float]:
    """FER+'s majorities and the labels of FER2013: images compared, share that agrees, share expected by chance.

    Compared are the images whose majority is one of FER2013's classes; without one the shares are 0. Chance is that
    of two raters with the same class counts, as in Cohen's kappa (1960).
    """
    votes = data.votes if data.votes is not None else np.zeros((0, len(FERPLUS)), dtype=np.int64)
    labels, winner = data.labels[: len(votes)], votes.argmax(axis=1)
    comparable = ((votes == votes.max(axis=1, keepdims=True)).sum(axis=1) == 1) & (winner < len(_FERPLUS_LABEL))
    if not comparable.any():
        return 0, 0.0, 0.0
    voted, labelled = _FERPLUS_LABEL[winner[comparable]], labels[comparable]
    shares = [np.bincount(each, minlength=len(LABELS)) / len(each) for each in (voted, labelled)]
    return len(voted), float((voted == labelled).mean()), float((shares[0] * shares[1]).sum())


def _agreement_faults(data: Dataset) -> list[str]:
    """What is wrong with votes that are of other rows: they agree with the labels hardly more than by chance."""
    compared, agreement, chance = compare_votes(data)
    if compared < _LEAST_COMPARED or agreement - chance >= _LEAST_KAPPA * (1 - chance):
        return []
    return [
        f"FER+'s majorities agree with the labels on {100 * agreement:.1f} % of {compared:,} images, by chance it "
        f"would be {100 * chance:.1f} %: the votes are of other rows, get fer2013new.csv again or remove it"
    ]


def _columns(path: Path, cells: list[str]) -> tuple[int, int, int]:
    """Where emotion, pixels and usage stand; some copies have blanks in their header."""
    header = [cell.strip().lower() for cell in cells]
    if not header:
        raise EmptyData(f"{path} is empty: it must hold the columns emotion, pixels, Usage.")
    if {"emotion", "pixels", "usage"} <= set(header):
        return header.index("emotion"), header.index("pixels"), header.index("usage")
    shown = ", ".join(cells)
    if "\x00" in shown or "\ufffd" in shown:
        raise BadData(f"{path} is not text: give fer2013.csv, plain or in a .gz, .xz, .zip or .tar.gz.")
    if header in (["pixels"], ["emotion", "pixels"]):
        raise BadData(
            f"{path} has the columns {quoted(shown)}, as the challenge's {'train' if header[1:] else 'test'}.csv, not "
            "emotion, pixels, Usage: give its icml_face_data.csv or fer2013.tar.gz."
        )
    raise BadData(f"{path} has the columns {quoted(shown)}: a fer2013.csv has emotion, pixels, Usage.")


def _faces(rows: Sequence[list[str]], columns: tuple[int, int, int]) -> Iterator[Face | UnreadableFile]:
    """Each row's face, or why there is none."""
    labelled = [_labelled(cells, columns) for cells in rows]
    pixels = iter(_pixels([each.text for each in labelled if isinstance(each, LabelledText)]))
    for each in labelled:
        if isinstance(each, UnreadableFile):
            yield each
            continue
        face = next(pixels)
        yield face if isinstance(face, UnreadableFile) else Face(face, each.label, each.split)


def _labelled(cells: list[str], columns: tuple[int, int, int]) -> LabelledText | UnreadableFile:
    if len(cells) <= max(columns):
        return UnreadableFile(f"{len(cells)} columns, must be {max(columns) + 1}")
    emotion, text, usage = (cells[c] for c in columns)
    label, split = _LABEL_OF.get(emotion.strip()), _SPLIT_OF.get(usage.strip().lower())
    if label is None:
        return UnreadableFile(f"label {quoted(emotion)}, must be 0..{len(LABELS) - 1}")
    if split is None:
        return UnreadableFile(f"Usage {quoted(usage)}, must be {', '.join(SPLITS)}")
    return LabelledText(text, label, split)


def _pixels(texts: Sequence[str]) -> Iterator[Pixels | UnreadableFile]:
    """2,304 numbers each -> uint8 (48, 48, 1) each."""
    together = _plain_pixels(texts)
    if together is not None:
        yield from together
        return
    for text in texts:
        alone = _plain_pixels([text])
        yield _other_pixels(text) if alone is None else alone[0]


def _plain_pixels(texts: Sequence[str]) -> Pixels | None:
    """uint8 (N, 48, 48, 1) of texts of 2,304 numbers 0..255, three digits at most, with blanks between; else None.

    All numbers at once, several times as fast as np.fromstring: each is picked at the place of its last digit.
    """
    digits = np.frombuffer(f"   {' '.join(texts)} ".encode(), np.uint8) - _ZERO
    blank = digits == _BLANK
    filled = ~blank
    digits *= filled
    last = np.flatnonzero(blank[4:] > blank[3:-1])  # a blank follows a digit
    two = blank[:-1] | blank[1:]
    if digits.max() > 9 or not (two[:-2] | two[2:]).all():
        return None
    ends = np.cumsum([len(text) + 1 for text in texts])
    if (np.diff(np.searchsorted(last, ends), prepend=0) != SIDE * SIDE).any():
        return None
    hundreds = (digits[1:-3] * filled[2:-2])[last]
    values: NDArray[np.uint8] = (digits[2:-2] * _TEN + digits[3:-1])[last]  # at most 99
    if ((hundreds > 2) | ((hundreds == 2) & (values > 55))).any():
        return None
    values += hundreds * _HUNDRED
    return values.reshape(-1, SIDE, SIDE, 1)


def _other_pixels(text: str) -> Pixels | UnreadableFile:
    """The same in whatever way it is written. Strange characters are looked for first: numpy would stop at one."""
    if text.encode().translate(None, _DIGITS):
        strange = next(token for token in text.split(" ") if token.encode().translate(None, _DIGITS))
        return UnreadableFile(f"pixel {quoted(strange)}, must be a number 0..255")
    values = np.fromstring(text, dtype=np.int64, sep=" ") if text.strip() else np.empty(0, dtype=np.int64)
    if len(values) != SIDE * SIDE:
        return UnreadableFile(f"{len(values)} pixels, must be {SIDE * SIDE}")
    if values.max() > 255:
        return UnreadableFile(f"pixel {quoted(text.split()[int((values > 255).argmax())])}, must be a number 0..255")
    return values.astype(np.uint8).reshape(SIDE, SIDE, 1)


def read_votes(path: Path, rows: int, usages: Sequence[str] = ()) -> NDArray[np.int64]:
    """FER+ votes, int64 (rows, 10), row for row those of fer2013.csv; raises MissingFile or BadData.

    usages  the split of each row of fer2013.csv in small letters, which must be the votes' too; "" for an unknown one
    """
    votes, used = [], []
    with open_text(path) as file:
        lines = rows_of(file)
        header = next(lines, [])
        if tuple(header[2:]) != FERPLUS:
            raise BadData(f"{path} has the columns {quoted(', '.join(header))}: FER+ has {', '.join(FERPLUS)}.")
        for number, cells in enumerate(lines):
            if len(cells) != 12 or not all(cell.isascii() and cell.isdigit() and len(cell) < 5 for cell in cells[2:]):
                raise BadData(f"{path} row {number}: must be Usage, Image name and ten counts.")
            used.append(cells[0].strip().lower())
            votes.append([int(cell) for cell in cells[2:]])
    if len(votes) != rows:
        raise BadData(f"{path} has {len(votes)} rows but the CSV beside it has {rows}: they belong row to row.")
    for number, (expected, found) in enumerate(zip(usages, used, strict=False)):
        if expected in _SPLIT_OF and expected != found:
            raise BadData(
                f"{path} row {number}: Usage {quoted(found)}, the CSV beside it has {SPLITS[_SPLIT_OF[expected]]} "
                "there: they belong row to row."
            )
    return np.array(votes, dtype=np.int64).reshape(rows, len(FERPLUS))
