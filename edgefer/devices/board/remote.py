"""A board over SSH answers requests: sent at once, run there out of sight, fetched when all are done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgefer.benchmark.instructions import Counted
from edgefer.benchmark.workload import Task, Workload
from edgefer.devices import registry
from edgefer.devices.board import payload
from edgefer.devices.board.job import Errand, Patience, setup_command
from edgefer.devices.board.payload import Payload
from edgefer.devices.board.ssh import Link, last
from edgefer.devices.device import Say
from edgefer.devices.engine_packages import find
from edgefer.devices.registry import Remote
from edgefer.runtime import client
from edgefer.runtime.bundle import Bundle
from edgefer.runtime.errors import EdgeferError, MissingEngine, NotSetUp, OutputFailed, Unreachable, WorkerFailed
from edgefer.runtime.interrupts import Terminated
from edgefer.runtime.protocol import Answer
from edgefer.runtime.remote_job import Report

FULL = 2**20  # bytes: with less than this left a run that broke off broke off for that


class RemotePlace:
    """The user's board `name`; see benchmark.run.Device. `engine` is the set of engines, None is the default one.

    left_out says, after expand, what its engines don't run.
    """

    timed = True

    def __init__(self, name: str, device: Remote, engine: str | None) -> None:
        self.name = name
        self._device = device
        self._engine, self._engines = find(engine)
        self.left_out: list[str] = []

    def answers(self, tasks: Sequence[Task], say: Say) -> Iterator[Answer]:
        """All in one run on the board, which goes on there when the connection is lost.

        Ctrl-C stops it: what it had finished comes first, then KeyboardInterrupt goes on.
        """
        for task in tasks:
            self._require_engine(task.workload)
        patience = Patience.given()
        load = payload.pack(self.name, tasks, self._engine, patience.idle)
        errand = Errand(Link(self.name, self._device), load.id, self._engine, say, patience)
        try:
            report = self._complete(errand, load, len(tasks), say)
        except (KeyboardInterrupt, Terminated) as stop:
            yield from self._stopped(errand, say)
            raise stop
        for answer in report.answers:
            yield self._sound(answer)

    def _complete(self, errand: Errand, load: Payload, wanted: int, say: Say) -> Report:
        """The whole run; one that broke off is gone on with once (the board may have been restarted)."""
        for _ in range(2):
            begun = errand.start(load)
            say(f"{self.name}: {'picked up the run begun at ' + begun.begun if begun.found else 'measuring there'}")
            report = errand.wait()
            if len(report.answers) == wanted or any(answer.failure for answer in report.answers):
                break
        errand.clean()
        if len(report.answers) == wanted or any(answer.failure for answer in report.answers):
            return report
        if report.free < FULL or "No space left" in report.log:
            raise OutputFailed(
                f"can't write the run's results on {self.name}: its disk is full; free some space there."
            )
        raise WorkerFailed(f"the run on {self.name} broke off ({last(report.log)}): is there enough memory?")

    def _stopped(self, errand: Errand, say: Say) -> list[Answer]:
        """End the run on the board; what it had finished."""
        say(f"{self.name}: stopping the run")
        try:
            return [answer for answer in errand.stop().answers if answer.failure is None]
        except Unreachable:
            say(f"{self.name}: can't be reached to stop the run; the same command picks it up")
        except EdgeferError:  # there was none yet
            pass
        return []

    def _sound(self, answer: Answer) -> Answer:
        """The answer; raises its failure, saying where that was and what helps there."""
        try:
            return client.sound(answer)
        except MissingEngine as error:
            what = str(error).partition(":")[0]
            raise NotSetUp(f"on {self.name} {what}: run `{setup_command(self.name, self._engine)}`.") from error
        except EdgeferError as error:
            kind = type(error)
            there = kind.__new__(kind)  # not every class takes a message to begin with
            EdgeferError.__init__(there, f"on {self.name}: {error}")
            raise there from error

    def count(self, workload: Workload) -> Counted:
        """None: that needs an emulator."""
        del workload
        emulator = next((n for n, row in registry.emulated().items() if row.board == self._device.board), None)
        return Counted(None, 0, f"not counted on a board{f': `--device {emulator}` counts them' if emulator else ''}")

    def expand(self, workloads: Sequence[Workload]) -> list[Workload]:
        """Those that its engines run; raises NotSetUp if there is none."""
        running = [workload for workload in workloads if self._has_engine(workload.bundle)]
        foreign = [workload.name for workload in workloads if not self._has_engine(workload.bundle)]
        if foreign:
            self.left_out = [f"{', '.join(foreign)}: {self._reason()}"]
        if not running:
            raise NotSetUp(f"nothing that was asked for runs on {self.name}: {self._reason()}.")
        return running

    def _require_engine(self, workload: Workload) -> None:
        if not self._has_engine(workload.bundle):
            raise NotSetUp(f"{workload.name} does not run on {self.name}: {self._reason()}.")

    def _has_engine(self, bundle: Bundle | None) -> bool:
        """Whether a bundle runs there; that no network in torch does is told where a run is packed."""
        return bundle is None or bundle.manifest.format in self._engines.formats

    def _reason(self) -> str:
        return f"boards get {self._engines.title}, for {', '.join(self._engines.formats)}"
