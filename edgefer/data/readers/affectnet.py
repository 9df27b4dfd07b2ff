"""AffectNet, both of its releases, with seven or eight classes.

Mollahosseini, Hasani and Mahoor, IEEE Trans. Affective Computing 2019. Codes: 0 neutral, 1 happy, 2 sad, 3 surprise,
4 fear, 5 disgust, 6 anger, 7 contempt; 8 none, 9 uncertain, 10 no face are left out. EfficientFace's AffectNet-7 leaves
out contempt too (Zhao et al. 2021, Datasets). Its training set is Training; its validation set, which the papers test
on, is PrivateTest. The first release's lists do not say whether a face box is of the picture as it is stored or as
its EXIF orientation shows it. It is read as of the upright picture: the authors' boxes come from OpenCV's face detector
(so the paper), and OpenCV's imread turns pictures upright since 3.1.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from edgefer.data.dataset import SPLITS
from edgefer.data.listing import Entry, UnreadableFile, quoted
from edgefer.data.source_files import LEADS_OUT, SUFFIXES, Source, open_text, rows_of
from edgefer.runtime import array_file
from edgefer.runtime.errors import BadData, EmptyData
from edgefer.runtime.labels import LABELS

LOOKS = "train_set and val_set with images/1.jpg, annotations/1_exp.npy; or training.csv and validation.csv"
CODES = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt")  # 0..7
LAST_CODE = 10
_LABEL_OF = [(*LABELS, "contempt").index(name) for name in CODES]
_FOLDERS = {"train_set": SPLITS.index("Training"), "val_set": SPLITS.index("PrivateTest")}
_CODE = re.compile(r"[0-9]|10")
_LONGEST = 1000  # bytes of an annotation; numpy's header takes 128

# the first release
COLUMNS = ("subDirectory_filePath", "face_x", "face_y", "face_width", "face_height", "expression")
_LISTS = {"training.csv": SPLITS.index("Training"), "validation.csv": SPLITS.index("PrivateTest")}
_PLACES = ("", "Manually_Annotated_file_lists")
_IMAGES = ("Manually_Annotated_Images", "Manually_Annotated/Manually_Annotated_Images", "")
_NUMBER = re.compile(r"([0-9]{1,5})(\.0*)?")  # some copies of the lists went through a table of floats


def lies_in(source: Source) -> bool:
    """Whether one of the releases lies there."""
    release = any((source.path / name / part).is_dir() for name in _FOLDERS for part in ("images", "annotations"))
    return release or bool(_lists(source))


def entries(source: Source, classes: int) -> Iterator[Entry | UnreadableFile]:
    """The images of the 7 or 8 classes: Training, then PrivateTest, each sorted by name or in the order of its list.

    Raises BadData for another layout or if both releases lie there, EmptyData if there is no image.
    """
    folders = [name for name in _FOLDERS if (source.path / name).is_dir()]
    lists = _lists(source)
    if bool(folders) == bool(lists):
        raise BadData(f"{source.path} must hold one release of AffectNet: {LOOKS}.")
    coded = _rows(source, lists) if lists else _release(source, folders)
    empty = True
    for entry in coded:
        empty = False
        if isinstance(entry, UnreadableFile):
            yield entry
        elif entry.label < classes:
            yield Entry(entry.path, _LABEL_OF[entry.label], entry.split, box=entry.box)
    if empty:
        raise EmptyData(f"{source.path} holds no image: {LOOKS}.")


def _release(source: Source, folders: list[str]) -> Iterator[Entry | UnreadableFile]:
    """The images of the release of 2021, each with its code for a label."""
    for folder in folders:
        for part in ("images", "annotations"):
            if not (source.path / folder / part).is_dir():
                raise BadData(f"{source.path}: no folder {folder}/{part}: {LOOKS}.")
        source.names(source.path / folder / "annotations")  # which must not lead out of the folder
        for image in source.names(source.path / folder / "images"):
            if Path(image).suffix.lower() not in SUFFIXES:
                yield UnreadableFile(f"not an image, must be one of {', '.join(SUFFIXES)}", f"{folder}/images/{image}")
                continue
            code = _code(source, source.path / folder / "annotations" / f"{Path(image).stem}_exp.npy")
            yield (
                code if isinstance(code, UnreadableFile) else Entry(f"{folder}/images/{image}", code, _FOLDERS[folder])
            )


def _code(source: Source, file: Path) -> int | UnreadableFile:
    """The number in an annotation, which numpy wrote as text or as a number."""
    if file.is_symlink() and source.leads_out(file):
        return UnreadableFile(LEADS_OUT, source.where(file))
    try:
        if not file.is_file():
            return UnreadableFile("no such annotation, every image needs one", source.where(file))
        with file.open("rb") as opened:
            value = array_file.read_npy(io.BytesIO(opened.read(_LONGEST)))
        text = str(value.item())
    except (OSError, ValueError, EOFError) as error:
        return UnreadableFile(f"broken annotation ({quoted(str(error))})", source.where(file))
    if not _CODE.fullmatch(text):
        return UnreadableFile(f"expression {quoted(text)}, must be a number from 0 to {LAST_CODE}", source.where(file))
    return int(text)


def _lists(source: Source) -> list[Path]:
    """The lists of the first release that lie there and have AffectNet's columns, Training first."""
    possible = [source.path / place / name for name in _LISTS for place in _PLACES]
    return [file for file in possible if file.is_file() and not source.leads_out(file) and _is_list(file)]


def _is_list(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(200).lstrip(b"\xef\xbb\xbf").startswith(COLUMNS[0].encode())


def _rows(source: Source, files: list[Path]) -> Iterator[Entry | UnreadableFile]:
    """A row for each image in the order of the lists, its code for a label; codes without an expression have no box.

    Raises BadData for a list without the columns, or if there are two of a kind.
    """
    if len({file.name for file in files}) != len(files):
        raise BadData(f"{source.path} holds a list twice: {', '.join(source.where(file) for file in files)}; keep one.")
    base = next(each for each in _IMAGES if (source.path / each).is_dir())
    source.require_inside(source.path / base)
    for file in files:
        with open_text(file) as text:
            rows = rows_of(text)
            header = next(rows)
            missing = [name for name in COLUMNS if name not in header]
            if missing:
                raise BadData(f"{file} lacks the columns {', '.join(missing)}: get the list again.")
            places = [header.index(name) for name in COLUMNS]
            for number, cells in enumerate(rows):
                yield _row(base, file, number, [cells[k] if k < len(cells) else "" for k in places])


def _row(base: str, file: Path, number: int, cells: list[str]) -> Entry | UnreadableFile:
    image, *box, code = (cell.strip() for cell in cells)
    here, split = f"{file.name} row {number}", _LISTS[file.name]
    if not _CODE.fullmatch(code):
        return UnreadableFile(f"expression {quoted(code)}, must be a number from 0 to 10", here)
    if int(code) >= len(CODES):
        return Entry("", int(code), split)
    below = PurePosixPath(image)
    if not image or below.is_absolute() or ".." in below.parts or "\\" in image:
        return UnreadableFile(f"path {quoted(image)}, must lie below the images like 1/a.jpg", here)
    numbers = [int(match[1]) for match in map(_NUMBER.fullmatch, box) if match]
    if len(numbers) != len(box):
        return UnreadableFile(f"face box {quoted(' '.join(box))}, must be four numbers without a fraction", here)
    left, top, width, height = numbers
    return Entry(str(PurePosixPath(base) / below), int(code), split, box=(left, top, width, height))
