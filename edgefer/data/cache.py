"""Decoded faces of a large set, kept in a file: written once, whole or not at all, then memory-mapped.

A folder of its own per source, layout and size holds faces.npy and index.json. The index's key is `files_digest`:
when an image changes, the folder is written anew in place of the old one, and so it is when its bytes changed.
"""

from __future__ import annotations

import os
import shutil
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType

import numpy as np

from edgefer.data.decode import DecodedFaces, SixteenBit, decoded
from edgefer.data.listing import Listing, ReadOptions, UnreadableFile, files_digest
from edgefer.runtime import records
from edgefer.runtime.detectors import face_map
from edgefer.runtime.errors import OutputFailed, UnknownSchema, one_line
from edgefer.runtime.files import cache_folder, digest, locked, staged_folder
from edgefer.runtime.preprocess import CHUNK, Pixels, to_rgb

VARIABLE = "EDGEFER_CACHE"
FACES, INDEX = "faces.npy", "index.json"
_ELSEWHERE = f"choose another folder with --cache or the environment variable {VARIABLE}"


@dataclass(frozen=True)
class Index:
    """What lies beside the faces: of which files they are, and number -> line for each that can't be read."""

    schema: str = field(default="edgefer/faces/2", kw_only=True)  # 1: not turned by EXIF
    # zlib's, of the faces and of the other fields: finds damage, not forgery; earlier versions wrote none
    crc32: int | None = field(default=None, kw_only=True)
    key: str
    source: str
    problems: dict[str, str]
    sixteen_bit: SixteenBit
    not_found: list[int] = field(default_factory=list)  # photographs in which the detector found no face


def faces(listing: Listing, size: int, options: ReadOptions) -> DecodedFaces:
    """The faces of a listing, mapped.

    Raises OutputFailed, in one line, if the cache has no room or can't be written.
    """
    target, key = folder(listing, size, options.cache), files_digest(listing)
    key = key if options.depth is None else f"{key} {options.depth} bits"
    key = (
        key if options.detector is None else f"{key} {options.detector} {options.framing or face_map(options.detector)}"
    )
    key = f"{key} with links" if options.follow_links else key
    kept = _open(target, key, len(listing), size, options)
    if kept is not None:
        return kept
    least = len(listing) * size * size
    line = (
        f"{listing.root}: {len(listing):,} images are too many to hold in memory; decoding them once into {target} "
        f"({least >> 20:,} MiB grey, {3 * least >> 20:,} MiB RGB); {_ELSEWHERE}."
    )
    options.say(one_line(line))
    _require_room(target.parent, least)
    with locked(target.with_name(f"{target.name}.lock")):  # one process writes it, the others wait and then find it
        kept = _open(target, key, len(listing), size)  # another process may have written it meanwhile
        if kept is None:
            _write(target, listing, size, key, options)
            kept = _open(target, key, len(listing), size)
    if kept is None:
        raise OutputFailed(f"{target} was written but can't be read again: {_ELSEWHERE}.")
    return kept


def folder(listing: Listing, size: int, cache: Path | None) -> Path:
    """Where the faces of this source lie."""
    variable = os.environ.get(VARIABLE)
    root = cache or (Path(variable) if variable else cache_folder() / "faces")
    source = os.path.realpath(listing.root)
    key = digest(os.fsencode(f"{source}\n{listing.layout}"))
    return root / f"{Path(source).name or 'root'}-{listing.layout}-{size}-{key[:8]}"


def _open(target: Path, key: str, images: int, size: int, options: ReadOptions | None = None) -> DecodedFaces | None:
    """What the cache holds, if it is whole and of these files; `options.say` hears of one that is damaged."""
    try:
        index = records.read(Index, target / INDEX)
        if index.key != key:
            return None
        pixels = np.load(target / FACES, mmap_mode="r", allow_pickle=False)
        problems = {int(number): line for number, line in index.problems.items()}
        fits = pixels.dtype == np.uint8 and pixels.ndim == 4 and len(pixels) == images - len(index.problems)
        whole = fits and pixels.shape[1:3] == (size, size) and index.crc32 in (None, _crc32(target / FACES, index))
    except UnknownSchema:
        return None
    except Exception:  # numpy raises whatever a broken header provokes
        whole = False
    if not whole:
        if options is not None and target.exists():
            options.say(one_line(f"{target} is damaged: its faces are decoded again."))
        return None
    return DecodedFaces(pixels, problems, index.sixteen_bit, index.not_found)


def _crc32(faces: Path, index: Index) -> int:
    """The checksum of the file of faces, and of the index without its own."""
    value = zlib.crc32(records.dumps(replace(index, crc32=None)).encode())
    with faces.open("rb") as file:
        while part := file.read(CHUNK):
            value = zlib.crc32(part, value)
    return value


def _write(target: Path, listing: Listing, size: int, key: str, options: ReadOptions) -> None:
    for left in target.parent.iterdir():
        if left.name.startswith(f".{target.name}."):  # of a process that was killed: the lock is ours
            shutil.rmtree(left, ignore_errors=True)
    problems, sixteen_bit, not_found = {}, SixteenBit(), []
    with staged_folder(target, durable=False) as stage:
        with FacesFile(stage / FACES, size) as writer:
            for number, face in enumerate(decoded(listing, size, options)):
                if isinstance(face, UnreadableFile):
                    problems[str(number)] = face.line(number)
                else:
                    writer.append(face.pixels)
                    sixteen_bit = sixteen_bit.plus(face.peak)
                    not_found += [] if face.found else [number]
        index = Index(key, listing.root.name, problems, sixteen_bit, not_found)
        records.write(stage / INDEX, replace(index, crc32=_crc32(stage / FACES, index)))


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


class FacesFile:
    """Writes uint8 (N, size, size, C) to `path`; the first face that has colour makes the earlier ones RGB too."""

    def __init__(self, path: Path, size: int) -> None:
        self._path, self._size, self._channels, self._count = path, size, 1, 0
        self._begin()

    def append(self, face: Pixels) -> None:
        """Add a face, uint8 (size, size, 1 or 3)."""
        if face.shape[2] > self._channels:
            self._widen()
        self._file.write((face if face.shape[2] == self._channels else to_rgb(face)).tobytes())
        self._count += 1

    def __enter__(self) -> FacesFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._file:
            if kind is None:
                self._file.seek(0)
                self._write_header()

    def _begin(self) -> None:
        self._file = self._path.open("wb")
        self._write_header()
        self._start = self._file.tell()

    def _write_header(self) -> None:
        """As long for any number of faces: numpy leaves room for an array to grow along its first axis."""
        shape = self._count, self._size, self._size, self._channels
        np.lib.format.write_array_header_1_0(self._file, {"descr": "|u1", "fortran_order": False, "shape": shape})

    def _widen(self) -> None:
        """Go on in a new file, in which every face has three channels."""
        grey, self._channels = self._path.with_suffix(".grey"), 3
        self._file.close()
        self._path.rename(grey)
        start = self._start
        self._begin()
        with grey.open("rb") as earlier:
            earlier.seek(start)
            while part := earlier.read(CHUNK):
                self._file.write(np.repeat(np.frombuffer(part, dtype=np.uint8), 3).tobytes())
        grey.unlink()
