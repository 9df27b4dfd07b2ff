"""Image files as pictures: which kinds are opened, which side is up, how many bits a value has.

Needs numpy and Pillow only: the Python API and the readers of data sets decode with the same functions.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgefer.runtime.files import BoundedFile

if TYPE_CHECKING:
    from PIL.Image import Image

# Raster images that Pillow decodes itself. It has more kinds, some of which start other programs (EPS, PDF).
IMAGE_FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
_ORIENTATION = 0x0112  # EXIF's tag: 1 is upright, 2 to 8 are turned or mirrored
DEPTHS = (8, 10, 12, 14, 16)  # bits of a value in a file of 16 bits
_LEAST_PEAK = 1 << 12  # a 16-bit picture with no larger value is black to the eye, or has 12 bits or less
_MEGA = 1_000_000


class UnusableImage(Exception):
    """Why a file gives no picture, in words that go on after "the image is"."""


@dataclass(frozen=True)
class Picture:
    """A decoded picture, upright.

    image  in the file's own mode
    peak   the largest value of a file with 16 bits a value; None for 8 bits. Of colour Pillow keeps the upper byte
           only, so the peak is the largest that it can have been
    """

    image: Image
    peak: int | None


def read_picture(path: Path) -> Picture:
    """The first picture of a file, recognised by its content.

    Raises OSError if the file can't be opened, UnusableImage if it is no picture, too large, or broken.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with _without_remarks(), BoundedFile(path) as file, Image.open(file, formats=IMAGE_FORMATS) as image:
            lost = _keeps_the_upper_byte(image)
            turned = upright(image)
    except UnidentifiedImageError as error:
        empty = "" if path.stat().st_size else " (the file is empty)"
        raise UnusableImage(f"broken, or no image of the kinds {', '.join(IMAGE_FORMATS)}{empty}") from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise UnusableImage(_too_large(path)) from error
    except (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError):
        raise
    except Exception as error:  # Pillow raises whatever the broken bytes provoke
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise UnusableImage(f"a broken image ({' '.join(reason.split())[:120]})") from error
    if turned.mode == "F":
        raise UnusableImage("an image of floating-point values, must be 8 or 16 bits: convert it")
    return Picture(turned, peak(turned, lost))


def is_picture(path: Path) -> bool:
    """Whether the head of a file is that of an image which `read_picture` knows; nothing is decoded."""
    from PIL import Image

    try:
        with _without_remarks(), BoundedFile(path) as file, Image.open(file, formats=IMAGE_FORMATS):
            return True
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        return True
    except Exception:  # Pillow raises whatever the broken bytes provoke
        return False


def upright(image: Image) -> Image:
    """The picture as its EXIF orientation says that it is to be shown; decoded.

    A picture that was cropped or converted keeps the tag in Pillow, and is turned too. Broken EXIF data are ignored.
    """
    from PIL import ImageOps

    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    except Exception:
        orientation = 1
    image.load()  # a TIFF is turned by this, and then has no tag
    if orientation == 1:
        return image
    return ImageOps.exif_transpose(image)


def peak(image: Image, lost: bool = False) -> int | None:
    """See `Picture`; `lost`: Pillow kept the upper bytes of 16-bit values. Raises UnusableImage for 32 bits."""
    if image.mode.startswith("I"):
        values = np.asarray(image)
        low, high = int(values.min()), int(values.max())
        if low < 0 or high > 0xFFFF:
            raise UnusableImage(f"an image of values from {low} to {high}, must be from 0 to 65535: convert it")
        return high
    if lost:
        return int(np.asarray(image.convert("RGB")).max()) << 8 | 0xFF
    return None


def fitting_depth(peak: int) -> int:
    """The least of DEPTHS that holds this value; 16 for whatever is not certainly less."""
    return 16 if peak >= _LEAST_PEAK else next(depth for depth in DEPTHS if peak < 1 << depth)


def _keeps_the_upper_byte(image: Image) -> bool:
    """Whether the file has 16 bits a value that Pillow decodes to 8, as it does with colour; before it is decoded."""
    from PIL.ImageFile import ImageFile

    tiles = image.tile if isinstance(image, ImageFile) else []
    return not image.mode.startswith("I") and any(";16" in str(arguments) for *_, arguments in tiles)


@contextmanager
def _without_remarks() -> Iterator[None]:
    """Without Pillow's remarks on metadata that isn't used here; a picture over the pixel limit is an error."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def _too_large(path: Path) -> str:
    """How large a picture over the limit is, from its header: nothing is decoded."""
    from PIL import Image

    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with BoundedFile(path) as file, Image.open(file, formats=IMAGE_FORMATS) as image:
            pixels = image.width * image.height
    finally:
        Image.MAX_IMAGE_PIXELS = limit
    size, most = (f"{count / _MEGA:,.{0 if count >= _MEGA else 3}f} megapixels" for count in (pixels, limit or 0))
    return f"too large: {size}, at most {most} are read (against decompression bombs): make it smaller"
