"""Records: there and back, and what a foreign one gets told."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefer.benchmark.report import DevicesRecord
from edgefer.papers.counts import Counts
from edgefer.pipeline.calibration import CalibrationRecord, CalibrationSet
from edgefer.runtime import contract, files, records
from edgefer.runtime.bench_record import BenchRecord
from edgefer.runtime.errors import BadRecord, MissingFile, UnknownSchema
from edgefer.runtime.files import shipped_folder
from edgefer.runtime.manifest import DeviceManifest, Dtypes, Fidelity, FileEntry, Golden, Manifest
from edgefer.runtime.training_record import Environment, Epoch, Scores, TrainingRecord

KINDS = (
    Scores,
    Epoch,
    Environment,
    Dtypes,
    Fidelity,
    CalibrationRecord,
    CalibrationSet,
    contract.TensorSpec,
    FileEntry,
    Golden,
)
numbers = st.floats(allow_nan=False, allow_infinity=False)
st.register_type_strategy(float, numbers)
facts = st.dictionaries(st.text(), st.integers() | numbers | st.text() | st.lists(st.integers()))
every_kind = st.sampled_from(KINDS).flatmap(st.from_type) | st.builds(TrainingRecord, recipe=facts, data=facts)


@given(every_kind)
def test_there_and_back(record: object) -> None:
    again = records.structure(type(record), json.loads(records.dumps(record)), "here")
    assert again == record


def test_unknown_key_names_the_known_ones() -> None:
    with pytest.raises(BadRecord, match="colour") as failure:
        records.structure(FileEntry, {"bytes": 1, "sha256": "", "colour": 2}, "x.json")
    assert "bytes, sha256" in str(failure.value)
    assert failure.value.exit_code == 16


def test_missing_and_broken_files(tmp_path: Path) -> None:
    with pytest.raises(MissingFile):
        records.read(FileEntry, tmp_path / "none.json")
    (tmp_path / "half.json").write_text('{"bytes": ')
    with pytest.raises(BadRecord, match="not JSON"):
        records.read(FileEntry, tmp_path / "half.json")


@pytest.mark.parametrize("kind", [BenchRecord, CalibrationRecord, Counts, DevicesRecord, Manifest, TrainingRecord])
@pytest.mark.parametrize("schema", ["edgefer/bench/99", None, 1])
def test_a_foreign_schema_is_refused_by_name(kind: type[object], schema: object, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text(json.dumps({"schema": schema}))
    with pytest.raises(UnknownSchema, match="do this") as failure:
        records.read(kind, path, "do this")
    assert repr(schema) in str(failure.value) and repr(records.declared_schema(kind)) in str(failure.value)
    assert failure.value.exit_code == 16


KEPT = (
    *((TrainingRecord, path) for path in shipped_folder("weights").glob("*.json")),
    *((CalibrationRecord, path) for path in shipped_folder("calibration").glob("*.json")),
    *((BenchRecord, path) for path in (shipped_folder("benchmarks") / "baselines").glob("*.json")),
)


@pytest.mark.parametrize(("kind", "path"), KEPT, ids=lambda value: getattr(value, "stem", ""))
def test_the_records_of_the_repository_are_read(kind: type[Any], path: Path) -> None:
    assert records.read(kind, path).schema == records.declared_schema(kind)


def test_what_is_no_number_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(BadRecord, match=r"no record can hold rows\[1\]\.loss = nan; worst = inf"):
        records.write(tmp_path / "r.json", {"rows": [1.0, {"loss": math.nan}], "worst": math.inf})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_nor_read(tmp_path: Path, word: str) -> None:
    (tmp_path / "r.json").write_text(f'{{"schema": "x", "loss": {word}}}')
    with pytest.raises(
        BadRecord, match=r"r\.json holds loss = (nan|inf|-inf), which is no finite number: get or build"
    ):
        records.read(Environment, tmp_path / "r.json")


@pytest.mark.parametrize("text", ["a\x1b[31mred", "two\nlines", "ean: ok\rno", "\x9b2J", "left\u202eright"])
def test_a_file_with_control_characters_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "record.json"
    record = made_record()
    for content in ({**record, "arch": text}, {**record, "recipe": {text: 1}}, {**record, "recipe": {"a": [text]}}):
        path.write_text(json.dumps(content))
        with pytest.raises(BadRecord, match="has a control character in") as failure:
            records.read(TrainingRecord, path)
        assert str(failure.value).isprintable()
    path.write_text(json.dumps({**record, "arch": "é\u00a0µ"}))
    assert records.read(TrainingRecord, path).arch == "é\u00a0µ"


def made_record() -> dict[str, Any]:
    weights = Path(records.__file__).parents[1] / "weights" / "ean.json"
    content: dict[str, Any] = json.loads(weights.read_text("utf-8"))
    return content


KEY = "k" * 11_000


@pytest.mark.parametrize(
    "content",
    [
        {"files": {KEY: {str(number): 1 for number in range(1_000)}}},
        {"files": {KEY: [[1] * 3] * 300}},
        {"files": {str(number): 1 for number in range(200_000)}},
        {str(number): 1 for number in range(2_000)},
        {KEY: KEY},
        [[1] * 9] * 999,
    ],
)
def test_many_faults_are_one_short_line(content: object) -> None:
    """22 KB of keys that repeat a long one gave messages of 101 MB."""
    with pytest.raises(BadRecord) as failure:
        records.structure(DeviceManifest, content, "manifest.json")
    assert len(str(failure.value)) < 1_900 and str(failure.value).startswith("manifest.json: ")


def test_the_first_faults_and_how_many_there_are() -> None:
    with pytest.raises(BadRecord, match=r"required field missing @ \.name; .* and 8 more\. DeviceManifest has"):
        records.structure(DeviceManifest, {"files": {"a": 1}}, "manifest.json")


def test_long_keys_cost_no_time() -> None:
    text = json.dumps({"k" * 1_000_000: [1.5] * 300_000})
    with pytest.raises(BadRecord):
        records.parse(FileEntry, text, "a file", plain_text=True)


@pytest.mark.parametrize("depth", [200, 900, 5_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    text = '{"schema": "edgefer/bundle/2", "name": ' + "[" * depth + "]" * depth + "}"
    with pytest.raises(BadRecord, match="a file"):
        records.parse(DeviceManifest, text, "a file", plain_text=True)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    for path in (tmp_path / "large.json", Path("/dev/zero")):
        if path.parent == tmp_path:
            path.write_text(" " * (files.TOML_LIMIT + 1))
        with pytest.raises(BadRecord, match=f"{path} has more than 1,048,576 bytes"):
            records.read_toml(path)
