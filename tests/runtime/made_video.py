"""Videos made for tests; a test that needs one is skipped where OpenCV is not installed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgefer.runtime.frames import open_cv

SIZE, FRAMES, RATE = (64, 48), 12, 10.0  # width x height, frames per second


def write_video(path: Path, frames: int = FRAMES) -> Path:
    """A red square that moves to the right on grey, a frame a tenth of a second."""
    cv2 = pytest.importorskip("cv2", reason="needs opencv-python-headless: pip install 'edgefer[predict]'")
    code = cv2.VideoWriter_fourcc(*("MJPG" if path.suffix == ".avi" else "mp4v"))
    writer = cv2.VideoWriter(str(path), code, RATE, SIZE)
    for index in range(frames):
        picture = np.full((SIZE[1], SIZE[0], 3), 128, dtype=np.uint8)
        picture[8:24, 2 * index : 2 * index + 16] = (0, 0, 255)  # OpenCV's order is blue, green, red
        writer.write(picture)
    writer.release()
    return path


def count_frames(path: Path) -> int:
    """How many frames a video gives."""
    capture, count = open_cv().VideoCapture(str(path)), 0
    while capture.read()[0]:
        count += 1
    capture.release()
    return count
