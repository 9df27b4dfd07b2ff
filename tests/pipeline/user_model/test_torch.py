"""A torch network of the user's own: every format, and answers that are those of the user's own preprocessing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgefer.data.load import load
from edgefer.pipeline.bundle_readme import render_readme
from edgefer.runtime import verify
from edgefer.runtime.bundle import CALIBRATION, README, read_bundle
from edgefer.runtime.files import sha256
from tests.made import golden, write_csv
from tests.pipeline.user_model import nets
from tests.pipeline.user_model.conftest import MEAN, STD, Run, known, write
from tests.pipeline.user_model.preprocessing import preprocess

TARGETS = ("onnx-fp32", "onnx-int8", "tflite-fp32", "tflite-int8", "openvino-int8", "ncnn-int8")


@pytest.fixture(scope="module")
def dist(weights: Path, contract: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The colour network for TARGETS."""
    from click.testing import CliRunner

    from edgefer.cli import cli

    out = tmp_path_factory.mktemp("own")
    targets = [word for name in TARGETS for word in ("--target", name)]
    words = ["build", "--model", "tests.pipeline.user_model.nets:colour", "--weights", weights, "--contract", contract]
    more = ["--calibration", data, "--out", out]
    done = CliRunner().invoke(cli, list(map(str, [*words, *targets, *more])), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert done.output.count("an exact 1x1 convolution in front") == len(TARGETS)
    return out


@pytest.mark.parametrize("name", TARGETS)
def test_bundle_says_what_it_is(dist: Path, weights: Path, name: str) -> None:
    bundle = read_bundle(dist / f"colour.{name}")
    verify.check_golden(bundle)
    manifest = bundle.manifest
    assert manifest.contract.labels == nets.LABELS
    assert (manifest.contract.resize, manifest.contract.crop) == (44, 40)
    assert manifest.paper == "the user's own network, tests.pipeline.user_model.nets:colour"
    assert manifest.own is not None
    assert manifest.own["sha256"] == sha256(weights)
    assert manifest.own["mean"] == list(MEAN)
    assert "zeros, which are not black" in manifest.own["preprocessing"]
    assert "nowhere" in manifest.contract.grey
    assert manifest.golden.distance < (0.1 if name.endswith("int8") else 1e-4)
    if name.endswith("int8"):
        assert not manifest.dtypes.float_inside


@pytest.mark.parametrize("name", TARGETS)
def test_answers_are_those_of_the_users_preprocessing(dist: Path, trained: nn.Module, data: Path, name: str) -> None:
    test = load(data, 44).split("PrivateTest")
    found = verify.run_faces(read_bundle(dist / f"colour.{name}"), test.pixels)
    with torch.inference_mode():
        answers = trained(preprocess(test.pixels[:], nets.SIDE, "bgr", (0, 1), MEAN, STD))
    wanted = torch.softmax(answers, 1).numpy()
    assert np.abs(found - wanted).max() < (0.25 if name.endswith("int8") else 1e-4)
    assert (found.argmax(1) == wanted.argmax(1)).mean() > 0.97


def test_verify_on_data_maps_the_labels(run: Run, dist: Path, trained: nn.Module, data: Path) -> None:
    folders = [dist / "colour.tflite-int8", dist / "colour.onnx-int8"]
    ran = run("verify", *folders, "--data", data, "--float", dist / "colour.onnx-fp32", "--json")
    results = json.loads(ran.fine())
    faces, labels = known(load(data, 44).split("PrivateTest"))
    with torch.inference_mode():
        answers = trained(preprocess(faces, nets.SIDE, "bgr", (0, 1), MEAN, STD)).argmax(1).numpy()
    accuracy = round(100 * float((answers == labels).mean()), 3)
    assert accuracy > 90
    for result in results:
        assert result["accuracy"]["exact"]["accuracy"] == accuracy
        assert result["accuracy"]["artifact"]["images"] == 5 * 8
        assert result["left_out"] == {"disgust": 8, "fear": 8}
        assert set(result["accuracy"]["artifact"]["recall"]) == set(nets.LABELS)


def test_verify_says_which_faces_it_left_out(run: Run, dist: Path, data: Path) -> None:
    folder = dist / "colour.onnx-int8"
    out = run("verify", folder, "--data", data, "--float", dist / "colour.onnx-fp32").fine()
    assert "colour.onnx-int8 was not shown faces of classes that it does not tell: 8 of disgust, 8 of fear" in out


@pytest.mark.parametrize("float_options", [(), ("--float", "w.safetensors")])
def test_verify_without_a_float_bundle(run: Run, dist: Path, data: Path, float_options: tuple[str, ...]) -> None:
    ran = run("verify", dist / "colour.onnx-int8", "--data", data, *float_options)
    ran.fails(8, "your own network tests.pipeline.user_model.nets:colour", f"--float {dist / 'colour.onnx-fp32'}")


def test_calibration_of_an_earlier_bundle(run: Run, dist: Path, weights: Path, contract: Path, tmp_path: Path) -> None:
    recorded = dist / "colour.onnx-int8" / CALIBRATION
    words = ("build", "--model", "tests.pipeline.user_model.nets:colour", "--weights", weights, "--target", "onnx-int8")
    run(*words, "--contract", contract, "--calibration", recorded, "--out", tmp_path).fine()
    made, first = tmp_path / "colour.onnx-int8", dist / "colour.onnx-int8"
    assert (made / "model.onnx").read_bytes() == (first / "model.onnx").read_bytes()
    other = tmp_path / "other.toml"
    other.write_text(contract.read_text().replace("bgr", "rgb"))
    ran = run(*words, "--contract", other, "--calibration", recorded, "--out", tmp_path)
    ran.fails(7, "belong to the weights", "calibrate with --calibration PATH")


def test_int8_without_faces(run: Run, weights: Path, contract: Path, tmp_path: Path) -> None:
    words = ("build", "--model", "tests.pipeline.user_model.nets:colour", "--weights", weights, "--contract", contract)
    run(*words, "--target", "tflite-int8", "--out", tmp_path / "dist").fails(
        7, "no activation ranges for colour on tflite", "--calibration PATH"
    )
    assert not (tmp_path / "dist").exists()


def test_grey_probabilities_by_options_alone(run: Run, data: Path, tmp_path: Path) -> None:
    torch.manual_seed(3)
    network = nets.grey()
    words = (
        "build",
        "--model",
        "tests.pipeline.user_model.nets:grey",
        "--weights",
        write(network, tmp_path / "w.safetensors"),
    )
    options = (
        "--input",
        "1x36x36",
        "--labels",
        "a,b,c,d,e",
        "--name",
        "mine",
        "--calibration",
        data,
        "--out",
        tmp_path,
    )
    out = run(*words, *options, "--target", "tflite-int8", "--target", "onnx-fp32").fine()
    assert out.count("folded into the first convolution") == 2
    bundle = read_bundle(tmp_path / "mine.onnx-fp32")
    assert bundle.manifest.own is not None and bundle.manifest.own["output"] == "probabilities"
    test = load(data, 36).split("PublicTest")
    with torch.inference_mode():
        wanted = network(preprocess(test.pixels[:], 36, "grey", (0, 1), [0], [1])).numpy()
    assert np.abs(verify.run_faces(bundle, test.pixels) - wanted).max() < 1e-4
    verify.check_golden(read_bundle(tmp_path / "mine.tflite-int8"))


def test_bench_and_gate_see_a_bundle_like_any_other(run: Run, dist: Path, data: Path) -> None:
    bundle, quick = dist / "colour.onnx-int8", ("--processes", 1, "--samples", 5, "--no-instructions")
    ran = run("bench", "colour.onnx-int8", "--dist", dist, *quick)
    assert (ran.code, "colour.onnx-int8" in ran.out) == (0, True), ran
    ran = run("gate", bundle, bundle, "--exact-only", "--no-instructions", "--data", data)
    assert (ran.code, "ok" in ran.out) == (0, True), ran
    run("bench", "colour.onnx-fp16", "--dist", dist).fails(4, "no bundle colour.onnx-fp16")


def test_readme_of_a_network_of_ones_own(dist: Path) -> None:
    bundle = read_bundle(dist / "colour.onnx-fp32")
    page = bundle.path(README).read_text()
    assert page == render_readme(bundle.manifest)
    start, end = page.index("`colour` tells"), page.index("## Python")
    unsteady = ("golden", "takes", "It agrees with")  # sizes of trained weights are steady, their answers are not
    golden("own-readme.md", "\n".join(x for x in page[start:end].splitlines() if not x.startswith(unsteady)) + "\n")


def test_colour_calibrated_on_grey_faces_gets_a_note(run: Run, weights: Path, contract: Path, tmp_path: Path) -> None:
    words = ("build", "--model", "tests.pipeline.user_model.nets:colour", "--weights", weights, "--contract", contract)
    grey = write_csv(tmp_path / "fer2013.csv", {"Training": 1})
    ran = run(*words, "--calibration", grey, "--target", "onnx-fp32", "--out", tmp_path)
    assert ran.code == 0 and "note: colour reads colour, but" in ran.err
