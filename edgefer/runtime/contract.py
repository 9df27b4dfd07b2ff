"""The preprocessing contract: everything an app must do to a face, and what it gets back.

Written into every bundle's manifest and followed, from there, by edgefer's own runtimes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgefer.runtime.preprocess import centre_crop, resize_pixels, to_rgb

Point = tuple[float, float]
# How a face is cut out: by its box, by its box turned to the line of the eyes, by its points, or stretched as it is.
Alignment = Literal["box", "eyes", "points", "stretch"]
Layout = Literal["NHWC", "NCHW"]
Meaning = Literal["probabilities", "independent probabilities"]


@dataclass(frozen=True)
class TensorSpec:
    """One input or output as the file has it; scale and zero point are None for float tensors."""

    name: str
    shape: tuple[int, ...]
    dtype: Literal["float32", "int8"]
    scale: float | None = None
    zero_point: int | None = None


@dataclass(frozen=True)
class FaceMap:
    """From a detector's box to the square that FER2013 would have framed.

    dx, dy  from the box's centre to the square's, as shares of the box's longer side
    side    of the square, as a share of the box's longer side
    align   "box": the square is upright; "eyes": box and square are turned by the face's roll; "points": the square
            is the one in which the face's points fall closest (least squares) to `points`, or as "eyes" where the
            face has none; "stretch": the box itself, stretched to a square
    points  where the detector's points are in FER2013's square, whose sides are 1; median of faces of Training
    """

    dx: float = 0.0
    dy: float = 0.0
    side: float = 1.0
    align: Alignment = "box"
    points: tuple[Point, ...] = ()


@dataclass(frozen=True)
class Contract:
    """From a face box in a camera frame to the input tensor, and from the output tensor to a label.

    face         what to cut out; face_margin is a fraction of the box's side, added on each side
    resize, crop pixels: resize to resize x resize with `kernel`, keep the centre crop x crop
    value_range  what a pixel value is before `input` is quantised; mean and deviation are those
                 the app must apply: 0 and 1, because the model holds the real ones
    grey         the formula inside the model
    output       in the order of `labels`
    meaning      of the outputs: "probabilities" sum to 1; "independent probabilities" are from 0 to 1 each, whatever
                 the others are (a network with a sigmoid, of which several labels may hold)
    face_maps    from each detector's box to `face`, by the detector's name; None in bundles of earlier versions
    """

    face: str
    face_margin: float
    colour_order: Literal["RGB"]
    grey: str
    resize: int
    kernel: str
    crop: int
    layout: Layout
    value_range: tuple[int, int]
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    input: TensorSpec
    output: TensorSpec
    meaning: Meaning
    labels: tuple[str, ...]
    face_maps: dict[str, FaceMap] | None = None


def to_pixels(faces: NDArray[np.uint8], contract: Contract) -> NDArray[np.uint8]:
    """Face boxes uint8 (N, H, W, 1 or 3) -> what the model is to see: uint8 (N, crop, crop, 3), R, G, B."""
    return centre_crop(resize_pixels(to_rgb(faces), contract.resize), contract.crop)


def to_input(pixels: NDArray[np.uint8], contract: Contract) -> NDArray[Any]:
    """uint8 (N, crop, crop, 3) -> the model's input in its layout and dtype."""
    ordered = pixels if contract.layout == "NHWC" else pixels.transpose(0, 3, 1, 2)
    return quantise(np.ascontiguousarray(ordered, dtype=np.float32), contract.input)


def quantise(values: NDArray[np.float32], spec: TensorSpec) -> NDArray[Any]:
    """Real values -> what the tensor stores, rounded half to even and clipped."""
    if spec.scale is None or spec.zero_point is None:
        return values
    limits = np.iinfo(spec.dtype)
    stored: NDArray[Any] = np.clip(np.rint(values / spec.scale) + spec.zero_point, limits.min, limits.max).astype(
        spec.dtype
    )
    return stored


def dequantise(stored: NDArray[Any], spec: TensorSpec) -> NDArray[np.float32]:
    """What the tensor stores -> real values."""
    if spec.scale is None or spec.zero_point is None:
        return stored.astype(np.float32)
    return ((stored.astype(np.float32) - spec.zero_point) * spec.scale).astype(np.float32)
