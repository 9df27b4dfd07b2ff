"""A bench of another day: what makes its latencies comparable, and what makes it unreadable."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgefer import __version__, environment, records
from edgefer.bench import machine, worker
from edgefer.bench.run import commit
from edgefer.errors import BadRecord, MissingFile
from edgefer.gate import baseline
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


def test_a_result_without_runs_is_not(tmp_path: Path) -> None:
    there = recorded(bundle(tmp_path))
    empty = replace(there.results[0], runs=[])
    found = baseline.differences(there, empty, machine.describe(), baseline.versions(), run(0.001))
    assert found == ["the baseline holds no run of it"]


@pytest.mark.parametrize(("changed", "known"), [({}, 1000), ({"commit": "1" * 40}, None), ({"edgefer": "0"}, None)])
def test_instructions_are_of_one_edgefer(tmp_path: Path, changed: dict[str, Any], known: int | None) -> None:
    there = recorded(bundle(tmp_path))
    versions = {"python": sys.version.split()[0]} | environment.versions(worker.PACKAGES)
    there = replace(there, **{"edgefer": __version__, "commit": commit(), "versions": versions, **changed})
    found, notes = baseline.figures(there, replace(there.results[0], instructions_per_frame=1000))
    assert found.instructions == known
    assert len(notes) == (known is None)


def test_what_bench_wrote_is_read(tmp_path: Path) -> None:
    there = recorded(bundle(tmp_path))
    records.write(tmp_path / "baseline.json", there)
    assert baseline.read(tmp_path / "baseline.json") == there


@pytest.mark.parametrize("schema", ["edgefer/bench/0", "edgefer/bench/99", "edgefer/gate/1", None])
def test_another_schema_is_one_clear_line(tmp_path: Path, schema: str | None) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(json.dumps({**records.plain(recorded(bundle(tmp_path))), "schema": schema}))
    with pytest.raises(BadRecord, match=f"has the schema {schema!r}, this edgefer compares with 'edgefer/bench/1'"):
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
