"""A network of edgefer's for other classes, from training to the bundle that is verified."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgefer.data import load
from edgefer.data.dataset import SPLITS, Dataset
from edgefer.devices import verification
from edgefer.runtime.bundle import read_bundle
from edgefer.runtime.labels import LABELS
from tests.cli.made import Ran, Run
from tests.made import pictures

EIGHT = (*LABELS, "contempt")
NETWORK = ("--arch", "microexpnet-xxs")


def dataset(names: tuple[str, ...]) -> Dataset:
    """Faces of every class in every split."""
    labels = np.tile(np.arange(len(names)), 12)
    splits = np.repeat(np.arange(len(SPLITS)), len(labels) // len(SPLITS))
    return Dataset("faces", names, pictures(labels % 7)[..., None], labels, splits, np.arange(len(labels)))


@pytest.fixture
def eight(monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """Whatever is read has eight classes."""
    faces = dataset(EIGHT)
    for module in (load, verification):  # the second took the function when it was imported
        monkeypatch.setattr(module, "load", lambda path, size=48, options=None: faces.resized(size))
    return faces


def train(run: Run, out: Path, *options: object) -> Ran:
    line = ("train", *NETWORK, "--data", "x", "--epochs", 1, "--threads", 1, "--out", out, "--set", "batch=16")
    return run(*line, *options, "--json")


def test_eight_classes_from_training_to_a_verified_bundle(run: Run, eight: Dataset, tmp_path: Path) -> None:
    found = json.loads(train(run, tmp_path, "--labels", "data").out)
    assert found["data"]["classes"] == list(EIGHT)
    assert f"--labels {','.join(EIGHT)} " in found["command"]
    weights = ("--weights", tmp_path / "microexpnet-xxs.safetensors")

    assert json.loads(run("eval", *NETWORK, *weights, "--data", "x", "--json").fine())["scores"]["images"] == 32
    run("build", *NETWORK, *weights, "--target", "onnx-fp32", "--out", tmp_path / "dist").fine()
    folder = tmp_path / "dist" / "microexpnet-xxs.onnx-fp32"
    assert read_bundle(folder).manifest.contract.labels == EIGHT
    assert (folder / "labels.txt").read_text().split() == list(EIGHT)
    checked = run("verify", folder, "--data", folder, "--float", weights[1], "--json").fine()
    assert json.loads(checked)[0]["accuracy"]["agreement"] == 100

    robust = run("eval", *NETWORK, *weights, "--data", "x", "--robustness", "--bundle", folder, "--json").fine()
    assert json.loads(robust)["images"] == 32


def test_labels_are_stated_where_there_is_no_record(run: Run, eight: Dataset, tmp_path: Path) -> None:
    three = "happy,sad,neutral"
    ran = train(run, tmp_path, "--labels", three)
    assert "has no class contempt: 12 images are left out\n" in ran.err
    assert json.loads(ran.out)["data"]["images"] == {"Training": 12, "PublicTest": 12, "PrivateTest": 12}
    weights = tmp_path / "microexpnet-xxs.safetensors"
    build = ("build", *NETWORK, "--weights", weights, "--target", "onnx-fp32", "--out", tmp_path / "dist")
    run(*build, "--labels", "happy,sad").fails(
        8, "trained on 3 classes (happy, sad, neutral)", "2 labels are given (happy, sad)", "leave --labels out"
    )
    weights.with_suffix(".json").unlink()
    run(*build).fails(8, "tells 3 classes, and there are 7 labels", "--labels")
    run(*build, "--labels", "happy,sad").fails(8, "tells 3 classes, and there are 2 labels (happy, sad)")
    run(*build, "--labels", "happy").fails(16, "one label is no choice")
    run(*build, "--labels", three).fine()
    labels = read_bundle(tmp_path / "dist" / "microexpnet-xxs.onnx-fp32").manifest.contract.labels
    assert labels == ("happy", "sad", "neutral")
    scored = run("eval", *NETWORK, "--weights", weights, "--data", "x", "--labels", three, "--json")
    assert json.loads(scored.out)["scores"]["recall"].keys() == {"happy", "sad", "neutral"}
    run("eval", *NETWORK, "--weights", weights, "--data", "x").fails(8, "tells 3 classes")


def test_without_labels_other_classes_are_left_out_and_it_is_said(run: Run, eight: Dataset, tmp_path: Path) -> None:
    ran = train(run, tmp_path)
    assert "has no class contempt: 12 images are left out; --labels data trains for all classes" in ran.err
    assert json.loads(ran.out)["data"]["classes"] == list(LABELS)


def test_a_teacher_of_other_classes_is_refused(run: Run, eight: Dataset, tmp_path: Path) -> None:
    line = ("--labels", "data", "--recipe", "distill", "--teacher", "ean")
    ran = train(run, tmp_path, *line)
    ran.fails(8, "ean.safetensors tells 7 classes (angry,", "the student microexpnet-xxs 8 (angry,", "contempt")
    assert list(tmp_path.iterdir()) == []


def test_random_weights_for_other_classes(run: Run, tmp_path: Path) -> None:
    line = ("build", *NETWORK, "--untrained", "--labels", "yes,no", "--target", "onnx-fp32", "--out", tmp_path)
    run(*line).fine()
    assert read_bundle(tmp_path / "microexpnet-xxs-untrained-seed0.onnx-fp32").manifest.contract.output.shape == (1, 2)
