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
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, TextIO

import numpy as np
from numpy.typing import NDArray

from edgefer.arch import LABELS
from edgefer.data.dataset import SPLITS
from edgefer.data.preprocess import Pixels
from edgefer.data.scan import Face, Problem, Scan, quoted
from edgefer.errors import BadData, EmptyData, MissingFile

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
FERPLUS_NAME = {  # FER+'s word for each of FER2013's classes
    "neutral": "neutral",
    "happy": "happiness",
    "surprise": "surprise",
    "sad": "sadness",
    "angry": "anger",
    "disgust": "disgust",
    "fear": "fear",
}
_BROKEN_STREAM = (EOFError, OSError, lzma.LZMAError, zlib.error, zipfile.BadZipFile, UnicodeDecodeError, csv.Error)
_DIGITS = b"0123456789 \t\r\n"
_LONGEST_LINE = 1 << 20  # 100 times a row: a file without line ends must not be read into memory whole
_LABEL_OF = {str(k): k for k in range(len(LABELS))}
_SPLIT_OF = {name: k for k, name in enumerate(SPLITS)}


def ferplus_columns(names: Sequence[str]) -> list[int] | None:
    """FER+'s column of each class; None if FER+ has no votes for one of them."""
    if not FERPLUS_NAME.keys() >= set(names):
        return None
    return [FERPLUS.index(FERPLUS_NAME[name]) for name in names]


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """A text stream of a plain, .gz, .xz or .zip file, chosen by its first bytes, not its name.

    Raises MissingFile, and BadData when the stream turns out broken inside the block.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe could be read only once
            raise MissingFile(f"{path} is not a file: give a fer2013.csv (or .gz, .xz, .zip).")
        with path.open("rb") as raw:
            head = raw.read(6)
    except OSError as error:
        raise MissingFile(f"can't open {path}: {error.strerror}.") from error
    try:
        with _decoded(path, head) as file:
            yield file
    except _BROKEN_STREAM as error:
        raise BadData(f"{path} breaks off or is not a CSV ({error}): get the file again.") from error


@contextmanager
def _decoded(path: Path, head: bytes) -> Iterator[TextIO]:
    with (
        ExitStack() as stack,
        # A byte that isn't UTF-8 must break its row, not the whole file: hence "replace".
        io.TextIOWrapper(_bytes(path, head, stack), encoding="utf-8-sig", errors="replace", newline="") as text,
    ):
        yield text


def _bytes(path: Path, head: bytes, stack: ExitStack) -> IO[bytes] | gzip.GzipFile | lzma.LZMAFile:
    if head.startswith(b"\x1f\x8b"):
        return gzip.open(path)
    if head == b"\xfd7zXZ\x00":
        return lzma.open(path)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _member(path, stack.enter_context(zipfile.ZipFile(path)))
    return path.open("rb")


def _member(path: Path, archive: zipfile.ZipFile) -> IO[bytes]:
    """The one CSV of an archive; nothing is unpacked, so its name can't lead anywhere."""
    plain = {name: PurePosixPath(name).name.lower() for name in archive.namelist()}
    found = [n for n, base in plain.items() if base.endswith(".csv") and base[0] != "." and base != "fer2013new.csv"]
    named = [n for n in found if plain[n] == "fer2013.csv"]
    chosen = named if len(named) == 1 else found
    if len(chosen) != 1:
        raise BadData(f"{path} holds {len(found)} CSV files: it must hold fer2013.csv alone.")
    try:
        return archive.open(chosen[0])
    except (RuntimeError, NotImplementedError) as error:  # a password, a rare compression
        raise BadData(f"{path} can't be unpacked ({error}): unpack it and give the fer2013.csv.") from error


def _rows(file: TextIO) -> Iterator[list[str]]:
    """The rows of a CSV but for blank ones, which editors and tools leave at the end."""
    lines = iter(lambda: file.readline(_LONGEST_LINE), "")
    return (cells for cells in csv.reader(lines) if cells)


def read_csv(path: Path) -> Scan:
    """Every row of a fer2013.csv: faces that can be read, and what is wrong with the others.

    A fer2013new.csv beside it adds FER+'s votes. Raises MissingFile, BadData if it is no such CSV or breaks
    off, EmptyData for an empty file.
    """
    scan = Scan(str(path), LABELS)
    with open_text(path) as file:
        rows = _rows(file)
        columns = _columns(path, next(rows, []))
        for number, cells in enumerate(rows):
            scan.add(number, _row(cells, columns))
    votes = path.with_name("fer2013new.csv")
    if votes.is_file():
        try:
            scan.votes = read_votes(votes, rows=scan.seen)
        except (BadData, MissingFile) as error:
            # Last in the list: a broken row of the CSV explains more than the row count that follows from it.
            scan.problems.append(str(error).rstrip("."))
    return scan


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


def _row(cells: list[str], columns: tuple[int, int, int]) -> Face | Problem:
    if len(cells) <= max(columns):
        return Problem(f"{len(cells)} columns, must be {max(columns) + 1}")
    emotion, text, usage = (cells[c] for c in columns)
    label, split = _LABEL_OF.get(emotion.strip()), _SPLIT_OF.get(usage.strip())
    if label is None:
        return Problem(f"label {quoted(emotion)}, must be 0..{len(LABELS) - 1}")
    if split is None:
        return Problem(f"Usage {quoted(usage)}, must be {', '.join(SPLITS)}")
    pixels = _pixels(text)
    return pixels if isinstance(pixels, Problem) else Face(pixels, label, split)


def _pixels(text: str) -> Pixels | Problem:
    """2,304 numbers -> uint8 (48, 48, 1). Strange characters are looked for first: numpy would stop at one."""
    if text.encode().translate(None, _DIGITS):
        strange = next(token for token in text.split(" ") if token.encode().translate(None, _DIGITS))
        return Problem(f"pixel {quoted(strange)}, must be a number 0..255")
    values = np.fromstring(text, dtype=np.int64, sep=" ") if text.strip() else np.empty(0, dtype=np.int64)
    if len(values) != SIDE * SIDE:
        return Problem(f"{len(values)} pixels, must be {SIDE * SIDE}")
    if values.max() > 255:
        return Problem(f"pixel {quoted(text.split()[int((values > 255).argmax())])}, must be a number 0..255")
    return values.astype(np.uint8).reshape(SIDE, SIDE, 1)


def read_votes(path: Path, rows: int) -> NDArray[np.int64]:
    """FER+ votes, int64 (rows, 10), row for row those of fer2013.csv; raises MissingFile or BadData."""
    votes = []
    with open_text(path) as file:
        lines = _rows(file)
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
