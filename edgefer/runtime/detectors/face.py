"""A found face, and the way from a detector's box to the framing that the network was trained on.

Needs numpy and Pillow only. Points are in pixels of the upright picture, x to the right and y down; an angle is
positive clockwise, as seen in the picture.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import atan2, ceil, cos, degrees, floor, radians, sin
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from edgefer.runtime.contract import FaceMap, Point
from edgefer.runtime.errors import BadData
from edgefer.runtime.preprocess import Pixels, resize_face

if TYPE_CHECKING:
    from PIL.Image import Image


_OVERSAMPLING = 4  # a turned face is sampled at up to so many times the size that is asked for, then reduced
_LARGEST = 2  # times the longer side of the picture: no square larger than that is cut out, whatever a detector says


@dataclass(frozen=True)
class Face:
    """A face that a detector found.

    left, top, width, height  of the detector's own box, which may reach out of the picture; of a turned face the box
              as it is when it is turned about its centre by the roll
    score     as the detector gives it: a probability, for haar the weight of the cascade's last stage
    points    as the detector's row names them; empty if it has none
    roll      degrees by which the line through the eyes is turned clockwise; 0 if the detector has no eyes
    detector  the name of the row that found it
    """

    left: float
    top: float
    width: float
    height: float
    score: float
    points: tuple[Point, ...] = ()
    roll: float = 0.0
    detector: str = ""

    def overlap(self, other: Face) -> float:
        """Intersection over union of the two boxes, from 0 to 1."""
        width = min(self.left + self.width, other.left + other.width) - max(self.left, other.left)
        height = min(self.top + self.height, other.top + other.height) - max(self.top, other.top)
        if width <= 0 or height <= 0:
            return 0.0
        both = width * height
        return both / (self.width * self.height + other.width * other.height - both)


class Detector(Protocol):
    """What finds faces."""

    def detect(self, image: Pixels) -> list[Face]:
        """The faces of an upright picture, uint8 (H, W, 3) in the order red, green, blue; the best one first."""


@dataclass(frozen=True)
class Square:
    """A square in the picture: its centre, its side, and the degrees by which it is turned clockwise."""

    x: float
    y: float
    side: float
    roll: float = 0.0

    def point(self, u: float, v: float) -> Point:
        """Where a point of the square is in the picture; (0, 0) is its top left corner, (1, 1) its bottom right one."""
        right, down = _axes(self.roll)
        x, y = self.side * (u - 0.5), self.side * (v - 0.5)
        return self.x + x * right[0] + y * down[0], self.y + x * right[1] + y * down[1]

    def corners(self) -> tuple[Point, Point, Point, Point]:
        """Top left, top right, bottom right, bottom left."""
        return self.point(0, 0), self.point(1, 0), self.point(1, 1), self.point(0, 1)


def roll_of(left_eye: Point, right_eye: Point) -> float:
    """Degrees by which the line from the left eye to the right one, as seen in the picture, is turned clockwise."""
    return degrees(atan2(right_eye[1] - left_eye[1], right_eye[0] - left_eye[0]))


def square_of(face: Face, face_map: FaceMap) -> Square:
    """The square that FER2013 would have framed, which may reach out of the picture."""
    if face_map.align == "points" and face.points:
        fitted, share = _fitted(face.points, face_map.points), face_map.box_share
        return _between(fitted, square_of(face, replace(face_map, align="eyes")), share) if share else fitted
    longer = max(face.width, face.height)
    roll = 0.0 if face_map.align in ("box", "stretch") else face.roll
    right, down = _axes(roll)
    return Square(
        face.left + face.width / 2 + longer * (face_map.dx * right[0] + face_map.dy * down[0]),
        face.top + face.height / 2 + longer * (face_map.dx * right[1] + face_map.dy * down[1]),
        longer * face_map.side,
        roll,
    )


def _between(one: Square, other: Square, share: float) -> Square:
    """The square that lies `share` of the way from one to the other; sides are averaged as factors."""
    turn = (other.roll - one.roll + 180) % 360 - 180
    return Square(
        one.x + share * (other.x - one.x),
        one.y + share * (other.y - one.y),
        one.side ** (1 - share) * other.side**share,
        one.roll + share * turn,
    )


def crop_face(image: Pixels, face: Face, face_map: FaceMap, size: int) -> Pixels:
    """The face as FER2013 would have framed it: uint8 (size, size, 3), R, G, B.

    `image` is the upright picture, uint8 (H, W, 3). What the square has outside the picture repeats the picture's
    border. Sampling is Pillow's BILINEAR, which antialiases: an upright square goes through the same step as a face
    that is given. Raises BadData for a picture of another kind.
    """
    from PIL.Image import fromarray

    require_picture(image)
    if size < 1:
        raise BadData(f"a face of {size} x {size} pixels: give a size of at least 1.")
    picture = fromarray(np.ascontiguousarray(image))
    if face_map.align == "stretch":
        box = (face.left, face.top, face.left + face.width, face.top + face.height)
        return resize_face(picture, size) if box == (0, 0, *picture.size) else _resized(picture, box, size)
    square = square_of(face, face_map)
    side = min(max(square.side, 1.0), float(_LARGEST * max(picture.size)))
    if square.roll % 360 == 0:
        half = side / 2
        return _resized(picture, (square.x - half, square.y - half, square.x + half, square.y + half), size)
    return _turned(picture, Square(square.x, square.y, side, square.roll), size)


def require_picture(image: NDArray[np.generic]) -> None:
    """Raise BadData for what is no picture uint8 (H, W, 3) with pixels."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise BadData(
            f"a picture is uint8 (height, width, 3) in the order red, green, blue, this one {image.dtype} "
            f"{image.shape}: convert it."
        )


def _axes(roll: float) -> tuple[Point, Point]:
    """Unit vectors along the turned square's top and down its side."""
    c, s = cos(radians(roll)), sin(radians(roll))
    return (c, s), (-s, c)


def _fitted(points: tuple[Point, ...], canonical: tuple[Point, ...]) -> Square:
    """The square whose canonical points come closest to `points`: the similarity of least squares, without mirroring.

    With points as complex numbers it is q = a p + b, where a is the regression of q on p.
    """
    p = np.array([complex(*point) for point in canonical])
    q = np.array([complex(*point) for point in points])
    centred = p - p.mean()
    a = complex(np.vdot(centred, q - q.mean()) / np.vdot(centred, centred).real)
    centre = q.mean() + a * (complex(0.5, 0.5) - p.mean())
    return Square(float(centre.real), float(centre.imag), abs(a), degrees(atan2(a.imag, a.real)))


def _resized(picture: Image, box: tuple[float, float, float, float], size: int) -> Pixels:
    """A box of the picture, which may reach out of it, at size x size."""
    from PIL.Image import Resampling

    padded, offset = _around(picture, box)
    local = (box[0] - offset[0], box[1] - offset[1], box[2] - offset[0], box[3] - offset[1])
    resized = padded.resize((size, size), Resampling.BILINEAR, box=local)
    return np.asarray(resized, dtype=np.uint8)


def _turned(picture: Image, square: Square, size: int) -> Pixels:
    """A turned square of the picture, at size x size.

    The part around it is reduced to at most _OVERSAMPLING times the size, turned at that scale, and reduced again:
    Pillow's affine transform takes four pixels for one, and would skip the others of a large face.
    """
    from PIL.Image import Resampling, Transform

    corners = square.corners()
    box = (
        floor(min(x for x, _ in corners)) - 1,
        floor(min(y for _, y in corners)) - 1,
        ceil(max(x for x, _ in corners)) + 1,
        ceil(max(y for _, y in corners)) + 1,
    )
    padded, offset = _around(picture, box)
    fine = min(ceil(square.side), _OVERSAMPLING * size)
    scale = fine / square.side
    width, height = (max(1, round((box[2 + axis] - box[axis]) * scale)) for axis in (0, 1))
    local = (box[0] - offset[0], box[1] - offset[1], box[2] - offset[0], box[3] - offset[1])
    part = padded.resize((width, height), Resampling.BILINEAR, box=local)
    per_x, per_y = width / (box[2] - box[0]), height / (box[3] - box[1])
    (left, top), (right, _), _, (bottom_x, bottom_y) = corners
    across = (right - left) / fine, (corners[1][1] - top) / fine
    down = (bottom_x - left) / fine, (bottom_y - top) / fine
    affine = (
        *(across[0] * per_x, down[0] * per_x, (left - box[0]) * per_x),
        *(across[1] * per_y, down[1] * per_y, (top - box[1]) * per_y),
    )
    upright = part.transform((fine, fine), Transform.AFFINE, affine, Resampling.BILINEAR)
    return np.asarray(upright.resize((size, size), Resampling.BILINEAR), dtype=np.uint8)


def _around(picture: Image, box: tuple[float, float, float, float]) -> tuple[Image, tuple[int, int]]:
    """A picture that holds the whole box, and its offset in `picture`; what is outside repeats the border."""
    left, top, right, bottom = floor(box[0]), floor(box[1]), ceil(box[2]), ceil(box[3])
    if left >= 0 and top >= 0 and right <= picture.width and bottom <= picture.height:
        return picture, (0, 0)
    from PIL.Image import fromarray

    columns = np.arange(left, right).clip(0, picture.width - 1)
    rows = np.arange(top, bottom).clip(0, picture.height - 1)
    return fromarray(np.asarray(picture)[rows[:, None], columns]), (left, top)
