"""Reading /proc and /sys; whatever a system does not tell is None. `root` is another place of them, in tests."""

from __future__ import annotations

import os
import time
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
    return [found for path in sorted(root.glob(pattern)) if (found := number(path)) is not None]


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
    found = _number((field(path, name) or "").partition(" ")[0])
    return None if found is None else int(found) * 1024


def load_average(root: Path) -> float | None:
    """Of the last minute."""
    return _number((text(root / "proc/loadavg") or "").partition(" ")[0])


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
        from edgefer.runtime import guest_memory

        return guest_memory.resident(root)
    return kibibytes(root / "proc/self/status", "VmRSS")


def peak(root: Path = ROOT) -> int | None:
    """The most that it ever had; None in an emulator, where only the present can be told apart."""
    if emulated():
        return None
    found = kibibytes(root / "proc/self/status", "VmHWM")
    return _peak_elsewhere() if found is None else found


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
