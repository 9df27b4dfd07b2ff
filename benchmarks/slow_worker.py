"""The shipped worker with a model that takes longer: for showing that the gate sees it.

EDGEFER_SLOWER is the share of the model's own median that every inference takes on top. Only this file
knows of it. The delay is a counted loop: a clock whose steps are microseconds would add half a step to each.
"""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import repeat
from statistics import median

from edgefer.runtime import sampling, worker, workload
from edgefer.runtime.protocol import Request
from edgefer.runtime.sampling import Step
from edgefer.runtime.workload import Load, LoadedWorkload

WARM, CALLS, PAIRS, CORRECTIONS, TURNS = 20, 10, 15, 2, 1000


def prepare(request: Request) -> Load:
    """As workload.prepare; what it returns loads the slower model."""
    load, share = workload.prepare(request), float(os.environ["EDGEFER_SLOWER"])

    def slower() -> LoadedWorkload:
        loaded = load()
        return replace(loaded, step=_delayed(loaded.step, share))

    return slower


def _delayed(step: Step, share: float) -> Step:
    """The step and a loop after it, of as many turns as make the two longer by `share`."""
    turns = TURNS

    def both() -> None:
        step()
        for _ in repeat(None, turns):
            pass

    for _ in range(WARM):
        both()
    for _ in range(CORRECTIONS):
        found = median(_mean(both) / _mean(step) for _ in range(PAIRS)) - 1
        turns = max(1, round(turns * share / max(found, 1e-3)))
    return both


def _mean(step: Step) -> float:
    """Of enough calls that the clock's step does not count."""
    return sampling.timed(lambda: [step() for _ in repeat(None, CALLS)]) / CALLS


if __name__ == "__main__":
    worker.main(prepare)
