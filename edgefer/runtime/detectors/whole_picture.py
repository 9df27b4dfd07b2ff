"""No detector: the picture is a face, of any size."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgefer.runtime.detectors.face import Detector, Face, require_picture
from edgefer.runtime.preprocess import Pixels

if TYPE_CHECKING:
    from edgefer.runtime.detectors import DetectorRow


class WholePicture:
    """See Detector."""

    def __init__(self, name: str) -> None:
        self._name = name

    def detect(self, image: Pixels) -> list[Face]:
        """One face, as large as the picture."""
        require_picture(image)
        return [Face(0.0, 0.0, float(image.shape[1]), float(image.shape[0]), 1.0, detector=self._name)]


def load(row: DetectorRow, folder: Path, threads: int, threshold: float) -> Detector:
    """Nothing is loaded, and nothing is refused."""
    del folder, threads, threshold
    return WholePicture(row.name)
