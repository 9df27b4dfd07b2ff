"""RAF-DB's basic emotions as its authors hand them out: a list of labels beside the images.

Li and Deng, "Reliable crowdsourcing and deep locality-preserving learning for expression recognition in the
wild", CVPR 2017. It has no validation split: train_* is Training, test_* is PrivateTest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from edgefer.data.dataset import SPLITS
from edgefer.data.listing import Entry, UnreadableFile, quoted
from edgefer.data.source_files import Source
from edgefer.runtime.errors import BadData, EmptyData, MissingFile
from edgefer.runtime.files import read_text
from edgefer.runtime.labels import LABELS

_ORDER = ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral")  # 1..7
NUMBERED = {str(number): LABELS.index(label) for number, label in enumerate(_ORDER, start=1)}

_LIST = Path("EmoLabel", "list_patition_label.txt")  # the authors' spelling
_LINE = re.compile(r"(?P<stem>(?P<split>train|test)_[0-9]+)\.jpg (?P<label>[1-7])")
_SPLIT_OF = {"train": SPLITS.index("Training"), "test": SPLITS.index("PrivateTest")}


def base_folder(source: Source) -> Path | None:
    """The folder `basic`, when the folder is it or holds it."""
    return next((base for base in (source.path, source.path / "basic") if (base / _LIST).is_file()), None)


def entries(source: Source) -> Iterator[Entry | UnreadableFile]:
    """Every image of the list, sorted by name.

    The aligned faces are read if they are there, else the original pictures, which show more than the face.
    Raises BadData, EmptyData or MissingFile when the list or the folder of images is of no use.
    """
    base = base_folder(source)
    if base is None:
        raise MissingFile(f"no {_LIST} in {source.path} or {source.path / 'basic'}: give RAF-DB's basic folder.")
    source.require_inside(base / _LIST)
    folder, ending = _images(source, base)
    lines = _lines(base / _LIST)
    if not lines:
        raise EmptyData(f"{base / _LIST} names no image: its lines are like 'train_00001.jpg 5'.")
    seen: set[str] = set()
    for line in lines:
        name = line.split(" ")[0]
        twice = UnreadableFile(f"{quoted(name)} stands there twice", _LIST.name) if name in seen else None
        yield twice or _entry(folder.relative_to(source.path), ending, line)
        seen.add(name)


def _lines(listed: Path) -> list[str]:
    try:
        text = read_text(listed, encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise MissingFile(f"can't open {listed}: {error.strerror}.") from error
    return sorted(" ".join(line.split()) for line in text.splitlines() if line.strip())


def _images(source: Source, base: Path) -> tuple[Path, str]:
    """The folder of images, and what stands between the name in the list and the suffix."""
    for name, ending in (("aligned", "_aligned"), ("original", "")):
        folder = base / "Image" / name
        if folder.is_dir():
            source.require_inside(folder)
            return folder, ending
    raise BadData(
        f"{source.path}: {source.where(base / 'Image')} has neither aligned nor original: unpack aligned.zip there."
    )


def _entry(folder: Path, ending: str, line: str) -> Entry | UnreadableFile:
    match = _LINE.fullmatch(line)
    if not match:
        return UnreadableFile(f"line {quoted(line)}, must be like 'train_00001.jpg 5' with a label 1..7", _LIST.name)
    image = folder / f"{match['stem']}{ending}.jpg"
    return Entry(image.as_posix(), NUMBERED[match["label"]], _SPLIT_OF[match["split"]])
