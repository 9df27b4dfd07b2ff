"""`edgefer gate` with a machine that is made: exit codes, files, and what is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgefer.benchmark import instructions, workload
from edgefer.benchmark.instructions import Counted
from edgefer.gate import compare
from edgefer.gate.report import GateRecord
from edgefer.gate.run import Accuracy
from edgefer.runtime import records
from edgefer.runtime.bundle import read_bundle
from tests.gate.conftest import Gate
from tests.gate.made import FRAME, Machine, bundle, operators, recorded
from tests.made import write_csv


def test_equal_bundles_are_ok(gate: Gate, tmp_path: Path) -> None:
    there = bundle(tmp_path)
    done = gate(there, there)
    assert done.code == 0, done
    assert "ean.onnx-fp32: ok: latency " in done.out
    assert "static metrics equal" in done.out
    assert "6 of 24 processes ran on a machine that was busy" in done.out


def test_a_slower_one_regressed(gate: Gate, machine: Machine, tmp_path: Path) -> None:
    base, head = bundle(tmp_path / "a"), bundle(tmp_path / "b", seconds=1.15 * FRAME)
    done = gate(base, head, "--markdown", tmp_path / "report.md")
    assert done.code == 18, done
    assert done.err.startswith("edgefer: ean.onnx-fp32: regressed: latency +1")
    assert done.err.count("\n") == 1
    assert machine.calls == 48
    assert "| ean.onnx-fp32 | regressed |" in (tmp_path / "report.md").read_text()


def test_it_says_how_many_bundles_were_compared(gate: Gate, tmp_path: Path) -> None:
    for place, names in (("a", ("ean.x", "ean.y")), ("b", ("ean.x", "ean.y", "ean.z"))):
        for name in names:
            bundle(tmp_path / place, name)
    done = gate(tmp_path / "a", tmp_path / "b", "--exact-only")
    assert done.code == 0, done
    assert "compared: 2 of BASE's 2 and HEAD's 3 bundles" in done.out
    done = gate(tmp_path / "a" / "ean.x", tmp_path / "b", "--exact-only")
    assert "compared: 1 of BASE's 1 and HEAD's 3 bundles" in done.out
    bundle(tmp_path / "c", "ean.x", macs=5_024_844).rename(tmp_path / "b" / "ean.w")
    done = gate(tmp_path / "a", tmp_path / "b", "--exact-only")
    assert done.code == 2 and "both hold a bundle named ean.x" in done.err, done


def test_a_higher_threshold_lets_it_pass(gate: Gate, tmp_path: Path) -> None:
    base, head = bundle(tmp_path / "a"), bundle(tmp_path / "b", seconds=1.15 * FRAME)
    assert gate(base, head, "--threshold", "25").code == 0


def test_a_noisy_machine_is_inconclusive(gate: Gate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(workload, "measure", Machine(0.5))
    there = bundle(tmp_path)
    done = gate(there, there, "--processes", "12", "--budget", "24")
    assert done.code == 19, done
    assert "inconclusive" in done.err and "measure on a quieter machine or with a larger --budget" in done.err


def test_more_macs_regress_though_they_are_as_fast(gate: Gate, tmp_path: Path) -> None:
    base, head = bundle(tmp_path / "a"), bundle(tmp_path / "b", macs=5_024_844)
    for more in ((), ("--exact-only",)):
        done = gate(base, head, *more)
        assert done.code == 18, done
        assert "MACs 4,568,040 -> 5,024,844 (+10.0 %)" in done.err
    assert gate(base, head, "--exact-only", "--tolerance", "10").code == 0


def test_more_instructions_regress(gate: Gate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    base, head = bundle(tmp_path / "a"), bundle(tmp_path / "b")
    counts = {base: 1000, head: 1001}
    monkeypatch.setattr(instructions, "count", lambda workload, _: Counted(counts[workload.bundle.folder], 0, None))
    done = gate(base, head, "--exact-only")
    assert done.code == 18 and "instructions per frame on x86 1,000 -> 1,001" in done.err
    assert gate(base, head, "--exact-only", "--no-instructions").code == 0
    monkeypatch.setattr(instructions, "count", lambda *_: Counted(None, 0, "install it"))
    done = gate(base, head, "--exact-only")
    assert done.code == 0 and "instructions per frame on x86: install it" in done.out


def test_folders_are_compared_by_name(gate: Gate, tmp_path: Path) -> None:
    for place, names in (("a", ("ean.one", "ean.gone")), ("b", ("ean.one", "ean.new"))):
        for name in names:
            bundle(tmp_path / place, name)
    done = gate(tmp_path / "a", tmp_path / "b", "--json")
    assert done.code == 18
    assert done.err == "edgefer: ean.gone: regressed: HEAD has no such bundle\n"
    found = records.structure(GateRecord, json.loads(done.out), "the output")
    assert [(each.name, each.outcome) for each in found.verdicts] == [
        ("ean.gone", "regressed"),
        ("ean.new", "ok"),
        ("ean.one", "ok"),
    ]
    assert len(found.verdicts[2].rounds[0]) == 24


def test_accuracy_is_gated_on_a_given_set(gate: Gate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    base, head = bundle(tmp_path / "a"), bundle(tmp_path / "b")
    found = {base: Accuracy(65.0, 99.0), head: Accuracy(64.5, None)}
    monkeypatch.setattr(compare, "measure_accuracy", lambda each, test, tick: found[each.folder])
    data = write_csv(tmp_path / "faces.csv")
    done = gate(base, head, "--data", data, "--exact-only")
    assert done.code == 18, done
    assert "accuracy 65.00 % -> 64.50 % (-0.50 points)" in done.err
    assert "agreement with float not compared: one side does not know it" in done.out
    assert gate(base, head, "--data", data, "--exact-only", "--tolerance", "0.5").code == 0


def test_a_baseline_of_this_machine_is_compared(gate: Gate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    base, slow = bundle(tmp_path / "a"), bundle(tmp_path / "b", seconds=1.15 * FRAME)
    path = tmp_path / "baseline.json"
    records.write(path, recorded(base, size=0.002))
    monkeypatch.setattr(workload, "measure", Machine(0.0005))
    done = gate("--baseline", path, base)
    assert done.code == 0, done
    assert "latency compared with another day's" in done.out
    done = gate("--baseline", path, slow)
    assert done.code == 18, done


@pytest.mark.parametrize(("changed", "code"), [({}, 0), ({"dtypes": operators(Conv=1)}, 18)])
def test_of_another_machine_only_the_exact_figures(
    gate: Gate, machine: Machine, tmp_path: Path, changed: dict[str, Any], code: int
) -> None:
    path = tmp_path / "baseline.json"
    records.write(path, recorded(bundle(tmp_path / "a"), versions={"numpy": "0.1"}))
    done = gate("--baseline", path, bundle(tmp_path / "b", seconds=9 * FRAME, **changed))
    assert done.code == code, done
    assert "latency not compared: numpy was 0.1, here it is " in done.out
    assert machine.calls == 1


def test_a_baseline_of_more_bundles_misses_them(gate: Gate, tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    records.write(path, recorded(bundle(tmp_path / "a", "ean.gone")))
    bundle(tmp_path / "b", "ean.new")
    done = gate("--baseline", path, tmp_path / "b")
    assert (done.code, done.err) == (18, "edgefer: ean.gone: regressed: HEAD has no such bundle\n")


def test_an_unknown_schema_is_one_line(gate: Gate, tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    path.write_text('{"schema": "edgefer/bench/99"}')
    done = gate("--baseline", path, bundle(tmp_path))
    assert done.code == 16
    assert done.err.count("\n") == 1 and "edgefer/bench/99" in done.err


def test_ctrl_c_leaves_nothing(gate: Gate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupt(*_given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(workload, "measure", interrupt)
    there = bundle(tmp_path)
    done = gate(there, there, "--markdown", tmp_path / "report.md")
    assert done.code == 130
    assert not (tmp_path / "report.md").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("one",), "give HEAD alone with --baseline, BASE and HEAD without it"),
        (("one", "two", "three"), "give HEAD alone"),
        (("--baseline", "b.json", "one", "two"), "give HEAD alone"),
        (("one", "two", "--processes", "40", "--budget", "30"), "--budget 30 is less than --processes 40"),
        (("HEAD", "HEAD"), "HEAD is a git ref: say what to build of it with --arch and --target"),
    ],
)
def test_a_wrong_command_line_says_what_is_right(
    gate: Gate, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    monkeypatch.setattr("edgefer.gate.base_and_head.commit_of", lambda ref: "0" * 40 if ref == "HEAD" else None)
    done = gate(*words)
    assert done.code == 2
    assert said in " ".join(done.err.split())


def test_a_wrong_target_is_told_before_anything_is_built(gate: Gate) -> None:
    done = gate("HEAD", "HEAD", "--arch", "ean", "--target", "tflite-int9")
    assert done.code == 3 and "tflite-int8" in done.err


def test_a_made_bundle_is_a_bundle(tmp_path: Path) -> None:
    assert read_bundle(bundle(tmp_path)).manifest.macs == 4_568_040


def test_a_report_under_a_file_is_one_line_without_options_of_other_commands(gate: Gate, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    base, head = bundle(tmp_path / "a"), bundle(tmp_path / "b")
    done = gate(base, head, "--exact-only", "--no-instructions", "--markdown", tmp_path / "file" / "page.md")
    assert done.code == 13 and "a part of the path is a file: choose another folder." in done.err
