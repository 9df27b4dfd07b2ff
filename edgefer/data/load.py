"""The door: reads a data set from whatever a user has on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgefer.data import cache, decode, readers
from edgefer.data.dataset import Dataset, ReadResult
from edgefer.data.listing import READ_DEFAULTS, Listing, ReadOptions
from edgefer.data.readers import fer2013
from edgefer.runtime.errors import MissingFile


def load(path: Path, size: int = 48, options: ReadOptions = READ_DEFAULTS) -> Dataset:
    """Read a FER2013 CSV (.csv, .gz, .xz, .zip) or a folder of images; faces come out size x size.

    Raises what `read_source` does, and BadData for the first broken row or image.
    """
    return read_source(path, size, options).dataset().resized(size)


def read_source(path: Path, size: int = 48, options: ReadOptions = READ_DEFAULTS) -> ReadResult:
    """Read a FER2013 CSV (.csv, .gz, .xz, .zip) or a folder of images without stopping at a broken row or image.

    Faces of a folder come out size x size, those of a CSV as they are. Raises MissingFile, BadData (a source
    that can't be understood as a whole), EmptyData, UnknownName (a layout) or OutputFailed (the cache).
    """
    try:
        if not path.exists():
            raise MissingFile(f"no data at {path}: give a fer2013.csv (or .gz, .xz, .zip) or an image folder.")
        csv = _csv(path, options)
        if csv is not None:
            return fer2013.read_csv(csv)
        return _read_folder(readers.list_images(path, options.layout), size, options)
    except OSError as error:
        raise MissingFile(f"can't open {path}: {error.strerror or error}.") from error


def _csv(path: Path, options: ReadOptions) -> Path | None:
    """The fer2013.csv that `path` is or holds; None if it is a folder of images or said to be one."""
    if not path.is_dir():
        return path
    if options.layout is not None:
        return None
    return next((csv for csv in sorted(path.glob("fer2013.csv*")) if csv.is_file()), None)


def _read_folder(listing: Listing, size: int, options: ReadOptions) -> ReadResult:
    """Every face of a listing at size x size; more than decode.LARGE bytes of them go through edgefer.data.cache.

    Raises OutputFailed if the cache can't be written.
    """
    if len(listing) * size * size * 3 > decode.LARGE:
        decoded = cache.faces(listing, size, options)
    else:
        decoded = decode.in_memory(listing, size, options)
    good = np.ones(len(listing), dtype=bool)
    good[list(decoded.unreadable)] = False
    rows = np.flatnonzero(good)
    subjects = listing.subjects
    data = Dataset(
        source=str(listing.root),
        names=listing.names,
        pixels=decoded.pixels,
        labels=listing.labels[rows],
        splits=listing.splits[rows],
        rows=rows,
        subjects=None if subjects is None else subjects[rows],
    )
    return ReadResult(data, list(decoded.unreadable.values()), len(listing))
