"""Pictures with the faces drawn in, and where they go: files, a video, a window. Nothing half-written is left."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgefer.runtime.errors import NotSetUp, OutputFailed, WrongOptions
from edgefer.runtime.files import private_stage, require_folder, write_atomic, writing
from edgefer.runtime.frames import Frame, open_cv
from edgefer.runtime.predict import FacePrediction
from edgefer.runtime.preprocess import Pixels
from edgefer.runtime.process import defer_signals
from edgefer.runtime.sources import PICTURE_SUFFIXES, Source

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

_YELLOW, _BLACK = (255, 214, 0), (0, 0, 0)
_WRITTEN = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
_CODECS = {".mp4": "mp4v", ".avi": "MJPG"}
_OTHER = PICTURE_SUFFIXES | {".m4v", ".mkv", ".mov", ".mpeg", ".mpg", ".webm"}  # files that are not written here
_QUALITY = 92  # of JPEG and WebP
_RATE = 25.0  # frames per second, where the source doesn't say


def annotated(image: Pixels, faces: Sequence[FacePrediction]) -> Pixels:
    """A copy of the picture with each face's box, label and probability."""
    from PIL.Image import fromarray
    from PIL.ImageDraw import Draw

    picture = fromarray(image)  # a copy
    draw = Draw(picture)
    for each in faces:
        _draw(draw, each, picture.size)
    return np.asarray(picture)


def _draw(draw: ImageDraw, found: FacePrediction, size: tuple[int, int]) -> None:
    from PIL.ImageFont import load_default

    line = max(1, round(max(size) / 400))
    left, top, width, height = found.box
    right, bottom = min(left + width, size[0] - 1), min(top + height, size[1] - 1)
    left, top = max(0.0, min(left, right)), max(0.0, min(top, bottom))
    draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=_BLACK, width=line + 2)
    draw.rectangle((left, top, right, bottom), outline=_YELLOW, width=line)
    font = load_default(max(10.0, max(size) / 45))
    text = f"{found.label} {100 * found.probabilities[found.label]:.0f} %"
    _, _, across, down = draw.textbbox((0, 0), text, font=font)
    x = max(0.0, min(left, size[0] - across - 2 * line))
    y = top - down - 2 * line if top >= down + 2 * line else top  # above the face, or inside at the picture's edge
    draw.rectangle((x, y, x + across + 2 * line, y + down + 2 * line), fill=_YELLOW)
    draw.text((x + line, y + line), text, fill=_BLACK, font=font)


@dataclass
class Output:
    """Where annotated pictures and videos are written: one file, or a folder for any number of sources.

    Names in a folder are those of the sources; of two of the same name the second gets a number. The files of the
    sources themselves are protected: device and inode of each.
    """

    target: Path
    single: bool
    protected: frozenset[tuple[int, int]]
    _taken: set[Path] = field(default_factory=set)

    @classmethod
    def of(cls, target: Path, sources: Sequence[Source]) -> Output:
        """Check that it can be written: raises WrongOptions or OutputFailed, before anything is computed."""
        suffix = target.suffix.lower()
        single = not target.is_dir() and suffix in (*_WRITTEN, *_CODECS)
        if single:
            _require_fitting(target, sources)
        elif suffix in _OTHER and not target.is_dir():
            raise WrongOptions(f"--out {target} can't be written: end it with {_endings()}, or give a folder.")
        elif target.exists() and not target.is_dir():
            raise OutputFailed(f"{target} is a file: give a folder, or a file that ends with {_endings()}.")
        require_folder(target.parent if single else target)
        existing = [Path(each.place) for each in sources if each.kind in ("picture", "video")]
        return cls(target, single, frozenset(map(_identity, existing)))

    def path_for(self, source: Source) -> Path:
        """The file for this source. Raises OutputFailed if that is one of the sources."""
        if self.single:
            path = self.target
        else:
            stem, suffix = _name(source)
            path, number = self.target / f"{stem}{suffix}", 1
            while path in self._taken:
                number += 1
                path = self.target / f"{stem}-{number}{suffix}"
            self._taken.add(path)
        if path.exists() and _identity(path) in self.protected:
            raise OutputFailed(f"{path} is one of the sources: choose another folder with --out.")
        return path


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _require_fitting(target: Path, sources: Sequence[Source]) -> None:
    if len(sources) != 1:
        raise WrongOptions(f"--out {target} is one file for {len(sources)} sources: give a folder.")
    kinds = _WRITTEN if sources[0].kind == "picture" else _CODECS
    if target.suffix.lower() not in kinds:
        raise WrongOptions(f"--out {target} can't hold a {sources[0].kind}: end it with {', '.join(kinds)}.")


def _endings() -> str:
    return ", ".join((*_WRITTEN, *_CODECS))


def _name(source: Source) -> tuple[str, str]:
    if source.kind in ("picture", "video"):
        path = Path(source.place)
        kinds, default = (_WRITTEN, ".png") if source.kind == "picture" else (_CODECS, ".mp4")
        return (path.stem, path.suffix) if path.suffix.lower() in kinds else (path.name, default)
    return "".join(c if c.isalnum() else "-" for c in source.name).strip("-"), ".mp4"


def write_picture(path: Path, image: Pixels) -> None:
    """Write a picture as its name's ending says, as a whole or not at all."""
    from PIL.Image import fromarray

    content = io.BytesIO()
    fromarray(image).save(content, format=_WRITTEN[path.suffix.lower()], quality=_QUALITY)
    write_atomic(path, content.getvalue(), durable=False)  # there may be very many


class VideoFile:
    """A video that is written in a staging folder beside its place and moved when `finish` is called.

    `discard` leaves nothing; what a killed process leaves is swept by the next that writes there (leftovers.py).
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: Any = None
        self._part: Path | None = None
        self._staging = contextlib.ExitStack()
        self._size = (0, 0)

    def add(self, frame: Frame, image: Pixels) -> None:
        """Add a frame; a picture of another size than the first is brought to the first's."""
        cv2 = open_cv()
        if self._writer is None:
            self._size = (image.shape[1], image.shape[0])
            self._open(cv2, frame.rate or _RATE)
        bgr = np.ascontiguousarray(image[..., ::-1])
        if (image.shape[1], image.shape[0]) != self._size:
            bgr = cv2.resize(bgr, self._size)
        with defer_signals():
            self._writer.write(bgr)

    def _open(self, cv2: Any, rate: float) -> None:
        with defer_signals(), writing(self._path):
            stage = self._staging.enter_context(private_stage(self._path))
        self._part = stage / self._path.name
        code = cv2.VideoWriter_fourcc(*_CODECS[self._path.suffix.lower()])
        self._writer = cv2.VideoWriter(str(self._part), code, rate, self._size)
        if not self._writer.isOpened():
            raise OutputFailed(f"OpenCV can't write {self._path}: it has no encoder for {self._path.suffix} here.")

    def finish(self) -> Path | None:
        """Close the video and give it its name; None if no frame came."""
        if self._writer is None or self._part is None:
            return None
        with defer_signals(), writing(self._path):
            self._writer.release()
            self._part.chmod(0o644)
            self._part.replace(self._path)
            self._writer = self._part = None
            self._staging.close()
        return self._path

    def discard(self) -> None:
        """Leave nothing of a video that is not finished."""
        with defer_signals():
            if self._writer is not None:
                self._writer.release()
            self._writer = self._part = None
            self._staging.close()


@contextlib.contextmanager
def window() -> Iterator[Window]:
    """A window, closed with the block. Raises NotSetUp where there is no screen or OpenCV has no windows."""
    cv2 = open_cv()
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise NotSetUp("--show needs a screen: neither DISPLAY nor WAYLAND_DISPLAY is set; use --out instead.")
    try:
        cv2.namedWindow(Window.TITLE, cv2.WINDOW_NORMAL)
    except cv2.error as error:
        raise NotSetUp(
            "--show needs an OpenCV with windows, the installed one has none: "
            "run pip install opencv-python in place of opencv-python-headless, or use --out."
        ) from error
    try:
        yield Window(cv2)
    finally:
        cv2.destroyAllWindows()


class Window:
    """Shows pictures; the key q or Esc, or closing it, ends the run."""

    TITLE = "edgefer"

    def __init__(self, cv2: Any) -> None:
        self._cv2 = cv2

    def show(self, image: Pixels, wait: bool) -> bool:
        """Show a picture, with `wait` until a key is pressed; False if the user wants to end."""
        self._cv2.imshow(self.TITLE, np.ascontiguousarray(image[..., ::-1]))
        while True:
            key = self._cv2.waitKey(50 if wait else 1) & 0xFF
            if key in (ord("q"), 27) or self._cv2.getWindowProperty(self.TITLE, self._cv2.WND_PROP_VISIBLE) < 1:
                return False
            if not wait or key != 0xFF:
                return True
