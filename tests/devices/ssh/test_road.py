"""From a board out of the box to a table, over a true SSH server and in true arm64 processes."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

from edgefer.benchmark.report import DevicesRecord
from edgefer.runtime import records
from edgefer.runtime.bench_record import BenchRecord
from tests.devices.ssh.conftest import Host, MakeBoard
from tests.devices.ssh.made import Board

FEW = ("--samples", 5, "--processes", 2, "--no-instructions")


def test_add_doctor_remove(board: Board, host: Host) -> None:
    new = ("device", "add", "kitchen", "--host", "pi@127.0.0.1", "--port", board.port)
    host.edgefer(*new).fails(22, "host key is not known", f"ssh -p {board.port} pi@127.0.0.1", "--accept-new-host-key")
    assert not host.devices.exists()
    added = host.edgefer(*new, "--accept-new-host-key")
    assert added.code == 0
    assert "kitchen is Raspberry Pi 4 Model B Rev 1.5 (aarch64, rpi4)" in added.out
    assert 'board = "rpi4"' in host.devices.read_text()
    told = host.edgefer("device", "doctor", "kitchen")
    assert told.code == 23
    assert "kitchen lacks what runs need: engines" in told.err
    assert "run `edgefer device setup kitchen`" in told.out
    removed = host.edgefer("device", "remove", "kitchen", "--wipe")
    assert (removed.code, host.devices.read_text()) == (0, "")
    assert not (board.home / ".edgefer").exists()


def test_setting_up_again_is_quick_and_wiping_leaves_what_is_not_edgefers(kitchen: Board, host: Host) -> None:
    began = time.monotonic()
    again = host.edgefer("device", "setup", "kitchen", "--offline")
    assert again == (0, "kitchen has LiteRT, ONNX Runtime and ncnn already\n", "looking at kitchen\n")
    assert time.monotonic() - began < 30
    told = host.edgefer("device", "doctor", "kitchen", "--json")
    assert told.code == 0
    (engines,) = [line for line in json.loads(told.out) if line["subject"] == "engines"]
    assert engines["ok"] and "LiteRT 2" in engines["text"] and "ONNX Runtime" in engines["text"]
    (kitchen.home / ".edgefer/notes").write_text("mine")
    assert host.edgefer("device", "remove", "kitchen", "--wipe").out.startswith("removed kitchen")
    assert [path.name for path in (kitchen.home / ".edgefer").iterdir()] == ["notes"]
    shutil.rmtree(kitchen.home / ".edgefer")


def test_verify_and_bench(kitchen: Board, host: Host, bundle: Path) -> None:
    verified = host.edgefer("verify", bundle, "--device", "kitchen")
    assert verified.code == 0, verified
    assert "contract and golden pair hold on kitchen's LiteRT" in verified.out
    assert kitchen.left() == []
    done = host.edgefer("bench", bundle, "--device", "kitchen", *FEW, "--out", "b.json")
    assert done.code == 0, done
    record = records.read(BenchRecord, host.folder / "b.json")
    assert (record.device, record.machine.architecture, record.machine.cores) == ("kitchen", "aarch64", 4)
    (result,) = record.results
    assert [len(run.samples) for run in result.runs] == [5, 5]
    assert all(run.timed for run in result.runs)


def test_two_boards_at_once(make_board: MakeBoard, host: Host, engines: Path, bundle: Path) -> None:
    boards = {name: make_board(name) for name in ("attic", "cellar")}
    for name, board in boards.items():
        board.give(engines)
        host.knows(name, board)
    both = [word for name in boards for word in ("--device", name)]
    done = host.edgefer("bench", bundle, *both, *FEW, "--out", "b.json")
    assert done.code == 0, done
    record = records.read(DevicesRecord, host.folder / "b.json")
    found = {each.device: each for each in record.records}
    assert list(found) == ["attic", "cellar"]
    begun = {name: [run.before.clock for run in each.results[0].runs] for name, each in found.items()}
    # The clock is this machine's, the same on both: their runs were mixed.
    assert min(begun["cellar"]) < max(begun["attic"]) and min(begun["attic"]) < max(begun["cellar"])
    assert [board.left() for board in boards.values()] == [[], []]
