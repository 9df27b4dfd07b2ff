"""Runs a job on a board, detached from its host: `python -m edgefer.runtime.runner start|wait|stop` in its folder.

`start` leaves a process behind that answers the job's requests one by one; it holds a lock on the folder until it
ends, however it ends. `wait` sleeps on that lock, so that nothing is sent meanwhile, and then reports.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgefer.runtime.files import locked

if TYPE_CHECKING:  # `wait` must not import numpy and what else a run needs: it would share the processor with it
    from edgefer.runtime.bench_record import RunWarning
    from edgefer.runtime.protocol import Answer, Request

PLAN, BEGUN, ANSWERS, LOG, PID = "plan.json", "begun", "answers", "log", "pid"
MARKER = "edgefer:report\n"  # before the report: a login script may have written something
GRACE = 10.0  # seconds between asking the run to end and making it
WINDOW = 1.0  # seconds over which the load is measured
LOW_LOAD = 0.10  # of the board's cores that others may use
ABANDONED = 7 * 24 * 3600  # seconds after which a run that nobody fetched is removed


def start(folder: Path) -> None:
    """Begin the run, or go on with one that was cut off; leave it alone if it goes on or is finished."""
    resumed = (folder / BEGUN).is_file()
    with locked(folder, wait=False) as lock:
        if lock is not None and not _finished(folder):
            _remove_abandoned(folder)
            (folder / ANSWERS).mkdir(exist_ok=True)
            if not resumed:
                (folder / BEGUN).write_text(time.strftime("%Y-%m-%d %H:%M:%S"))
            with (folder / LOG).open("wb") as log:
                child = subprocess.Popen(
                    [sys.executable, "-m", "edgefer.runtime.runner", "run"],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=folder,
                    pass_fds=[lock],  # the lock is held as long as someone has the file open
                    start_new_session=True,
                )
            (folder / PID).write_text(str(child.pid))
        _report(folder, resumed, lock is None, [])


def run(folder: Path) -> None:
    """Answer all requests that have no answer yet; ends after one that failed."""
    from edgefer.runtime import records
    from edgefer.runtime.files import write_atomic
    from edgefer.runtime.protocol import RemoteJob

    job = records.parse(RemoteJob, (folder / PLAN).read_text(encoding="utf-8"), PLAN)
    with locked(folder.resolve().parents[1]):  # wait for other runs on this board, and for a setup
        timed = any(request.check is None and request.count is None for request in job.requests)
        warning = wait_for_low_load(job.load_wait) if timed else None
        for number, request in enumerate(job.requests):
            path = folder / ANSWERS / f"{number:06}.json"
            if path.is_file():
                continue
            answer = with_warning(_ask(request, folder), warning)
            write_atomic(path, records.dumps(answer).encode())
            if answer.failure is not None:
                return


def _ask(request: Request, folder: Path) -> Answer:
    """A worker's answer, also where there is none."""
    from edgefer.runtime import protocol, shell
    from edgefer.runtime.c import board_libraries
    from edgefer.runtime.errors import EdgeferError
    from edgefer.runtime.protocol import Answer, Failure

    try:
        return protocol.ask(
            request, base={**shell.environment(), board_libraries.VARIABLE: str(folder / board_libraries.FOLDER)}
        )
    except EdgeferError as error:
        return Answer(None, None, {}, Failure(type(error).__name__, str(error)))


def with_warning(answer: Answer, warning: RunWarning | None) -> Answer:
    """The answer with the warning on its run, unless the run noticed by itself that the board was busy."""
    run = answer.run
    if run is None or warning is None or any(each.kind is warning.kind for each in run.warnings):
        return answer
    return replace(answer, run=replace(run, warnings=[*run.warnings, warning]))


def wait_for_low_load(limit: float, pause: Callable[[float], None] = time.sleep) -> RunWarning | None:
    """Watch others' use of the processor until it is low, for `limit` seconds at most; then a warning."""
    from edgefer.runtime import machine
    from edgefer.runtime.bench_record import RunWarning, WarningKind

    cores, used = os.cpu_count() or 1, None
    for _ in range(round(limit / WINDOW)):
        before = machine.state()
        pause(WINDOW)
        used = machine.others(before, machine.state())
        if used is None or used <= LOW_LOAD * cores:
            return None
    if used is None:
        return None
    message = "after {limit:g} s of waiting other processes still used {used:.2f} of {cores} cores"
    return RunWarning(WarningKind.BUSY, message, {"limit": limit, "used": used, "cores": cores})


def wait(folder: Path) -> None:
    """Sleep until the run is over, then report."""
    with locked(folder, shared=True):
        _report(folder, True, False, _answers(folder))


def stop(folder: Path) -> None:
    """End the run if it goes on, then report what was finished."""
    give_up = time.monotonic() + GRACE
    while True:
        with locked(folder, wait=False) as lock:
            if lock is not None:
                _report(folder, True, False, _answers(folder))
                return
        hard = time.monotonic() > give_up
        with suppress(OSError, ValueError):  # not written yet, or it has just ended
            os.killpg(int((folder / PID).read_text()), signal.SIGKILL if hard else signal.SIGTERM)
        time.sleep(0.1)


def _report(folder: Path, resumed: bool, running: bool, answers: list[object]) -> None:
    """Print a protocol.JobReport; the answers as they are, checked by the host."""
    report = {
        "begun": (folder / BEGUN).read_text() if (folder / BEGUN).is_file() else "",
        "resumed": resumed,
        "running": running,
        "answers": answers,
        "free": shutil.disk_usage(folder).free,
        "log": (folder / LOG).read_text(errors="replace")[-2000:] if (folder / LOG).is_file() else "",
    }
    print(f"{MARKER}{json.dumps(report)}", flush=True)


def _answers(folder: Path) -> list[object]:
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted((folder / ANSWERS).glob("[0-9]*.json"))]


def _finished(folder: Path) -> bool:
    """Whether there is nothing left to do: every request has its answer, or one failed."""
    answers = _answers(folder)
    failed = any(isinstance(answer, dict) and answer.get("failure") for answer in answers)
    return failed or len(answers) == len(json.loads((folder / PLAN).read_text(encoding="utf-8"))["requests"])


def _remove_abandoned(folder: Path) -> None:
    """Remove runs that ended long ago and nobody asked for since."""
    for other in folder.resolve().parent.iterdir():
        with suppress(OSError):
            if time.time() - other.stat().st_mtime > ABANDONED:
                with locked(other, wait=False) as lock:
                    if lock is not None:
                        shutil.rmtree(other, ignore_errors=True)


def main() -> None:
    """What to do is the first word."""
    {"start": start, "run": run, "wait": wait, "stop": stop}[sys.argv[1]](Path.cwd())


if __name__ == "__main__":
    main()
