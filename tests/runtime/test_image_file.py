"""Image files: the kinds that are opened, the side that is up, the bits of a value, what is too large."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, features

from edgefer.runtime.image_file import UnusableImage, fitting_depth, read_picture, upright
from tests.data.made import noise, save_turned


@pytest.mark.parametrize("suffix", ["png", "tiff", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned(tmp_path: Path, orientation: int, suffix: str) -> None:
    pixels = noise(3, 20, 30, 3)
    path = save_turned(tmp_path / f"a.{suffix}", pixels, orientation)
    assert (np.asarray(read_picture(path).image) == pixels).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_jpeg_is_turned(tmp_path: Path, orientation: int) -> None:
    pixels = noise(3, 4, 6).repeat(16, axis=0).repeat(16, axis=1)
    picture = read_picture(save_turned(tmp_path / "a.jpg", pixels, orientation)).image
    assert picture.size == (96, 64) and np.corrcoef(np.asarray(picture).ravel(), pixels.ravel())[0, 1] > 0.99


def test_a_cropped_picture_is_turned_once(tmp_path: Path) -> None:
    pixels = noise(3, 20, 30, 3)
    with Image.open(save_turned(tmp_path / "a.png", pixels, 6)) as image:
        turned = upright(image.crop((0, 0, image.width, image.height)).convert("RGB"))
    assert (np.asarray(turned) == pixels).all()
    assert (np.asarray(upright(turned)) == pixels).all()


def test_broken_exif_data_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(noise(1)).save(path, exif=b"Exif\x00\x00MM\x00\x2a\xff\xff\xff\xff\xff")
    assert (np.asarray(read_picture(path).image) == noise(1)).all()


@pytest.mark.parametrize("kind", ["bmp", "gif", "jp2", "pgm", "png", "ppm", "tif", "webp"])
def test_kinds_are_recognised_by_content(tmp_path: Path, kind: str) -> None:
    if kind == "jp2" and not features.check("jpg_2000"):
        pytest.skip("this Pillow has no JPEG 2000")
    path = tmp_path / f"a.{kind}"
    image = Image.fromarray(noise(2) // 16 * 16)
    image.save(path, lossless=True)  # which is WebP's; the others do not know it
    named = path.rename(tmp_path / "picture")
    assert (np.asarray(read_picture(named).image.convert("L")) == np.asarray(image)).all()


def test_kinds_that_start_other_programs_are_not_opened(tmp_path: Path) -> None:
    Image.fromarray(noise(2, 8, 8, 3)).save(tmp_path / "a.eps")
    (tmp_path / "a.eps").rename(tmp_path / "a.png")
    with pytest.raises(UnusableImage, match="no image of the kinds BMP, GIF, JPEG"):
        read_picture(tmp_path / "a.png")


def write_png(path: Path, width: int, height: int, colour: bool, rows: bytes) -> Path:
    """A PNG of 16 bits a value, grey or RGB, which Pillow itself can't write in colour."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 16, 2 if colour else 0, 0, 0, 0)
    content = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    return path


def write_png16(path: Path, values: NDArray[np.uint16]) -> Path:
    """A PNG of these values."""
    rows = b"".join(b"\x00" + row.astype(">u2").tobytes() for row in values)
    return write_png(path, values.shape[1], values.shape[0], values.ndim == 3, rows)


@pytest.mark.parametrize(("peak", "depth"), [(0, 8), (255, 8), (256, 10), (4095, 12), (4096, 16), (65535, 16)])
def test_the_peak_tells_the_depth(tmp_path: Path, peak: int, depth: int) -> None:
    values = np.zeros((4, 5), np.uint16)
    values[1, 2] = peak
    grey = read_picture(write_png16(tmp_path / "a.png", values)).peak
    colour = read_picture(write_png16(tmp_path / "b.png", values[..., None].repeat(3, axis=2))).peak
    assert grey == peak and fitting_depth(peak) == depth
    assert colour is not None and colour >> 8 == peak >> 8  # Pillow keeps the upper byte only
    Image.fromarray(noise(1)).save(tmp_path / "c.png")
    assert read_picture(tmp_path / "c.png").peak is None


def test_values_of_32_bits_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 70000, np.int32)).save(tmp_path / "a.tif")
    with pytest.raises(UnusableImage, match="values from 70000 to 70000, must be from 0 to 65535"):
        read_picture(tmp_path / "a.tif")
    Image.fromarray(np.full((4, 4), 0.5, np.float32)).save(tmp_path / "b.tif")
    with pytest.raises(UnusableImage, match="floating-point values, must be 8 or 16 bits"):
        read_picture(tmp_path / "b.tif")


def test_a_picture_over_the_limit_is_too_large(tmp_path: Path) -> None:
    path, limit = write_png(tmp_path / "a.png", 16000, 15000, False, b""), Image.MAX_IMAGE_PIXELS
    with pytest.raises(UnusableImage, match=r"^too large: 240 megapixels, at most 89 megapixels are read"):
        read_picture(path)
    assert limit == Image.MAX_IMAGE_PIXELS
