"""What is said to a worker or to the runner on a board, and what they answer: one JSON record each way.

A worker is a fresh process per request; `ask` starts it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgefer.runtime import ending, records, shell
from edgefer.runtime.bench_record import Machine, Run, Settings
from edgefer.runtime.errors import BadRecord, EdgeferError, WorkerFailed, of_kind
from edgefer.runtime.verify import GoldenCheck

WORKER = "edgefer.runtime.worker"


@dataclass(frozen=True)
class Blocks:
    """For counting instead of timing: blocks of so many frames, a marker before each and after the last."""

    blocks: int
    frames: int


@dataclass(frozen=True)
class Check:
    """For verifying instead of timing: the golden pair, and the outputs for `faces`.

    faces is a .npy file of uint8 (N, resize, resize, 3), or None.
    """

    faces: str | None = None


@dataclass(frozen=True)
class Request:
    """The bundle in `folder`, or (None) the network called `eager` in torch, under `settings`.

    count or check: what to do instead of timing. provider: the way to the hardware, of those that
    the bundle's format has in engines.ENGINES; None is the processor. sha256: the bundle's, as the host opened it, so
    that no other one is measured, whatever happened to its folder since; None: not known.
    """

    folder: str | None
    eager: str | None
    settings: Settings
    count: Blocks | None = None
    check: Check | None = None
    provider: str | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Failure:
    """An error of edgefer.runtime.errors by its class, and its message."""

    kind: str
    message: str


@dataclass(frozen=True)
class Answer:
    """The run, and where it ran; or why there is none. run is None too if the request was to count or check.

    golden, outputs: what a check found; outputs are probabilities (N, classes).
    """

    run: Run | None
    machine: Machine | None
    versions: dict[str, str]
    failure: Failure | None
    golden: GoldenCheck | None = None
    outputs: list[list[float]] | None = None


@dataclass(frozen=True)
class RemoteJob:
    """plan.json of a run on a board: what runtime.runner does there.

    engine: the name of the set of engines; load_wait: seconds to wait for low load before going on regardless.
    """

    requests: list[Request]
    engine: str
    load_wait: float


@dataclass(frozen=True)
class JobReport:
    """What the runner's start, wait and stop print; answers are those that are there, in the order of the requests.

    begun    when, in the board's time
    resumed  start only: the run was there before
    running  start only: and it goes on
    free     bytes of disk
    log      the end of what the run complained of
    """

    begun: str
    resumed: bool
    running: bool
    answers: list[Answer]
    free: int
    log: str


def ask(
    request: Request,
    line: Sequence[str] | None = None,
    base: Mapping[str, str] | None = None,
    folder: Path | None = None,
    **variables: str,
) -> Answer:
    """Start a worker, give it the request, return its answer; raises its failure, or WorkerFailed.

    `line` is another command than the worker's, `base` another environment than `shell.environment()`, `folder`
    another working folder; `variables` are added to the environment.
    """
    done = shell.run(
        shell.module_command(WORKER) if line is None else line,
        records.dumps(request),
        {**(shell.environment() if base is None else base), **variables},
        folder,
    )
    try:
        answer = records.parse(Answer, done.out, "the worker's answer")
    except BadRecord as error:
        raise WorkerFailed(
            f"{request.folder or request.eager}: the measuring process {ending.words_here(done.code)} and no answer "
            f"({done.last_line('it wrote nothing')}): "
            "`edgefer verify` tells whether the engine here can run it."
        ) from error
    return sound(answer)


def sound(answer: Answer) -> Answer:
    """The answer; raises the failure that it tells of."""
    if answer.failure is not None:
        raise raised(answer.failure)
    return answer


def raised(failure: Failure) -> EdgeferError:
    """The error that another process told of."""
    return of_kind(failure.kind, failure.message)
