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
from edgefer.data.source_files import folders, leads_out, names, where
from edgefer.runtime.errors import BadData, EmptyData, MissingFile
from edgefer.runtime.labels import LABELS

LOOKS = "cohn-kanade-images/S005/001/*.png, Emotion/S005/001/*_emotion.txt"
NEUTRAL = LABELS.index("neutral")
PEAK = 3  # frames
CODES = ("neutral", "angry", "contempt", "disgust", "fear", "happy", "sad", "surprise")  # 0..7
_LABEL_OF = [(*LABELS, "contempt").index(name) for name in CODES]
_CODE = re.compile(r"\s*([0-7])(\.0*(e\+?0+)?)?\s*")
_IMAGES, _EMOTIONS, _LONGEST = "cohn-kanade-images", "Emotion", 100


def lies_in(path: Path) -> bool:
    """Whether both folders of CK+ lie there."""
    return (path / _IMAGES).is_dir() and (path / _EMOTIONS).is_dir()


def entries(path: Path) -> Iterator[Entry | UnreadableFile]:
    """The frames, sorted by name; all are Training.

    Raises BadData for another layout, EmptyData if there is no sequence.
    """
    if not lies_in(path):
        raise BadData(f"{path} is not CK+: it must hold the folders {_IMAGES} and {_EMOTIONS} ({LOOKS}).")
    empty = True
    for subject in folders(path, path / _IMAGES):
        for sequence in folders(path, path / _IMAGES / subject):
            for entry in _sequence(path, subject, sequence):
                empty = False
                yield entry
    if empty:
        raise EmptyData(f"{path} holds no sequence: {LOOKS}.")


def _sequence(path: Path, subject: str, sequence: str) -> Iterator[Entry | UnreadableFile]:
    folder = path / _IMAGES / subject / sequence
    frames = [name for name in names(path, folder) if Path(name).suffix.lower() == ".png"]
    label = _label(path, path / _EMOTIONS / subject / sequence)
    if not frames:
        yield UnreadableFile("a sequence without a frame", where(path, folder))
        return
    below = folder.relative_to(path).as_posix()
    yield Entry(f"{below}/{frames[0]}", NEUTRAL, 0, subject)
    if isinstance(label, UnreadableFile):
        yield label
    elif label is not None:
        yield from (Entry(f"{below}/{name}", label, 0, subject) for name in frames[1:][-PEAK:])


def _label(path: Path, folder: Path) -> int | UnreadableFile | None:
    """The label that lies beside a sequence, None where there is none."""
    files = [name for name in names(path, folder) if name.endswith("_emotion.txt")] if folder.is_dir() else []
    if not files:
        return None
    file = folder / files[0]
    if len(files) > 1:
        return UnreadableFile(f"{len(files)} emotion files, must be one", where(path, folder))
    if leads_out(path, file) or not file.is_file():
        return UnreadableFile("a symbolic link that leads out of the folder, or no file", where(path, file))
    try:
        with file.open(encoding="utf-8", errors="replace") as opened:
            text = opened.read(_LONGEST)
    except OSError as error:
        raise MissingFile(f"can't open {file}: {error.strerror}.") from error
    match = _CODE.fullmatch(text)
    if not match:
        return UnreadableFile(f"emotion {quoted(text.strip())}, must be a number from 0 to 7", where(path, file))
    return _LABEL_OF[int(match[1])]
