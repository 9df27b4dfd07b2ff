"""JAFFE, the Japanese Female Facial Expression set: KA.AN1.39.tiff, all in one folder.

Lyons, Akamatsu, Kamachi and Gyoba, Automatic Face and Gesture Recognition 1998. A name says who it is (KA), the
expression and its number (AN1) and the number of the picture: 213 pictures of 10 persons.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from edgefer.data.listing import Entry, UnreadableFile
from edgefer.data.source_files import SUFFIXES, Source
from edgefer.runtime.errors import BadData
from edgefer.runtime.labels import LABELS

LOOKS = "KA.AN1.39.tiff, or a folder jaffe of such files"
_CODES = {"AN": "angry", "DI": "disgust", "FE": "fear", "HA": "happy", "NE": "neutral", "SA": "sad", "SU": "surprise"}
_NAME = re.compile(rf"(?P<person>[A-Z]{{2}})\.(?P<code>{'|'.join(_CODES)})[0-9]+\.[0-9]+")


def base_folder(source: Source) -> Path | None:
    """The folder or the only folder in it, if images of JAFFE's names lie there, and no others."""
    inside = source.folders(source.path)
    for base in (source.path, source.path / inside[0]) if len(inside) == 1 else (source.path,):
        images = _images(source, base)
        if images and all(_match(name) for name in images):
            return base
    return None


def entries(source: Source) -> Iterator[Entry | UnreadableFile]:
    """The pictures, sorted by name; all are Training, the person is the subject. Raises BadData for another layout."""
    inside = source.folders(source.path)
    below = (source.path, *(source.path / name for name in inside)) if len(inside) == 1 else (source.path,)
    base = next((base for base in below if any(map(_match, _images(source, base)))), None)
    if base is None:
        raise BadData(f"{source.path} is not JAFFE: its pictures must be named like {LOOKS}.")
    for name in _images(source, base):
        match = _match(name)
        if match is None:
            yield UnreadableFile("the name must be like KA.AN1.39.tiff", source.where(base / name))
        else:
            label = LABELS.index(_CODES[match["code"]])
            yield Entry((base / name).relative_to(source.path).as_posix(), label, 0, match["person"])


def _images(source: Source, base: Path) -> list[str]:
    """What lies there as an image, by its suffix; a README lies beside them."""
    return [name for name in source.names(base) if Path(name).suffix.lower() in SUFFIXES]


def _match(name: str) -> re.Match[str] | None:
    return _NAME.fullmatch(Path(name).stem.upper())
