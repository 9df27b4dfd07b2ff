"""Emulated microcontrollers: what they tell of a bundle in C, and what they refuse."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgefer.benchmark.run import Plan, bench
from edgefer.benchmark.workload import Task, Workload, open_workload
from edgefer.devices import config, registry
from edgefer.devices.microcontroller import firmware, tflite_micro
from edgefer.devices.microcontroller.device import EmulatedMicrocontroller
from edgefer.runtime import records, shell
from edgefer.runtime.bench_record import BenchRecord, Settings, WarningKind
from edgefer.runtime.engines import load
from edgefer.runtime.errors import BrokenBundle, CompilerFailed, EdgeferError, NotSetUp, WorkerFailed, WrongOptions
from edgefer.runtime.protocol import Check
from tests.benchmark import made

NAMES = list(config.microcontrollers())
needs_programs = pytest.mark.skipif(firmware.lacking() is not None, reason=str(firmware.lacking()))


def device(name: str) -> EmulatedMicrocontroller:
    return EmulatedMicrocontroller(config.microcontrollers()[name])


@needs_programs
@pytest.mark.parametrize("name", NAMES)
def test_a_bench_has_instructions_flash_and_ram_and_no_times(name: str, workload: Workload, tmp_path: Path) -> None:
    board = device(name)
    found = bench(Plan(board.expand([workload]), Settings(), 2, board, count=board.count))
    records.write(tmp_path / "record.json", found)
    assert records.read(BenchRecord, tmp_path / "record.json") == found
    result = found.results[0]
    assert len(found.results) == 1 + (tflite_micro.installed() is not None)
    first, second = result.runs
    assert first == second and not first.timed
    assert (first.load_seconds, first.first_seconds, first.samples, first.memory.peak) == (None, None, [], None)
    assert {warning.kind for warning in first.warnings} == {WarningKind.EMULATED}
    memory = first.memory
    assert memory.arena and memory.stack and memory.flash
    assert memory.ram == memory.arena + memory.stack
    assert 50_000 < memory.flash < 120_000 and 200 < memory.stack < 16_000
    assert result.instructions_reason is None and result.instructions_per_frame is not None
    assert 2e6 < result.instructions_per_frame < 4e7
    assert {"qemu", firmware.COMPILER, "worker"} == found.versions.keys() and found.versions["qemu"][0].isdigit()
    row = config.microcontrollers()[name]
    assert found.machine.board == f"{row.machine}, emulated by QEMU {found.versions['qemu']} ({row.cpu})"


@needs_programs
@pytest.mark.parametrize("name", NAMES)
def test_golden_pair_and_faces_have_this_machine_s_bytes(name: str, workload: Workload, tmp_path: Path) -> None:
    faces = tmp_path / "faces.npy"
    np.save(faces, np.random.default_rng(0).integers(0, 256, (2, 48, 48, 3), np.uint8))
    (there,) = device(name).answers([Task(workload, Settings(), check=Check(str(faces)))], lambda _: None)
    assert there.golden is not None and there.golden.difference == 0 and there.run is None
    assert workload.bundle is not None
    here = load(workload.bundle.path("model.c"), "c")
    frames = np.random.default_rng(1).integers(-128, 128, (2, *here.input.shape[1:]), np.int8)
    built = firmware.build(workload.bundle, config.microcontrollers()[name])
    assert np.array_equal(built.run_all(frames).outputs, np.concatenate([here.run(frame[None]) for frame in frames]))
    assert len(there.outputs or []) == 2


def test_what_is_no_c_says_what_it_takes(tmp_path: Path) -> None:
    made.bundle(tmp_path / "ean.onnx-fp32")
    board, other = device(NAMES[0]), open_workload(tmp_path / "ean.onnx-fp32")
    with pytest.raises(NotSetUp, match="runs networks as C only: build this one with --target c-int8"):
        board.expand([other])
    assert "build this one with --target c-int8" in str(board.count(other).reason)
    with pytest.raises(NotSetUp, match="torch is not on a microcontroller"):
        board.expand([Workload(network="ean")])


@pytest.mark.parametrize(
    "settings",
    [
        Settings(threads=2),
        Settings(mode="batch", batch=4),
        Settings(mode="paced", fps=10),
        Settings(scope="end-to-end"),
    ],
)
def test_settings_that_mean_nothing_there_are_refused(settings: Settings, tmp_path: Path) -> None:
    made.bundle(tmp_path / "ean.onnx-fp32")
    with pytest.raises(WrongOptions, match="one core, no clock and no camera: leave --"):
        next(device(NAMES[0]).answers([Task(open_workload(tmp_path / "ean.onnx-fp32"), settings)], print))
    with pytest.raises(WrongOptions, match="leave --engine out"):
        registry.device(NAMES[0], "litert")


def test_missing_programs_are_named_with_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    for call in (lambda: registry.ready_device(NAMES[0]), lambda: device(NAMES[0]).setup(False, print)):
        with pytest.raises(NotSetUp, match="Debian's packages qemu-system-arm and gcc-arm-none-eabi"):
            call()
    assert not device(NAMES[0]).doctor()[0].ok


@needs_programs
def test_what_does_not_fit_says_by_how_much(workload: Workload) -> None:
    small = replace(config.microcontrollers()[NAMES[0]], flash=32, ram=8)
    board = EmulatedMicrocontroller(small)
    with pytest.raises(
        NotSetUp, match=r"does not fit on .* too much for its 32 KiB of FLASH and .* 8 KiB of RAM"
    ) as raised:
        board.expand([workload])
    assert str(raised.value).count(workload.name) == 1


@needs_programs
@pytest.mark.parametrize("said", [None, "", "   text\t   data\t    bss\n", "size: no such file"])
def test_a_size_that_no_tool_tells_is_refused(
    said: str | None, workload: Workload, monkeypatch: pytest.MonkeyPatch
) -> None:
    board, run_or_none = device(NAMES[0]), shell.run_or_none
    monkeypatch.setattr(
        shell, "run_or_none", lambda line, *more: said if line[0] == firmware.SIZE else run_or_none(line, *more)
    )
    with pytest.raises(NotSetUp, match=r"how much flash ean\.c-int8 takes .*size does not tell: .* binutils-arm-none"):
        board.expand([workload])


@needs_programs
def test_c_of_another_generator_is_not_compiled(workload: Workload, tmp_path: Path) -> None:
    assert workload.bundle is not None
    folder = Path(shutil.copytree(workload.bundle.folder, tmp_path / "changed"))
    (folder / "model.c").write_bytes((folder / "model.c").read_bytes() + b"int other;\n")
    with pytest.raises(BrokenBundle, match="is not what this edgefer generates"):
        firmware.build(replace(workload.bundle, folder=folder), config.microcontrollers()[NAMES[0]])


@needs_programs
@pytest.mark.parametrize(
    ("done", "kind", "words"),
    [
        (shell.Done(4, "", ""), WorkerFailed, "ended early: the processor met a fault"),
        (shell.Done(-11, "", "a crash"), WorkerFailed, "ended early: qemu-system-arm .*a crash"),
        (shell.Done(0, "", ""), WorkerFailed, "left no whole report"),
        (None, WorkerFailed, "was ended after 130 s"),
    ],
)
def test_an_emulator_that_fails_is_one_line(
    done: shell.Done | None, kind: type[EdgeferError], words: str, workload: Workload, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert workload.bundle is not None
    built = firmware.build(workload.bundle, config.microcontrollers()[NAMES[0]])

    def run(line: list[str], timeout: float | None = None, **_: object) -> shell.Done:
        if done is None:
            raise subprocess.TimeoutExpired(line, timeout or 0)
        return done

    monkeypatch.setattr(shell, "run", run)
    with pytest.raises(kind, match=words) as caught:
        built.run(np.zeros((1, 44, 44, 3), np.int8))
    assert "\n" not in str(caught.value)


@needs_programs
def test_a_compiler_that_fails_names_its_packages(
    workload: Workload, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(firmware, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(firmware, "OPTIONS", ("-no-such-option",))
    with pytest.raises(CompilerFailed, match=r"refused ean\.c-int8 .*libnewlib-arm-none-eabi"):
        device(NAMES[0]).expand([workload])
    assert not list(tmp_path.rglob("*.elf"))


@needs_programs
def test_tensorflow_lite_micro_s_arena_stands_beside_it(workload: Workload, monkeypatch: pytest.MonkeyPatch) -> None:
    board = device(NAMES[0])
    monkeypatch.setattr(tflite_micro, "installed", lambda: None)
    assert board.expand([workload]) == [workload]
    assert "ean.c-int8:tflite-micro" in board.left_out[0] and "pip install 'edgefer[micro]'" in board.left_out[0]
    monkeypatch.setattr(tflite_micro, "installed", lambda: "0.1")
    monkeypatch.setattr(tflite_micro, "arena", lambda path: 217_808)
    own, beside = board.expand([workload])
    assert own == workload and beside.name == "ean.c-int8:tflite-micro"
    (answer,) = board.answers([Task(beside, Settings())], lambda _: None)
    assert answer.run is not None and answer.run.memory.arena == 217_808
    assert (answer.run.memory.ram, answer.run.memory.flash, answer.run.samples) == (None, None, [])
    assert "not counted: TensorFlow Lite Micro runs on this machine" in str(board.count(beside).reason)


def test_an_interpreter_that_fails_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "[RecordingMicroAllocator] Arena allocation total 217808 bytes\nArena allocation head 1 bytes\n"
    monkeypatch.setattr(shell, "run", lambda line: shell.Done(0, "", said))
    assert tflite_micro.arena(tmp_path / "model.tflite") == 217_808
    monkeypatch.setattr(shell, "run", lambda line: shell.Done(1, "", "Traceback\nNo module named 'tflite_micro'"))
    with pytest.raises(WorkerFailed, match=r"can't open .*No module named"):
        tflite_micro.arena(tmp_path / "model.tflite")
