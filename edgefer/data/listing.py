"""What a reader lists before an image is decoded: paths, labels, splits, subjects; and how it is to be read.

Packed, because some sets are large: 300,000 paths take as many bytes as they have letters, not a Python object each.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgefer.runtime.detectors import FaceMap
from edgefer.runtime.files import digest
from edgefer.runtime.progress import Progress

Box = tuple[int, int, int, int]
WHOLE: Box = (0, 0, 0, 0)
_SHOWN = 60  # characters of a value in a message


def _ignore(*_: object) -> None:
    pass


@dataclass(frozen=True)
class StatedClasses:
    """What --classes says.

    text     as the user gave it
    mapping  what a class is called in the source, in small letters -> its name here, "" for one that is left out;
             empty if a list was given
    names    the classes in their order; empty for a numbered order, whose classes stand in edgefer's order
    """

    text: str
    mapping: dict[str, str]
    names: tuple[str, ...]


@dataclass(frozen=True)
class ReadOptions:
    """How a data set is to be read: what the user says of it, and who hears how far it is.

    layout  a name of edgefer.data.readers.LAYOUTS; None: whatever lies there for certain
    cache   folder for the decoded faces of large sets; None: EDGEFER_CACHE, else the user's cache folder
    follow_links  whether symbolic links may lead out of a folder
    allow_missing_classes  whether a step that needs faces of every class goes on without
    classes what the user says of the classes; None: those of the layout
    skip_unreadable  broken rows or images that are left out before the reading fails
    depth   bits of a value in images of 16 bits, one of image_file.DEPTHS; None: 16, unless no value is that large
    detector  what finds the face in whole photographs, a name of edgefer.runtime.detectors; None: images are faces
    framing from the detector's box to the face, as a bundle's contract has it; None: edgefer's own map
    unlabelled       a folder that holds nothing but images is read too, as Training images of one class
    say     hears a line that the user should see
    tick    hears (images decoded, images in all) now and then
    """

    layout: str | None = None
    cache: Path | None = None
    depth: int | None = None
    skip_unreadable: int = 0
    classes: StatedClasses | None = None
    allow_missing_classes: bool = False
    follow_links: bool = False
    detector: str | None = None
    framing: FaceMap | None = None
    unlabelled: bool = False
    say: Callable[[str], None] = _ignore
    tick: Callable[[int, int], None] = _ignore

    @property
    def words(self) -> tuple[str, ...]:
        """The options of the command line that read the same faces again."""
        layout = () if self.layout is None else ("--layout", self.layout)
        depth = () if self.depth is None else ("--depth", str(self.depth))
        return (
            *layout,
            *depth,
            *(("--detector", self.detector) if self.detector else ()),
            *(("--classes", self.classes.text) if self.classes else ()),
            *(("--follow-links",) if self.follow_links else ()),
            *(("--allow-missing-classes",) if self.allow_missing_classes else ()),
            *(("--skip-unreadable", str(self.skip_unreadable)) if self.skip_unreadable else ()),
        )

    def with_progress(self, path: Path, progress: Progress) -> ReadOptions:
        """The same, and `progress` hears how far the reading of `path` is."""
        task = f"reading {path}"
        progress.step(task, "", 0, None)
        return replace(self, say=progress.note, tick=lambda done, total: progress.step(task, "images", done, total))


READ_DEFAULTS = ReadOptions()


@dataclass(frozen=True)
class Entry:
    """One image: its path below the folder, with /, index of its class and of its split.

    subject  who is on it, "" where the layout does not say
    box      left, top, width and height of the face, in pixels of the upright picture; WHOLE for the whole image
    votes    the ten of FER+, none where the layout does not have them
    """

    path: str
    label: int
    split: int
    subject: str = ""
    box: Box = WHOLE
    votes: tuple[int, ...] = ()


def quoted(text: str) -> str:
    """A value found in a file, for a message: in quotes, on one line, cut short."""
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")


def printable(name: str) -> str:
    """A file's name for a message; quoted if it has a character that would break the line."""
    return name if name.isprintable() else repr(name)


@dataclass(frozen=True)
class UnreadableFile:
    """Why a row or a file can't be read; `where` names a file, rows are named by number."""

    what: str
    where: str = ""

    def line(self, number: int) -> str:
        """For a report: where and what."""
        return f"{self.where or f'row {number}'}: {self.what}"


class Listing:
    """The entries of a folder in the order of their reader, numbered from 0, and what is wrong with some of them.

    `assumed` is a line about what the reader took for granted, "" if that is nothing.
    """

    def __init__(
        self,
        root: Path,
        layout: str,
        names: tuple[str, ...],
        entries: Iterable[Entry | UnreadableFile],
        assumed: str = "",
    ) -> None:
        self.root, self.layout, self.names, self.assumed = root, layout, names, assumed
        self.unreadable: dict[int, UnreadableFile] = {}
        self._text, self._ends = bytearray(), array("I")
        self._labels, self._splits = array("b"), array("b")
        self._persons, self._boxes = array("i"), array("i")  # empty until there is one
        self._votes = array("H")  # of all entries or of none
        subjects: dict[str, int] = {"": 0}
        for number, each in enumerate(entries):
            entry = each if isinstance(each, Entry) else Entry("", 0, 0)
            if isinstance(each, UnreadableFile):
                self.unreadable[number] = each
            self._text += os.fsencode(entry.path)
            self._ends.append(len(self._text))
            self._labels.append(entry.label)
            self._splits.append(entry.split)
            if entry.subject or self._persons:
                self._persons.extend([0] * (number - len(self._persons)))
                self._persons.append(subjects.setdefault(entry.subject, len(subjects)))
            if entry.box != WHOLE or self._boxes:
                self._boxes.extend(WHOLE * (number - len(self._boxes) // 4))
                self._boxes.extend(entry.box)
            if entry.votes or self._votes:
                self._votes.extend([0] * (10 * number - len(self._votes)))
                self._votes.extend(entry.votes or [0] * 10)
        self._subjects = list(subjects)

    def __len__(self) -> int:
        return len(self._labels)

    def __iter__(self) -> Iterator[Entry | UnreadableFile]:
        for number in range(len(self)):
            yield self.unreadable.get(number) or self._entry(number)

    def _entry(self, number: int) -> Entry:
        left, top, width, height = self._boxes[4 * number : 4 * number + 4] if self._boxes else WHOLE
        return Entry(
            os.fsdecode(bytes(self._text[self._ends[number - 1] if number else 0 : self._ends[number]])),
            self._labels[number],
            self._splits[number],
            self._subjects[self._persons[number]] if self._persons else "",
            (left, top, width, height),
        )

    def name_of(self, number: int) -> str:
        """How a message names the file of this number."""
        return printable(self._entry(number).path)

    @property
    def labels(self) -> NDArray[np.int64]:
        """int64 (N,), index into `names`."""
        return np.array(self._labels, dtype=np.int64)

    @property
    def splits(self) -> NDArray[np.int64]:
        """int64 (N,), index into SPLITS."""
        return np.array(self._splits, dtype=np.int64)

    @property
    def votes(self) -> NDArray[np.int64] | None:
        """int64 (N, 10) of FER+, or None if the layout has none."""
        return np.array(self._votes, dtype=np.int64).reshape(-1, 10) if self._votes else None

    @property
    def subjects(self) -> NDArray[np.str_] | None:
        """str (N,), or None if the layout does not say who is on an image."""
        if not self._persons:
            return None
        return np.array(self._subjects)[np.array(self._persons, dtype=np.int64)]


def files_digest(listing: Listing) -> str:
    """Hex digest over all that faces are made from: paths and boxes, sizes and times of the files, problems."""
    return digest(_identity(listing.root, entry) for entry in listing)


def _identity(root: Path, entry: Entry | UnreadableFile) -> bytes:
    if isinstance(entry, UnreadableFile):
        return repr(entry).encode(errors="surrogateescape")
    return os.fsencode(f"{entry.path}\0{entry.box}\0{_state(root, entry.path)}\n")


def _state(root: Path, path: str) -> str:
    try:
        state = os.stat(f"{root}/{path}")  # noqa: PTH116 (a Path for each of 300,000 takes seconds)
    except OSError as error:
        return str(error.errno)
    return f"{state.st_size} {state.st_mtime_ns}"
