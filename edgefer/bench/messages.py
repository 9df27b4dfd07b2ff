"""What is said to a worker and what it answers: one JSON record each way."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TypeVar

from edgefer import records
from edgefer.bench.record import Machine, Run, Settings
from edgefer.errors import BadRecord

T = TypeVar("T")


@dataclass(frozen=True)
class Blocks:
    """For counting instead of timing: blocks of so many frames, a marker before each and after the last."""

    blocks: int
    frames: int


@dataclass(frozen=True)
class Request:
    """The bundle in `folder`, or (None) the network called `eager` in torch, under `settings`."""

    folder: str | None
    eager: str | None
    settings: Settings
    count: Blocks | None = None


@dataclass(frozen=True)
class Failure:
    """An error of edgefer.errors by its class, and its message."""

    kind: str
    message: str


@dataclass(frozen=True)
class Answer:
    """The run, and where it ran; or why there is none. run is None too if the request was to count."""

    run: Run | None
    machine: Machine | None
    versions: dict[str, str]
    failure: Failure | None


def parse(kind: type[T], text: str, source: str) -> T:
    """One of the records above from its JSON; raises BadRecord naming `source`."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRecord(f"{source} is not JSON ({error}).") from error
    return records.structure(kind, content, source)
