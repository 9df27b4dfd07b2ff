"""`edgefer.load`: one face in, a label and probabilities out."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import edgefer
from edgefer.runtime import contract, verify
from edgefer.runtime.bundle import read_bundle
from edgefer.runtime.errors import (
    BadData,
    BrokenBundle,
    EdgeferError,
    EmptyData,
    MissingFile,
    UnknownName,
    WrongOptions,
)
from edgefer.runtime.golden import golden_picture, golden_png
from tests.data.made import save_turned

PICTURE = golden_picture()


@pytest.fixture(scope="session")
def classifier(dist: Path) -> edgefer.Classifier:
    return edgefer.load(dist / "ean.tflite-int8")


def test_import_is_light() -> None:
    code = (
        "import sys, edgefer\n"
        "print(sorted({'numpy', 'torch', 'click', 'rich', 'PIL'} & set(sys.modules)))\n"
        "edgefer.load\n"
        "print(sorted({'torch', 'click', 'rich', 'PIL'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "[]"]


def test_names_are_listed_and_others_are_refused() -> None:
    for name in edgefer.__all__:
        assert name in dir(edgefer) and getattr(edgefer, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        getattr(edgefer, "lode")  # noqa: B009 (mypy knows that there is none)


def test_no_module_takes_the_place_of_a_function() -> None:
    for name in edgefer.__all__:
        assert find_spec(f"edgefer.{name}") is None, name


def test_types_are_told() -> None:
    assert (Path(edgefer.__file__).parent / "py.typed").is_file()


@pytest.mark.parametrize("target", ["tflite-int8", "tflite-fp32", "onnx-int8", "openvino-fp16", "ncnn-int8"])
def test_answers_are_those_of_the_golden_pair(dist: Path, target: str) -> None:
    loaded = edgefer.load(str(dist / f"ean.{target}"), threads=2)
    answer = loaded.classify(PICTURE)
    manifest = read_bundle(dist / f"ean.{target}").manifest
    expected = dict(zip(manifest.contract.labels, manifest.golden.reference, strict=True))
    assert answer.label == max(answer.probabilities, key=lambda label: answer.probabilities[label])
    assert sum(answer.probabilities.values()) == pytest.approx(1, abs=0.02)
    for label, value in answer.probabilities.items():
        assert value == pytest.approx(expected[label], abs=manifest.golden.distance + manifest.golden.tolerance)
    assert loaded.labels == manifest.contract.labels == tuple(answer.probabilities)
    assert loaded.manifest == manifest and loaded.contract == manifest.contract
    assert f"ean.{target}" in repr(loaded)


def test_a_face_may_be_an_array_an_image_or_a_path(classifier: edgefer.Classifier, tmp_path: Path) -> None:
    path = tmp_path / "face.png"
    Image.fromarray(PICTURE).save(path)
    answers = [classifier.classify(face) for face in (PICTURE, Image.fromarray(PICTURE), path, str(path))]
    assert all(answer == answers[0] for answer in answers)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_face_is_turned_upright(classifier: edgefer.Classifier, tmp_path: Path, orientation: int) -> None:
    upright = classifier.classify(PICTURE[:80, :70])
    path = save_turned(tmp_path / "face.png", PICTURE[:80, :70], orientation)
    assert classifier.classify(path) == upright
    with Image.open(path) as image:
        assert classifier.classify(image) == upright
        assert classifier.classify(image.convert("RGB")) == upright  # the tag is still there


def test_a_black_picture_of_16_bits_is_not_classified(classifier: edgefer.Classifier, tmp_path: Path) -> None:
    image = Image.fromarray(np.full((48, 48), 4000, np.uint16))
    image.save(tmp_path / "face.png")
    for face in (image, tmp_path / "face.png"):
        faults(partial(classifier.classify, face), BadData, "at most 4,000", "12-bit", "convert it to 8 bits")


def test_a_grey_face_is_the_same_in_every_form(classifier: edgefer.Classifier) -> None:
    grey = np.asarray(Image.fromarray(PICTURE).convert("L"))
    forms = (grey, grey[..., None], np.stack([grey] * 3, axis=-1), Image.fromarray(grey))
    answers = [classifier.classify(face) for face in forms]
    assert all(answer == answers[0] for answer in answers)


def test_preprocessing_is_the_contracts(classifier: edgefer.Classifier) -> None:
    model = verify.open_model(classifier.bundle)
    pixels = contract.to_pixels(PICTURE[None, :80, :70], classifier.contract)
    expected = contract.dequantise(
        model.run(contract.to_input(pixels, classifier.contract)), classifier.contract.output
    )
    assert list(classifier.classify(PICTURE[:80, :70]).probabilities.values()) == expected[0].tolist()


def test_batches(classifier: edgefer.Classifier) -> None:
    faces = np.stack([PICTURE, PICTURE[::-1], PICTURE[:, ::-1]])
    singly = [classifier.classify(face) for face in faces]
    assert classifier.classify_batch(faces) == singly
    assert classifier.classify_batch([faces[0], Image.fromarray(faces[1]), faces[2]]) == singly
    assert classifier.classify_batch(face for face in faces) == singly
    grey = faces[..., 0]
    assert classifier.classify_batch(grey) == [classifier.classify(face) for face in grey]


def test_a_result_does_not_change(classifier: edgefer.Classifier) -> None:
    first = classifier.classify(PICTURE)
    kept = dict(first.probabilities)
    classifier.classify(PICTURE[::-1])
    assert first.probabilities == kept
    with pytest.raises(FrozenInstanceError):
        setattr(first, "label", "sad")  # noqa: B010 (mypy knows that it can't)


def faults(call: Callable[[], object], kind: type[EdgeferError], *words: str) -> None:
    with pytest.raises(kind) as caught:
        call()
    text = str(caught.value)
    assert text.isprintable() and all(word in text for word in words), text


@pytest.mark.parametrize(
    ("face", "words"),
    [
        (np.zeros((4, 48, 48, 3), np.uint8), ("(4, 48, 48, 3)", "classify_batch")),
        (np.zeros((48, 48, 4), np.uint8), ("(48, 48, 4)", "(height, width, 3)")),
        (np.zeros((3, 48, 48), np.uint8), ("(3, 48, 48)",)),
        (np.zeros(48, np.uint8), ("(48,)",)),
        (np.zeros((0, 48), np.uint8), ("(0, 48)", "has pixels")),
        (np.full((48, 48), np.nan, np.float32), ("uint8", "float32")),
        (np.zeros((48, 48), np.int64), ("uint8", "int64")),
        (np.zeros((48, 48), bool), ("uint8", "bool")),
        (Image.new("RGB", (0, 4)), ("0 x 4",)),
        (None, ("NoneType", "Pillow image")),
        ([[0, 1], [2, 3]], ("list",)),
        (7, ("int",)),
    ],
)
def test_what_is_no_face(classifier: edgefer.Classifier, face: Any, words: tuple[str, ...]) -> None:
    faults(lambda: classifier.classify(face), BadData, *words)
    faults(lambda: classifier.classify_batch([PICTURE, face]), BadData, "face 1: ", *words)


def test_files_that_are_no_face(classifier: edgefer.Classifier, tmp_path: Path) -> None:
    faults(lambda: classifier.classify(tmp_path / "none.png"), MissingFile, "none.png", "No such file")
    faults(lambda: classifier.classify(tmp_path), MissingFile, "directory")
    (tmp_path / "text.png").write_text("no image")
    faults(lambda: classifier.classify(tmp_path / "text.png"), BadData, "text.png", "PNG")
    whole = golden_png()
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
    faults(lambda: classifier.classify(tmp_path / "half.png"), BadData, "half.png is a broken image")


def test_batches_that_are_none(classifier: edgefer.Classifier, tmp_path: Path) -> None:
    faults(lambda: classifier.classify_batch([]), EmptyData, "at least one")
    faults(lambda: classifier.classify_batch(np.zeros((0, 48, 48), np.uint8)), EmptyData, "at least one")
    faults(lambda: classifier.classify_batch("face.png"), BadData, "give a list")
    number: Any = 7
    faults(lambda: classifier.classify_batch(number), BadData, "give a list")


def test_bundles_that_can_not_be_loaded(classifier: edgefer.Classifier, dist: Path, tmp_path: Path) -> None:
    faults(lambda: edgefer.load(tmp_path / "none"), MissingFile, "edgefer build")
    faults(lambda: edgefer.load(tmp_path), BrokenBundle, "manifest.json")
    faults(lambda: edgefer.load(dist / "ean.tflite-int8", threads=0), WrongOptions, "0 threads")
    faults(lambda: edgefer.load(dist / "ean.tflite-int8", provider="cuda"), UnknownName, "cuda")
