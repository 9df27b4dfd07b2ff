"""What a bench writes can be read again, and says when it can't."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from edgefer.runtime import records
from edgefer.runtime.bench_record import BenchRecord, Memory
from edgefer.runtime.errors import BadRecord
from tests.benchmark.made import record, result, run


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
