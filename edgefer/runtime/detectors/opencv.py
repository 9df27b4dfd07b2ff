"""Detectors that OpenCV runs: its cascade of Haar features, which is in its package, up to OpenCV 4."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from edgefer.runtime.detectors.face import Detector, Face, require_picture
from edgefer.runtime.errors import MissingEngine
from edgefer.runtime.preprocess import Pixels
from edgefer.runtime.process import library_errors

if TYPE_CHECKING:
    from edgefer.runtime.detectors import DetectorRow

_CASCADE = "haarcascade_frontalface_alt2.xml"
_STEP, _NEIGHBOURS, _LEAST_SIDE = 1.1, 3, 40  # of the pyramid; boxes that make a face; pixels


class Haar:
    """See Detector. Its score is the weight of the cascade's last stage, about 0 to 200."""

    def __init__(self, name: str, cascade: Any, threshold: float) -> None:
        self._name, self._cascade, self._threshold = name, cascade, threshold

    def detect(self, image: Pixels) -> list[Face]:
        """Upright faces of at least 40 pixels."""
        require_picture(image)
        grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
        boxes, _, scores = self._cascade.detectMultiScale3(
            grey, _STEP, _NEIGHBOURS, 0, (_LEAST_SIDE, _LEAST_SIDE), outputRejectLevels=True
        )
        faces = [
            Face(float(left), float(top), float(width), float(height), float(score), detector=self._name)
            for (left, top, width, height), score in zip(boxes, np.ravel(scores), strict=True)
            if score >= self._threshold
        ]
        return sorted(faces, key=lambda face: -face.score)


def load(row: DetectorRow, folder: Path, threads: int, threshold: float) -> Detector:
    """Load the cascade from OpenCV's package; raises MissingEngine for an OpenCV without it."""
    del folder
    cv2.setNumThreads(threads)
    return Haar(row.name, _cascade(), threshold)


def _cascade() -> Any:
    def explain(reason: str) -> MissingEngine:
        return MissingEngine(
            f"OpenCV {cv2.__version__} can't load {_CASCADE} ({reason}): run pip install 'opencv-python-headless<5'."
        )

    with library_errors(explain):
        path = Path(import_module("cv2.data").haarcascades) / _CASCADE
        cascade = cv2.CascadeClassifier(str(path))
        if cascade.empty():
            raise OSError(f"no cascade in {path}")
    return cascade
