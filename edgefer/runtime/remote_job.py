"""What a host and the runner on a board say to each other, see onboard."""

from __future__ import annotations

from dataclasses import dataclass

from edgefer.runtime.protocol import Answer, Request


@dataclass(frozen=True)
class Plan:
    """plan.json. engine: the name of the set; idle: seconds to wait for an idle board before going on regardless."""

    requests: list[Request]
    engine: str
    idle: float


@dataclass(frozen=True)
class Report:
    """What `start`, `wait` and `stop` tell; answers are those that are finished, in the order of the requests.

    begun    when, in the board's time
    found    start only: the run was there before
    running  start only: and it goes on
    free     bytes of disk
    log      the end of what the run complained of
    """

    begun: str
    found: bool
    running: bool
    answers: list[Answer]
    free: int
    log: str
