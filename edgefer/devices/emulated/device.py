"""Boards that are not there: a real arm64 userland and real aarch64 wheels under qemu-user, on this machine.

They tell whether a bundle gives the golden output, what memory it takes, and how many instructions a frame costs: to
the instruction, every time. They never tell a latency.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from edgefer.benchmark import emulator, instructions
from edgefer.benchmark.instructions import Counted
from edgefer.benchmark.selection import Subject
from edgefer.devices import registry
from edgefer.devices.board.doctor import Finding
from edgefer.devices.device import Say
from edgefer.devices.emulated import image_build
from edgefer.devices.registry import Emulated
from edgefer.runtime.bench_record import Memory, Run, Settings
from edgefer.runtime.bundle import read_bundle
from edgefer.runtime.errors import NotSetUp
from edgefer.runtime.protocol import Answer, Request

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
    """See place.Place. `left_out` has a line for bundles of formats that the set of engines does not run.

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

    def answers(self, requests: Sequence[Request], say: Say) -> Iterator[Answer]:
        """Each from a fresh process, when it is asked for; raises what client.ask raises, and NotSetUp."""
        del say
        for request in requests:
            self._require_engine(request)
            wanted = replace(request, settings=_few(request.settings))
            answer = emulator.ask(wanted, self._emulator)
            run = None if answer.run is None else _untimed(answer.run)
            yield replace(answer, run=run, versions=answer.versions | self._versions)

    def count(self, subject: Subject) -> Counted:
        """To the instruction, in two processes."""
        reason = self._refusal(subject)
        if reason is not None:
            return Counted(None, 0, f"not counted: {reason}")
        lacking = instructions.lacking(self._emulator)
        if lacking is not None:
            return Counted(None, 0, lacking)
        counted = instructions.count_in(self._emulator, subject)
        return replace(counted, versions={**counted.versions, **self._versions})

    def expand(self, subjects: Sequence[Subject]) -> list[Subject]:
        """Those whose engine is there; raises NotSetUp if that is none."""
        reasons = {subject: self._refusal(subject) for subject in subjects}
        self.left_out = [f"{subject.name}: {reason}" for subject, reason in reasons.items() if reason]
        found = [subject for subject, reason in reasons.items() if not reason]
        if subjects and not found:
            raise NotSetUp(f"nothing that was asked for runs on {self.name}: {'; '.join(self.left_out)}.")
        return found

    def _refusal(self, subject: Subject) -> str | None:
        """Why it does not run here; raises what read_bundle raises."""
        engines = self._made.engines
        if subject.folder is None:
            return "torch is not on an emulated board"
        if subject.provider is not None:
            return "an emulated board has no GPU"
        needed = read_bundle(subject.folder).manifest.format
        if needed in engines.formats:
            return None
        return f"an emulated board has no engine for {needed}, it has {engines.title}"

    def _require_engine(self, request: Request) -> None:
        subject = Subject(request.folder or request.eager or "", None, request.eager, request.provider)
        if request.folder is not None:
            bundle = read_bundle(Path(request.folder))
            subject = Subject(bundle.manifest.name, bundle.folder, None, request.provider)
        reason = self._refusal(subject)
        if reason is not None:
            raise NotSetUp(f"{subject.name} does not run on {self.name}: {reason}; leave it out.")


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
