"""The tables in benchmarks/tables are what the records in benchmarks/results render to, nothing else."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from edgefer.arch import get_arch
from edgefer.data.dataset import Dataset
from edgefer.pipeline.targets import all_targets
from edgefer.runtime.files import sha256, shipped_folder
from edgefer.training.augment import to_channels
from edgefer.training.recipes import get_recipe
from edgefer.training.weights import load_trained_model
from tests.made import SHIPPED, write_csv

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def script(name: str) -> ModuleType:
    """A script of benchmarks/ as a module."""
    found = importlib.util.spec_from_file_location(f"benchmarks.{name}", BENCHMARKS / f"{name}.py")
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[module.__name__] = module  # dataclasses look their module up
    found.loader.exec_module(module)
    return module


def test_targets_table_is_rendered_from_its_record() -> None:
    record = json.loads((BENCHMARKS / "results" / "ean-targets.json").read_text())
    assert (BENCHMARKS / "tables" / "ean-targets.md").read_text() == script("targets").render(record)


def test_targets_record_is_of_the_shipped_weights_and_every_target() -> None:
    from edgefer.training import weights

    record = json.loads((BENCHMARKS / "results" / "ean-targets.json").read_text())
    shipped = weights.load_trained_model(get_arch("ean"), None).record
    assert shipped is not None and shipped.private is not None
    assert set(record["bundles"]) == {f"ean.{name}" for name in all_targets()}
    for row in record["bundles"].values():
        assert row["accuracy"]["exact"]["accuracy"] == shipped.private.accuracy


def test_table_of_calibrations_is_rendered_from_its_record_of_the_shipped_weights() -> None:
    record = json.loads((BENCHMARKS / "results" / "ean-calibrations.json").read_text())
    assert (BENCHMARKS / "tables" / "ean-calibrations.md").read_text() == script("calibrations").render(record)
    assert record["weights_sha256"] == sha256(shipped_folder("weights") / "ean.safetensors")


def test_bench_table_is_rendered_from_its_record() -> None:
    from edgefer.benchmark.report import record_page
    from edgefer.runtime import records
    from edgefer.runtime.bench_record import BenchRecord
    from edgefer.runtime.terminal_table import markdown

    record = records.read(BenchRecord, BENCHMARKS / "results" / "ean-x86.json")
    rendered = f"# Bench\n\n{record_page(record, markdown)}"
    assert (BENCHMARKS / "tables" / "ean-x86.md").read_text() == rendered


@pytest.mark.parametrize(
    ("name", "title"), [("microcontrollers", "Microcontrollers"), ("c-int8-arm", "Generated C beside LiteRT on boards")]
)
def test_tables_of_emulated_devices_are_rendered_from_their_records(name: str, title: str) -> None:
    from edgefer.benchmark.report import page, read_bench
    from edgefer.runtime.terminal_table import markdown

    recorded = read_bench(BENCHMARKS / "results" / f"{name}.json")
    rendered = f"# {title}\n\n{page(recorded, markdown)}"
    assert (BENCHMARKS / "tables" / f"{name}.md").read_text() == rendered
    assert not any(run.samples for record in recorded for result in record.results for run in result.runs)


@pytest.mark.parametrize("name", ["c_int8", "c_wasm"])
def test_tables_of_generated_c_are_rendered_from_their_records(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    benchmark = script(name)
    if benchmark.RECORD.is_file():  # it takes a machine on which nothing else runs
        assert benchmark.TABLE.read_text() == benchmark.render(json.loads(benchmark.RECORD.read_text()))


def test_gate_table_is_rendered_from_its_record() -> None:
    record = json.loads((BENCHMARKS / "results" / "gate-power.json").read_text())
    assert (BENCHMARKS / "tables" / "gate-power.md").read_text() == script("gate_power").render(record)


def test_robustness_table_is_rendered_from_its_record_of_the_shipped_weights() -> None:
    from edgefer.data.conditions import CONDITIONS, UNCHANGED
    from edgefer.runtime import records
    from edgefer.runtime.terminal_table import markdown
    from edgefer.training import weights
    from edgefer.training.evaluation import RobustnessRecord, robustness_page

    record = records.read(RobustnessRecord, BENCHMARKS / "results" / "ean-robustness.json")
    assert (
        BENCHMARKS / "tables" / "ean-robustness.md"
    ).read_text() == f"# Robustness\n\n{robustness_page(record, markdown)}"
    assert [each.name for each in record.conditions] == [each.name for each in (UNCHANGED, *CONDITIONS)]
    shipped = weights.load_trained_model(get_arch("ean"), None)
    assert shipped.record is not None and shipped.record.private is not None
    assert record.models[0].sha256 == shipped.sha256
    assert record.models[0].accuracy[UNCHANGED.name] == shipped.record.private.accuracy


@pytest.mark.parametrize("network", SHIPPED)
def test_training_of_the_shipped_weights_names_no_path(network: str) -> None:
    record = (BENCHMARKS.parent / "edgefer" / "weights" / f"{network}.json").read_text()
    assert "/tmp" not in record and "/home" not in record


@pytest.mark.parametrize("network", SHIPPED)
def test_what_the_shipped_weights_come_from_is_on_record(network: str) -> None:
    weights = BENCHMARKS.parent / "edgefer" / "weights"
    folders = (weights, *(BENCHMARKS / name for name in ("results/trainings", "teachers", "students")))
    known = {json.loads(path.read_text())["weights_sha256"] for folder in folders for path in folder.glob("*.json")}
    known |= set(re.findall(r"\b[0-9a-f]{64}\b", (BENCHMARKS / "students" / "README.md").read_text()))  # banks
    record = json.loads((weights / f"{network}.json").read_text())
    pretrained = record.get("pretrained")
    assert {each["sha256"] for each in [*record["teachers"], *([pretrained] if pretrained else [])]} <= known


def test_lean_table_is_rendered_from_its_record_of_every_shipped_network_and_target() -> None:
    record = json.loads((BENCHMARKS / "results" / "lean.json").read_text())
    assert (BENCHMARKS / "tables" / "lean.md").read_text() == script("lean").render(record)
    assert {(row["network"], row["target"]) for row in record["rows"]} == {
        (n, t) for n in SHIPPED for t in script("lean").shortened()
    }
    for row in record["rows"]:
        assert row["difference"] == 0, row
        assert row["bytes"] == sorted(row["bytes"], reverse=True), row


def test_training_table_is_rendered_from_its_record() -> None:
    record = json.loads((BENCHMARKS / "results" / "training.json").read_text())
    assert (BENCHMARKS / "tables" / "training.md").read_text() == script("training").render(record)


def test_recipes_table_is_rendered_from_its_record_and_has_the_shipped_weights() -> None:
    rows = json.loads((BENCHMARKS / "results" / "recipes.json").read_text())
    assert (BENCHMARKS / "tables" / "recipes.md").read_text() == script("recipes").render(rows)
    for network in SHIPPED:
        shipped = json.loads((BENCHMARKS.parent / "edgefer" / "weights" / f"{network}.json").read_text())
        (mine,) = [row for row in rows if row["command"] == shipped["command"]]
        assert mine["private"] == shipped["private"]["accuracy"]
    assert all(row["private"] is None for row in rows if row.get("cut"))


@pytest.mark.parametrize("name", ["teachers", "students", "tails"])
def test_tables_of_ensembles_are_rendered_from_their_records(name: str) -> None:
    record = json.loads((BENCHMARKS / "results" / f"{name}.json").read_text())
    assert (BENCHMARKS / "tables" / f"{name}.md").read_text() == script("ensembles").render(record, name)


def test_table_of_teachers_is_of_all_that_are_kept() -> None:
    record = json.loads((BENCHMARKS / "results" / "teachers.json").read_text())
    kept = [shipped_folder("weights") / "teacher.safetensors", *(BENCHMARKS / "teachers").glob("*.safetensors")]
    assert {each["sha256"] for each in record["networks"]} == {sha256(path) for path in kept}


def test_networks_are_measured_alone_together_and_with_batch_norm_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensembles, data = script("ensembles"), write_csv(tmp_path / "fer2013.csv")
    monkeypatch.setattr(ensembles, "FACES", 20)
    same, other = shipped_folder("weights") / "ean.safetensors", tmp_path / "other.safetensors"
    other.write_bytes(same.read_bytes())
    mean = tmp_path / "mean.safetensors"
    given = ["--data", str(data), "--average", str(mean), "--batch-norm", "plain", "--teacher", str(same)]
    record = ensembles.measure(ensembles.parser().parse_args(["students", str(same), str(other), *given]))
    figures = [{key: value for key, value in row.items() if key != "name"} for row in record["rows"]]
    assert figures[:4] == [figures[0]] * 4  # one network twice, and both together
    assert figures[4:] == [figures[4]] * 3 != [figures[0]] * 3
    names = ["ean", "other", ensembles.TOGETHER, ensembles.AVERAGED]
    assert [row["name"] for row in record["rows"]] == names + [
        name + ensembles.AGAIN for name in names if name != ensembles.TOGETHER
    ]
    assert "20 faces of Training as recipe `plain` shows them" in ensembles.render(record, "students")
    assert record["divergence"] == [{"name": name, "from": [0.0, 0.0]} for name in ("ean", "other")]
    mixed, shipped = (load_trained_model(get_arch("ean"), path).network.state_dict() for path in (mean, same))
    assert all(torch.equal(mixed[key], shipped[key]) for key in shipped)


def test_batch_norm_anew_has_the_statistics_of_what_it_was_shown() -> None:
    count, arch = 30, get_arch("ean")
    numbers = np.arange(count)
    flat = Dataset("made", arch.labels, np.full((count, 48, 48, 1), 51, np.uint8), numbers % 7, numbers * 0, numbers)
    before = torch.nn.BatchNorm2d(arch.channels).eval()
    after = script("ensembles").batch_norm_again(before, arch, flat, get_recipe("plain").augmentation)
    torch.testing.assert_close(before.running_mean, torch.zeros(arch.channels))
    torch.testing.assert_close(after.running_mean, to_channels(torch.full((1, 1, 1, 1), 0.2), arch).flatten())
    assert not after.training


@pytest.mark.parametrize("network", SHIPPED)
def test_a_shipped_network_has_its_card_its_curves_and_its_ranges(network: str) -> None:
    from edgefer.pipeline.calibration import CalibrationRecord
    from edgefer.runtime import records
    from edgefer.training import model_card, weights

    folder = shipped_folder("weights")
    loaded = weights.load_trained_model(get_arch(network), None)
    assert loaded.record is not None
    assert (folder / f"{network}.md").read_text() == model_card.render(loaded.record)
    assert (folder / f"{network}.png").read_bytes().startswith(b"\x89PNG")
    for engine in ("onnx", "tflite"):
        ranges = records.read(CalibrationRecord, shipped_folder("calibration") / f"{network}.{engine}.json")
        assert ranges.weights_sha256 == loaded.sha256


def test_memory_table_is_rendered_from_its_record() -> None:
    record = json.loads((BENCHMARKS / "results" / "data-memory.json").read_text())
    assert (BENCHMARKS / "tables" / "data-memory.md").read_text() == script("memory").render(record)


def test_memory_does_not_grow_with_the_pixels() -> None:
    """Of the record: a hundred times the images cost a mapped set less than a fiftieth of what they cost in memory."""
    rows = json.loads((BENCHMARKS / "results" / "data-memory.json").read_text())["rows"]
    added = {(row["way"], row["images"]): row["anonymous"] - row["before"] for row in rows}
    assert {images for _, images in added} == {3_000, 30_000, 300_000}
    assert added["memory", 300_000] > 300_000 * 48 * 48
    for way in ("first", "again"):
        assert added[way, 300_000] - added[way, 3_000] < 0.02 * added["memory", 300_000]
        assert added[way, 300_000] < 40 * 2**20


def test_the_memory_script_measures_a_small_set(tmp_path: Path) -> None:
    memory = script("memory")
    memory.write_set(tmp_path / "set", 70)
    rows = []
    for way in memory.WAYS:
        command = [sys.executable, BENCHMARKS / "memory.py", tmp_path / "set", tmp_path / "cache", way]
        rows.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    assert len({row["pixel_sum"] for row in rows}) == 1 and {row["images"] for row in rows} == {70}
    assert all(row["total"] >= row["anonymous"] > row["before"] > 0 for row in rows)


def test_published_table_is_rendered_from_its_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    record = json.loads((BENCHMARKS / "results" / "published.json").read_text())
    assert (BENCHMARKS / "tables" / "published.md").read_text() == script("published").render(record)


def test_blocks_table_is_rendered_from_its_record_and_nothing_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    record = json.loads((BENCHMARKS / "results" / "blocks.json").read_text())
    page = script("blocks").render(record)
    assert (BENCHMARKS / "tables" / "blocks.md").read_text() == page
    assert ", 0 wrong." in page and "not run" not in page


def test_made_blocks_are_built_and_judged_or_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    blocks = script("blocks")
    monkeypatch.setattr(blocks, "STEPS", 20)
    cells = {each.pop("target"): each for each in blocks.build("se-linear-no-bias", ["onnx-fp32", "openvino-int8"])}
    assert cells["onnx-fp32"] == {"agreement": 100.0, "rms": 0.0}
    assert cells["openvino-int8"]["agreement"] > 93
    cells["tflite-int8"] = {"refused": "se-linear-no-bias.tflite-int8 can't be built"}
    cells["ncnn-int8"] = {"wrong": "built, and stops: no"}
    page = blocks.render({"blocks": {"se-linear-no-bias": cells}})
    assert "2 of 4 are built and right, 1 refused, 1 wrong." in page
    assert "| se-linear-no-bias | tflite-int8 | se-linear-no-bias can't be built |" in page
    assert "WRONG" in page and "not run" in page


def test_detectors_table_is_rendered_from_its_record_and_the_shipped_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    from edgefer.runtime import detectors

    monkeypatch.syspath_prepend(BENCHMARKS)
    record = json.loads((BENCHMARKS / "results" / "detectors.json").read_text())
    assert (BENCHMARKS / "tables" / "detectors.md").read_text() == script("detectors").render(record)
    assert record["maps"] == json.loads(Path(detectors.__file__).with_name("maps.json").read_text())


def test_resize_table_is_rendered_from_its_record_and_holds_what_the_limits_are_made_from() -> None:
    from edgefer.pipeline.built_file import RESIZE_LEVELS, RESIZE_TOLERANCE

    record = json.loads((BENCHMARKS / "results" / "resize.json").read_text())
    assert (BENCHMARKS / "tables" / "resize.md").read_text() == script("resize").render(record)
    assert (record["levels"], record["tolerances"]) == (RESIZE_LEVELS, RESIZE_TOLERANCE)
    for row in record["rows"]:
        assert (row["most"] <= RESIZE_LEVELS) == (row["kind"] == "antialiased"), row["name"]
        if row["kind"] == "antialiased":
            for bundle, off in row["answers"].items():
                precision = "int8" if bundle.endswith("int8") else "fp32"
                assert 1.4 * off <= record["tolerances"][precision], row["name"]
