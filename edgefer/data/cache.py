"""Decoded faces of a large set, kept in a file: written once, whole or not at all, then memory-mapped.

A folder of its own per source, layout and size holds faces.npy and index.json. The index's key is `files_digest`:
when an image changes, the folder is written anew in place of the old one.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgefer.data.decode import decoded
from edgefer.data.listing import Listing, files_digest
from edgefer.data.mapped import Faces
from edgefer.data.npy import Writer
from edgefer.data.read_options import Reading
from edgefer.data.read_result import Problem
from edgefer.runtime import records, resources
from edgefer.runtime.errors import BadRecord, MissingFile, OutputFailed, one_line
from edgefer.runtime.files import locked, staged_folder
from edgefer.runtime.preprocess import Pixels

SCHEMA = "edgefer/faces/1"
VARIABLE = "EDGEFER_CACHE"
FACES, INDEX = "faces.npy", "index.json"
_ELSEWHERE = f"choose another folder with --cache or the environment variable {VARIABLE}"


@dataclass(frozen=True)
class Index:
    """What lies beside the faces: of which files they are, and number -> line for each that can't be read."""

    schema: str
    key: str
    source: str
    problems: dict[str, str]


def faces(listing: Listing, size: int, how: Reading) -> tuple[Faces, dict[int, str]]:
    """The faces that can be read, mapped uint8 (N, size, size, C), and a line by number about each of the others.

    Raises OutputFailed, in one line, if the cache has no room or can't be written.
    """
    target, wanted = folder(listing, size, how.cache), files_digest(listing)
    found = _open(target, wanted, len(listing), size)
    if found is not None:
        return found
    least = len(listing) * size * size
    line = (
        f"{listing.root}: {len(listing):,} images are too many to hold in memory; decoding them once into {target} "
        f"({least >> 20:,} MiB grey, {3 * least >> 20:,} MiB RGB); {_ELSEWHERE}."
    )
    how.say(one_line(line))
    _require_room(target.parent, least)
    with locked(target.with_name(f"{target.name}.lock")):  # one process writes it, the others wait and then find it
        found = _open(target, wanted, len(listing), size)  # another process may have written it meanwhile
        if found is None:
            _write(target, listing, size, wanted, how)
            found = _open(target, wanted, len(listing), size)
    if found is None:
        raise OutputFailed(f"{target} was written but can't be read again: {_ELSEWHERE}.")
    return found


def folder(listing: Listing, size: int, cache: Path | None) -> Path:
    """Where the faces of this source lie."""
    given = os.environ.get(VARIABLE)
    root = cache or (Path(given) if given else resources.cache() / "faces")
    source = os.path.realpath(listing.root)
    digest = hashlib.sha256(os.fsencode(f"{source}\n{listing.layout}")).hexdigest()
    return root / f"{Path(source).name or 'root'}-{listing.layout}-{size}-{digest[:8]}"


def _open(target: Path, key: str, images: int, size: int) -> tuple[Pixels, dict[int, str]] | None:
    """What the cache holds, if it is whole and of these files."""
    try:
        index = records.read(Index, target / INDEX)
        pixels = np.load(target / FACES, mmap_mode="r", allow_pickle=False)
    except (MissingFile, BadRecord, OSError, ValueError, EOFError):
        return None
    whole = pixels.dtype == np.uint8 and pixels.ndim == 4 and len(pixels) == images - len(index.problems)
    if (index.schema, index.key) != (SCHEMA, key) or not whole or pixels.shape[1:3] != (size, size):
        return None
    return pixels, {int(number): line for number, line in index.problems.items()}


def _write(target: Path, listing: Listing, size: int, key: str, how: Reading) -> None:
    for left in target.parent.iterdir():
        if left.name.startswith(f".{target.name}."):  # of a process that was killed: the lock is ours
            shutil.rmtree(left, ignore_errors=True)
    problems = {}
    with staged_folder(target) as stage:
        with Writer(stage / FACES, size) as writer:
            for number, found in enumerate(decoded(listing, size, how)):
                if isinstance(found, Problem):
                    problems[str(number)] = found.line(number)
                else:
                    writer.append(found)
        records.write(stage / INDEX, Index(SCHEMA, key, listing.root.name, problems))


def _require_room(root: Path, least: int) -> None:
    """Raise OutputFailed if the faces, were they all grey, had no room, or nothing may be written there."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(root).free
    except OSError as error:
        raise OutputFailed(f"can't write {root} ({error.strerror}): {_ELSEWHERE}.") from error
    if not os.access(root, os.W_OK):
        raise OutputFailed(f"can't write {root} (no permission): {_ELSEWHERE}.")
    if free < least:
        raise OutputFailed(
            f"the disk of {root} is full: {least >> 20:,} MiB are needed at least, {free >> 20:,} MiB are free: "
            f"free some space or {_ELSEWHERE}."
        )
