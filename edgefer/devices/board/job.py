"""A job on a board: packed, sent, begun, waited for, stopped, removed; each but the first is one connection."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from edgefer.benchmark.workload import Task
from edgefer.devices.board.ssh import CONNECT, Link, refused, was_lost
from edgefer.devices.device import Say
from edgefer.devices.engine_packages import DEFAULT, EngineSet
from edgefer.runtime import engines, files, records
from edgefer.runtime.bundle import MANIFEST, Bundle
from edgefer.runtime.c import board_libraries
from edgefer.runtime.errors import BadData, EdgeferError, NotSetUp, Unreachable, WorkerFailed
from edgefer.runtime.process import defer_signals
from edgefer.runtime.protocol import Check, JobReport, RemoteJob
from edgefer.runtime.records import parse
from edgefer.runtime.runner import MARKER, PLAN

TOP = "run"  # the folder within the archive
DIGITS = 16  # of the checksums that runs, bundles and faces are called by
NO_VENV, GONE = 90, 91  # exit codes of the scripts below
LONGEST_PAUSE = 30.0  # seconds between two attempts to connect
STOP_TIMEOUT = 60.0  # seconds that ending a run may take
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
REMOVE = """cd "$1/runs" 2>/dev/null && rm -rf "$2" && cd .. && rmdir runs 2>/dev/null
exit 0"""
STOP = """cd "$1/runs" 2>/dev/null || exit 91
n=0
while ls -d ".$2".* >/dev/null 2>&1 && [ $n -lt 10 ]; do sleep 1; n=$((n + 1)); done
rm -rf ".$2".*
[ -d "$2" ] && (cd "$2" && "../../$3/bin/python" -m edgefer.runtime.runner stop)
rm -rf "$2"; cd .. && rmdir runs 2>/dev/null
exit 0"""


@dataclass(frozen=True)
class Patience:
    """Seconds: for low load on the board before a run begins, and for a lost connection to come back."""

    load: float = 60.0
    lost: float = 600.0

    @classmethod
    def from_environment(cls) -> Patience:
        """As EDGEFER_IDLE_SECONDS and EDGEFER_LOST_SECONDS say; raises NotSetUp where that is no number."""
        return cls(_seconds("EDGEFER_IDLE_SECONDS", cls.load), _seconds("EDGEFER_LOST_SECONDS", cls.lost))


def _seconds(name: str, default: float) -> float:
    word = os.environ.get(name)
    try:
        return default if word is None else max(0.0, float(word))
    except ValueError as error:
        raise NotSetUp(f"the environment variable {name} is {word!r}: give a number of seconds.") from error


def venv(engines: EngineSet) -> str:
    """The folder of a set of engines, within edgefer's on the board."""
    return "venv" if engines.name == DEFAULT else f"venv-{engines.name}"


@dataclass(frozen=True)
class Payload:
    """A compressed tar, and what the run is called: equal for equal tasks, bundles and runtimes."""

    id: str
    content: bytes


def pack(device: str, tasks: Sequence[Task], engines: EngineSet, load_wait: float) -> Payload:
    """edgefer's runtime, the tasks' bundles and faces, and the job; `device` is the board's name, for messages.

    Raises BadData for what a board can't run, and what compiling for it raises.
    """
    packed = _runtime()
    requests = []
    for task in tasks:
        if task.workload.bundle is None:
            raise BadData(f"{task.workload.name} needs torch, which is not brought to {device}: leave it out there.")
        folder = _add_bundle(task.workload.bundle, packed)
        _add_compiled(task.workload.bundle, packed)
        check = None if task.check is None else replace(task.check, faces=_add_faces(task.check, packed))
        requests.append(replace(task.request, folder=folder, check=check))
    job = RemoteJob(requests, engines.name, load_wait)
    packed[PLAN] = records.dumps(job).encode()  # the last one: where it is, all is
    content = _tar(packed.items())
    return Payload(files.digest(content)[:DIGITS], gzip.compress(content, 6, mtime=0))


def pack_runtime() -> bytes:
    """A tar of edgefer's runtime alone."""
    return _tar(_runtime().items())


def _runtime() -> dict[str, bytes]:
    # Without the first file Python would prefer an edgefer that is installed on the board.
    shipped = {f"edgefer/{name}": content for name, content in files.runtime_files().items()}
    return {"edgefer/__init__.py": b"", **shipped}


def _add_bundle(bundle: Bundle, packed: dict[str, bytes]) -> str:
    """Add the bundle unless it is there; returns its folder on the board."""
    # The manifest has the checksums of the rest; two bundles may have the same name.
    folder = f"bundles/{bundle.sha256[:DIGITS]}/{bundle.manifest.name}"
    for name in (MANIFEST, *sorted(bundle.manifest.files)):
        packed[f"{folder}/{name}"] = bundle.path(name).read_bytes()
    return folder


def _add_compiled(bundle: Bundle, packed: dict[str, bytes]) -> None:
    """Add what this host compiles of the bundle, for each kind of machine that a board may be."""
    model = bundle.path(bundle.manifest.model)
    for name, content in engines.for_boards(model, bundle.manifest.format, tuple(board_libraries.BOARDS)).items():
        packed[f"{board_libraries.FOLDER}/{name}"] = content


def _add_faces(check: Check, packed: dict[str, bytes]) -> str | None:
    """Add the check's faces if it has some; returns their path on the board."""
    if check.faces is None:
        return None
    content = Path(check.faces).read_bytes()
    path = f"faces/{files.digest(content)[:DIGITS]}.npy"
    packed[path] = content
    return path


def _tar(files: Iterable[tuple[str, bytes]]) -> bytes:
    """An archive whose bytes depend on names and contents alone."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files:
            entry = tarfile.TarInfo(f"{TOP}/{name}")
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


@dataclass
class JobClient:
    """The host's side of one job: `id` is the run's name on the board."""

    link: Link
    id: str
    engines: EngineSet
    say: Say
    patience: Patience = field(default_factory=Patience.from_environment)

    def start(self, payload: Payload) -> JobReport:
        """Send it, unless it is there, and begin it, unless it has begun."""
        with tempfile.TemporaryFile() as file:
            file.write(payload.content)

            def send() -> JobReport:
                file.seek(0)
                return self._connect("send a run", START, stdin=file)

            try:
                return send()
            except Unreachable as error:
                if not was_lost(error):
                    raise
                self._pause(1.0)
                return self._retry(send)

    def wait(self) -> JobReport:
        """Until it is over. Raises Unreachable."""
        return self._retry(lambda: self._connect("wait for the run", WAIT))

    def _retry(self, connect: Callable[[], JobReport]) -> JobReport:
        """The report of a connection; one that is lost meanwhile is made anew. Raises Unreachable."""
        limit, pause = time.monotonic() + self.patience.lost, 1.0
        while True:
            began = time.monotonic()
            try:
                return connect()
            except Unreachable as error:
                if time.monotonic() - began > 2 * CONNECT:  # it was connected
                    limit, pause = time.monotonic() + self.patience.lost, 1.0
                if time.monotonic() + pause > limit:
                    raise Unreachable(
                        f"{error} The run goes on there, if the board does: the same command picks it up."
                    ) from error
                self._pause(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    def _pause(self, pause: float) -> None:
        self.say(f"{self.link.board.name}: the connection is lost, trying again in {pause:.0f} s")
        time.sleep(pause)

    def stop(self) -> JobReport:
        """End it and remove it."""
        return self._connect("stop the run", STOP, timeout=STOP_TIMEOUT)

    def remove(self) -> None:
        """Remove it from the board. What was fetched is worth more than a clean board: a failure is only said."""
        try:
            with defer_signals():
                self.link.run(REMOVE, self.link.board.folder, self.id, timeout=STOP_TIMEOUT)
        except EdgeferError as error:
            self.say(f"{self.link.board.name}: the run's folder, runs/{self.id}, stays there ({error})")

    def _connect(
        self, action: str, script: str, stdin: str | IO[bytes] = "", timeout: float | None = None
    ) -> JobReport:
        board = self.link.board
        done = self.link.run(script, board.folder, self.id, venv(self.engines), stdin=stdin, timeout=timeout)
        _, marker, report = done.out.rpartition(MARKER)
        if marker:
            return parse(JobReport, report, f"the report of {board.name}")
        if done.code == NO_VENV:
            raise NotSetUp(f"{board.name} has no engines yet: run `{self.engines.setup_command(board.name)}`.")
        if done.code == GONE:
            raise WorkerFailed(
                f"the run on {board.name} is gone: another edgefer has fetched it, or it was removed; try again."
            )
        raise refused(self.link, action, done)
