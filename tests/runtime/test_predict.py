"""From a picture to its faces and their expressions, and the same face from frame to frame."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from edgefer.runtime import contract as contracts
from edgefer.runtime.detectors import Face, FaceMap, face_map, load_detector
from edgefer.runtime.errors import BrokenBundle
from edgefer.runtime.predict import STAGES, FacePrediction, Predictor, to_prediction
from edgefer.runtime.tracking import LOST_AFTER, Tracker
from tests.data.made import noise
from tests.runtime.made_model import CONTRACT, LABELS, Fixed, Halves, half_white, whole


def test_each_face_is_classified() -> None:
    image = np.concatenate([half_white(), half_white(left=False)], axis=1)
    faces = [Face(x, 0, 48, 48, 0.9, detector="none") for x in (48, 0)]
    predictor = Predictor(Halves(), Fixed(faces))
    found = predictor.predict(image)
    assert [each.label for each in found] == ["right", "left"]
    assert [each.box for each in found] == [(48, 0, 48, 48), (0, 0, 48, 48)]
    assert list(found[0].probabilities) == list(LABELS)
    assert set(predictor.stopwatch.seconds) == set(STAGES)
    assert all(predictor.stopwatch.seconds[stage] > 0 for stage in ("detect", "prepare", "infer"))


def test_no_face_is_an_answer() -> None:
    assert Predictor(Halves(), Fixed([])).predict(half_white()) == []


def test_the_contract_prepares_what_no_detector_finds() -> None:
    model, image = Halves(), noise(0, 30, 40, 3)
    Predictor(model, load_detector("none")).predict(image)
    assert np.array_equal(model.seen[0], contracts.to_pixels(image[None], CONTRACT)[0])


def test_the_contract_frames_the_boxes_of_its_detectors() -> None:
    image = noise(0, 48, 48, 3)
    agreed = replace(CONTRACT, face_maps={"none": FaceMap(side=0.5)})
    model = Halves(contract=agreed)
    Predictor(model, load_detector("none")).predict(image)
    assert np.array_equal(model.seen[0], contracts.to_pixels(image[None, 12:36, 12:36], CONTRACT)[0])
    assert face_map("haar", agreed) == face_map("haar"), "edgefer's own, where the contract has none"
    other = replace(CONTRACT, face_maps={"mtcnn": FaceMap(align="points", points=((0, 0), (1, 1)))})
    with pytest.raises(BrokenBundle, match="face map mtcnn is of 2 points, the detector gives 5"):
        face_map("mtcnn", other)


def test_mirror_averages_a_face_with_its_mirror_image() -> None:
    image = half_white()
    plain = Predictor(Halves(), Fixed([whole(image)])).predict(image)[0].probabilities
    model = Halves()
    mirrored = Predictor(model, Fixed([whole(image)]), mirror=True).predict(image)[0].probabilities
    assert plain["left"] > 0.8
    assert mirrored["left"] == pytest.approx(mirrored["right"]) == pytest.approx(0.45)
    assert np.array_equal(model.seen[0], model.seen[1][:, ::-1])


def found(left: float, probability: float = 0.5) -> FacePrediction:
    values = np.array([probability, 1 - probability], dtype=np.float32)
    return to_prediction(values, ("a", "b"), Face(left, 0, 10, 10, 1.0, detector="none"))


def test_overlap() -> None:
    one, other = (Face(x, 0, 10, 10, 1.0) for x in (0, 5))
    assert one.overlap(one) == 1
    assert one.overlap(other) == pytest.approx(1 / 3)
    assert one.overlap(Face(10, 0, 10, 10, 1.0)) == 0


def test_faces_keep_their_numbers_whatever_their_order() -> None:
    tracker = Tracker(0)
    assert [each.track for each in tracker.update([found(0), found(50)], 0.0)] == [1, 2]
    assert [each.track for each in tracker.update([found(52), found(1)], 0.1)] == [2, 1]
    assert [each.track for each in tracker.update([found(100)], 0.2)] == [3]
    assert [each.track for each in tracker.update([found(2)], 0.3)] == [1], "it was not seen for one frame only"
    assert [each.track for each in tracker.update([found(2)], 0.4 + LOST_AFTER)] == [4]


def test_smoothing_is_an_exponential_mean_in_time() -> None:
    for steps in (1, 10):  # the rate of frames does not matter
        tracker = Tracker(0.5)
        tracker.update([found(0, 0.0)], 0.0)
        for step in range(1, steps + 1):
            (face,) = tracker.update([found(0, 1.0)], 0.5 * step / steps)
        assert face.probabilities["a"] == pytest.approx(1 - 1 / math.e, abs=1e-5)
        assert sum(face.probabilities.values()) == pytest.approx(1)
    tracker = Tracker(0)
    tracker.update([found(0, 0.0)], 0.0)
    assert tracker.update([found(0, 1.0)], 0.1)[0].probabilities["a"] == 1


def test_a_tracker_does_not_grow() -> None:
    tracker = Tracker(0.3)
    for index in range(1000):
        tracker.update([found(20 * index)], index / 10)
    assert len(tracker._tracks) <= 1 + 10 * LOST_AFTER + 1
