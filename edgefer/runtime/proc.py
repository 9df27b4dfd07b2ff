"""Reading /proc and /sys; whatever a system does not tell is None. `root` is another place of them, in tests."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/")
EMULATED = "EDGEFER_EMULATED"  # the board that an emulator stands for, in a worker's environment


def text(path: Path) -> str | None:
    """A file's text without the end that device trees put there, or None."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip().strip("\0") or None
    except OSError:
        return None


def number(path: Path) -> float | None:
    """A file that holds one number."""
    return _number(text(path))


def _number(word: str | None) -> float | None:
    try:
        return None if word is None else float(word)
    except ValueError:
        return None


def numbers(root: Path, pattern: str) -> list[float]:
    """The numbers in all files that match, those that can be read."""
    return [value for path in sorted(root.glob(pattern)) if (value := number(path)) is not None]


def field(path: Path, *names: str) -> str | None:
    """The value behind the first of `names` in a file of `name : value` lines."""
    lines = (text(path) or "").splitlines()
    for name in names:
        for line in lines:
            key, colon, value = line.partition(":")
            if colon and key.strip() == name and value.strip():
                return value.strip()
    return None


def kibibytes(path: Path, name: str) -> int | None:
    """A `name: 123 kB` line, in bytes."""
    count = _number((field(path, name) or "").partition(" ")[0])
    return None if count is None else int(count) * 1024


def load_average(root: Path) -> float | None:
    """Of the last minute."""
    return _number((text(root / "proc/loadavg") or "").partition(" ")[0])


def uptime(root: Path = ROOT) -> float | None:
    """Seconds since boot."""
    return _number((text(root / "proc/uptime") or "").partition(" ")[0])


def cpu_seconds(root: Path) -> tuple[float | None, float | None]:
    """CPU seconds since boot of all processes, and those that other virtual machines took."""
    first = (text(root / "proc/stat") or "").partition("\n")[0].split()
    if len(first) < 9 or first[0] != "cpu":
        return None, None
    # user, nice, system, idle, iowait, irq, softirq, steal: proc(5)
    user, nice, system, _idle, _wait, irq, soft, steal = (int(word) / _ticks() for word in first[1:9])
    return user + nice + system + irq + soft, steal


def _ticks() -> int:
    return os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


def own_seconds() -> tuple[float, float]:
    """CPU seconds of this process in user and in kernel mode.

    Their sum is exact; how it divides, Linux samples at its ticks.
    """
    total = time.process_time()
    try:
        import resource
    except ModuleNotFoundError:  # not a Unix
        used = os.times()
        user, kernel = used.user, used.system
    else:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        user, kernel = usage.ru_utime, usage.ru_stime
    share = user / (user + kernel) if user + kernel else 1.0
    return total * share, total * (1 - share)


def emulated() -> str | None:
    """The board that this process is to believe it runs on; None on a real machine."""
    return os.environ.get(EMULATED)


def resident(root: Path = ROOT) -> int | None:
    """Bytes of memory that this process has now; in an emulator, without what is the emulator's."""
    if emulated():
        return guest_resident(root)
    return kibibytes(root / "proc/self/status", "VmRSS")


def peak(root: Path = ROOT) -> int | None:
    """The most that it ever had; None in an emulator, where only the present can be told apart."""
    if emulated():
        return None
    peak_bytes = kibibytes(root / "proc/self/status", "VmHWM")
    return _peak_elsewhere() if peak_bytes is None else peak_bytes


def _peak_elsewhere() -> int | None:
    try:
        import resource
    except ModuleNotFoundError:  # not a Unix
        return None
    import sys

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def total_memory(root: Path = ROOT) -> int | None:
    """Bytes of the machine; None in an emulator: that is the host's."""
    if emulated():
        return None
    return kibibytes(root / "proc/meminfo", "MemTotal")


@dataclass(frozen=True)
class Mapping:
    """Addresses from start to end, the offset in the file that lies there, that file, and resident bytes."""

    start: int
    end: int
    offset: int
    path: str
    resident: int = 0


def guest_resident(root: Path = ROOT) -> int | None:
    """Bytes of this process that are the guest program's in qemu-user; None if the two tables don't fit together.

    Linux knows one process, the emulator with the guest inside, and VmRSS counts both: QEMU's translated code alone
    is larger than a small model. QEMU answers the guest's /proc/self/maps itself, with the guest's mappings at the
    guest's addresses; /proc/thread-self/smaps it leaves to Linux, which tells how much of every mapping of the
    process is resident. A file that stands in both tells how far guest addresses are shifted. A mapping of Linux's
    that holds guest and other pages is counted by the share of the guest's addresses in it.
    """
    guest = list(_mappings(root / "proc/self/maps"))
    process = list(_mappings(root / "proc/thread-self/smaps"))
    shift = _shift(guest, process)
    if shift is None:
        return None
    return sum(_within(each, guest, shift) for each in process)


def _mappings(path: Path) -> Iterator[Mapping]:
    """The mappings of a maps or smaps file, proc_pid_maps(5)."""
    current: Mapping | None = None
    for line in (text(path) or "").splitlines():
        words = line.split(maxsplit=5)
        first, dash, last = words[0].partition("-") if words else ("", "", "")
        if dash and len(words) >= 5:
            if current is not None:
                yield current
            current = Mapping(int(first, 16), int(last, 16), int(words[2], 16), words[5] if len(words) > 5 else "")
        elif words and words[0] == "Rss:" and current is not None:
            current = Mapping(current.start, current.end, current.offset, current.path, int(words[1]) * 1024)
    if current is not None:
        yield current


def _shift(guest: list[Mapping], process: list[Mapping]) -> int | None:
    """What to add to a guest address for one of the process: that at which most of the guest's files lie."""
    there = {(each.path, each.offset): each.start for each in process if each.path.startswith("/")}
    shifts = [there[key] - each.start for each in guest if (key := (each.path, each.offset)) in there]
    return max(set(shifts), key=shifts.count) if shifts else None


def _within(each: Mapping, guest: list[Mapping], shift: int) -> int:
    """Resident bytes of `each` in the guest's mappings."""
    size = each.end - each.start
    shared = sum(max(0, min(each.end, g.end + shift) - max(each.start, g.start + shift)) for g in guest)
    return each.resident * min(size, shared) // size if size else 0
