"""The pictures of the golden pairs: drawn, so that a bundle carries none of a data set.

They are drawn in whole numbers, so they are the same everywhere.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
PICTURE_SIDE = 96  # pixels of the golden picture
PICTURE_LIMIT = 4096  # pixels, a side of a golden picture that is decoded
_LARGE = (33, 23)  # tenths of `resize`: width and height of the large picture, so that no factor is whole
_FACE = (48, 50, 36, 44)
_PATTERN = ((250, 240, 40), (20, 30, 160), (120, 220, 120))  # of columns, of rows, of a chessboard


def golden_picture() -> Pixels:
    """A coloured, smiling cartoon: uint8 (96, 96, 3)."""
    y, x = np.mgrid[0:PICTURE_SIDE, 0:PICTURE_SIDE]
    image = np.stack([60 + y, 90 + x // 2, 140 - y // 2], axis=-1)
    _paint_face(image, partial(_oval, x, y))
    return _finished(image)


def large_picture(resize: int) -> Pixels:
    """The cartoon as a picture that is to be resized to `resize` x `resize`: uint8 (2.3 resize, 3.3 resize, 3).

    Lines and a chessboard of single pixels, hard edges and bright colours tell one way of resizing from another, and
    nothing in it is symmetric.
    """
    width, height = (min(tenths * resize // 10, PICTURE_LIMIT) for tenths in _LARGE)
    y, x = np.mgrid[0:height, 0:width]
    image = np.stack([50 + 150 * x // width, 180 - 120 * y // height, 60 + 140 * (width - x) // width], axis=-1)
    tile = (4 * y // height + 4 * x // width) % len(_PATTERN)
    for number, (line, colour) in enumerate(zip((x % 3, y % 3, (x + y) % 2), _PATTERN, strict=True)):
        _paint(image, (tile == number) & (line == 0), colour)

    def oval(cx: int, cy: int, rx: int, ry: int) -> NDArray[np.bool_]:
        """An oval of the small picture, stretched."""
        return _oval(
            x, y, width * cx // PICTURE_SIDE, height * cy // PICTURE_SIDE, width * rx // PICTURE_SIDE,
            height * ry // PICTURE_SIDE,
        )  # fmt: skip

    _paint_face(image, oval)
    hair = oval(*_FACE) & (96 * y < 26 * height) & ((2 * x + y) % 5 < 2)
    _paint(image, hair, (70, 40, 20))
    _paint(image, oval(30, 60, 5, 4) & (x * y % 3 == 0), (180, 60, 60))
    return _finished(image)


def _paint_face(image: NDArray[np.int64], oval: Callable[[int, int, int, int], NDArray[np.bool_]]) -> None:
    """`oval` gives the pixels of one, from its centre and its half axes in a picture of 96 x 96."""
    _paint(image, oval(*_FACE), (224, 172, 130))
    for side in (-1, 1):
        centre = 48 + 15 * side
        _paint(image, oval(centre, 40, 7, 4), (250, 250, 245))
        _paint(image, oval(centre, 40, 3, 3), (40, 30, 30))
        _paint(image, oval(centre, 31, 9, 2), (80, 50, 30))
    _paint(image, oval(48, 54, 4, 8), (205, 150, 110))
    _paint(image, oval(48, 68, 17, 12) & ~oval(48, 62, 19, 10), (170, 60, 60))


def _oval(x: NDArray[np.int64], y: NDArray[np.int64], cx: int, cy: int, rx: int, ry: int) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = (x - cx) ** 2 * ry**2 + (y - cy) ** 2 * rx**2 <= rx**2 * ry**2
    return inside


def _paint(image: NDArray[np.int64], where: NDArray[np.bool_], colour: tuple[int, int, int]) -> None:
    image[where] = colour


def _finished(image: NDArray[np.int64]) -> Pixels:
    pixels: Pixels = np.clip(image, 0, 255).astype(np.uint8)
    return pixels


def to_png(pixels: Pixels) -> bytes:
    """A picture (H, W, 3) as a PNG file."""
    from PIL.Image import fromarray

    content = io.BytesIO()
    fromarray(pixels).save(content, format="PNG", optimize=False)
    return content.getvalue()


def golden_png() -> bytes:
    """The golden picture as a PNG file."""
    return to_png(golden_picture())
