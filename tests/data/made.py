"""Rows, files and images made for the data tests: noise, never a face of a data set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edgefer.data.dataset import Dataset
from edgefer.runtime.errors import EdgeferError
from edgefer.runtime.labels import FERPLUS

HEADER = "emotion,pixels,Usage"
USAGES = ("Training", "PublicTest", "PrivateTest")


def noise(seed: int, *shape: int) -> NDArray[np.uint8]:
    """uint8 of `shape`, 48 x 48 unless told."""
    return np.random.default_rng(seed).integers(0, 256, shape or (48, 48), dtype=np.uint8)


def text(pixels: NDArray[np.uint8]) -> str:
    """Pixels as a cell of the CSV."""
    return " ".join(map(str, pixels.ravel()))


def row(label: object = 3, pixels: str | None = None, usage: str = "Training", seed: int = 0) -> str:
    """One line of the CSV."""
    return f"{label},{text(noise(seed)) if pixels is None else pixels},{usage}"


def write_rows(path: Path, rows: Sequence[str], header: str = HEADER, end: str = "\n") -> Path:
    """A CSV of these lines."""
    path.write_bytes("".join(line + end for line in (header, *rows)).encode())
    return path


def good_rows(count: int = 7) -> list[str]:
    """Rows of every class and split in turn, all different."""
    return [row(k % 7, usage=USAGES[k % 3], seed=k) for k in range(count)]


def write_votes(path: Path, votes: Sequence[Sequence[int]]) -> Path:
    """A fer2013new.csv, with the Usage of the fer2013.csv beside it, or Training."""
    beside = path.with_name("fer2013.csv")
    rows = beside.read_text().splitlines()[1:] if beside.exists() else []
    usages = [line.rsplit(",", 1)[1] for line in rows] + ["Training"] * len(votes)
    lines = [f"{usages[k]},fer{k:07}.png,{','.join(map(str, counts))}" for k, counts in enumerate(votes)]
    return write_rows(path, lines, header=",".join(("Usage", "Image name", *FERPLUS)))


def write_image(path: Path, seed: int = 0, shape: tuple[int, ...] = (48, 48)) -> Path:
    """An image file in the format of its suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise(seed, *shape)).save(path)
    return path


def write_tree(root: Path, *names: str) -> Path:
    """Grey images, each different, at these paths."""
    for seed, name in enumerate(names):
        write_image(root / name, seed)
    return root


def names_of(data: Dataset) -> list[str]:
    """The class of each face."""
    return [data.names[k] for k in data.labels]


@contextmanager
def fails(kind: type[EdgeferError], code: int, *words: str) -> Iterator[None]:
    """The block must raise exactly `kind` with this exit code and one line that holds all `words`."""
    with pytest.raises(EdgeferError) as caught:
        yield
    assert type(caught.value) is kind, caught.value
    assert caught.value.exit_code == code
    one_line(str(caught.value), *words)


def one_line(message: str, *words: str) -> None:
    """Assert that a message is one printable line holding all `words`."""
    assert message.isprintable(), message
    for word in words:
        assert word in message, message


def save_turned(path: Path, pixels: NDArray[np.uint8], orientation: int, kind: str | None = None) -> Path:
    """A file that shows `pixels` once it is turned as its EXIF orientation, from 1 to 8, says."""
    image = Image.fromarray(pixels)
    inverse = (
        None,
        Image.Transpose.FLIP_LEFT_RIGHT,
        Image.Transpose.ROTATE_180,
        Image.Transpose.FLIP_TOP_BOTTOM,
        Image.Transpose.TRANSPOSE,
        Image.Transpose.ROTATE_90,
        Image.Transpose.TRANSVERSE,
        Image.Transpose.ROTATE_270,
    )[orientation - 1]
    stored = image if inverse is None else image.transpose(inverse)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path.parent.mkdir(parents=True, exist_ok=True)
    stored.save(path, kind, exif=exif, **({"lossless": True} if path.suffix == ".webp" else {}))
    return path
