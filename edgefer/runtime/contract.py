"""The preprocessing contract: everything an app must do to a face, and what it gets back.

Written into every bundle's manifest and followed, from there, by edgefer's own runtimes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgefer.runtime.preprocess import centre_crop, resize_pixels, to_rgb

Point = tuple[float, float]
# How a face is cut out: by its box, by its box turned to the line of the eyes, by its points, or stretched as it is.
Alignment = Literal["box", "eyes", "points", "stretch"]
Layout = Literal["NHWC", "NCHW"]
Meaning = Literal["probabilities", "independent probabilities"]
_SIDE_LIMIT, _MARGIN_LIMIT, _VALUE_LIMIT = 4096, 10, 1_000_000  # pixels; sides of the box; of a pixel, scale or mean
_VALUES_LIMIT, _LABELS_LIMIT, _LABEL_LIMIT = 2**26, 10_000, 200  # of a tensor; labels; characters of one


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
    box_share  with "points", how much the square of "eyes" counts beside that of the points, from 0 to 1: points are
            more exact, but those of a face that looks aside are drawn to that side
    """

    dx: float = 0.0
    dy: float = 0.0
    side: float = 1.0
    align: Alignment = "box"
    points: tuple[Point, ...] = ()
    box_share: float = 0.0


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


def contract_faults(contract: Contract) -> Iterator[str]:
    """What of a contract is out of all bounds, in words that go on after "the bundle:"; nothing of one that was built.

    A file that says so would cost memory or time without end, or pass checks that it should not.
    """
    if not 1 <= contract.crop <= contract.resize <= _SIDE_LIMIT:
        yield f"its crop {contract.crop} and resize {contract.resize} are not 1 <= crop <= resize <= {_SIDE_LIMIT}"
    if not 0 <= contract.face_margin <= _MARGIN_LIMIT:
        yield f"its face_margin {contract.face_margin:g} is not from 0 to {_MARGIN_LIMIT}"
    if not all(abs(value) <= _VALUE_LIMIT for value in (*contract.value_range, *contract.mean)):
        yield f"its value_range and mean are not within {_VALUE_LIMIT:,}"
    if not all(0 < value <= _VALUE_LIMIT for value in contract.deviation):
        yield f"its deviation is not above 0 and at most {_VALUE_LIMIT:,}"
    for name, face_map in (contract.face_maps or {}).items():
        numbers = (face_map.dx, face_map.dy, *(value for point in face_map.points for value in point))
        if not 0 < face_map.side <= _MARGIN_LIMIT or any(abs(value) > _MARGIN_LIMIT for value in numbers):
            yield f"its face map {name!r:.99} is further from the box than {_MARGIN_LIMIT} of its sides"
        if face_map.align == "points" and len(set(face_map.points)) < 2:
            yield f"its face map {name!r:.99} is to be fitted to points and has no two different ones"
        if not 0 <= face_map.box_share <= 1:
            yield f"its face map {name!r:.99} has the box_share {face_map.box_share:g}, which is not from 0 to 1"
    for which, spec in (("input", contract.input), ("output", contract.output)):
        yield from (f"its {which} {fault}" for fault in _tensor_faults(spec))
    wrong = [label for label in contract.labels if not label.isprintable() or not 0 < len(label) <= _LABEL_LIMIT]
    if wrong or not 0 < len(contract.labels) <= _LABELS_LIMIT:
        yield f"its labels are not 1 to {_LABELS_LIMIT:,} printable ones of at most {_LABEL_LIMIT} characters"


def _tensor_faults(spec: TensorSpec) -> Iterator[str]:
    if not spec.shape or not all(side > 0 for side in spec.shape) or prod(spec.shape) > _VALUES_LIMIT:
        yield f"of the shape {spec.shape!s:.120} has no values, or more than {_VALUES_LIMIT:,}"
    if spec.scale is not None and not 0 < spec.scale <= _VALUE_LIMIT:
        yield f"has the scale {spec.scale:g}, must be above 0 and at most {_VALUE_LIMIT:,}"
    if spec.zero_point is not None and not -128 <= spec.zero_point <= 127:
        yield f"has the zero point {spec.zero_point}, must be from -128 to 127"


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
