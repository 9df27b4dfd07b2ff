"""`edgefer verify`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgefer.runtime import verify
from edgefer.runtime.bundle import GOLDEN_PICTURE
from tests.cli.made import FP32, INT8, Ran, Run
from tests.data.made import write_tree
from tests.made import write_csv, write_weights
from tests.runtime.test_bundle_damage import edit, renew, without_resize


def test_verify(run: Run, made: Path) -> None:
    assert run("verify", made / FP32, made / INT8).fine().count("golden pair hold") == 2
    assert [r["bundle"] for r in json.loads(run("verify", made / INT8, "--json").fine())] == [INT8]


def test_verify_says_whether_the_resize_was_checked(run: Run, earlier: Path) -> None:
    said = run("verify", earlier / FP32).fine()
    assert "; the resize too (off by 0 of 255 levels, 2 allowed, and by 0.000000, 0.01 allowed)" in said
    without_resize(earlier / FP32)
    assert "the resize was not checked: this bundle has no picture for it" in run("verify", earlier / FP32).fine()
    (checked,) = json.loads(run("verify", earlier / FP32, "--json").fine())
    assert checked["golden"]["resize"] is None


def test_verify_of_no_bundle(run: Run, made: Path, tmp_path: Path) -> None:
    run("verify", tmp_path / "none").fails(4, "no bundle at", "edgefer build")
    run("verify", made / FP32 / "model.onnx").fails(4, "model.onnx is a file", "give the bundle's folder")
    run("verify", tmp_path).fails(11, "no readable manifest.json", "edgefer build")


def test_verify_reports_every_bundle(run: Run, earlier: Path, made: Path, tmp_path: Path) -> None:
    (earlier / FP32 / "labels.txt").unlink()
    folders = (earlier / FP32, made / INT8, tmp_path / "none")
    ran = run("verify", *folders)
    assert ran.code == 11, "that of the first failure"
    assert ran.out.count("\n") == 1 and ran.out.startswith(INT8)
    first, second = ran.err.splitlines()
    assert first.startswith("edgefer: ") and "labels.txt is missing" in first
    assert second.startswith("edgefer: no bundle at")
    ran = run("verify", *folders, "--json")
    assert ran.code == 11
    results = json.loads(ran.out)
    assert [r["folder"] for r in results] == [str(folder) for folder in folders]
    assert [r.get("error", {}).get("exit_code") for r in results] == [11, None, 4]


def test_verify_measures_accuracy(run: Run, made: Path, csv: Path) -> None:
    line = ("verify", made / FP32, "--data", csv, "--split", "PublicTest", "--float", made / FP32)
    assert "PublicTest, 21 images" in run(*line).fine()


def test_verify_measures_what_can_be_measured(
    run: Run, made: Path, csv: Path, earlier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "AGREEMENT_LIMIT", 101.0)
    (earlier / FP32 / "labels.txt").unlink()
    ran = run("verify", made / FP32, earlier / FP32, made / INT8, "--data", csv, "--float", made / FP32, "--json")
    assert [line.split()[:2] for line in ran.err.splitlines()] == [
        ["edgefer:", f"{earlier / FP32}:"],
        ["edgefer:", FP32],
        ["edgefer:", INT8],
    ]
    assert ran.code == 11
    results = json.loads(ran.out)
    assert [r.get("accuracy", {}).get("split") for r in results] == ["PrivateTest", None, "PrivateTest"]
    assert [r["error"]["exit_code"] for r in results] == [15, 11, 15]


def test_verify_with_data_that_do_not_fit(run: Run, made: Path, tmp_path: Path) -> None:
    line = ("verify", made / FP32, "--data")
    training = write_csv(tmp_path / "fer2013.csv", {"Training": 1})
    folder = write_tree(tmp_path / "faces", "test/bored/a.png")
    fails_after_golden(run(*line, tmp_path / "none"), 4, "no data at", "give a fer2013.csv")
    fails_after_golden(run(*line, training), 6, "no PrivateTest image")
    fails_after_golden(run(*line, folder), 5, "unknown class folder 'bored'", "angry")


def fails_after_golden(ran: Ran, code: int, *words: str) -> None:
    assert "golden pair hold" in ran.out
    ran.fails(code, *words)


@pytest.mark.parametrize("name", ["model.onnx", GOLDEN_PICTURE])
def test_verify_of_a_forged_file(run: Run, earlier: Path, name: str) -> None:
    (earlier / FP32 / name).write_bytes(b"forged")
    edit(earlier / FP32, lambda content: renew(content, earlier / FP32, name))
    run("verify", earlier / FP32).fails(11, FP32, "can't load it" if name == "model.onnx" else "is no PNG picture")


def test_verify_against_a_float_that_is_not_its_own(run: Run, made: Path, csv: Path, tmp_path: Path) -> None:
    line = ("verify", made / INT8, "--data", csv, "--float")
    other = write_weights(tmp_path / "w.safetensors", "ean")
    fails_after_golden(run(*line, other), 8, "was made from the weights", "w.safetensors", "--float")
    fails_after_golden(run(*line, made / INT8), 8, "is int8", "fp32 bundle")
    fails_after_golden(run(*line, tmp_path / "none"), 4, "no weights at")
    fails_after_golden(run(*line, tmp_path), 11, "no readable manifest.json")
