"""What a bench writes can be read again, and says when it can't."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgefer.runtime import records
from edgefer.runtime.bench_record import BenchRecord, Memory, Run, RunWarning, WarningKind
from edgefer.runtime.errors import BadRecord
from tests.benchmark.made import record, result, run

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"


def recorded() -> dict[str, Any]:
    """Every recorded bench by its file, and its number in a file of several devices."""
    found: dict[str, Any] = {}
    for path in sorted(RESULTS.glob("*.json")):
        content = json.loads(path.read_text())
        several = content.get("records", [content]) if isinstance(content, dict) else []
        benches = [each for each in several if isinstance(each, dict) and each.get("schema") == BenchRecord.schema]
        found |= {f"{path.stem}-{number}": each for number, each in enumerate(benches)}
    return found


RECORDED = recorded()


def test_round_trip(tmp_path: Path) -> None:
    made = record([result("ean.tflite-int8", [run(), run(1.1, ["busy: very"])], "ean-table5", 2862931)])
    records.write(tmp_path / "bench.json", made)
    assert records.read(BenchRecord, tmp_path / "bench.json") == made


def test_an_unknown_key_is_an_error(tmp_path: Path) -> None:
    content = records.plain(record([result("ean.tflite-int8", [run()])]))
    (tmp_path / "bench.json").write_text(json.dumps(content | {"speed": 1}))
    with pytest.raises(BadRecord, match="speed"):
        records.read(BenchRecord, tmp_path / "bench.json")


def test_fingerprint_is_of_what_decides_latency() -> None:
    machine = record([]).machine
    assert machine.fingerprint == "A board, revision 1, 4 cores, 4.0 GiB, 6.1.0 aarch64"
    assert replace(machine, kernel="6.2.0").fingerprint != machine.fingerprint
    assert replace(machine, board=None, memory=None).fingerprint == "A processor, 4 cores, 6.1.0 aarch64"


def test_memory_of_the_model() -> None:
    assert Memory(10, 15, 16, 17, None).model == 5
    assert Memory(None, 15, 16, 17, None).model is None


def test_a_warning_is_worded_when_it_is_written(tmp_path: Path) -> None:
    busy = RunWarning(WarningKind.BUSY, "other processes used {used:.2f} of {cores} cores", {"used": 0.876, "cores": 2})
    assert (str(busy), busy.words) == (f"busy: {busy.words}", "other processes used 0.88 of 2 cores")
    made = replace(run(), warnings=[busy], invalid=[RunWarning(WarningKind.THROTTLED, "{under-voltage}")])
    content = records.plain(made)
    assert (content["warnings"], content["invalid"]) == ([str(busy)], ["throttled: {under-voltage}"])
    read = records.structure(Run, content, "the run")
    assert read.warnings == [RunWarning(WarningKind.BUSY, "other processes used 0.88 of 2 cores")]
    assert records.plain(read) == content


@pytest.mark.parametrize("wrong", ["odd: a kind that nobody knows", "no kind", 7, {"kind": "busy"}])
def test_a_warning_of_no_known_kind_is_refused(wrong: object) -> None:
    with pytest.raises(BadRecord, match="warnings"):
        records.structure(Run, records.plain(run()) | {"warnings": [wrong]}, "the run")


@pytest.mark.parametrize("name", RECORDED)
def test_warnings_of_recorded_benches_are_written_as_they_were_read(name: str) -> None:
    content = RECORDED[name]
    again = records.plain(records.structure(BenchRecord, content, name))
    for old, new in zip(content["results"], again["results"], strict=True):
        for one, other in zip(old["runs"], new["runs"], strict=True):
            assert (other["warnings"], other["invalid"]) == (one["warnings"], one.get("invalid", []))
