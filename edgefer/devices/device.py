"""This machine's processor as a device; benchmark.run.Device says what every device can do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from edgefer.benchmark import instructions
from edgefer.benchmark.instructions import Counted
from edgefer.benchmark.run import Device
from edgefer.benchmark.workload import Task, Workload, ask
from edgefer.runtime import machine
from edgefer.runtime.protocol import Answer

Say = Callable[[str], None]


class ThisMachine:
    """The processor of the machine that edgefer runs on."""

    timed = True

    def __init__(self, name: str) -> None:
        self.name = name
        self.left_out: list[str] = []

    def answers(self, tasks: Sequence[Task], say: Say) -> Iterator[Answer]:
        """Each from a fresh process, when it is asked for."""
        del say
        return (ask(task) for task in tasks)

    def count(self, workload: Workload) -> Counted:
        """In an emulator of the same architecture."""
        return instructions.count(workload, self.name)

    def expand(self, workloads: Sequence[Workload]) -> list[Workload]:
        """As they are."""
        return list(workloads)


def here() -> Device:
    """This machine's processor."""
    return ThisMachine(machine.local_device())
