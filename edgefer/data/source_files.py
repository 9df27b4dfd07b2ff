"""The files of a source: what lies in a folder, and the rows of a CSV, plain or compressed."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import lzma
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path, PurePosixPath
from typing import IO, TextIO

from edgefer.data.listing import printable
from edgefer.runtime.errors import BadData, MissingFile

_XZ, _TAR_MARK = b"\xfd7zXZ\x00", slice(257, 262)
LEADS_OUT = "a symbolic link that leads out of the folder: put the files themselves there, or say --follow-links"
_IGNORED = {"thumbs.db", "desktop.ini", "__macosx"}
# Of images, where a folder holds other files too: whether a file is an image, its content tells.
SUFFIXES = (".bmp", ".gif", ".jp2", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
_CSV_NAMES = ("fer2013.csv", "icml_face_data.csv")  # the data set's, and the challenge's that holds all of it
_BROKEN_STREAM = (
    tarfile.TarError,
    EOFError,
    OSError,
    lzma.LZMAError,
    zlib.error,
    zipfile.BadZipFile,
    NotImplementedError,  # what zipfile says of kinds and versions of archives that it doesn't know
    RuntimeError,
    struct.error,
    OverflowError,
    UnicodeDecodeError,
    csv.Error,
)
_LONGEST_LINE = 1 << 20  # 100 times a row: a file without line ends must not be read into memory whole
_MEMBERS = 10_000  # of an archive: FER2013's have some ten
_LZMA_MEMORY = 2**28  # bytes; `xz -9` needs 65 MiB
_BLANK = 100_000  # lines without a cell: a compressed file of a megabyte could hold a thousand million


@dataclass(frozen=True)
class Source:
    """A folder that is read; `follow_links`: links may lead out of it, as the user says."""

    path: Path
    follow_links: bool = False

    def leads_out(self, path: Path) -> bool:
        """Whether a symbolic link takes `path` out of the folder, and may not."""
        inside = Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self.path))
        return not inside and not self.follow_links

    def require_inside(self, path: Path) -> None:
        """Raise BadData when a symbolic link takes `path` out of the folder."""
        if self.leads_out(path):
            raise BadData(f"{self.path}: {self.where(path)} is {LEADS_OUT}.")

    def names(self, folder: Path) -> list[str]:
        """What lies in a folder, sorted, without the files that systems leave behind.

        Raises BadData if it is a link that leads out, MissingFile if it may not be read.
        """
        self.require_inside(folder)
        try:
            inside = sorted(os.listdir(folder))  # noqa: PTH208 (300,000 Path objects take ten times the names' memory)
        except OSError as error:
            raise MissingFile(f"can't open {folder}: {error.strerror}.") from error
        return [name for name in inside if name[0] != "." and name.lower() not in _IGNORED]

    def folders(self, folder: Path) -> list[str]:
        """The names of the folders in a folder, sorted; raises what `names` does."""
        return [name for name in self.names(folder) if (folder / name).is_dir()]

    def where(self, path: Path) -> str:
        """How a message names a file of the folder."""
        return printable(path.relative_to(self.path).as_posix())


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """A text stream of a plain, .gz, .xz or .zip file, chosen by its first bytes, not its name.

    Raises MissingFile, and BadData when the stream turns out broken inside the block.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe could be read only once
            raise MissingFile(f"{path} is not a file: give a fer2013.csv (or .gz, .xz, .zip).")
        with path.open("rb") as raw:
            head = raw.read(6)
    except OSError as error:
        raise MissingFile(f"can't open {path}: {error.strerror}.") from error
    try:
        with _decoded(path, head) as file:
            yield file
    except _BROKEN_STREAM as error:
        raise BadData(f"{path} breaks off or is not a CSV ({error}): get the file again.") from error


@contextmanager
def _decoded(path: Path, head: bytes) -> Iterator[TextIO]:
    with ExitStack() as stack:
        file = _bytes(path, head, stack)
        if file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:  # the codec utf-8-sig takes twice as long
            file.seek(0)
        # A byte that isn't UTF-8 must break its row, not the whole file: hence "replace".
        with io.TextIOWrapper(file, encoding="utf-8", errors="replace", newline="") as text:
            yield text


def _bytes(path: Path, head: bytes, stack: ExitStack) -> IO[bytes] | gzip.GzipFile | lzma.LZMAFile:
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _member(path, stack.enter_context(zipfile.ZipFile(path)))
    file = _unpacked(path, head)
    stack.callback(file.close)
    start = file.read(_TAR_MARK.stop)
    file.seek(0)
    if start[_TAR_MARK] != b"ustar":
        return file
    archive = tarfile.open(fileobj=file, mode="r:")  # noqa: SIM115 (the stack closes it)
    stack.callback(archive.close)
    listed = list(islice(archive, _MEMBERS + 1))  # each is a header of 512 bytes, a compressed one could hold millions
    if len(listed) > _MEMBERS:
        raise BadData(f"{path} holds more than {_MEMBERS:,} files: it must hold fer2013.csv alone.")
    members = {member.name: member for member in listed if member.isfile()}
    opened = archive.extractfile(members[_only_csv(path, members)])  # a stream: nothing is written to disk
    assert opened is not None  # because it is a file
    return opened


def _unpacked(path: Path, head: bytes) -> IO[bytes] | gzip.GzipFile | lzma.LZMAFile:
    if head.startswith(b"\x1f\x8b"):
        return gzip.open(path)
    if head != _XZ:
        return path.open("rb")
    with path.open("rb") as raw:  # raises LZMAError for a header that asks for more memory
        lzma.LZMADecompressor(memlimit=_LZMA_MEMORY).decompress(raw.read(1 << 16), 1)
    return lzma.open(path)


def _only_csv(path: Path, inside: Iterable[str]) -> str:
    """The name of an archive's one CSV of FER2013; raises BadData if that is not certain."""
    plain = {name: PurePosixPath(name).name.lower() for name in inside}
    tables = [n for n, base in plain.items() if base.endswith(".csv") and base[0] != "." and base != "fer2013new.csv"]
    for wanted in _CSV_NAMES:
        named = [name for name in tables if plain[name] == wanted]
        if len(named) == 1:
            return named[0]
    if len(tables) != 1:
        raise BadData(f"{path} holds {len(tables)} CSV files: it must hold fer2013.csv alone.")
    return tables[0]


def _member(path: Path, archive: zipfile.ZipFile) -> IO[bytes]:
    """The one CSV of an archive; nothing is unpacked, so its name can't lead anywhere."""
    chosen = _only_csv(path, archive.namelist())
    if archive.getinfo(chosen).compress_type == zipfile.ZIP_LZMA:  # takes the memory that its header asks for
        raise BadData(f"{path} can't be unpacked (it is compressed by LZMA): unpack it and give the fer2013.csv.")
    try:
        return archive.open(chosen)
    except (RuntimeError, NotImplementedError) as error:  # a password, a rare compression
        raise BadData(f"{path} can't be unpacked ({error}): unpack it and give the fer2013.csv.") from error


def rows_of(file: TextIO) -> Iterator[list[str]]:
    """The rows of a CSV but for blank ones, which editors and tools leave at the end."""
    lines, blank = iter(lambda: file.readline(_LONGEST_LINE), ""), 0
    for line in lines:
        text = line.rstrip("\r\n")
        # The module csv goes through every character; only quotes, and what it refuses, need that.
        if '"' in text or len(text) > csv.field_size_limit():
            cells = next(csv.reader(chain([line], lines)), [])
        else:
            cells = text.split(",") if text else []
        if cells:
            yield cells
        elif (blank := blank + 1) > _BLANK:
            raise csv.Error(f"more than {_BLANK:,} blank lines")
