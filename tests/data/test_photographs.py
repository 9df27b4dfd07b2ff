"""Whole photographs as a data set: a detector finds the face in each, and those that it misses are counted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgefer.data import cache, decode
from edgefer.data.decode import FaceSearch
from edgefer.data.listing import WHOLE, ReadOptions
from edgefer.data.load import load
from edgefer.runtime.detectors import FaceMap
from edgefer.runtime.errors import EmptyData, UnknownName, WrongOptions
from tests.data.made import fails
from tests.data.made_photographs import LEFT, SIDE, TOP, Bright, face, write_photographs
from tests.made import write_csv

NAMES = ("test/happy/a.png", "test/happy/empty.png", "test/sad/b.png")
SEARCHED = ReadOptions(detector="haar")


@pytest.fixture(autouse=True)
def bright(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "load_detector", lambda name: Bright())


@pytest.mark.parametrize("large", [False, True])
def test_the_face_is_cut_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: bool) -> None:
    monkeypatch.setattr(decode, "LARGE", 0 if large else 1 << 30)
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    root = write_photographs(tmp_path / "photographs", *NAMES)
    for _ in range(2):  # also what the cache has kept
        data = load(root, SIDE, SEARCHED)
        assert data.found is not None and list(data.found) == [True, False, True]
        assert np.array_equal(data.pixels[0][..., 0], face(0)) and np.array_equal(data.pixels[2][..., 0], face(2))
        assert not data.pixels[1].any()
    found = data.found_only()
    assert found.found is None and list(found.rows) == [0, 2]
    plain = load(root, SIDE)
    assert plain.found is None and plain.found_only() is plain
    assert plain.pixels[1].any(), "the whole photograph, also after the cache was filled by a detector"


def test_no_face_at_all(tmp_path: Path) -> None:
    data = load(write_photographs(tmp_path, "test/happy/empty1.png", "test/sad/empty2.png"), SIDE, SEARCHED)
    with fails(EmptyData, 6, "no face was found in the 2 images", str(tmp_path), "--detector"):
        data.found_only()


def test_a_labelled_box_chooses_the_face() -> None:
    image = np.zeros((48, 64, 3), dtype=np.uint8)
    image[TOP : TOP + SIDE, LEFT : LEFT + SIDE] = face(0)[..., None]
    search = FaceSearch(Bright())
    cut = search.cut(image, (LEFT + 5, TOP + 5, SIDE, SIDE), SIDE)
    assert cut is not None and np.array_equal(cut[..., 0], face(0))
    assert search.cut(image, (0, 30, 10, 10), SIDE) is None, "what the detector found is another face"
    half = replace(search, framing=FaceMap(side=0.5)).cut(image, WHOLE, SIDE // 2)
    middle = slice(SIDE // 4, SIDE - SIDE // 4)
    assert half is not None and np.array_equal(half[..., 0], face(0)[middle, middle])


def test_faces_that_are_cut_out_already(tmp_path: Path) -> None:
    with fails(WrongOptions, 2, "fer2013.csv holds faces that are cut out", "folders of photographs"):
        load(write_csv(tmp_path / "fer2013.csv"), SIDE, SEARCHED)


def test_an_unknown_detector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with fails(UnknownName, 3, "unknown detector 'hare'", "haar"):
        load(write_photographs(tmp_path, *NAMES), SIDE, ReadOptions(detector="hare"))
