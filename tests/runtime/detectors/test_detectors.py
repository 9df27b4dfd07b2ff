"""The table of detectors, and what its rows say where something is missing. No weights are needed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from edgefer.runtime import detectors
from edgefer.runtime.detectors import DETECTORS, POLICIES, Face, FirstThatFinds, face_map, load_detector, load_policy
from edgefer.runtime.detectors.boxes import suppress
from edgefer.runtime.detectors.second_pass import SecondPass
from edgefer.runtime.errors import EdgeferError, MissingEngine, NotSetUp, UnknownName, WrongOptions
from edgefer.runtime.preprocess import Pixels

PICTURE = np.zeros((20, 30, 3), np.uint8)


@pytest.fixture(autouse=True)
def nothing_set_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.mark.parametrize("row", DETECTORS.values(), ids=str)
def test_every_row_has_a_map_and_says_what_it_lacks(row: detectors.DetectorRow) -> None:
    face_map(row.name)
    assert bool(row.lacking) == bool(row.set_up_by)
    if row.set_up_by:
        with pytest.raises(NotSetUp, match=row.set_up_by):
            load_detector(row.name)


def test_policies_name_rows_and_say_how_to_set_one_up() -> None:
    for name, rows in POLICIES.items():
        assert set(rows) <= set(DETECTORS)
        with pytest.raises(NotSetUp, match=r"edgefer detector setup blazeface.*needs no setup \(haar\)"):
            load_policy(name)


def test_wrong_names_and_numbers() -> None:
    for call, failure in (
        (lambda: load_detector("har"), UnknownName),
        (lambda: face_map("har"), UnknownName),
        (lambda: load_policy("har"), UnknownName),
        (lambda: load_detector("none", threads=0), WrongOptions),
        (lambda: load_detector("none", threshold=float("nan")), WrongOptions),
    ):
        with pytest.raises(failure):
            call()


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError("No module named 'cv2'", name="cv2")

    monkeypatch.setattr(detectors, "import_module", missing)
    with pytest.raises(MissingEngine, match=r"opencv-python-headless.*edgefer\[predict\]") as failure:
        load_detector("haar")
    assert isinstance(failure.value, EdgeferError)


class Fake:
    def __init__(self, *faces: Face) -> None:
        self.faces, self.asked = list(faces), 0

    def detect(self, image: Pixels) -> list[Face]:
        self.asked += 1
        return self.faces


def test_the_next_detector_is_asked_only_where_the_one_before_found_nothing() -> None:
    blind, seeing, third = Fake(), Fake(Face(1, 2, 3, 4, 0.5, detector="b")), Fake(Face(5, 5, 5, 5, 1))
    both = FirstThatFinds([("a", blind), ("b", seeing), ("c", third)])
    assert both.names == ("a", "b", "c")
    assert both.detect(PICTURE) == seeing.faces
    assert (blind.asked, seeing.asked, third.asked) == (1, 1, 0)
    assert FirstThatFinds([("a", blind)]).detect(PICTURE) == []


def test_suppression_keeps_the_best_of_boxes_that_overlap() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30], [2, 2, 6, 6]], np.float32)
    scores = np.array([0.5, 0.9, 0.7, 0.6], np.float32)
    assert suppress(boxes, scores, 0.5).tolist() == [1, 2, 3]
    assert suppress(boxes, scores, 0.5, "smaller").tolist() == [1, 2]


class EyesOfColour:
    """A detector for made pictures: a red dot is the left eye, a blue one the right eye, the box is twice as wide."""

    def detect(self, image: Pixels) -> list[Face]:
        red, blue = (image[..., k].astype(int) - image[..., 1] > 100 for k in (0, 2))
        if not red.any() or not blue.any():
            return []
        left, right = (tuple(float(v.mean()) + 0.5 for v in np.nonzero(each)[::-1]) for each in (red, blue))
        apart = float(np.hypot(right[0] - left[0], right[1] - left[1]))
        x, y = (left[0] + right[0]) / 2, (left[1] + right[1]) / 2
        roll = float(np.degrees(np.arctan2(right[1] - left[1], right[0] - left[0])))
        return [Face(x - apart, y - apart, 2 * apart, 2 * apart, 0.9, ((left[0], left[1]), (right[0], right[1])), roll)]


class Shortsighted(EyesOfColour):
    """The same, but wrong by 9 degrees and 10 pixels in a large picture."""

    def detect(self, image: Pixels) -> list[Face]:
        faces = super().detect(image)
        if max(image.shape) <= 200:
            return faces
        return [replace(face, left=face.left + 10, width=face.width + 9, roll=face.roll + 9) for face in faces]


@pytest.mark.parametrize("roll", [-60, 12, 45])
def test_the_second_pass_gives_the_same_place_as_a_first_one_that_sees_all(roll: float) -> None:
    picture = Image.new("RGB", (600, 500))
    for colour, x in (("red", 260), ("blue", 340)):
        ImageDraw.Draw(picture).ellipse((x - 8, 242, x + 8, 258), fill=colour)
    turned = np.asarray(picture.rotate(-roll, Image.Resampling.BICUBIC))
    (once,), (again,) = EyesOfColour().detect(turned), SecondPass(Shortsighted(), 0, 10).detect(turned)
    for name in ("left", "top", "width", "height", "roll"):
        assert abs(getattr(once, name) - getattr(again, name)) < 1.5, name
    assert np.abs(np.array(once.points) - np.array(again.points)).max() < 1.5


def test_the_second_pass_keeps_what_it_has_no_doubt_of_or_does_not_find_again() -> None:
    face = Face(5, 5, 10, 10, 0.5, roll=20)
    assert SecondPass(Fake(face), 0, 30).detect(PICTURE) == [face]
    blind = Fake(face)
    second = SecondPass(blind, 1, 30)
    blind.faces = []
    assert second._again(PICTURE, face) == face
    blind.faces = [Face(0, 0, 20, 20, 1)]  # in a corner of the surroundings: another face
    assert second._again(PICTURE, face) == face
