"""Selecting, taking turns, and stopping early; no worker is started here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgefer.benchmark.instructions import Counted
from edgefer.benchmark.run import CUT_SHORT, NOT_ASKED, Plan, bench, commit
from edgefer.benchmark.workload import Task, Workload, open_workload, select, static_metrics
from edgefer.devices import device
from edgefer.runtime.bench_record import Settings
from edgefer.runtime.errors import MissingFile, UnknownName
from edgefer.runtime.protocol import Answer
from tests.benchmark.made import bundle, record, run, workload, write

NAMES = ["ean.onnx-int8", "ean.tflite-fp32", "ean.tflite-int8", "model_a.tflite-int8"]


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Folders that look like bundles."""
    for name in NAMES:
        bundle(tmp_path / name)
    return write(tmp_path, {".half.tmp/manifest.json": "{}"})


def names(selectors: list[str], dist: Path) -> list[str]:
    return [workload.name for workload in select(selectors, dist)]


def test_selectors(folders: Path) -> None:
    assert names([], folders) == NAMES
    assert names(["ean.*"], folders) == NAMES[:3]
    assert names(["*.tflite-int8", "ean.tflite-*"], folders) == ["ean.tflite-int8", "model_a.tflite-int8", NAMES[1]]
    assert names([str(folders / "ean.onnx-int8"), "ean.onnx-int8"], folders) == ["ean.onnx-int8"]
    assert select(["ean.torch-eager"], folders) == [Workload(network="ean")]


@pytest.mark.parametrize(
    ("selector", "advice"),
    [
        ("ean.openvino-int8", "`edgefer build --arch ean --target openvino-int8 --out {}` makes it."),
        ("ean.openvino-*", "--target openvino-fp32 --target openvino-fp16 --target openvino-int8"),
        ("mobilenet.tflite-int8", "`edgefer archs` and `edgefer targets` list them"),
        ("nonsense", "give <arch>.<target>"),
    ],
)
def test_what_is_not_there_names_the_command(folders: Path, selector: str, advice: str) -> None:
    with pytest.raises(MissingFile) as caught:
        select([selector], folders)
    assert advice.format(folders) in str(caught.value)


def test_a_target_that_is_none(folders: Path) -> None:
    with pytest.raises(UnknownName, match="tflite-int8"):
        select(["ean.tflite-int9"], folders)
    with pytest.raises(UnknownName, match="ean"):
        select(["eam.torch-eager"], folders)


def test_an_empty_dist(tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match="edgefer build --arch ean --target tflite-int8"):
        select([], tmp_path)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Answers at once in place of a worker, and remembers what was asked for; the fourth request is interrupted."""
    heard: list[str] = []

    def ask(task: Task) -> Answer:
        if len(heard) == 3:
            raise KeyboardInterrupt
        heard.append(task.workload.name)
        return Answer(run(), record([]).machine, {"python": "3"}, None)

    monkeypatch.setattr(device, "ask", ask)
    return heard


def plan(processes: int, *names: str) -> Plan:
    return Plan([workload(name) for name in names], Settings(), processes, device.ThisMachine())


def test_bundles_take_turns(asked: list[str]) -> None:
    told: list[str] = []
    found = bench(plan(1, "a", "b", "c"), told.append)
    assert asked == ["a", "b", "c"]
    assert told == [f"{name}, process 1 of 1" for name in "abc"]
    assert not found.interrupted
    assert [result.id for result in found.results] == ["x86/a", "x86/b", "x86/c"]
    assert found.results[0].instructions_reason == NOT_ASKED.reason


def test_an_interrupt_keeps_what_is_measured(asked: list[str]) -> None:
    found = bench(plan(2, "a", "b"))
    assert asked == ["a", "b", "a"]
    assert found.interrupted
    assert [len(result.runs) for result in found.results] == [2, 1]
    assert found.machine.cpu == "A processor"


def test_an_interrupt_before_anything_was_measured(monkeypatch: pytest.MonkeyPatch, asked: list[str]) -> None:
    def interrupted(task: Task) -> Answer:
        raise KeyboardInterrupt

    monkeypatch.setattr(device, "ask", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bench(plan(1, "a"))


def test_an_interrupt_while_counting_keeps_the_times(asked: list[str]) -> None:
    def count(workload: Workload) -> Counted:
        if workload.name == "b":
            raise KeyboardInterrupt
        return Counted(1000, 3, None)

    wanted = plan(1, "a", "b")
    found = bench(replace(wanted, count=count))
    assert [result.instructions_per_frame for result in found.results] == [1000, None]
    assert [result.instructions_spread for result in found.results] == [3, 0]
    assert found.results[1].instructions_reason == CUT_SHORT.reason


def test_exact_figures_of_a_bundle(dist: Path) -> None:
    found = static_metrics(open_workload(dist / "ean.tflite-int8"))
    assert found.parameters == 43840
    assert found.files["model.tflite"] == found.model_bytes
    assert found.operators["SOFTMAX int8"] == 1
    assert len(found.bundle_sha256) == 64


def test_exact_figures_of_the_baseline() -> None:
    found = static_metrics(Workload(network="ean"))
    assert (found.parameters, found.macs) == (43840, 4568040)
    assert found.operators["BatchNorm2d float32"] == 20


def test_commit_is_one_or_none() -> None:
    found = commit()
    assert found is None or len(found) == 40
