"""FER+ as its own tool writes it: FER2013Train, FER2013Valid and FER2013Test, each with images and a label.csv.

Barsoum et al., ICMI 2016; github.com/microsoft/FERPlus, src/generate_training_data.py. A line of label.csv is an image,
in the older form its face box, and ten votes. The label is the tool's mode "majority" (src/ferplus.py): votes of one
annotator alone do not count, the class must have more than half of the others. Images without such a class, unknown
ones and those without a face are left out, as they are there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from edgefer.data.classes import KNOWN, ORDERS
from edgefer.data.dataset import SPLITS
from edgefer.data.listing import Entry, UnreadableFile, quoted
from edgefer.data.source_files import Source, open_text, rows_of
from edgefer.runtime.errors import BadData, EmptyData
from edgefer.runtime.labels import FERPLUS

LOOKS = "FER2013Train, FER2013Valid and FER2013Test with fer0000000.png and label.csv"
_FOLDERS = {"FER2013Train": "Training", "FER2013Valid": "PublicTest", "FER2013Test": "PrivateTest"}
_LABEL_OF = [KNOWN.index(name) for name in ORDERS["ferplus"].values()]
_NAME, _VOTE = re.compile(r"[A-Za-z0-9_-]+\.(png|jpg)"), re.compile(r"[0-9]{1,4}")


def folders_in(source: Source) -> list[str]:
    """The tool's folders that lie there with their list."""
    return [name for name in _FOLDERS if (source.path / name / "label.csv").is_file()]


def entries(source: Source) -> Iterator[Entry | UnreadableFile]:
    """The images that have a majority, in the order of the lists. Raises BadData, EmptyData or MissingFile."""
    there = folders_in(source)
    if not there:
        raise BadData(f"{source.path} is not what FER+'s tool writes: it must hold {LOOKS}.")
    empty = True
    for folder in there:
        listed = source.path / folder / "label.csv"
        source.require_inside(listed)
        with open_text(listed) as text:
            for number, cells in enumerate(rows_of(text)):
                entry = _entry(folder, f"{source.where(listed)} row {number}", cells)
                empty = False
                if entry is not None:
                    yield entry
    if empty:
        raise EmptyData(f"{source.path} names no image: {LOOKS}.")


def _entry(folder: str, here: str, cells: list[str]) -> Entry | UnreadableFile | None:
    name, *counts = (cell.strip() for cell in cells)
    votes = counts[1:] if counts and counts[0].startswith("(") else counts
    if not _NAME.fullmatch(name) or len(votes) != len(FERPLUS) or not all(map(_VOTE.fullmatch, votes)):
        shown = quoted(",".join(cells))
        return UnreadableFile(
            f"{shown}, must be an image and the ten votes like fer0000000.png,4,0,0,1,3,2,0,0,0,0", here
        )
    numbers = tuple(map(int, votes))
    counted = [number if number > 1 else 0 for number in numbers]
    most = counted.index(max(counted))
    if 2 * counted[most] <= sum(counted) or most >= len(_LABEL_OF):
        return None
    return Entry(f"{folder}/{name}", _LABEL_OF[most], SPLITS.index(_FOLDERS[folder]), votes=numbers)
