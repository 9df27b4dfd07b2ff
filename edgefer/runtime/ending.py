"""How a process ended, in words: its exit code, or the signal that ended it and what the kernel's log says of it."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence

from edgefer.runtime import proc, shell

_MEANINGS: dict[int, str] = {
    signal.SIGILL: "an illegal instruction: a package is built for another processor",
    signal.SIGSEGV: "a segmentation fault in native code",
    signal.SIGBUS: "a bus error in native code",
    signal.SIGABRT: "native code gave up",
    signal.SIGFPE: "an arithmetic error in native code",
    signal.SIGKILL: "killed",
    signal.SIGTERM: "terminated",
    signal.SIGHUP: "hung up",
    signal.SIGINT: "interrupted",
}
RECENT = 300.0  # seconds: an older line of the kernel's log tells of another process
# Both begin a line with the seconds since boot in brackets. Many systems show the log to administrators only.
KERNEL_LOG = "{ dmesg 2>/dev/null || journalctl -k -o short-monotonic -n 500 2>/dev/null; } | tail -n 500"
_OUT_OF_MEMORY = re.compile(r"\[\s*(\d+\.\d+)\].*?((?:Memory cgroup o|O)ut of memory: Killed process \d+ \([^)]*\))")


def signal_of(code: int) -> int | None:
    """The signal that an exit code stands for: -9 as Python tells it, 137 as a shell does; None for another code."""
    number = -code if code < 0 else code - 128
    return number if 0 < number < signal.NSIG else None


def words(code: int, kernel_log: str = "", uptime: float | None = None) -> str:
    """`ended with 1`, or `ended with signal 9 (killed)`; with what the kernel's log says of it, if it does."""
    number = signal_of(code)
    if number is None:
        return f"ended with {code}"
    meaning = _MEANINGS.get(number, (signal.strsignal(number) or "unknown").lower())
    found = out_of_memory(kernel_log, uptime) if number == signal.SIGKILL else None
    return f"ended with signal {number} ({meaning}{f'; the kernel says: {found}' if found else ''})"


def words_here(code: int) -> str:
    """The same of a process of this machine."""
    if signal_of(code) != signal.SIGKILL:
        return words(code)
    return words(code, shell.run_or_none(["sh", "-c", KERNEL_LOG]) or "", proc.uptime())


def out_of_memory(kernel_log: str, uptime: float | None) -> str | None:
    """What the log says of a process that was killed within the last minutes for want of memory; None: nothing."""
    if uptime is None:
        return None
    found: Sequence[tuple[str, str]] = _OUT_OF_MEMORY.findall(kernel_log)
    recent = [text for when, text in found if uptime - float(when) < RECENT]
    return recent[-1] if recent else None
