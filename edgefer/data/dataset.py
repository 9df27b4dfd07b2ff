"""A data set: faces with a label each, and what was read beside those that can't be."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from edgefer.data import mapped
from edgefer.data.decode import SixteenBit
from edgefer.data.mapped import Faces
from edgefer.runtime.errors import BadData, EmptyData, UnknownName
from edgefer.runtime.files import digest
from edgefer.runtime.golden import golden_picture
from edgefer.runtime.labels import CLASS_WORDS
from edgefer.runtime.preprocess import Pixels, chunks

SPLITS = ("Training", "PublicTest", "PrivateTest")  # FER2013's words
SYNTHETIC_SOURCE, SYNTHETIC_COUNT = "drawn pictures, no faces", 8
_SHIFT = 9  # pixels, less than this to every side


@dataclass(frozen=True)
class Dataset:
    """Faces and labels, row by row in the order of the source.

    pixels    uint8 (N, H, W, 1) grey or (N, H, W, 3) RGB; of a large set memory-mapped, see edgefer.data.mapped
    labels    int64 (N,), index into `names`
    splits    int64 (N,), index into SPLITS
    rows      int64 (N,), number of the row (from 0) or of the file in sorted order
    votes     int64 (N, 10) of FER+, or None
    subjects  str (N,), who is on each image, or None if the source does not say
    found     bool (N,), whether a detector found the face of each; None: none was asked. Of the others pixels are black
    allow_missing  whether a class may have no face, as the user says
    skipped   rows or files of the source that can't be read and were left out, as the user allowed
    """

    source: str
    names: tuple[str, ...]
    pixels: Faces
    labels: NDArray[np.int64]
    splits: NDArray[np.int64]
    rows: NDArray[np.int64]
    votes: NDArray[np.int64] | None = field(default=None)
    subjects: NDArray[np.str_] | None = field(default=None)
    found: NDArray[np.bool_] | None = field(default=None)
    skipped: int = 0
    allow_missing: bool = False

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
            found=None if self.found is None else self.found[index],
        )

    def found_only(self) -> Dataset:
        """The rows whose face was found; raises EmptyData if there is none."""
        if self.found is None:
            return self
        if not self.found.any():
            raise EmptyData(f"no face was found in the {len(self):,} images of {self.source}: try another --detector.")
        return replace(self.take(np.flatnonzero(self.found)), found=None)

    def has(self, name: str) -> bool:
        """Whether the split called `name` has an image."""
        return bool((self.splits == SPLITS.index(name)).any())

    def split(self, name: str) -> Dataset:
        """The rows of one split; raises EmptyData when there are none."""
        return self.take(rows_of(name, self.splits, self.source))

    def resized(self, size: int) -> Dataset:
        """The same faces at size x size, with the preprocessing's own kernel."""
        return replace(self, pixels=mapped.resized(self.pixels, size))

    def require_every_class(self) -> None:
        """Raise EmptyData naming the classes that have no image, unless the user allows that."""
        missing = _without_image(self.names, self.labels)
        if missing and not self.allow_missing:
            raise EmptyData(
                f"{self.source} has no image of class {', '.join(missing)}: every one of {', '.join(self.names)} needs "
                "at least one. --allow-missing-classes goes on without, and the record says so; --classes states fewer."
            )


def rows_of(split: str, splits: NDArray[np.int64], source: str) -> NDArray[np.int64]:
    """The indices of a split's rows; raises UnknownName, and EmptyData when there are none in `source`."""
    if split not in SPLITS:
        raise UnknownName.of("split", split, SPLITS)
    index = np.flatnonzero(splits == SPLITS.index(split))
    if not len(index):
        raise EmptyData(f"{source} has no {split} image: this step needs that split.")
    return index


def _without_image(names: tuple[str, ...], labels: NDArray[np.int64]) -> list[str]:
    counts = np.bincount(labels, minlength=len(names))
    return [name for name, count in zip(names, counts, strict=True) if not count]


@dataclass(frozen=True)
class ReadResult:
    """The result of reading a whole source without stopping at the first broken row.

    faces       those that could be read
    unreadable  one line about each of the others
    total       rows or files looked at, readable or not
    faults      what is wrong with the source as a whole
    name_of     how messages name the row or file of this number
    sixteen_bit the pictures that have 16 bits a value
    notes       what was assumed of the source
    """

    faces: Dataset
    unreadable: list[str]
    total: int
    faults: list[str] = field(default_factory=list)
    name_of: Callable[[int], str] = "row {}".format
    sixteen_bit: SixteenBit = field(default_factory=SixteenBit)
    notes: list[str] = field(default_factory=list)

    def dataset(self, skip: int = 0) -> Dataset:
        """All faces but at most `skip` that can't be read; raises BadData for more, EmptyData if nothing was there."""
        problems = [*self.unreadable, *self.faults]
        if self.faults or len(self.unreadable) > skip:
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            allowed = f"--skip-unreadable {len(self.unreadable)} leaves out those that can't be read"
            raise BadData(
                f"{self.faces.source}: {problems[0]}{more}. `edgefer data check` lists every one; mend or remove them"
                f"{f', or {allowed}' if self.unreadable else ''}."
            )
        return replace(self.readable(), skipped=len(self.unreadable))

    def readable(self) -> Dataset:
        """The faces that could be read (none, if all are broken); EmptyData if nothing was there."""
        if not self.total:
            raise EmptyData(f"{self.faces.source} holds no image: give a fer2013.csv or a folder of class folders.")
        return self.faces


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
    trained_on = set(image_hashes(whole.split("Training").pixels))
    return np.array([each not in trained_on for each in image_hashes(test.pixels)])


def fingerprint(data: Dataset) -> dict[str, object]:
    """What a record keeps of a data set: counts and a digest over pixels, labels and splits."""
    arrays = chain(chunks(data.pixels), (data.labels, data.splits))
    counts = np.bincount(data.splits, minlength=len(SPLITS))
    missing = _without_image(data.names, data.labels[data.splits == 0]) if data.allow_missing else []
    return {
        "images": dict(zip(SPLITS, map(int, counts), strict=True)),
        "classes": list(data.names),
        "sha256": digest(np.ascontiguousarray(array).tobytes() for array in arrays),
        **({"skipped": data.skipped} if data.skipped else {}),
        **({"missing_classes": missing} if missing else {}),
    }


@dataclass(frozen=True)
class Matched:
    """The faces whose class the network knows, labelled by its own order; `left_out` counts the others by class."""

    faces: Dataset
    left_out: dict[str, int]


def match_classes(data: Dataset, labels: tuple[str, ...], name: str) -> Matched:
    """See `Matched`. Happy, happiness and Happiness are the same class; raises BadData if no class is shared."""
    if data.names == labels:
        return Matched(data, {})
    index_of = {class_of(label): index for index, label in enumerate(labels)}
    places = np.array([index_of.get(class_of(each), -1) for each in data.names], dtype=np.int64)
    relabelled = places[data.labels]
    if not (relabelled >= 0).any():
        raise BadData(
            f"{data.source} has the classes {', '.join(data.names)}, "
            f"{name} tells {', '.join(labels)}: give data of those."
        )
    left_out = {each: int((data.labels == k).sum()) for k, each in enumerate(data.names) if places[k] < 0}
    faces = replace(data, names=labels, labels=relabelled).take(np.flatnonzero(relabelled >= 0))
    return Matched(faces, {each: count for each, count in left_out.items() if count})


def class_of(word: str) -> str:
    """The one word for a class of facial expression, which has several; other words in small letters."""
    lower = word.lower()
    return next((label for label, words in CLASS_WORDS.items() if lower in words), lower)


def synthetic_pictures(count: int = SYNTHETIC_COUNT) -> Pixels:
    """uint8 (count, 96, 96, 3): the golden picture, moved, mirrored, brighter, darker and noisy; always the same."""
    random = np.random.default_rng(0)
    return np.stack([_varied(random, mirrored=bool(index % 2)) for index in range(count)])


def _varied(random: np.random.Generator, mirrored: bool) -> Pixels:
    face = golden_picture().astype(np.int64)
    moved = np.roll(face[:, ::-1] if mirrored else face, random.integers(1 - _SHIFT, _SHIFT, 2), (0, 1))
    lit = moved * int(random.integers(50, 151)) // 100 + random.integers(-40, 41)
    varied: Pixels = np.clip(lit + random.integers(-10, 11, face.shape), 0, 255).astype(np.uint8)
    return varied


def synthetic_faces() -> Dataset:
    """Drawn faces, for what has no real ones: the statistics and the int8 ranges of a network of random weights."""
    return _drawn(0, SYNTHETIC_COUNT)


@cache
def other_synthetic_faces(count: int) -> Dataset:
    """So many other drawn faces, none of which is one of `synthetic_faces`."""
    return _drawn(SYNTHETIC_COUNT, count)


def _drawn(start: int, count: int) -> Dataset:
    labels = np.zeros(count, np.int64)
    pictures = synthetic_pictures(start + count)[start:]
    return Dataset(SYNTHETIC_SOURCE, ("drawn",), pictures, labels, labels.copy(), np.arange(start, start + count))
