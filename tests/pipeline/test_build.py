"""Every row of targets/: the shipped EAN becomes a bundle that holds what it promises."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from click import UsageError
from torch import nn

from edgefer.arch import get_arch
from edgefer.cli import cli
from edgefer.data.dataset import synthetic_faces
from edgefer.data.load import load
from edgefer.pipeline import calibration
from edgefer.pipeline.build import BuildJob, CalibrationOptions, build_bundle
from edgefer.pipeline.bundle_readme import render_readme
from edgefer.pipeline.export import import_exporter, to_onnx
from edgefer.pipeline.export.to_openvino import cut
from edgefer.pipeline.export.to_tflite import pad_apart
from edgefer.pipeline.float_model import FloatModel
from edgefer.pipeline.fold import DeployableModel, called
from edgefer.pipeline.ranges import METHODS, Method
from edgefer.pipeline.targets import all_targets, get_target
from edgefer.runtime import verify
from edgefer.runtime.bundle import CALIBRATION, MANIFEST, README, read_bundle
from edgefer.runtime.errors import BadCalibration, ExportFailed, GoldenMismatch, MissingFile, NotInteger, OutputFailed
from edgefer.training import evaluation, random_init, weights
from edgefer.training.torch_settings import torch_threads
from tests.compilers import buildable
from tests.made import write_csv, write_weights
from tests.pipeline.snippet_runner import check_python_snippet

EAN = get_arch("ean")
every_target = pytest.mark.parametrize("name", all_targets())


def job(name: str, calibrate: CalibrationOptions | None = None, of: weights.TrainedModel | None = None) -> BuildJob:
    return BuildJob(
        EAN, name, get_target(name), of or weights.load_trained_model(EAN, None), calibrate or CalibrationOptions()
    )


@pytest.fixture(scope="module")
def float_model() -> FloatModel:
    """The shipped EAN, converted once for each kind of graph: for tests whose subject is what comes after."""
    return FloatModel(EAN, weights.load_trained_model(EAN, None))


@every_target
def test_bundle_holds_what_it_promises(dist: Path, name: str) -> None:
    bundle = read_bundle(dist / f"ean.{name}")
    verify.check_golden(bundle)
    manifest, target = bundle.manifest, get_target(name)
    assert manifest.parameters == 43_840
    assert manifest.contract.labels == EAN.labels
    assert (bundle.folder / "labels.txt").read_text().split() == list(EAN.labels)
    assert manifest.contract.input.dtype == target.io
    assert manifest.training is not None
    assert manifest.training.weights_sha256 == manifest.weights_sha256
    if target.precision == "int8":
        assert not manifest.dtypes.float_inside
        assert manifest.dtypes.tensors["int8"] >= 26  # at least the weights of every convolution


def test_bytes_do_not_depend_on_the_number_of_threads(tmp_path: Path) -> None:
    texts = set()
    for count in (1, 2):
        with torch_threads(count):
            folder = build_bundle(job("onnx-fp32"), tmp_path / str(count)).folder
        texts.add((folder / MANIFEST).read_bytes())
    assert len(texts) == 1


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name.endswith("-int8") else pytest.mark.long) for name in all_targets()]
)
def test_second_build_gives_the_same_bytes(dist: Path, tmp_path: Path, name: str) -> None:
    """The first targets shared a float network (see dist), this one is built alone."""
    again = build_bundle(job(name), tmp_path).folder
    first = dist / f"ean.{name}"
    files = sorted(p.relative_to(first) for p in first.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(again) for p in again.rglob("*") if p.is_file())
    assert [f for f in files if (first / f).read_bytes() != (again / f).read_bytes()] == []


@every_target
def test_python_snippet_of_the_readme_runs(dist: Path, tmp_path: Path, name: str) -> None:
    check_python_snippet(dist / f"ean.{name}", tmp_path)


def test_int8_takes_pixels_less_128_and_gives_probabilities(dist: Path) -> None:
    agreed = read_bundle(dist / "ean.tflite-int8").manifest.contract
    assert (agreed.input.scale, agreed.input.zero_point) == (1.0, -128)
    assert (agreed.output.scale, agreed.output.zero_point) == (1 / 256, -128)


def test_verify_imports_no_torch(dist: Path) -> None:
    code = (
        "import sys; sys.argv = ['edgefer', 'verify', *sys.argv[1:]]\n"
        "from edgefer.cli import main\n"
        "main()\n"
        "assert 'torch' not in sys.modules, 'torch was imported'\n"
    )
    folders = [str(dist / f"ean.{name}") for name in all_targets() if buildable(name)]
    done = subprocess.run([sys.executable, "-c", code, *folders], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("golden pair hold") == len(folders)


def test_manifest_names_no_path_of_the_machine(dist: Path) -> None:
    here = (str(Path.home()), str(Path.cwd()), tempfile.gettempdir())
    for path in dist.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [h for h in here if h.encode() in content], path


@pytest.mark.parametrize("method", METHODS)
def test_calibration_from_faces_is_seeded_and_recorded(float_model: FloatModel, tmp_path: Path, method: Method) -> None:
    faces = load(write_csv(tmp_path / "fer2013.csv"))
    options = CalibrationOptions(faces=faces, method=method, count=20, seed=3)
    bundle = build_bundle(job("tflite-int8", options), tmp_path, float_model=float_model)
    record = calibration.load(bundle.path(CALIBRATION), "ean", "tflite", bundle.manifest.weights_sha256)
    assert record.method == method
    assert len(record.faces.rows) == 20
    assert set(record.faces.classes.values()) == {2, 3}
    assert record.faces.rows == calibration.describe(calibration.choose(faces, 20, 3).ranges, 3).rows
    assert max(record.faces.rows) < 56, "only Training rows"


def test_recorded_calibration_gives_the_bytes_of_the_faces(float_model: FloatModel, tmp_path: Path) -> None:
    faces = load(write_csv(tmp_path / "fer2013.csv"))
    measured = job("tflite-int8", CalibrationOptions(faces=faces, count=20))
    first = build_bundle(measured, tmp_path / "faces", float_model=float_model)
    recorded = job("tflite-int8", CalibrationOptions(recorded=first.path(CALIBRATION)))
    # ranges of made pictures may be too poor for the drawn ones that judge them here
    second = build_bundle(replace(recorded, accept_loss=True), tmp_path / "recorded")
    assert first.path("model.tflite").read_bytes() == second.path("model.tflite").read_bytes()


def test_recorded_ranges_of_other_weights_are_refused(tmp_path: Path) -> None:
    other = weights.load_trained_model(EAN, write_weights(tmp_path / "other.safetensors", "ean"))
    with pytest.raises(BadCalibration, match="--calibration PATH"):
        build_bundle(job("tflite-int8", of=other), tmp_path)
    assert not (tmp_path / "ean.tflite-int8").exists()


def test_network_without_recorded_ranges_is_told_to_calibrate(tmp_path: Path) -> None:
    arch = get_arch("model_f")
    loaded = weights.load_trained_model(arch, write_weights(tmp_path / "f.safetensors", "model_f"))
    wanted = BuildJob(arch, "onnx-int8", get_target("onnx-int8"), loaded, CalibrationOptions())
    with pytest.raises(BadCalibration, match="ships no activation ranges for model_f"):
        build_bundle(wanted, tmp_path)


def test_random_weights_are_those_of_their_seed_and_keep_activations_alive() -> None:
    for name in ("microexpnet-xxs", "ean", "vgg16-bn-44", "mobilenetv2-44"):
        arch = get_arch(name)
        one, same, other = (random_init.make(arch, seed) for seed in (3, 3, 4))
        assert (one.sha256, one.untrained) == (same.sha256, 3)
        assert other.sha256 != one.sha256
        answers = evaluation.logits(one.network, synthetic_faces().resized(arch.resize), arch)
        assert 0.01 < answers.std() < 100, name
        assert answers.std(0).max() > 0.001, f"{name} gives one answer to all pictures"


def test_untrained_is_never_implied(tmp_path: Path) -> None:
    line = ("build", "--arch", "model_f", "--target", "onnx-fp32", "--out", str(tmp_path))
    with pytest.raises(MissingFile, match=r"edgefer train --arch model_f.*build --untrained"):
        cli.main(line, standalone_mode=False)
    with pytest.raises(UsageError, match="--untrained takes no --weights"):
        cli.main((*line, "--untrained", "--weights", "w.safetensors"), standalone_mode=False)
    assert list(tmp_path.iterdir()) == []
    cli.main((*line, "--untrained", "5"), standalone_mode=False)
    manifest = read_bundle(tmp_path / "model_f-untrained-seed5.onnx-fp32").manifest
    assert "untrained, seed 5" in manifest.accuracy["float"]
    assert manifest.training is None


def test_what_an_engine_can_not_hold_is_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = replace(get_target("onnx-fp32"), cannot={"ean": "it has no such thing."})
    with pytest.raises(ExportFailed, match=r"ean.onnx-fp32 can't be built: it has no such thing\."):
        build_bundle(replace(job("onnx-fp32"), target=target), tmp_path)


def test_ranges_that_are_not_finite_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        import_exporter("onnx"), "observe", lambda model, images: [{"padded": np.array([-np.inf, 1.0])}]
    )
    faces = load(write_csv(tmp_path / "fer2013.csv"))
    with pytest.raises(BadCalibration, match="the tensor padded takes values from -inf"):
        build_bundle(job("onnx-int8", CalibrationOptions(faces=faces, method="min-max", count=20)), tmp_path / "out")


def test_padding_before_max_pooling_changes_no_number() -> None:
    arch = get_arch("shufflenetv2")
    network = DeployableModel(random_init.make(arch, 0).network).eval()
    pixels = torch.randint(0, 256, (1, 3, arch.crop, arch.crop), generator=torch.Generator().manual_seed(0)).float()
    changed = pad_apart(network, arch.crop)
    pools = [called(changed.network, node) for node in changed.network.graph.nodes]
    assert [pool.padding for pool in pools if isinstance(pool, nn.MaxPool2d)] == [0]
    with torch.inference_mode():
        assert torch.equal(changed(pixels), network(pixels))
    assert pad_apart(changed, arch.crop) is changed


def test_convolution_in_patches_gives_the_same_numbers() -> None:
    torch.manual_seed(1)
    layers = (nn.Conv2d(3, 8, 1), nn.Conv2d(8, 4, 4, 4), nn.Conv2d(4, 4, 2, 2), nn.Flatten(), nn.Softmax(1))
    network = nn.Sequential(*layers).eval()
    model = to_onnx.convert(cast(DeployableModel, network), 16)
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    (before,) = to_onnx.observe(model, [image])
    changed, ranges = cut(model, dict.fromkeys(before, (0.0, 1.0)))
    (after,) = to_onnx.observe(changed, [image])
    assert set(after) == set(ranges)
    assert len(after) == len(before) + 3, "one of three is cut: the others have strides below 4"
    np.testing.assert_allclose(after[to_onnx.OUTPUT], before[to_onnx.OUTPUT], atol=1e-5)


@pytest.mark.parametrize("count", [0, 1])
def test_calibration_on_too_few_faces(tmp_path: Path, count: int) -> None:
    faces = load(write_csv(tmp_path / "fer2013.csv", {"Training": 1, "PublicTest": 1}))
    train = faces.split("Training").take(np.arange(count))
    with pytest.raises((BadCalibration,) if count else Exception, match=r"at least 2|no Training image"):
        build_bundle(job("tflite-int8", CalibrationOptions(faces=train)), tmp_path)
    assert not (tmp_path / "ean.tflite-int8").exists()


def test_float_inside_fails_the_build(float_model: FloatModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = import_exporter("tflite")
    monkeypatch.setattr(backend, "quantize", lambda model, target, *_: {target.file: model})
    with pytest.raises(NotInteger, match="CONV_2D"):
        build_bundle(job("tflite-int8"), tmp_path, float_model=float_model)
    assert list(tmp_path.iterdir()) == []


def test_a_broken_conversion_fails_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = weights.load_trained_model(EAN, write_weights(tmp_path / "w.safetensors", "ean", seed=5))
    wrong = import_exporter("onnx").convert(DeployableModel(other.network).eval(), EAN.crop)
    monkeypatch.setattr(import_exporter("onnx"), "convert", lambda network, crop: wrong)
    with pytest.raises(GoldenMismatch, match="No bundle was written"):
        build_bundle(job("onnx-fp32"), tmp_path / "dist")
    assert not (tmp_path / "dist").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere; the full disk test covers the same lines")
def test_read_only_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputFailed, match="--out"):
            build_bundle(job("onnx-fp32"), tmp_path)
    finally:
        tmp_path.chmod(0o700)


def test_readme_of_a_bundle_is_rendered_from_its_manifest(dist: Path) -> None:
    bundle = read_bundle(dist / "ean.tflite-int8")
    content = json.loads((bundle.folder / MANIFEST).read_text())
    assert README in content["files"]
    assert bundle.path(README).read_text() == render_readme(bundle.manifest)
