"""`edgefer recommend`: what is built or taken, what is left out, and measurements that are gone on with."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edgefer.benchmark import run as runner
from edgefer.benchmark.run import Plan
from edgefer.benchmark.workload import Workload
from edgefer.cli.recommend import recommend as command
from edgefer.devices import config, recommend
from edgefer.devices.microcontroller.device import EmulatedMicrocontroller
from edgefer.devices.recommend import RecommendOptions
from edgefer.pipeline.fidelity import compare
from edgefer.pipeline.options import BuildOptions
from edgefer.runtime import files, machine, records
from edgefer.runtime.bench_record import BenchRecord
from edgefer.runtime.bundle import write_bundle
from edgefer.runtime.errors import EdgeferError, NotSetUp, WorkerFailed, WrongOptions
from tests.benchmark.made import record, result, run
from tests.data.made import write_image
from tests.pipeline.test_bundle_readme import GOLDEN_FILES, MANIFESTS

HERE = machine.local_device()
TARGETS = ("tflite-int8", "onnx-fp32")


def made_bundle(dist: Path, target: str) -> Path:
    """A whole bundle of the network ean, whose model is none."""
    manifest = next(each for each in MANIFESTS if each.target == target)
    names = (manifest.model, *(["model.bin"] if manifest.format in ("openvino", "ncnn") else []), *GOLDEN_FILES)
    return write_bundle(dist / f"ean.{target}", manifest, dict.fromkeys(names, b"")).folder


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, int]]:
    """What was measured: bundle and threads. That named in the file `fails` fails; Ctrl-C comes at number `stop`."""
    heard: list[tuple[str, int]] = []

    def bench(plan: Plan, tick: object = None, say: object = None) -> BenchRecord:
        names = [workload.name for workload in plan.workloads]
        if (tmp_path / "fails").exists() and (tmp_path / "fails").read_text() in names:
            raise WorkerFailed("the measuring process died.")
        heard.extend((name, plan.settings.threads) for name in names)
        stop = tmp_path / "stop"
        if stop.exists() and len(heard) == int(stop.read_text()):
            raise KeyboardInterrupt
        results = [
            replace(
                result(name, [run(1.0 + 0.5 * number)]),
                settings=plan.settings,
                bundle_sha256=workload.bundle.sha256 if workload.bundle else "",
            )
            for number, (name, workload) in enumerate(zip(names, plan.workloads, strict=True))
        ]
        measured = record(results)
        versions = {"worker": files.runtime_checksum()}
        return replace(measured, device=HERE, machine=machine.describe(), versions=versions)

    monkeypatch.setattr(runner, "bench", bench)
    monkeypatch.setattr(recommend, "_weights_sha256", lambda options: "0" * 64)
    monkeypatch.setattr(recommend, "build_bundles", lambda *_: iter(()))
    return heard


def options(dist: Path, *targets: str) -> RecommendOptions:
    for target in targets or TARGETS:
        made_bundle(dist, target)
    return RecommendOptions("ean", targets=targets or TARGETS, dist=dist, processes=2)


def test_bundles_are_taken_and_measured_on_one_thread_and_on_all(asked: list[tuple[str, int]], tmp_path: Path) -> None:
    found = recommend.recommend(options(tmp_path))
    assert asked == [(f"ean.{target}", threads) for _ in range(2) for threads in (1, 2) for target in TARGETS]
    assert {each.purpose for each in found.best} == {"latency", "size", "memory"}
    kept = records.read(BenchRecord, tmp_path / f"recommend-ean-{HERE}.json")
    assert [len(each.runs) for each in kept.results] == [2, 2, 2, 2]
    assert "no data set was given" in found.accuracy_of


def test_an_interrupt_keeps_what_was_measured(asked: list[tuple[str, int]], tmp_path: Path) -> None:
    (tmp_path / "stop").write_text("4")
    wanted = options(tmp_path / "dist")
    with pytest.raises(KeyboardInterrupt):
        recommend.recommend(wanted)
    (tmp_path / "stop").unlink()
    asked.clear()
    recommend.recommend(wanted)
    assert len(asked) == 8 - 3, "the fourth was cut short"
    asked.clear()
    recommend.recommend(wanted)
    assert asked == [], "all is there"
    recommend.recommend(replace(wanted, fresh=True))
    assert len(asked) == 8


def test_what_is_kept_of_another_bundle_or_edgefer_is_measured_again(
    asked: list[tuple[str, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = replace(options(tmp_path), processes=1, threads=(1,))
    recommend.recommend(wanted)
    asked.clear()
    other = replace(MANIFESTS[0], edgefer="0.0.1")
    write_bundle(tmp_path / "ean.tflite-int8", other, dict.fromkeys((other.model, *GOLDEN_FILES), b""))
    recommend.recommend(wanted)
    assert asked == [("ean.tflite-int8", 1)]
    monkeypatch.setattr(files, "runtime_checksum", lambda: "another")
    asked.clear()
    recommend.recommend(wanted)
    assert len(asked) == 2


def test_a_bundle_that_does_not_run_is_excluded_with_the_reason(asked: list[tuple[str, int]], tmp_path: Path) -> None:
    (tmp_path / "fails").write_text("ean.tflite-int8")
    found = recommend.recommend(options(tmp_path / "dist"))
    assert {each.bundle for each in found.candidates} == {"ean.onnx-fp32"}
    assert [(each.name, each.reason) for each in found.excluded] == [("ean.tflite-int8", "the measuring process died.")]


def test_what_can_not_be_measured_is_told(
    asked: list[tuple[str, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all targets only one is there; the build of the others is refused."""

    class Failed:
        target, failure = "openvino-int8", EdgeferError("no converter")

    heard: list[BuildOptions] = []

    def build(wanted: BuildOptions, progress: object) -> list[Failed]:
        heard.append(wanted)
        return [Failed()]

    monkeypatch.setattr(recommend, "build_bundles", build)
    found = recommend.recommend(replace(options(tmp_path, "tflite-int8"), targets=(), processes=1))
    reasons = {each.name: each.reason for each in found.excluded}
    assert "Apple" in reasons["coreml-fp16"] and reasons["openvino-int8"] == "no converter"
    assert "tflite-int8" not in heard[0].targets and "c-int8" in heard[0].targets


def test_bundles_of_other_weights_are_not_taken(
    asked: list[tuple[str, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = options(tmp_path)
    monkeypatch.setattr(recommend, "_weights_sha256", lambda options: "1" * 64)
    with pytest.raises(EdgeferError, match="was built from other weights"):
        recommend.recommend(wanted)
    assert asked == []


def test_c_runs_on_one_thread_only(asked: list[tuple[str, int]], tmp_path: Path) -> None:
    of_c = replace(MANIFESTS[0], name="ean.c-int8", target="c-int8", format="c", model="model.c")
    write_bundle(tmp_path / "ean.c-int8", of_c, dict.fromkeys(("model.c", *GOLDEN_FILES), b""))
    wanted = options(tmp_path, "tflite-int8")
    found = recommend.recommend(replace(wanted, targets=("tflite-int8", "c-int8"), processes=1, threads=(2, 4)))
    assert "ean.c-int8: its size is that of its source, compiled it is smaller" in found.notes
    assert sorted(asked) == [("ean.c-int8", 1), ("ean.tflite-int8", 2), ("ean.tflite-int8", 4)]


def call(dist: Path, *words: str) -> Result:
    made = [made_bundle(dist, target).name.removeprefix("ean.") for target in TARGETS]
    line = ["--arch", "ean", "--dist", str(dist), "--processes", "1", "--threads", "1"]
    return CliRunner().invoke(command, [*line, *(word for name in made for word in ("--target", name)), *words])


def test_the_command(asked: list[tuple[str, int]], tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    done = call(tmp_path / "dist", "--json", "--markdown", str(page), "--max-kb", "1000")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["schema"] == "edgefer/recommendation/1"
    assert page.read_text().startswith("# Recommendation\n\nean on ")


def test_accuracies_are_asked_for_or_read(asked: list[tuple[str, int]], tmp_path: Path) -> None:
    done = call(tmp_path / "dist", "--min-accuracy", "60")
    assert done.exit_code == 2 and "--min-accuracy needs accuracies" in done.output
    scores: dict[str, object] = {"images": 3589, "accuracy": 67.46, "unseen_images": None, "unseen": None, "recall": {}}
    accuracy = {
        "split": "PrivateTest",
        "reference": "float",
        "artifact": scores,
        "exact": scores,
        "drop": 0.0,
        "agreement": 99.0,
    }
    verified = tmp_path / "verified.json"
    verified.write_text(json.dumps([{"bundle": "ean.tflite-int8", "accuracy": accuracy}]))
    found = json.loads(call(tmp_path / "dist", "--verified", str(verified), "--min-accuracy", "60", "--json").stdout)
    assert [each["bundle"] for each in found["best"] if each["purpose"] == "latency"] == ["ean.tflite-int8"]
    assert [each["misses"] for each in found["candidates"]] == [[], ["its accuracy is not known"]]
    assert "recorded in" in found["accuracy_of"]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--data", "nothing.csv"], "no data at nothing.csv"),
        (["--data", "faces", "--split", "PublicTest"], "has no PublicTest image"),
        (["--data", "faces", "--split", "publictest"], "unknown split 'publictest'"),
        (["--data", "fer2013.csv"], "fer2013.csv"),
        (["--weights", "nothing.safetensors"], "no weights at nothing.safetensors"),
        (["--verified", "nothing.json"], "nothing.json"),
        (["--verified", "other.json"], "other.json holds no accuracy: write it with `edgefer verify"),
        (["--record", "other.json/record.json"], "other.json"),
        (["--dist", "other.json"], "other.json"),
    ],
)
def test_files_are_looked_at_before_anything_is_built(
    words: list[str], line: str, asked: list[tuple[str, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(*_: object) -> None:
        raise AssertionError("it is built")

    monkeypatch.setattr(recommend, "build_bundles", build)
    monkeypatch.chdir(tmp_path)
    for name in ("happy", "sad"):
        write_image(tmp_path / "faces" / "test" / name / "a.png")
    (tmp_path / "fer2013.csv").write_text("no,such,columns\n1,2,3\n")
    (tmp_path / "other.json").write_text("[]")
    done = CliRunner().invoke(command, ["--arch", "ean", *words])
    assert isinstance(done.exception, EdgeferError) and line in str(done.exception)
    assert asked == []


def test_another_engine_on_this_machine_is_no_choice_for_a_microcontroller(monkeypatch: pytest.MonkeyPatch) -> None:
    row = config.microcontrollers()["cortex-m4-emulated"]
    board = EmulatedMicrocontroller(row)
    monkeypatch.setattr(board, "require_ready", lambda: None)
    monkeypatch.setattr(board, "_refusal", lambda workload: None)
    monkeypatch.setattr("edgefer.devices.registry.device", lambda *_: board)
    monkeypatch.setattr(recommend, "_bundles", lambda *_: ([], []))
    with pytest.raises(NotSetUp, match="nothing that was asked for ran"):
        recommend.recommend(RecommendOptions("ean", device=row.name, dist=Path()))
    assert board.expand([Workload(network="ean")]) == [Workload(network="ean")]
    assert board.left_out == []


def test_agreement_with_float_says_so() -> None:
    import numpy as np

    answers = np.eye(7, dtype=np.float32)
    figures = compare(answers, answers, target="tflite-int8", engine="LiteRT", source="a.csv")
    told = recommend._agreement(figures)
    assert (told.kind, told.of) == ("agreement", "agreement with float on faces of a.csv")


@pytest.mark.parametrize(
    "wanted",
    [
        RecommendOptions("ean", data=Path("a.csv"), verified=Path("b.json")),
        RecommendOptions("ean", processes=0),
        RecommendOptions("ean", threads=(0,)),
    ],
)
def test_options_that_make_no_sense(wanted: RecommendOptions) -> None:
    with pytest.raises(WrongOptions):
        wanted.check()
