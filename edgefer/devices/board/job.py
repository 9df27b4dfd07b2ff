"""A run on a board: sent, begun, waited for, stopped, cleaned; each is one connection."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO

from edgefer.devices.board.payload import Payload
from edgefer.devices.board.ssh import CONNECT, Link, refused, was_lost
from edgefer.devices.device import Say
from edgefer.devices.engine_packages import DEFAULT
from edgefer.runtime.errors import EdgeferError, NotSetUp, Unreachable, WorkerFailed
from edgefer.runtime.interrupts import held
from edgefer.runtime.protocol import parse
from edgefer.runtime.remote_job import Report
from edgefer.runtime.runner import MARKER

NO_VENV, GONE = 90, 91  # exit codes of the scripts below
LONGEST = 30.0  # seconds between two attempts to connect
STOP = 60.0  # seconds that ending a run may take
# The mark is there until the run has been started, so that an interrupt can wait for that.
START = """cd "$1" || exit 90
[ -x "$3/bin/python" ] || exit 90
trap 'rm -rf "$PWD/runs/.$2.$$"; rmdir "$PWD/runs" 2>/dev/null' EXIT
trap 'exit 1' HUP INT TERM PIPE
mkdir -p "runs/.$2.$$" || exit 1
if [ ! -d "runs/$2" ]; then
    tar -xzf - -C "runs/.$2.$$" && [ -f "runs/.$2.$$/run/plan.json" ] && mv "runs/.$2.$$/run" "runs/$2" || exit 1
fi
(cd "runs/$2" && "../../$3/bin/python" -m edgefer.runtime.runner start)"""
WAIT = """cd "$1/runs/$2" 2>/dev/null || exit 91
exec "../../$3/bin/python" -m edgefer.runtime.runner wait"""
CLEAN = """cd "$1/runs" 2>/dev/null && rm -rf "$2" && cd .. && rmdir runs 2>/dev/null
exit 0"""
STOP_SCRIPT = """cd "$1/runs" 2>/dev/null || exit 91
n=0
while ls -d ".$2".* >/dev/null 2>&1 && [ $n -lt 10 ]; do sleep 1; n=$((n + 1)); done
rm -rf ".$2".*
[ -d "$2" ] && (cd "$2" && "../../$3/bin/python" -m edgefer.runtime.runner stop)
rm -rf "$2"; cd .. && rmdir runs 2>/dev/null
exit 0"""


@dataclass(frozen=True)
class Patience:
    """Seconds: for an idle board before a run begins, and for a lost connection to come back."""

    idle: float = 60.0
    lost: float = 600.0

    @classmethod
    def given(cls) -> Patience:
        """As EDGEFER_IDLE_SECONDS and EDGEFER_LOST_SECONDS say; raises NotSetUp where that is no number."""
        return cls(_seconds("EDGEFER_IDLE_SECONDS", cls.idle), _seconds("EDGEFER_LOST_SECONDS", cls.lost))


def _seconds(name: str, default: float) -> float:
    word = os.environ.get(name)
    try:
        return default if word is None else max(0.0, float(word))
    except ValueError as error:
        raise NotSetUp(f"the environment variable {name} is {word!r}: give a number of seconds.") from error


def venv(engine: str) -> str:
    """The folder of a set of engines, within edgefer's on the board."""
    return "venv" if engine == DEFAULT else f"venv-{engine}"


@dataclass
class Errand:
    """One run on the board, by its name there."""

    link: Link
    id: str
    engine: str
    say: Say
    patience: Patience = field(default_factory=Patience.given)

    def start(self, load: Payload) -> Report:
        """Send it, unless it is there, and begin it, unless it has begun."""
        with tempfile.TemporaryFile() as file:
            file.write(load.content)

            def send() -> Report:
                file.seek(0)
                return self._trip("send a run", START, given=file)

            try:
                return send()
            except Unreachable as error:
                if not was_lost(error):
                    raise
                self._pause(1.0)
                return self._patiently(send)

    def wait(self) -> Report:
        """Until it is over. Raises Unreachable."""
        return self._patiently(lambda: self._trip("wait for the run", WAIT))

    def _patiently(self, trip: Callable[[], Report]) -> Report:
        """The trip's report; a connection that is lost meanwhile is made anew. Raises Unreachable."""
        limit, pause = time.monotonic() + self.patience.lost, 1.0
        while True:
            began = time.monotonic()
            try:
                return trip()
            except Unreachable as error:
                if time.monotonic() - began > 2 * CONNECT:  # it was connected
                    limit, pause = time.monotonic() + self.patience.lost, 1.0
                if time.monotonic() + pause > limit:
                    raise Unreachable(
                        f"{error} The run goes on there, if the board does: the same command picks it up."
                    ) from error
                self._pause(pause)
                pause = min(2 * pause, LONGEST)

    def _pause(self, pause: float) -> None:
        self.say(f"{self.link.name}: the connection is lost, trying again in {pause:.0f} s")
        time.sleep(pause)

    def stop(self) -> Report:
        """End it and clean up."""
        return self._trip("stop the run", STOP_SCRIPT, timeout=STOP)

    def clean(self) -> None:
        """Remove it from the board. What was fetched is worth more than a clean board: a failure is only told."""
        try:
            with held():
                self.link.run(CLEAN, self.link.device.folder, self.id, timeout=STOP)
        except EdgeferError as error:
            self.say(f"{self.link.name}: the run's folder, runs/{self.id}, stays there ({error})")

    def _trip(self, what: str, script: str, given: str | IO[bytes] = "", timeout: float | None = None) -> Report:
        folder, name = self.link.device.folder, self.link.name
        done = self.link.run(script, folder, self.id, venv(self.engine), given=given, timeout=timeout)
        _, marker, report = done.out.rpartition(MARKER)
        if marker:
            return parse(Report, report, f"the report of {name}")
        if done.code == NO_VENV:
            raise NotSetUp(f"{name} has no engines yet: run `{setup_command(name, self.engine)}`.")
        if done.code == GONE:
            raise WorkerFailed(
                f"the run on {name} is gone: another edgefer has fetched it, or it was removed; try again."
            )
        raise refused(name, what, done)


def setup_command(name: str, engine: str) -> str:
    """What brings a set of engines to a board."""
    return f"edgefer device setup {name}{'' if engine == DEFAULT else f' --engine {engine}'}"
