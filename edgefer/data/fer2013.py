"""FER2013 as its users have it: fer2013.csv (plain or compressed) and FER+'s fer2013new.csv.

Goodfellow et al., "Challenges in representation learning", ICML 2013 workshop; columns emotion,
pixels (48 x 48 grey values, row-major), Usage. FER+ (Barsoum et al., ICMI 2016) adds ten votes a row.
"""

from __future__ import annotations

import csv
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from edgefer.arch import LABELS
from edgefer.data.dataset import SPLITS
from edgefer.data.scan import Face, Problem, Scan
from edgefer.errors import BadData, MissingFile

SIDE = 48
FERPLUS = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
    "unknown",
    "NF",
)
_BROKEN_STREAM = (EOFError, OSError, lzma.LZMAError, zlib.error, zipfile.BadZipFile, UnicodeDecodeError, csv.Error)


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """A text stream of a plain, .gz, .xz or .zip file, chosen by its first bytes, not its name."""
    try:
        head = path.open("rb").read(6)
    except OSError as error:
        raise MissingFile(f"can't open {path}: {error.strerror}.") from error
    if head.startswith(b"\x1f\x8b"):
        with gzip.open(path, "rt", newline="") as file:
            yield file
    elif head == b"\xfd7zXZ\x00":
        with lzma.open(path, "rt", newline="") as file:
            yield file
    elif head.startswith(b"PK"):
        with zipfile.ZipFile(path) as archive:
            names = [n for n in archive.namelist() if n.endswith(".csv") and "new" not in n]
            if len(names) != 1:
                raise BadData(f"{path} holds {len(names)} CSV files: it must hold fer2013.csv alone.")
            with archive.open(names[0]) as member:
                yield io.TextIOWrapper(member, newline="")
    else:
        with path.open(newline="") as file:
            yield file


def read_csv(path: Path) -> Scan:
    """Every row of a fer2013.csv: faces that can be read, and what is wrong with the others."""
    scan = Scan(str(path), LABELS)
    csv.field_size_limit(1 << 20)
    try:
        with open_text(path) as file:
            reader = csv.reader(file)
            header = [cell.strip().lower() for cell in next(reader, [])]
            columns = _columns(path, header)
            for number, cells in enumerate(reader):
                scan.add(number, _row(cells, columns))
    except _BROKEN_STREAM as error:
        raise BadData(f"{path} breaks off or is not a CSV ({error}): get the file again.") from error
    votes = path.with_name("fer2013new.csv")
    if votes.is_file():
        scan.votes = read_votes(votes, rows=scan.seen)
    return scan


def _columns(path: Path, header: list[str]) -> tuple[int, int, int]:
    if not header:
        raise BadData(f"{path} is empty: it must hold the columns emotion, pixels, Usage.")
    try:
        return header.index("emotion"), header.index("pixels"), header.index("usage")
    except ValueError:
        shown = ", ".join(header)[:60]
        raise BadData(f"{path} has the columns {shown}: a fer2013.csv has emotion, pixels, Usage.") from None


def _row(cells: list[str], columns: tuple[int, int, int]) -> Face | Problem:
    if len(cells) <= max(columns):
        return Problem(f"{len(cells)} columns, must be {max(columns) + 1}")
    emotion, text, usage = (cells[c] for c in columns)
    if not emotion.isdecimal() or int(emotion) >= len(LABELS):
        return Problem(f"label {emotion!r}, must be 0..{len(LABELS) - 1}")
    if usage not in SPLITS:
        return Problem(f"Usage {usage!r}, must be {', '.join(SPLITS)}")
    try:
        values = np.array(text.split(), dtype=np.int64)
    except (ValueError, OverflowError):
        return Problem("a pixel is not a number")
    if len(values) != SIDE * SIDE:
        return Problem(f"{len(values)} pixels, must be {SIDE * SIDE}")
    if values.min() < 0 or values.max() > 255:
        outside = values.min() if values.min() < 0 else values.max()
        return Problem(f"pixel value {outside}, must be 0..255")
    return Face(values.astype(np.uint8).reshape(SIDE, SIDE, 1), int(emotion), SPLITS.index(usage))


def read_votes(path: Path, rows: int) -> NDArray[np.int64]:
    """FER+ votes, int64 (rows, 10), row for row those of fer2013.csv; raises BadData."""
    votes = []
    with path.open(newline="") as file:
        reader = csv.reader(file)
        header = next(reader, [])
        if tuple(header[2:]) != FERPLUS:
            raise BadData(f"{path} has the columns {', '.join(header)[:60]}: FER+ has {', '.join(FERPLUS)}.")
        for number, cells in enumerate(reader, start=2):
            if len(cells) != 12 or not all(cell.isdecimal() for cell in cells[2:]):
                raise BadData(f"{path} line {number}: must be Usage, Image name and ten counts.")
            votes.append([int(cell) for cell in cells[2:]])
    if len(votes) != rows:
        raise BadData(f"{path} has {len(votes)} rows but the CSV beside it has {rows}: they belong row to row.")
    return np.array(votes, dtype=np.int64)
