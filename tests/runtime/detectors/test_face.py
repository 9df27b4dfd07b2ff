"""From a detector's box to FER2013's framing: the arithmetic, and what is cut out of a picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from edgefer.runtime.detectors import Face, FaceMap, Square, crop_face, face_map, square_of
from edgefer.runtime.detectors.whole_picture import WholePicture
from edgefer.runtime.errors import BadData
from edgefer.runtime.preprocess import resize_face

FIVE = ((0.31, 0.39), (0.69, 0.38), (0.5, 0.6), (0.35, 0.79), (0.66, 0.78))
COORDINATES = st.floats(-50, 250)
ROLLS = st.floats(-179, 179)


@given(COORDINATES, COORDINATES, st.floats(5, 300), ROLLS)
def test_points_that_lie_as_in_the_map_give_their_square_back(x: float, y: float, side: float, roll: float) -> None:
    square = Square(x, y, side, roll)
    face = Face(0, 0, 1, 1, 1, tuple(square.point(*point) for point in FIVE))
    fitted = square_of(face, FaceMap(align="points", points=FIVE))
    assert np.allclose((fitted.x, fitted.y, fitted.side, fitted.roll), (x, y, side, roll), atol=1e-3)


@given(ROLLS, st.floats(-0.3, 0.3), st.floats(-0.3, 0.3), st.floats(0.5, 2))
def test_turning_the_face_turns_its_square_about_the_box(roll: float, dx: float, dy: float, side: float) -> None:
    upright, turned = (
        square_of(Face(10, 20, 40, 50, 1, roll=angle), FaceMap(dx, dy, side, "eyes")) for angle in (0, roll)
    )
    there = complex(upright.x - 30, upright.y - 45) * np.exp(1j * np.radians(roll))
    assert np.allclose((turned.x, turned.y), (30 + there.real, 45 + there.imag))
    assert upright.side == turned.side == 50 * side
    assert np.allclose((upright.x, upright.y), (30 + dx * 50, 45 + dy * 50))


@given(ROLLS, ROLLS, st.floats(0, 1))
def test_a_square_between_that_of_the_points_and_that_of_the_box(roll: float, eyes: float, share: float) -> None:
    by_points, by_box = Square(50, 60, 40, roll), Square(54, 62, 90, eyes)
    face = Face(54 - 45, 62 - 45, 90, 90, 1, tuple(by_points.point(*point) for point in FIVE), eyes)
    made = square_of(face, FaceMap(align="points", points=FIVE, box_share=share))
    assert np.allclose((made.x, made.y), (50 + 4 * share, 60 + 2 * share), atol=1e-3)
    assert min(by_points.side, by_box.side) - 1e-3 <= made.side <= max(by_points.side, by_box.side) + 1e-3
    apart, turned = ((angle - roll + 180) % 360 - 180 for angle in (eyes, made.roll))
    assert abs(turned) <= abs(apart) * share + 1e-3


@pytest.mark.parametrize("roll", [0, 10, -30, 45, 90, 180])
@pytest.mark.parametrize("side", [30, 96, 400])
def test_a_turned_square_is_cut_out_upright(roll: float, side: int) -> None:
    card = np.zeros((4, 4, 3), np.uint8)
    card[:2, :2], card[:2, 2:], card[2:, :2], card[2:, 2:] = (250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 250)
    picture = Image.new("RGB", (700, 640), (99, 99, 99))
    picture.paste(
        Image.fromarray(card).resize((side, side), Image.Resampling.NEAREST), (350 - side // 2, 320 - side // 2)
    )
    turned = np.asarray(picture.rotate(-roll, Image.Resampling.BICUBIC, fillcolor=(99, 99, 99)))
    face = Face(350 - side / 2, 320 - side / 2, side, side, 1, roll=roll)
    cut = crop_face(turned, face, FaceMap(align="eyes"), 48)
    for rows, columns, corner in (
        (slice(4, 20), slice(4, 20), card[0, 0]),
        (slice(4, 20), slice(28, 44), card[0, 3]),
        (slice(28, 44), slice(4, 20), card[3, 0]),
        (slice(28, 44), slice(28, 44), card[3, 3]),
    ):
        assert np.abs(cut[rows, columns].astype(int) - corner).max() <= 6


@given(st.integers(0, 60), st.integers(0, 40), st.integers(5, 60), st.integers(1, 64))
def test_an_upright_box_goes_through_the_step_that_a_given_face_does(x: int, y: int, side: int, size: int) -> None:
    picture = np.random.default_rng(7).integers(0, 255, (100, 120, 3), dtype=np.uint8)
    cut = crop_face(picture, Face(x, y, side, side, 1), FaceMap(), size)
    part = Image.fromarray(picture).resize((size, size), Image.Resampling.BILINEAR, box=(x, y, x + side, y + side))
    assert np.array_equal(cut, np.asarray(part))


def test_what_is_outside_the_picture_repeats_its_border() -> None:
    picture = np.full((20, 30, 3), 200, np.uint8)
    for face in (Face(-30, -30, 60, 60, 1), Face(-30, -30, 60, 60, 1, roll=20), Face(500, 500, 20, 20, 1, roll=5)):
        assert (crop_face(picture, face, FaceMap(align="eyes"), 32) == 200).all()


@pytest.mark.parametrize("shape", [(48, 48), (33, 70), (1, 1)])
def test_without_a_detector_the_picture_is_the_face_as_it_is_given(shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(1).integers(0, 255, (*shape, 3), dtype=np.uint8)
    (face,) = WholePicture("none").detect(picture)
    assert face.detector == "none"
    cut = crop_face(picture, face, face_map("none"), 48)
    assert np.array_equal(cut, resize_face(Image.fromarray(picture), 48))


def test_a_box_far_larger_than_the_picture_takes_no_memory() -> None:
    picture = np.zeros((40, 40, 3), np.uint8)
    for roll in (0.0, 30.0):
        assert crop_face(picture, Face(-1e6, -1e6, 2e6, 2e6, 1, roll=roll), FaceMap(align="eyes"), 8).shape == (8, 8, 3)


@pytest.mark.parametrize(
    "picture", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)]
)
def test_other_arrays_are_refused(picture: NDArray[Any]) -> None:
    with pytest.raises(BadData, match="uint8"):
        crop_face(picture, Face(0, 0, 4, 4, 1), FaceMap(), 48)
