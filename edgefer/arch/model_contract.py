"""What edgefer knows of a network that is not its own. Light: imported by the table of networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgefer.runtime.preprocess import LUMA, PIXEL_MAX

Color = Literal["grey", "rgb", "bgr"]
Output = Literal["logits", "probabilities"]

_FROM = {
    "rgb": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "bgr": ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)),
}


@dataclass(frozen=True)
class Affine:
    """From pixels 0..255 to what a network takes: channel c is sum(weights[c] * (R, G, B)) + shift[c].

    A single row stands for every channel, however many there are.
    """

    weights: tuple[tuple[float, ...], ...]
    shift: tuple[float, ...]


def grey_affine(input_min: float = 0.0) -> Affine:
    """What edgefer's networks learned on: a grey face from input_min (black) to 1, the same on every channel."""
    return Affine(weights=(tuple(part * (1 - input_min) / PIXEL_MAX for part in LUMA),), shift=(input_min,))


@dataclass(frozen=True)
class ModelContract:
    """Where a network came from and what it takes and gives.

    source       "mypkg.net:make" or "theirs.onnx"
    sha256       of the file of weights, or the ONNX file
    color        of its channels
    value_range  what pixels 0..255 become
    mean, std    per channel, of those values: (value - mean) / std goes in
    output       what its last layer gives
    """

    source: str
    sha256: str
    color: Color
    value_range: tuple[float, float]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    output: Output

    @property
    def affine(self) -> Affine:
        """The user's preprocessing as one linear map of each pixel."""
        low, high = self.value_range
        colours = _FROM.get(self.color, (LUMA,) * len(self.mean))
        scale = [(high - low) / PIXEL_MAX / std for std in self.std]
        return Affine(
            weights=tuple(tuple(s * part for part in row) for s, row in zip(scale, colours, strict=True)),
            shift=tuple((low - mean) / std for mean, std in zip(self.mean, self.std, strict=True)),
        )
