"""Oulu-CASIA NIR&VIS: sequences from a neutral face to the peak, by camera (VL visible, NI near infrared) and light.

Zhao et al., Image and Vision Computing 2011. 80 people, six expressions: 480 sequences per camera and light. Read as
MicroExpNet does (Cugu et al. 2019, section 4.3, Table 3: VL and Strong): the last three frames, 1,440 images.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from edgefer.data.listing import Entry, UnreadableFile
from edgefer.data.source_files import SUFFIXES, Source
from edgefer.runtime.errors import BadData, EmptyData
from edgefer.runtime.labels import CLASS_WORDS, LABELS

NAMES = LABELS[:6]  # no neutral
PEAK = 3  # frames
CAMERAS, LIGHTS = ("VL", "NI"), ("Strong", "Weak", "Dark")
_LABEL_OF = {word: NAMES.index(name) for name in NAMES for word in CLASS_WORDS[name]}
_PERSON = re.compile(r"P[0-9]{3}")


def base_folders(source: Source) -> list[Path]:
    """The folders with cameras and lights: the folder itself, or those in it (B_OriginalImg, cropped versions)."""
    if _has_lights(source.path):
        return [source.path]
    return [source.path / name for name in source.folders(source.path) if _has_lights(source.path / name)]


def _has_lights(base: Path) -> bool:
    return any((base / camera / light).is_dir() for camera in CAMERAS for light in LIGHTS)


def entries(source: Source, camera: str, light: str) -> Iterator[Entry | UnreadableFile]:
    """The last three frames of each sequence of a camera and a light, sorted by name; all are Training.

    Raises BadData for another layout, or if it lies there twice; EmptyData if there is no sequence.
    """
    bases = [base for base in base_folders(source) if (base / camera / light).is_dir()]
    if len(bases) != 1:
        there = f"in {', '.join(source.where(base) for base in bases)}: give one of them" if bases else "nowhere"
        raise BadData(f"{source.path}: {camera}/{light}/P001/Anger/000.jpeg must lie there once, lies {there}.")
    folder, empty = bases[0] / camera / light, True
    for person in source.folders(folder):
        for expression in source.folders(folder / person):
            for entry in _sequence(source, folder / person / expression):
                empty = False
                yield entry
    if empty:
        raise EmptyData(f"{source.path} holds no sequence of {camera}/{light}: they are like P001/Anger/000.jpeg.")


def _sequence(source: Source, folder: Path) -> Iterator[Entry | UnreadableFile]:
    source.require_inside(folder)
    person, label = folder.parent.name, _LABEL_OF.get(folder.name.lower())
    frames = [name for name in source.names(folder) if Path(name).suffix.lower() in SUFFIXES]
    if label is None or not _PERSON.fullmatch(person):
        yield UnreadableFile(f"must be like P001/Anger, with one of {', '.join(_LABEL_OF)}", source.where(folder))
    elif not frames:
        yield UnreadableFile("a sequence without a frame", source.where(folder))
    else:
        below = folder.relative_to(source.path).as_posix()
        yield from (Entry(f"{below}/{name}", label, 0, person) for name in frames[-PEAK:])
