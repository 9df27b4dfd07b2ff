"""Image folders: class folders, with or without split folders above them.

    train/angry/*.jpg, val/angry/*.jpg, test/angry/*.jpg   any case; or FER2013's own split names
    angry/*.jpg                                            without a split level everything is Training
    train/0/*.jpg                                          FER2013's numbers 0..6
    train/1/*.jpg                                          RAF-DB's numbers 1..7
    contempt/*.png beside the seven others                 the classes are eight

RAF-DB as its authors hand it out, with its list of labels, is read by edgefer.data.readers.rafdb.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edgefer.data.classes import KNOWN, unknown_class
from edgefer.data.dataset import SPLITS
from edgefer.data.listing import Entry, UnreadableFile
from edgefer.data.readers import rafdb
from edgefer.data.source_files import SUFFIXES, Source
from edgefer.runtime.errors import BadData, EmptyData
from edgefer.runtime.labels import CLASS_WORDS, LABELS

LAYOUTS = (
    "give class folders (angry/*.jpg), split folders above them (train/angry/*.jpg, val, test) or RAF-DB's basic folder"
)
_SPLIT_WORDS = {
    "Training": ("train", "training"),
    "PublicTest": ("val", "valid", "validation", "publictest"),
    "PrivateTest": ("test", "privatetest"),
}
_SPLIT_OF = {word: SPLITS.index(split) for split, words in _SPLIT_WORDS.items() for word in words}
_NAMED = {word: KNOWN.index(label) for label, words in CLASS_WORDS.items() for word in words}
_NUMBERED = {str(k): k for k in range(len(LABELS))}
_OTHER_ORDERS = " (--classes affectnet, ferplus or ck+ states another order)"


def entries(source: Source, found: FolderClasses | None = None) -> Iterator[Entry | UnreadableFile]:
    """Every image of the class folders in sorted order, then those that lie outside of them.

    Raises BadData for a layout or class folder it doesn't know and for a folder that is a link leading out of
    the folder, EmptyData if there is no image at all, MissingFile for a folder it may not read.
    """
    found = found or classes(source, stated=False)
    base = _base(source)
    splits = _split_folders(source, base)
    empty = True
    for folder, split, name in [(above, split, name) for above, split in splits for name in source.folders(above)]:
        below = (folder / name).relative_to(source.path).as_posix()
        for image in source.names(folder / name):
            empty = False
            yield Entry(f"{below}/{image}", found.label_of[name.lower()], split)
    for folder in sorted({source.path, base, *(folder for folder, _ in splits)}):
        for image in filter(partial(_is_stray, folder), source.names(folder)):
            empty = False
            yield UnreadableFile("an image outside of the class folders", source.where(folder / image))
    if empty:
        raise EmptyData(f"{source.path} holds no image: {LAYOUTS}.")


def is_flat(source: Source) -> bool:
    """Whether a folder holds images, and no folder; raises what `entries` does of a folder that can't be read."""
    return not source.folders(source.path) and any(_is_stray(source.path, name) for name in source.names(source.path))


def flat_entries(source: Source) -> Iterator[Entry]:
    """The images of such a folder, in sorted order: Training, all of class 0."""
    return (Entry(name, 0, 0) for name in source.names(source.path) if _is_stray(source.path, name))


def _is_stray(folder: Path, name: str) -> bool:
    return Path(name).suffix.lower() in SUFFIXES and not (folder / name).is_dir()


def _base(source: Source) -> Path:
    """Archives often unpack to one folder (DATASET/train/...) beside lists: then that one."""
    inside = source.folders(source.path)
    if len(inside) != 1 or inside[0].lower() in _SPLIT_OF:
        return source.path
    below = source.path / inside[0]
    return below if any(name.lower() in _SPLIT_OF for name in source.folders(below)) else source.path


def _split_folders(source: Source, base: Path) -> list[tuple[Path, int]]:
    """The folders that hold class folders, each with its split; the base itself if it has no split level."""
    inside = source.folders(base)
    if not any(name.lower() in _SPLIT_OF for name in inside):
        return [(base, 0)]
    other = next((name for name in inside if name.lower() not in _SPLIT_OF), None)
    if other is not None:
        raise BadData(
            f"{source.path}: the folder {source.where(base / other)} lies beside split folders, "
            f"must be one of {', '.join(_SPLIT_OF)}: rename or move it."
        )
    return [(base / name, _SPLIT_OF[name.lower()]) for name in inside]


@dataclass(frozen=True)
class FolderClasses:
    """The classes of a set of folders: their names, what each folder's name in small letters is, what was assumed."""

    names: tuple[str, ...]
    label_of: dict[str, int]
    assumed: str = ""


def classes(source: Source, stated: bool) -> FolderClasses:
    """The classes that the folders in the folder are of; where the user has stated them, a folder is its own class.

    Raises BadData for folders that are none of the known ones.
    """
    base = _base(source)
    found = [name.lower() for folder, _ in _split_folders(source, base) for name in source.folders(folder)]
    present = tuple(sorted(set(found)))
    if stated:
        return FolderClasses(present or LABELS, {name: label for label, name in enumerate(present)})
    if not all(name.isascii() and name.isdigit() for name in present):
        _require(source, present, _NAMED, ", ".join(_NAMED))
        names = KNOWN if any(_NAMED[name] == KNOWN.index("contempt") for name in present) else LABELS
        return FolderClasses(names, _NAMED)
    return _numbered(source, present)


def _numbered(source: Source, present: tuple[str, ...]) -> FolderClasses:
    """Numbers are FER2013's or RAF-DB's, told apart by 0 and 7; raises BadData."""
    if "7" in present and "0" not in present:
        _require(source, present, rafdb.NUMBERED, f"1..7, RAF-DB's numbers{_OTHER_ORDERS}")
        return FolderClasses(LABELS, rafdb.NUMBERED, _assumed("RAF-DB's (1 surprise ... 7 neutral)"))
    if present and set(present) <= _NUMBERED.keys() and "0" not in present:
        raise BadData(
            f"{source.path}: the class folders {', '.join(present)} may be FER2013's numbers (0..6) or "
            "RAF-DB's (1..7): add the missing folder 0 or 7, empty if need be, name the classes, or state "
            "the order with --classes."
        )
    _require(source, present, _NUMBERED, f"0..6, FER2013's numbers{_OTHER_ORDERS}")
    return FolderClasses(LABELS, _NUMBERED, _assumed("FER2013's (0 angry ... 6 neutral)") if present else "")


def _assumed(order: str) -> str:
    return (
        f"the numbered class folders are taken for {order}; --classes affectnet, ferplus, raf-db or ck+ states another"
    )


def _require(source: Source, present: tuple[str, ...], known: dict[str, int], allowed: str) -> None:
    for name in present:
        if name not in known:
            raise BadData(unknown_class(source.path, name, known, allowed))
