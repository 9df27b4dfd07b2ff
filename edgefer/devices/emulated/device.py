"""Boards that are not there: a real arm64 userland and real aarch64 wheels under qemu-user, on this machine.

They tell whether a bundle gives the golden output, what memory it takes, and how many instructions a frame costs: to
the instruction, every time. They never tell a latency.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from edgefer.benchmark import emulator, instructions
from edgefer.benchmark.instructions import Counted
from edgefer.benchmark.workload import Task, Workload
from edgefer.devices import registry
from edgefer.devices.board.doctor import Finding
from edgefer.devices.device import Say
from edgefer.devices.emulated import image_build
from edgefer.devices.registry import Emulated
from edgefer.runtime.bench_record import Memory, Run, Settings
from edgefer.runtime.errors import NotSetUp
from edgefer.runtime.protocol import Answer

WARNING = (
    "emulated: no times, for an emulator's say nothing of the board's; memory is the guest's alone, its peak the "
    "largest of three looks"
)


def setup(name: str, device: Emulated, engine: str | None, say: Say) -> None:
    """See making.setup."""
    image_build.setup(name, device, engine, say)


def doctor(name: str, device: Emulated) -> list[Finding]:
    """See making.doctor."""
    return image_build.doctor(name, device)


def is_set_up(name: str) -> bool:
    """Whether the emulated board of that name is made, with the default engines."""
    return not image_build.find(name, registry.emulated()[name], None).lacks()


class EmulatedPlace:
    """See benchmark.run.Device. `left_out` has a line for bundles of formats that the set of engines does not run.

    Raises UnknownName for the set, NotSetUp if the board is not made yet.
    """

    timed = False

    def __init__(self, name: str, device: Emulated, engine: str | None = None) -> None:
        made = image_build.find(name, device, engine)
        made.require()
        self.name = name
        self.left_out: list[str] = []
        self._made = made
        self._emulator = made.emulator()
        self._versions = made.versions()

    def answers(self, tasks: Sequence[Task], say: Say) -> Iterator[Answer]:
        """Each from a fresh process, when it is asked for; raises what client.ask raises, and NotSetUp."""
        del say
        for task in tasks:
            self._require_engine(task.workload)
            answer = emulator.ask(replace(task, settings=_few(task.settings)), self._emulator)
            run = None if answer.run is None else _untimed(answer.run)
            yield replace(answer, run=run, versions=answer.versions | self._versions)

    def count(self, workload: Workload) -> Counted:
        """To the instruction, in two processes."""
        reason = self._refusal(workload)
        if reason is not None:
            return Counted(None, 0, f"not counted: {reason}")
        lacking = instructions.lacking(self._emulator)
        if lacking is not None:
            return Counted(None, 0, lacking)
        counted = instructions.count_in(self._emulator, workload)
        return replace(counted, versions={**counted.versions, **self._versions})

    def expand(self, workloads: Sequence[Workload]) -> list[Workload]:
        """Those whose engine is there; raises NotSetUp if that is none."""
        reasons = [self._refusal(workload) for workload in workloads]
        self.left_out = [f"{each.name}: {reason}" for each, reason in zip(workloads, reasons, strict=True) if reason]
        running = [each for each, reason in zip(workloads, reasons, strict=True) if not reason]
        if workloads and not running:
            raise NotSetUp(f"nothing that was asked for runs on {self.name}: {'; '.join(self.left_out)}.")
        return running

    def _refusal(self, workload: Workload) -> str | None:
        """Why it does not run here."""
        engines = self._made.engines
        if workload.bundle is None:
            return "torch is not on an emulated board"
        if workload.provider is not None:
            return "an emulated board has no GPU"
        needed = workload.bundle.manifest.format
        if needed in engines.formats:
            return None
        return f"an emulated board has no engine for {needed}, it has {engines.title}"

    def _require_engine(self, workload: Workload) -> None:
        reason = self._refusal(workload)
        if reason is not None:
            raise NotSetUp(f"{workload.name} does not run on {self.name}: {reason}; leave it out.")


def _few(settings: Settings) -> Settings:
    """As many inferences as memory needs to settle: their times are thrown away."""
    return replace(settings, mode="batch" if settings.mode == "batch" else "back-to-back", warmup=2, samples=3)


def _untimed(run: Run) -> Run:
    """The run without what is a time or a clock of this machine's."""
    looks = [run.memory.before_load, run.memory.after_load, run.memory.after_run]
    known = [look for look in looks if look is not None]
    memory: Memory = replace(run.memory, peak=max(known) if known else None)
    return replace(
        run,
        load_seconds=None,
        first_seconds=None,
        samples=[],
        memory=memory,
        memory_percent=None,
        cpu_user_percent=None,
        cpu_system_percent=None,
        affinity=None,
        warnings=[*run.warnings, WARNING],
    )
