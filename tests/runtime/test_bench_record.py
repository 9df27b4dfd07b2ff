"""What a bench writes can be read again, and says when it can't."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefer.benchmark import statistics
from edgefer.runtime import records
from edgefer.runtime.bench_record import BenchRecord, Memory
from edgefer.runtime.errors import BadRecord
from tests.benchmark.made import record, result, run

SAMPLES = st.lists(st.floats(1e-9, 1e3), min_size=1, max_size=50)


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


@given(SAMPLES)
def test_statistics_are_numpys(samples: list[float]) -> None:
    for percent, found in (
        (0, statistics.minimum(samples)),
        (50, statistics.median(samples)),
        (90, statistics.p90(samples)),
        (99, statistics.p99(samples)),
    ):
        assert found == pytest.approx(float(np.percentile(samples, percent)))
    assert statistics.mean(samples) == pytest.approx(float(np.mean(samples)))


def test_statistics_of_nothing_are_an_error() -> None:
    with pytest.raises(ValueError, match="no samples"):
        statistics.median([])
    with pytest.raises(ValueError, match="no samples"):
        statistics.mean([])
    with pytest.raises(ValueError, match="not a percentage"):
        statistics.percentile([1.0], 101)
