"""A data set, and the door that reads one from whatever a user has on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgefer.data import mapped
from edgefer.data.mapped import Faces
from edgefer.data.read_options import PLAINLY, Reading
from edgefer.runtime.errors import EmptyData, MissingFile, UnknownName
from edgefer.runtime.preprocess import chunks

if TYPE_CHECKING:
    from edgefer.data.read_result import Scan

SPLITS = ("Training", "PublicTest", "PrivateTest")  # FER2013's words


@dataclass(frozen=True)
class Dataset:
    """Faces and labels, row by row in the order of the source.

    pixels    uint8 (N, H, W, 1) grey or (N, H, W, 3) RGB; of a large set memory-mapped, see edgefer.data.mapped
    labels    int64 (N,), index into `names`
    splits    int64 (N,), index into SPLITS
    rows      int64 (N,), number of the row (from 0) or of the file in sorted order
    votes     int64 (N, 10) of FER+, or None
    subjects  str (N,), who is on each image, or None if the source does not say
    """

    source: str
    names: tuple[str, ...]
    pixels: Faces
    labels: NDArray[np.int64]
    splits: NDArray[np.int64]
    rows: NDArray[np.int64]
    votes: NDArray[np.int64] | None = field(default=None)
    subjects: NDArray[np.str_] | None = field(default=None)

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: NDArray[np.int64]) -> Dataset:
        """The rows at `index`, in that order."""
        return replace(
            self,
            pixels=mapped.take(self.pixels, index),
            labels=self.labels[index],
            splits=self.splits[index],
            rows=self.rows[index],
            votes=None if self.votes is None else self.votes[index],
            subjects=None if self.subjects is None else self.subjects[index],
        )

    def has(self, name: str) -> bool:
        """Whether the split called `name` has an image."""
        return bool((self.splits == SPLITS.index(name)).any())

    def split(self, name: str) -> Dataset:
        """The rows of one split; raises EmptyData when there are none."""
        if name not in SPLITS:
            raise UnknownName.of("split", name, SPLITS)
        index = np.flatnonzero(self.splits == SPLITS.index(name))
        if not len(index):
            raise EmptyData(f"{self.source} has no {name} image: this step needs that split.")
        return self.take(index)

    def resized(self, size: int) -> Dataset:
        """The same faces at size x size, with the preprocessing's own kernel."""
        return replace(self, pixels=mapped.resized(self.pixels, size))

    def require_every_class(self) -> None:
        """Raise EmptyData naming the classes that have no image."""
        counts = np.bincount(self.labels, minlength=len(self.names))
        missing = [name for name, count in zip(self.names, counts, strict=True) if not count]
        if missing:
            raise EmptyData(
                f"{self.source} has no image of class {', '.join(missing)}: "
                f"every one of {', '.join(self.names)} needs at least one."
            )


def image_hashes(pixels: Faces) -> Iterator[bytes]:
    """One digest per face, equal exactly where the pixels are equal."""
    for part in chunks(pixels):
        yield from (hashlib.blake2b(face.tobytes(), digest_size=16).digest() for face in part)


def unseen_rows(test: Dataset, whole: Dataset) -> NDArray[np.bool_] | None:
    """Which test images do not stand, pixel for pixel, in the Training split of `whole`: bool (N,).

    None if there is no Training split to look in.
    """
    if not whole.has("Training"):
        return None
    known = set(image_hashes(whole.split("Training").pixels))
    return np.array([digest not in known for digest in image_hashes(test.pixels)])


def fingerprint(data: Dataset) -> dict[str, object]:
    """What a record keeps of a data set: counts and a digest over pixels, labels and splits."""
    digest = hashlib.sha256()
    for array in chain(chunks(data.pixels), (data.labels, data.splits)):
        digest.update(np.ascontiguousarray(array).tobytes())
    counts = np.bincount(data.splits, minlength=len(SPLITS))
    return {
        "images": dict(zip(SPLITS, map(int, counts), strict=True)),
        "classes": list(data.names),
        "sha256": digest.hexdigest(),
    }


def scan(path: Path, size: int = 48, how: Reading = PLAINLY) -> Scan:
    """Read a FER2013 CSV (.csv, .gz, .xz, .zip) or a folder of images without stopping at a broken row or image.

    Faces of a folder come out size x size, those of a CSV as they are. Raises MissingFile, BadData (a source
    that can't be understood as a whole), EmptyData, UnknownName (a layout) or OutputFailed (the cache).
    """
    from edgefer.data import decode, layouts
    from edgefer.data.readers import fer2013

    try:
        if not path.exists():
            raise MissingFile(f"no data at {path}: give a fer2013.csv (or .gz, .xz, .zip) or an image folder.")
        csv = _csv(path, how)
        return decode.read(layouts.listing(path, how.layout), size, how) if csv is None else fer2013.read_csv(csv)
    except OSError as error:
        raise MissingFile(f"can't open {path}: {error.strerror or error}.") from error


def _csv(path: Path, how: Reading) -> Path | None:
    """The fer2013.csv that `path` is or holds; None if it is a folder of images or said to be one."""
    if not path.is_dir():
        return path
    if how.layout is not None:
        return None
    return next((csv for csv in sorted(path.glob("fer2013.csv*")) if csv.is_file()), None)


def load(path: Path, size: int = 48, how: Reading = PLAINLY) -> Dataset:
    """Read a FER2013 CSV (.csv, .gz, .xz, .zip) or a folder of images; faces come out size x size.

    Raises what `scan` does, and BadData for the first broken row or image.
    """
    return scan(path, size, how).dataset().resized(size)
