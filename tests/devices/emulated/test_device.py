"""Emulated boards: what they tell, what they never tell, and how they are made."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from edgefer.benchmark import emulator, instructions
from edgefer.benchmark.emulator import Emulator
from edgefer.benchmark.run import Plan, bench
from edgefer.benchmark.workload import Task, Workload, ask, open_workload, select
from edgefer.devices import config, engine_packages, registry
from edgefer.devices.board import job
from edgefer.devices.emulated import rootfs
from edgefer.devices.emulated.device import EmulatedBoard
from edgefer.devices.emulated.image_build import Image
from edgefer.devices.engine_packages import engine_set
from edgefer.runtime import files, records
from edgefer.runtime.bench_record import BenchRecord, Settings, WarningKind
from edgefer.runtime.errors import NotSetUp, UnknownName
from edgefer.runtime.files import sha256
from edgefer.runtime.protocol import Answer, Check
from tests.benchmark import made
from tests.made import sure_faces

BOARDS = list(config.emulated_processors())
TARGETS = (
    "tflite-int8",
    *(pytest.param(name, marks=pytest.mark.long) for name in ("tflite-fp32", "onnx-int8", "ncnn-int8")),
    pytest.param(
        "c-int8", marks=[pytest.mark.long, pytest.mark.skipif(find_spec("ziglang") is None, reason="needs ziglang")]
    ),
)
RUNNING = (BOARDS[0], *(pytest.param(name, marks=pytest.mark.long) for name in BOARDS[1:]))


def emulated(name: str, engine: str | None = None) -> EmulatedBoard:
    return EmulatedBoard(config.emulated_processors()[name], engine)


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without any board, on a machine that has QEMU."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    return tmp_path / "edgefer/emulated"


@pytest.mark.parametrize("name", BOARDS)
def test_every_row_is_a_processor(name: str) -> None:
    row = config.emulated_processors()[name]
    board = row.board_kind
    content = rootfs.sysfs_files(row)
    assert content["proc/cpuinfo"].count("CPU part") == board.cores
    assert f"CPU part        : {row.part}\n" in content["proc/cpuinfo"]
    for what in ("possible", "present", "online"):
        assert content[f"sys/devices/system/cpu/{what}"] == f"0-{board.cores - 1}\n"
    assert row.source.startswith("https://") and row.caches_source.startswith("https://")
    assert [cache.level for cache in row.caches] == sorted(cache.level for cache in row.caches)
    assert rootfs.midr(row) >> 4 & 0xFFF == int(row.part, 16)


def test_a_bundle_is_opened_once_on_its_way_to_a_board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From its selector to the worker in the emulator, and to the archive for a board: each file is hashed once."""
    hashed: Counter[str] = Counter()

    def counting(path: Path) -> str:
        hashed[path.name] += 1
        return sha256(path)

    def ask(task: Task, qemu: Emulator) -> Answer:
        return Answer(made.run(), made.record([]).machine, {}, None)

    made.bundle(tmp_path / "ean.onnx-fp32")
    monkeypatch.setattr("edgefer.runtime.bundle.sha256", counting)
    monkeypatch.setattr(emulator, "ask", ask)
    board = emulated(BOARDS[0])
    vars(board).update(_emulator=emulator.EMULATORS["x86"], _versions={})  # as if it were set up
    workloads = select([], tmp_path)
    found = bench(Plan(board.expand(workloads), Settings(), 3, board))
    job.pack("kitchen", [Task(workload, Settings()) for workload in workloads], engine_set(None), 0.0)
    assert [len(result.runs) for result in found.results] == [3]
    assert set(hashed.values()) == {1} and "model.onnx" in hashed


def test_the_identification_register_is_linux_s() -> None:
    # geerlingguy/sbc-reviews issue 21: "Booted secondary processor 0x0000000100 [0x414fd0b1]"
    assert rootfs.midr(config.emulated_processors()["rpi5-emulated"]) == 0x414FD0B1


@pytest.mark.parametrize("name", BOARDS)
def test_a_board_that_is_not_made_names_the_command(name: str, empty: Path) -> None:
    with pytest.raises(NotSetUp, match=f"{name} is not set up .*: run `edgefer device setup {name}`"):
        registry.ready_device(name)
    with pytest.raises(NotSetUp, match=f"run `edgefer device setup {name} --engine tflite-runtime`"):
        registry.ready_device(name, "tflite-runtime")
    assert not emulated(name).is_set_up
    findings = {finding.subject: finding for finding in emulated(name).doctor()}
    assert not findings["parts"].ok and f"edgefer device setup {name}" in findings["parts"].text


def test_an_unknown_set_of_engines(empty: Path) -> None:
    with pytest.raises(UnknownName, match="unknown engine 'tflite'"):
        registry.ready_device(BOARDS[0], "tflite")


def test_without_qemu_the_package_is_named(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    for call in (
        emulated(BOARDS[0]).require_ready,
        lambda: emulated(BOARDS[0]).setup(False, print),
    ):
        with pytest.raises(NotSetUp, match="install the package qemu-user"):
            call()
    (first, *_) = emulated(BOARDS[0]).doctor()
    assert (first.subject, first.ok) == ("emulator", False)


@pytest.mark.parametrize("part", ["userland", "engines"])
def test_an_interrupted_setup_leaves_nothing_half_made(part: str, empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    def root(folder: Path, packages: object, say: object) -> None:
        (folder / "usr/bin").mkdir(parents=True)
        (folder / "usr/bin/python3.11").touch()

    monkeypatch.setattr(rootfs, "make_root", interrupted if part == "userland" else root)
    monkeypatch.setattr(engine_packages, "_pip", interrupted)
    with pytest.raises(KeyboardInterrupt):
        emulated(BOARDS[0]).setup(False, lambda _: None)
    left = [path.name for path in empty.glob("*")] if empty.is_dir() else []
    assert left == ([] if part == "userland" else ["userland"])


@pytest.mark.usefixtures("boards")
def test_a_second_setup_says_that_it_is_there() -> None:
    heard: list[str] = []
    emulated(BOARDS[0]).setup(False, heard.append)
    assert heard == [f"{BOARDS[0]} is there already, with LiteRT, ONNX Runtime and ncnn"]


@pytest.mark.usefixtures("boards")
@pytest.mark.parametrize("name", RUNNING)
def test_the_doctor_finds_it_well(name: str) -> None:
    findings = emulated(name).doctor()
    assert all(finding.ok for finding in findings if finding.needed), findings
    assert findings[-1].text.startswith("Python 3.")


@pytest.mark.usefixtures("boards")
@pytest.mark.parametrize("name", RUNNING)
def test_the_guest_sees_the_board(name: str) -> None:
    row = config.emulated_processors()[name]
    code = (
        "import os, sys, pathlib; print(os.cpu_count(), os.uname().machine, *(e for e in sys.path if 'edgefer' in e));"
        "print(open('/proc/cpuinfo').read().count(sys.argv[1]), pathlib.Path('/etc/ld.so.cache').stat().st_size)"
    )
    done = emulator.run_python(Image(row, engine_set(None)).emulator(), "-c", code, row.part)
    first, second = done.out.splitlines()
    assert first.split()[:2] == ["4", "aarch64"]
    assert second.split() == ["4", "0"]
    for path in sys.path:  # nothing of this machine's Python
        assert not path or path not in first.split()[2:]


@pytest.mark.usefixtures("boards")
@pytest.mark.parametrize("target", TARGETS)
def test_a_bench_has_memory_and_no_times(target: str, dist: Path, tmp_path: Path) -> None:
    workload = open_workload(dist / f"ean.{target}")
    found = bench(Plan([workload], Settings(), 1, emulated("rpi4-emulated")))
    records.write(tmp_path / "record.json", found)
    assert records.read(BenchRecord, tmp_path / "record.json") == found
    (run,) = found.results[0].runs
    assert not run.timed and run.samples == []
    assert (run.load_seconds, run.first_seconds, run.memory_percent, run.cpu_user_percent) == (None, None, None, None)
    assert {warning.kind for warning in run.warnings} == {WarningKind.EMULATED}
    assert len(run.warnings) == 1
    looks = [run.memory.before_load, run.memory.after_load, run.memory.after_run]
    assert all(look is not None and 15e6 < look < 150e6 for look in looks)
    assert run.memory.peak == max(look for look in looks if look is not None)
    assert found.machine.board == f"Raspberry Pi 4 Model B, emulated by QEMU {found.versions['qemu']} (cortex-a72)"
    assert (found.machine.memory, found.machine.cores, found.machine.architecture) == (None, 4, "aarch64")
    assert (run.before.governor, run.before.frequency, run.before.temperature) == (None, None, None)
    assert found.versions["worker"] == files.runtime_checksum()


@pytest.mark.usefixtures("boards")
@pytest.mark.parametrize("target", TARGETS)
def test_the_golden_pair_holds_and_outputs_agree_with_this_machine(target: str, dist: Path, tmp_path: Path) -> None:
    faces = tmp_path / "faces.npy"
    np.save(faces, np.repeat(sure_faces().pixels[:4], 3, axis=-1))
    task = Task(open_workload(dist / f"ean.{target}"), Settings(), check=Check(str(faces)))
    (there,) = emulated("rpi4-emulated").answers([task], lambda _: None)
    here = ask(task)
    assert there.golden is not None and there.golden.difference <= there.golden.tolerance
    assert there.run is None
    assert np.abs(np.array(there.outputs) - np.array(here.outputs)).max() < 0.02


@pytest.mark.usefixtures("boards")
def test_what_does_not_run_is_left_out_with_the_reason(dist: Path) -> None:
    found = emulated("rpi4-emulated")
    openvino, tflite = open_workload(dist / "ean.openvino-int8"), open_workload(dist / "ean.tflite-int8")
    assert found.expand([openvino, tflite]) == [tflite]
    assert found.left_out == [
        "ean.openvino-int8: an emulated board has no engine for openvino, it has LiteRT, ONNX Runtime and ncnn"
    ]
    with pytest.raises(NotSetUp, match=r"nothing that was asked for runs on rpi4-emulated: ean\.torch-eager: torch"):
        found.expand([Workload(network="ean")])
    with pytest.raises(NotSetUp, match=r"ean\.openvino-int8 does not run on rpi4-emulated"):
        next(found.answers([Task(openvino, Settings())], lambda _: None))
    counted = found.count(openvino)
    assert counted.instructions is None
    assert counted.reason is not None and counted.reason.startswith("not counted: an emulated board has no engine for")


@pytest.mark.long
@pytest.mark.usefixtures("boards")
def test_counts_repeat_wherever_they_are_taken(dist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if instructions.lacking(emulated("rpi4-emulated")._emulator):
        pytest.skip("needs a C compiler")
    workload = open_workload(dist / "ean.tflite-int8")
    first = emulated("rpi4-emulated").count(workload)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGEFER_TEST_PADDING", "x" * 3000)
    again = emulated("rpi4-emulated").count(workload)
    assert first.reason is None and first.instructions is not None
    assert again == first and first.spread == 0
    assert {"python", "worker", "qemu", "userland", "processor"} <= first.versions.keys()
    # The dot product instructions of a Cortex-A76 halve the work of int8.
    five = emulated("rpi5-emulated").count(workload).instructions
    assert five is not None and five < 0.6 * first.instructions


@pytest.mark.usefixtures("boards")
def test_another_processor_is_another_folder() -> None:
    row = config.emulated_processors()["rpi4-emulated"]
    image = Image(row, engine_set(None))
    other = replace(image, processor=replace(row, revision="2"))
    assert image.missing_parts() == [] and other.missing_parts() == ["its processor"]
