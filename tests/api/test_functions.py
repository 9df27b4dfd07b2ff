"""`edgefer.build`, `verify` and `compare` are what the commands call: same records, same failures."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import edgefer
from edgefer.runtime import errors, records
from edgefer.runtime.progress import Progress
from tests.cli.made import Ran, Run, in_process
from tests.made import write_sure_csv

METHOD: Any = "mean"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Any:
    yield from in_process(Ran, monkeypatch, capfd)


def as_json(record: object) -> Any:
    return json.loads(records.dumps(record))


def test_build_is_the_commands(run: Run, tmp_path: Path) -> None:
    bundle = edgefer.build("ean", "onnx-fp32", out=tmp_path / "a")
    out = run("build", "--arch", "ean", "--target", "onnx-fp32", "--out", tmp_path / "b", "--json").out
    (printed,) = json.loads(out[out.index("[\n  {") :])  # pytest shows what the converter prints
    assert printed == {"folder": str(tmp_path / "b" / bundle.folder.name), "manifest": as_json(bundle.manifest)}


def test_verify_is_the_commands(run: Run, dist: Path, tmp_path: Path) -> None:
    data, fp32 = write_sure_csv(tmp_path / "fer2013.csv"), dist / "ean.onnx-fp32"
    check = edgefer.verify(dist / "ean.onnx-int8", data, float_baseline=fp32)
    (printed,) = json.loads(run("verify", dist / "ean.onnx-int8", "--data", data, "--float", fp32, "--json").out)
    assert printed == as_json(check.record())
    assert check.accuracy is not None and check.accuracy.split == "PrivateTest"


def test_compare_is_the_commands(run: Run, dist: Path) -> None:
    one, other = dist / "ean.onnx-fp32", dist / "ean.onnx-int8"
    record = edgefer.compare(one, other, exact_only=True, instructions=False)
    ran = run("gate", one, other, "--exact-only", "--no-instructions", "--json")
    assert json.loads(ran.out) == as_json(record)
    assert (record.outcome, ran.code) == ("regressed", 18), "operators differ"


def test_bench_is_the_commands(run: Run, dist: Path) -> None:
    few = ("--processes", 1, "--samples", 5, "--no-instructions")
    record = edgefer.bench(dist / "ean.onnx-fp32", processes=1, samples=5, instructions=False)
    printed = json.loads(run("bench", dist / "ean.onnx-fp32", *few, "--json").out)
    measured = as_json(record)
    assert printed.keys() == measured.keys()
    (ours,), (theirs,) = measured["results"], printed["results"]
    assert {key: ours[key] for key in ours if key != "runs"} == {key: theirs[key] for key in theirs if key != "runs"}
    assert len(ours["runs"][0]["samples"]) == len(theirs["runs"][0]["samples"]) == 5


def test_progress_is_told(dist: Path, tmp_path: Path) -> None:
    steps: list[tuple[str, str, int, int | None]] = []
    edgefer.verify(
        dist / "ean.onnx-int8",
        write_sure_csv(tmp_path / "fer2013.csv"),
        float_baseline=dist / "ean.onnx-fp32",
        progress=Progress(step=lambda *told: steps.append(told)),
    )
    assert steps[-1] == ("ean.onnx-int8", "faces", 21, 21)


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda folder: edgefer.build(), errors.WrongOptions, "give one of --arch"),
        (lambda folder: edgefer.build("ean", onnx="x.onnx"), errors.WrongOptions, "give one of --arch"),
        (lambda folder: edgefer.build("ean", untrained=1, weights="w"), errors.WrongOptions, "give one of the two"),
        (lambda folder: edgefer.build("eann"), errors.UnknownName, "did you mean ean?"),
        (lambda folder: edgefer.build("ean", "tflite"), errors.UnknownName, "unknown target"),
        (lambda folder: edgefer.build("ean", calibration_method=METHOD), errors.UnknownName, "min-max"),
        (lambda folder: edgefer.build("ean", calibration_count=1), errors.WrongOptions, "at least 2"),
        (lambda folder: edgefer.build("ean", weights=folder / "w"), errors.MissingFile, "no weights at"),
        (lambda folder: edgefer.verify(folder / "none"), errors.MissingFile, "no bundle at"),
        (lambda folder: edgefer.verify(folder, threads=0), errors.WrongOptions, "0 threads"),
        (lambda folder: edgefer.verify(folder, device="nowhere"), errors.UnknownName, "unknown device"),
        (lambda folder: edgefer.bench(dist=folder), errors.MissingFile, "no bundles in"),
        (lambda folder: edgefer.bench("ean.no", dist=folder), errors.UnknownName, "unknown target"),
        (lambda folder: edgefer.bench(fps=30, batch=2), errors.WrongOptions, "exclude each other"),
        (lambda folder: edgefer.bench(batch=0), errors.WrongOptions, "at least 1"),
        (lambda folder: edgefer.bench(processes=0), errors.WrongOptions, "measures nothing"),
        (lambda folder: edgefer.bench("ean.torch-eager", device="nowhere"), errors.UnknownName, "unknown device"),
        (lambda folder: edgefer.compare(None, folder), errors.WrongOptions, "--baseline"),
        (lambda folder: edgefer.compare(folder, folder, processes=3), errors.WrongOptions, "at least 12"),
        (lambda folder: edgefer.compare(folder, folder, budget=12), errors.WrongOptions, "--budget 12"),
        (lambda folder: edgefer.compare(folder, folder), errors.MissingFile, "no bundles in"),
    ],
)
def test_failures_are_edgefers_own(
    tmp_path: Path, call: Callable[[Path], object], kind: type[edgefer.EdgeferError], words: str
) -> None:
    with pytest.raises(kind, match=words):
        call(tmp_path)


def test_a_damaged_bundle_raises(dist: Path, tmp_path: Path) -> None:
    shutil.copytree(dist / "ean.onnx-fp32", tmp_path / "b")
    (tmp_path / "b" / "labels.txt").unlink()
    for call in (edgefer.verify, edgefer.load):
        with pytest.raises(errors.BrokenBundle, match=r"labels\.txt is missing"):
            call(tmp_path / "b")
