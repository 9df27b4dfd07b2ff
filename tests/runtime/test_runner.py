"""The runner of a board, on this machine: start, wait, stop, and what is left when it is cut off."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgefer.runtime import machine, records, runner, shell
from edgefer.runtime.bench_record import RunWarning, Settings, WarningKind
from edgefer.runtime.protocol import Answer, JobReport, RemoteJob, Request
from edgefer.runtime.records import parse
from tests.benchmark.made import run as made_run
from tests.benchmark.made import state

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a board is a Unix")

GONE = Request("bundles/gone", None, Settings())  # its answer is a failure, which is quick
COUNTED = Request(None, "no-such-network", Settings())


def job_folder(tmp_path: Path, requests: list[Request], load_wait: float = 0.0) -> Path:
    folder = tmp_path / ".edgefer/runs/abc"
    folder.mkdir(parents=True)
    (folder / runner.PLAN).write_text(records.dumps(RemoteJob(requests, "default", load_wait)))
    return folder


def do(what: str, folder: Path) -> JobReport:
    line = [sys.executable, "-m", "edgefer.runtime.runner", what]
    done = subprocess.run(
        line, cwd=folder, env=shell.environment(), capture_output=True, text=True, check=True, timeout=60
    )
    return parse(JobReport, done.stdout.partition(runner.MARKER)[2], "report")


def test_a_run_ends_with_its_answers_and_is_not_begun_twice(tmp_path: Path) -> None:
    folder = job_folder(tmp_path, [GONE, GONE])
    begun = do("start", folder)
    assert (begun.resumed, begun.answers) == (False, [])
    report = do("wait", folder)
    (answer,) = report.answers  # the first failure ends it
    assert answer.failure is not None
    assert answer.failure.kind == "MissingFile"
    written = next((folder / runner.ANSWERS).iterdir()).stat().st_mtime_ns
    again = do("start", folder)
    assert (again.resumed, again.running, again.begun) == (True, False, begun.begun)
    assert next((folder / runner.ANSWERS).iterdir()).stat().st_mtime_ns == written


def test_a_run_that_goes_on_is_left_alone_until_it_is_stopped(tmp_path: Path) -> None:
    folder = job_folder(tmp_path, [Request(None, "ean", Settings())], load_wait=600)
    others = subprocess.Popen([sys.executable, "-c", "while True: pass"])  # so that it waits for an idle board
    try:
        do("start", folder)
        process = int((folder / runner.PID).read_text())
        assert do("start", folder).running
        assert int((folder / runner.PID).read_text()) == process
        stopped = do("stop", folder)
    finally:
        others.kill()
        others.wait()
    assert stopped.answers == []
    state_of = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True, check=False)
    assert state_of.stdout.strip()[:1] in {"", "Z"}  # gone, or waiting for its parent to notice


def test_a_run_that_was_cut_off_goes_on_where_it_was(tmp_path: Path) -> None:
    folder = job_folder(tmp_path, [COUNTED, GONE])
    (folder / runner.ANSWERS).mkdir()
    finished = Answer(made_run(), None, {}, None)
    (folder / runner.ANSWERS / "000000.json").write_text(records.dumps(finished))
    (folder / runner.BEGUN).write_text("2026-10-01 12:00:00")
    report = do("start", folder)
    assert (report.resumed, report.begun) == (True, "2026-10-01 12:00:00")
    first, second = do("wait", folder).answers
    assert first == finished
    assert second.failure is not None


def test_runs_on_one_board_wait_for_each_other(tmp_path: Path) -> None:
    import fcntl

    folder = job_folder(tmp_path, [GONE])
    handle = os.open(tmp_path / ".edgefer", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)  # as another run, or a setup, holds it
    do("start", folder)
    time.sleep(1.0)
    assert not list((folder / runner.ANSWERS).iterdir())
    os.close(handle)
    assert len(do("wait", folder).answers) == 1


def test_runs_that_nobody_fetched_are_forgotten_after_a_week(tmp_path: Path) -> None:
    folder = job_folder(tmp_path, [GONE])
    old, new = folder.with_name("old"), folder.with_name("new")
    for other in (old, new):
        other.mkdir()
    ago = time.time() - runner.ABANDONED - 60
    os.utime(old, (ago, ago))
    do("start", folder)
    do("wait", folder)
    assert sorted(path.name for path in folder.parent.iterdir()) == ["abc", "new"]


def test_waiting_for_an_idle_board(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    looks = iter([state(), state(clock=101.0, busy=52.0), state(clock=101.0), state(clock=102.0, busy=50.2)])
    monkeypatch.setattr(machine, "state", lambda: next(looks))
    assert runner.wait_for_low_load(60, lambda _: None) is None  # busy in the first second, idle in the second
    busy = iter([state(), state(clock=101.0, busy=52.0)] * 3)
    monkeypatch.setattr(machine, "state", lambda: next(busy))
    told = str(runner.wait_for_low_load(3, lambda _: None))
    assert told == "busy: after 3 s of waiting other processes still used 1.99 of 4 cores"
    assert runner.wait_for_low_load(0, lambda _: None) is None


def test_the_doubt_joins_the_warnings_unless_the_run_noticed() -> None:
    answer = Answer(made_run(), None, {}, None)
    still = RunWarning(WarningKind.BUSY, "still")
    doubted = runner.with_warning(answer, still).run
    assert doubted is not None
    assert doubted.warnings == [still]
    noticed = replace(answer, run=made_run(warnings=["busy: others"]))
    assert runner.with_warning(noticed, still) == noticed
    assert runner.with_warning(answer, None) == answer


def test_waiting_needs_nothing_but_python() -> None:
    code = "import sys; from edgefer.runtime import runner; print(sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], env=shell.environment(), capture_output=True, text=True, check=True
    )
    loaded: Any = json.loads(done.stdout.replace("'", '"'))
    assert not {"numpy", "cattrs", "edgefer.runtime.records"} & set(loaded)
