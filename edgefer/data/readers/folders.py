"""Image folders: class folders, with or without split folders above them.

    train/angry/*.jpg, val/angry/*.jpg, test/angry/*.jpg   any case; or FER2013's own split names
    angry/*.jpg                                            without a split level everything is Training
    train/0/*.jpg                                          FER2013's numbers 0..6
    train/1/*.jpg                                          RAF-DB's numbers 1..7

RAF-DB as its authors hand it out, with its list of labels, is read by edgefer.data.readers.rafdb.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from edgefer.data.dataset import SPLITS
from edgefer.data.listing import Entry, UnreadableFile, printable
from edgefer.data.readers import rafdb
from edgefer.data.source_files import SUFFIXES, folders, names, where
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
_NAMED = {word: LABELS.index(label) for label, words in CLASS_WORDS.items() for word in words}
_NUMBERED = {str(k): k for k in range(len(LABELS))}


def entries(path: Path) -> Iterator[Entry | UnreadableFile]:
    """Every image of the class folders in sorted order, then those that lie outside of them.

    Raises BadData for a layout or class folder it doesn't know and for a folder that is a link leading out of
    `path`, EmptyData if there is no image at all, MissingFile for a folder it may not read.
    """
    base = _base(path)
    splits = _split_folders(path, base)
    classes = [(folder, split, name) for folder, split in splits for name in folders(path, folder)]
    label_of = _numbering(path, (name.lower() for _, _, name in classes))
    empty = True
    for folder, split, name in classes:
        below = (folder / name).relative_to(path).as_posix()
        for image in names(path, folder / name):
            empty = False
            yield Entry(f"{below}/{image}", label_of[name.lower()], split)
    for folder in sorted({path, base, *(folder for folder, _ in splits)}):
        for image in filter(partial(_is_stray, folder), names(path, folder)):
            empty = False
            yield UnreadableFile("an image outside of the class folders", where(path, folder / image))
    if empty:
        raise EmptyData(f"{path} holds no image: {LAYOUTS}.")


def _is_stray(folder: Path, name: str) -> bool:
    return Path(name).suffix.lower() in SUFFIXES and not (folder / name).is_dir()


def _base(root: Path) -> Path:
    """Archives often unpack to one folder (DATASET/train/...) beside lists: then that one."""
    inside = folders(root, root)
    if len(inside) != 1 or inside[0].lower() in _SPLIT_OF:
        return root
    below = root / inside[0]
    return below if any(name.lower() in _SPLIT_OF for name in folders(root, below)) else root


def _split_folders(root: Path, base: Path) -> list[tuple[Path, int]]:
    """The folders that hold class folders, each with its split; the base itself if it has no split level."""
    inside = folders(root, base)
    if not any(name.lower() in _SPLIT_OF for name in inside):
        return [(base, 0)]
    other = next((name for name in inside if name.lower() not in _SPLIT_OF), None)
    if other is not None:
        raise BadData(
            f"{root}: the folder {where(root, base / other)} lies beside split folders, "
            f"must be one of {', '.join(_SPLIT_OF)}: rename or move it."
        )
    return [(base / name, _SPLIT_OF[name.lower()]) for name in inside]


def _numbering(root: Path, classes: Iterable[str]) -> dict[str, int]:
    """Class folder -> label. Numbers are FER2013's or RAF-DB's, told apart by 0 and 7; raises BadData."""
    present = sorted(set(classes))
    if not all(name.isascii() and name.isdigit() for name in present):
        return _checked(root, present, _NAMED, ", ".join(_NAMED))
    if "7" in present and "0" not in present:
        return _checked(root, present, rafdb.NUMBERED, "1..7, RAF-DB's numbers")
    if present and set(present) <= _NUMBERED.keys() and "0" not in present:
        raise BadData(
            f"{root}: the class folders {', '.join(present)} may be FER2013's numbers (0..6) or RAF-DB's (1..7): "
            "add the missing folder 0 or 7, empty if need be, or name the classes."
        )
    return _checked(root, present, _NUMBERED, "0..6, FER2013's numbers")


def _checked(root: Path, present: list[str], label_of: dict[str, int], allowed: str) -> dict[str, int]:
    for name in present:
        if name not in label_of:
            raise BadData(f"{root}: unknown class folder '{printable(name)}', must be one of {allowed}.")
    return label_of
