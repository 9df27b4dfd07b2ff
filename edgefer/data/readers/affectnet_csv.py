"""AffectNet as it was first handed out: training.csv and validation.csv, and pictures with the face in a box."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from edgefer.data.dataset import SPLITS
from edgefer.data.images import leads_out, require_inside, where
from edgefer.data.listing import Entry
from edgefer.data.read_result import Problem, quoted
from edgefer.data.text import open_text, rows_of
from edgefer.runtime.errors import BadData

COLUMNS = ("subDirectory_filePath", "face_x", "face_y", "face_width", "face_height", "expression")
_LISTS = {"training.csv": SPLITS.index("Training"), "validation.csv": SPLITS.index("PrivateTest")}
_PLACES = ("", "Manually_Annotated_file_lists")
_IMAGES = ("Manually_Annotated_Images", "Manually_Annotated/Manually_Annotated_Images", "")
_NUMBER, _CODE, _FACES = re.compile(r"[0-9]{1,5}"), re.compile(r"[0-9]|10"), 8


def lists(path: Path) -> list[Path]:
    """The lists that lie there and have AffectNet's columns, Training first."""
    found = [path / place / name for name in _LISTS for place in _PLACES]
    return [file for file in found if file.is_file() and not leads_out(path, file) and _is_list(file)]


def _is_list(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(200).lstrip(b"\xef\xbb\xbf").startswith(COLUMNS[0].encode())


def coded(path: Path, found: list[Path]) -> Iterator[Entry | Problem]:
    """A row for each image in the order of the lists, its code for a label; codes without an expression have no box.

    Raises BadData for a list without the columns, or if there are two of a kind.
    """
    if len({file.name for file in found}) != len(found):
        raise BadData(f"{path} holds a list twice: {', '.join(where(path, file) for file in found)}; keep one.")
    base = next(each for each in _IMAGES if (path / each).is_dir())
    require_inside(path, path / base)
    for file in found:
        with open_text(file) as text:
            rows = rows_of(text)
            header = next(rows)
            missing = [name for name in COLUMNS if name not in header]
            if missing:
                raise BadData(f"{file} lacks the columns {', '.join(missing)}: get the list again.")
            places = [header.index(name) for name in COLUMNS]
            for number, cells in enumerate(rows):
                yield _entry(base, file, number, [cells[k] if k < len(cells) else "" for k in places])


def _entry(base: str, file: Path, number: int, cells: list[str]) -> Entry | Problem:
    image, *box, code = (cell.strip() for cell in cells)
    here, split = f"{file.name} row {number}", _LISTS[file.name]
    if not _CODE.fullmatch(code):
        return Problem(f"expression {quoted(code)}, must be a number from 0 to 10", here)
    if int(code) >= _FACES:
        return Entry("", int(code), split)
    below = PurePosixPath(image)
    if not image or below.is_absolute() or ".." in below.parts or "\\" in image:
        return Problem(f"path {quoted(image)}, must lie below the images like 1/a.jpg", here)
    if not all(map(_NUMBER.fullmatch, box)):
        return Problem(f"face box {quoted(' '.join(box))}, must be four numbers", here)
    left, top, width, height = map(int, box)
    return Entry(str(PurePosixPath(base) / below), int(code), split, box=(left, top, width, height))
