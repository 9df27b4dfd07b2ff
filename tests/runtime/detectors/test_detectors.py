"""The table of detectors, and what its rows say where something is missing. No weights are needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgefer.runtime import detectors
from edgefer.runtime.detectors import DETECTORS, POLICIES, Face, FirstThatFinds, face_map, load_detector, load_policy
from edgefer.runtime.detectors.boxes import suppress
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
        with pytest.raises(NotSetUp, match="edgefer detector setup blazeface"):
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
