"""KDEF, the Karolinska Directed Emotional Faces: AF01/AF01ANS.JPG.

Lundqvist, Flykt and Öhman 1998. A name says session (A, B), sex (F, M), number, expression and view: S straight,
HL and HR half, FL and FR full left and right. 70 people, each in two sessions: 4,900 pictures (LCNN's paper,
section on data sets), of which 980 are straight.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from edgefer.data.listing import Entry, UnreadableFile
from edgefer.data.source_files import Source
from edgefer.runtime.errors import BadData, EmptyData
from edgefer.runtime.labels import LABELS

LOOKS = "AF01/AF01ANS.JPG"
VIEWS = ("S", "HL", "HR", "FL", "FR")
_CODES = {"AF": "fear", "AN": "angry", "DI": "disgust", "HA": "happy", "NE": "neutral", "SA": "sad", "SU": "surprise"}
_FOLDER = re.compile(r"[AB][FM][0-9]{2}")
_NAME = re.compile(
    rf"(?P<folder>[AB](?P<person>[FM][0-9]{{2}}))(?P<code>{'|'.join(_CODES)})(?P<view>{'|'.join(VIEWS)})"
)


def base_folder(source: Source) -> Path | None:
    """The folder or the folder KDEF in it, if nothing but the folders of KDEF's sessions lie there."""
    for base in (source.path, source.path / "KDEF"):
        sessions = source.folders(base) if base.is_dir() else []
        if sessions and all(map(_FOLDER.fullmatch, sessions)):
            return base
    return None


def entries(source: Source, views: tuple[str, ...]) -> Iterator[Entry | UnreadableFile]:
    """The pictures of these views, sorted by name; all are Training, the person is the subject (F01 in AF01 and BF01).

    Raises BadData for another layout, EmptyData if there is no picture of these views.
    """
    base = base_folder(source)
    if base is None:
        raise BadData(f"{source.path} is not KDEF: its folders must be like {LOOKS}.")
    empty = True
    for folder in source.folders(base):
        for name in source.names(base / folder):
            image = (base / folder / name).relative_to(source.path).as_posix()
            match = _NAME.fullmatch(Path(name).stem.upper())
            if not match or match["folder"] != folder:
                empty = False
                yield UnreadableFile(f"the name must be like {folder}ANS.JPG", source.where(base / folder / name))
            elif match["view"] in views:
                empty = False
                yield Entry(image, LABELS.index(_CODES[match["code"]]), 0, match["person"])
    if empty:
        raise EmptyData(f"{source.path} holds no picture of the views {', '.join(views)}: they are like {LOOKS}.")
