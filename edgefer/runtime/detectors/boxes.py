"""What detectors with many overlapping boxes share. A box is (left, top, right, bottom)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def overlaps(box: Floats, boxes: Floats, share_of: Literal["union", "smaller"] = "union") -> Floats:
    """What `box` (4) has in common with each of `boxes` (N, 4), as a share of both's union or of the smaller: (N)."""
    width = np.minimum(box[2], boxes[:, 2]) - np.maximum(box[0], boxes[:, 0])
    height = np.minimum(box[3], boxes[:, 3]) - np.maximum(box[1], boxes[:, 1])
    common = width.clip(0) * height.clip(0)
    area, areas = areas_of(box[None])[0], areas_of(boxes)
    whole = area + areas - common if share_of == "union" else np.minimum(area, areas)
    shares: Floats = common / np.maximum(whole, 1e-9)
    return shares


def areas_of(boxes: Floats) -> Floats:
    """(N, 4) -> (N)."""
    areas: Floats = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return areas


def suppress(
    boxes: Floats, scores: Floats, most: float, share_of: Literal["union", "smaller"] = "union"
) -> NDArray[np.intp]:
    """Non-maximum suppression: the indices of boxes that overlap no better one by more than `most`, the best first."""
    kept, order = [], np.argsort(-scores, kind="stable")
    while order.size:
        best, order = order[0], order[1:]
        kept.append(best)
        order = order[overlaps(boxes[best], boxes[order], share_of) <= most]
    return np.array(kept, dtype=np.intp)
