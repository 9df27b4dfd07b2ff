"""BlazeFace (Bazarevsky et al. 2019), MediaPipe's short-range model, in LiteRT.

The network sees the whole picture at 128 x 128 and answers for 896 anchors: a score, a box and six points each. It
finds faces at any roll, but measures the roll only of those that are large in what it sees (see second_pass.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgefer.runtime.detectors.boxes import Floats, overlaps
from edgefer.runtime.detectors.face import Detector, Face, require_picture, roll_of
from edgefer.runtime.engines.tflite import open_interpreter
from edgefer.runtime.errors import NotSetUp
from edgefer.runtime.preprocess import Pixels
from edgefer.runtime.process import library_errors

if TYPE_CHECKING:
    from edgefer.runtime.detectors import DetectorRow

_STRIDES = ((8, 2), (16, 6))  # pixels from one cell to the next, anchors in a cell
_POINTS = 6
_SAME_FACE = 0.3  # boxes whose intersection over union is larger are of one face


@dataclass(frozen=True)
class View:
    """How a picture lies in the network's square: scaled by `scale`, then moved by `left` and `top` pixels."""

    pixels: Floats
    scale: tuple[float, float]
    left: int
    top: int


class BlazeFace:
    """See Detector. Its score is a probability."""

    def __init__(self, name: str, interpreter: Any, threshold: float) -> None:
        self._name, self._interpreter, self._threshold = name, interpreter, threshold
        given = interpreter.get_input_details()[0]
        boxes, scores = sorted(interpreter.get_output_details(), key=lambda detail: -int(detail["shape"][-1]))
        self._side, self._input = int(given["shape"][1]), given["index"]
        self._outputs = boxes["index"], scores["index"]
        self._anchors = anchors(self._side)

    def detect(self, image: Pixels) -> list[Face]:
        """The faces of a picture, by one run of the network on the whole of it."""
        require_picture(image)
        view = _view(image, self._side)
        self._interpreter.set_tensor(self._input, view.pixels)
        self._interpreter.invoke()
        boxes, logits = (self._interpreter.get_tensor(index)[0] for index in self._outputs)
        scores = 1 / (1 + np.exp(-logits[:, 0].clip(-80, 80)))
        sure = scores >= self._threshold
        rows = _decoded(boxes[sure], self._anchors[sure])
        return [self._face(row, score, view) for row, score in _merged(rows, scores[sure])]

    def _face(self, row: Floats, score: float, view: View) -> Face:
        """A row of pixels of the network's square -> a face of the picture."""
        x = (row[0::2] - view.left) / view.scale[0]
        y = (row[1::2] - view.top) / view.scale[1]
        points = tuple((float(px), float(py)) for px, py in zip(x[2:], y[2:], strict=True))
        box = float(x[0]), float(y[0]), float(x[1] - x[0]), float(y[1] - y[0])
        return Face(*box, score, points, roll_of(*points[:2]), self._name)


def anchors(side: int) -> Floats:
    """The centres of the cells, once for each anchor in them, in pixels: (896, 2) for a side of 128."""
    centres = []
    for stride, repeats in _STRIDES:
        line = (np.arange(side // stride, dtype=np.float32) + 0.5) * stride
        grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)  # row by row
        centres.append(np.repeat(grid, repeats, axis=0))
    return np.concatenate(centres)


def _view(image: Pixels, side: int) -> View:
    """The picture in a black square, its longer side the square's: float32 (1, side, side, 3) from -1 to 1."""
    from PIL.Image import Resampling, fromarray

    height, width = image.shape[:2]
    longer = max(width, height)
    w, h = (max(1, round(length * side / longer)) for length in (width, height))
    left, top = (side - w) // 2, (side - h) // 2
    resized = fromarray(np.ascontiguousarray(image)).resize((w, h), Resampling.BILINEAR)
    pixels = np.full((1, side, side, 3), -1, dtype=np.float32)
    pixels[0, top : top + h, left : left + w] = np.asarray(resized, dtype=np.float32) / 127.5 - 1
    return View(pixels, (w / width, h / height), left, top)


def _decoded(boxes: Floats, centres: Floats) -> Floats:
    """(N, 16): offset of the box's centre, width and height, offsets of the points -> (N, 16): corners and points."""
    centre, half = boxes[:, :2] + centres, boxes[:, 2:4] / 2
    points = boxes[:, 4:].reshape(-1, _POINTS, 2) + centres[:, None]
    rows: Floats = np.concatenate([centre - half, centre + half, points.reshape(-1, 2 * _POINTS)], axis=1)
    return rows


def _merged(rows: Floats, scores: Floats) -> list[tuple[Floats, float]]:
    """Rows that overlap the best one are averaged with it, weighted by their scores, as MediaPipe does it."""
    order = np.argsort(-scores, kind="stable")
    rows, scores, faces = rows[order], scores[order], []
    while len(scores):
        same = overlaps(rows[0, :4], rows[:, :4]) > _SAME_FACE
        same[0] = True
        weights = scores[same, None]
        faces.append(((rows[same] * weights).sum(axis=0) / weights.sum(), float(scores[0])))
        rows, scores = rows[~same], scores[~same]
    return faces


def load(row: DetectorRow, folder: Path, threads: int, threshold: float) -> Detector:
    """Open the .tflite file of the cache; raises NotSetUp for a broken one."""
    return open_model(row.name, folder / row.files[0], row.set_up_by, threads, threshold)


def open_model(name: str, path: Path, set_up_by: str, threads: int, threshold: float) -> BlazeFace:
    """A BlazeFace from a file; raises NotSetUp for one that is none."""

    def explain(reason: str) -> NotSetUp:
        return NotSetUp(f"{path} is no BlazeFace model ({reason}): run `{set_up_by}` again.")

    with library_errors(explain):
        return BlazeFace(name, open_interpreter(path, threads), threshold)
