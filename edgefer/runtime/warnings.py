"""Why a run should not be believed as it stands: its machine before and after, compared; pure."""

from __future__ import annotations

from collections.abc import Mapping

from edgefer.runtime.bench_record import Gpu, MachineState, RunWarning
from edgefer.runtime.bench_record import WarningKind as Kind

OTHERS = 0.10  # of the machine's cores that other processes may use on average during a run
STOLEN = 0.02  # of the machine's cores that other virtual machines may take
TICK = 0.01  # seconds: what /proc/stat counts in
SHORT = 0.1  # seconds: too short for those ticks to say how busy a machine was
STEADY = {"performance"}


def warnings_between(before: MachineState, after: MachineState, cores: int) -> list[RunWarning]:
    """What was wrong with the machine between two looks; empty if nothing was."""
    return [*_busy(before, after, cores), *_throttled(before, after), *_governor(after)]


def invalid_between(before: MachineState, after: MachineState) -> list[RunWarning]:
    """Why the times are not the machine's at all: its firmware held the clock down; empty if it did not."""
    flags = {*(before.throttled or ()), *(after.throttled or ())}
    # A flag that rose and fell again within the run shows in what the firmware keeps since boot.
    flags |= set(after.since_boot or ()) - set(before.since_boot or ())
    return [RunWarning(Kind.THROTTLED, ", ".join(sorted(flags)))] if flags else []


def others(before: MachineState, after: MachineState) -> float | None:
    """Cores that other processes used on average; None if it can't be told."""
    wall = after.clock - before.clock
    if before.busy is None or after.busy is None or wall < SHORT:
        return None
    return max(0.0, (after.busy - before.busy) - (after.own - before.own) - TICK) / wall


def _busy(before: MachineState, after: MachineState, cores: int) -> list[RunWarning]:
    warnings = []
    used = others(before, after)
    if used is not None and used > OTHERS * cores:
        values = {"used": used, "cores": cores}
        warnings.append(RunWarning(Kind.BUSY, "other processes used {used:.2f} of {cores} cores", values))
    if used is None and before.load_average is not None and before.load_average > cores:
        values = {"load": before.load_average, "cores": cores}
        warnings.append(RunWarning(Kind.BUSY, "the load average was {load:.2f} on {cores} cores", values))
    wall = after.clock - before.clock
    if before.stolen is not None and after.stolen is not None and wall >= SHORT:
        stolen = (after.stolen - before.stolen - TICK) / wall
        if stolen > STOLEN * cores:
            values = {"stolen": stolen, "cores": cores}
            warnings.append(RunWarning(Kind.BUSY, "other virtual machines took {stolen:.2f} of {cores} cores", values))
    return warnings


def _throttled(before: MachineState, after: MachineState) -> list[RunWarning]:
    if before.throttles is None or after.throttles is None or after.throttles <= before.throttles:
        return []
    values = {"times": after.throttles - before.throttles}
    return [RunWarning(Kind.THROTTLED, "the processor slowed down {times} times", values)]


def _governor(after: MachineState) -> list[RunWarning]:
    if after.governor is None or after.governor in STEADY:
        return []
    values = {"governor": after.governor}
    return [RunWarning(Kind.GOVERNOR, "the clock is ruled by {governor}; performance keeps it steady", values)]


# Reasons that come with heat or a failing supply: what was measured then is not the card's speed. Its power
# limit and fixed clocks are its owner's, and only told.
SLOWED = ("hardware slowdown", "software thermal slowdown", "hardware thermal slowdown", "hardware power brake")


def software_gpu(gpu: Gpu | None) -> list[RunWarning]:
    """A warning where the processor plays the GPU."""
    if gpu is None or not gpu.software:
        return []
    message = "{gpu} computes on the processor, these figures say nothing of a GPU"
    return [RunWarning(Kind.SOFTWARE, message, {"gpu": gpu.name})]


def gpu_capped(reasons: Mapping[str, float | None]) -> list[RunWarning]:
    """What held a GPU's clock down that is as its owner set it: the power limit, fixed clocks.

    reasons have the seconds for which they did, None if that is not known.
    """
    return _held_down(Kind.CAPPED, {reason: held for reason, held in reasons.items() if reason not in SLOWED})


def gpu_throttled(reasons: Mapping[str, float | None]) -> list[RunWarning]:
    """Why the times are not the card's: it slowed itself down of heat or want of power."""
    return _held_down(Kind.THROTTLED, {reason: held for reason, held in reasons.items() if reason in SLOWED})


def _held_down(kind: Kind, reasons: Mapping[str, float | None]) -> list[RunWarning]:
    if not reasons:
        return []
    words = (reason if seconds is None else f"{reason} for {seconds:.3g} s" for reason, seconds in reasons.items())
    return [RunWarning(kind, "the GPU's clock was held down ({reasons})", {"reasons": ", ".join(words)})]
