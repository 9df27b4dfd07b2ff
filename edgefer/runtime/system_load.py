"""Before a board is measured: waiting until others leave its processor alone."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace

from edgefer.runtime import machine, warnings
from edgefer.runtime.protocol import Answer

WINDOW = 1.0  # seconds over which the board is watched
IDLE = 0.10  # of its cores that others may use


def doubted(answer: Answer, doubt: str | None) -> Answer:
    """The answer with the doubt among its warnings, unless the run noticed by itself that the board was busy."""
    run = answer.run
    if run is None or doubt is None or any(warning.startswith("busy:") for warning in run.warnings):
        return answer
    return replace(answer, run=replace(run, warnings=[*run.warnings, doubt]))


def wait(limit: float, pause: Callable[[float], None] = time.sleep) -> str | None:
    """Watch others' use of the processor until it is low, for `limit` seconds at most; then a warning."""
    cores, used = os.cpu_count() or 1, None
    for _ in range(round(limit / WINDOW)):
        before = machine.state()
        pause(WINDOW)
        used = warnings.others(before, machine.state())
        if used is None or used <= IDLE * cores:
            return None
    if used is None:
        return None
    return f"busy: after {limit:g} s of waiting other processes still used {used:.2f} of {cores} cores"
