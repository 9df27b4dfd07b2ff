"""The golden picture: a drawn face, made here, so that a bundle carries no face of a data set."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

SIDE = 96


def picture() -> NDArray[np.uint8]:
    """uint8 (96, 96, 3): a coloured, smiling cartoon; integer arithmetic, so the same everywhere."""
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    image = np.stack([60 + y, 90 + x // 2, 140 - y // 2], axis=-1)
    _paint(image, _oval(x, y, 48, 50, 36, 44), (224, 172, 130))
    for side in (-1, 1):
        centre = 48 + 15 * side
        _paint(image, _oval(x, y, centre, 40, 7, 4), (250, 250, 245))
        _paint(image, _oval(x, y, centre, 40, 3, 3), (40, 30, 30))
        _paint(image, _oval(x, y, centre, 31, 9, 2), (80, 50, 30))
    _paint(image, _oval(x, y, 48, 54, 4, 8), (205, 150, 110))
    _paint(image, _oval(x, y, 48, 68, 17, 12) & ~_oval(x, y, 48, 62, 19, 10), (170, 60, 60))
    painted: NDArray[np.uint8] = np.clip(image, 0, 255).astype(np.uint8)
    return painted


def _oval(x: NDArray[np.int64], y: NDArray[np.int64], cx: int, cy: int, rx: int, ry: int) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = (x - cx) ** 2 * ry**2 + (y - cy) ** 2 * rx**2 <= rx**2 * ry**2
    return inside


def _paint(image: NDArray[np.int64], where: NDArray[np.bool_], colour: tuple[int, int, int]) -> None:
    image[where] = colour


def png() -> bytes:
    """The picture as a PNG file."""
    from PIL.Image import fromarray

    content = io.BytesIO()
    fromarray(picture()).save(content, format="PNG", optimize=False)
    return content.getvalue()
