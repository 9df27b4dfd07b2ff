"""A bench of another day: what makes its latencies comparable, and what makes it unreadable."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgefer.benchmark.instructions import Counted
from edgefer.gate import baseline
from edgefer.gate.static_metrics import Count
from edgefer.runtime import engines, machine, records, worker
from edgefer.runtime.errors import BadRecord, MissingFile
from tests.gate.made import bundle, recorded, run


def differences(tmp_path: Path, versions: dict[str, str] | None = None, **changed: Any) -> list[str]:
    there = recorded(bundle(tmp_path), versions=versions)
    return baseline.differences(there, there.results[0], machine.describe(), baseline.versions(), run(0.001, **changed))


def test_the_same_machine_and_versions_are_comparable(tmp_path: Path) -> None:
    assert differences(tmp_path) == []


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"engine_version": "2.0"}, "the engine was Engine 1.0, here it is Engine 2.0"),
        ({"provider": "XNNPACK"}, "the provider was CPU, here it is XNNPACK"),
        ({"affinity": [0]}, "the number of usable cores was 2, here it is 1"),
    ],
)
def test_another_engine_is_not(tmp_path: Path, changed: dict[str, Any], text: str) -> None:
    assert differences(tmp_path, **changed) == [text]


def test_another_python_is_not(tmp_path: Path) -> None:
    (text,) = differences(tmp_path, {"python": "3.9.0"})
    assert text.startswith("python was 3.9.0, here it is 3.")


def test_another_machine_is_not(tmp_path: Path) -> None:
    there = recorded(bundle(tmp_path))
    here = replace(machine.describe(), cpu="Cortex-A72", board=None)
    (text,) = baseline.differences(there, there.results[0], here, baseline.versions(), run(0.001))
    assert text.startswith("the machine was ") and "here it is Cortex-A72" in text


@pytest.mark.parametrize("then", ["AMD EPYC", "AMD EPYC (family 25, model 17, stepping 1)"])
def test_a_processor_that_may_be_another_one_is_not(tmp_path: Path, then: str) -> None:
    """A baseline of before names no numbers of its processor."""
    here = replace(machine.describe(), cpu="AMD EPYC (family 26, model 2, stepping 1)", board=None)
    there = replace(recorded(bundle(tmp_path)), machine=replace(here, cpu=then))
    (text,) = baseline.differences(there, there.results[0], here, baseline.versions(), run(0.001))
    assert text == f"the machine was {there.machine.fingerprint}, here it is {here.fingerprint}"
    assert f"was {then}, " in text and f"is {here.cpu}, " in text


def test_a_result_without_runs_is_not(tmp_path: Path) -> None:
    there = recorded(bundle(tmp_path))
    empty = replace(there.results[0], runs=[])
    found = baseline.differences(there, empty, machine.describe(), baseline.versions(), run(0.001))
    assert found == ["the baseline holds no run of it"]


VERSIONS = {"python": "3.11.2", "numpy": "2.4.6", "onnxruntime": "1.32.0", "torch": "2.13.0", "worker": "a"}


@pytest.mark.parametrize(
    ("now", "known"),
    [
        (VERSIONS, True),
        ({**VERSIONS, "torch": "2.14.0"}, True),  # no part of what was counted
        ({**VERSIONS, "qemu": "7.2.22"}, True),  # this machine's own bench does not tell it
        ({**VERSIONS, "worker": "b"}, False),
        ({**VERSIONS, "numpy": "2.5.0"}, False),
        ({**VERSIONS, "onnxruntime": "1.33.0"}, False),
        ({"python": "3.11.2"}, False),
    ],
)
def test_instructions_are_of_one_worker_and_engine(tmp_path: Path, now: dict[str, str], known: bool) -> None:
    there = replace(recorded(bundle(tmp_path)), versions=VERSIONS, commit="1" * 40)
    result = replace(there.results[0], instructions_per_frame=1000)
    found, notes = baseline.figures(there, result, {"x86": Counted(1001, 0, None, now)}, "onnx")
    assert found.instructions == ({"x86": Count(1000)} if known else {})
    assert len(notes) == (not known)


def test_instructions_that_were_not_counted_are_none(tmp_path: Path) -> None:
    there = recorded(bundle(tmp_path))
    found, notes = baseline.figures(there, there.results[0], {"x86": Counted(1001, 0, None)}, "onnx")
    assert (found.instructions, notes) == ({}, [])


@pytest.mark.parametrize("kind", engines.ENGINES)
def test_every_format_has_its_engines_and_its_tolerance(kind: str) -> None:
    engine = engines.ENGINES[kind]
    assert engine.reported and set(engine.reported) <= set(worker.PACKAGES)
    assert 0 < engine.same_host <= engine.other_host


def test_what_bench_wrote_is_read(tmp_path: Path) -> None:
    there = recorded(bundle(tmp_path))
    records.write(tmp_path / "baseline.json", there)
    assert baseline.read(tmp_path / "baseline.json") == there


@pytest.mark.parametrize("schema", ["edgefer/bench/0", "edgefer/bench/99", "edgefer/gate/1", None])
def test_another_schema_is_one_clear_line(tmp_path: Path, schema: str | None) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(json.dumps({**records.plain(recorded(bundle(tmp_path))), "schema": schema}))
    with pytest.raises(BadRecord, match=f"has the schema {schema!r}, this edgefer reads 'edgefer/bench/1'"):
        baseline.read(path)


@pytest.mark.parametrize("content", ["", "[]", "{", "[" * 100_000, '{"schema": "edgefer/bench/1"}'])
def test_what_is_no_record_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(content)
    with pytest.raises(BadRecord):
        baseline.read(path)


def test_a_missing_file_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match="edgefer bench --save-baseline"):
        baseline.read(tmp_path / "baseline.json")
