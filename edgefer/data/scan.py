"""What a reader found: every face that can be read, and a reason for each that can't."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgefer.data.dataset import Dataset
from edgefer.data.preprocess import Pixels, to_rgb
from edgefer.errors import BadData, EmptyData

_SHOWN = 60


def quoted(text: str) -> str:
    """A value found in a file, for a message: in quotes, on one line, cut short."""
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")


def printable(name: str) -> str:
    """A file's name for a message; quoted if it has a character that would break the line."""
    return name if name.isprintable() else repr(name)


@dataclass(frozen=True)
class Face:
    """uint8 (H, W, 1 or 3), label and split index."""

    pixels: Pixels
    label: int
    split: int


@dataclass(frozen=True)
class Problem:
    """Why a row or a file can't be read; `where` names a file, rows are named by number."""

    what: str
    where: str = ""


@dataclass
class Scan:
    """The result of reading a whole source without stopping at the first broken row."""

    source: str
    names: tuple[str, ...]
    faces: list[Face] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    votes: NDArray[np.int64] | None = None

    @property
    def seen(self) -> int:
        """Rows or files looked at, readable or not."""
        return len(self.faces) + len(self.problems)

    def add(self, number: int, found: Face | Problem) -> None:
        """Take in row or file `number` (from 0)."""
        if isinstance(found, Problem):
            self.problems.append(f"{found.where or f'row {number}'}: {found.what}")
        else:
            self.faces.append(found)
            self.rows.append(number)

    def dataset(self) -> Dataset:
        """All faces as one array; raises BadData if anything was unreadable, EmptyData if nothing was there."""
        if self.problems:
            more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
            raise BadData(
                f"{self.source}: {self.problems[0]}{more}. `edgefer data check` lists every one; mend or remove them."
            )
        return self.readable()

    def readable(self) -> Dataset:
        """The faces that could be read, as one array (of none, if all are broken); EmptyData if nothing was there."""
        if not self.seen:
            raise EmptyData(f"{self.source} holds no image: give a fer2013.csv or a folder of class folders.")
        grey = all(face.pixels.shape[2] == 1 for face in self.faces)
        pixels = [face.pixels if grey else to_rgb(face.pixels) for face in self.faces]
        rows = np.array(self.rows, dtype=np.int64)
        return Dataset(
            source=self.source,
            names=self.names,
            pixels=np.stack(pixels) if pixels else np.empty((0, 1, 1, 1), dtype=np.uint8),
            labels=np.array([face.label for face in self.faces], dtype=np.int64),
            splits=np.array([face.split for face in self.faces], dtype=np.int64),
            rows=rows,
            votes=None if self.votes is None else self.votes[rows],
        )
