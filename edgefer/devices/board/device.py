"""A board over SSH as a device: tasks are sent at once, done there out of sight, fetched when all are done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgefer.benchmark.instructions import Counted
from edgefer.benchmark.workload import Task, Workload
from edgefer.devices import config
from edgefer.devices.board import doctor, job, setup, trial
from edgefer.devices.board.job import JobClient, Patience, Payload
from edgefer.devices.board.ssh import Link
from edgefer.devices.config import RemoteBoard
from edgefer.devices.device import Finding, Say
from edgefer.devices.engine_packages import engine_set
from edgefer.runtime import protocol, shell
from edgefer.runtime.bundle import Bundle
from edgefer.runtime.errors import EdgeferError, MissingEngine, NotSetUp, OutputFailed, Unreachable, WorkerFailed
from edgefer.runtime.process import Terminated
from edgefer.runtime.protocol import Answer, JobReport

FULL = 2**20  # bytes: with less than this left a run that broke off broke off for that


class SshBoard:
    """A row of devices.toml with a set of engines; see devices.device.Device.

    left_out says, after expand, what its engines don't run. Raises UnknownName for the set.
    """

    timed = True

    def __init__(self, board: RemoteBoard, engine: str | None = None) -> None:
        self.name = board.name
        self.left_out: list[str] = []
        self._board = board
        self._engines = engine_set(engine)

    def require_ready(self) -> None:
        """Nothing: what it lacks shows when it is reached."""

    def refusal(self, format: str) -> str | None:
        """For formats that the set of engines does not run."""
        return None if self._engines.runs(format) else self._reason()

    def setup(self, offline: bool, say: Say) -> str:
        """Install the set of engines there."""
        return setup.setup(self._board, self._engines, offline, say)

    def doctor(self) -> list[Finding]:
        """Look at the board, and try the engines that it has."""
        link = Link(self._board)
        facts = doctor.ask_facts(link)
        return [*doctor.findings(self._board, facts), *trial.findings(link, facts)]

    def answers(self, tasks: Sequence[Task], say: Say) -> Iterator[Answer]:
        """All in one run on the board, which goes on there when the connection is lost.

        Ctrl-C stops it: what it had finished comes first, then KeyboardInterrupt goes on.
        """
        for task in tasks:
            self._require_engine(task.workload)
        patience = Patience.from_environment()
        payload = job.pack(self.name, tasks, self._engines, patience.load)
        remote = JobClient(Link(self._board), payload.id, self._engines, say, patience)
        try:
            report = self._complete(remote, payload, len(tasks), say)
        except (KeyboardInterrupt, Terminated) as stop:
            yield from self._stop(remote, say)
            raise stop
        for answer in report.answers:
            yield self._sound(answer)

    def _complete(self, remote: JobClient, payload: Payload, count: int, say: Say) -> JobReport:
        """The whole run; one that broke off is gone on with once (the board may have been restarted)."""
        for _ in range(2):
            begun = remote.start(payload)
            say(f"{self.name}: {'picked up the run begun at ' + begun.begun if begun.resumed else 'measuring there'}")
            report = remote.wait()
            if len(report.answers) == count or any(answer.failure for answer in report.answers):
                break
        remote.remove()
        if len(report.answers) == count or any(answer.failure for answer in report.answers):
            return report
        if report.free < FULL or "No space left" in report.log:
            raise OutputFailed(
                f"can't write the run's results on {self.name}: its disk is full; free some space there."
            )
        raise WorkerFailed(
            f"the run on {self.name} broke off ({shell.last_line(report.log)}): `edgefer device doctor {self.name}` "
            "shows its free memory and disk."
        )

    def _stop(self, remote: JobClient, say: Say) -> list[Answer]:
        """End the run on the board; what it had finished."""
        say(f"{self.name}: stopping the run")
        try:
            return [answer for answer in remote.stop().answers if answer.failure is None]
        except Unreachable:
            say(f"{self.name}: can't be reached to stop the run; the same command picks it up")
        except EdgeferError:  # there was none yet
            pass
        return []

    def _sound(self, answer: Answer) -> Answer:
        """The answer; raises its failure, saying where that was and what helps there."""
        try:
            return protocol.sound(answer)
        except MissingEngine as error:
            reason = str(error).partition(":")[0]
            raise NotSetUp(f"on {self.name} {reason}: run `{self._engines.setup_command(self.name)}`.") from error
        except EdgeferError as error:
            raise type(error)(f"on {self.name}: {error}") from error

    def count(self, workload: Workload) -> Counted:
        """None: that needs an emulator."""
        del workload
        processors = config.emulated_processors().values()
        emulated = next((each.name for each in processors if each.board == self._board.board), None)
        return Counted(None, 0, f"not counted on a board{f': `--device {emulated}` counts them' if emulated else ''}")

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
        return bundle is None or self.refusal(bundle.manifest.format) is None

    def _reason(self) -> str:
        return f"boards get {self._engines.title}, for {', '.join(self._engines.formats)}"
