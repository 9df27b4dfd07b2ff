"""From a picture to its faces, and from each face to its expression: detect, cut out, prepare, infer.

The bundle's contract says what the network is to see, and how the boxes of each detector are to be framed for it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from edgefer.runtime.contract import Contract
from edgefer.runtime.detectors import Detector, Face, crop_face, face_map
from edgefer.runtime.preprocess import Pixels, centre_crop

Stage = Literal["decode", "detect", "prepare", "infer", "draw"]
STAGES: tuple[Stage, ...] = ("decode", "detect", "prepare", "infer", "draw")


@dataclass(frozen=True)
class FacePrediction:
    """A found face and its expression.

    label          the most probable one
    probabilities  of every label, in the contract's order
    face           as the detector found it: its box in pixels of the upright picture, score, points, roll
    track          the number of the face in a video, the same from frame to frame; None in a picture
    """

    label: str
    probabilities: Mapping[str, float]
    face: Face
    track: int | None = None

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, width and height of the detector's box, in pixels; it may reach out of the picture."""
        return self.face.left, self.face.top, self.face.width, self.face.height


@dataclass
class Stopwatch:
    """Seconds that each stage took, all frames together."""

    seconds: dict[Stage, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))

    @contextlib.contextmanager
    def time(self, stage: Stage) -> Iterator[None]:
        """Add what the block takes to the stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - start


class FaceModel(Protocol):
    """A model that tells the expression on a face that is cut out, such as `edgefer.load` gives."""

    @property
    def contract(self) -> Contract: ...  # noqa: D102

    def run(self, pixels: Pixels, /) -> NDArray[np.float32]:
        """What the model is to see, uint8 (crop, crop, 3) -> (labels,) probabilities."""


@dataclass(frozen=True)
class Predictor:
    """Finds the faces of a picture and tells their expressions.

    mirror  average each face's probabilities with those of its mirror image, for one more inference
    """

    model: FaceModel
    detector: Detector
    mirror: bool = False
    stopwatch: Stopwatch = field(default_factory=Stopwatch)

    def predict(self, image: Pixels) -> list[FacePrediction]:
        """The faces of an upright picture, uint8 (H, W, 3) in RGB order; the detector's best one first."""
        with self.stopwatch.time("detect"):
            faces = self.detector.detect(image)
        return [self._classify(image, face) for face in faces]

    def _classify(self, image: Pixels, face: Face) -> FacePrediction:
        contract = self.model.contract
        with self.stopwatch.time("prepare"):
            framed = crop_face(image, face, face_map(face.detector, contract), contract.resize)
            pixels = centre_crop(framed, contract.crop)
        with self.stopwatch.time("infer"):
            probabilities = self.model.run(pixels)
            if self.mirror:
                mirrored = self.model.run(np.ascontiguousarray(pixels[:, ::-1]))
                probabilities = np.mean([probabilities, mirrored], axis=0, dtype=np.float32)
        return to_prediction(probabilities, contract.labels, face)


def to_prediction(
    probabilities: NDArray[np.float32], labels: tuple[str, ...], face: Face, track: int | None = None
) -> FacePrediction:
    """The answer (labels,) of a network as a prediction."""
    by_label = {label: float(value) for label, value in zip(labels, probabilities, strict=True)}
    return FacePrediction(labels[int(probabilities.argmax())], by_label, face, track)
