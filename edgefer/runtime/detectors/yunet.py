"""YuNet (Wu et al. 2023) from a file of the user's, in OpenCV's FaceDetectorYN."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from edgefer.runtime.detectors.face import Detector, Face, require_picture, roll_of
from edgefer.runtime.errors import NotSetUp
from edgefer.runtime.preprocess import Pixels
from edgefer.runtime.process import library_errors

if TYPE_CHECKING:
    from edgefer.runtime.detectors import DetectorRow

_OVERLAP, _MOST = 0.3, 5000  # of OpenCV's own suppression; boxes before it


class YuNet:
    """See Detector. Its score is a probability."""

    def __init__(self, name: str, network: Any) -> None:
        self._name, self._network = name, network

    def detect(self, image: Pixels) -> list[Face]:
        """The faces of a picture. OpenCV starts with the right eye of the person, which is left in the picture."""
        require_picture(image)
        self._network.setInputSize((image.shape[1], image.shape[0]))
        _, rows = self._network.detect(np.ascontiguousarray(image[..., ::-1]))
        faces = [self._face(row) for row in ([] if rows is None else rows)]
        return sorted(faces, key=lambda face: -face.score)

    def _face(self, row: Any) -> Face:
        """A row of OpenCV's: box, five points from the person's right eye on, score."""
        values = [float(value) for value in row]
        points = tuple(zip(values[4:14:2], values[5:14:2], strict=True))
        return Face(values[0], values[1], values[2], values[3], values[14], points, roll_of(*points[:2]), self._name)


def load(row: DetectorRow, folder: Path, threads: int, threshold: float) -> Detector:
    """Open the user's file, and run it once; raises NotSetUp if OpenCV can't."""
    cv2.setNumThreads(threads)
    path = folder / row.files[0]

    def explain(reason: str) -> NotSetUp:
        return NotSetUp(f"OpenCV can't run {path} as YuNet ({reason}): run `{row.set_up_by}` with another file.")

    with library_errors(explain):
        network = cv2.FaceDetectorYN.create(str(path), "", (64, 64), threshold, _OVERLAP, _MOST)
        network.detect(np.zeros((64, 64, 3), np.uint8))
    return YuNet(row.name, network)
