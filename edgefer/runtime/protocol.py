"""What is said to a worker or to the runner on a board, and what they answer: one JSON record each way."""

from __future__ import annotations

from dataclasses import dataclass

from edgefer.runtime.bench_record import Machine, Run, Settings
from edgefer.runtime.verify import GoldenCheck


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
    the bundle's format has in engines.ENGINES; None is the processor.
    """

    folder: str | None
    eager: str | None
    settings: Settings
    count: Blocks | None = None
    check: Check | None = None
    provider: str | None = None


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
