"""A model in a process of its own, as `load` opens it: what its file does to the engine, it does to that process.

`python -m edgefer.runtime.engine_process` reads an Order and answers with Opened; from then on an input comes in and an
output goes out. Each message is a kind (one byte), the number of bytes and the bytes.
"""

from __future__ import annotations

import contextlib
import os
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from edgefer.runtime import ending, engines, records, shell
from edgefer.runtime.contract import Layout, TensorSpec
from edgefer.runtime.engines import Explain
from edgefer.runtime.errors import BadRecord, EdgeferError, WorkerFailed, of_kind
from edgefer.runtime.process import die_with_parent, library_errors

MODULE = "edgefer.runtime.engine_process"
_HEADER = struct.Struct("<cQ")
_DONE, _FAILED = b"=", b"!"
_OPENED_LIMIT = 2**20  # bytes of Opened


@dataclass(frozen=True)
class Order:
    """The file to open, with the engine of its format."""

    path: str
    format: str
    threads: int


@dataclass(frozen=True)
class Opened:
    """What the engine says of the file, see engines.Model."""

    engine: str
    layout: Layout
    input: TensorSpec
    output: TensorSpec
    provider: str


@dataclass(frozen=True)
class _Failure:
    """The class of an error and its message; of what the engine did, the class _Told and the bare reason."""

    kind: str
    message: str


class _Told(EdgeferError):
    """What the engine did, to be explained by the process that knows whose file it is."""


class ModelProcess:
    """A Model whose engine is another process's; it ends with the block of `load`."""

    def __init__(self, process: subprocess.Popen[bytes], errors: IO[bytes], explain: Explain, name: str) -> None:
        self._process, self._errors, self._explain, self._name = process, errors, explain, name

    def open(self, order: Order) -> None:
        """Let it open the file."""
        content = self._ask(records.dumps(order).encode(), _OPENED_LIMIT)
        try:
            opened = records.parse(Opened, content.decode(), "the answer of the engine's process")
        except BadRecord as error:
            raise self._explain(f"the engine describes it in a way that can't be used ({error})") from error
        self.engine, self.layout, self.provider = opened.engine, opened.layout, opened.provider
        self.input, self.output = opened.input, opened.output

    def run(self, given: NDArray[Any]) -> NDArray[Any]:
        """One inference; raises what `explain` makes of a failure, WorkerFailed if the process ends."""
        output = np.dtype(self.output.dtype)
        values = np.ascontiguousarray(given, self.input.dtype)
        content = self._ask(values.tobytes(), output.itemsize * int(np.prod(self.output.shape)))
        return np.frombuffer(content, output).reshape(self.output.shape)

    def _ask(self, content: bytes, limit: int) -> bytes:
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            _send(self._process.stdin, _DONE, content)
            kind, answer = _receive(self._process.stdout, limit)
        except (BrokenPipeError, EOFError) as error:
            raise WorkerFailed(self._ended()) from error
        except BaseException:  # an interrupt: what comes now would be taken for the next answer
            self._process.kill()
            raise
        if kind == _DONE:
            return answer
        failure = records.parse(_Failure, answer.decode(), "the answer of the engine's process")
        if failure.kind == _Told.__name__:
            raise self._explain(failure.message)
        raise of_kind(failure.kind, failure.message)

    def _ended(self) -> str:
        code = self._process.wait()
        self._errors.seek(0, os.SEEK_SET)
        said = shell.last_line(self._errors.read().decode(errors="replace"), "it wrote nothing")
        return (
            f"{self._name}: the process that runs its model {ending.words_here(code)} and no answer ({said:.300}): "
            "copy or build the bundle again; one that comes from elsewhere is not to be trusted."
        )


@contextlib.contextmanager
def load(path: Path, name: str, threads: int, explain: Explain, whose: str) -> Iterator[ModelProcess]:
    """Open a model file with the engine of its format, in a process that ends with the block.

    Raises what engines.load raises, and WorkerFailed, which names the bundle `whose`, if the process ends.
    """
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            shell.module_command(MODULE),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=shell.environment(),
        ) as process,
    ):
        try:
            model = ModelProcess(process, errors, explain, whose)
            model.open(Order(str(path), name, threads))
            yield model
        finally:
            process.kill()
            with contextlib.suppress(BrokenPipeError):  # closing writes what could not be written
                process.communicate()


def _send(out: IO[bytes], kind: bytes, content: bytes) -> None:
    out.write(_HEADER.pack(kind, len(content)) + content)
    out.flush()


def _receive(source: IO[bytes], limit: int) -> tuple[bytes, bytes]:
    """A message of at most `limit` bytes, or _OPENED_LIMIT; raises EOFError where there is none or a part of one."""
    header = source.read(_HEADER.size)
    if len(header) < _HEADER.size:
        raise EOFError
    kind, size = _HEADER.unpack(header)
    if size > max(limit, _OPENED_LIMIT):
        raise EOFError
    content = source.read(size)
    if len(content) < size:
        raise EOFError
    return kind, content


def _serve(source: IO[bytes], out: IO[bytes]) -> None:
    """Open the file that the first message names, then answer inputs until there is none."""
    with library_errors(_Told):
        order = records.parse(Order, _receive(source, _OPENED_LIMIT)[1].decode(), "the order")
        model = engines.load(Path(order.path), order.format, order.threads, explain=_Told)
        provider = getattr(model, "provider", "CPU")
        opened = Opened(model.engine, model.layout, model.input, model.output, provider)
        try:
            _send(out, _DONE, records.dumps(opened).encode())
        except BadRecord as error:  # a scale that is no number
            raise _Told(str(error)) from error
    size = np.dtype(model.input.dtype).itemsize * int(np.prod(model.input.shape))
    while True:
        try:
            content = _receive(source, size)[1]
        except EOFError:
            return
        returned = model.run(np.frombuffer(content, model.input.dtype).reshape(model.input.shape))
        _send(out, _DONE, np.ascontiguousarray(returned, model.output.dtype).tobytes())


def main() -> None:
    """Answer until the other end closes or an error was told of; what engines print goes to standard error."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that asks decides what ends
    channel = os.dup(1)
    os.dup2(2, 1)
    with os.fdopen(channel, "wb") as out:
        try:
            _serve(sys.stdin.buffer, out)
        except EdgeferError as error:
            _send(out, _FAILED, records.dumps(_Failure(type(error).__name__, str(error))).encode())


if __name__ == "__main__":
    main()
