"""Why a run should not be believed as it stands: its machine before and after, compared; pure.

Each begins with the word that a table shows: busy, throttled, governor.
"""

from __future__ import annotations

from edgefer.runtime.bench_record import MachineState

OTHERS = 0.10  # of the machine's cores that other processes may use on average during a run
STOLEN = 0.02  # of the machine's cores that other virtual machines may take
TICK = 0.01  # seconds: what /proc/stat counts in
SHORT = 0.1  # seconds: too short for those ticks to say how busy a machine was
STEADY = {"performance"}


def warnings_between(before: MachineState, after: MachineState, cores: int) -> list[str]:
    """What was wrong with the machine between two looks, in the words for a person; empty if nothing was."""
    return [*_busy(before, after, cores), *_throttled(before, after), *_governor(after)]


def invalid_between(before: MachineState, after: MachineState) -> list[str]:
    """Why the times are not the machine's at all: its firmware held the clock down; empty if it did not."""
    flags = {*(before.throttled or ()), *(after.throttled or ())}
    # A flag that rose and fell again within the run shows in what the firmware keeps since boot.
    flags |= set(after.since_boot or ()) - set(before.since_boot or ())
    return [f"throttled: {', '.join(sorted(flags))}"] if flags else []


def others(before: MachineState, after: MachineState) -> float | None:
    """Cores that other processes used on average; None if it can't be told."""
    wall = after.clock - before.clock
    if before.busy is None or after.busy is None or wall < SHORT:
        return None
    return max(0.0, (after.busy - before.busy) - (after.own - before.own) - TICK) / wall


def _busy(before: MachineState, after: MachineState, cores: int) -> list[str]:
    found = []
    used = others(before, after)
    if used is not None and used > OTHERS * cores:
        found.append(f"busy: other processes used {used:.2f} of {cores} cores")
    if used is None and before.load_average is not None and before.load_average > cores:
        found.append(f"busy: the load average was {before.load_average:.2f} on {cores} cores")
    wall = after.clock - before.clock
    if before.stolen is not None and after.stolen is not None and wall >= SHORT:
        taken = (after.stolen - before.stolen - TICK) / wall
        if taken > STOLEN * cores:
            found.append(f"busy: other virtual machines took {taken:.2f} of {cores} cores")
    return found


def _throttled(before: MachineState, after: MachineState) -> list[str]:
    if before.throttles is None or after.throttles is None or after.throttles <= before.throttles:
        return []
    return [f"throttled: the processor slowed down {after.throttles - before.throttles} times"]


def _governor(after: MachineState) -> list[str]:
    if after.governor is None or after.governor in STEADY:
        return []
    return [f"governor: the clock is ruled by {after.governor}; performance keeps it steady"]
