"""Image folders: class folders, with or without split folders above them.

    train/angry/*.jpg, val/angry/*.jpg, test/angry/*.jpg   any case; or FER2013's own split names
    angry/*.jpg                                            without a split level everything is Training
    train/0/*.jpg                                          FER2013's numbers 0..6
    train/1/*.jpg                                          RAF-DB's numbers 1..7

RAF-DB as its authors hand it out, with its list of labels, is read by edgefer.data.rafdb.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edgefer.arch import LABELS
from edgefer.data import rafdb
from edgefer.data.dataset import SPLITS
from edgefer.data.images import SUFFIXES, read_face, require_inside, where
from edgefer.data.scan import Problem, Scan, printable
from edgefer.errors import BadData, EmptyData, MissingFile

LAYOUTS = (
    "give class folders (angry/*.jpg), split folders above them (train/angry/*.jpg, val, test) or RAF-DB's basic folder"
)
_IGNORED = {"thumbs.db", "desktop.ini", "__macosx"}
_SPLIT_WORDS = {
    "Training": ("train", "training"),
    "PublicTest": ("val", "valid", "validation", "publictest"),
    "PrivateTest": ("test", "privatetest"),
}
_SPLIT_OF = {word: SPLITS.index(split) for split, words in _SPLIT_WORDS.items() for word in words}
CLASS_WORDS = {
    "angry": ("angry", "anger"),
    "disgust": ("disgust", "disgusted"),
    "fear": ("fear", "fearful"),
    "happy": ("happy", "happiness"),
    "sad": ("sad", "sadness"),
    "surprise": ("surprise", "surprised"),
    "neutral": ("neutral",),
}
_NAMED = {word: LABELS.index(label) for label, words in CLASS_WORDS.items() for word in words}
_NUMBERED = {str(k): k for k in range(len(LABELS))}


@dataclass(frozen=True)
class _File:
    path: Path
    split: int
    folder: str | None  # its class folder, lower case; None for an image that lies in none


def read_folder(path: Path, size: int) -> Scan:
    """Every image of a folder in sorted order: the faces, size x size, and what is wrong with the others.

    Raises BadData for a layout or class folder it doesn't know and for a folder that is a link leading out of
    `path`, EmptyData if there is no image at all, MissingFile for a folder it may not read.
    """
    if rafdb.find(path):
        return rafdb.read(path, size)
    scan = Scan(str(path), LABELS)
    files, classes = _walk(path)
    label_of = _numbering(path, classes)
    for number, file in enumerate(sorted(files, key=lambda f: f.path)):
        if file.folder is None:
            scan.add(number, Problem("an image outside of the class folders", where(path, file.path)))
        else:
            scan.add(number, read_face(path, file.path, size, label_of[file.folder], file.split))
    if not scan.seen:
        raise EmptyData(f"{path} holds no image: {LAYOUTS}.")
    return scan


def _entries(root: Path, folder: Path) -> list[Path]:
    """What lies in a folder, sorted, without the files that systems leave behind."""
    require_inside(root, folder)
    try:
        found = sorted(folder.iterdir())
    except OSError as error:
        raise MissingFile(f"can't open {folder}: {error.strerror}.") from error
    return [entry for entry in found if entry.name[0] != "." and entry.name.lower() not in _IGNORED]


def _walk(root: Path) -> tuple[list[_File], list[str]]:
    """All files that should be images, and the names of all class folders, empty ones included."""
    base = _base(root)
    splits = _split_folders(root, base)
    files, classes = [], []
    for folder, split in splits:
        for entry in filter(Path.is_dir, _entries(root, folder)):
            name = entry.name.lower()
            classes.append(name)
            files += [_File(image, split, name) for image in _entries(root, entry)]
    for folder in {root, base, *(folder for folder, _ in splits)}:
        files += [_File(entry, 0, None) for entry in _entries(root, folder) if _is_stray(entry)]
    return files, classes


def _is_stray(entry: Path) -> bool:
    return entry.suffix.lower() in SUFFIXES and not entry.is_dir()


def _base(root: Path) -> Path:
    """Archives often unpack to one folder (DATASET/train/...) beside lists: then that one."""
    folders = list(filter(Path.is_dir, _entries(root, root)))
    if len(folders) != 1 or _is_split(folders[0]):
        return root
    return folders[0] if any(map(_is_split, _entries(root, folders[0]))) else root


def _is_split(folder: Path) -> bool:
    return folder.name.lower() in _SPLIT_OF and folder.is_dir()


def _split_folders(root: Path, base: Path) -> list[tuple[Path, int]]:
    """The folders that hold class folders, each with its split; the base itself if it has no split level."""
    folders = list(filter(Path.is_dir, _entries(root, base)))
    if not any(map(_is_split, folders)):
        return [(base, 0)]
    other = next((folder for folder in folders if not _is_split(folder)), None)
    if other is not None:
        raise BadData(
            f"{root}: the folder {where(root, other)} lies beside split folders, "
            f"must be one of {', '.join(_SPLIT_OF)}: rename or move it."
        )
    return [(folder, _SPLIT_OF[folder.name.lower()]) for folder in folders]


def _numbering(root: Path, classes: Iterable[str]) -> dict[str, int]:
    """Class folder -> label. Numbers are FER2013's or RAF-DB's, told apart by 0 and 7; raises BadData."""
    found = sorted(set(classes))
    if not all(name.isascii() and name.isdigit() for name in found):
        return _checked(root, found, _NAMED, ", ".join(_NAMED))
    if "7" in found and "0" not in found:
        return _checked(root, found, rafdb.NUMBERED, "1..7, RAF-DB's numbers")
    if found and set(found) <= _NUMBERED.keys() and "0" not in found:
        raise BadData(
            f"{root}: the class folders {', '.join(found)} may be FER2013's numbers (0..6) or RAF-DB's (1..7): "
            "add the missing folder 0 or 7, empty if need be, or name the classes."
        )
    return _checked(root, found, _NUMBERED, "0..6, FER2013's numbers")


def _checked(root: Path, found: list[str], known: dict[str, int], allowed: str) -> dict[str, int]:
    for name in found:
        if name not in known:
            raise BadData(f"{root}: unknown class folder '{printable(name)}', must be one of {allowed}.")
    return known
