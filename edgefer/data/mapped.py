"""Faces that stay in their file: rows of a memory-mapped array, chosen by index and read when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgefer.runtime.preprocess import Pixels, chunks, resize_pixels

Faces: TypeAlias = "Pixels | IndexedMemmap"


class IndexedMemmap:
    """Rows of a mapped array in some order, as an array to read from: what it is asked for is copied, no more.

    Takes slices, index arrays and single rows; np.asarray(faces) reads all of it.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, mapped: Pixels, index: NDArray[np.int64], size: int) -> None:
        self._mapped, self._index, self._size = mapped, index, size

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """N, H, W, C."""
        return len(self._index), self._size, self._size, self._mapped.shape[3]

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, key: Any) -> Pixels:
        rows = self._index[key]
        faces = resize_pixels(np.asarray(self._mapped[np.atleast_1d(rows)]), self._size)
        return faces if np.ndim(rows) else faces[0]

    def __iter__(self) -> Iterator[Pixels]:
        for part in chunks(self):
            yield from part

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self[:] if dtype is None else self[:].astype(dtype)

    def take(self, index: NDArray[np.int64]) -> IndexedMemmap:
        """The rows at `index`, in that order."""
        return IndexedMemmap(self._mapped, self._index[index], self._size)

    def resized(self, size: int) -> IndexedMemmap:
        """The same rows, resized when they are read."""
        return IndexedMemmap(self._mapped, self._index, size)


def take(faces: Faces, index: NDArray[np.int64]) -> Faces:
    """The faces at `index`: copied if they are in memory; of a file a view, scattered ones an `IndexedMemmap`."""
    if isinstance(faces, IndexedMemmap):
        return faces.take(index)
    if not isinstance(faces, np.memmap):
        return faces[index]
    if len(index) and (np.diff(index) == 1).all():
        return faces[int(index[0]) : int(index[-1]) + 1]
    return IndexedMemmap(faces, np.asarray(index, dtype=np.int64), faces.shape[1])


def resized(faces: Faces, size: int) -> Faces:
    """The faces at size x size: an array in memory anew, a mapped one when it is read."""
    if faces.shape[1:3] == (size, size):
        return faces
    if isinstance(faces, IndexedMemmap):
        return faces.resized(size)
    if isinstance(faces, np.memmap) and len(faces):
        return IndexedMemmap(faces, np.arange(len(faces)), size)
    return resize_pixels(faces, size)
