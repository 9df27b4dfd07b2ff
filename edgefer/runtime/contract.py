"""The preprocessing contract: everything an app must do to a face, and what it gets back.

Written into every bundle's manifest and followed, from there, by edgefer's own runtimes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgefer.runtime.preprocess import centre_crop, resize_pixels, to_rgb

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
