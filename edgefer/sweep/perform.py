"""Doing runs, one after the other, in this process. What is finished is not done again, what was cut off goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal

from edgefer.data.dataset import Dataset, fingerprint
from edgefer.sweep import run_lock
from edgefer.sweep.runs import Run, finished
from edgefer.training.run import Listener, train

Outcome = Literal["trained", "found", "elsewhere"]
Faces = Mapping[int, Dataset]  # by the side to which they are resized


def perform(run: Run, data: Dataset, folder: Path, listener: Listener, wait: bool = False) -> Outcome:
    """Train, unless it has been done (`found`) or another process is doing it (`elsewhere`; with `wait`: wait for it).

    Raises what edgefer.training.run.train raises.
    """
    mark, name = fingerprint(data), run.plan.arch.name
    if finished(run, folder, mark):
        return "found"
    with run_lock.claimed(folder, wait) as say:
        if say is None:
            return "elsewhere"
        if finished(run, folder, mark):  # while the lock was waited for
            return "found"
        say("resumed" if (folder / f"{name}.checkpoint").exists() else "started")
        train(run.plan, data, folder, listener)
        say(run_lock.FINISHED)
    return "trained"


def one_by_one(
    runs: Sequence[Run], faces: Faces, out: Path, listening: Callable[[Run], AbstractContextManager[Listener]]
) -> dict[str, Outcome]:
    """All of them, in order; how each ended, by name."""
    outcomes: dict[str, Outcome] = {}
    for run in runs:
        with listening(run) as listener:
            outcomes[run.name] = perform(run, faces[run.plan.arch.resize], run.folder(out), listener)
    return outcomes
