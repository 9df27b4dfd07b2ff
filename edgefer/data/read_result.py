"""What a reader found: every face that can be read, and a reason for each that can't."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgefer.data.dataset import Dataset
from edgefer.runtime.errors import BadData, EmptyData
from edgefer.runtime.preprocess import Pixels, to_rgb

_SHOWN = 60


def quoted(text: str) -> str:
    """A value found in a file, for a message: in quotes, on one line, cut short."""
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")


def printable(name: str) -> str:
    """A file's name for a message; quoted if it has a character that would break the line."""
    return name if name.isprintable() else repr(name)


@dataclass(frozen=True)
class Problem:
    """Why a row or a file can't be read; `where` names a file, rows are named by number."""

    what: str
    where: str = ""

    def line(self, number: int) -> str:
        """For a report: where and what."""
        return f"{self.where or f'row {number}'}: {self.what}"


@dataclass(frozen=True)
class Scan:
    """The result of reading a whole source without stopping at the first broken row.

    faces     those that could be read
    problems  one line about each of the others, and about the source
    seen      rows or files looked at, readable or not
    """

    faces: Dataset
    problems: list[str]
    seen: int

    def dataset(self) -> Dataset:
        """All faces; raises BadData if anything was unreadable, EmptyData if nothing was there."""
        if self.problems:
            more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
            raise BadData(
                f"{self.faces.source}: {self.problems[0]}{more}. "
                "`edgefer data check` lists every one; mend or remove them."
            )
        return self.readable()

    def readable(self) -> Dataset:
        """The faces that could be read (none, if all are broken); EmptyData if nothing was there."""
        if not self.seen:
            raise EmptyData(f"{self.faces.source} holds no image: give a fer2013.csv or a folder of class folders.")
        return self.faces


def stack(faces: Sequence[Pixels]) -> Pixels:
    """Faces (H, W, 1 or 3) as one array (N, H, W, C): one that has colour makes all of them RGB."""
    if not faces:
        return np.empty((0, 1, 1, 1), dtype=np.uint8)
    grey = all(face.shape[2] == 1 for face in faces)
    return np.stack([face if grey else to_rgb(face) for face in faces])
