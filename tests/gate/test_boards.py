"""`edgefer gate --device`: emulated boards whose counts are made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from edgefer.benchmark.instructions import Counted
from edgefer.benchmark.workload import Workload
from edgefer.devices import config, registry
from edgefer.devices.config import RemoteBoard
from edgefer.devices.device import ThisMachine
from edgefer.gate.report import GateRecord
from edgefer.runtime import records
from edgefer.runtime.machine import local_device
from tests.gate.conftest import Gate
from tests.gate.made import Machine, bundle, recorded


class Board(ThisMachine):
    """An emulated board whose frames cost what it is told."""

    timed = False

    def __init__(self, name: str, costs: Mapping[Path, int], versions: Mapping[str, str]) -> None:
        super().__init__()
        self.name = name
        self.costs, self.versions = costs, versions

    def count(self, workload: Workload) -> Counted:
        assert workload.bundle is not None
        return Counted(self.costs[workload.bundle.folder], 0, None, self.versions)


def boards(
    monkeypatch: pytest.MonkeyPatch, costs: dict[str, dict[Path, int]], versions: Mapping[str, str] | None = None
) -> None:
    """Emulated boards by name, with what a frame of each bundle costs there; and this machine."""

    def find(name: str) -> ThisMachine:
        return Board(name, costs[name], versions or {}) if name in costs else ThisMachine()

    monkeypatch.setattr(registry, "ready_device", find)


def test_one_board_that_costs_more_is_named(
    gate: Gate, machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    base, head = bundle(tmp_path / "a"), bundle(tmp_path / "b")
    boards(monkeypatch, {"rpi4-emulated": {base: 1000, head: 1010}, "rpi5-emulated": {base: 1000, head: 900}})
    done = gate(base, head, "--device", "rpi4-emulated", "--device", "rpi5-emulated", "--json")
    assert done.code == 18, done
    assert "instructions per frame on rpi4-emulated 1,000 -> 1,010 (+1.0 %); latency not compared" in done.err
    found = records.structure(GateRecord, json.loads(done.out), "the output")
    assert found.devices == ["rpi4-emulated", "rpi5-emulated"]
    assert found.verdicts[0].notes == ["latency not compared: an emulated board has none"]
    assert machine.calls == 0
    assert gate(base, head, "--device", "rpi5-emulated").code == 0


def test_a_board_beside_this_machine_leaves_the_latency_in(
    gate: Gate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    there = bundle(tmp_path)
    boards(monkeypatch, {"rpi4-emulated": {there: 1000}})
    done = gate(there, there, "--device", local_device(), "--device", "rpi4-emulated")
    assert done.code == 0 and "ok: latency " in done.out, done


@pytest.mark.parametrize(("name", "code"), [("kitchen", 23), ("gpu", 23), ("rpi4", 23), ("rpi4-emulatd", 3)])
def test_a_device_that_the_gate_does_not_take(
    gate: Gate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, code: int
) -> None:
    monkeypatch.setenv("EDGEFER_DEVICES", str(tmp_path / "devices.toml"))
    config.save_remote_boards([RemoteBoard("kitchen", "pi@10.0.0.7")])
    there = bundle(tmp_path)
    done = gate(there, there, "--device", name)
    assert done.code == code
    assert "rpi4-emulated" in done.err and done.err.count("\n") == 1


def test_an_emulated_board_without_instructions_tells_nothing(gate: Gate, tmp_path: Path) -> None:
    there = bundle(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        boards(patch, {"rpi4-emulated": {there: 1}})
        done = gate(there, there, "--device", "rpi4-emulated", "--no-instructions")
    assert done.code == 2 and "leave --no-instructions out" in done.err


THEN = {"python": "3.11.2", "worker": "a", "qemu": "7.2.22", "onnxruntime": "1.32.0", "ncnn": "1.0"}


@pytest.mark.parametrize(
    ("now", "cost", "code", "said"),
    [
        (THEN, 1000, 0, "static metrics equal"),
        (THEN, 1010, 18, "instructions per frame on rpi4-emulated 1,000 -> 1,010"),
        ({**THEN, "ncnn": "2.0"}, 1010, 18, "instructions per frame on rpi4-emulated 1,000 -> 1,010"),
        ({**THEN, "worker": "b"}, 1010, 0, "on rpi4-emulated not compared: worker was a, here it is b"),
        ({**THEN, "onnxruntime": "1.33.0"}, 1010, 0, "not compared: onnxruntime was 1.32.0, here it is 1.33.0"),
        ({**THEN, "qemu": "10.0.2"}, 1010, 0, "not compared: qemu was 7.2.22, here it is 10.0.2"),
    ],
)
def test_a_baseline_of_a_board_outlives_its_commit(
    gate: Gate,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    now: dict[str, str],
    cost: int,
    code: int,
    said: str,
) -> None:
    path, head = tmp_path / "baseline.json", bundle(tmp_path / "b")
    made = recorded(bundle(tmp_path / "a"))
    result = replace(made.results[0], instructions_per_frame=1000, instructions_reason=None)
    records.write(path, replace(made, device="rpi4-emulated", versions=THEN, commit="0" * 40, results=[result]))
    boards(monkeypatch, {"rpi4-emulated": {head: cost}}, now)
    for words in ((), ("--device", "rpi4-emulated")):
        done = gate("--baseline", path, head, *words)
        assert done.code == code, done
        assert said in done.out
        assert "latency not compared: an emulated board has none" in done.out
    done = gate("--baseline", path, head, "--device", local_device())
    assert done.code == 16 and "the baseline is of rpi4-emulated" in done.err


def test_nothing_is_counted_where_the_baseline_has_no_count(
    gate: Gate, machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    head = bundle(tmp_path / "head")
    records.write(tmp_path / "baseline.json", recorded(head))
    boards(monkeypatch, {local_device(): {}})  # whose count of any bundle fails
    done = gate("--baseline", tmp_path / "baseline.json", head, "--json")
    assert done.code == 0, done
    (verdict,) = records.structure(GateRecord, json.loads(done.out), "the output").verdicts
    assert "instructions per frame not compared: the baseline has none" in verdict.notes
