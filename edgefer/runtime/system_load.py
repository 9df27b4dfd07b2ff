"""Before a board is measured: waiting until other processes leave its processor alone."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace

from edgefer.runtime import machine, warnings
from edgefer.runtime.protocol import Answer

WINDOW = 1.0  # seconds over which the load is measured
LOW_LOAD = 0.10  # of the board's cores that others may use


def with_warning(answer: Answer, warning: str | None) -> Answer:
    """The answer with the warning on its run, unless the run noticed by itself that the board was busy."""
    run = answer.run
    if run is None or warning is None or any(each.startswith("busy:") for each in run.warnings):
        return answer
    return replace(answer, run=replace(run, warnings=[*run.warnings, warning]))


def wait_for_low_load(limit: float, pause: Callable[[float], None] = time.sleep) -> str | None:
    """Watch others' use of the processor until it is low, for `limit` seconds at most; then a warning."""
    cores, used = os.cpu_count() or 1, None
    for _ in range(round(limit / WINDOW)):
        before = machine.state()
        pause(WINDOW)
        used = warnings.others(before, machine.state())
        if used is None or used <= LOW_LOAD * cores:
            return None
    if used is None:
        return None
    return f"busy: after {limit:g} s of waiting other processes still used {used:.2f} of {cores} cores"
