"""What a camera does to faces, as fixed conditions: another crop, a turned head, other light, blur, compression.

Everything here is deterministic and acts on uint8 faces at a network's resize size, before the centre crop.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from edgefer.runtime.preprocess import PIXEL_MAX, PixelRows, Pixels, resize_pixels


@dataclass(frozen=True)
class Condition:
    """One condition; what is left at its default changes nothing. The changes are made in the order of the fields.

    scale       the face's size, about its centre: 1.25 is a crop that is too tight, 0.8 one that is too wide
    rotation    degrees counterclockwise, about the centre
    right, down shift as a fraction of the side
    contrast    factor of each value's distance from the face's mean
    brightness  factor of each value
    blur        standard deviation of a Gaussian, in pixels
    jpeg        quality of a JPEG that the face is written to and read from
    small       side in pixels that the face is resized to, and back again
    """

    name: str
    scale: float = 1.0
    rotation: float = 0.0
    right: float = 0.0
    down: float = 0.0
    contrast: float = 1.0
    brightness: float = 1.0
    blur: float = 0.0
    jpeg: int | None = None
    small: int | None = None

    def parameters(self) -> dict[str, float]:
        """What is not at its default, by the names of the fields."""
        values = asdict(self)
        del values["name"]
        return {key: float(value) for key, value in values.items() if value != getattr(Condition, key)}

    def apply(self, faces: Pixels) -> Pixels:
        """uint8 (N, H, W, 1 or 3) -> the same shape, each face by itself; the input stays as it is."""
        if (self.scale, self.rotation, self.right, self.down) != (1.0, 0.0, 0.0, 0.0):
            faces = warp(faces, self.scale, self.rotation, self.right, self.down)
        if self.contrast != 1.0:
            faces = change_contrast(faces, self.contrast)
        if self.brightness != 1.0:
            faces = change_brightness(faces, self.brightness)
        if self.blur:
            faces = blur(faces, self.blur)
        if self.jpeg is not None:
            faces = compress(faces, self.jpeg)
        return faces if self.small is None else shrink(faces, self.small)


UNCHANGED = Condition("unchanged")
CONDITIONS = (
    Condition("scale 0.8", scale=0.8),
    Condition("scale 0.9", scale=0.9),
    Condition("scale 1.1", scale=1.1),
    Condition("scale 1.25", scale=1.25),
    Condition("rotation -20 degrees", rotation=-20),
    Condition("rotation -10 degrees", rotation=-10),
    Condition("rotation 10 degrees", rotation=10),
    Condition("rotation 20 degrees", rotation=20),
    Condition("rotation 30 degrees", rotation=30),
    Condition("shift right 5 %", right=0.05),
    Condition("shift right 10 %", right=0.10),
    Condition("shift right 15 %", right=0.15),
    Condition("shift down 10 %", down=0.10),
    Condition("contrast x0.6", contrast=0.6),
    Condition("contrast x1.4", contrast=1.4),
    Condition("brightness x0.6", brightness=0.6),
    Condition("brightness x1.4", brightness=1.4),
    Condition("blur of 1 pixel", blur=1.0),
    Condition("JPEG quality 30", jpeg=30),
    Condition("small face, 24 pixels", small=24),
)


@dataclass(frozen=True)
class ChangedFaces:
    """Faces under a condition, changed when they are read, so that a large set is never in memory as a whole."""

    faces: PixelRows
    condition: Condition

    @property
    def shape(self) -> tuple[Any, ...]:
        """N, H, W, C."""
        return self.faces.shape

    def __len__(self) -> int:
        return len(self.faces)

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> Pixels:
        return self.condition.apply(np.asarray(self.faces[rows]))


def warp(faces: Pixels, scale: float, rotation: float, right: float, down: float) -> Pixels:
    """Scale and rotate about the centre, then shift, in one bilinear sampling.

    What comes from outside of the face is the nearest pixel of its border.
    """
    count, height, width, channels = faces.shape
    cos, sin = math.cos(math.radians(rotation)) / scale, math.sin(math.radians(rotation)) / scale
    middle_y, middle_x = (height - 1) / 2, (width - 1) / 2
    rows, columns = np.indices((height, width))
    y, x = rows - middle_y - down * height, columns - middle_x - right * width
    from_y = np.clip(sin * x + cos * y + middle_y, 0, height - 1).ravel()
    from_x = np.clip(cos * x - sin * y + middle_x, 0, width - 1).ravel()
    top, left = np.floor(from_y).astype(np.int64), np.floor(from_x).astype(np.int64)
    bottom, beside = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
    share_y, share_x = ((at - np.floor(at)).astype(np.float32)[:, None] for at in (from_y, from_x))

    flat = faces.reshape(count, height * width, channels)
    upper = flat[:, top * width + left] * (1 - share_x) + flat[:, top * width + beside] * share_x
    lower = flat[:, bottom * width + left] * (1 - share_x) + flat[:, bottom * width + beside] * share_x
    return _rounded(upper * (1 - share_y) + lower * share_y).reshape(faces.shape)


def change_contrast(faces: Pixels, factor: float) -> Pixels:
    """Scale the distances from the mean of each face, over its pixels and channels."""
    mean = faces.mean((1, 2, 3), keepdims=True, dtype=np.float64)
    return _rounded((faces - mean) * factor + mean)


def change_brightness(faces: Pixels, factor: float) -> Pixels:
    """Scale the values; what becomes brighter than white is white."""
    return _rounded(faces * np.float64(factor))


def blur(faces: Pixels, deviation: float) -> Pixels:
    """Pillow's Gaussian blur, which takes the border for what lies outside."""
    return _each(faces, lambda image: image.filter(ImageFilter.GaussianBlur(deviation)))


def compress(faces: Pixels, quality: int) -> Pixels:
    """Write each face as a JPEG of a quality (1 to 95) and read it again."""

    def through_jpeg(image: Image.Image) -> Image.Image:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        return Image.open(file)

    return _each(faces, through_jpeg)


def shrink(faces: Pixels, side: int) -> Pixels:
    """Resize square faces to a side and back, with the preprocessing's own kernel."""
    return resize_pixels(resize_pixels(faces, side), faces.shape[1])


def _each(faces: Pixels, change: Callable[[Image.Image], Image.Image]) -> Pixels:
    changed = np.empty_like(faces)
    for face, result in zip(faces, changed, strict=True):
        image = Image.fromarray(face[..., 0] if faces.shape[3] == 1 else face)
        result[:] = np.asarray(change(image)).reshape(result.shape)
    return changed


def _rounded(values: NDArray[np.floating[Any]]) -> Pixels:
    rounded: Pixels = np.rint(values).clip(0, PIXEL_MAX).astype(np.uint8)
    return rounded
