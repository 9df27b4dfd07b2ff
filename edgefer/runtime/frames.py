"""Where pictures come from: files, folders, globs, videos, streams and cameras, as one kind of frame.

Pictures need Pillow. Everything that moves needs OpenCV, which is imported when the first such source is opened.
"""

from __future__ import annotations

import glob
import os
import re
import stat
import sys
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from edgefer.runtime.classifier import read_image
from edgefer.runtime.errors import BadData, EmptyData, MissingEngine, MissingFile, NoFrames
from edgefer.runtime.image_file import IMAGE_FORMATS, is_picture
from edgefer.runtime.preprocess import Pixels

Kind = Literal["picture", "video", "stream", "camera"]
PICTURE_SUFFIXES = frozenset(
    (".bmp", ".gif", ".jpeg", ".jpg", ".jp2", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
)
_CAMERA = re.compile(r"/dev/video(\d+)")
_PASSWORD = re.compile(r"(?<=://)[^/?#]*@")  # of an address, with the user's name: output ends in logs
_HEAD = 16  # bytes of a file by which a video is recognised
_MISSING_SHARE = 0.02  # of the frames that a container promises: its count is often an estimate


@dataclass(frozen=True)
class Source:
    """One picture, video, stream or camera. `name` is what the user sees; `place` a path, an address or a number."""

    name: str
    kind: Kind
    place: str

    @property
    def live(self) -> bool:
        """Whether it goes on until somebody ends it."""
        return self.kind in ("stream", "camera")


@dataclass(frozen=True)
class Frame:
    """An upright picture, uint8 (H, W, 3) in RGB order; its place in the source, and the time of a moving one."""

    index: int
    seconds: float | None
    image: Pixels
    rate: float | None = None  # frames per second, as the source says


@dataclass(frozen=True)
class Listing:
    """The sources that were found, and the files in folders that are neither picture nor video."""

    sources: Sequence[Source]
    others: Sequence[Path]


def list_sources(texts: Sequence[str], camera: int | None = None) -> Listing:
    """What the user's words name, in their order; files of a folder by name. "-" is standard input.

    Raises MissingFile for a path or glob that names nothing, BadData for a device that is no camera, EmptyData for
    folders without a picture or video.
    """
    sources, others = [], []
    for text in texts:
        if text == "-":
            sources.append(Source("standard input", "stream", "pipe:0"))
            continue
        if "://" in text:
            sources.append(Source(_PASSWORD.sub("", text), "stream", text))
            continue
        for path in _paths(text):
            if path.is_dir():
                inside, skipped = _of_folder(path)
                sources += inside
                others += skipped
            else:
                sources.append(_of_path(path))
    if camera is not None:
        sources.append(Source(f"camera {camera}", "camera", str(camera)))
    if not sources:
        raise EmptyData(f"no picture and no video in {', '.join(texts)}: give pictures, or a folder that holds some.")
    return Listing(sources, others)


def _of_path(path: Path) -> Source:
    """A file is told by its content. A pipe and a device are not looked into: what is read of them is gone."""
    mode = path.stat().st_mode
    if stat.S_ISFIFO(mode):
        return Source(str(path), "stream", str(path))
    if stat.S_ISREG(mode):
        return Source(str(path), "picture" if _looks_like_picture(path) else "video", str(path))
    camera = _CAMERA.fullmatch(str(path.resolve()))
    if camera is None:
        raise BadData(f"{path} is neither a file nor a pipe nor a camera: give one of these.")
    return Source(str(path), "camera", camera[1])


def _paths(text: str) -> Sequence[Path]:
    path = Path(text)
    if text and path.exists():
        return [path]
    if glob.has_magic(text):
        matched = [Path(each) for each in sorted(glob.glob(text, recursive=True))]  # noqa: PTH207 (Path.glob takes no absolute one)
        if matched:
            return matched
        raise MissingFile(f"no file matches {text}: check the pattern.")
    raise MissingFile(f"no picture, video or folder at {text or 'an empty path'}: check the path.")


def _of_folder(folder: Path) -> tuple[list[Source], list[Path]]:
    """The pictures and videos under a folder, and the files that are neither; hidden ones are left out."""
    sources, others = [], []
    for path in sorted(folder.rglob("*")):
        if any(part.startswith(".") for part in path.relative_to(folder).parts) or not path.is_file():
            continue
        if _looks_like_picture(path):
            sources.append(Source(str(path), "picture", str(path)))
        elif _looks_like_video(path):
            sources.append(Source(str(path), "video", str(path)))
        else:
            others.append(path)
    return sources, others


def _looks_like_picture(path: Path) -> bool:
    """By content; a file that is called a picture and is none is told of by name, not left out."""
    return path.suffix.lower() in PICTURE_SUFFIXES or is_picture(path)


def _looks_like_video(path: Path) -> bool:
    """By the first bytes: MP4 and MOV, AVI, Matroska and WebM, MPEG, Ogg, FLV and ASF."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    starts = (b"\x1aE\xdf\xa3", b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3", b"OggS", b"FLV", b"0&\xb2u")
    return head[4:8] == b"ftyp" or (head[:4] == b"RIFF" and head[8:12] == b"AVI ") or head.startswith(starts)


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
    capture = cv2.VideoCapture(int(source.place) if source.kind == "camera" else source.place)
    try:
        if not capture.isOpened():
            raise _unopened(source)
        yield from _read(cv2, capture, source)
    finally:
        capture.release()


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
    except FileNotFoundError as error:
        there = ", ".join(sorted(str(each) for each in Path("/dev").glob("video*"))) or "none"
        raise NoFrames(f"no {source.name}: there is no {path} (cameras here: {there}).") from error
    except OSError as error:
        kind = NoFrames if source.kind == "camera" else MissingFile
        raise kind(f"can't open {path} ({error.strerror}): check its permissions and who else has it open.") from error
    if source.kind == "video" and not path.stat().st_size:
        raise BadData(f"{source.name} is empty: it has 0 bytes.")


def _unopened(source: Source) -> Exception:
    if source.kind == "video" and _looks_like_video(Path(source.place)):
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
