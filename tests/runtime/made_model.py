"""A model and a detector for the tests of prediction, which need no engine and no weights."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgefer.runtime.contract import Contract, TensorSpec
from edgefer.runtime.detectors import Face
from edgefer.runtime.preprocess import Pixels

LABELS = ("left", "right", "=other")

CONTRACT = Contract(
    face="the face's box",
    face_margin=0.0,
    colour_order="RGB",
    grey="luma",
    resize=12,
    kernel="bilinear",
    crop=8,
    layout="NHWC",
    value_range=(0, 255),
    mean=(0.0, 0.0, 0.0),
    deviation=(1.0, 1.0, 1.0),
    input=TensorSpec("in", (1, 8, 8, 3), "float32"),
    output=TensorSpec("out", (1, 3), "float32"),
    meaning="probabilities",
    labels=LABELS,
)


@dataclass
class Halves:
    """Says which half of a face is the brighter one: "left", "right", and a tenth for the third label."""

    seen: list[Pixels] = field(default_factory=list)
    contract: Contract = CONTRACT

    def run(self, pixels: Pixels, /) -> NDArray[np.float32]:
        self.seen = [*self.seen[-3:], pixels]
        left, right = pixels[:, :4].mean(), pixels[:, 4:].mean()
        share = left / (left + right + 1e-9)
        return np.array([0.9 * share, 0.9 * (1 - share), 0.1], dtype=np.float32)


@dataclass
class Fixed:
    """A detector that finds these faces in every picture."""

    faces: list[Face]

    def detect(self, image: Pixels) -> list[Face]:
        return self.faces


def whole(image: Pixels) -> Face:
    """The picture as a face."""
    return Face(0, 0, image.shape[1], image.shape[0], 1.0, detector="none")


def half_white(side: int = 48, left: bool = True) -> Pixels:
    """A picture whose left or right half is white, the other black."""
    image = np.zeros((side, side, 3), dtype=np.uint8)
    image[:, : side // 2] = 255
    return image if left else np.ascontiguousarray(image[:, ::-1])
