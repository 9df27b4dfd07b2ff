"""AffectNet, both of its releases, with seven or eight classes.

Mollahosseini, Hasani and Mahoor, IEEE Trans. Affective Computing 2019. Codes: 0 neutral, 1 happy, 2 sad, 3 surprise,
4 fear, 5 disgust, 6 anger, 7 contempt; 8 none, 9 uncertain, 10 no face are left out. EfficientFace's AffectNet-7 leaves
out contempt too (Zhao et al. 2021, Datasets). Its training set is Training; its validation set, which the papers test
on, is PrivateTest.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgefer.data.dataset import SPLITS
from edgefer.data.images import SUFFIXES, leads_out, names, where
from edgefer.data.listing import Entry
from edgefer.data.read_result import Problem, quoted
from edgefer.data.readers import affectnet_csv
from edgefer.runtime.errors import BadData, EmptyData
from edgefer.runtime.labels import LABELS

LOOKS = "train_set and val_set with images/1.jpg, annotations/1_exp.npy; or training.csv and validation.csv"
CODES = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt")  # 0..7
LAST_CODE = 10
_LABEL_OF = [(*LABELS, "contempt").index(name) for name in CODES]
_FOLDERS = {"train_set": SPLITS.index("Training"), "val_set": SPLITS.index("PrivateTest")}
_CODE = re.compile(r"[0-9]|10")
_LONGEST = 1000  # bytes of an annotation; numpy's header takes 128


def find(path: Path) -> bool:
    """Whether one of the releases lies there."""
    release = any((path / name / part).is_dir() for name in _FOLDERS for part in ("images", "annotations"))
    return release or bool(affectnet_csv.lists(path))


def entries(path: Path, classes: int) -> Iterator[Entry | Problem]:
    """The images of the 7 or 8 classes: Training, then PrivateTest, each sorted by name or in the order of its list.

    Raises BadData for another layout or if both releases lie there, EmptyData if there is no image.
    """
    folders = [name for name in _FOLDERS if (path / name).is_dir()]
    lists = affectnet_csv.lists(path)
    if bool(folders) == bool(lists):
        raise BadData(f"{path} must hold one release of AffectNet: {LOOKS}.")
    coded = affectnet_csv.coded(path, lists) if lists else _release(path, folders)
    empty = True
    for found in coded:
        empty = False
        if isinstance(found, Problem):
            yield found
        elif found.label < classes:
            yield Entry(found.path, _LABEL_OF[found.label], found.split, box=found.box)
    if empty:
        raise EmptyData(f"{path} holds no image: {LOOKS}.")


def _release(path: Path, folders: list[str]) -> Iterator[Entry | Problem]:
    """The images of the release of 2021, each with its code for a label."""
    for folder in folders:
        for part in ("images", "annotations"):
            if not (path / folder / part).is_dir():
                raise BadData(f"{path}: no folder {folder}/{part}: {LOOKS}.")
        names(path, path / folder / "annotations")  # which must not lead out of the folder
        for image in names(path, path / folder / "images"):
            if Path(image).suffix.lower() not in SUFFIXES:
                yield Problem(f"not an image, must be one of {', '.join(SUFFIXES)}", f"{folder}/images/{image}")
                continue
            code = _code(path, path / folder / "annotations" / f"{Path(image).stem}_exp.npy")
            yield code if isinstance(code, Problem) else Entry(f"{folder}/images/{image}", code, _FOLDERS[folder])


def _code(path: Path, file: Path) -> int | Problem:
    """The number in an annotation, which numpy wrote as text or as a number."""
    if file.is_symlink() and leads_out(path, file):
        return Problem("a symbolic link that leads out of the folder", where(path, file))
    try:
        if not file.is_file():
            return Problem("no such annotation, every image needs one", where(path, file))
        with file.open("rb") as opened:
            value = np.load(io.BytesIO(opened.read(_LONGEST)), allow_pickle=False)
        text = str(value.item())
    except (OSError, ValueError, EOFError) as error:
        return Problem(f"broken annotation ({quoted(str(error))})", where(path, file))
    if not _CODE.fullmatch(text):
        return Problem(f"expression {quoted(text)}, must be a number from 0 to {LAST_CODE}", where(path, file))
    return int(text)
