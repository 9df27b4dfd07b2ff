"""FER2013 as its users have it: fer2013.csv (plain or compressed) and FER+'s fer2013new.csv.

Goodfellow et al., "Challenges in representation learning", ICML 2013 workshop; columns emotion,
pixels (48 x 48 grey values, row-major), Usage. FER+ (Barsoum et al., ICMI 2016) adds ten votes a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgefer.data.dataset import SPLITS, Dataset, ReadResult
from edgefer.data.decode import stack
from edgefer.data.listing import UnreadableFile, quoted
from edgefer.data.source_files import open_text, rows_of
from edgefer.runtime.errors import BadData, EmptyData, MissingFile
from edgefer.runtime.labels import FERPLUS, LABELS
from edgefer.runtime.preprocess import Pixels

SIDE = 48
_DIGITS = b"0123456789 \t\r\n"
_LABEL_OF = {str(k): k for k in range(len(LABELS))}
_SPLIT_OF = {name: k for k, name in enumerate(SPLITS)}


@dataclass(frozen=True)
class Face:
    """uint8 (H, W, 1), label and split index."""

    pixels: Pixels
    label: int
    split: int


def read_csv(path: Path) -> ReadResult:
    """Every row of a fer2013.csv: faces that can be read, and what is wrong with the others.

    A fer2013new.csv beside it adds FER+'s votes. Raises MissingFile, BadData if it is no such CSV or breaks
    off, EmptyData for an empty file.
    """
    faces, problems, rows = [], [], []
    with open_text(path) as file:
        lines = rows_of(file)
        columns = _columns(path, next(lines, []))
        number = -1
        for number, cells in enumerate(lines):
            face = _row(cells, columns)
            if isinstance(face, UnreadableFile):
                problems.append(face.line(number))
            else:
                faces.append(face)
                rows.append(number)
    votes, wrong = _votes(path.with_name("fer2013new.csv"), number + 1)
    return ReadResult(_dataset(path, faces, rows, votes), problems, number + 1, wrong)


def _dataset(path: Path, faces: list[Face], rows: list[int], votes: NDArray[np.int64] | None) -> Dataset:
    return Dataset(
        source=str(path),
        names=LABELS,
        pixels=stack([face.pixels for face in faces]),
        labels=np.array([face.label for face in faces], dtype=np.int64),
        splits=np.array([face.split for face in faces], dtype=np.int64),
        rows=np.array(rows, dtype=np.int64),
        votes=None if votes is None else votes[rows],
    )


def _votes(path: Path, rows: int) -> tuple[NDArray[np.int64] | None, list[str]]:
    """FER+'s votes, if there are any, or what is wrong with them."""
    if not path.is_file():
        return None, []
    try:
        return read_votes(path, rows), []
    except (BadData, MissingFile) as error:
        return None, [str(error).rstrip(".")]


def _columns(path: Path, cells: list[str]) -> tuple[int, int, int]:
    """Where emotion, pixels and usage stand; some copies have blanks in their header."""
    header = [cell.strip().lower() for cell in cells]
    if not header:
        raise EmptyData(f"{path} is empty: it must hold the columns emotion, pixels, Usage.")
    try:
        return header.index("emotion"), header.index("pixels"), header.index("usage")
    except ValueError:
        shown = ", ".join(cells)
        if "\x00" in shown or "\ufffd" in shown:
            raise BadData(f"{path} is not text: give fer2013.csv, plain or in a .gz, .xz or .zip.") from None
        raise BadData(f"{path} has the columns {quoted(shown)}: a fer2013.csv has emotion, pixels, Usage.") from None


def _row(cells: list[str], columns: tuple[int, int, int]) -> Face | UnreadableFile:
    if len(cells) <= max(columns):
        return UnreadableFile(f"{len(cells)} columns, must be {max(columns) + 1}")
    emotion, text, usage = (cells[c] for c in columns)
    label, split = _LABEL_OF.get(emotion.strip()), _SPLIT_OF.get(usage.strip())
    if label is None:
        return UnreadableFile(f"label {quoted(emotion)}, must be 0..{len(LABELS) - 1}")
    if split is None:
        return UnreadableFile(f"Usage {quoted(usage)}, must be {', '.join(SPLITS)}")
    pixels = _pixels(text)
    return pixels if isinstance(pixels, UnreadableFile) else Face(pixels, label, split)


def _pixels(text: str) -> Pixels | UnreadableFile:
    """2,304 numbers -> uint8 (48, 48, 1). Strange characters are looked for first: numpy would stop at one."""
    if text.encode().translate(None, _DIGITS):
        strange = next(token for token in text.split(" ") if token.encode().translate(None, _DIGITS))
        return UnreadableFile(f"pixel {quoted(strange)}, must be a number 0..255")
    values = np.fromstring(text, dtype=np.int64, sep=" ") if text.strip() else np.empty(0, dtype=np.int64)
    if len(values) != SIDE * SIDE:
        return UnreadableFile(f"{len(values)} pixels, must be {SIDE * SIDE}")
    if values.max() > 255:
        return UnreadableFile(f"pixel {quoted(text.split()[int((values > 255).argmax())])}, must be a number 0..255")
    return values.astype(np.uint8).reshape(SIDE, SIDE, 1)


def read_votes(path: Path, rows: int) -> NDArray[np.int64]:
    """FER+ votes, int64 (rows, 10), row for row those of fer2013.csv; raises MissingFile or BadData."""
    votes = []
    with open_text(path) as file:
        lines = rows_of(file)
        header = next(lines, [])
        if tuple(header[2:]) != FERPLUS:
            raise BadData(f"{path} has the columns {quoted(', '.join(header))}: FER+ has {', '.join(FERPLUS)}.")
        for number, cells in enumerate(lines):
            if len(cells) != 12 or not all(cell.isascii() and cell.isdigit() and len(cell) < 5 for cell in cells[2:]):
                raise BadData(f"{path} row {number}: must be Usage, Image name and ten counts.")
            votes.append([int(cell) for cell in cells[2:]])
    if len(votes) != rows:
        raise BadData(f"{path} has {len(votes)} rows but the CSV beside it has {rows}: they belong row to row.")
    return np.array(votes, dtype=np.int64).reshape(rows, len(FERPLUS))
