"""A second look at faces that are small or turned: on the part of the picture around each, turned upright.

There the detector sees the face as most of those that it learned from, so box, points and roll are more exact, and
one map from its boxes serves for all angles.
"""

from __future__ import annotations

from dataclasses import replace

from edgefer.runtime.contract import FaceMap
from edgefer.runtime.detectors.face import Detector, Face, crop_face, square_of
from edgefer.runtime.preprocess import Pixels

_SURROUNDINGS = FaceMap(side=2.4, align="eyes")  # what the second look is at: the box and as much around it
_SIDE = 192  # pixels of that
_NEAR = 0.5  # of the box's side: a face whose centre is further off is another one


class SecondPass:
    """A detector that looks again at faces smaller than `small`, a share of the picture, or turned by `turned` degrees.

    Where the second look finds nothing, the face stays as the first one gave it; so does every score.
    """

    def __init__(self, detector: Detector, small: float, turned: float) -> None:
        self._detector, self._small, self._turned = detector, small, turned

    def detect(self, image: Pixels) -> list[Face]:
        """See Detector."""
        least = self._small * max(image.shape[:2])
        return [
            self._again(image, face) if max(face.width, face.height) < least or abs(face.roll) > self._turned else face
            for face in self._detector.detect(image)
        ]

    def _again(self, image: Pixels, face: Face) -> Face:
        surroundings = square_of(face, _SURROUNDINGS)
        for near in self._detector.detect(crop_face(image, face, _SURROUNDINGS, _SIDE)):
            centre = (near.left + near.width / 2) / _SIDE, (near.top + near.height / 2) / _SIDE
            if max(abs(centre[0] - 0.5), abs(centre[1] - 0.5)) * _SURROUNDINGS.side > _NEAR:
                continue
            x, y = surroundings.point(*centre)
            width, height = (length * surroundings.side / _SIDE for length in (near.width, near.height))
            points = tuple(surroundings.point(u / _SIDE, v / _SIDE) for u, v in near.points)
            return replace(
                face, left=x - width / 2, top=y - height / 2, width=width, height=height, points=points,
                roll=face.roll + near.roll,
            )  # fmt: skip
        return face
