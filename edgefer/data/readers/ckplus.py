"""CK+, the extended Cohn-Kanade set: sequences from a neutral face to the peak of an expression.

Lucey et al., CVPR Workshops 2010. An emotion file lies beside 327 of the 593 sequences. Read as MicroExpNet does
(Cugu et al. 2019, section 4.2, Table 3): the last three frames of a labelled sequence carry its label, the first
frame of every sequence, labelled or not, is neutral; 3 x 327 + 593 = 1,574 images of 123 people.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from edgefer.data.listing import Entry, UnreadableFile, quoted
from edgefer.data.source_files import LEADS_OUT, SUFFIXES, Source
from edgefer.runtime.errors import BadData, EmptyData, MissingFile
from edgefer.runtime.labels import LABELS

LOOKS = "cohn-kanade-images/S005/001/*.png, Emotion/S005/001/*_emotion.txt"
NEUTRAL = LABELS.index("neutral")
PEAK = 3  # frames
CODES = ("neutral", "angry", "contempt", "disgust", "fear", "happy", "sad", "surprise")  # 0..7
_LABEL_OF = [(*LABELS, "contempt").index(name) for name in CODES]
_CODE = re.compile(r"\s*([0-7])(\.0*(e\+?0+)?)?\s*")
_IMAGES, _EMOTIONS, _LONGEST = "cohn-kanade-images", "Emotion", 100


def lies_in(source: Source) -> bool:
    """Whether both folders of CK+ lie there."""
    return (source.path / _IMAGES).is_dir() and (source.path / _EMOTIONS).is_dir()


def entries(source: Source) -> Iterator[Entry | UnreadableFile]:
    """The frames, sorted by name; all are Training.

    Raises BadData for another layout, EmptyData if there is no sequence.
    """
    if not lies_in(source):
        raise BadData(f"{source.path} is not CK+: it must hold the folders {_IMAGES} and {_EMOTIONS} ({LOOKS}).")
    empty = True
    for subject in source.folders(source.path / _IMAGES):
        for sequence in source.folders(source.path / _IMAGES / subject):
            for entry in _sequence(source, subject, sequence):
                empty = False
                yield entry
    if empty:
        raise EmptyData(f"{source.path} holds no sequence: {LOOKS}.")


def _sequence(source: Source, subject: str, sequence: str) -> Iterator[Entry | UnreadableFile]:
    folder = source.path / _IMAGES / subject / sequence
    frames = [name for name in source.names(folder) if Path(name).suffix.lower() in SUFFIXES]
    label = _label(source, source.path / _EMOTIONS / subject / sequence)
    if not frames:
        yield UnreadableFile("a sequence without a frame", source.where(folder))
        return
    below = folder.relative_to(source.path).as_posix()
    yield Entry(f"{below}/{frames[0]}", NEUTRAL, 0, subject)
    if isinstance(label, UnreadableFile):
        yield label
    elif label is not None:
        yield from (Entry(f"{below}/{name}", label, 0, subject) for name in frames[1:][-PEAK:])


def _label(source: Source, folder: Path) -> int | UnreadableFile | None:
    """The label that lies beside a sequence, None where there is none."""
    files = [name for name in source.names(folder) if name.endswith("_emotion.txt")] if folder.is_dir() else []
    if not files:
        return None
    file = folder / files[0]
    if len(files) > 1:
        return UnreadableFile(f"{len(files)} emotion files, must be one", source.where(folder))
    if source.leads_out(file):
        return UnreadableFile(LEADS_OUT, source.where(file))
    if not file.is_file():
        return UnreadableFile("not a regular file", source.where(file))
    try:
        with file.open(encoding="utf-8", errors="replace") as opened:
            text = opened.read(_LONGEST)
    except OSError as error:
        raise MissingFile(f"can't open {file}: {error.strerror}.") from error
    match = _CODE.fullmatch(text)
    if not match:
        return UnreadableFile(f"emotion {quoted(text.strip())}, must be a number from 0 to 7", source.where(file))
    return _LABEL_OF[int(match[1])]
