"""A model in a process of its own, as `load` opens it: what its file does to the engine, it does to that process.

`python -m edgefer.runtime.engine_process` reads an Order and answers with Opened; from then on an input comes in and an
output goes out.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from edgefer.runtime import child_process, engines, records
from edgefer.runtime.child_process import DONE, MESSAGE_LIMIT, ChildProcess, Failure, receive, send
from edgefer.runtime.contract import Layout, TensorSpec
from edgefer.runtime.engines import Explain
from edgefer.runtime.errors import BadRecord, EdgeferError, of_kind
from edgefer.runtime.process import library_errors

MODULE = "edgefer.runtime.engine_process"
LOAD_SECONDS = 300.0  # for a model to be loaded: C may have to be compiled
RUN_SECONDS = 60.0  # for an inference
_ADVICE = "copy or build the bundle again; one that comes from elsewhere is not to be trusted"


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


class _Told(EdgeferError):
    """What the engine did, to be explained by the process that knows whose file it is."""


class ModelProcess:
    """A Model whose engine is another process's; it ends with the block of `load`."""

    def __init__(self, process: ChildProcess, explain: Explain) -> None:
        self._process, self._explain = process, explain

    def open(self, order: Order) -> None:
        """Let it open the file; raises WorkerFailed if the process ends or takes more than LOAD_SECONDS."""
        content = self._ask(records.dumps(order).encode(), MESSAGE_LIMIT, LOAD_SECONDS)
        try:
            opened = records.parse(Opened, content.decode(), "the answer of the engine's process")
        except BadRecord as error:
            raise self._explain(f"the engine describes it in a way that can't be used ({error})") from error
        self.engine, self.layout, self.provider = opened.engine, opened.layout, opened.provider
        self.input, self.output = opened.input, opened.output

    def run(self, given: NDArray[Any]) -> NDArray[Any]:
        """One inference; raises what `explain` makes of a failure, WorkerFailed as `open` does, after RUN_SECONDS."""
        output = np.dtype(self.output.dtype)
        values = np.ascontiguousarray(given, self.input.dtype)
        limit = output.itemsize * int(np.prod(self.output.shape))
        content = self._ask(values.tobytes(), limit, RUN_SECONDS)
        return np.frombuffer(content, output).reshape(self.output.shape)

    def _ask(self, content: bytes, limit: int, seconds: float) -> bytes:
        answer = self._process.ask(content, limit, seconds)
        if not isinstance(answer, Failure):
            return answer
        if answer.kind == _Told.__name__:
            raise self._explain(answer.message)
        raise of_kind(answer.kind, answer.message)


@contextlib.contextmanager
def load(path: Path, name: str, threads: int, explain: Explain, whose: str) -> Iterator[ModelProcess]:
    """Open a model file with the engine of its format, in a process that ends with the block.

    Raises what engines.load raises, and WorkerFailed, which names the bundle `whose`, if the process ends or does not
    answer within LOAD_SECONDS.
    """
    with child_process.start(MODULE, f"{whose}: the process that runs its model", _ADVICE) as process:
        model = ModelProcess(process, explain)
        model.open(Order(str(path), name, threads))
        yield model


def _answer(source: IO[bytes], out: IO[bytes]) -> None:
    """Open the file that the first message names, then answer inputs until there is none."""
    with library_errors(_Told):
        order = records.parse(Order, receive(source, MESSAGE_LIMIT)[1].decode(), "the order")
        model = engines.load(Path(order.path), order.format, order.threads, explain=_Told)
        provider = getattr(model, "provider", "CPU")
        opened = Opened(model.engine, model.layout, model.input, model.output, provider)
        try:
            send(out, DONE, records.dumps(opened).encode())
        except BadRecord as error:  # a scale that is no number
            raise _Told(str(error)) from error
    size = np.dtype(model.input.dtype).itemsize * int(np.prod(model.input.shape))
    while True:
        try:
            content = receive(source, size)[1]
        except EOFError:
            return
        returned = model.run(np.frombuffer(content, model.input.dtype).reshape(model.input.shape))
        send(out, DONE, np.ascontiguousarray(returned, model.output.dtype).tobytes())


if __name__ == "__main__":
    child_process.serve(_answer)
