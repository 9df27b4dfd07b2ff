"""THE definition of preprocessing: what happens to a face between the camera and the network.

    face box -> resize to `resize` x `resize` (Pillow's BILINEAR, which antialiases)
             -> centre `crop` x `crop`
             -> RGB pixel values 0..255, unchanged

That is all an app does. The grey formula and the scaling to [0, 1] are part of the exported model
(folded into its first convolution, see edgefer.pipeline.fold); training applies the same two in
`edgefer.training.augment.to_network`. Needs numpy and Pillow only: it ships to the device.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, what JPEG, Pillow and OpenCV call grey
PIXEL_MAX = 255.0
CHUNK = 8 << 20  # bytes of faces that are in memory at once where all are gone through

Pixels = NDArray[np.uint8]


class PixelRows(Protocol):
    """Faces uint8 (N, H, W, C), in memory or in a file: rows are read with slices and index arrays."""

    @property
    def shape(self) -> tuple[Any, ...]: ...  # noqa: D102
    def __len__(self) -> int: ...
    def __getitem__(self, key: Any, /) -> Any: ...


def resize_face(image: Image, resize: int, depth: int = 16) -> Pixels:
    """A face crop of any size and mode -> uint8 (resize, resize, 3), R, G, B.

    Grey of 16 bits keeps the upper 8 of its `depth` bits.
    """
    from PIL.Image import Resampling

    rgb = rgb_image(image, depth)
    if rgb.size != (resize, resize):
        rgb = rgb.resize((resize, resize), Resampling.BILINEAR)
    return np.asarray(rgb, dtype=np.uint8)


def rgb_image(image: Image, depth: int = 16) -> Image:
    """The picture in mode RGB: grey of 16 bits keeps the upper 8 of its `depth` bits, transparency is left out."""
    from PIL.Image import fromarray

    if image.mode.startswith("I"):  # Pillow would clip 16-bit grey to 255, which leaves a white face
        image = fromarray((np.asarray(image).clip(0, (1 << depth) - 1) >> (depth - 8)).astype(np.uint8))
    return image if image.mode == "RGB" else image.convert("RGB")


def resize_pixels(pixels: Pixels, resize: int) -> Pixels:
    """The same for faces already decoded: uint8 (N, H, W, C) -> uint8 (N, resize, resize, C)."""
    if pixels.shape[1:3] == (resize, resize):
        return pixels
    from PIL.Image import Resampling, fromarray

    channels = pixels.shape[3]
    faces = np.empty((len(pixels), resize, resize, channels), dtype=np.uint8)
    for face, resized in zip(pixels, faces, strict=True):
        image = fromarray(face[..., 0] if channels == 1 else face)
        resized[:] = np.asarray(image.resize((resize, resize), Resampling.BILINEAR)).reshape(resized.shape)
    return faces


def centre_crop(pixels: NDArray[Any], crop: int) -> NDArray[Any]:
    """(..., H, W, C) -> (..., crop, crop, C), the offset rounded down."""
    top, left = (pixels.shape[-3] - crop) // 2, (pixels.shape[-2] - crop) // 2
    return pixels[..., top : top + crop, left : left + crop, :]


def to_rgb(pixels: Pixels) -> Pixels:
    """(..., H, W, 1 or 3) -> (..., H, W, 3); a grey face is repeated."""
    return np.repeat(pixels, 3, axis=-1) if pixels.shape[-1] == 1 else pixels


def chunks(faces: PixelRows) -> Iterator[Pixels]:
    """All faces in order, CHUNK bytes at a time: uint8 (n, H, W, C)."""
    _, height, width, channels = faces.shape
    rows = max(1, CHUNK // (height * width * channels))
    for start in range(0, len(faces), rows):
        yield np.asarray(faces[start : start + rows])
