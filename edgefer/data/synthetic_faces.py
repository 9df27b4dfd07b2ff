"""Synthetic faces, for what has no real ones: the statistics and the int8 ranges of a network of random weights."""

from __future__ import annotations

import numpy as np

from edgefer.data.dataset import Dataset
from edgefer.runtime.bundle import golden_picture
from edgefer.runtime.preprocess import Pixels

SOURCE = "drawn pictures, no faces"
COUNT = 8
_SHIFT = 9  # pixels, less than this to every side


def pictures(count: int = COUNT) -> Pixels:
    """uint8 (count, 96, 96, 3): the golden picture, moved, mirrored, brighter, darker and noisy; always the same."""
    random = np.random.default_rng(0)
    return np.stack([_varied(random, mirrored=bool(index % 2)) for index in range(count)])


def _varied(random: np.random.Generator, mirrored: bool) -> Pixels:
    face = golden_picture().astype(np.int64)
    moved = np.roll(face[:, ::-1] if mirrored else face, random.integers(1 - _SHIFT, _SHIFT, 2), (0, 1))
    lit = moved * int(random.integers(50, 151)) // 100 + random.integers(-40, 41)
    varied: Pixels = np.clip(lit + random.integers(-10, 11, face.shape), 0, 255).astype(np.uint8)
    return varied


def faces() -> Dataset:
    """The pictures in the form that calibration takes."""
    labels = np.zeros(COUNT, np.int64)
    return Dataset(SOURCE, ("drawn",), pictures(), labels, labels.copy(), np.arange(COUNT))
