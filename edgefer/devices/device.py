"""What every device can do, and this machine's processor as a device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from edgefer.benchmark import instructions, run
from edgefer.benchmark.emulator import EMULATORS
from edgefer.benchmark.instructions import Counted
from edgefer.benchmark.workload import Task, Workload, ask
from edgefer.devices.engine_packages import ENGINE_TITLES
from edgefer.runtime import machine, self_test
from edgefer.runtime.engines import ENGINES
from edgefer.runtime.errors import NotSetUp
from edgefer.runtime.protocol import Answer

Say = Callable[[str], None]


@dataclass(frozen=True)
class Finding:
    """One line of a doctor: what about, whether it is well, and what was found or is to be done.

    Where it is not well: `needed` is what nothing works without, else it is advice.
    """

    subject: str
    ok: bool
    text: str
    needed: bool = True


def not_refused(
    device: str, workloads: Sequence[Workload], refusal: Callable[[Workload], str | None]
) -> tuple[list[Workload], list[str]]:
    """The workloads for which `refusal` has no reason, and a line for each other; raises NotSetUp if all have one."""
    reasons = [refusal(workload) for workload in workloads]
    left_out = [
        reason if each.name in reason else f"{each.name}: {reason}"
        for each, reason in zip(workloads, reasons, strict=True)
        if reason
    ]
    running = [each for each, reason in zip(workloads, reasons, strict=True) if not reason]
    if workloads and not running:
        raise NotSetUp(f"nothing that was asked for runs on {device}: {'; '.join(left_out)}.")
    return running, left_out


class Device(run.Device, Protocol):
    """A device that has a name, set up or not; registry.device() returns one."""

    def require_ready(self) -> None:
        """Raise NotSetUp or NoGpu, with what helps, where it can't measure as it is.

        A board over SSH is not asked: that it lacks something shows when it is reached.
        """

    def refusal(self, format: str) -> str | None:
        """Why no bundle of a format runs there; None if one may."""

    def setup(self, offline: bool, say: Say) -> str:
        """Bring what a run needs; returns what is there now, for people. Again is quick.

        offline: the device has no internet, so all is downloaded here and sent. Raises NotSetUp and, of boards,
        Unreachable, AccessDenied and OutputFailed.
        """

    def doctor(self) -> list[Finding]:
        """What it has and lacks; raises Unreachable, AccessDenied or NotSetUp where it can't be asked."""


class ThisMachine:
    """The processor of the machine that edgefer runs on; see Device."""

    timed = True

    def __init__(self) -> None:
        self.name = machine.local_device()
        self.left_out: list[str] = []

    def answers(self, tasks: Sequence[Task], say: Say) -> Iterator[Answer]:
        """Each from a fresh process, when it is asked for."""
        del say
        return (ask(task) for task in tasks)

    def count(self, workload: Workload) -> Counted:
        """In an emulator of the same architecture."""
        return instructions.count(workload, self.name)

    def expand(self, workloads: Sequence[Workload]) -> list[Workload]:
        """All of them."""
        return list(workloads)

    def require_ready(self) -> None:
        """Nothing is missing."""

    def refusal(self, format: str) -> str | None:
        """None: whether its engine is installed shows when it is used."""
        del format
        return None

    def setup(self, offline: bool, say: Say) -> str:
        """Nothing."""
        del offline, say
        return f"{self.name} is this machine's processor: nothing to set up, its engines are installed with pip"

    def doctor(self) -> list[Finding]:
        """The processor, the engines of this Python, and whether each runs."""
        here = machine.describe()
        versions = machine.package_versions(ENGINE_TITLES)
        engines = [f"{ENGINE_TITLES[name]} {version}" for name, version in versions.items()]
        qemu = EMULATORS.get(self.name)
        lacking = instructions.lacking(qemu) if qemu else f"not counted: no emulator for {self.name} is known"
        return [
            Finding("processor", True, f"{here.cpu}, {machine.usable_cores()} cores usable"),
            Finding("engines", bool(engines), ", ".join(engines) or "none: run pip install 'edgefer[tflite]'"),
            *_inferences(versions),
            Finding("instructions", lacking is None, lacking or "can be counted", needed=False),
        ]


def _inferences(versions: Mapping[str, str]) -> Iterator[Finding]:
    """One inference with each engine of this Python, in a fresh process."""
    for engine in ENGINES.values():
        titles = [package.title for package in engine.packages if package.name in versions]
        for title in titles[:1]:
            why = self_test.failure(self_test.start(engine.name))
            yield Finding("inference", why is None, f"{title} runs a network" if why is None else f"{title}: {why}")
