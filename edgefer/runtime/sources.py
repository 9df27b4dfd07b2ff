"""What the user names as a source of pictures: files, folders, globs, videos, addresses, pipes and cameras."""

from __future__ import annotations

import glob
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgefer.runtime.errors import BadData, EmptyData, MissingFile
from edgefer.runtime.image_file import is_picture

Kind = Literal["picture", "video", "stream", "camera"]
PICTURE_SUFFIXES = frozenset(
    (".bmp", ".gif", ".jpeg", ".jpg", ".jp2", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
)
_CAMERA = re.compile(r"/dev/video(\d+)")
_PASSWORD = re.compile(r"(?<=://)[^/?#]*@")  # of an address, with the user's name: output ends in logs
_HEAD = 16  # bytes of a file by which a video is recognised


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

    @property
    def bare(self) -> bool:
        """Whether it is a stream of bytes without a protocol that says what comes: a pipe or a TCP connection."""
        return self.kind == "stream" and self.place.partition("://")[0] in ("tcp", self.place)


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
        elif looks_like_video(path):
            sources.append(Source(str(path), "video", str(path)))
        else:
            others.append(path)
    return sources, others


def _looks_like_picture(path: Path) -> bool:
    """By content; a file that is called a picture and is none is told of by name, not left out."""
    return path.suffix.lower() in PICTURE_SUFFIXES or is_picture(path)


def looks_like_video(path: Path) -> bool:
    """By the first bytes: MP4 and MOV, AVI, Matroska and WebM, MPEG, Ogg, FLV and ASF."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    starts = (b"\x1aE\xdf\xa3", b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3", b"OggS", b"FLV", b"0&\xb2u")
    return head[4:8] == b"ftyp" or (head[:4] == b"RIFF" and head[8:12] == b"AVI ") or head.startswith(starts)
