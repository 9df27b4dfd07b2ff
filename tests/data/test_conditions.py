"""Conditions that a camera brings: each does what it says, and no more."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edgefer.data import conditions
from edgefer.data.conditions import CONDITIONS, UNCHANGED, ChangedFaces, Condition
from edgefer.data.dataset import synthetic_pictures
from edgefer.runtime.preprocess import resize_pixels
from tests.data.made import noise

FACES = resize_pixels(synthetic_pictures(), 48)  # uint8 (8, 48, 48, 3)
GREY = FACES[..., :1]
NOISE = noise(0, 3, 48, 48, 1)


def difference(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Mean absolute difference of grey values."""
    return float(np.abs(a.astype(np.int64) - b.astype(np.int64)).mean())


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda each: each.name)
@pytest.mark.parametrize("faces", [FACES, GREY], ids=["rgb", "grey"])
def test_every_condition(condition: Condition, faces: NDArray[np.uint8]) -> None:
    before = faces.copy()
    changed = condition.apply(faces)
    assert changed.shape == faces.shape and changed.dtype == np.uint8
    assert np.array_equal(faces, before), "the input stays as it is"
    assert 0.1 < difference(changed, faces) < 70, "another picture, but still a face"
    assert np.array_equal(condition.apply(faces), changed), "always the same"
    assert np.array_equal(condition.apply(faces[2:3]), changed[2:3]), "each face by itself"
    assert condition.parameters(), "it says what it changes"


def test_names_and_parameters_are_each_once() -> None:
    every = (UNCHANGED, *CONDITIONS)
    assert len({each.name for each in every}) == len({str(each.parameters()) for each in every}) == len(every)
    assert UNCHANGED.parameters() == {}
    assert Condition("a", right=0.1, jpeg=30).parameters() == {"right": 0.1, "jpeg": 30}


def test_identity_parameters_leave_faces_as_they_are() -> None:
    assert np.array_equal(UNCHANGED.apply(NOISE), NOISE)
    assert np.array_equal(conditions.warp(NOISE, 1, 0, 0, 0), NOISE)
    assert np.array_equal(conditions.change_contrast(NOISE, 1), NOISE)
    assert np.array_equal(conditions.change_brightness(NOISE, 1), NOISE)
    assert np.array_equal(conditions.shrink(NOISE, 48), NOISE)


def square(side: int) -> NDArray[np.uint8]:
    """A white square in the middle of a black face (1, 48, 48, 1)."""
    face = np.zeros((1, 48, 48, 1), np.uint8)
    low = 24 - side // 2
    face[:, low : low + side, low : low + side] = 255
    return face


@pytest.mark.parametrize(("scale", "side"), [(2.0, 32), (1.25, 20), (0.5, 8)])
def test_scale_enlarges_about_the_centre(scale: float, side: int) -> None:
    scaled = conditions.warp(square(16), scale, 0, 0, 0)
    assert np.array_equal(scaled > 127, square(side) > 127)


@pytest.mark.parametrize("turns", [-1, 1, 2, 3])
def test_right_angles_are_exact_and_counterclockwise(turns: int) -> None:
    assert np.array_equal(conditions.warp(NOISE, 1, 90 * turns, 0, 0), np.rot90(NOISE, turns, (1, 2)))


def test_rotations_undo_each_other() -> None:
    back = conditions.warp(conditions.warp(GREY, 1, 20, 0, 0), 1, -20, 0, 0)
    inside = (slice(None), slice(12, 36), slice(12, 36))
    assert difference(back[inside], GREY[inside]) < 0.5 * difference(
        conditions.warp(GREY, 1, 20, 0, 0)[inside], GREY[inside]
    )


def test_shift_moves_by_the_pixels_and_repeats_the_border() -> None:
    right = conditions.warp(NOISE, 1, 0, 0.125, 0)
    assert np.array_equal(right[:, :, 6:], NOISE[:, :, :-6])
    assert (right[:, :, :6] == NOISE[:, :, :1]).all()
    down = conditions.warp(NOISE, 1, 0, 0, 0.25)
    assert np.array_equal(down[:, 12:], NOISE[:, :-12])
    assert (down[:, :12] == NOISE[:, :1]).all()


def test_half_a_pixel_is_the_mean_of_two() -> None:
    row = np.array([[0, 100, 200, 50]], np.uint8).repeat(4, 0)[None, ..., None]
    assert conditions.warp(row, 1, 0, 0.125, 0)[0, 0, :, 0].tolist() == [0, 50, 150, 125]


def test_brightness_is_a_factor_and_ends_at_white() -> None:
    values = np.array([0, 10, 100, 200], np.uint8).reshape(1, 2, 2, 1)
    assert conditions.change_brightness(values, 1.4).ravel().tolist() == [0, 14, 140, 255]
    assert conditions.change_brightness(values, 0.6).ravel().tolist() == [0, 6, 60, 120]


def test_contrast_is_about_the_mean_of_each_face() -> None:
    values = np.array([[50, 150], [0, 200]], np.uint8).reshape(2, 2, 1, 1)  # both have a mean of 100
    assert conditions.change_contrast(values, 0.6).reshape(2, 2).tolist() == [[70, 130], [40, 160]]
    assert conditions.change_contrast(values, 1.4).reshape(2, 2).tolist() == [[30, 170], [0, 240]]


def test_blur_spreads_a_point_and_keeps_its_light() -> None:
    face = np.zeros((1, 48, 48, 1), np.uint8)
    face[0, 24, 24] = 255
    blurred = conditions.blur(face, 1)[0, ..., 0].astype(np.int64)
    assert divmod(int(blurred.argmax()), 48) == (24, 24)
    assert blurred[24, 24] == pytest.approx(255 / (2 * np.pi), rel=0.2), "the middle of a Gaussian of deviation 1"
    assert blurred.sum() == pytest.approx(255, rel=0.1)
    assert np.array_equal(conditions.blur(np.full_like(face, 90), 1), np.full_like(face, 90)), "no border appears"


def test_blur_jpeg_and_small_faces_change_little() -> None:
    for changed in (conditions.blur(GREY, 1), conditions.compress(GREY, 30), conditions.shrink(GREY, 24)):
        assert 0 < difference(changed, GREY) < 12
    assert difference(conditions.compress(GREY, 95), GREY) < difference(conditions.compress(GREY, 30), GREY)


def test_small_faces_have_lost_what_lies_between_their_pixels() -> None:
    stripes = np.tile(np.array([0, 255], np.uint8), 24)[None, None, :, None].repeat(48, 1)
    assert np.ptp(conditions.shrink(stripes, 24)[:, :, 4:-4]) < 30


def test_faces_are_changed_when_they_are_read() -> None:
    condition = Condition("turned", rotation=30)
    faces = ChangedFaces(NOISE, condition)
    assert (len(faces), faces.shape) == (3, NOISE.shape)
    assert np.array_equal(faces[1:3], condition.apply(NOISE)[1:3])
    assert np.array_equal(faces[np.array([2, 0])], condition.apply(NOISE)[[2, 0]])
