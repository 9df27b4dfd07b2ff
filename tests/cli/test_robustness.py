"""`edgefer eval --robustness`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from statistics import mean

import pytest

from edgefer.arch import get_arch
from edgefer.data.conditions import CONDITIONS, UNCHANGED
from edgefer.data.load import load
from edgefer.runtime import records, terminal_table
from edgefer.runtime.bundle import read_bundle
from edgefer.runtime.errors import BadData
from edgefer.training.evaluation import FLOAT, REPORTED_ONLY, RobustnessRecord, measure_robustness, robustness_page
from edgefer.training.weights import load_trained_model
from tests.cli.made import FP32, INT8, Run
from tests.made import write_csv

LINE = ("eval", "--arch", "ean", "--robustness", "--data")


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(tmp_path_factory.mktemp("few") / "fer2013.csv", {"Training": 1, "PublicTest": 1, "PrivateTest": 2})


def test_table(run: Run, few: Path) -> None:
    out = run(*LINE, few).fine()
    assert "ean on PrivateTest, 14 images" in out and REPORTED_ONLY in out
    for condition in (UNCHANGED, *CONDITIONS):
        assert f" {condition.name} " in out
    assert f"mean of these {len(CONDITIONS)} conditions" in out
    assert REPORTED_ONLY not in run(*LINE, few, "--split", "PublicTest").fine()


def test_json_and_markdown_of_a_float_network_and_its_bundles(run: Run, few: Path, made: Path, tmp_path: Path) -> None:
    written = tmp_path / "robustness.md"
    line = (*LINE, few, "--bundle", made / FP32, "--bundle", made / INT8, "--markdown", written, "--json")
    record = records.parse(RobustnessRecord, run(*line).fine(), "standard output")
    assert record.schema == "edgefer/robustness/1"
    assert (record.arch, record.split, record.images, record.side) == ("ean", "PrivateTest", 14, 48)
    assert [each.name for each in record.models] == [FLOAT, FP32, INT8]
    assert [each.name for each in record.conditions] == [each.name for each in (UNCHANGED, *CONDITIONS)]
    assert [each.parameters for each in record.conditions[1:]] == [each.parameters() for each in CONDITIONS]
    for model in record.models:
        assert list(model.accuracy) == [each.name for each in record.conditions]
        assert model.mean == pytest.approx(mean(model.accuracy[each.name] for each in CONDITIONS), abs=1e-3)
    assert record.models[0].accuracy == record.models[1].accuracy, "fp32 gives the float network's answers"
    assert written.read_text() == f"# Robustness\n\n{robustness_page(record, terminal_table.markdown)}"


def test_unchanged_faces_have_the_accuracy_of_eval(run: Run, few: Path) -> None:
    plain = json.loads(run("eval", "--arch", "ean", "--data", few, "--threads", 1, "--json").fine())
    (model,) = records.parse(RobustnessRecord, run(*LINE, few, "--json").fine(), "standard output").models
    assert model.accuracy[UNCHANGED.name] == plain["scores"]["accuracy"]
    assert model.sha256 == plain["weights_sha256"]


def test_options_that_do_not_go_together(run: Run, few: Path, made: Path, tmp_path: Path) -> None:
    for line, words in (
        ((*LINE, few, "--ten-crop"), "leave --ten-crop out"),
        (("eval", "--arch", "ean", "--data", few, "--bundle", made / FP32), "go with --robustness"),
        (("eval", "--arch", "ean", "--data", few, "--markdown", tmp_path / "a.md"), "go with --robustness"),
        (("eval", "--arch", "lcnn", "--robustness", "--data", few, "--bundle", made / FP32), "48 pixels"),
    ):
        ran = run(*line)
        assert ran.code == 2 and words in ran.err, ran


def test_bundles_and_files_that_are_not_there(run: Run, few: Path, made: Path, tmp_path: Path) -> None:
    run(*LINE, tmp_path / "none", "--bundle", tmp_path / "bundle").fails(4, "no bundle at")
    run(*LINE, few, "--markdown", few / "a.md").fails(13)


def test_a_bundle_of_other_classes(few: Path, made: Path) -> None:
    bundle, ean = read_bundle(made / FP32), get_arch("ean")
    contract = replace(bundle.manifest.contract, labels=("calm", "not calm"))
    other = replace(bundle, manifest=replace(bundle.manifest, contract=contract))
    with pytest.raises(BadData, match="was trained on calm, not calm"):
        measure_robustness(load_trained_model(ean, None), ean, load(few).split("PrivateTest"), "PrivateTest", [other])
