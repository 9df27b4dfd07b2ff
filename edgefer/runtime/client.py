"""Asking a worker: one fresh process per request."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgefer.runtime import errors, protocol, records, shell
from edgefer.runtime.errors import BadRecord, EdgeferError, WorkerFailed
from edgefer.runtime.protocol import Answer, Request

PACKAGE = Path(__file__).parents[1]
WORKER = "edgefer.runtime.worker"


def command(module: str = WORKER, python: Sequence[str] = (sys.executable,)) -> list[str]:
    """The command line that runs a worker's module, without this folder on its path."""
    return [*python, "-P", "-m", module]


def ask(
    request: Request,
    line: Sequence[str] | None = None,
    base: Mapping[str, str] | None = None,
    folder: Path | None = None,
    **variables: str,
) -> Answer:
    """Start a worker, give it the request, return its answer; raises its failure, or WorkerFailed.

    `line` is another command than `command()`, `base` another environment than `environment()`, `folder` another
    working folder; `variables` are added to the environment.
    """
    done = shell.run(
        command() if line is None else line,
        records.dumps(request),
        {**(environment() if base is None else base), **variables},
        folder,
    )
    try:
        answer = records.parse(Answer, done.out, "the worker's answer")
    except BadRecord as error:
        raise WorkerFailed(
            f"{request.folder or request.eager}: the measuring process ended with {done.code} and no answer "
            f"({done.last_line('it wrote nothing')}): "
            "`edgefer verify` tells whether the engine here can run it."
        ) from error
    return sound(answer)


def sound(answer: Answer) -> Answer:
    """The answer; raises the failure that it tells of."""
    if answer.failure is not None:
        raise raised(answer.failure)
    return answer


def environment() -> dict[str, str]:
    """This process's, so changed that a worker imports this very edgefer."""
    path = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(PACKAGE.parent), *([path] if path else [])])}


def raised(failure: protocol.Failure) -> EdgeferError:
    """The error that another process told of."""
    return errors.of_kind(failure.kind, failure.message)
