"""A process that answers messages, until it ends or takes too long: what a file does to an engine, it does to that one.

Each message is a kind (one byte), the number of bytes and the bytes.
"""

from __future__ import annotations

import contextlib
import os
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from selectors import EVENT_READ, BaseSelector, DefaultSelector
from typing import IO

from edgefer.runtime import ending, records, shell
from edgefer.runtime.errors import EdgeferError, WorkerFailed
from edgefer.runtime.process import die_with_parent

MESSAGE_LIMIT = 2**20  # bytes of a message whose size nothing else says
DONE = b"="
_FAILED = b"!"
_PART = 1.0  # seconds
_HEADER = struct.Struct("<cQ")


@dataclass(frozen=True)
class Failure:
    """The class of an error, and its message."""

    kind: str
    message: str


class ChildProcess:
    """The other end; it ends with the block of `start`. What fails is said of `whose`, with `advice`."""

    def __init__(
        self, process: subprocess.Popen[bytes], answers: BaseSelector, errors: IO[bytes], whose: str, advice: str
    ) -> None:
        self._process, self._answers, self._errors, self._whose, self._advice = process, answers, errors, whose, advice

    def ask(self, content: bytes, limit: int, seconds: float) -> bytes | Failure:
        """The answer to a message, of at most `limit` bytes.

        Raises WorkerFailed if the process ends, or does not answer within `seconds`, and is ended then.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            send(self._process.stdin, DONE, content)
            if not self._answers_within(seconds):
                self._process.kill()
                raise WorkerFailed(f"{self._whose} gave no answer within {seconds:g} s and was ended: {self._advice}.")
            kind, answer = receive(self._process.stdout, limit)
        except (BrokenPipeError, EOFError) as error:
            raise WorkerFailed(self._ended()) from error
        except BaseException:  # an interrupt: what comes now would be taken for the next answer
            self._process.kill()
            raise
        return answer if kind == DONE else records.parse(Failure, answer.decode(), "the answer of the process")

    def _answers_within(self, seconds: float) -> bool:
        """Whether there is an answer in that time; it is waited for in parts, so that one spent stopped is but one."""
        parts, rest = divmod(seconds, _PART)
        return any(self._answers.select(part) for part in (*[_PART] * int(parts), rest))

    def _ended(self) -> str:
        code = self._process.wait()
        self._errors.seek(0, os.SEEK_SET)
        said = shell.last_line(self._errors.read().decode(errors="replace"), "it wrote nothing")
        return f"{self._whose} {ending.words_here(code)} and no answer ({said:.300}): {self._advice}."


@contextlib.contextmanager
def start(module: str, whose: str, advice: str) -> Iterator[ChildProcess]:
    """Run a module of edgefer's that calls `serve`, for the block."""
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            shell.module_command(module),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=shell.environment(),
        ) as process,
        DefaultSelector() as answers,
    ):
        assert process.stdout is not None
        answers.register(process.stdout, EVENT_READ)
        try:
            yield ChildProcess(process, answers, errors, whose, advice)
        finally:
            process.kill()
            with contextlib.suppress(BrokenPipeError):  # closing writes what could not be written
                process.communicate()


def serve(answer: Callable[[IO[bytes], IO[bytes]], None]) -> None:
    """Let `answer` read messages and write answers until it returns, or raises an EdgeferError, which is told.

    What engines print goes to standard error.
    """
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that asks decides what ends
    channel = os.dup(1)
    os.dup2(2, 1)
    with os.fdopen(channel, "wb") as out:
        try:
            answer(sys.stdin.buffer, out)
        except EdgeferError as error:
            tell(out, error)


def tell(out: IO[bytes], error: Exception) -> None:
    """Send an error as the answer."""
    send(out, _FAILED, records.dumps(Failure(type(error).__name__, str(error))).encode())


def send(out: IO[bytes], kind: bytes, content: bytes) -> None:
    """Write a message."""
    out.write(_HEADER.pack(kind, len(content)) + content)
    out.flush()


def receive(source: IO[bytes], limit: int) -> tuple[bytes, bytes]:
    """A message of at most `limit` bytes, or MESSAGE_LIMIT; raises EOFError where there is none or a part of one."""
    header = source.read(_HEADER.size)
    if len(header) < _HEADER.size:
        raise EOFError
    kind, size = _HEADER.unpack(header)
    if size > max(limit, MESSAGE_LIMIT):
        raise EOFError
    content = source.read(size)
    if len(content) < size:
        raise EOFError
    return kind, content
