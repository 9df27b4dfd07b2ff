"""MTCNN (Zhang et al. 2016), the detector of the LCNN paper: three networks, each of which looks closer.

P-Net looks at every 12 x 12 window of the picture at several sizes, R-Net at 24 x 24 pixels of what it lets through,
O-Net at 48 x 48 of what that does, and gives five points. Their weights are those of PyPI's mtcnn 1.0.0, and so are the
thresholds and the suppression of overlapping boxes after each network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil, floor, sqrt
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgefer.runtime import array_file
from edgefer.runtime.detectors.boxes import Floats, suppress
from edgefer.runtime.detectors.face import Detector, Face, require_picture, roll_of
from edgefer.runtime.detectors.mtcnn_networks import NETWORKS, run
from edgefer.runtime.errors import NotSetUp
from edgefer.runtime.preprocess import Pixels
from edgefer.runtime.process import library_errors

if TYPE_CHECKING:
    from PIL.Image import Image

    from edgefer.runtime.detectors import DetectorRow

LEAST_SIDE = 40  # pixels of a face; with 20 a picture takes twice as long and false faces come
_WINDOW, _STRIDE = 12, 2  # of P-Net
_FACTOR = 0.709  # from one size of the picture to the next: half the area
_THRESHOLDS = (0.6, 0.7)  # of P-Net and R-Net; O-Net's is the row's
_MOST_PIXELS = 2_000_000  # P-Net sees at once; a picture of more than 22 megapixels loses its smallest faces
_LARGEST = 4 << 20  # bytes of all arrays; they have 2 MB
_GREY = (128, 128, 128)  # outside the picture: 0 for the networks
_Weights = Mapping[str, Mapping[str, Floats]]


class Mtcnn:
    """See Detector. Its score is a probability."""

    def __init__(self, name: str, weights: _Weights, threshold: float) -> None:
        self._name, self._weights, self._threshold = name, weights, threshold

    def detect(self, image: Pixels) -> list[Face]:
        """Faces of at least 40 pixels, turned by up to about 30 degrees."""
        require_picture(image)
        from PIL.Image import fromarray

        picture = fromarray(np.ascontiguousarray(image))
        boxes = self._refined(picture, self._proposed(picture))
        return self._faces(picture, boxes) if len(boxes) else []

    def _proposed(self, picture: Image) -> Floats:
        """P-Net's boxes as squares: (N, 4)."""
        found: list[Floats] = []
        scores: list[Floats] = []
        for width, height in sizes(*picture.size):
            outputs = self._run("pnet", _prepared(picture, (width, height))[None])
            face = outputs["face"][0, :, :, 1]
            y, x = np.nonzero(face > _THRESHOLDS[0])
            corner = np.stack([x, y, x, y], axis=1).astype(np.float32) * _STRIDE
            shifts = np.array([0, 0, _WINDOW, _WINDOW], np.float32) + _WINDOW * outputs["box"][0, y, x]
            scale = np.array([picture.width / width, picture.height / height] * 2, np.float32)
            boxes, sure = (corner + shifts) * scale, face[y, x]
            kept = suppress(boxes, sure, 0.5)
            found.append(boxes[kept])
            scores.append(sure[kept])
        if not found:
            return np.empty((0, 4), np.float32)
        boxes = np.concatenate(found)
        squares = squared(boxes[suppress(boxes, np.concatenate(scores), 0.7)])
        return squares[squares[:, 2] - squares[:, 0] >= 4]

    def _refined(self, picture: Image, boxes: Floats) -> Floats:
        """What R-Net lets through of them, moved, as squares."""
        if not len(boxes):
            return boxes
        outputs = self._run("rnet", _patches(picture, boxes, 24))
        scores = outputs["face"][:, 1]
        sure = scores > _THRESHOLDS[1]
        moved = boxes[sure] + outputs["box"][sure] * np.tile(boxes[sure, 2:] - boxes[sure, :2], 2)
        return squared(moved[suppress(moved, scores[sure], 0.7)])

    def _faces(self, picture: Image, boxes: Floats) -> list[Face]:
        """What O-Net says of them, the best first."""
        outputs = self._run("onet", _patches(picture, boxes, 48))
        scores = outputs["face"][:, 1]
        sure = scores > self._threshold
        boxes, scores, points = boxes[sure], scores[sure], outputs["points"][sure]
        sides = boxes[:, 2:] - boxes[:, :2]
        x, y = (boxes[:, axis, None] + sides[:, axis, None] * points[:, 5 * axis : 5 * axis + 5] for axis in (0, 1))
        moved = boxes + outputs["box"][sure] * np.tile(sides, 2)
        return [
            self._face(moved[n], float(scores[n]), np.stack([x[n], y[n]], axis=1))
            for n in suppress(moved, scores, 0.7, "smaller")
        ]

    def _face(self, box: Floats, score: float, points: Floats) -> Face:
        left, top, right, bottom = map(float, box)
        five = tuple((float(x), float(y)) for x, y in points)
        return Face(left, top, right - left, bottom - top, score, five, roll_of(*five[:2]), self._name)

    def _run(self, network: str, x: Floats) -> dict[str, Floats]:
        return run(NETWORKS[network], self._weights[network], x)


def sizes(width: int, height: int) -> Iterator[tuple[int, int]]:
    """The sizes at which P-Net sees a picture, the largest first; none for a picture that holds no such face."""
    scale = min(_WINDOW / LEAST_SIDE, sqrt(_MOST_PIXELS / (width * height)))
    while min(width, height) * scale >= _WINDOW:
        yield ceil(width * scale), ceil(height * scale)
        scale *= _FACTOR


def squared(boxes: Floats) -> Floats:
    """Boxes (N, 4) -> squares about the same centres with the longer side."""
    centres, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True) / 2
    squares: Floats = np.concatenate([centres - half, centres + half], axis=1)
    return squares


def _prepared(picture: Image, size: tuple[int, int], box: tuple[float, float, float, float] | None = None) -> Floats:
    """A part of the picture at a size, as the networks take it: float32 (H, W, 3)."""
    from PIL.Image import Resampling

    pixels = np.asarray(picture.resize(size, Resampling.BILINEAR, box=box), dtype=np.float32)
    return (pixels - np.float32(127.5)) / np.float32(128)


def _patches(picture: Image, boxes: Floats, side: int) -> Floats:
    """The boxes' parts of the picture, grey outside it: (N, side, side, 3)."""
    return np.stack([_patch(picture, (float(x), float(y), float(r), float(b)), side) for x, y, r, b in boxes])


def _patch(picture: Image, box: tuple[float, float, float, float], side: int) -> Floats:
    left, top, right, bottom = floor(box[0]), floor(box[1]), ceil(box[2]), ceil(box[3])
    if left >= 0 and top >= 0 and right <= picture.width and bottom <= picture.height:
        return _prepared(picture, (side, side), box)
    from PIL.Image import new

    inside = (max(left, 0), max(top, 0), min(right, picture.width), min(bottom, picture.height))
    part = new("RGB", (right - left, bottom - top), _GREY)
    if inside[0] < inside[2] and inside[1] < inside[3]:
        part.paste(picture.crop(inside), (inside[0] - left, inside[1] - top))
    return _prepared(part, (side, side), (box[0] - left, box[1] - top, box[2] - left, box[3] - top))


def load(row: DetectorRow, folder: Path, threads: int, threshold: float) -> Detector:
    """Read the arrays of the cache; numpy's threads are those of its library. Raises NotSetUp for broken ones."""
    del threads
    return Mtcnn(row.name, read_arrays(folder / row.files[0], row.set_up_by), threshold)


def read_arrays(path: Path, set_up_by: str) -> dict[str, dict[str, Floats]]:
    """The networks' arrays from a file of numpy's; raises NotSetUp for other ones."""

    def explain(reason: str) -> NotSetUp:
        return NotSetUp(f"{path} doesn't hold MTCNN's weights ({reason}): run `{set_up_by}` again.")

    with library_errors(explain):
        arrays = array_file.read_npz(path, _LARGEST)
        weights = {
            name: {array: arrays[f"{name}.{array}"] for array, _ in network.shapes()}
            for name, network in NETWORKS.items()
        }
    for name, network in NETWORKS.items():
        for array, shape in network.shapes():
            given = weights[name][array]
            if given.shape != shape or given.dtype != np.float32:
                raise explain(f"{name}.{array} is {given.dtype} {given.shape}, not float32 {shape}")
    return weights
