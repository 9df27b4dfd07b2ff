"""Image files -> faces, or one line about each that is none."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgefer.data.listing import WHOLE, Box, Entry, Listing, ReadOptions, UnreadableFile
from edgefer.data.source_files import SUFFIXES, leads_out, where
from edgefer.runtime.preprocess import IMAGE_FORMATS, Pixels, resize_face, to_rgb

if TYPE_CHECKING:
    from PIL.Image import Image

LARGE = 256 << 20  # bytes of decoded faces, counted as RGB: 38,836 faces of 48 x 48, 1,783 of 224 x 224
_EVERY = 500  # images from one report of progress to the next


def in_memory(listing: Listing, size: int, options: ReadOptions) -> tuple[Pixels, dict[int, str]]:
    """The faces that can be read, uint8 (N, size, size, C), and a line by number about each of the others."""
    faces, problems = [], {}
    for number, face in enumerate(decoded(listing, size, options)):
        if isinstance(face, UnreadableFile):
            problems[number] = face.line(number)
        else:
            faces.append(face)
    return stack(faces), problems


def decoded(listing: Listing, size: int, options: ReadOptions) -> Iterator[Pixels | UnreadableFile]:
    """One after the other, uint8 (size, size, 1 or 3), or why there is none."""
    for number, entry in enumerate(listing):
        if number % _EVERY == 0:
            options.tick(number, len(listing))
        yield entry if isinstance(entry, UnreadableFile) else read_face(listing.root, entry, size)


def stack(faces: Sequence[Pixels]) -> Pixels:
    """Faces (H, W, 1 or 3) as one array (N, H, W, C): one that has colour makes all of them RGB."""
    if not faces:
        return np.empty((0, 1, 1, 1), dtype=np.uint8)
    grey = all(face.shape[2] == 1 for face in faces)
    return np.stack([face if grey else to_rgb(face) for face in faces])


def read_face(root: Path, entry: Entry, size: int) -> Pixels | UnreadableFile:
    """The image of `entry` as a face: uint8 (size, size, 1) if it is grey, else (size, size, 3)."""
    path = root / entry.path
    if leads_out(root, path):
        return UnreadableFile("a symbolic link that leads out of the folder", where(root, path))
    if path.is_dir():
        return UnreadableFile("a folder inside a class folder, must be an image", where(root, path))
    if path.suffix.lower() not in SUFFIXES:
        return UnreadableFile(f"not an image, must be one of {', '.join(SUFFIXES)}", where(root, path))
    if not path.is_file():
        return UnreadableFile("not a regular file", where(root, path))
    pixels = _decode(path, size, entry.box)
    return UnreadableFile(pixels, where(root, path)) if isinstance(pixels, str) else pixels


def _decode(path: Path, size: int, box: Box) -> Pixels | str:
    """The pixels, or the reason why there are none."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's remarks on metadata that isn't used here
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=IMAGE_FORMATS) as image:
                if box != WHOLE and not _inside(box, image.size):
                    return f"face box {box}, must lie in the image, {image.width} x {image.height}"
                face = resize_face(image if box == WHOLE else _cut(image, box), size)
                return np.ascontiguousarray(face[..., :1]) if _is_grey(image.mode) else face
    except UnidentifiedImageError:
        return f"broken, or no image of the kinds {', '.join(IMAGE_FORMATS)}"
    except Exception as error:  # Pillow raises whatever the broken bytes provoke
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return f"broken image ({' '.join(reason.split())[:120]})"


def _inside(box: Box, size: tuple[int, int]) -> bool:
    left, top, width, height = box
    return left >= 0 and top >= 0 and width > 0 and height > 0 and left + width <= size[0] and top + height <= size[1]


def _cut(image: Image, box: Box) -> Image:
    left, top, width, height = box
    return image.crop((left, top, left + width, top + height))


def _is_grey(mode: str) -> bool:
    return mode in {"1", "L", "LA", "La"} or mode.startswith("I")
