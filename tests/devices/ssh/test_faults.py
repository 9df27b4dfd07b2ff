"""What goes wrong between here and a board: one clear line, the right exit code, and a clean board."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgefer.benchmark.workload import Task, open_workload
from edgefer.devices import registry
from edgefer.runtime import records
from edgefer.runtime.bench_record import BenchRecord, Run, Settings, WarningKind
from edgefer.runtime.protocol import Answer
from tests.devices.ssh.conftest import Host, MakeBoard
from tests.devices.ssh.made import Board, until

BENCH = ("--device", "kitchen", "--samples", 5, "--processes", 1, "--no-instructions")
FEW = Settings(samples=5, warmup=2)
Measure = Callable[..., list[Answer]]


@pytest.fixture
def said() -> list[str]:
    """What the device said besides."""
    return []


@pytest.fixture
def measure(host: Host, bundle: Path, said: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Measure]:
    """Answers of the kitchen, asked for in this process."""
    for name, value in host.environment.items():
        monkeypatch.setenv(name, value)
    task = Task(open_workload(bundle), FEW)
    yield lambda count=1: list(registry.ready_device("kitchen").answers([task] * count, said.append))


def run_of(answer: Answer) -> Run:
    assert answer.run is not None
    return answer.run


def answered(board: Board) -> list[Path]:
    """Answers that lie on the board."""
    return list((board.home / ".edgefer").glob("runs/*/answers/0*.json"))


def test_a_board_that_is_off_and_a_name_that_no_one_knows(board: Board, host: Host) -> None:
    host.knows("kitchen", board)
    board.down()
    doctor = ("device", "doctor", "kitchen")
    host.edgefer(*doctor).fails(21, "can't reach kitchen", "Connection refused", f"ssh -p {board.port} pi@127.0.0.1")
    add = ("device", "add", "attic", "--host", "pi@no-such-board.invalid")
    host.edgefer(*add).fails(21, "can't reach attic", "resolve hostname")


def test_a_wrong_key_and_another_host_key(board: Board, host: Host, key: Path) -> None:
    host.knows("kitchen", board)
    host.use(key.with_name("wrong"))
    host.edgefer("device", "doctor", "kitchen").fails(22, "refuses this user and key", "ssh-copy-id")
    host.use(key)
    board.stop()
    board.hostkey = "/etc/otherkey"
    board.start()
    told = host.edgefer("device", "doctor", "kitchen")
    told.fails(22, "another host key", f"ssh-keygen -R '[127.0.0.1]:{board.port}'")


def test_a_board_without_engines(board: Board, host: Host, bundle: Path) -> None:
    host.knows("kitchen", board)
    host.edgefer("verify", bundle, "--device", "kitchen").fails(23, "edgefer device setup kitchen")
    (board.home / ".edgefer").mkdir()
    board.own()
    host.edgefer("verify", bundle, "--device", "kitchen").fails(23, "edgefer device setup kitchen")
    assert board.left() == []


def test_a_full_disk(make_board: MakeBoard, host: Host, engines: Path, bundle: Path) -> None:
    board = make_board(size="300m")
    host.knows("kitchen", board)
    host.set_up("kitchen").fails(13, "kitchen has", "MiB of disk left")
    assert list((board.inside / ".edgefer").iterdir()) == []
    board.give(engines)
    filler = board.inside / ".edgefer" / "venv-filler"
    with filler.open("wb") as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(bytes(2**20))
    host.edgefer("verify", bundle, "--device", "kitchen").fails(13, "its disk is full")
    assert board.left() == []


@pytest.mark.long
def test_a_setup_that_runs_out_of_disk_leaves_nothing(
    make_board: MakeBoard, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = make_board(size="90m")
    host.knows("kitchen", board)
    without_the_check = "import edgefer.devices.board.doctor as d; d.DISK = 0; from edgefer.cli import main; main()"
    monkeypatch.setattr("tests.devices.ssh.conftest.PROGRAM", ["python", "-c", without_the_check])
    host.set_up("kitchen", "--offline").fails(
        13, "can't install LiteRT, ONNX Runtime and ncnn on kitchen", "disk is full"
    )
    assert list((board.inside / ".edgefer").iterdir()) == []


@pytest.mark.long
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_setup_leaves_nothing(board: Board, host: Host, sign: signal.Signals) -> None:
    host.knows("kitchen", board)
    process = host.start("device", "setup", "kitchen", "--engine", "tflite-runtime", "--offline")
    until(lambda: board.processes("pip.zip/pip install"), "pip runs on the board")
    process.send_signal(sign)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[sign], errors
    assert not board.processes("pip.zip/pip install")
    assert not (board.home / ".edgefer").exists()


def test_a_connection_that_is_cut_is_made_anew(kitchen: Board, measure: Measure, said: list[str]) -> None:
    def cut() -> None:
        until(lambda: answered(kitchen), "the first answer")
        kitchen.cut()

    (first, second) = in_between(cut, lambda: measure(2))
    assert "kitchen: the connection is lost, trying again in 1 s" in said
    assert run_of(first).timed and run_of(second).timed


def in_between(act: Callable[[], None], work: Callable[[], list[Answer]]) -> list[Answer]:
    """Do something while this thread works."""
    import threading

    other = threading.Thread(target=act)
    other.start()
    try:
        return work()
    finally:
        other.join()


def test_a_connection_that_stays_away_is_picked_up_by_the_next_command(
    kitchen: Board, host: Host, bundle: Path, measure: Measure, said: list[str]
) -> None:
    process = host.start("verify", bundle, "--device", "kitchen", EDGEFER_LOST_SECONDS="1")
    until(lambda: list((kitchen.home / ".edgefer").glob("runs/*/begun")), "the run has begun")
    kitchen.down()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 21
    assert "The run goes on there" in errors and "the same command picks it up" in errors
    until(lambda: answered(kitchen), "the board goes on alone")
    kitchen.up()
    begun = next((kitchen.home / ".edgefer").glob("runs/*/begun")).read_text()
    again = host.start("verify", bundle, "--device", "kitchen")
    out, errors = again.communicate(timeout=60)
    assert (again.returncode, "golden pair hold on kitchen" in out) == (0, True), errors
    assert begun  # what `said` says is tested where it can be heard, in test_remote


def test_ctrl_c_stops_the_board_and_keeps_what_is_measured(kitchen: Board, host: Host, bundle: Path) -> None:
    process = host.start("bench", bundle, *BENCH[:-3], "--processes", 20, "--no-instructions", "--out", "b.json")
    until(lambda: answered(kitchen), "the first answer")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    record = records.read(BenchRecord, host.folder / "b.json")
    assert record.interrupted
    assert 1 <= len(record.results[0].runs) < 20
    assert not kitchen.processes("edgefer.runtime")


def test_a_busy_board_is_waited_for_and_then_told(
    kitchen: Board, measure: Measure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEFER_IDLE_SECONDS", "3")
    loop = subprocess.Popen(["chroot", kitchen.root, "/bin/sh", "-c", "while :; do :; done"])
    try:
        began = time.monotonic()
        (answer,) = measure()
        assert time.monotonic() - began > 3
    finally:
        loop.kill()
        loop.wait()
    assert any(warning.kind is WarningKind.BUSY for warning in run_of(answer).warnings)


def test_a_run_that_throttles_is_invalid(kitchen: Board, measure: Measure) -> None:
    # Looked at before and after each of three runs; under-voltage comes and goes within the second.
    script = "#!/bin/sh\necho >>$HOME/looks\nlooks=$(wc -l <$HOME/looks)\n"
    script += "[ $looks -gt 3 ] && echo throttled=0x10000 || echo throttled=0x0\n"
    (kitchen.home / "vcgencmd").write_text(script)
    (kitchen.home / "vcgencmd").chmod(0o755)
    first, second, third = map(run_of, measure(3))
    assert [list(map(str, run.invalid)) for run in (first, second, third)] == [[], ["throttled: under-voltage"], []]
    assert [run.timed for run in (first, second, third)] == [True, False, True]
    assert third.after.since_boot == ["under-voltage"]
