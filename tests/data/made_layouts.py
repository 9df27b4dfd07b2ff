"""A small made set in the layout of each data set: noise under the names that the real files have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.data.made import write_image, write_tree

EXPRESSIONS = ("Anger", "Disgust", "Fear", "Happiness", "Sadness", "Surprise")
AFFECTNET = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt")
CSV_HEADER = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"


@dataclass(frozen=True)
class Made:
    """What a reader must find, in order: name of the class, split and subject.

    A split is T, V or P for Training, PublicTest or PrivateTest.
    """

    write: Callable[[Path], Path]
    classes: tuple[str, ...]
    splits: str
    subjects: tuple[str, ...] | None = None


def folders(root: Path) -> Path:
    return write_tree(root, "test/sad/a.png", "train/angry/a.png", "train/happy/b.jpg")


def caer_s(root: Path) -> Path:
    return write_tree(root, "test/Anger/0001.png", "train/Happy/0001.png", "train/Neutral/0002.png")


def raf_db(root: Path) -> Path:
    (root / "EmoLabel").mkdir(parents=True)
    (root / "EmoLabel" / "list_patition_label.txt").write_text(
        "train_00001.jpg 1\ntrain_00002.jpg 7\ntest_0001.jpg 4\n"
    )
    names = ("train_00001", "train_00002", "test_0001")
    return write_tree(root, *(f"Image/aligned/{name}_aligned.jpg" for name in names))


def annotate(root: Path, name: str, value: object) -> None:
    """An annotation as AffectNet's release of 2021 has it."""
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    np.save(root / "annotations" / f"{name}_exp.npy", np.array(value))


def affectnet(root: Path) -> Path:
    for code in range(8):
        write_image(root / "train_set" / "images" / f"{code}.jpg", code)
        annotate(root / "train_set", str(code), str(code) if code % 2 else code)
    write_image(root / "val_set" / "images" / "9.jpg", 9)
    annotate(root / "val_set", "9", "6")
    return root


def affectnet_csv(root: Path, *rows: str) -> Path:
    """The first release with these rows of training.csv, and one image in validation.csv."""
    images = root / "Manually_Annotated_Images"
    write_tree(images, *(f"1/{k}.jpg" for k in range(8)), "2/v.jpg")
    (root / "training.csv").write_text("\n".join((CSV_HEADER, *rows)) + "\n")
    (root / "validation.csv").write_text(f"{CSV_HEADER}\n2/v.jpg,0,0,48,48,1;2,6,0.1,0.1\n")
    return root


def ck_plus(root: Path) -> Path:
    """S005 has a labelled sequence of five frames and one without a label, S010 a labelled one of four."""
    for sequence, frames in (("S005/001", 5), ("S005/002", 4), ("S010/001", 4)):
        stem = sequence.replace("/", "_")
        write_tree(root / "cohn-kanade-images", *(f"{sequence}/{stem}_{k + 1:08}.png" for k in range(frames)))
    for sequence, code in (("S005/001", "3.0000000e+00"), ("S010/001", "2.0000000e+00")):
        (root / "Emotion" / sequence).mkdir(parents=True)
        (root / "Emotion" / sequence / f"{sequence.replace('/', '_')}_emotion.txt").write_text(f"   {code}\n")
    (root / "Emotion" / "S005" / "002").mkdir()
    return root


def ferplus(root: Path) -> Path:
    """Of both forms of the list; of the five faces one has no majority and one is no face."""
    lists = {
        "FER2013Train": ("a.png,4,0,0,1,3,2,0,0,0,0", "b.png,0,8,1,1,0,0,0,0,0,0", "c.png,0,0,0,0,0,0,0,0,0,10"),
        "FER2013Valid": ('d.png,"(0, 0, 48, 48)",0,0,0,0,0,0,2,8,0,0',),
        "FER2013Test": ("e.png,0,0,0,9,0,0,0,0,1,0",),
    }
    for folder, lines in lists.items():
        write_tree(root / folder, *(line.split(",")[0] for line in lines))
        (root / folder / "label.csv").write_text("\r\n".join(lines) + "\r\n")
    return root


def jaffe(root: Path) -> Path:
    write_tree(root, "jaffe/KA.AN1.39.tiff", "jaffe/KA.SU3.38.tiff", "jaffe/YM.NE2.50.tiff")
    (root / "jaffe" / "README").write_text("of the authors")
    return root


def kdef(root: Path) -> Path:
    return write_tree(root, *(f"{who}/{who}{what}.JPG" for who in ("AF01", "BF01", "AM35") for what in ("ANS", "AFHL")))


def oulu_casia(root: Path) -> Path:
    lights = [f"B_OriginalImg/{camera}/{light}" for camera in ("NI", "VL") for light in ("Strong", "Weak", "Dark")]
    sequences = [f"{light}/{person}/{name}" for light in lights for person in ("P001", "P002") for name in EXPRESSIONS]
    frame = write_image(root / "frame.jpeg", shape=(20, 20, 3)).read_bytes()
    for sequence in sequences:
        (root / sequence).mkdir(parents=True)
        for number in range(5):
            (root / sequence / f"{number:03}.jpeg").write_bytes(frame)
    (root / "frame.jpeg").unlink()
    return root


_OULU = Made(
    oulu_casia,
    tuple(
        name for _ in range(2) for name in ("angry", "disgust", "fear", "happy", "sad", "surprise") for _ in range(3)
    ),
    "T" * 36,
    tuple(f"P00{person}" for person in (1, 2) for _ in range(18)),
)
_CK = ("neutral", *["disgust"] * 3, "neutral", "neutral", *["contempt"] * 3)

MADE: dict[str, Made] = {
    "folders": Made(folders, ("sad", "angry", "happy"), "PTT"),
    "caer-s": Made(caer_s, ("angry", "happy", "neutral"), "PTT"),
    "raf-db": Made(raf_db, ("happy", "surprise", "neutral"), "PTT"),
    "affectnet-7": Made(affectnet, (*AFFECTNET[:7], "angry"), "TTTTTTTP"),
    "affectnet-8": Made(affectnet, (*AFFECTNET, "angry"), "TTTTTTTTP"),
    "ck+": Made(ck_plus, _CK, "T" * 9, (*["S005"] * 5, *["S010"] * 4)),
    "ferplus": Made(ferplus, ("happy", "contempt", "sad"), "TVP"),
    "jaffe": Made(jaffe, ("angry", "surprise", "neutral"), "TTT", ("KA", "KA", "YM")),
    "kdef": Made(kdef, ("angry",) * 3, "TTT", ("F01", "M35", "F01")),
    "kdef-all-views": Made(kdef, ("fear", "angry") * 3, "T" * 6, ("F01", "F01", "M35", "M35", "F01", "F01")),
    **{f"oulu-casia-{camera}-{light}": _OULU for camera in ("vl", "ni") for light in ("strong", "weak", "dark")},
}
