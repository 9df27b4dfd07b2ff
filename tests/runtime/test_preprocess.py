"""The preprocessing: one kernel for files and arrays, every mode of image, nothing but resize and crop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from edgefer.runtime.preprocess import centre_crop, resize_face, resize_pixels, to_rgb
from tests.data.made import noise


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 60), st.sampled_from([1, 3]), st.integers(0, 99))
def test_files_and_arrays_are_resized_alike(height: int, width: int, size: int, channels: int, seed: int) -> None:
    pixels = noise(seed, 2, height, width, channels)
    faces = resize_pixels(pixels, size)
    assert faces.shape == (2, size, size, channels) and faces.dtype == np.uint8
    image = Image.fromarray(pixels[1, ..., 0] if channels == 1 else pixels[1])
    assert (resize_face(image, size) == to_rgb(faces[1])).all()


def test_resizing_antialiases() -> None:
    stripes = np.tile(np.array([0, 255], dtype=np.uint8), (96, 48))
    face = resize_face(Image.fromarray(stripes), 24)[4:-4, 4:-4]
    assert face.min() > 100 and face.max() < 155


def test_right_size_is_left_as_it_is() -> None:
    pixels = noise(0, 3, 48, 48, 1)
    assert resize_pixels(pixels, 48) is pixels
    assert (resize_face(Image.fromarray(noise(1, 48, 48, 3)), 48) == noise(1, 48, 48, 3)).all()


def test_no_face_is_no_face() -> None:
    assert resize_pixels(np.empty((0, 48, 48, 3), np.uint8), 44).shape == (0, 44, 44, 3)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "F"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    image = Image.fromarray(np.full((20, 20, 3), 255, np.uint8)).convert("L" if mode == "LA" else "RGB").convert(mode)
    face = resize_face(image, 48)
    assert face.shape == (48, 48, 3) and face.dtype == np.uint8
    assert (face == 255).all()


@pytest.mark.parametrize("mode", ["I;16", "I"])
def test_sixteen_bit_grey_keeps_its_high_byte(mode: str) -> None:
    values = np.array([[0, 255, 256, 0x8000, 0xFFFF]], dtype=np.uint16).repeat(5, axis=0)
    image = Image.fromarray(values if mode == "I;16" else values.astype(np.int32))
    assert image.mode == mode
    assert resize_face(image, 5)[0, :, 0].tolist() == [0, 0, 1, 128, 255]


def test_centre_crop_rounds_its_offset_down() -> None:
    pixels = noise(0, 2, 7, 6, 1)
    assert (centre_crop(pixels, 4) == pixels[:, 1:5, 1:5]).all()
    assert (centre_crop(pixels[0], 5) == pixels[0, 1:6, 0:5]).all()


def test_grey_is_repeated_and_colour_is_not() -> None:
    grey, colour = noise(0, 2, 4, 4, 1), noise(0, 2, 4, 4, 3)
    assert (to_rgb(grey) == np.concatenate([grey] * 3, axis=-1)).all()
    assert to_rgb(colour) is colour
