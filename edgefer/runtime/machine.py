"""What a machine is, what is installed on it, and the state it is in before and after a run.

Two states compared tell why a run should not be believed as it stands; that is pure.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path

from edgefer.runtime import cgroup, proc, shell
from edgefer.runtime.bench_record import Gpu, Machine, MachineState, RunWarning
from edgefer.runtime.bench_record import WarningKind as Kind
from edgefer.runtime.errors import UnknownName
from edgefer.runtime.training_record import Environment

CPU = "sys/devices/system/cpu"
# What tells processors of one name apart, by its key in /proc/cpuinfo (of the first core). Virtual machines have
# generic names: AMD EPYC of family 25 is Zen 3 or 4, of family 26 Zen 5; Intel Xeon of model 85 has VNNI from
# stepping 5 on. Arm processors mostly have no name there.
NUMBERS = {
    "family": "cpu family",
    "model": "model",
    "stepping": "stepping",
    "implementer": "CPU implementer",
    "part": "CPU part",
    "variant": "CPU variant",
    "revision": "CPU revision",
}
# Bits of `vcgencmd get_throttled`; bit n + 16 is the same at some time since boot.
# https://www.raspberrypi.com/documentation/computers/os.html#get_throttled
THROTTLED = ("under-voltage", "frequency capped", "throttled", "soft temperature limit")
TEMPERATURES = (1, 150)  # degrees Celsius that a sensor in order can show
OTHERS = 0.10  # of the machine's cores that other processes may use on average during a run
STOLEN = 0.02  # of the machine's cores that other virtual machines may take
TICK = 0.01  # seconds: what /proc/stat counts in
SHORT = 0.1  # seconds: too short for those ticks to say how busy a machine was
STEADY = {"performance"}
# Reasons that come with heat or a failing supply: what was measured then is not the card's speed. Its power
# limit and fixed clocks are its owner's, and only told.
SLOWED = ("hardware slowdown", "software thermal slowdown", "hardware thermal slowdown", "hardware power brake")


def describe(root: Path = proc.ROOT) -> Machine:
    """The machine that this process runs on."""
    return Machine(
        cpu=_processor(root),
        cores=os.cpu_count() or 1,
        memory=proc.total_memory(root),
        system=platform.system(),
        kernel=platform.release(),
        architecture=platform.machine(),
        board=proc.emulated() or proc.text(root / "proc/device-tree/model"),
    )


def _processor(root: Path) -> str:
    """The processor's name and numbers; of a board whose processor has no name, the board's."""
    cpuinfo = root / "proc/cpuinfo"
    name, board = proc.field(cpuinfo, "model name"), proc.field(cpuinfo, "Model", "Hardware")
    if name is None and board is not None:
        return board
    name = name or _name_by_the_system() or platform.machine()
    found = {word: proc.field(cpuinfo, key) for word, key in NUMBERS.items()}
    numbers = ", ".join(f"{word} {value}" for word, value in found.items() if value is not None)
    return f"{name} ({numbers})" if numbers else name


def _name_by_the_system() -> str | None:
    """On Windows with family, model and stepping; on macOS Python says only `arm` or `i386`."""
    brand = shell.run_or_none(["sysctl", "-n", "machdep.cpu.brand_string"]) if platform.system() == "Darwin" else None
    return brand or platform.processor()


def package_versions(packages: Iterable[str]) -> dict[str, str]:
    """Installed versions of `packages`; those that are absent are left out."""
    installed = {}
    for name in packages:
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return installed


def describe_environment(packages: Iterable[str], threads: int) -> Environment:
    """What a record says of the machine and of the packages behind its figures, of a run with `threads` threads."""
    return Environment(
        cpu=describe().cpu,
        cores=os.cpu_count() or 1,
        threads=threads,
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        packages=package_versions(packages),
    )


def state(root: Path = proc.ROOT) -> MachineState:
    """How it is now; of an emulated one nothing can be told."""
    if proc.emulated():
        own = sum(proc.own_seconds())
        return MachineState(time.monotonic(), None, None, None, None, None, None, own, None, None, None)
    busy, stolen = proc.cpu_seconds(root)
    temperatures = [t / 1000 for t in proc.numbers(root, "sys/class/thermal/thermal_zone*/temp")]
    throttles = proc.numbers(root, f"{CPU}/cpu[0-9]*/thermal_throttle/core_throttle_count")
    now, since_boot = _throttled()
    return MachineState(
        clock=time.monotonic(),
        load_average=proc.load_average(root),
        governor=_governor(root),
        frequency=_frequency(root),
        temperature=max((t for t in temperatures if TEMPERATURES[0] <= t <= TEMPERATURES[1]), default=None),
        busy=busy,
        stolen=stolen,
        own=sum(proc.own_seconds()),
        throttled=now,
        since_boot=since_boot,
        throttles=int(sum(throttles)) if throttles else None,
        quota=cgroup.quota(root),
    )


def _governor(root: Path) -> str | None:
    """The governor, or all of them where cores differ."""
    paths = sorted(root.glob(f"{CPU}/cpu[0-9]*/cpufreq/scaling_governor"))
    return ", ".join(sorted({found for path in paths if (found := proc.text(path))})) or None


def _frequency(root: Path) -> float | None:
    """Hertz of the fastest core."""
    kilohertz = proc.numbers(root, f"{CPU}/cpu[0-9]*/cpufreq/scaling_cur_freq")
    if kilohertz:
        return max(kilohertz) * 1e3
    megahertz = proc.field(root / "proc/cpuinfo", "cpu MHz")
    return None if megahertz is None else float(megahertz) * 1e6


def _throttled() -> tuple[list[str] | None, list[str] | None]:
    """What a Raspberry Pi's firmware says, now and since boot; None elsewhere."""
    said = shell.run_or_none(["vcgencmd", "get_throttled"])
    return (None, None) if said is None else throttle_bits(said)


def throttle_bits(said: str) -> tuple[list[str] | None, list[str] | None]:
    """`throttled=0x50005` -> the flags that are up now, and those that were since boot."""
    try:
        bits = int(said.partition("=")[2], 16)
    except ValueError:
        return None, None
    return _flags(bits), _flags(bits >> 16)


def _flags(bits: int) -> list[str]:
    return [name for place, name in enumerate(THROTTLED) if bits >> place & 1]


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def local_device(name: str | None = None) -> str:
    """What this machine's CPU is called as a device: x86, or the architecture; raises UnknownName for another one."""
    architecture = platform.machine().lower()
    here = "x86" if architecture in {"x86_64", "amd64", "i686"} else architecture
    if name not in {None, here}:
        raise UnknownName.of("device", name or "", [here])
    return here


def warnings_between(before: MachineState, after: MachineState, cores: int) -> list[RunWarning]:
    """What was wrong with the machine between two looks; empty if nothing was."""
    return [*_busy(before, after, cores), *_slowed_down(before, after), *_limited(after, cores), *_unsteady(after)]


def invalid_between(before: MachineState, after: MachineState) -> list[RunWarning]:
    """Why the times are not the machine's at all: its firmware held the clock down, or a quota stopped the process."""
    flags = {*(before.throttled or ()), *(after.throttled or ())}
    # A flag that rose and fell again within the run shows in what the firmware keeps since boot.
    flags |= set(after.since_boot or ()) - set(before.since_boot or ())
    held_down = [RunWarning(Kind.THROTTLED, ", ".join(sorted(flags)))] if flags else []
    return [*held_down, *_stopped(before, after)]


def _stopped(before: MachineState, after: MachineState) -> list[RunWarning]:
    """A quota that was used up while the machine was looked at."""
    if before.quota is None or after.quota is None or after.quota.throttled <= before.quota.throttled:
        return []
    values = {
        "cores": after.quota.cores,
        "throttled": after.quota.throttled - before.quota.throttled,
        "periods": after.quota.periods - before.quota.periods,
    }
    message = "the processor quota of {cores:g} cores was used up in {throttled} of {periods} periods"
    return [RunWarning(Kind.THROTTLED, message, values)]


def _limited(after: MachineState, cores: int) -> list[RunWarning]:
    if after.quota is None or after.quota.cores >= cores:
        return []
    values = {"quota": after.quota.cores, "cores": cores}
    return [RunWarning(Kind.QUOTA, "a processor quota allows {quota:g} of {cores} cores", values)]


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


def _slowed_down(before: MachineState, after: MachineState) -> list[RunWarning]:
    if before.throttles is None or after.throttles is None or after.throttles <= before.throttles:
        return []
    values = {"times": after.throttles - before.throttles}
    return [RunWarning(Kind.THROTTLED, "the processor slowed down {times} times", values)]


def _unsteady(after: MachineState) -> list[RunWarning]:
    if after.governor is None or after.governor in STEADY:
        return []
    values = {"governor": after.governor}
    return [RunWarning(Kind.GOVERNOR, "the clock is ruled by {governor}; performance keeps it steady", values)]


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
