"""Int8, whichever way it was calibrated, against float on the whole PrivateTest split of the real FER2013."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest
from numpy.typing import NDArray

from edgefer.arch import get_arch
from edgefer.data.dataset import Dataset, rows_of, unseen_rows
from edgefer.data.load import load
from edgefer.pipeline.build import BuildJob, CalibrationOptions, build_bundle
from edgefer.pipeline.float_baseline import run_float_baseline
from edgefer.pipeline.float_model import FloatModel
from edgefer.pipeline.targets import all_targets, get_target
from edgefer.runtime import verify
from edgefer.runtime.bundle import Bundle
from edgefer.runtime.errors import AccuracyDropped
from edgefer.training import weights
from tests.made import SHIPPED, write_weights

EAN = get_arch("ean")
INT8 = [name for name, target in all_targets().items() if target.precision == "int8"]
QUICK = ("tflite-int8", EAN.name)  # what ships most; `make test-all` tries all


@pytest.fixture(scope="module")
def faces(fer2013: Path) -> Dataset:
    return load(fer2013)


@cache
def float_model(network: str) -> FloatModel:
    """Converted once for each format, whatever is built of it."""
    arch = get_arch(network)
    return FloatModel(arch, weights.load_trained_model(arch, None))


def built(name: str, calibrate: CalibrationOptions, out: Path, network: str = EAN.name) -> Bundle:
    model = float_model(network)
    job = BuildJob(model.arch, name, get_target(name), model.weights, calibrate)
    return build_bundle(job, out, float_model=model)


class Judge(Protocol):
    def __call__(self, bundle: Bundle, *splits: str) -> verify.AccuracyCheck: ...


@pytest.fixture(scope="module")
def judge(faces: Dataset) -> Judge:
    """Compares a bundle with its float network, which answers once, on PrivateTest or on the splits that are named."""

    @cache
    def chosen(splits: tuple[str, ...]) -> tuple[Dataset, NDArray[np.bool_] | None]:
        test = faces.take(np.concatenate([rows_of(split, faces.splits, faces.source) for split in splits]))
        return test, unseen_rows(test, faces)

    @cache
    def prepared(network: str, splits: tuple[str, ...]) -> Dataset:
        return chosen(splits)[0].resized(get_arch(network).resize)

    exact: dict[tuple[str, tuple[str, ...]], verify.FloatBaseline] = {}

    def compared(bundle: Bundle, *splits: str) -> verify.AccuracyCheck:
        splits = splits or ("PrivateTest",)
        test, unseen = prepared(bundle.manifest.arch, splits), chosen(splits)[1]
        of = (bundle.manifest.weights_sha256, splits)
        if of not in exact:
            exact[of] = run_float_baseline(bundle, test, None)
        answers = verify.run_faces(bundle, test.pixels)
        return verify.compare_accuracy(answers, test, " and ".join(splits), unseen, exact[of])

    return compared


@pytest.mark.parametrize(
    ("name", "network"),
    [
        pytest.param(name, network, marks=() if (name, network) == QUICK else pytest.mark.long)
        for name, target in all_targets().items()
        for network in SHIPPED
        if network == EAN.name or target.precision == "int8"  # the others where they could lose something
    ],
)
def test_shipped_calibration_keeps_accuracy(judge: Judge, tmp_path: Path, name: str, network: str) -> None:
    bundle = built(name, CalibrationOptions(), tmp_path, network)
    check = judge(bundle)
    verify.require_accuracy(bundle.manifest.name, check)
    assert abs(check.drop) <= verify.DROP_LIMIT
    if name == "tflite-int8":
        assert check.drop <= 0.3  # of what ships most; int8 may be right by chance where float is not
    record = weights.load_trained_model(get_arch(network), None).record
    assert record is not None and record.private is not None
    assert check.exact.accuracy == record.private.accuracy
    assert check.artifact.unseen_images == 3301


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", INT8)
def test_calibration_on_faces_keeps_accuracy(
    faces: Dataset, judge: Judge, tmp_path: Path, name: str, seed: int
) -> None:
    """On both splits: on one alone a good calibration's difference has a standard error of a quarter point."""
    bundle = built(name, CalibrationOptions(faces=faces, seed=seed), tmp_path)
    verify.require_accuracy(bundle.manifest.name, judge(bundle, "PublicTest", "PrivateTest"))


def test_a_network_that_lost_its_accuracy_is_refused(faces: Dataset, tmp_path: Path) -> None:
    """The check must be able to fail: compare the shipped artifact with the answers of other weights."""
    bundle = built("onnx-fp32", CalibrationOptions(), tmp_path)
    test = faces.split("PrivateTest").take(np.arange(200))
    other = weights.load_trained_model(EAN, write_weights(tmp_path / "w.safetensors", "ean"))
    from edgefer.training.evaluation import logits

    wrong = verify.FloatBaseline("another network", logits(other.network, test, EAN).numpy())
    with pytest.raises(AccuracyDropped, match="agrees with float"):
        verify.require_accuracy(
            "x", verify.compare_accuracy(verify.run_faces(bundle, test.pixels), test, "PrivateTest", None, wrong)
        )
