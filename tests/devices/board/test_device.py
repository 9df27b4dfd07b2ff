"""The whole road to a board, with this machine at its end: an `ssh` that runs what it is given here."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import signal
import tarfile
import threading
import time
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from edgefer import runtime
from edgefer.benchmark import run
from edgefer.benchmark.run import Plan
from edgefer.benchmark.workload import Task, Workload, open_workload
from edgefer.devices.board import job, setup
from edgefer.devices.board.device import SshBoard
from edgefer.devices.config import RemoteBoard
from edgefer.devices.engine_packages import engine_set
from edgefer.runtime import files
from edgefer.runtime.bench_record import Settings
from edgefer.runtime.c import compiler
from edgefer.runtime.errors import (
    AccessDenied,
    BadData,
    BrokenBundle,
    NotSetUp,
    OutputFailed,
    Unreachable,
    WorkerFailed,
)
from edgefer.runtime.protocol import Check
from tests.devices.fake import Fake

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a board is a Unix")

FEW = Settings(samples=3, warmup=1)
REFUSED = "ssh: connect to host 10.0.0.7 port 22: Connection refused"
BROKEN = "client_loop: send disconnect: Broken pipe"
BOARD = RemoteBoard("kitchen", "pi@10.0.0.7", board="rpi4")


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    made = Fake(tmp_path / "fake", monkeypatch)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    return made


@pytest.fixture
def kitchen(fake: Fake) -> SshBoard:
    fake.engines()
    return SshBoard(BOARD)


@pytest.fixture
def workload(dist: Path) -> Workload:
    return open_workload(dist / "ean.tflite-int8")


def asked(workload: Workload, count: int = 1) -> list[Task]:
    return [Task(workload, FEW)] * count


def test_runs_come_back_and_the_board_is_clean(fake: Fake, kitchen: SshBoard, workload: Workload) -> None:
    said: list[str] = []
    answers = list(kitchen.answers(asked(workload, 2), said.append))
    assert [len(answer.run.samples) for answer in answers if answer.run] == [3, 3]
    assert said == ["kitchen: measuring there"]
    assert fake.left == []
    assert fake.trips == 3  # sent and begun, waited for, cleaned


def test_a_check_with_faces(fake: Fake, kitchen: SshBoard, workload: Workload, tmp_path: Path) -> None:
    faces = np.zeros((4, 48, 48, 3), np.uint8)
    np.save(tmp_path / "faces.npy", faces)
    task = Task(workload, FEW, check=Check(str(tmp_path / "faces.npy")))
    (answer,) = kitchen.answers([task], lambda _: None)
    assert answer.golden is not None
    assert np.array(answer.outputs).shape == (4, 7)


@pytest.mark.long
@pytest.mark.skipif(find_spec("ziglang") is None, reason="needs ziglang")
def test_c_is_compiled_on_the_host(
    fake: Fake, kitchen: SshBoard, dist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The board's own compiler would fail."""
    monkeypatch.setattr("edgefer.runtime.files.cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setenv("CC", "no-such-compiler")
    monkeypatch.setattr(compiler, "FLAGS", ("-O1", *compiler.FLAGS[1:]))
    bundle = shutil.copytree(dist / "ean.c-int8", tmp_path / "ean.c-int8")
    task = Task(open_workload(bundle), FEW, check=Check())
    (answer,) = kitchen.answers([task], lambda _: None)
    assert answer.golden is not None and answer.golden.difference == 0
    assert {path.suffix for path in (tmp_path / "cache/c").iterdir()} == {".so"}
    assert fake.left == []


def test_a_connection_that_breaks_is_made_anew(fake: Fake, kitchen: SshBoard, workload: Workload) -> None:
    fake.fails(BROKEN, REFUSED, "-", BROKEN, REFUSED)
    said: list[str] = []
    (answer,) = kitchen.answers(asked(workload), said.append)
    assert answer.run is not None
    assert said == [
        "kitchen: the connection is lost, trying again in 1 s",
        "kitchen: the connection is lost, trying again in 1 s",
        "kitchen: measuring there",
        "kitchen: the connection is lost, trying again in 1 s",
        "kitchen: the connection is lost, trying again in 2 s",
    ]
    assert fake.left == []


def test_a_board_that_was_never_reached_is_not_waited_for(fake: Fake, kitchen: SshBoard, workload: Workload) -> None:
    fake.fails(REFUSED)
    with pytest.raises(Unreachable, match="Connection refused"):
        next(kitchen.answers(asked(workload), lambda _: None))
    assert fake.trips == 1


def test_a_lost_board_is_picked_up_by_the_same_command(
    fake: Fake, kitchen: SshBoard, workload: Workload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEFER_LOST_SECONDS", "0")
    fake.fails("-", BROKEN)
    with pytest.raises(Unreachable, match="goes on there, if the board does: the same command picks it up"):
        next(kitchen.answers(asked(workload), lambda _: None))
    (begun,) = (fake.home / ".edgefer").glob("runs/*/begun")
    when, said = begun.read_text(), list[str]()
    (answer,) = kitchen.answers(asked(workload), said.append)
    assert answer.run is not None
    assert said == [f"kitchen: picked up the run begun at {when}"]
    assert fake.left == []


def test_access_that_is_refused_meanwhile_is_not_waited_for(fake: Fake, kitchen: SshBoard, workload: Workload) -> None:
    fake.fails("-", "pi@10.0.0.7: Permission denied (publickey).")
    with pytest.raises(AccessDenied):
        next(kitchen.answers(asked(workload), lambda _: None))


def test_results_are_worth_more_than_a_clean_board(fake: Fake, kitchen: SshBoard, workload: Workload) -> None:
    fake.fails("-", "-", REFUSED)
    said: list[str] = []
    (answer,) = kitchen.answers(asked(workload), said.append)
    assert answer.run is not None
    assert "stays there" in said[-1]


def test_an_interrupt_stops_it_and_keeps_what_is_finished(fake: Fake, kitchen: SshBoard, workload: Workload) -> None:
    def interrupt() -> None:
        while not list((fake.home / ".edgefer").glob("runs/*/answers/0*.json")):
            pass
        os.kill(os.getpid(), signal.SIGINT)

    other = threading.Thread(target=interrupt)
    other.start()
    record = run.bench(Plan([workload], FEW, 50, kitchen))
    other.join()
    assert record.interrupted
    assert 1 <= len(record.results[0].runs) < 50
    assert fake.left == []


def test_an_interrupt_while_it_is_sent(
    fake: Fake, kitchen: SshBoard, workload: Workload, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.tool("tar", 'kill -INT $TESTED; sleep 1; exec /bin/tar "$@"')
    monkeypatch.setenv("TESTED", str(os.getpid()))
    with pytest.raises(KeyboardInterrupt):
        list(kitchen.answers(asked(workload), lambda _: None))
    assert fake.left == []


def test_failures_say_where(fake: Fake, kitchen: SshBoard, dist: Path, tmp_path: Path) -> None:
    missing = fake.home / ".edgefer/venv/bin/python"
    missing.write_text(missing.read_text().replace("exec ", "PYTHONPATH=$FAKE/without exec "))
    package = tmp_path / "fake/without/onnxruntime.py"
    package.parent.mkdir()
    package.write_text("raise ModuleNotFoundError('no', name='onnxruntime')")
    with pytest.raises(NotSetUp) as caught:
        next(kitchen.answers(asked(open_workload(dist / "ean.onnx-fp32")), lambda _: None))
    told = "on kitchen the package onnxruntime is not installed: run `edgefer device setup kitchen`."
    assert str(caught.value) == told
    assert fake.left == []


def test_what_a_board_can_not_run_is_refused_before_it_is_reached(
    fake: Fake, kitchen: SshBoard, dist: Path, workload: Workload, tmp_path: Path
) -> None:
    with pytest.raises(BadData, match=r"ean\.torch-eager needs torch"):
        next(kitchen.answers(asked(Workload(network="ean")), lambda _: None))
    openvino = open_workload(dist / "ean.openvino-fp32")
    with pytest.raises(NotSetUp, match="does not run on kitchen: boards get LiteRT, ONNX Runtime and ncnn"):
        next(kitchen.answers(asked(openvino), lambda _: None))
    assert kitchen.expand([workload, openvino]) == [workload]
    assert kitchen.left_out == ["ean.openvino-fp32: boards get LiteRT, ONNX Runtime and ncnn, for tflite, onnx, ncnn"]
    with pytest.raises(NotSetUp, match="nothing that was asked for runs on kitchen"):
        kitchen.expand([openvino])
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(BrokenBundle):
        next(kitchen.answers(asked(open_workload(tmp_path)), lambda _: None))
    assert fake.trips == 0


def test_no_engines_there(fake: Fake, workload: Workload) -> None:
    for engine, command in ((None, "setup kitchen`"), ("tflite-runtime", "setup kitchen --engine tflite-runtime`")):
        with pytest.raises(NotSetUp, match=command):
            next(SshBoard(BOARD, engine).answers(asked(workload), lambda _: None))
    assert list(fake.home.iterdir()) == []


BREAKS = """
import os, sys
if sys.orig_argv[-1] == "run":
    print("Killed", file=open(os.environ["FAKE"] + "/broken_off", "a"))
    print("Out of memory", file=sys.stderr, flush=True)
    os._exit(137)
"""


def test_a_run_that_breaks_off_is_gone_on_with_once(fake: Fake, kitchen: SshBoard, workload: Workload) -> None:
    (fake.folder / "site").mkdir()
    (fake.folder / "site/sitecustomize.py").write_text(BREAKS)
    python = fake.home / ".edgefer/venv/bin/python"
    python.write_text(python.read_text().replace("exec ", "PYTHONPATH=$FAKE/site exec "))
    with pytest.raises(WorkerFailed, match=r"the run on kitchen broke off \(Out of memory\)"):
        next(kitchen.answers(asked(workload), lambda _: None))
    assert (fake.folder / "broken_off").read_text() == "Killed\n" * 2
    assert fake.left == []


def test_counting_is_for_emulators(kitchen: SshBoard, workload: Workload) -> None:
    assert kitchen.count(workload).reason == "not counted on a board: `--device rpi4-emulated` counts them"
    other = SshBoard(replace(BOARD, name="attic", board=None))
    assert other.count(workload).reason == "not counted on a board"


def test_the_name_of_a_run_follows_what_it_is(workload: Workload, dist: Path) -> None:
    def name(tasks: list[Task], engine: str | None = None) -> str:
        return job.pack("kitchen", tasks, engine_set(engine), 0.0).id

    first = name(asked(workload))
    assert name(asked(workload)) == first
    assert (
        len(
            {
                first,
                name(asked(workload, 2)),
                name(asked(open_workload(dist / "ean.tflite-fp32"))),
                name(asked(workload), "tflite-runtime"),
            }
        )
        == 4
    )


def test_the_runtime_travels_and_nothing_else_of_edgefer(workload: Workload) -> None:
    packed = job.pack("kitchen", asked(workload, 3), engine_set(None), 0.0)
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(packed.content))) as archive:
        names = [name.removeprefix("run/") for name in archive.getnames()]
    assert names[-1] == "plan.json"
    folder = Path(runtime.__file__).parent
    travelling = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    shipped = sorted(f"edgefer/runtime/{path.relative_to(folder).as_posix()}" for path in travelling)
    assert [name for name in names[:-1] if not name.startswith("bundles/")] == ["edgefer/__init__.py", *shipped]
    assert sum(name.endswith("model.tflite") for name in names) == 1
    assert len(packed.content) < 300_000


@pytest.mark.parametrize(
    ("changed", "same"), [("benchmark/run.py", True), ("cli/bench.py", True), ("runtime/worker.py", False)]
)
def test_only_a_change_in_the_runtime_is_another_run(
    changed: str, same: bool, workload: Workload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def name() -> str:
        return job.pack("kitchen", asked(workload), engine_set(None), 0.0).id

    before, ignored = name(), shutil.ignore_patterns("__pycache__", "weights")
    copied = Path(shutil.copytree(files.PACKAGE, tmp_path / "edgefer", ignore=ignored))
    monkeypatch.setattr(files, "runtime_files", partial(files.runtime_files, copied))
    assert name() == before
    with (copied / changed).open("a") as file:
        file.write("\n")
    assert (name() == before) is same


def test_patience_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEFER_LOST_SECONDS", "soon")
    with pytest.raises(NotSetUp, match="EDGEFER_LOST_SECONDS is 'soon'"):
        job.Patience.from_environment()


def test_setup_is_refused_where_it_can_not_end_well(fake: Fake) -> None:
    fake.tool("df", "echo x 1000 990 10000 99% /")
    with pytest.raises(OutputFailed, match="9 MiB of disk left"):
        setup.setup(BOARD, engine_set(None), True, lambda _: None)
    fake.tool("uname", "echo armv7l")
    with pytest.raises(NotSetUp, match="architecture: armv7l"):
        setup.setup(BOARD, engine_set(None), True, lambda _: None)
    assert list(fake.home.iterdir()) == []
