"""The frames of a source: of pictures by Pillow, of everything that moves by OpenCV, as one kind of frame.

OpenCV is imported when the first source that moves is opened.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgefer.runtime.classifier import read_image
from edgefer.runtime.errors import BadData, MissingEngine, MissingFile, NoFrames
from edgefer.runtime.image_file import IMAGE_FORMATS
from edgefer.runtime.preprocess import Pixels
from edgefer.runtime.sources import Source, looks_like_video

_FFMPEG_OPTIONS, _PROBE = "OPENCV_FFMPEG_CAPTURE_OPTIONS", "probesize;200000|analyzeduration;500000"  # bytes, µs
_MISSING_SHARE = 0.02  # of the frames that a container promises: its count is often an estimate


@dataclass(frozen=True)
class Frame:
    """An upright picture, uint8 (H, W, 3) in RGB order; its place in the source, and the time of a moving one."""

    index: int
    seconds: float | None
    image: Pixels
    rate: float | None = None  # frames per second, as the source says


def frames(source: Source) -> Generator[Frame, None, None]:
    """The frames of a source. Raises BadData, MissingFile, NoFrames or MissingEngine, a moving one also in the end."""
    if source.kind == "picture":
        yield Frame(0, None, read_image(source.place))
    else:
        yield from _moving(source)


def import_decoders(sources: Sequence[Source]) -> None:
    """Import what decodes these sources, which takes longer than most frames; raises MissingEngine."""
    from PIL.Image import preinit

    preinit()
    if any(source.kind != "picture" for source in sources):
        open_cv()


def open_cv() -> Any:
    """OpenCV, told not to write to the terminal; raises MissingEngine."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    try:
        import cv2
    except ModuleNotFoundError as error:
        raise MissingEngine.of("opencv-python-headless", "predict") from error
    return cv2


def _moving(source: Source) -> Generator[Frame, None, None]:
    _require_readable(source)
    cv2 = open_cv()
    with _quick_probe(source):
        capture = cv2.VideoCapture(int(source.place) if source.kind == "camera" else source.place)
    try:
        if not capture.isOpened():
            raise _unopened(source)
        yield from _read(cv2, capture, source)
    finally:
        capture.release()


@contextlib.contextmanager
def _quick_probe(source: Source) -> Iterator[None]:
    """Let FFmpeg look at little of a pipe or TCP stream before the first frame: by default 5 MB, many seconds of JPEGs.

    OpenCV takes FFmpeg's options from the environment only. What the user has set there stays.
    """
    if not source.bare or _FFMPEG_OPTIONS in os.environ:
        yield
        return
    os.environ[_FFMPEG_OPTIONS] = _PROBE
    try:
        yield
    finally:
        del os.environ[_FFMPEG_OPTIONS]


def _read(cv2: Any, capture: Any, source: Source) -> Generator[Frame, None, None]:
    promised = capture.get(cv2.CAP_PROP_FRAME_COUNT) if source.kind == "video" else 0
    rate = capture.get(cv2.CAP_PROP_FPS)
    rate = float(rate) if 0 < rate <= 1000 else None
    start, count, last = time.monotonic(), 0, -1.0
    while True:
        read, image = capture.read()
        if not read:
            break
        seconds = time.monotonic() - start if source.live else capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if not source.live and seconds <= last:  # a container without times
            seconds = last + 1 / (rate or 25.0)
        last = seconds
        yield Frame(count, round(seconds, 3), np.ascontiguousarray(image[..., ::-1]), rate)
        count += 1
    if not count:
        advice = "that nothing else has it open" if source.kind == "camera" else "that it can be played"
        raise NoFrames(f"{source.name} opens, but gives no frame: check {advice}.")
    if promised - count > max(2.0, _MISSING_SHARE * promised):
        raise BadData(
            f"{source.name} ends after {count} frames, it promises {promised:.0f}: the file is cut off or damaged; "
            "what was read before is told."
        )
    if source.kind == "camera":
        raise NoFrames(f"{source.name} gave {count} frames and then none: connect it again.")


def _require_readable(source: Source) -> None:
    """Raise what the system says of the file or camera, before OpenCV only says that it can't open it."""
    if source.kind == "stream":
        return
    path = Path(f"/dev/video{source.place}") if source.kind == "camera" else Path(source.place)
    if source.kind == "camera" and sys.platform != "linux":
        return
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
    except OSError as error:
        if source.kind != "camera":
            raise MissingFile(f"can't open {path} ({error.strerror}): check the path and its permissions.") from error
        there = ", ".join(sorted(str(each) for each in Path("/dev").glob("video*"))) or "none"
        if isinstance(error, FileNotFoundError):
            raise NoFrames(f"no {source.name}: there is no {path} (cameras here: {there}).") from error
        raise NoFrames(
            f"can't open {path} ({error.strerror}): check its permissions and who else has it open."
        ) from error
    if source.kind == "video" and not path.stat().st_size:
        raise BadData(f"{source.name} is empty: it has 0 bytes.")


def _unopened(source: Source) -> Exception:
    if source.kind == "video" and looks_like_video(Path(source.place)):
        return BadData(f"{source.name} begins like a video, but OpenCV can't open it: copy it again or convert it.")
    if source.kind == "video":
        kinds = ", ".join(IMAGE_FORMATS)
        return BadData(f"{source.name} is neither an image of the kinds {kinds} nor a video that OpenCV can open.")
    if source.kind == "camera":
        return NoFrames(
            f"OpenCV can't open {source.name}, though /dev/video{source.place} is there: it is no camera, or another "
            "program has it; try another number."
        )
    return NoFrames(f"OpenCV can't open the stream {source.name}: check the address, and that it is being sent.")
