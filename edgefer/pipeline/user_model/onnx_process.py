"""An OnnxEngine in a process of its own, as `start` opens it: a file that kills its engine kills that process.

`python -m edgefer.pipeline.user_model.onnx_process` answers requests, a JSON line each with a model and inputs behind.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from edgefer.runtime import child_process, records
from edgefer.runtime.child_process import DONE, ChildProcess, Failure, receive, send
from edgefer.runtime.engine_process import LOAD_SECONDS, RUN_SECONDS

if TYPE_CHECKING:
    from edgefer.pipeline.user_model.onnx_engine import Faces, OnnxEngine

MODULE = "edgefer.pipeline.user_model.onnx_process"
_LIMIT = 2**31  # bytes of a message: no larger ModelProto can be written


class EngineFailed(Exception):
    """What the other process's engine raised."""


@dataclass(frozen=True)
class Request:
    """A method of OnnxEngine and its arguments; behind it lie `model_bytes` of the model, then the inputs."""

    call: str
    model_bytes: int
    name: str = ""
    shape: list[int] = field(default_factory=list)
    batch: int = 1


@dataclass(frozen=True)
class Answer:
    """Whether there is one; the shape of outputs, which lie behind it as float32, or the bytes of a model."""

    there: bool
    shape: list[int]


class OnnxProcess:
    """An OnnxEngine whose libraries are another process's; raises EngineFailed for what they raise.

    Raises WorkerFailed too: the process ended, or gave no answer within LOAD_SECONDS (RUN_SECONDS for an inference).
    """

    def __init__(self, process: ChildProcess) -> None:
        self._process = process

    def check(self, model: bytes) -> bytes:
        """See OnnxEngine."""
        return self._ask(Request("check", len(model)), model, LOAD_SECONDS)[1]

    def simplify(self, model: bytes, name: str, shape: tuple[int, ...], batch: int) -> bytes | None:
        """See OnnxEngine."""
        request = Request("simplify", len(model), name, list(shape), batch)
        answer, content = self._ask(request, model, LOAD_SECONDS)
        return content if answer.there else None

    def run(self, model: bytes, batches: Faces) -> Faces:
        """See OnnxEngine."""
        request = Request("run", len(model), shape=list(batches.shape))
        seconds = LOAD_SECONDS + RUN_SECONDS * len(batches)
        answer, content = self._ask(request, model + batches.tobytes(), seconds)
        return np.frombuffer(content, np.float32).reshape(answer.shape)

    def _ask(self, request: Request, content: bytes, seconds: float) -> tuple[Answer, bytes]:
        message = records.canonical(request) + b"\n" + content
        answer = self._process.ask(message, _LIMIT, seconds)
        if isinstance(answer, Failure):
            raise EngineFailed(answer.message)
        line, _, rest = answer.partition(b"\n")
        return records.parse(Answer, line.decode(), "the answer of the engine's process"), rest


@contextlib.contextmanager
def start(path: Path) -> Iterator[OnnxProcess]:
    """An engine for the file `path`, whose name is in what is raised, for the block."""
    advice = "get or export it again; one that comes from elsewhere is not to be trusted"
    with child_process.start(MODULE, f"{path}: the process that opens it with ONNX Runtime", advice) as process:
        yield OnnxProcess(process)


def _answer(source: IO[bytes], out: IO[bytes]) -> None:
    """Answer requests until there is none; what an engine raises is told, and the next one is answered."""
    sys.modules["torch"] = None  # type: ignore[assignment] # onnxsim would import it, for seconds, and can do without
    from edgefer.pipeline.user_model.onnx_engine import InProcess

    engine = InProcess(contextlib.nullcontext)  # what is printed is told if the process ends
    while True:
        try:
            message = receive(source, _LIMIT)[1]
        except EOFError:
            return
        try:
            send(out, DONE, _answered(engine, message))
        except Exception as error:  # the libraries' have no base in common
            child_process.tell(out, error)


def _answered(engine: OnnxEngine, message: bytes) -> bytes:
    line, _, content = message.partition(b"\n")
    request = records.parse(Request, line.decode(), "the request")
    model, rest = content[: request.model_bytes], content[request.model_bytes :]
    shape: list[int] = []
    returned: bytes | None
    if request.call == "run":
        outputs = engine.run(model, np.frombuffer(rest, np.float32, prod(request.shape)).reshape(request.shape))
        shape, returned = list(outputs.shape), outputs.tobytes()
    elif request.call == "simplify":
        returned = engine.simplify(model, request.name, tuple(request.shape), request.batch)
    else:
        returned = engine.check(model)
    return records.canonical(Answer(returned is not None, shape)) + b"\n" + (returned or b"")


if __name__ == "__main__":
    child_process.serve(_answer)
