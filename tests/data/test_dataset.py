"""A data set seen by a network with other classes."""

from __future__ import annotations

import numpy as np
import pytest

from edgefer.data.dataset import Dataset, match_classes
from edgefer.runtime.errors import BadData

NAMES = ("angry", "happy", "sad")
DATA = Dataset(
    "made",
    NAMES,
    np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1),
    np.array([0, 1, 2, 1, 0]),
    np.zeros(5, np.int64),
    np.arange(5),
)


def test_same_classes_are_left_alone() -> None:
    assert match_classes(DATA, NAMES, "net").faces is DATA


def test_other_order_other_words_and_more_classes() -> None:
    found = match_classes(DATA, ("Happiness", "contempt", "Sad", "anger"), "net")
    assert found.faces.labels.tolist() == [3, 0, 2, 0, 3]
    assert found.faces.names == ("Happiness", "contempt", "Sad", "anger")
    assert found.left_out == {}


def test_faces_of_unknown_classes_are_left_out_and_counted() -> None:
    found = match_classes(DATA, ("happy", "angry"), "net")
    assert found.faces.labels.tolist() == [1, 0, 0, 1]
    assert found.faces.pixels[:].ravel().tolist() == [0, 1, 3, 4]
    assert found.left_out == {"sad": 1}


def test_no_class_in_common() -> None:
    with pytest.raises(BadData, match=r"angry, happy, sad, net tells a, b"):
        match_classes(DATA, ("a", "b"), "net")
