"""The door: reads a data set from whatever a user has on disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from edgefer.data import cache, classes, decode, readers
from edgefer.data.dataset import Dataset, ReadResult, rows_of
from edgefer.data.decode import SixteenBit
from edgefer.data.listing import READ_DEFAULTS, Listing, ReadOptions, StatedClasses
from edgefer.data.readers import fer2013
from edgefer.runtime.errors import MissingFile, WrongOptions, one_line
from edgefer.runtime.image_file import fitting_depth


def load(path: Path, size: int = 48, options: ReadOptions = READ_DEFAULTS) -> Dataset:
    """Read a FER2013 CSV (.csv, .gz, .xz, .zip) or a folder of images; faces come out size x size.

    Raises what `read_source` does, and BadData for the first broken row or image.
    """
    result = read_source(path, size, options)
    data = result.dataset(options.skip_unreadable)
    for note in result.notes:
        options.say(note)
    if data.skipped:
        options.say(
            one_line(f"{path}: {data.skipped:,} left out as unreadable, the first one is {result.unreadable[0]}")
        )
    return replace(data.resized(size), allow_missing=options.allow_missing_classes)


def require_split(path: Path, split: str, options: ReadOptions = READ_DEFAULTS) -> None:
    """Raise what `load` and taking the split raise of the data set as a whole; no image of a folder is decoded."""
    csv = _csv(path, options) if path.exists() else path
    if csv is not None:
        load(path, options=options).split(split)
    else:
        listing = readers.list_images(path, options.layout, options)
        rows_of(split, listing.splits, str(listing.root))


def read_source(path: Path, size: int = 48, options: ReadOptions = READ_DEFAULTS) -> ReadResult:
    """Read a FER2013 CSV (.csv, .gz, .xz, .zip) or a folder of images without stopping at a broken row or image.

    Faces of a folder come out size x size, those of a CSV as they are. Raises MissingFile, BadData (a source
    that can't be understood as a whole), EmptyData, UnknownName (a layout) or OutputFailed (the cache).
    """
    try:
        if not path.exists():
            raise MissingFile(f"no data at {path}: give a fer2013.csv (or .gz, .xz, .zip) or an image folder.")
        csv = _csv(path, options)
        if csv is not None and options.detector is not None:
            raise WrongOptions(f"{csv} holds faces that are cut out: --detector goes with folders of photographs.")
        if csv is not None:
            result = fer2013.read_csv(csv)
        else:
            result = _read_folder(readers.list_images(path, options.layout, options), size, options)
        return result if options.classes is None else _of_classes(result, options.classes)
    except OSError as error:
        raise MissingFile(f"can't open {path}: {error.strerror or error}.") from error


def _of_classes(result: ReadResult, stated: StatedClasses) -> ReadResult:
    """The faces of the classes that the user states; what is left out is a note."""
    notes = [*result.notes]
    return replace(result, faces=classes.apply(stated, result.faces, notes.append), notes=notes)


def _csv(path: Path, options: ReadOptions) -> Path | None:
    """The fer2013.csv that `path` is or holds; None if it is a folder of images or said to be one."""
    if not path.is_dir():
        return path
    if options.layout is not None:
        return None
    for pattern in fer2013.FILES:
        for csv in sorted(path.glob(pattern)):
            if csv.is_file() and (csv.name != "train.csv" or fer2013.is_csv(csv)):
                return csv
    return None


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
    subjects, votes = listing.subjects, listing.votes
    data = Dataset(
        source=str(listing.root),
        names=listing.names,
        pixels=decoded.pixels,
        labels=listing.labels[rows],
        splits=listing.splits[rows],
        rows=rows,
        votes=None if votes is None else votes[rows],
        subjects=None if subjects is None else subjects[rows],
        found=None if options.detector is None else ~np.isin(rows, decoded.not_found),
    )
    faults = _depth_faults(decoded.sixteen_bit, options.depth)
    unreadable = list(decoded.unreadable.values())
    notes = [one_line(f"{listing.root}: {listing.assumed}")] if listing.assumed else []
    return ReadResult(data, unreadable, len(listing), faults, listing.name_of, decoded.sixteen_bit, notes)


def _depth_faults(found: SixteenBit, depth: int | None) -> list[str]:
    """What is wrong with the depth of 16-bit pictures that nobody stated; see docs/data-sets.md for the rule."""
    fitting = fitting_depth(found.peak)
    if depth is not None or not found.pictures or fitting == 16:
        return []
    return [
        f"its {found.pictures:,} pictures of 16 bits hold no value above {found.peak:,}, they would be black: "
        f"state the depth of the values with --depth {fitting} (or --depth 16, if they are as dark as that)"
    ]
