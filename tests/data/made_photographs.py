"""Photographs with a face somewhere in them, and a detector that finds it: both made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from edgefer.runtime.detectors import Face
from edgefer.runtime.preprocess import Pixels
from tests.data.made import noise

SIDE, LEFT, TOP = 20, 30, 10


class Bright:
    """Finds the box around all pixels of at least 100."""

    def detect(self, image: Pixels) -> list[Face]:
        rows, columns = np.nonzero(image.min(2) >= 100)
        if not rows.size:
            return []
        left, top = int(columns.min()), int(rows.min())
        width, height = int(columns.max()) + 1 - left, int(rows.max()) + 1 - top
        return [Face(left, top, width, height, 1.0, detector="none")]


def face(seed: int) -> Pixels:
    """uint8 (SIDE, SIDE)."""
    return noise(seed, SIDE, SIDE) // 2 + 120


def write_photographs(root: Path, *names: str) -> Path:
    """Dark photographs at these paths, each with `face(its place in the names)`; in those called "empty" is none."""
    for seed, name in enumerate(names):
        picture = np.full((48, 64), 10, dtype=np.uint8)
        if "empty" not in name:
            picture[TOP : TOP + SIDE, LEFT : LEFT + SIDE] = face(seed)
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
    return root
