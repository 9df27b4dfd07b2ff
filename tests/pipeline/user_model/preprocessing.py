"""Preprocessing as users write it: the other side of every comparison here, sharing nothing with edgefer's own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def preprocess(
    faces: NDArray[np.uint8],
    side: int,
    color: str,
    limits: Sequence[float],
    mean: Sequence[float],
    std: Sequence[float],
) -> Tensor:
    """uint8 (N, H, W, 1 or 3), R, G, B -> float32 (N, C, side, side)."""
    cut = (faces.shape[1] - side) // 2
    cropped = faces[:, cut : cut + side, cut : cut + side].astype(np.float64)
    red, green, blue = (cropped[..., i % cropped.shape[3]] for i in range(3))
    shade = 0.299 * red + 0.587 * green + 0.114 * blue
    channels = {"rgb": [red, green, blue], "bgr": [blue, green, red], "grey": [shade] * len(mean)}[color]
    low, high = limits
    values = [(low + c / 255 * (high - low) - m) / s for c, m, s in zip(channels, mean, std, strict=True)]
    return torch.from_numpy(np.stack(values, axis=1).astype(np.float32))
