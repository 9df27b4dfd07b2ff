"""Boards that are not there: a real arm64 system and real aarch64 wheels under qemu-user, on this machine.

They show whether a bundle gives the golden output, what memory it takes, and how many instructions a frame costs: to
the instruction, every time. They never show a latency.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property

from edgefer.benchmark import emulator, instructions
from edgefer.benchmark.emulator import Emulator
from edgefer.benchmark.instructions import Counted
from edgefer.benchmark.workload import Task, Workload
from edgefer.devices.config import EmulatedProcessor
from edgefer.devices.device import Finding, Say, not_refused
from edgefer.devices.emulated import image_build, rootfs
from edgefer.devices.emulated.image_build import INSTALL, QEMU, Image
from edgefer.devices.engine_packages import engine_set, engine_sets
from edgefer.runtime import self_test, shell
from edgefer.runtime.bench_record import Memory, Run, RunWarning, Settings, WarningKind
from edgefer.runtime.errors import NotSetUp
from edgefer.runtime.protocol import Answer

WARNING = RunWarning(
    WarningKind.EMULATED,
    "no times, for an emulator's say nothing of the board's; memory is the guest's alone, its peak the "
    "largest of three looks",
)


class EmulatedBoard:
    """A row of emulated.toml with a set of engines; see devices.device.Device.

    `left_out` has a line for bundles of formats that the set does not run. Raises UnknownName for the set.
    """

    timed = False

    def __init__(self, processor: EmulatedProcessor, engine: str | None = None) -> None:
        self.name = processor.name
        self.left_out: list[str] = []
        self._image = Image(processor, engine_set(engine))

    @property
    def is_set_up(self) -> bool:
        """Whether all its parts are there."""
        return not self._image.missing_parts()

    def require_ready(self) -> None:
        """Raise NotSetUp where QEMU or a part of the image is missing."""
        self._image.require()

    def refusal(self, format: str) -> str | None:
        """For formats that the set of engines does not run."""
        engines = self._image.engines
        if engines.runs(format):
            return None
        return f"an emulated board has no engine for {format}, it has {engines.title}"

    def setup(self, offline: bool, say: Say) -> str:
        """Build the image; `offline` changes nothing, all is downloaded to this machine."""
        del offline
        image_build.build(self._image, say)
        return f"{self.name} is set up"

    def doctor(self) -> list[Finding]:
        """The emulator, the parts of the image, the sets of engines that are there."""
        return list(self._findings())

    def _findings(self) -> Iterator[Finding]:
        image = self._image
        qemu_here = shutil.which(QEMU) is not None
        text = f"{QEMU} {image.bare_emulator.version or ''}".strip() if qemu_here else INSTALL
        yield Finding("emulator", qemu_here, text)
        uncounted = instructions.lacking(image.bare_emulator)
        yield Finding("instructions", uncounted is None, uncounted or "can be counted", needed=False)
        try:
            rootfs.require_host()
        except NotSetUp as error:
            yield Finding("this host", image.root.is_dir(), str(error))
        missing = image.missing_parts()
        text = f"{', '.join(missing)} missing: run {image.setup_command}" if missing else _size()
        yield Finding("parts", not missing, text)
        for engines in engine_sets().values():
            if replace(image, engines=engines).packages.is_dir():
                yield Finding("engines", True, f"{engines.name}: {', '.join(engines.engines)}")
        if qemu_here and not missing:
            error_text = image.import_error()
            python = rootfs.python_version(image.root)
            for name in image.engines.formats:
                done = emulator.run_python(self._emulator, "-m", self_test.MODULE, name)
                why = self_test.failure(done)
                yield Finding("inference", why is None, f"{name} runs a network" if why is None else f"{name}: {why}")
            yield Finding("runs", error_text is None, error_text or f"Python {python} and the engines start")

    @cached_property
    def _emulator(self) -> Emulator:
        return self._image.emulator()

    @cached_property
    def _versions(self) -> dict[str, str]:
        return self._image.versions()

    def answers(self, tasks: Sequence[Task], say: Say) -> Iterator[Answer]:
        """Each from a fresh process, when it is asked for; raises what protocol.ask raises, and NotSetUp."""
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
        running, self.left_out = not_refused(self.name, workloads, self._refusal)
        return running

    def _refusal(self, workload: Workload) -> str | None:
        """Why it does not run here."""
        if workload.bundle is None:
            return "torch is not on an emulated board"
        if workload.provider is not None:
            return "an emulated board has no GPU"
        return self.refusal(workload.bundle.manifest.format)

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
    resident = [look for look in looks if look is not None]
    memory: Memory = replace(run.memory, peak=max(resident, default=None))
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


def _size() -> str:
    used = shell.run_or_none(["du", "-sh", str(image_build.folder())], timeout=60)
    return f"in {image_build.folder()}{f', {used.split()[0]} with all boards' if used else ''}"
