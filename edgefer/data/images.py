"""One image file -> one face, or one line about why not."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np

from edgefer.data.preprocess import Pixels, resize_face
from edgefer.data.scan import Face, Problem, printable
from edgefer.errors import BadData

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".webp")
_FORMATS = ("BMP", "JPEG", "PNG", "WEBP")


def leads_out(root: Path, path: Path) -> bool:
    """Whether a symbolic link takes `path` out of `root`."""
    return not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))


def require_inside(root: Path, path: Path) -> None:
    """Raise BadData when a symbolic link takes `path` out of `root`."""
    if leads_out(root, path):
        name = where(root, path)
        raise BadData(
            f"{root}: {name} is a symbolic link that leads out of the folder: put the files themselves there."
        )


def where(root: Path, path: Path) -> str:
    """How a message names a file of `root`."""
    return printable(path.relative_to(root).as_posix())


def read_face(root: Path, path: Path, size: int, label: int, split: int) -> Face | Problem:
    """The image at `path` as a face: uint8 (size, size, 1) if it is grey, else (size, size, 3)."""
    if leads_out(root, path):
        return Problem("a symbolic link that leads out of the folder", where(root, path))
    if path.is_dir():
        return Problem("a folder inside a class folder, must be an image", where(root, path))
    if path.suffix.lower() not in SUFFIXES:
        return Problem(f"not an image, must be one of {', '.join(SUFFIXES)}", where(root, path))
    if not path.is_file():
        return Problem("not a regular file", where(root, path))
    pixels = _decode(path, size)
    return Problem(pixels, where(root, path)) if isinstance(pixels, str) else Face(pixels, label, split)


def _decode(path: Path, size: int) -> Pixels | str:
    """The pixels, or the reason why there are none."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's remarks on metadata that isn't used here
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=_FORMATS) as image:
                face = resize_face(image, size)
                return np.ascontiguousarray(face[..., :1]) if _is_grey(image.mode) else face
    except UnidentifiedImageError:
        return f"broken, or no image of the kinds {', '.join(_FORMATS)}"
    except Exception as error:  # Pillow raises whatever the broken bytes provoke
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return f"broken image ({' '.join(reason.split())[:120]})"


def _is_grey(mode: str) -> bool:
    return mode in {"1", "L", "LA", "La"} or mode.startswith("I")
