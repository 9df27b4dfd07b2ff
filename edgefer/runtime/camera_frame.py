"""End to end: a made camera frame, and everything an app does from it to a label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgefer.runtime import contract, golden
from edgefer.runtime.contract import Contract
from edgefer.runtime.engines import Model

WIDTH, HEIGHT = 640, 480
ENLARGED = 2  # the golden picture, 96 pixels wide, as a face 192 pixels wide


@dataclass(frozen=True)
class Box:
    """Where a face detector says the face is, in pixels of the frame."""

    left: int
    top: int
    side: int


BOX = Box(224, 144, ENLARGED * golden.SIDE)


def frame() -> NDArray[np.uint8]:
    """uint8 (480, 640, 3), R, G, B: a ramp of grey with the golden picture's face in BOX."""
    ramp = np.add.outer(np.arange(HEIGHT) // 4, np.arange(WIDTH) // 5)[..., None]
    made = np.repeat(ramp, 3, axis=2).astype(np.uint8)
    face = golden.picture().repeat(ENLARGED, axis=0).repeat(ENLARGED, axis=1)
    made[BOX.top : BOX.top + BOX.side, BOX.left : BOX.left + BOX.side] = face
    return made


def pixels(camera: NDArray[np.uint8], box: Box, agreed: Contract) -> NDArray[np.uint8]:
    """Cut the face out and resize it: uint8 (1, crop, crop, 3)."""
    margin = round(agreed.face_margin * box.side)
    top, left = max(0, box.top - margin), max(0, box.left - margin)
    face = camera[top : box.top + box.side + margin, left : box.left + box.side + margin]
    return contract.to_pixels(face[None], agreed)


def label(camera: NDArray[np.uint8], box: Box, agreed: Contract, model: Model) -> str:
    """The label of the face in the box."""
    returned = model.run(contract.to_input(pixels(camera, box, agreed), agreed))
    return agreed.labels[int(returned.argmax())]
