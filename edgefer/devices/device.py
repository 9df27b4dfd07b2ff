"""The one thing that every device can do: answer requests. `find` is the way from a name to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from edgefer.benchmark import instructions
from edgefer.benchmark.instructions import Counted
from edgefer.benchmark.selection import Subject
from edgefer.runtime import client, machine
from edgefer.runtime.protocol import Answer, Request

Say = Callable[[str], None]


class Place(Protocol):
    """A device, ready to work.

    name      stands before a bundle's: rpi4/ean.tflite-int8
    timed     whether its times mean anything; those of an emulator don't, and its answers hold none
    left_out  after `expand`: what it can't measure of what was asked for, and why
    """

    name: str
    timed: bool
    left_out: list[str]

    def answers(self, requests: Sequence[Request], say: Say) -> Iterator[Answer]:
        """One for each request, in order, as they come; raises the failure that an answer tells of.

        `say` hears what is going on besides: waiting for an idle board, a lost connection.
        """

    def count(self, subject: Subject) -> Counted:
        """Instructions per frame, or why there are none."""

    def expand(self, subjects: Sequence[Subject]) -> list[Subject]:
        """What is measured there of these: on a GPU a subject for each way to it.

        Raises NoGpu where there is none, NotSetUp if nothing is left.
        """


class ThisMachine:
    """The processor of the machine that edgefer runs on."""

    timed = True

    def __init__(self, name: str) -> None:
        self.name = name
        self.left_out: list[str] = []

    def answers(self, requests: Sequence[Request], say: Say) -> Iterator[Answer]:
        """Each from a fresh process, when it is asked for."""
        del say
        return (client.ask(request) for request in requests)

    def count(self, subject: Subject) -> Counted:
        """In an emulator of the same architecture."""
        return instructions.count(subject, self.name)

    def expand(self, subjects: Sequence[Subject]) -> list[Subject]:
        """As they are."""
        return list(subjects)


def here() -> Place:
    """This machine's processor."""
    return ThisMachine(machine.local_device())
