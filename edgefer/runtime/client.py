"""Talking to a worker: one fresh process per request."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgefer.benchmark.selection import Subject
from edgefer.runtime import errors, protocol, records, shell
from edgefer.runtime.bench_record import Run, Settings
from edgefer.runtime.errors import BadRecord, EdgeferError, WorkerFailed
from edgefer.runtime.protocol import Answer, Blocks, Check, Request

PACKAGE = Path(__file__).parents[1]
WORKER = (sys.executable, "-P", "-m", "edgefer.runtime.worker")


def measure(subject: Subject, settings: Settings) -> Run:
    """One run in a fresh process; raises what the worker raised (MissingEngine, ...) or WorkerFailed if it died."""
    run = ask(request(subject, settings)).run
    assert run is not None  # it was not asked to count
    return run


def request(subject: Subject, settings: Settings, count: Blocks | None = None, check: Check | None = None) -> Request:
    """The worker's task."""
    folder = None if subject.folder is None else str(subject.folder.resolve())
    return Request(folder, subject.eager, settings, count, check, subject.provider)


def ask(
    wanted: Request,
    line: Sequence[str] = WORKER,
    base: Mapping[str, str] | None = None,
    folder: Path | None = None,
    **variables: str,
) -> Answer:
    """Start a worker, give it the request, return its answer; raises its failure, or WorkerFailed.

    `line` is another command that runs it, `base` another environment than `environment()`, `folder` another
    working folder; `variables` are added to the environment.
    """
    given = environment() if base is None else base
    done = shell.run(line, records.dumps(wanted), {**given, **variables}, folder)
    try:
        said = protocol.parse(Answer, done.out, "the worker's answer")
    except BadRecord as error:
        raise WorkerFailed(
            f"{wanted.folder or wanted.eager}: the measuring process ended with {done.code} and no answer "
            f"({done.last_line('it wrote nothing')}): "
            "`edgefer verify` tells whether the engine here can run it."
        ) from error
    return sound(said)


def sound(said: Answer) -> Answer:
    """The answer; raises the failure that it tells of."""
    if said.failure is not None:
        raise raised(said.failure)
    return said


def environment() -> dict[str, str]:
    """This process's, so changed that a worker imports this very edgefer."""
    given = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(PACKAGE.parent), *([given] if given else [])])}


def raised(failure: protocol.Failure) -> EdgeferError:
    """The error that another process told of."""
    return errors.of_kind(failure.kind, failure.message)
